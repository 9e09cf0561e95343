"""Reading deliveries again under Dagster: by tag, and by a backfill of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.ingestion.receipts import read_receipts
from assets.run_context import BACKFILL_TAG, REWORK_TAG
from codebook.network import NetworkFolder
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from simulation.demo import write_demo

ROOT = Path(__file__).resolve().parents[2]
SITE = "north"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rework") / "demo"
    write_demo(folder, patients=12)
    settings = (folder / "network.yaml").read_text() + "gate: {max_quarantined_share: 0.5}\n"
    (folder / "network.yaml").write_text(settings)  # of so few rows the planted defects are a large share
    return folder


@pytest.fixture
def instance(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("CONCORD_NETWORK", str(root))
    monkeypatch.setenv("DAGSTER_HOME", "")
    with open_instance(NetworkFolder(root)) as opened:
        opened.add_dynamic_partitions("site", [SITE])
        yield opened


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "landing" / SITE).iterdir())


def taken_since(root: Path, n_before: int) -> list[str]:
    return [receipt.delivery for receipt in read_receipts(root / "state", SITE)[n_before:]]


def ingest(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    job = build_defs().resolve_job_def("ingest_site")
    return job.execute_in_process(partition_key=SITE, instance=instance, tags=tags, raise_on_error=False)


def test_a_backfill_takes_every_delivery_of_a_unit_and_a_tag_says_from_which(
    root: Path, instance: dg.DagsterInstance
) -> None:
    deliveries = names(root)
    assert len(deliveries) > 1
    assert ingest(instance, {BACKFILL_TAG: "abc"}).success
    assert taken_since(root, 0) == deliveries, "oldest first, those not yet taken too"
    assert ingest(instance, {BACKFILL_TAG: "abd"}).success
    assert taken_since(root, len(deliveries)) == deliveries
    n_before = len(read_receipts(root / "state", SITE))
    assert ingest(instance, {REWORK_TAG: deliveries[-1]}).success
    assert taken_since(root, n_before) == deliveries[-1:]
    assert not ingest(instance, {}).success, "without a tag there is nothing new"
    assert len(read_receipts(root / "state", SITE)) == n_before + 1


def test_one_that_is_held_stops_no_other(root: Path, instance: dg.DagsterInstance) -> None:
    deliveries = names(root)
    (empty := root / "landing" / SITE / "2010-01-01").mkdir()
    (empty / ".keep").touch()
    n_before = len(read_receipts(root / "state", SITE))
    try:
        assert ingest(instance, {REWORK_TAG: "all"}).success
    finally:
        (empty / ".keep").unlink()
        empty.rmdir()
    receipts = read_receipts(root / "state", SITE)[n_before:]
    assert [receipt.delivery for receipt in receipts] == ["2010-01-01", *deliveries]
    assert [receipt.is_accepted for receipt in receipts] == [False, *(True for _ in deliveries)]


def test_runs_of_dagsters_own_backfill_carry_the_tag_that_is_gone_by(root: Path, instance: dg.DagsterInstance) -> None:
    command = [sys.executable, "-m", "dagster", "job", "backfill", "-w", "workspace.yaml"]
    done = subprocess.run(
        [*command, "-j", "ingest_site", "--partitions", SITE, "--noprompt"],
        cwd=ROOT,
        env=os.environ | {"DAGSTER_HOME": str(NetworkFolder(root).dagster_home), "CONCORD_NETWORK": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    assert run.tags["dagster/partition"] == SITE
    n_before = len(read_receipts(root / "state", SITE))
    assert ingest(instance, dict(run.tags)).success
    assert taken_since(root, n_before) == names(root)
