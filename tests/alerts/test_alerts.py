"""What is told to whom and how often: judged from dates and counts, limited, recorded; nothing about patients."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mail_server import MailServer, free_port, serving

from assets.alerts.alert import Alert, Drop, FailedRun, Newest, UnitStand, unit_alerts
from assets.alerts.gathering import failed_commands, unit_stands
from assets.alerts.limits import choose, untold
from assets.alerts.record import BusyError, Told, append_failed, read_record, record_file, sending
from assets.alerts.telling import plan, tell
from assets.ingestion.receipts import Receipt, append_receipt
from codebook.library import Library, load_library
from codebook.outgoing import Alerts
from simulation.demo import write_demo

DAY = dt.date(2026, 11, 27)
NOW = dt.datetime(2026, 11, 27, 8, 30, tzinfo=dt.UTC)


DROP = Drop(2, 9, 210, 300)


def days(n: int) -> dt.timedelta:
    return dt.timedelta(days=n)


def newest(n_days_ago: int = 10, *, is_held: bool = False, n_landed: int = 200) -> Newest:
    date = DAY - days(n_days_ago)
    return Newest(str(date), date, is_held, n_landed, 40 if n_landed else 0, 410)


def stand(**values: Any) -> UnitStand:
    return replace(UnitStand("north", "Northern Clinic", 30, newest()), **values)


def kinds(**values: Any) -> list[str]:
    return [alert.kind for alert in unit_alerts([stand(**values)], DAY)]


# --- what is the matter -------------------------------------------------------------------------


def test_a_delivery_is_missing_the_day_after_its_cadence_has_passed() -> None:
    assert kinds(newest=newest(30)) == []
    assert kinds(newest=newest(31)) == ["missing_delivery"]
    assert kinds(newest=newest(31), cadence_days=None) == [], "without a cadence nothing can be late"
    assert kinds(newest=newest(31), last_arrived=DAY - days(2)) == [], "it lies there, and was not read yet"
    assert kinds(newest=None) == [], "without a first delivery no day is known"
    assert kinds(newest=None, last_arrived=DAY - days(31)) == ["missing_delivery"]
    told = next(unit_alerts([stand(newest=newest(41))], DAY))
    assert told.subject == "Northern Clinic: no delivery since 2026-10-17"
    assert (
        "at least every 30 days" in told.what
        and "expected by 2026-11-16; on 2026-11-27 it is 11 days late" in told.what
    )


def test_what_the_gate_held_is_told_with_counts_and_not_as_missing() -> None:
    told = list(unit_alerts([stand(newest=newest(50, is_held=True), drop=DROP)], DAY))
    assert [alert.kind for alert in told] == ["failed_gate"]
    assert "200 rows arrived (the delivery before had 410), 40 of 200 could not be used" in told[0].what
    unreadable = next(unit_alerts([stand(newest=newest(5, is_held=True, n_landed=0))], DAY))
    assert "could not be read as agreed" in unreadable.what


def test_a_sudden_drop_is_told_once_per_delivery() -> None:
    told = list(unit_alerts([stand(drop=DROP)], DAY))
    assert [alert.kind for alert in told] == ["drop"]
    assert "in 2 of 9 instruments" in told[0].what and "90 instead of 300" in told[0].what
    assert told[0].key == "drop:north:2026-11-17"


# --- how often ----------------------------------------------------------------------------------


def alert(key: str, kind: Any = "missing_delivery", n_days_ago: int = 5) -> Alert:
    return Alert(key, kind, "north", "North", "w", DAY - days(n_days_ago), "t", "l")


def keys(alerts: tuple[Alert, ...]) -> list[str]:
    return [one.key for one in alerts]


def test_the_same_is_not_told_again_within_the_quiet_days() -> None:
    settings = Alerts(quiet_days=7)
    for n, is_quiet in ((0, True), (6, True), (7, False)):
        chosen = choose([alert("a"), alert("b")], [Told("a", "sent", DAY - days(n))], settings, DAY)
        assert (keys(chosen.quiet), keys(chosen.now)) == ((["a"], ["b"]) if is_quiet else ([], ["a", "b"]))


def test_a_days_messages_go_to_what_presses_most_and_longest() -> None:
    alerts = [
        alert("late"),
        alert("later", n_days_ago=9),
        alert("held", "failed_gate"),
        alert("run", "failed_run", 0),
        alert("drop", "drop"),
        alert("drop", "drop"),
    ]
    past = [Told("other", "sent", DAY), Told("another", "sent", DAY - days(1)), Told("held", "refused", DAY - days(1))]
    chosen = choose(alerts, past, Alerts(at_most_per_day=4), DAY)
    assert keys(chosen.now) == ["run", "held", "drop"] and keys(chosen.waiting) == ["later", "late"]
    later = [*past, *(Told(key, "sent", DAY) for key in keys(chosen.now))]
    assert choose(alerts, later, Alerts(at_most_per_day=4), DAY).now == ()
    assert keys(choose(alerts, later, Alerts(at_most_per_day=4), DAY + days(1)).now) == ["later", "late"]


def test_what_was_refused_for_good_is_tried_again_the_next_day() -> None:
    past = [Told("a", "refused", DAY)]
    assert keys(choose([alert("a")], past, Alerts(), DAY).quiet) == ["a"]
    assert keys(choose([alert("a")], past, Alerts(), DAY + days(1)).now) == ["a"]


def test_a_failed_run_is_told_once_and_again_when_it_goes_on_failing() -> None:
    first, again = (
        FailedRun("build_network", None, run, DAY + days(n), "after 1") for run, n in (("r1", 0), ("r2", 7))
    )
    other = replace(first, trouble="after r3")
    assert keys(tuple(untold([first], [], 7))) == [first.key]
    told = [Told(first.key, "sent", DAY)]
    assert untold([first, replace(first, date=DAY + days(3))], told, 7) == []
    assert keys(tuple(untold([first, other], told, 7))) == [other.key], "it had succeeded in between"
    assert [(one.since, one.key) for one in untold([first, again], told, 7)] == [(DAY, first.key)]
    assert untold([first, again], [*told, Told(first.key, "sent", DAY + days(7))], 7) == []


# --- gathering, sending, recording --------------------------------------------------------------


def receipt(site: str, date: dt.date, gate: str = "accepted", n_landed: int = 100) -> Receipt:
    return Receipt(
        site, str(date), date, date, False, 1, n_landed, n_landed - 20, 20, "c", "r", NOW, "", gate, 0, "", ""
    )  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Library]:
    """The demo's declarations without its deliveries: north held, west late, south lately, east never."""
    write_demo(tmp_path / "demo", patients=4)

    def declare(port: int, **settings: Any) -> Library:
        path = tmp_path / "demo" / "network.yaml"
        usual = {"is_enabled": True, "host": "127.0.0.1", "port": port, "security": "none", "timeout_seconds": 0.5}
        alerts = usual | {"sender": "c@example.org", "engineer": "engineer@example.org"} | settings
        text = path.read_text(encoding="utf-8").partition("\nalerts:")[0].replace("today: 2017-01-09", "")
        path.write_text(f"{text}\nalerts: {json.dumps(alerts)}\n", encoding="utf-8")
        return load_library(tmp_path / "demo")

    library = declare(1)
    for place in library.folder.landing.iterdir():
        place.rename(tmp_path / f"was-{place.name}")
    secret = "held: patients_kari_nordmann.csv: the column mobil is gone"
    for site, n_days_ago, gate in (
        ("north", 70, "accepted"),
        ("north", 5, secret),
        ("west", 300, "accepted"),
        ("south", 1, "accepted"),
    ):
        append_receipt(library.folder.state, receipt(site, DAY - days(n_days_ago), gate))
    return declare


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


