"""What a week's look at quality costs: a hundred units, 60,000 patients, about a million due points.

    python -m benchmarks.quality [--sites N] [--patients N] [--network DIR] [--only STEP ...]

Each step is a process of its own; seconds are the clock's, CPU seconds (user and system, children included) and the
largest resident memory of one process are the operating system's. The network (`benchmarks.quality_network`) is written
before, unmeasured; `--network DIR` keeps it there for another run.

- ledger: dbt from its start, only the ledger of due points, the rates, coverage, trends and what they stand on.
- build: dbt, every model and test of a nightly run (the ledger among them).
- week before: both ledgers as they stood seven days ago, by dbt from its start, and what changed since.
- expectations: great-expectations over the counts of every unit.
- seal: the finished file under the name that readers open.
- pages: everything under published/.
- filters: how fast the overview answers one in Chromium (`benchmarks.pages`).

It fails where the rates do not add up from the ledger.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.ingestion import run_command
from benchmarks.pages import answers
from benchmarks.quality_network import write_network

LEDGER = "+completeness +coverage +trend"
SLOWEST = 10


class StepCost(NamedTuple):
    """Seconds of the clock, CPU seconds and megabytes of one process and its children, and what it printed."""

    seconds: float
    cpu: float
    megabytes: float
    printed: dict[str, Any]


def main() -> None:
    """Write the network, run every step, print a table and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--patients", type=int, default=60_000)
    parser.add_argument("--network", type=Path, help="where the network is written, or lies from an earlier run")
    parser.add_argument("--only", nargs="+", choices=sorted(STEPS), default=list(STEPS))
    parser.add_argument("--child", nargs=2, metavar=("STEP", "NETWORK"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        step, network = chosen.child
        sys.stdout.write(json.dumps(STEPS[step](Path(network))) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        network = chosen.network or Path(folder) / "network"
        if not (network / "network.yaml").is_file():
            _tell("network", StepCost(0, 0, 0, dict(write_network(network, chosen.sites, chosen.patients))))
        print(f"{'':16}{'seconds':>9}{'CPU s':>9}{'peak MB':>9}")
        costs = {}
        for step in STEPS:
            if step in chosen.only:
                costs[step] = run(step, network)
                _tell(step, costs[step])
    week = [cost for step, cost in costs.items() if step not in {"ledger", "filters"}]
    most = max((cost.megabytes for cost in week), default=0)
    _tell("together", StepCost(sum(cost.seconds for cost in week), sum(cost.cpu for cost in week), most, {}))
    print(json.dumps({step: [round(c.seconds, 1), round(c.cpu, 1), round(c.megabytes)] for step, c in costs.items()}))


def run(step: str, network: Path) -> StepCost:
    """One step in a process of its own, under the settings that `concord` gives itself when it starts."""
    start = "import orchestration; from benchmarks.quality import main; main()"
    started = time.monotonic()
    cost = run_command(["-c", start, "--child", step, str(network)])
    megabytes = max(cost.megabytes, cost.printed.pop("children_megabytes"))
    return StepCost(time.monotonic() - started, cost.cpu, megabytes, cost.printed)


def ledger(network: Path) -> dict[str, Any]:
    """The ledger and the rates alone."""
    return _dbt(network, LEDGER)


def build(network: Path) -> dict[str, Any]:
    """Every model and test."""
    return _dbt(network, None)


def _dbt(network: Path, only: str | None) -> dict[str, Any]:
    import duckdb

    from assets.run_context import Clocks
    from assets.warehouse.build import manifest, prepare_project, run_dbt
    from assets.warehouse.stage import write_build_inputs
    from codebook.library import load_library

    library = load_library(network)
    write_build_inputs(library, Clocks.of(None, None, library.network.today), library.folder)
    manifest()
    outcome = run_dbt(prepare_project(library.folder.build), only=only)
    if not outcome.is_success:
        raise RuntimeError(outcome.explain())
    slowest = sorted(outcome.nodes, key=lambda node: -node.seconds)[:SLOWEST]
    said: dict[str, Any] = {f"{node.name}, s": round(node.seconds, 2) for node in slowest}
    with duckdb.connect(str(library.folder.build / "warehouse.duckdb"), read_only=True) as connection:
        said |= _check(connection)
    return said | _children()


def _check(connection: Any) -> dict[str, int]:
    """Due points by what became of them; AssertionError where the rates do not add up from the ledger."""
    points = connection.execute(
        "select status, count(*), count(assessment_id) from quality.expected_assessment group by status order by status"
    ).fetchall()
    counted = connection.execute(
        "select count(*) filter (where is_counted), count(assessment_id) from quality.expected_assessment"
    ).fetchone()
    for table in ("completeness", "completeness_quarter"):
        rates = connection.execute(f"select sum(n_expected), sum(n_received) from quality.{table}").fetchone()
        assert rates == counted, f"{table}: {rates}, in the ledger {counted}"
    return {"due points": sum(n for _, n, _ in points)} | {status: n for status, n, _ in points}


def week_before(network: Path) -> dict[str, Any]:
    """Last week's ledgers beside today's."""
    from assets.run_context import Clocks
    from assets.warehouse.comparison import changes, compare, default_span, write_changes
    from assets.warehouse.ledgers import build_ledgers, delivered_by
    from codebook.library import load_library

    library = load_library(network)
    build = library.folder.build
    span = default_span(library, Clocks.of(None, None, library.network.today))
    before = build_ledgers(library, span.earlier, build / "earlier")
    compared = compare(before, build / "warehouse.duckdb")
    frame = changes(compared, span, delivered_by(library, span.earlier))
    write_changes(frame, build / "results")
    counted = {name: int(frame[name].sum()) for name in frame.columns if name.startswith("n_")}
    return counted | _children()


def expectations(network: Path) -> dict[str, Any]:
    """Every suite."""
    from checks.expectations.suites import judge_warehouse, write_expectations
    from codebook.library import load_library

    library = load_library(network)
    assert library.network.today is not None
    frame = judge_warehouse(library.folder.build / "warehouse.duckdb", library, library.network.today)
    write_expectations(frame, library.folder.build / "results")
    return {"expectations": frame.height, **_children()}


def sealed(network: Path) -> dict[str, Any]:
    """The seal."""
    from assets.warehouse.seal import seal
    from codebook.network import NetworkFolder

    folder = NetworkFolder(network)
    seal(folder.build, folder.warehouse)
    return {"warehouse, MB": round(folder.warehouse.stat().st_size / 1e6), **_children()}


def pages(network: Path) -> dict[str, Any]:
    """Everything that is published."""
    from assets.publishing.publish import RunSummary, publish
    from codebook.library import load_library

    library = load_library(network)
    summary = RunSummary(as_of=None, today=library.network.today, code_version="benchmark")
    written = publish(library.folder.warehouse, library, library.folder.published, summary)
    overview = library.folder.published / "network" / "index.html"
    size = {"files": len(written), "overview, kB": round(overview.stat().st_size / 1e3)}
    return size | _children()


def filters(network: Path) -> dict[str, Any]:
    """Milliseconds of each filter, drawn."""
    taken = answers(network / "published" / "network" / "index.html")
    return {f"filter {name or 'none'}, ms": round(drawn, 1) for name, (_, drawn) in taken.items()} | _children()


def _children() -> dict[str, float]:
    return {"children_megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ledger": ledger,
    "build": build,
    "week before": week_before,
    "expectations": expectations,
    "seal": sealed,
    "pages": pages,
    "filters": filters,
}


def _tell(step: str, cost: StepCost) -> None:
    print(f"{step:16}{cost.seconds:9.1f}{cost.cpu:9.1f}{cost.megabytes:9.0f}")
    for name, value in cost.printed.items():
        print(f"  {name:40}{value:>12,}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
