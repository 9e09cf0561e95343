"""Records that a snapshot held and a later one did not: kept and shown, or relabelled, dropped, or back again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import small_network as small

from assets.ingestion.acceptances import ACCEPTANCE_SCHEMA
from assets.warehouse.build import manifest, prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from codebook.library import Library

FIRST, SECOND, THIRD = "2026-06-01", "2026-07-01", "2026-08-01"
KEEPS, DROPS, ADDS = "north", "west", "south"
"""A snapshot site that keeps what vanishes, one that drops it, and one that sends increments."""


def form(lake: small.Lake, site: str, delivery: str, key: str, episode: str, date: str, **values: Any) -> None:
    """One GAF of a course; `episode` is e<n> of patient p<n> unless said."""
    values = {"answers": (50, 45), "occasion": "baseline", "version": "gaf_split", "rater": "clinician"} | values
    values = {"content_hash": f"{date} {values['answers']}"} | values
    lake.assess("gaf", site, delivery, key, episode, assessment_date=small.day(date), **values)


def course(lake: small.Lake, site: str, delivery: str, patient: str, episode: str, start: str, **values: Any) -> None:
    if not any(row["patient_id"] == patient for row in lake.rows.get(("patient", site, delivery), [])):
        lake.add("patient", site, delivery, patient_id=patient)
    dates = {"admission_date": small.day(start), "treatment_start_date": small.day(start)}
    lake.add("episode", site, delivery, episode_id=episode, patient_id=patient, **(dates | values))


def fill(lake: small.Lake) -> None:
    for site in (KEEPS, DROPS, ADDS):
        prefix = site[0]
        for number, last in ((1, THIRD), (2, FIRST)):  # the second patient is only in the first delivery
            for delivery in (FIRST, SECOND, THIRD):
                if delivery > last:
                    continue
                patient, episode = f"p{prefix}{number}", f"e{prefix}{number}"
                course(lake, site, delivery, patient, episode, "2026-01-10")
                form(lake, site, delivery, f"{prefix}{number}-base", episode, "2026-01-12")
                lake.add("session", site, delivery, episode_id=episode, patient_id=patient, session_number=1)
                for what in ("work", "drug"):
                    if what == "work" or delivery == FIRST:
                        lake.add("attribute", site, delivery, episode_id=episode, patient_id=patient, attribute=what)
        # Of the first patient one assessment vanishes in the second delivery, one is away in it.
        first = f"e{prefix}1"
        form(lake, site, FIRST, f"{prefix}1-lost", first, "2026-04-01", occasion="m03", answers=(60, None))
        lake.add(
            "missing_answer", site, FIRST, assessment_id=f"{prefix}1-lost", instrument="gaf", item=2, missing_code="0"
        )
        lake.add(
            "finding",
            site,
            FIRST,
            finding_id=f"f-{prefix}1",
            assessment_id=f"{prefix}1-lost",
            patient_id=f"p{prefix}1",
            rule="gaf-range-02",
            **{"class": "conformance"},
            severity="void_value",
            message="m",
        )
        for delivery in (FIRST, THIRD):
            form(lake, site, delivery, f"{prefix}1-back", first, "2026-05-01", occasion="unscheduled")
    _relabelled(lake)
    _rejected(lake)
    _numbered(lake)
    _two_sites(lake)
    for delivery in (FIRST, SECOND):  # what the network accepts: first an assessment is gone, then the whole patient
        course(lake, KEEPS, delivery, "pa", "ea", "2026-01-10")
        form(lake, KEEPS, delivery, "a-base", "ea", "2026-01-12")
    form(lake, KEEPS, FIRST, "a-first", "ea", "2026-03-12", occasion="m03")
    for delivery in (FIRST, SECOND, THIRD):  # of this one only the assessment
        course(lake, KEEPS, delivery, "pb", "eb", "2026-01-10")
    form(lake, KEEPS, FIRST, "b-base", "eb", "2026-01-12")


def _relabelled(lake: small.Lake) -> None:
    # An occasion's label is corrected; the same answers on another day are another assessment.
    for delivery in (FIRST, SECOND, THIRD):
        course(lake, KEEPS, delivery, "pl", "el", "2026-01-10")
        old = delivery == FIRST
        form(lake, KEEPS, delivery, "l-m03" if old else "l-m06", "el", "2026-04-10", occasion="m03" if old else "m06")
    form(lake, KEEPS, FIRST, "l-early", "el", "2026-02-01", occasion="m09", content_hash="same")
    form(lake, KEEPS, THIRD, "l-later", "el", "2026-02-02", occasion="m12", content_hash="same")
    # The date of admission is corrected, so the course has a new id, and so have its assessments and sessions.
    for delivery, episode, start in ((FIRST, "ec-old", "2026-01-10"), (SECOND, "ec-new", "2026-01-11")):
        course(lake, KEEPS, delivery, "pc", episode, start)
        same = {"patient_id": "pc", "occasion": "baseline"}
        form(lake, KEEPS, delivery, f"{episode}-a", episode, "2026-01-12", **same)
        changed = {"patient_id": "pc", "occasion": "m03", "answers": (40, 40) if delivery == FIRST else (44, 44)}
        form(lake, KEEPS, delivery, f"{episode}-b", episode, "2026-04-12", **changed)
        lake.add("session", KEEPS, delivery, episode_id=episode, patient_id="pc", session_number=1)
    form(lake, KEEPS, FIRST, "ec-old-c", "ec-old", "2026-05-12", patient_id="pc", occasion="m06", answers=(33, 33))
    course(lake, KEEPS, THIRD, "pc", "ec-new", "2026-01-11")
    for part, date, answers in (("a", "2026-01-12", (50, 45)), ("b", "2026-04-12", (44, 44))):
        occasion = "baseline" if part == "a" else "m03"
        form(lake, KEEPS, THIRD, f"ec-new-{part}", "ec-new", date, patient_id="pc", occasion=occasion, answers=answers)
    lake.add("session", KEEPS, THIRD, episode_id="ec-new", patient_id="pc", session_number=1)
    # A new course of the same patient, with nothing in common, does not take the place of the old one.
    course(lake, KEEPS, FIRST, "pr", "er-one", "2025-01-10")
    form(lake, KEEPS, FIRST, "r-one", "er-one", "2025-01-12", patient_id="pr")
    for delivery in (SECOND, THIRD):
        course(lake, KEEPS, delivery, "pr", "er-two", "2026-06-10")


def _rejected(lake: small.Lake) -> None:
    """The patient's row is held back from the second delivery on: the record may be in it."""
    course(lake, KEEPS, FIRST, "px", "ex", "2026-01-10")
    form(lake, KEEPS, FIRST, "x-base", "ex", "2026-01-12")
    for delivery in (SECOND, THIRD):
        lake.add(
            "finding",
            KEEPS,
            delivery,
            finding_id="f-conflict",
            patient_id="px",
            rule="row-key-conflict",
            **{"class": "plausibility"},
            severity="reject_row",
            message="m",
        )