def test_units_and_engineer_are_told_once(make: Callable[..., Library], mail: MailServer) -> None:
    library = make(mail.port)
    append_failed(library.folder.state, FailedRun("ingest_site", "east", "1a2b3c4d", DAY, "never succeeded"))
    told = tell(library, DAY, NOW)
    assert (told.is_complete, told.sentence()) == (True, "3 sent")
    assert mail.to() == ["engineer@example.org", "north@example.org", "west@example.org"]
    texts = [message["Subject"] + message.get_content() for message in mail.taken]
    assert "run 1a2b3c4d" in texts[0] and "unit east" in texts[0]
    assert "100 rows arrived (the delivery before had 80), 20 of 100 could not be used" in texts[1]
    record = record_file(library.folder.state).read_text(encoding="utf-8")
    assert not any(word in record + "".join(texts) for word in ("kari", "mobil", ".csv"))
    assert "@" not in record
    assert tell(library, DAY, NOW + days(6)).sentence() == "nothing new to tell" and len(mail.taken) == 3
    assert tell(library, DAY, NOW + days(7)).sentence() == "2 sent"
    append_receipt(library.folder.state, receipt("north", DAY, n_landed=150))
    assert tell(library, DAY, NOW + days(14)).sentence() == "1 sent", "north has mended it"


def test_a_server_out_of_reach_is_told_and_tried_again(make: Callable[..., Library], mail: MailServer) -> None:
    library = make(free_port())
    append_failed(library.folder.state, FailedRun("build_network", None, "1a2b3c4d", DAY, "never succeeded"))
    told = tell(library, DAY, NOW)
    assert not told.is_complete
    assert told.sentence().startswith("3 to be tried again: the mail server cannot be reached")
    assert read_record(library.folder.state).told == ()
    library = make(mail.port)
    mail.replies = {"RCPT north@example.org": "550 gone", "RCPT west@example.org": "450 later"}
    assert tell(library, DAY, NOW).sentence() == (
        "1 sent, 1 refused: the mail server answered 550, 1 to be tried again: the mail server answered 450"
    )
    mail.replies = {}
    assert tell(library, DAY, NOW).sentence() == "1 sent"
    assert mail.to() == ["engineer@example.org", "west@example.org"]
    assert tell(library, DAY, NOW + days(1)).sentence() == "1 sent", "refused: tried again the next day"


