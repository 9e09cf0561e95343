"""The life of a finding: opened, gone, back again; answered by the unit, accepted by the network, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import small_network as small

from assets.ingestion.acceptances import Decision, acceptance_frame, append_decision
from assets.ingestion.answers import ANSWER_SCHEMA
from assets.warehouse.build import manifest, prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs

FIRST, SECOND, THIRD, FOURTH = "2026-06-01", "2026-07-01", "2026-08-01", "2026-09-01"
ALL, ADDS = "north", "south"
TODAY = small.day("2026-10-01")


def find(lake: small.Lake, site: str, finding_id: str, *deliveries: str, **values: Any) -> None:
    usual = {"rule": "gaf-range-02", "class": "conformance", "severity": "void_value", "message": "m"}
    for delivery in deliveries:
        lake.add("finding", site, delivery, finding_id=finding_id, **(usual | values))


def fill(lake: small.Lake) -> None:
    for site in (ALL, ADDS):
        for delivery in (FIRST, SECOND, THIRD, FOURTH):
            if site == ALL or delivery == FIRST:
                lake.add("patient", site, delivery, patient_id=f"p-{site}")
                lake.add("episode", site, delivery, episode_id=f"e-{site}", patient_id=f"p-{site}")
    find(lake, ALL, "f-always", FIRST, SECOND, THIRD, FOURTH, rule="row-duplicate")
    find(lake, ALL, "f-fixed", FIRST, SECOND, rule="sex-code")
    find(lake, ALL, "f-back", FIRST, SECOND, FOURTH)
    find(lake, ALL, "f-back-gone", FIRST, THIRD)
    find(lake, ALL, "f-late", THIRD, FOURTH)
    for name in ("accepted", "expired", "taken-back", "confirmed", "corrected", "still-there", "working"):
        find(lake, ALL, f"f-{name}", *((THIRD, FOURTH) if name == "still-there" else (FOURTH,)))
    find(lake, ALL, "f-back-confirmed", FIRST, FOURTH)
    # An increment says something about a record only when it brings the record.
    form = {"version": "gaf_split", "rater": "clinician", "occasion": "baseline"}
    for key, brought, made in (
        ("a-once", (FIRST,), (FIRST,)),
        ("a-mended", (FIRST, THIRD), (FIRST,)),
        ("a-again", (FIRST, SECOND, FOURTH), (FIRST, FOURTH)),
    ):
        for delivery in brought:
            lake.assess("gaf", ADDS, delivery, key, "e-south", answers=(50, 40), **form)
        find(lake, ADDS, f"f-{key}", *made, assessment_id=key, episode_id="e-south", patient_id="p-south")
    find(lake, ADDS, "f-row", FIRST, rule="row-identity-missing", severity="reject_row")


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
        for site in (ALL, ADDS)
        for delivery in (FIRST, SECOND, THIRD, FOURTH)
    ]
    return pl.concat(rows).with_columns(
        (pl.col("n_rows_accepted") + pl.col("n_rows_quarantined")).alias("n_rows_landed")
    )


ANSWERS = [
    ("f-confirmed", "confirmed", "2026-09-10"),
    ("f-corrected", "corrected", "2026-09-10"),
    ("f-still-there", "corrected", "2026-08-10"),
    ("f-working", "in_progress", "2026-09-10"),
    ("f-back-confirmed", "confirmed", "2026-06-10"),
]


def build(root: Path, as_of: str | None = None) -> duckdb.DuckDBPyConnection:
    whole = small.library(root)
    lake = small.Lake(whole.instruments)
    fill(lake)
    lake.write(root / "lake")
    ensure_empty_lake(root / "lake", whole)
    state, day = root / "state", small.day
    for finding, until in (("f-accepted", "2026-10-01"), ("f-expired", "2026-09-30"), ("f-taken-back", "2027-01-01")):
        append_decision(state, ALL, Decision(finding, "accept", "known", "kn", day("2026-09-05"), day(until)))
    append_decision(state, ALL, Decision("f-taken-back", "reopen", "after all", "kn", day("2026-09-20")))
    known = small.day(as_of) if as_of else None
    answers = pl.DataFrame(
        [(ALL, finding, answer, day(date)) for finding, answer, date in ANSWERS if not as_of or date <= as_of],
        schema=ANSWER_SCHEMA,
        orient="row",
    )
    write_inputs(
        whole,
        deliveries(),
        known,
        known or TODAY,
        root / ".build" / "inputs",
        answers=answers,
        acceptances=acceptance_frame(state, [ALL, ADDS], known),
    )
    manifest()
    outcome = run_dbt(prepare_project(root / ".build"))
    assert outcome.is_success, outcome.explain()
    return duckdb.connect(root / ".build" / "warehouse.duckdb", read_only=True)


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with build(tmp_path_factory.mktemp("life")) as connection:
        yield connection


def lives(warehouse: duckdb.DuckDBPyConnection, site: str) -> dict[str, tuple[Any, ...]]:
    sql = f"""
        SELECT finding_id, status, opened_date::varchar, closed_date::varchar, age_days FROM quality.finding
        WHERE site_id = '{site}' AND rule NOT LIKE 'record-%'
    """
    return {row[0]: row[1:] for row in warehouse.execute(sql).fetchall()}


def test_a_unit_that_sends_everything(now: duckdb.DuckDBPyConnection) -> None:
    found = lives(now, ALL)
    assert found["f-always"] == ("open", FIRST, None, 122)
    assert found["f-fixed"] == ("resolved", FIRST, THIRD, None)
    assert found["f-back"] == ("reopened", FIRST, None, 122)
    assert found["f-back-gone"] == ("resolved", FIRST, FOURTH, None)
    assert found["f-late"] == ("open", THIRD, None, 61)


def test_a_unit_that_sends_what_is_new(now: duckdb.DuckDBPyConnection) -> None:
    found = lives(now, ADDS)
    assert found["f-a-once"] == ("open", FIRST, None, 122)
    assert found["f-a-mended"] == ("resolved", FIRST, THIRD, None)
    assert found["f-a-again"] == ("reopened", FIRST, None, 122)
    assert found["f-row"] == ("open", FIRST, None, 122)


def test_what_the_network_accepts_and_for_how_long(now: duckdb.DuckDBPyConnection) -> None:
    found = lives(now, ALL)
    assert found["f-accepted"] == ("accepted", FOURTH, "2026-09-05", None)
    assert found["f-expired"][0] == "reopened"
    assert found["f-taken-back"][0] == "reopened"


def test_what_the_unit_answers(now: duckdb.DuckDBPyConnection) -> None:
    found = lives(now, ALL)
    assert found["f-confirmed"] == ("answered", FOURTH, None, 30)
    assert found["f-corrected"][0] == "answered"
    assert found["f-still-there"][0] == "reopened", "said to be corrected, and delivered again as it was"
    assert found["f-working"][0] == "open"
    assert found["f-back-confirmed"][0] == "reopened", "the answer was about its first time"
    said = now.execute("SELECT answer, answered_date::varchar FROM quality.finding WHERE finding_id = 'f-working'")
    assert said.fetchall() == [("in_progress", "2026-09-10")]


def test_every_finding_says_what_to_do(now: duckdb.DuckDBPyConnection) -> None:
    told = dict(now.execute("SELECT DISTINCT rule, remedy FROM quality.finding").fetchall())
    assert told["gaf-range-02"].startswith("Compare with the form and correct")
    assert told["sex-code"].startswith("Use one of the agreed codes")
    assert told["row-duplicate"].startswith("Nothing is lost")
    assert all(told.values())


def test_a_look_back_knows_what_was_known(tmp_path: Path) -> None:
    with build(tmp_path, THIRD) as then:
        found = lives(then, ALL)
        assert found["f-back"] == ("resolved", FIRST, THIRD, None)
        assert found["f-back-gone"] == ("reopened", FIRST, None, 61)
        assert found["f-still-there"] == ("open", THIRD, None, 0)
        assert "f-accepted" not in found
        assert lives(then, ADDS)["f-a-again"] == ("resolved", FIRST, SECOND, None)


def test_what_each_delivery_changed(now: duckdb.DuckDBPyConnection) -> None:
    sql = f"""
        SELECT delivery, n_assessments, n_new, n_corrected, n_returned, n_vanished, n_findings_opened, n_findings_closed
        FROM quality.delivery_change WHERE site_id = '{ADDS}' ORDER BY 1
    """
    assert now.execute(sql).fetchall() == [
        (FIRST, 3, 3, 0, 0, 0, 4, 0),
        (SECOND, 1, 0, 0, 0, 0, 0, 0),
        (THIRD, 1, 0, 0, 0, 0, 0, 1),
        (FOURTH, 1, 0, 0, 0, 0, 0, 0),
    ]
