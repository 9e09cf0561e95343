"""What taking deliveries in costs: beside a raw text scan of the same files, and beside pandas with pandera.

    python -m benchmarks.ingestion [--assessments N] [--runs N] [--peer-assessments N] [--no-peer] [--build]
                                    [--typing-errors SHARE] [--later N]

Each way is a process of its own; its CPU seconds (user and system, imports and all threads included) and its largest
resident memory are the operating system's. The network (`benchmarks.ingestion_network`) is written before, unmeasured.

- scan: DuckDB reads every file as text and counts every column, nothing else. DuckDB has no cp1252, and what it reads
  from UTF-16 is wrong, so these two thirds are given to it as UTF-8, converted beforehand and unmeasured: the scan
  reads fewer bytes and converts none. `scan, columns told` is given names and types too and finds out nothing itself.
- concord: plan, read, map, pseudonymise, judge, contracts, promote, by `assets.ingestion.ingest`, without Dagster.
- build: dbt from its start, every model and test, scores included, on what concord took in.
- pandas: the same tables and findings (`benchmarks.ingestion_pandas`).

It fails where findings, held rows or accepted assessments are not what was planted, or where the ids of pandas differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.ingestion_network import (
    DELIVERY,
    DIALECTS,
    FILES_PER_SITE,
    INSTRUMENT,
    MOST_AT_ONCE,
    N_SITES,
    QUESTIONS,
    add_delivery,
    dialect_of,
    site_names,
    write_network,
)

N_FILES = N_SITES * FILES_PER_SITE
ROOT = Path(__file__).resolve().parent.parent
PATIENTS, ANSWERS = ["nr", "name", "sex", "born", "admitted"], ["nr", "date", "visit", *QUESTIONS, "sum", "note"]


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU seconds, megabytes, and what it printed."""

    cpu: float
    megabytes: float
    printed: dict[str, Any]


def main() -> None:
    """Run what was asked for, print a table and the same as JSON; fail where anybody is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assessments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of scan and concord in turn; medians are told")
    parser.add_argument("--peer-assessments", type=int, help="for pandas; its CPU is scaled up (default: the same)")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--build", action="store_true", help="dbt and scoring too")
    parser.add_argument("--typing-errors", type=float, default=0.0, help="share of answers, beside the planted rows")
    parser.add_argument("--later", type=int, default=1000, help="assessments of one more delivery, taken afterwards")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "NETWORK", "TARGET"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        way, network, target = chosen.child
        sys.stdout.write(json.dumps(CHILDREN[way](Path(network), Path(target))) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(Path(folder), chosen)
    _print(costs, chosen)


def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Cost]:
    """Every way that was asked for, one after the other, on one network."""
    network = folder / "network"
    truth = run("write", network, Path(f"{chosen.assessments} {chosen.typing_errors}")).printed
    as_utf8(network, folder / "utf8")
    taken: dict[str, list[Cost]] = {"scan": [], "scan, columns told": [], "concord": []}
    for _ in range(chosen.runs):
        for derived in ("lake", "state"):
            shutil.rmtree(network / derived, ignore_errors=True)
        taken["scan"].append(scan(folder / "utf8", is_told=False))
        taken["scan, columns told"].append(scan(folder / "utf8", is_told=True))
        taken["concord"].append(run("concord", network, folder))
        check(truth, taken["concord"][-1].printed | findings_of(network), "concord")
    costs = {name: median(runs) for name, runs in taken.items()}
    if chosen.build:
        costs["build"] = run("build", network, folder)
    if chosen.later:
        run("add", network, Path(str(chosen.later)))
        costs["one more delivery"] = run("concord", network, folder)
    if not chosen.no_peer:
        small = chosen.peer_assessments or chosen.assessments
        peer_network = network
        if small != chosen.assessments:
            peer_network = folder / "smaller"
            truth = run("write", peer_network, Path(f"{small} {chosen.typing_errors}")).printed
        costs["pandas"] = run("pandas", peer_network, folder / "pandas")
        check(truth, costs["pandas"].printed, "pandas")
        if peer_network is network:
            compare_ids(network, folder / "pandas")
    return costs


def median(runs: list[Cost]) -> Cost:
    """Median CPU and largest memory."""
    return Cost(statistics.median(run.cpu for run in runs), max(run.megabytes for run in runs), runs[-1].printed)


def run(way: str, network: Path, target: Path) -> Cost:
    """One way in a process of its own, under the settings that `concord` gives itself when it starts."""
    start = "import orchestration; from benchmarks.ingestion import main; main()"
    return run_command(["-c", start, "--child", way, str(network), str(target)])


def scan(files: Path, is_told: bool) -> Cost:
    """DuckDB reads all as text and counts every column, one query per dialect and kind of file."""
    jobs = [
        {
            "files": f"{files / dialect.encoding / kind}/*.csv",
            "delimiter": dialect.delimiter,
            "columns": columns,
            "is_told": is_told,
        }
        for dialect in DIALECTS
        for kind, columns in (("patients", PATIENTS), ("answers", ANSWERS))
    ]
    return run_command(["-m", "benchmarks.text_scan", json.dumps(jobs)])


def run_command(arguments: list[str]) -> Cost:
    """A Python process and what the operating system says of it."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, json.loads(printed.splitlines()[-1]))


