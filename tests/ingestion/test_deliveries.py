"""Deliveries over time: late, repeated, corrected, held, read again; and what a build goes by."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from tiny_network import FORMS, PATIENTS, SITE, TinyNetwork

from assets.ingestion import ingest, lake
from assets.ingestion.clock import ClockError, check_clock
from assets.ingestion.fingerprints import AT_REST_NS, KnownFiles
from assets.ingestion.landing import LandingError
from assets.ingestion.receipts import append_receipt, read_receipts
from codebook.library import load_library

ONE = "1;Testperson 001;K;1980;01.02.2013;;\n"
TWO = "2;Testperson 002;M;1985;01.03.2013;;\n"
FORM_ONE = "1;WSAS;3;01.05.2013;1;2;3;4;5\n"
FORM_TWO = "2;WSAS;3;02.06.2013;8;0;1;1;1\n"
JANUARY, FEBRUARY, MARCH = "2014-01-01", "2014-02-01", "2014-03-01"


def deliver(tiny: TinyNetwork, name: str, patients: str = ONE, forms: str = FORM_ONE) -> None:
    tiny.deliver(name, patients=PATIENTS + patients, forms=FORMS + forms)


def gates(tiny: TinyNetwork) -> dict[str, str]:
    return {r.delivery: r.gate.split(":")[0] for r in ingest.known_receipts(load_library(tiny.root))}


def actions(tiny: TinyNetwork, **options: str) -> dict[str, str]:
    library = load_library(tiny.root)
    planned = ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms, **options)
    return {item.delivery.name: item.action for item in planned}


def test_an_increment_that_comes_late_has_those_after_it_read_again(
    make_network: Callable[..., TinyNetwork],
) -> None:
    tiny = make_network(mode="increment")
    deliver(tiny, JANUARY)
    deliver(tiny, MARCH, "", FORM_TWO + FORM_ONE.replace("WSAS;3;", "WSAS;S;"))
    tiny.take()
    assert tiny.rules() == ["row-episode-unknown"], "the course of the second patient has not come yet"
    deliver(tiny, FEBRUARY, TWO, "")
    assert actions(tiny) == {JANUARY: "skip", FEBRUARY: "ingest", MARCH: "rework"}
    tiny.take()
    assert tiny.rules() == []
    assert tiny.table("wsas")["patient_id"].n_unique() == 2
    assert set(actions(tiny).values()) == {"skip"}


def test_a_snapshot_that_comes_late_leaves_the_others_alone(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    deliver(tiny, MARCH)
    tiny.take()
    deliver(tiny, FEBRUARY, forms=FORM_ONE.replace("1;2;3", "2;2;3"))
    assert actions(tiny) == {JANUARY: "skip", FEBRUARY: "ingest", MARCH: "skip"}
    tiny.take()
    assert gates(tiny) == dict.fromkeys((JANUARY, FEBRUARY, MARCH), "accepted")


def test_the_same_files_again_are_accepted_and_say_so(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    tiny.take()
    deliver(tiny, FEBRUARY)
    (again,) = tiny.take()
    assert again.receipt.is_accepted
    assert again.receipt.notes == f"the same files as delivery {JANUARY}"
    wsas = tiny.table("wsas")
    assert wsas["content_hash"].n_unique() == wsas["assessment_id"].n_unique() == 1
    first, second = tiny.take(again_from="")
    assert (first.receipt.notes, second.receipt.notes) == ("", again.receipt.notes), "reading again changes no word"


def test_a_corrected_delivery_of_the_same_day_comes_after_the_first(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    deliver(tiny, f"{JANUARY}-b", forms=FORM_ONE.replace("1;2;3", "7;2;3"))
    first, second = tiny.take()
    assert (first.receipt.delivery, second.receipt.delivery) == (JANUARY, f"{JANUARY}-b")
    assert tiny.table("wsas").sort("delivery")["item_01"].to_list() == [1, 7]


@pytest.mark.parametrize(("lag", "through", "is_estimated"), [(None, "2013-05-01", True), (10, "2013-12-22", False)])
def test_how_far_data_reach_is_declared_or_estimated_from_dates_that_can_be(
    make_network: Callable[..., TinyNetwork], lag: int | None, through: str, is_estimated: bool
) -> None:
    declared = "{mode: snapshot" + (f", data_through_lag_days: {lag}" if lag else "") + "}"
    tiny = make_network(site=SITE.format(mode="snapshot").replace("{mode: snapshot}", declared))
    beyond = "1;WSAS;S;01.05.2031;1;2;3;4;5\n"  # a year that has not come yet
    deliver(tiny, JANUARY, forms=FORM_ONE + beyond)
    (staged,) = tiny.take()
    assert tiny.rules() == ["date-implausible"]
    assert staged.receipt.data_through_date == dt.date.fromisoformat(through)
    assert staged.receipt.is_data_through_estimated == is_estimated


def test_reading_again_takes_what_is_asked_for_and_writes_receipts(tiny: TinyNetwork) -> None:
    for name in (JANUARY, FEBRUARY, MARCH):
        deliver(tiny, name, forms=FORM_ONE.replace("5\n", f"{int(name[6])}\n"))
    tiny.take()
    before = lake_of(tiny)
    assert [one.receipt.delivery for one in tiny.take(again_from=FEBRUARY)] == [FEBRUARY, MARCH]
    assert len(read_receipts(tiny.root / "state", "unit")) == 5
    assert [one.receipt.delivery for one in tiny.take(again_from="")] == [JANUARY, FEBRUARY, MARCH]
    assert lake_of(tiny) == before
    assert tiny.take() == []


def test_what_becomes_of_vanished_records_is_no_reason_to_read_again(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    tiny.take()
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("mode: snapshot}", "mode: snapshot, vanished: drop}"))
    assert actions(tiny) == {JANUARY: "skip"}


def held_rows(tiny: TinyNetwork, table: str) -> pl.DataFrame:
    files = sorted((tiny.root / "lake" / "held" / table).glob("site=unit/*/part.parquet"))
    return pl.concat([pl.read_parquet(file, hive_partitioning=True) for file in files]) if files else pl.DataFrame()


def test_a_held_delivery_shows_why_until_it_is_let_in(tiny: TinyNetwork) -> None:
    unknown = "".join(f"7;WSAS;3;01.05.2013;1;2;3;4;{n % 8}\n" for n in range(30))
    deliver(tiny, JANUARY, forms=FORM_ONE + unknown)
    (staged,) = tiny.take()
    assert [check.name for check in staged.failed] == ["quarantined_share"]
    assert held_rows(tiny, "quarantine").height == staged.receipt.n_rows_quarantined > 20
    assert set(held_rows(tiny, "finding")["rule"]) <= {"row-episode-unknown", "row-key-conflict", "row-duplicate"}
    assert not list((tiny.root / "lake" / "accepted").glob("*/site=unit"))
    assert not list((tiny.root / "lake" / ".staging").rglob("*.parquet"))
    shutil.rmtree(tiny.root / "lake")
    assert actions(tiny) == {JANUARY: "rework"}, "the lake is derived: why it is held must come back"
    tiny.take()
    assert held_rows(tiny, "quarantine").height > 20
    (tiny.root / "network.yaml").write_text(
        (tiny.root / "network.yaml").read_text() + "gate: {max_quarantined_share: 1.0}\n"
    )
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert held_rows(tiny, "quarantine").height == held_rows(tiny, "finding").height == 0
    assert tiny.table("quarantine").height > 20


def test_a_new_reading_that_is_held_leaves_the_accepted_one_in(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    tiny.take()
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("column: form", "column: Form"))
    (staged,) = tiny.take()
    assert [check.name for check in staged.failed] == ["readable"]
    assert gates(tiny) == {JANUARY: "accepted"}
    assert tiny.table("wsas").height == 1
    assert tiny.take() == []


def lake_of(tiny: TinyNetwork) -> dict[str, bytes]:
    """Everything a build could see of the lake."""
    root = tiny.root / "lake"
    files = [f for part in ("accepted", "held", "local_ref") for f in (root / part).rglob("*") if f.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(files)}


def test_a_file_that_changes_between_fingerprint_and_reading_is_not_taken(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    library = load_library(tiny.root)
    (planned,) = ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms)
    with (tiny.root / "landing/unit" / JANUARY / "forms.csv").open("a") as file:
        file.write(FORM_TWO)
    with pytest.raises(LandingError, match="changed while it was being read"):
        ingest.stage_delivery(library, library.sites["unit"], planned, tiny.pseudonyms)
    assert read_receipts(tiny.root / "state", "unit") == [], "or the rest of the transfer would be another content"
    assert lake_of(tiny) == {}
    assert [one.receipt.n_rows_landed for one in tiny.take()] == [3]


def test_half_a_file_that_cannot_be_read_is_no_held_delivery(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    library = load_library(tiny.root)
    (planned,) = ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms)
    (tiny.root / "landing/unit" / JANUARY / "forms.csv").write_text("")
    with pytest.raises(LandingError, match="changed while it was being read"):
        ingest.stage_delivery(library, library.sites["unit"], planned, tiny.pseudonyms)
    assert read_receipts(tiny.root / "state", "unit") == []


LISTENING: list[list[str]] = []
"""Lists that hear of every file this process opens; an audit hook cannot be taken off again, a list can."""


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and LISTENING and isinstance(arguments[0], str):
        LISTENING[-1].append(arguments[0])


sys.addaudithook(_note_opened)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Every file that this process opens meanwhile."""
    opened: list[str] = []
    LISTENING.append(opened)
    try:
        yield opened
    finally:
        LISTENING.remove(opened)


