"""Trouble of the machine in whole runs: no room, a clock set back, two runs at once; and reading again by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flows import ROOT, Flow, concord, few_analyses, tables

NEWEST = "2099-01-01"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A demo of few patients, run once; of so few rows the planted defects are a large share."""
    root = tmp_path_factory.mktemp("machine") / "small"
    assert concord("demo", root, "--patients", 16).returncode == 0
    few_analyses(root)
    settings = root / "network.yaml"
    settings.write_text(settings.read_text() + "gate: {max_quarantined_share: 0.5}\n")
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Flow(root, done)


def contents(root: Path) -> dict[str, bytes]:
    """What counts: everything in lake/ that a build could see, the receipts, and the sealed file."""
    files = [f for name in ("lake/accepted", "lake/held", "state") for f in (root / name).rglob("*") if f.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in (*files, root / "warehouse.duckdb")}


def land_again(root: Path, site: str = "north") -> Path:
    """A delivery that has not come yet: the newest files of a unit under a later name, with one more file."""
    newest = max(path for path in (root / "landing" / site).iterdir())
    target = newest.with_name(NEWEST)
    shutil.copytree(newest, target)
    return target


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where mounting one is permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("n_free_kilobytes", [0, 600])
def test_a_full_disk_ends_in_one_sentence_and_changes_nothing(small: Flow, disk: Path, n_free_kilobytes: int) -> None:
    root = disk / "small"
    shutil.copytree(small.root, root, symlinks=True)
    land_again(root)
    before = contents(root)
    filler = disk / "filler"
    room = os.statvfs(disk)
    filler.write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - n_free_kilobytes * 1024)))
    done = concord("run", "--network", root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    after = contents(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed in (set(), _whole_delivery(changed)), changed
    filler.unlink()
    if n_free_kilobytes:
        done = concord("run", "--network", root)
        assert done.returncode == 0, done.stdout + done.stderr
        assert NEWEST in tables(root / "warehouse.duckdb")["quality.delivery"]


def _whole_delivery(changed: set[str]) -> set[str]:
    """Of one delivery everything or nothing: its tables, and the receipt that speaks of them."""
    own = {name for name in changed if f"delivery={NEWEST}/" in name or name == "state/deliveries/north.jsonl"}
    is_whole = "state/deliveries/north.jsonl" in own and any("/finding/" in name for name in own)
    return own if is_whole else set()


def test_of_two_runs_the_second_says_who_is_at_work(small: Flow) -> None:
    script = (
        "import pathlib, sys\nfrom assets.lock import folder_lock\n"
        f"with folder_lock(pathlib.Path({str(small.root)!r}), is_exclusive=True):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    before = contents(small.root)
    try:
        done = concord("run", "--network", small.root, "--wait", "0.5")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert done.returncode == 1
    assert f"another run is working on this network (process {holder.pid}, since " in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents(small.root) == before


def test_a_clock_that_was_set_back_stops_a_run_before_anything_is_done(small: Flow, tmp_path: Path) -> None:
    root = tmp_path / "small"
    shutil.copytree(small.root, root, symlinks=True)
    receipts = root / "state" / "deliveries" / "north.jsonl"
    newest = json.loads(receipts.read_text().splitlines()[-1])
    receipts.write_text(receipts.read_text() + json.dumps(newest | {"received_at": "2199-01-01T12:00:00"}) + "\n")
    land_again(root)
    before = contents(root)
    for options in ([], ["--as-of", "2016-12-31"]):
        done = concord("run", "--network", root, *options)
        assert done.returncode == 1
        assert "a delivery of north was received on 2199-01-01 12:00 UTC; set the clock right" in done.stderr
        assert done.stderr.count("\n") == 1
    assert contents(root) == before


def test_reading_again_by_hand_takes_what_was_asked_for_and_gives_the_same(small: Flow, tmp_path: Path) -> None:
    root = tmp_path / "small"
    shutil.copytree(small.root, root, symlinks=True)
    names = sorted(path.name for path in (root / "landing" / "north").iterdir())
    done = concord("rework", "north", "--from", names[-1], "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{names[-1]} reworked" in done.stdout
    assert f"{names[0]} reworked" not in done.stdout
    assert "ingest south" not in done.stdout
    assert tables(root / "warehouse.duckdb") == tables(small.root / "warehouse.duckdb")
    for arguments, said in (
        (["nowhere"], "no unit is called nowhere"),
        (["north", "--from", "2199-01-01"], "holds no such delivery and no later one"),
        (["north", "--from", "yesterday"], "holds no such delivery"),
    ):
        wrong = concord("rework", *arguments, "--network", root)
        assert (wrong.returncode, said in wrong.stderr) == (2, True), wrong.stderr


def test_a_trace_tells_what_every_delivery_said(small: Flow) -> None:
    ((identifier,),) = small.rows(
        "select min(assessment_id) from harmonised.assessment where site_id = 'north' and n_answered > 0"
    )
    done = concord("trace", str(identifier), "--network", small.root, "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["history"][0]["what"] == "first delivered"
    answered = {f"item_{row['item']:02d}": row["value"] for row in told["answers"] if row["value"] is not None}
    assert answered.items() <= {row["field"]: row["value"] for row in told["values"]}.items()
    ((episode,),) = small.rows(f"select episode_id from harmonised.assessment where assessment_id = '{identifier}'")
    told = json.loads(concord("trace", str(episode), "--network", small.root, "--format", "json").stdout)
    assert {"episode", "history", "values", "patient history"} <= told.keys()