def _numbered(lake: small.Lake) -> None:
    """Of three sessions the first is taken out and the others are numbered anew; of others the last is gone."""
    for delivery in (FIRST, SECOND, THIRD):
        for patient in ("pn", "ps"):
            course(lake, KEEPS, delivery, patient, f"e{patient}", "2026-01-10")
        days = ("2026-02-01", "2026-02-08", "2026-02-15")
        kept = {"pn": days if delivery == FIRST else days[1:], "ps": days if delivery == FIRST else days[:2]}
        for patient, dates in kept.items():
            for number, date in enumerate(dates, start=1):
                ids = {"episode_id": f"e{patient}", "patient_id": patient}
                lake.add("session", KEEPS, delivery, **ids, session_number=number, session_date=small.day(date))
        if delivery == FIRST:
            lake.add("consent", KEEPS, delivery, patient_id="pn", purpose="research", status="withdrawn")


def _two_sites(lake: small.Lake) -> None:
    """A patient of two units whom one of them no longer delivers."""
    lake.add("patient", KEEPS, FIRST, patient_id="p-both", sex="male")
    for delivery in (FIRST, SECOND, THIRD):
        lake.add("patient", ADDS, delivery, patient_id="p-both", sex="female")


def library(root: Path) -> Library:
    whole = small.library(root)
    drops = whole.sites[DROPS]
    whole.sites[DROPS] = drops.model_copy(update={"delivery": drops.delivery.model_copy(update={"vanished": "drop"})})
    return whole


def deliveries() -> pl.DataFrame:
    like = small.deliveries().head(1)
    rows = [
        like.with_columns(
            pl.lit(site).alias("site_id"),
            pl.lit(delivery).alias("delivery"),
            pl.lit(small.day(delivery)).alias("delivery_date"),
            pl.lit(small.day(delivery)).alias("data_through_date"),
            pl.lit("accepted").alias("gate"),
        )
        for site in (KEEPS, DROPS, ADDS)
        for delivery in (FIRST, SECOND, THIRD)
    ]
    return pl.concat(rows).with_columns(
        (pl.col("n_rows_accepted") + pl.col("n_rows_quarantined")).alias("n_rows_landed")
    )