def test_the_day_has_so_many_messages(make: Callable[..., Library], mail: MailServer) -> None:
    library = make(mail.port, at_most_per_day=1)
    assert tell(library, DAY, NOW).sentence() == "1 sent, 1 waiting for tomorrow"
    assert tell(library, DAY, NOW).sentence() == "1 waiting for tomorrow"
    assert tell(library, DAY, NOW + days(1)).sentence() == "1 sent"
    assert mail.to() == ["north@example.org", "west@example.org"]


def test_without_an_address_or_a_password_it_is_said(
    make: Callable[..., Library], mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make(mail.port, engineer=None)
    append_failed(library.folder.state, FailedRun("build_network", None, "1a2b3c4d", DAY, "never succeeded"))
    assert tell(library, DAY, NOW).sentence() == "2 sent, 1 without address"
    library = make(mail.port, security="starttls", user="c", password_variable="CONCORD_TEST_PASSWORD")
    monkeypatch.delenv("CONCORD_TEST_PASSWORD", raising=False)
    n_before = mail.n_connections
    assert "the variable CONCORD_TEST_PASSWORD is not set" in tell(library, DAY, NOW).sentence()
    assert mail.n_connections == n_before


def test_two_processes_do_not_tell_the_same_twice(make: Callable[..., Library], mail: MailServer) -> None:
    library = make(mail.port)
    with sending(library.folder.state), pytest.raises(BusyError):
        tell(library, DAY, NOW)
    assert mail.taken == [] and tell(library, DAY, NOW).is_complete


def test_a_drop_is_what_the_sealed_warehouse_says_of_the_newest_delivery(make: Callable[..., Library]) -> None:
    library = make(1)
    with duckdb.connect(str(library.folder.warehouse)) as connection:
        connection.execute("create schema quality")
        connection.execute(
            "create table quality.expectation as select * from (values "
            "('volume', 'south', 'gaf', 'fail', 8, 10), ('volume', 'south', 'wsas', 'pass', 1, 50), "
            "('volume', 'south', null, 'fail', 9, 60), ('volume', 'south', 'wai_s', 'not_applicable', 0, 0), "
            "('volume', 'east', null, 'fail', 30, 40), ('volume', 'west', 'gaf', 'fail', 9, 10), "
            "('volume', 'north', 'gaf', 'pass', 0, 9), ('ranges', 'north', 'gaf', 'fail', 1, 5)) "
            "as t(suite, site_id, instrument, status, n_failed, n_checked)"
        )
        connection.execute(
            "create table quality.delivery as select * from (values "
            f"('south', '{DAY - days(90)}', 'accepted'), ('south', '{DAY - days(1)}', 'accepted'), "
            f"('west', '{DAY - days(400)}', 'accepted'), ('east', '{DAY - days(2)}', 'accepted')) "
            "as t(site_id, delivery, gate)"
        )
    append_receipt(library.folder.state, receipt("east", DAY - days(2)))
    drops = {one.site: one.drop for one in unit_stands(library) if one.drop}
    assert drops == {"south": Drop(1, 2, 8, 10), "east": Drop(0, 0, 30, 40)}, (
        "of west a newer delivery was taken that the warehouse does not hold"
    )
    assert [(one.site, one.kind) for one in plan(library, DAY, DAY).chosen.now] == [
        ("north", "failed_gate"),
        ("east", "drop"),
        ("south", "drop"),
        ("west", "missing_delivery"),
    ]


def test_the_last_command_that_failed_is_told_until_one_succeeds(make: Callable[..., Library]) -> None:
    library = make(1)
    path = library.folder.dagster_home / "last_run.json"
    path.parent.mkdir()
    ended, began = "2026-11-27T02:31:00+00:00", "2026-11-26T02:30:00+00:00"
    assert failed_commands(library) == []
    path.write_text(json.dumps({"finished_at": ended, "failing_since": None}))
    assert failed_commands(library) == []
    path.write_text(json.dumps({"finished_at": ended, "failing_since": began}))
    told = plan(library, DAY, DAY).chosen.now[0]
    assert (told.kind, told.site, told.subject) == ("failed_run", None, "concord run: failed since 2026-11-26")
    assert told.key.endswith(began) and "ended 2026-11-27 02:31 UTC" in told.what


def test_a_cut_off_line_of_the_record_is_passed_over(tmp_path: Path) -> None:
    run = FailedRun("build_network", None, "1a2b3c4d", DAY, "never succeeded")
    append_failed(tmp_path, run)
    with record_file(tmp_path).open("a", encoding="utf-8") as file:
        file.write('{"event": "sent", "key"')
    append_failed(tmp_path, run)
    assert read_record(tmp_path).failed == (run, run)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"is_enabled": True}, "host and sender are needed"),
        ({"user": "a"}, "belong together"),
        ({"user": "a", "password_variable": "P", "security": "none"}, "readable for all"),
        ({"engineer": "Kari <kari@example.org>"}, "engineer: not an e-mail address"),
        ({"sender": "a@b\nBcc: c@d"}, "sender: not an e-mail address"),
        ({"password_variable": "secret word"}, "String should match pattern"),
    ],
)
def test_settings_that_would_not_work_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Alerts.model_validate(settings)
