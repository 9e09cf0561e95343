"""The shape of the house: imports go one way, and what is committed names no place outside the project."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "codebook": set(),
    "checks": {"codebook"},
    "assets": {"checks", "codebook"},
    "simulation": {"codebook"},
    "orchestration": {"assets", "checks", "codebook", "simulation"},
}
MODULES = sorted(path for room in ALLOWED for path in (ROOT / room).rglob("*.py"))


def imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names & set(ALLOWED)


def test_every_room_has_modules() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    assert imported_rooms(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_what_belongs_in_them(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "a module says what belongs in it"


def test_help_imports_no_heavy_library() -> None:
    script = (
        "import sys; sys.argv = ['concord', '--help']\n"
        "from orchestration.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'dagster', 'polars', 'pandas', 'duckdb', 'statsmodels', 'great_expectations', 'dbt', 'altair'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "Exit codes" in done.stdout


def test_the_lock_file_is_hashed_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,]+\])?==\S+", text, flags=re.MULTILINE)
    assert len(pins) > 50
    assert text.count("--hash=sha256:") >= len(pins)
    asked = re.findall(r"^([a-z0-9-]+)(?:==\S+)?$", (ROOT / "requirements.in").read_text(), flags=re.MULTILINE)
    assert set(asked) <= {pin.split("==")[0] for pin in pins}
    assert int(re.search(r"^dbt-core==1\.(\d+)\.", text, flags=re.MULTILINE)[1]) < 12