def acceptances() -> pl.DataFrame:
    """The network accepts that one patient and one assessment are gone, and another one for a while that is over."""
    rows = [
        {"finding_id": finding_of("patient", "pa"), "until_date": None},
        {"finding_id": finding_of("gaf", "b-base"), "until_date": small.TODAY},
        {"finding_id": finding_of("gaf", "n1-lost"), "until_date": small.day("2026-09-01")},
    ]
    said = {"site_id": KEEPS, "is_accepted": True, "accepted_date": small.day("2026-08-02"), "ended_date": None}
    return pl.DataFrame([said | row for row in rows], schema=ACCEPTANCE_SCHEMA)


def finding_of(table: str, record: str) -> str:
    return "f" + hashlib.md5(f"record-vanished|{KEEPS}|{table}|{record}".encode()).hexdigest()


def build(root: Path, as_of: str | None) -> duckdb.DuckDBPyConnection:
    whole = library(root)
    lake = small.Lake(whole.instruments)
    fill(lake)
    lake.write(root / "lake")
    ensure_empty_lake(root / "lake", whole)
    day = small.day(as_of) if as_of else None
    said = acceptances() if as_of is None else None
    write_inputs(whole, deliveries(), day, small.TODAY, root / ".build" / "inputs", acceptances=said)
    manifest()
    outcome = run_dbt(prepare_project(root / ".build"))
    assert outcome.is_success, outcome.explain()
    assert not outcome.warned, outcome.warned
    return duckdb.connect(root / ".build" / "warehouse.duckdb", read_only=True)


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with build(tmp_path_factory.mktemp("now"), None) as connection:
        yield connection


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return warehouse.execute(sql).fetchall()


def vanished(warehouse: duckdb.DuckDBPyConnection, table: str, key: str, site: str) -> set[Any]:
    found = rows(warehouse, f"SELECT {key} FROM harmonised.{table} WHERE is_vanished AND site_id = '{site}'")
    return {key for (key,) in found}


def test_what_vanished_is_kept_and_marked(now: duckdb.DuckDBPyConnection) -> None:
    assert vanished(now, "assessment", "assessment_id", KEEPS) == {
        "n1-lost",
        "n2-base",
        "l-early",
        "ec-old-c",
        "r-one",
        "x-base",
    }
    assert vanished(now, "episode", "episode_id", KEEPS) == {"en2", "er-one", "ex"}
    kept = rows(now, "SELECT patient_id FROM harmonised.patient WHERE is_vanished ORDER BY 1")
    assert kept == [("pn2",), ("px",)]
    answers = rows(
        now, "SELECT item, value, missing_code FROM harmonised.item_response WHERE assessment_id = 'n1-lost'"
    )
    assert sorted(answers) == [(1, 60, None), (2, None, "0")]
    there = rows(now, "SELECT is_vanished FROM harmonised.assessment WHERE assessment_id = 'n1-base'")
    assert there == [(False,)]


