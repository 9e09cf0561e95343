"""The sensors that tell: over a real mail server, with Dagster's own records; no failure of mail fails a sensor."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from assets.alerts.record import read_record
from assets.ingestion.receipts import Receipt, append_receipt
from assets.run_context import DELIVERY_TAG
from codebook.network import NetworkFolder
from orchestration.alert_sensors import alerts, failed_runs
from orchestration.cli import app
from orchestration.instance import open_instance
from simulation.demo import write_demo
from tests.alerts.mail_server import MailServer, free_port, serving

ROOT = Path(__file__).resolve().parents[2]
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NetworkFolder]:
    """A demo network whose north has delivered once, long ago."""
    root = tmp_path / "demo"
    write_demo(root, patients=4)
    for place in (root / "landing").iterdir():
        place.rename(tmp_path / f"was-{place.name}")
    monkeypatch.setenv("CONCORD_NETWORK", str(root))
    append_receipt(root / "state", receipt(dt.date(2016, 11, 1), "accepted"))
    declared = (root / "network.yaml").read_text(encoding="utf-8")

    def set_up(port: int, is_enabled: bool = True) -> NetworkFolder:
        settings = {"is_enabled": is_enabled, "host": "127.0.0.1", "port": port, "security": "none"}
        settings |= {"sender": "c@example.org", "engineer": "engineer@example.org", "timeout_seconds": 0.5}
        (root / "network.yaml").write_text(f"{declared}\nalerts: {json.dumps(settings)}\n", encoding="utf-8")
        return NetworkFolder(root)

    return set_up


def receipt(date: dt.date, gate: str) -> Receipt:
    return Receipt("north", str(date), date, date, False, 1, 100, 80, 20, "c", "r", NOW, "", gate, 0, "", "")


def said(sensor_result: object) -> str:
    assert isinstance(sensor_result, dg.SkipReason)
    return str(sensor_result.skip_message)


def test_a_unit_is_told_and_only_once(network: Callable[..., NetworkFolder], mail: MailServer) -> None:
    network(mail.port)
    assert said(alerts()) == "1 sent"
    assert mail.to() == ["north@example.org"]
    assert "no delivery since 2016-11-01" in mail.taken[0]["Subject"]
    assert said(alerts()) == "nothing new to tell"


def test_off_without_a_network_or_while_it_is_busy_nothing_is_sent(
    network: Callable[..., NetworkFolder], mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = network(mail.port, is_enabled=False)
    assert said(alerts()).startswith("alerts are off")
    network(mail.port)
    script = "import sys, pathlib\nfrom assets.lock import folder_lock\n" + (
        f"with folder_lock(pathlib.Path({str(folder.root)!r}), is_exclusive=True):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert said(alerts()).startswith("another run holds")
        holder.kill()
    (folder.sites / "north.yaml").write_text("site: north\n", encoding="utf-8")
    assert "a declaration is wrong" in said(alerts())
    monkeypatch.delenv("CONCORD_NETWORK")
    assert "not set" in said(alerts())
    assert mail.taken == []


def fail(instance: dg.DagsterInstance, job_name: str, **tags: str) -> dg.RunStatusSensorContext:
    """A run that really fails, as Dagster hands it to the sensor."""

    @dg.op
    def breaks() -> None:
        raise RuntimeError("kari@example.org, row 7")

    @dg.job(name=job_name)
    def job() -> None:
        breaks()

    done = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    event = next(event for event in done.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    return dg.build_run_status_sensor_context("failed_runs", event, instance, run)


def test_the_engineer_is_told_of_a_failed_run_even_where_the_server_was_down(
    network: Callable[..., NetworkFolder], mail: MailServer
) -> None:
    folder = network(free_port())
    instance = open_instance(folder)
    context = fail(instance, "build_network")
    assert "to be tried again: the mail server cannot be reached" in said(failed_runs(context.for_run_failure()))
    assert [run.run for run in read_record(folder.state).failed] == [context.dagster_run.run_id[:8]]
    network(mail.port)
    assert said(alerts()) == "2 sent"
    assert mail.to() == ["engineer@example.org", "north@example.org"]
    told = mail.taken[0].get_content()
    assert context.dagster_run.run_id[:8] in told and "kari" not in told
    assert said(failed_runs(fail(instance, "build_network").for_run_failure())) == "nothing new to tell"

    @dg.job(name="build_network")
    def mended() -> None:
        pass

    mended.execute_in_process(instance=instance)
    assert said(failed_runs(fail(instance, "build_network").for_run_failure())) == "1 sent"


def test_a_delivery_that_the_gate_held_is_the_units_matter(
    network: Callable[..., NetworkFolder], mail: MailServer
) -> None:
    folder = network(mail.port)
    instance = open_instance(folder)
    day = dt.date(2016, 12, 30)
    tags = {"dagster/partition": "north", DELIVERY_TAG: str(day)}
    append_receipt(folder.state, receipt(day, "held: 90 of 100 rows would be held back"))
    assert "told to the unit" in said(failed_runs(fail(instance, "ingest_site", **tags).for_run_failure()))
    assert mail.taken == [] and said(alerts()) == "1 sent"
    assert mail.to() == ["north@example.org"] and "held back" in mail.taken[0]["Subject"]
    other = tags | {DELIVERY_TAG: "2016-12-31"}
    assert said(failed_runs(fail(instance, "ingest_site", **other).for_run_failure())) == "1 sent"
    assert "ingest_site of unit north" in mail.taken[1]["Subject"]


def test_the_command_shows_and_sends(network: Callable[..., NetworkFolder], mail: MailServer) -> None:
    def concord(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["alerts", *arguments])

    network(mail.port, is_enabled=False)
    shown = concord()
    assert shown.output.splitlines()[0] == "to north  North: no delivery since 2016-11-01  (would be sent)"
    assert concord("--send").exit_code == 2
    network(free_port())
    failed = concord("--send")
    assert failed.exit_code == 1 and "cannot be reached" in failed.output
    network(mail.port)
    done = concord("--send")
    assert (done.exit_code, done.output) == (0, "Alerts: 1 sent.\n")
    assert mail.to() == ["north@example.org"]
    assert "(was told lately)" in concord("--dry-run").output
    assert concord("--today", "2016-11-20").output == "Nothing to tell.\n"
