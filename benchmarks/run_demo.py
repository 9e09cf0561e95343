"""How long `concord run` takes on the demo, step by step: first run, and a run with nothing new.

    python -m benchmarks.run_demo [--patients N] [--runs N]

Each run is a process of its own, as a user starts it; the first, uncounted, warms the byte code and the disk. The peer
that every step is held against is the start of Python with the libraries alone (`import dagster, polars, duckdb`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = "import dagster, dagster_dbt, polars, duckdb, pandas"


def main() -> None:
    """Print the median seconds per step and the ratio to the bare imports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=155)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "original"
        concord("demo", original, "--patients", chosen.patients)
        fresh, again = [], []
        for number in range(chosen.runs + 1):
            network = Path(folder) / f"run{number}"
            shutil.copytree(original, network)
            first, second = timed_run(network), timed_run(network)
            if number:
                fresh.append(first)
                again.append(second)
            shutil.rmtree(network)
        imports = statistics.median(timed([sys.executable, "-c", IMPORTS]) for _ in range(chosen.runs + 1))
    print(f"{chosen.patients} patients, median of {chosen.runs} runs, seconds; the imports alone take {imports:.1f}")
    for title, runs in (("everything new", fresh), ("nothing new", again)):
        total = statistics.median(run["total"] for run in runs)
        print(f"\n{title}: {total:.1f} ({total / imports:.1f} times the imports)")
        for step in runs[0]:
            if step != "total":
                print(f"  {step:14} {statistics.median(run[step] for run in runs):6.1f}")


def timed_run(network: Path) -> dict[str, float]:
    """Seconds by step, and in all, of one `concord run`."""
    total = timed(
        [sys.executable, "-c", "from orchestration.cli import main; main()", "run", "--network", str(network)]
    )
    record = json.loads((network / ".dagster" / "last_run.json").read_text(encoding="utf-8"))
    return {**record["seconds"], "total": total}


def timed(command: list[str]) -> float:
    """Wall seconds of one process that must succeed."""
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def concord(*arguments: object) -> None:
    """Run the command line."""
    command = [sys.executable, "-c", "from orchestration.cli import main; main()", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    main()
