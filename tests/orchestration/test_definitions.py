"""What Dagster loads: without a network, with both jobs, and with gates that block."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.lock import FolderBusyError, folder_lock, is_busy
from assets.run_context import RUN_TAG, Clocks
from checks.asset_checks import GATE
from codebook.network import NetworkFolder
from orchestration.definitions import build_defs
from orchestration.instance import close_killed_runs, open_instance
from orchestration.schedules import nightly_build
from orchestration.sensors import after_ingestion, landing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


def test_definitions_load_without_a_network(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"CONCORD_NETWORK", "DAGSTER_HOME"}}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env=environment | {"DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_jobs_the_schedule_and_the_sensors_are_there(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {"ingest_site", "build_network", "fetch_sites"} <= {job.name for job in repository.get_all_jobs()}
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_build", "nightly_fetch"]
    assert {sensor.name for sensor in repository.sensor_defs} == {"landing", "after_ingestion", "alerts", "failed_runs"}


@pytest.mark.parametrize(("hour", "is_due"), [(2, False), (3, True), (22, True), (23, False)])
def test_the_nightly_build_goes_by_the_networks_own_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hour: int, is_due: bool
) -> None:
    (tmp_path / "network.yaml").write_text('name: x\ntitle: X\ntimezone: Europe/Oslo\nnightly_at: "04:30"\n')
    monkeypatch.setenv("CONCORD_NETWORK", str(tmp_path))
    when = dt.datetime(2026, 11, 23, hour, 30, tzinfo=dt.UTC)
    asked = nightly_build(dg.build_schedule_context(scheduled_execution_time=when))
    assert isinstance(asked, dg.RunRequest) == is_due
    if isinstance(asked, dg.RunRequest):
        assert asked.run_key == "nightly 2026-11-23"


def test_the_gate_blocks(definitions: dg.Definitions) -> None:
    specs = [
        spec
        for checks in definitions.get_repository_def().asset_graph.asset_check_keys
        for spec in [definitions.get_repository_def().asset_graph.get(checks)]
        if checks.asset_key.path[0] == "ingestion"
    ]
    assert {spec.key.name for spec in specs} == set(GATE)
    assert all(spec.blocking for spec in specs)


def test_every_dbt_model_and_test_is_an_asset_or_a_check(definitions: dg.Definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    keys = {"/".join(key.path) for key in graph.get_all_asset_keys()}
    assert {"harmonised/scale_score", "harmonised/working_alliance", "quality/expected_assessment"} <= keys
    assert any(check.asset_key.path[0] == "harmonised" for check in graph.asset_check_keys)


def test_one_run_works_on_a_folder_and_ingestion_may_be_shared(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom assets.lock import folder_lock\n"
        f"with folder_lock(pathlib.Path({str(tmp_path)!r}), is_exclusive=sys.argv[1] == 'x'):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    for mode, exclusive_is_free, shared_is_free in (("x", False, False), ("s", False, True)):
        holder = subprocess.Popen(
            [sys.executable, "-c", script, mode], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for is_exclusive, is_free in ((True, exclusive_is_free), (False, shared_is_free)):
            try:
                with folder_lock(tmp_path, is_exclusive=is_exclusive):
                    taken = True
            except FolderBusyError:
                taken = False
            assert taken == is_free
        assert is_busy(tmp_path) == (not shared_is_free)
        holder.kill()
        holder.wait()
        with folder_lock(tmp_path, is_exclusive=True):
            assert not is_busy(tmp_path), "this process holds it itself"


def test_a_build_is_asked_for_once_after_an_ingestion(tmp_path: Path) -> None:
    instance = open_instance(NetworkFolder(tmp_path))

    @dg.job(name="ingest_site")
    def ingestion() -> None:
        pass

    @dg.job(name="build_network")
    def build() -> None:
        pass

    def asked() -> object:
        return after_ingestion(dg.build_sensor_context(instance=instance))

    assert isinstance(asked(), dg.SkipReason), "nothing was ingested yet"
    ingestion.execute_in_process(instance=instance)
    assert isinstance(asked(), dg.RunRequest)
    build.execute_in_process(instance=instance)
    assert isinstance(asked(), dg.SkipReason), "the warehouse was built since"
    ingestion.execute_in_process(instance=instance)
    assert isinstance(asked(), dg.RunRequest)


def test_a_delivery_in_landing_is_asked_for_with_its_fingerprints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulation.demo import write_demo

    write_demo(tmp_path / "demo", patients=12)
    monkeypatch.setenv("CONCORD_NETWORK", str(tmp_path / "demo"))
    instance = open_instance(NetworkFolder(tmp_path / "demo"))
    result = landing(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    assert {request.partition_key for request in requests} == {"north", "south", "east", "west"}
    assert len({request.run_key for request in requests}) == len(requests) >= 4
    assert all(request.tags["concord/delivery"] in str(request.run_key) for request in requests)


def test_runs_of_a_killed_process_are_closed(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    instance = open_instance(folder)

    @dg.job
    def anything() -> None:
        pass

    run = instance.create_run_for_job(anything, tags={RUN_TAG: "concord run"})
    other = instance.create_run_for_job(anything)
    instance.report_run_canceling(run)
    assert close_killed_runs(instance) == 1
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(other.run_id).status is dg.DagsterRunStatus.NOT_STARTED


def test_today_defaults_to_as_of_then_to_the_networks_own_day() -> None:
    fixed, as_of, today = dt.date(2017, 1, 9), dt.date(2016, 12, 15), dt.date(2016, 12, 20)
    assert Clocks.of(as_of, today, fixed).today == today
    assert Clocks.of(as_of, None, fixed).today == as_of
    assert Clocks.of(None, None, fixed).today == fixed
    assert Clocks.of(None, None, None).today >= dt.date(2026, 1, 1)
