"""Run it again: nothing new, everything derived deleted, killed in the middle, read while it works."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flows import Flow, concord, tables

from codebook.network import NetworkFolder

MOMENTS = {
    "while a delivery is staged": "lake/.staging/*/*",
    "while dbt builds": ".build/warehouse.duckdb",
    "before the seal": ".build/results/results.fit.parquet",
}


def test_a_second_run_ingests_nothing_and_says_so_while_readers_read(
    demo: Flow, copy_of: Callable[[Flow], Path]
) -> None:
    root = copy_of(demo)
    before = tables(root / "warehouse.duckdb")
    run = concord("run", "--network", root, background=True)
    assert isinstance(run, subprocess.Popen)
    answers = 0
    while run.poll() is None:
        asked = concord(
            "query", "--network", root, "select count(*) as n from harmonised.assessment", "--format", "csv"
        )
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.startswith("n\n")
        answers += 1
    said, errors = run.communicate()
    assert run.returncode == 0, errors
    assert answers >= 3
    assert "nothing new" in said
    assert tables(root / "warehouse.duckdb") == before
    assert (root / "published" / "public" / "index.html").read_bytes() == (
        demo.root / "published" / "public" / "index.html"
    ).read_bytes()


def test_deleting_everything_derived_gives_the_same_tables(demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    for path in NetworkFolder(root).derived():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stderr
    assert tables(root / "warehouse.duckdb") == tables(demo.root / "warehouse.duckdb")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_simply_started_again(moment: str, demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    for path in (*NetworkFolder(root).derived(), root / "state"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    run = concord("run", "--network", root, background=True)
    assert isinstance(run, subprocess.Popen)
    deadline = time.monotonic() + 120
    while not list(root.glob(MOMENTS[moment])):
        assert run.poll() is None, "the run ended before the moment came"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(root / "warehouse.duckdb") == tables(demo.root / "warehouse.duckdb")
    assert not list((root / "lake" / ".promoting").glob("*/*"))
    folder = NetworkFolder(root)
    assert not (folder.build / "warehouse.duckdb").exists(), "the build was renamed into place"