def as_utf8(network: Path, target: Path) -> None:
    """Every file as UTF-8, in a folder per dialect and kind; those that are UTF-8 are linked."""
    for site in site_names():
        dialect = dialect_of(site)
        for path in (network / "landing" / site).glob("*/*.csv"):
            kind = "patients" if path.stem == "patients" else "answers"
            place = target / dialect.encoding / kind / f"{site}_{path.parent.name}_{path.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            if dialect.encoding == "utf-8":
                place.hardlink_to(path)
            else:
                place.write_bytes(path.read_bytes().decode(dialect.encoding).encode())


def concord(network: Path, target: Path) -> dict[str, int]:
    """Take everything that is new, and count as the truth does."""
    from assets.ingestion import ingest
    from checks.keys import load_key
    from codebook.library import load_library

    library = load_library(network)
    pseudonyms = load_key(network / library.network.privacy.key_file)
    counts = {"n_landed": 0, "n_quarantined": 0}
    for site in library.sites.values():
        for planned in ingest.plan_site(library, site, pseudonyms):
            if planned.action == "skip":
                continue
            staged = ingest.stage_delivery(library, site, planned, pseudonyms)
            if staged.failed:
                raise RuntimeError("; ".join(check.message for check in staged.failed))
            ingest.accept(library, staged)
            counts["n_landed"] += staged.receipt.n_rows_landed
            counts["n_quarantined"] += staged.receipt.n_rows_quarantined
    return counts


def build(network: Path, target: Path) -> dict[str, int]:
    """dbt on what was taken in; tests count."""
    from assets.run_context import Clocks
    from assets.warehouse.build import manifest, prepare_project, run_dbt
    from assets.warehouse.stage import write_build_inputs
    from codebook.library import load_library

    library = load_library(network)
    write_build_inputs(library, Clocks.of(None, None, library.network.today), library.folder)
    manifest()
    outcome = run_dbt(prepare_project(library.folder.build))
    if not outcome.is_success:
        raise RuntimeError(outcome.explain())
    slowest = sorted(outcome.nodes, key=lambda node: -node.seconds)[:12]
    return {f"{node.name}, milliseconds": round(node.seconds * 1000) for node in slowest}


def pandas(network: Path, target: Path) -> dict[str, int]:
    """The same by pandas and pandera."""
    from benchmarks.ingestion_pandas import ingest

    return ingest(network, target)


