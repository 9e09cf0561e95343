"""The catalogue holds every rule that is raised anywhere, and docs/rules.md is what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks import rule_codes
from checks.catalogue import RULES, catalogued, rule_of, rule_rows
from checks.rule_codes import CLASSES
from checks.rule_docs import PAGE, page

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("assets", "checks")
CODES = {name for name, value in vars(rule_codes).items() if name.isupper() and isinstance(value, str)}
RAISING = {"finding_frame": "rule", "found": 1, "rejection": 1, "note": 1, "clashing": 1}
"""Function → keyword or place of the argument that is a rule's code."""
SQL_CODE = re.compile(r"'((?:assessment|record|supplied|row|form|date)-[a-z-]+)'")


def raised_in_python() -> Iterator[tuple[str, str]]:
    """(place, code) of every rule that is named by a literal where a finding is made."""
    for file in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in RAISING:
                continue
            place = RAISING[name]
            given = [k.value for k in node.keywords if k.arg in (place, "rule", "code")]
            if isinstance(place, int) and len(node.args) > place:
                given.append(node.args[place])
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", value.value


def raised_in_sql() -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / "dbt_project" / "models").rglob("*.sql")):
        for code in SQL_CODE.findall(file.read_text(encoding="utf-8")):
            yield file.name, code


def test_every_rule_that_code_raises_is_catalogued() -> None:
    raised = [*raised_in_python(), *raised_in_sql()]
    assert len(raised) > 5
    assert [(place, code) for place, code in raised if rule_of(code) is None] == []


def test_every_code_has_an_entry_and_every_entry_a_code() -> None:
    constants = {getattr(rule_codes, name) for name in CODES}
    assert {code for code in constants if rule_of(code) is None or rule_of(code).is_family} == set()  # type: ignore[union-attr]
    assert {rule.code for rule in RULES if not rule.is_family} == constants


def test_codes_are_unique_and_entries_complete() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
    for rule in RULES:
        assert rule.kind in CLASSES
        assert rule.remedy.endswith(".") and rule.remedy.count(". ") == 0, rule.code
        assert rule.message and rule.one and rule.many and rule.raised_in
        for module in re.findall(r"[a-z_]+(?:\.[a-z_]+)+", rule.raised_in.replace("quality.finding", "")):
            path = ROOT / module.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").is_file(), f"{rule.code}: {module} does not exist"


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("wai_sr-range-07", "{instrument}-range-{item}"),
        ("bsi_18-code-13", "{instrument}-code-{item}"),
        ("work-months-code", "{field}-code"),
        ("birth-year-conflict", "{field}-conflict"),
        ("row-key-conflict", "row-key-conflict"),
        ("row-identity-missing", "row-identity-missing"),
    ],
)
def test_a_code_is_found_by_itself_or_by_its_family(code: str, family: str) -> None:
    assert catalogued(code).code == family


def test_sql_finds_the_same_rule() -> None:
    def like(code: str, pattern: str) -> bool:
        return re.fullmatch(re.escape(pattern).replace("%", ".*").replace("_", "."), code) is not None

    ordered = sorted(rule_rows(), key=lambda row: int(str(row["rule_order"])))
    codes = [rule.code for rule in RULES if not rule.is_family]
    codes += ["wai_sr-range-07", "wai_sr-code-07", "sex-code", "sex-conflict", "work-months-code"]
    for code in codes:
        first = next(row for row in ordered if like(code, str(row["pattern"])))
        assert first["rule"] == catalogued(code).code


def test_an_unknown_code_is_no_rule() -> None:
    assert rule_of("nobody-knows") is None
    with pytest.raises(KeyError, match="nobody-knows"):
        catalogued("nobody-knows")


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m checks.rule_docs"