def test_facts_of_a_course_stay_with_it_and_removed_facts_go(now: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT episode_id, attribute FROM harmonised.attribute WHERE site_id = 'north' ORDER BY 1, 2"
    assert rows(now, sql) == [("en1", "work"), ("en2", "drug"), ("en2", "work")]


def test_a_unit_that_drops_or_adds_keeps_nothing_back(now: duckdb.DuckDBPyConnection) -> None:
    for table, key in (("assessment", "assessment_id"), ("episode", "episode_id"), ("session", "episode_id")):
        assert vanished(now, table, key, DROPS) == vanished(now, table, key, ADDS) == set()
    sql = "SELECT assessment_id FROM harmonised.assessment WHERE site_id = 'west' ORDER BY 1"
    assert rows(now, sql) == [("w1-back",), ("w1-base",)]
    sql = "SELECT assessment_id FROM harmonised.assessment WHERE site_id = 'south' ORDER BY 1"
    assert rows(now, sql) == [("s1-back",), ("s1-base",), ("s1-lost",), ("s2-base",)]


def test_each_loss_is_one_finding_about_the_highest_that_is_gone(now: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT coalesce(assessment_id, episode_id, patient_id), rule, status, first_delivery, last_delivery
        FROM quality.finding
        WHERE rule LIKE 'record-%' AND site_id = 'north' AND message NOT LIKE 'A session%' ORDER BY 1, 2
    """
    assert rows(now, sql) == [
        ("a-first", "record-vanished", "resolved", SECOND, THIRD),
        ("b-base", "record-vanished", "accepted", SECOND, THIRD),
        ("ec-old", "record-relabelled", "resolved", SECOND, THIRD),
        ("ec-old-c", "record-vanished", "open", SECOND, THIRD),
        ("er-one", "record-vanished", "open", SECOND, THIRD),
        ("l-early", "record-vanished", "open", SECOND, THIRD),
        ("l-m03", "record-relabelled", "resolved", SECOND, THIRD),
        ("n1-back", "record-vanished", "resolved", SECOND, SECOND),
        ("n1-lost", "record-vanished", "reopened", SECOND, THIRD),
        ("p-both", "record-vanished", "open", SECOND, THIRD),
        ("pa", "record-vanished", "accepted", THIRD, THIRD),
        ("pn", "record-vanished", "open", SECOND, THIRD),
        ("pn2", "record-vanished", "open", SECOND, THIRD),
    ]
    dropped = rows(
        now, "SELECT status, count(*) FROM quality.finding WHERE rule LIKE 'record-%' AND site_id = 'west' GROUP BY 1"
    )
    assert dropped == [("resolved", 3)]
    added = rows(now, "SELECT count(*) FROM quality.finding WHERE rule LIKE 'record-%' AND site_id = 'south'")
    assert added == [(0,)]


def test_what_the_network_accepts_is_taken_out_with_all_that_belongs_to_it(now: duckdb.DuckDBPyConnection) -> None:
    for table, key in (("patient", "patient_id"), ("episode", "episode_id"), ("assessment", "assessment_id")):
        left = {key for (key,) in rows(now, f"SELECT {key} FROM harmonised.{table}")}
        assert not left & {"pa", "ea", "a-base", "a-first", "b-base"}, table
    assert rows(now, "SELECT count(*) FROM harmonised.episode WHERE episode_id = 'eb'") == [(1,)]


def test_what_was_found_in_a_kept_record_stays_open(now: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT site_id, status FROM quality.finding WHERE finding_id IN ('f-n1', 'f-w1') ORDER BY 1"
    assert rows(now, sql) == [("north", "open"), ("west", "resolved")]


def test_a_record_that_came_under_another_key_is_there_once(now: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT assessment_id, episode_id FROM harmonised.assessment WHERE patient_id IN ('pc', 'pl') ORDER BY 1"
    assert rows(now, sql) == [
        ("ec-new-a", "ec-new"),
        ("ec-new-b", "ec-new"),  # corrected in the same breath: the same place of the same course
        ("ec-old-c", "ec-new"),  # has no counterpart: kept, in the course that took the place of its own
        ("l-early", "el"),
        ("l-later", "el"),  # the same answers on another day
        ("l-m06", "el"),
    ]
    courses = rows(now, "SELECT episode_id FROM harmonised.episode WHERE patient_id IN ('pc', 'pr') ORDER BY 1")
    assert courses == [("ec-new",), ("er-one",), ("er-two",)]


def test_sessions_that_are_numbered_anew_are_not_doubled(now: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT patient_id, session_number, is_vanished FROM harmonised.session
        WHERE patient_id IN ('pn', 'ps', 'pc') ORDER BY 1, 2
    """
    assert rows(now, sql) == [
        ("pc", 1, False),
        ("pn", 1, False),
        ("pn", 2, False),
        ("ps", 1, False),
        ("ps", 2, False),
        ("ps", 3, True),
    ]
    assert rows(now, "SELECT status, is_vanished FROM harmonised.consent") == [("withdrawn", True)]


def test_a_row_that_was_held_back_is_no_vanished_record(now: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT rule FROM quality.finding WHERE patient_id = 'px'"
    assert rows(now, sql) == [("row-key-conflict",)]
    kept = rows(now, "SELECT is_vanished FROM harmonised.assessment WHERE assessment_id = 'x-base'")
    assert kept == [(True,)]


def test_a_patient_of_two_units_is_as_the_one_that_delivers_says(now: duckdb.DuckDBPyConnection) -> None:
    assert rows(now, "SELECT sex, is_vanished FROM harmonised.patient WHERE patient_id = 'p-both'") == [
        ("female", False)
    ]


def test_due_points_that_were_met_stay_met_and_say_so(now: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT status, reason FROM quality.expected_assessment
        WHERE episode_id = 'en2' AND due_date < DATE '2026-08-01' ORDER BY occasion_order
    """
    gone = "no longer delivered"
    assert rows(now, sql) == [
        ("received_on_time", gone),
        ("missed", None),  # closed while the unit still delivered the course
        ("awaiting_delivery", gone),
    ]


def test_a_look_back_knows_nothing_of_what_came_later(tmp_path: Path) -> None:
    with build(tmp_path, SECOND) as then:
        assert vanished(then, "assessment", "assessment_id", KEEPS) >= {"n1-lost", "n1-back", "n2-base"}
        sql = "SELECT status FROM quality.finding WHERE rule = 'record-vanished' AND assessment_id = 'n1-back'"
        assert rows(then, sql) == [("open",)]