def write(network: Path, how: Path) -> dict[str, int]:
    """The network, in a process of its own too: a child's peak memory begins with that of whoever started it."""
    n_assessments, typing_errors = str(how).split()
    return write_network(network, int(n_assessments), float(typing_errors))


def add(network: Path, how: Path) -> dict[str, int]:
    """One more delivery."""
    add_delivery(network, site_names()[0], int(str(how)))
    return {}


CHILDREN: dict[str, Callable[[Path, Path], dict[str, int]]] = {
    "write": write,
    "add": add,
    "concord": concord,
    "build": build,
    "pandas": pandas,
}


def check(truth: dict[str, int], counted: dict[str, int], who: str) -> None:
    """AssertionError where what was found is not what was planted."""
    different = {name: (count, counted.get(name)) for name, count in truth.items() if counted.get(name) != count}
    assert not different, f"{who}: {different}"


def findings_of(network: Path) -> dict[str, int]:
    """Findings by rule (items of one rule together) and rows by table, from what concord stored."""
    accepted = network / "lake" / "accepted"
    tables = {
        name: pl.read_parquet(accepted / name / "**" / "*.parquet", hive_partitioning=False, columns=[column])
        for name, column in (("finding", "rule"), (INSTRUMENT, "assessment_id"), ("missing_answer", "item"))
    }
    rules = tables["finding"]["rule"].str.replace(r"-\d\d$", "").value_counts()
    counts = dict(rules.iter_rows())
    return counts | {"n_accepted": tables[INSTRUMENT].height, "n_missing_answers": tables["missing_answer"].height}


def compare_ids(network: Path, target: Path) -> None:
    """AssertionError where pandas gave assessments other ids or answers than Concord."""
    columns = ["assessment_id", "item_07", "item_12", "item_31", "item_60"]
    ours = pl.read_parquet(
        network / "lake" / "accepted" / INSTRUMENT / "**" / f"delivery={DELIVERY}" / "*.parquet",
        hive_partitioning=False,
        columns=columns,
    )
    theirs = pl.read_parquet(target / "*" / "answers.parquet", columns=columns)
    same = ours.sort("assessment_id").equals(theirs.sort("assessment_id"))
    assert same, "pandas gives assessments other ids or answers"


def _print(costs: dict[str, Cost], chosen: argparse.Namespace) -> None:
    base = costs["scan"].cpu
    strict = costs["scan, columns told"].cpu
    lines = dict(costs)
    if "build" in costs:
        both = costs["concord"].cpu + costs["build"].cpu
        lines["concord and build"] = Cost(both, max(costs["concord"].megabytes, costs["build"].megabytes), {})
    scale = 1.0
    if "pandas" in costs and chosen.peer_assessments:
        scale = chosen.assessments / chosen.peer_assessments
        lines["pandas, scaled up"] = Cost(costs["pandas"].cpu * scale, costs["pandas"].megabytes, {})
    n_files = N_FILES * -(-chosen.assessments // MOST_AT_ONCE)
    print(f"{chosen.assessments:,} assessments of {len(QUESTIONS)} items, {n_files} files in three dialects")
    print(f"{'':24}{'CPU s':>9}{'peak MB':>9}{'of scan':>9}{'of told':>9}")
    for name, cost in lines.items():
        print(f"{name:24}{cost.cpu:9.2f}{cost.megabytes:9.0f}{cost.cpu / base:9.2f}{cost.cpu / strict:9.2f}")
    if "pandas" in costs:
        print(f"pandas takes {costs['pandas'].cpu * scale / costs['concord'].cpu:.1f} times the CPU of concord")
    for name, milliseconds in costs["build"].printed.items() if "build" in costs else ():
        print(f"  {name.removesuffix(', milliseconds'):40}{milliseconds / 1000:8.2f} s")
    print(json.dumps({name: {"cpu": round(c.cpu, 2), "megabytes": round(c.megabytes)} for name, c in lines.items()}))


if __name__ == "__main__":
    main()
