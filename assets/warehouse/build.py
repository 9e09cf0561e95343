"""Running dbt: the project's copy inside a network, one subprocess, and what became of every node.

What belongs here: copying, starting, ending and reading dbt. What does not: SQL (`dbt_project`), the inputs it reads
(`assets.warehouse.inputs`), the seal (`assets.warehouse.seal`), and any Dagster code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = CHECKOUT / "dbt_project"

_PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "tests")
_PARSED = Path("target") / "partial_parse.msgpack"
_DIGEST = Path("target") / "parsed.sha256"
_LOGS = ("--log-level-file", "none", "--log-path", "target")
_FLAGS = ("--no-version-check", "--no-send-anonymous-usage-stats", "--no-use-colors", *_LOGS)
_TAIL_LINES = 40
_END_SECONDS = 10


@dataclass(frozen=True)
class DbtNode:
    """What became of one model or test. `failures`: rows that a test returned; `seconds`: wall time."""

    name: str
    unique_id: str
    resource_type: str
    status: str
    failures: int | None
    seconds: float
    message: str


@dataclass(frozen=True)
class DbtOutcome:
    """What became of a dbt run. `nodes` is empty where dbt failed before it ran any; then `tail` says why."""

    exit_code: int
    nodes: tuple[DbtNode, ...]
    tail: tuple[str, ...]

    @property
    def is_success(self) -> bool:
        """True where every model was built and no test failed (warnings do not count)."""
        return self.exit_code == 0

    @property
    def failures(self) -> tuple[DbtNode, ...]:
        """Nodes that failed or errored, without those skipped because of them."""
        return tuple(node for node in self.nodes if node.status in {"error", "fail", "runtime error"})

    @property
    def warned(self) -> tuple[DbtNode, ...]:
        """Tests that found rows but do not stop the build."""
        return tuple(node for node in self.nodes if node.status == "warn")

    def explain(self) -> str:
        """One sentence per failed node, or dbt's last lines where none ran; empty where all went well."""
        if self.is_success:
            return ""
        if not self.failures:
            return "dbt stopped before it built anything: " + " ".join(self.tail[-10:])
        return "; ".join(f"{node.resource_type} {node.name}: {node.message.strip()}" for node in self.failures)


def prepare_project(build: Path) -> Path:
    """Copy the dbt project, and what the checkout parsed of it, to `build`/dbt; return that folder.

    The copy holds relative paths only (`../inputs`, `../../lake`, `../warehouse.duckdb`), so the checkout's parse
    stays valid in every network.
    """
    target = build / "dbt"
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for part in _PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, target / part)
        else:
            shutil.copy2(source, target / part)
    if (PROJECT / _PARSED).is_file():
        (target / _PARSED).parent.mkdir()
        shutil.copy2(PROJECT / _PARSED, target / _PARSED)
    return target


def run_dbt(
    project: Path,
    pass_fds: Sequence[int] = (),
    on_line: Callable[[str], None] | None = None,
    *,
    with_unit_tests: bool = False,
    only: str | None = None,
) -> DbtOutcome:
    """Build every model of `project` and run its tests, as one subprocess; the only writer of the warehouse.

    `pass_fds` are descriptors of locks: a dbt that outlives a killed caller goes on holding them. `on_line` gets dbt's
    own lines, counts and names only. `only` names the models to build (dbt's selection), then without any test.
    Unit tests judge the SQL and not the data, so a nightly run leaves them out.
    dbt and everything it started has ended when this returns or raises, also on SIGINT and SIGTERM.
    """
    arguments = ["build", *_FLAGS]
    if only is not None:
        arguments += ["--select", only, "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    elif not with_unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    results = project / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    exit_code, tail = _run(arguments, project, pass_fds, on_line)
    return DbtOutcome(exit_code, _nodes(results), tail)


def parse_manifest(checkout: Path = CHECKOUT) -> Path:
    """Parse the project in the checkout and return its manifest; needs no network folder and writes only `target`.

    Raises:
        RuntimeError: the project does not parse.
    """
    project = checkout / "dbt_project"
    exit_code, tail = _run(["parse", *_FLAGS], project, (), None)
    if exit_code:
        raise RuntimeError(f"dbt could not parse {project.name}: {' '.join(tail[-10:])}")
    (project / _DIGEST).write_text(_digest(project), encoding="utf-8")
    return project / "target" / "manifest.json"


def manifest(checkout: Path = CHECKOUT) -> Path:
    """The manifest of the checkout, parsed again where the project is not what it was parsed from."""
    project = checkout / "dbt_project"
    parsed, digest = project / "target" / "manifest.json", project / _DIGEST
    is_complete = all(path.is_file() for path in (parsed, project / _PARSED, digest))
    if is_complete and digest.read_text(encoding="utf-8") == _digest(project):
        return parsed
    return parse_manifest(checkout)


def _digest(project: Path) -> str:
    """SHA-256 over the names and contents of the project's files."""
    digest = hashlib.sha256()
    for part in _PARTS:
        path = project / part
        for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(project)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(
    arguments: Sequence[str], project: Path, pass_fds: Sequence[int], on_line: Callable[[str], None] | None
) -> tuple[int, tuple[str, ...]]:
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments]
    environment = os.environ | {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "DBT_PROFILES_DIR": ".",
        "PYTHONUNBUFFERED": "1",
    }
    tail: list[str] = []
    with _terminate_as_exit() as received:
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                text = line.rstrip()
                if received:
                    break
                if text:
                    tail = [*tail[1 - _TAIL_LINES :], text]
                    if on_line is not None:
                        on_line(text)
            exit_code = 0 if received else process.wait()
        finally:
            _end(process)
        if received:
            raise SystemExit(128 + received[0])
    return exit_code, tuple(tail)


def _end(process: subprocess.Popen[str]) -> None:
    """End the process group: politely, then surely."""
    if process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            try:
                process.wait(_END_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def _terminate_as_exit() -> Iterator[list[int]]:
    """Turn SIGTERM into SystemExit while dbt runs, so that `finally` ends it; Python's default would just die.

    Yields the signals that came: an exception that a handler raises inside a finaliser is lost, the list is not.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield received
        return

    def leave(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _nodes(results: Path) -> tuple[DbtNode, ...]:
    if not results.is_file():
        return ()
    found: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))["results"]
    return tuple(
        DbtNode(
            name=_name(str(result["unique_id"])),
            unique_id=result["unique_id"],
            resource_type=str(result["unique_id"]).split(".", maxsplit=1)[0],
            status=result["status"],
            failures=result.get("failures"),
            seconds=float(result["execution_time"]),
            message=str(result.get("message") or ""),
        )
        for result in found
    )


def _name(unique_id: str) -> str:
    """NAME of `model.concord.NAME`, `test.concord.NAME.HASH` or `unit_test.concord.MODEL.NAME`."""
    parts = unique_id.split(".")
    return parts[3] if parts[0] == "unit_test" else parts[2]


if __name__ == "__main__":
    sys.stdout.write(f"parsed: {parse_manifest().relative_to(CHECKOUT)}\n")
