"""Whether any file, however spoilt, makes a reader do anything but hand over a frame or say one sentence.

    python -m benchmarks.fuzz_readers --minutes 10 [--reader NAME] [--seed N] [--samples DIR] [--keep DIR]

Valid files of every format are spoilt at random (`fuzz_mutations`) or made to do harm (`fuzz_seeds`), and read in a
process with a limit of 1 GB and 20 seconds (`fuzz_worker`). Every other outcome is printed with its seed, and its files
are kept. Readers are taken in turn, so `--minutes` is the time for each.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fuzz_hostile import hostile
from benchmarks.fuzz_mutations import mutate
from benchmarks.fuzz_seeds import Seed, sample_seeds, seeds

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = frozenset({"frame", "sentence"})
_PATIENCE = 30.0
"""Seconds after which a worker that answers nothing is ended: its own alarm cannot stop what is not Python."""


@dataclass(frozen=True)
class Case:
    """One reading: files, and which seed number made them."""

    reader: str
    number: int
    what: str
    seed: Seed


@dataclass
class Report:
    """What came out."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reader, outcome) → cases."""
    failures: list[tuple[Case, str, str]] = field(default_factory=list)
    growth: int = 0
    """Most memory that a case added, in bytes."""


class Worker:
    """A process that reads; started anew when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, folder: Path, seed: Seed) -> dict[str, Any]:
        """The outcome of one case."""
        process = self._process or self._start()
        case = {"folder": str(folder), "main": seed.main, "format": dict(seed.format), "sheet": seed.sheet}
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(case) + "\n")
            process.stdin.flush()
            return self._answer(process)
        except BrokenPipeError:
            return self._ended("died")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fuzz_worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._process = process
        if self._answer(process)["outcome"] != "ready":
            raise RuntimeError("the worker did not start")
        return process

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
        if not ready:
            return self._ended("hung")
        line = process.stdout.readline()
        if not line:
            return self._ended("died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self, outcome: str) -> dict[str, Any]:
        process, self._process = self._process, None
        code: int | None = None
        if process is not None:
            if outcome == "hung":
                process.kill()
            process.communicate()
            code = process.returncode
        return {"outcome": outcome, "said": f"exit status {code}", "growth": 0}


def cases(reader: str, start: int, extra: list[Seed], scale: float = 1) -> Iterator[Case]:
    """First every valid file and every harmful one, then spoilt ones without end; a number always gives the same."""
    valid = [*seeds(reader), *extra]
    for seed in valid:
        yield Case(reader, -1, "valid", seed)
    for name, seed in hostile(reader, scale):
        yield Case(reader, -1, name, seed)
    pieces = [content for one in seeds("delimited") + valid for content in one.files.values()]
    number = start
    while True:
        dice = random.Random(f"{reader}/{number}")
        seed = dice.choice(valid)
        name = seed.main if dice.random() < 0.8 else dice.choice(sorted(seed.files))
        other = dice.choice(pieces)
        content = other if dice.random() < 0.02 else mutate(seed.files[name], dice, other)
        yield Case(reader, number, "spoilt", seed.having(name, content))
        number += 1


def run(
    readers: list[str],
    *,
    start: int = 0,
    seconds: float | None = None,
    n_cases: int | None = None,
    keep: Path | None = None,
    samples: Path | None = None,
    scale: float = 1,
) -> Report:
    """Read cases of each reader for `seconds`, or `n_cases` spoilt ones of each; failures are kept under `keep`.

    `scale` makes the harmful files smaller.
    """
    report = Report()
    worker = Worker()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for reader in readers:
                end = None if seconds is None else time.monotonic() + seconds
                for case in cases(reader, start, sample_seeds(reader, samples) if samples else [], scale):
                    if end is not None and time.monotonic() > end:
                        break
                    if n_cases is not None and case.number >= start + n_cases:
                        break
                    _try(worker, case, Path(folder) / "case", report, keep)
    finally:
        worker.close()
    return report


def _try(worker: Worker, case: Case, folder: Path, report: Report, keep: Path | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    case.seed.write(folder)
    answer = worker.read(folder, case.seed)
    outcome = answer["outcome"]
    if case.what == "valid" and outcome == "sentence":
        outcome = "valid file refused"
    report.outcomes[case.reader, outcome] += 1
    report.growth = max(report.growth, answer["growth"])
    if outcome not in ALLOWED:
        report.failures.append((case, outcome, answer["said"]))
        if keep is not None:
            kept = keep / f"{case.reader}-{case.what.replace(' ', '-')}-{case.number}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)


def main() -> None:
    """Print what came out of each reader, and every failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--reader", action="append", choices=sorted(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=None)
    parser.add_argument("--samples", type=Path, default=None)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz_readers")
    chosen = parser.parse_args()
    report = run(
        chosen.reader or list(READERS),
        start=chosen.seed,
        seconds=None if chosen.cases is not None else chosen.minutes * 60,
        n_cases=chosen.cases,
        keep=chosen.keep,
        samples=chosen.samples,
    )
    for (reader, outcome), n in sorted(report.outcomes.items()):
        print(f"{reader:14} {outcome:20} {n:8}")
    print(f"most memory added by one case: {report.growth >> 20} MB")
    for case, outcome, said in report.failures[:50]:
        print(f"\n{case.reader} {case.what} --seed {case.number}: {outcome}\n{said}")
    print(f"\n{len(report.failures)} failures" + (f", kept under {chosen.keep}" if report.failures else ""))
    sys.exit(1 if report.failures else 0)


READERS = (
    "delimited", "excel", "spss", "stata", "parquet", "redcap", "odm", "secutrial", "dataset_json", "fhir",
)  # fmt: skip


if __name__ == "__main__":
    main()