def test_known_deliveries_are_looked_at_and_not_read(tiny: TinyNetwork) -> None:
    for month in range(1, 13):
        deliver(tiny, f"2014-{month:02d}-01")
    time.sleep(AT_REST_NS / 1e9 + 0.1)  # files just written are hashed again: nobody could tell a change from them
    tiny.take()
    deliver(tiny, "2015-01-01")
    with opened_files() as opened:
        assert [name for name, action in actions(tiny).items() if action != "skip"] == ["2015-01-01"]
    landed = [Path(name) for name in opened if "/landing/" in name]
    assert {path.parent.name for path in landed} == {"2015-01-01"}
    library = load_library(tiny.root)
    with opened_files() as opened:
        ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms, is_verified=True)
    assert len({Path(name).parent for name in opened if "/landing/" in name}) == 13


def test_a_known_file_that_changes_is_found_whatever_its_times_say(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    path = tiny.root / "landing/unit" / JANUARY / "forms.csv"
    time.sleep(AT_REST_NS / 1e9 + 0.1)
    tiny.take()
    assert tiny.take() == []
    before = path.stat()
    path.write_text(path.read_text().replace("1;2;3;4;5", "5;4;3;2;1"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(LandingError, match="has changed since it was taken"):
        tiny.take()


def test_a_record_of_fingerprints_that_is_broken_or_from_elsewhere_is_not_believed(tmp_path: Path) -> None:
    file, record = tmp_path / "a.csv", tmp_path / "record" / "unit.json"
    file.write_text("a")
    for text in ("", "[]", '{"a.csv": 1}', '{"a.csv": [1, 2, 3, 4, "f00"]}'):
        record.parent.mkdir(exist_ok=True)
        record.write_text(text)
        known = KnownFiles(record)
        assert known.sha256(file, "a.csv").startswith("ca978112")
        assert known.n_hashed == 1


def test_a_clock_that_was_set_back_is_told(tiny: TinyNetwork) -> None:
    deliver(tiny, JANUARY)
    (staged,) = tiny.take()
    library = load_library(tiny.root)
    now = staged.receipt.received_at
    check_clock(library, now - dt.timedelta(hours=23))
    with pytest.raises(ClockError, match="set the clock right"):
        check_clock(library, now - dt.timedelta(hours=25))
    check_clock(library)
    from dataclasses import replace

    append_receipt(tiny.root / "state", replace(staged.receipt, received_at=now + dt.timedelta(days=400)))
    with pytest.raises(ClockError, match="delivery of unit"):
        check_clock(library)


def test_a_promotion_is_finished_with_its_receipt_however_often_it_is_begun(tiny: TinyNetwork) -> None:
    """Killed after the one rename that decides, and once more between the receipt and the end."""
    deliver(tiny, JANUARY)
    library = load_library(tiny.root)
    (planned,) = ingest.plan_site(library, library.sites["unit"], tiny.pseudonyms)
    staged = ingest.stage_delivery(library, library.sites["unit"], planned, tiny.pseudonyms)
    folder, state = tiny.root / "lake", tiny.root / "state"
    shutil.copytree(folder / ".staging" / "unit" / JANUARY, folder.parent / "spare")
    ingest.accept(library, staged)
    assert len(read_receipts(state, "unit")) == 1
    journal = folder / ".promoting" / "unit" / JANUARY
    journal.mkdir(parents=True)
    from assets.ingestion.receipts import receipt_line

    (journal / lake.RECEIPT).write_text(f"{receipt_line(staged.receipt)}0\n")
    assert lake.finish_promotions(folder, state) == 1
    assert read_receipts(state, "unit") == [staged.receipt], "written once"
    (state / "deliveries" / "unit.jsonl").unlink()
    shutil.rmtree(folder / "accepted")
    shutil.copytree(folder.parent / "spare", journal)
    (journal / lake.RECEIPT).write_text(f"{receipt_line(staged.receipt)}0\n")
    assert lake.recover(folder, state) == 1
    assert read_receipts(state, "unit") == [staged.receipt]
    assert lake.holds(folder, "unit", JANUARY)
    assert tiny.take() == []
