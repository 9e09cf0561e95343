"""Random networks: whatever is declared and delivered, the ledger keeps its promises and every rate adds up from it.

hypothesis draws the schedules and how untidy the courses are; a seed makes three hundred courses of it, so that a
network costs one build. Nothing is shrunk: a build is dear, and the seed names the network.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import schedule_network as net
import small_network as small
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assets.ingestion.answers import DUE_ANSWER_SCHEMA
from codebook.library import Library
from codebook.schedule import Schedule

N_COURSES = 300
TODAY = dt.date(2026, 7, 1)
MONTH_END = dt.date(2026, 7, 31)
"""Trends end with the month of today."""
STATUSES = {
    "upcoming",
    "open",
    "received_on_time",
    "received_early",
    "received_late",
    "awaiting_delivery",
    "overdue",
    "missed",
    "not_expected",
    "withdrawn",
}
KNOWN_INSTRUMENTS = ("wsas", "wai_s", "wai_sr", "bsi_18")
ANSWERS = ("refused", "unobtainable", "left", "not_given", "in_progress")


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """One or two schedules, of which the second may replace the first."""
    plans = {}
    for name, valid_from in (("one", "2020-01-01"), ("two", "2025-10-01")):
        occasions: list[dict[str, Any]] = []
        for number in range(draw(st.integers(2, 6))):
            anchor = draw(st.sampled_from(["admission", "treatment_start", "treatment_start", "discharge"]))
            if occasions and draw(st.booleans()):
                anchor = draw(st.sampled_from([anchor, "previous_assessment"]))
            if draw(st.integers(0, 5)) == 0:
                anchor = "session_number"
            declared = {
                "key": f"o{number}",
                "label": f"O{number}",
                "kind": draw(st.sampled_from(["fixed", "fixed", "flexible"])),
                "anchor": anchor,
                draw(st.sampled_from(["months", "weeks", "days"])): draw(st.integers(0, 12)),
                "before_days": draw(st.integers(0, 60)),
                "after_days": draw(st.integers(0, 60)),
                "due": [{"instrument": i} for i in draw(st.sets(st.sampled_from(KNOWN_INSTRUMENTS), min_size=1))],
            }
            if anchor == "session_number":
                declared |= {"session": draw(st.integers(1, 5)), "nominal_months": 1}
            if draw(st.integers(0, 3)) == 0:
                declared["arms"] = ["a"]
            if draw(st.integers(0, 3)) == 0:
                declared["despite"] = ["discharge"]
            occasions.append(declared)
        plans[name] = {"valid_from": valid_from, "occasions": occasions}
    if draw(st.booleans()):
        plans["two"]["replaces"] = "one"
    return plans


def fill(lake: small.Lake, library: Library, rng: Random, tidiness: float) -> pl.DataFrame:
    """Courses, forms, sessions and consents at random; returns what units said about due points."""
    sites = list(library.sites)
    said = []
    for number in range(N_COURSES):
        site, episode, patient = sites[number % len(sites)], f"e{number:03d}", f"p{number // 2:03d}"
        admitted = dt.date(2025, 1, 1) + dt.timedelta(days=rng.randrange(500))
        is_dated = rng.random() < 0.9
        ended = admitted + dt.timedelta(days=rng.randrange(20, 400)) if rng.random() < 0.5 else None
        lake.add(
            "episode",
            site,
            net.FIRST,
            episode_id=episode,
            patient_id=patient,
            admission_date=admitted if is_dated else None,
            treatment_start_date=admitted + dt.timedelta(days=rng.randrange(30)) if is_dated else None,
            discharge_date=ended if is_dated else None,
            termination_reason=rng.choice(["completed", "transfer", "death", None]) if ended else None,
            arm=rng.choice(["a", "b", None]),
        )
        for nth in range(rng.randrange(7)):
            date = admitted + dt.timedelta(days=7 * nth)
            lake.add(
                "session",
                site,
                net.FIRST,
                episode_id=episode,
                patient_id=patient,
                session_number=nth + 1,
                session_date=date if date < TODAY else None,
            )
        if rng.random() < 0.1:
            lake.add(
                "consent",
                site,
                net.FIRST,
                patient_id=patient,
                purpose=f"research {number}",
                status="withdrawn",
                status_date=admitted + dt.timedelta(days=rng.randrange(200)) if rng.random() < 0.8 else None,
            )
        for nth in range(rng.randrange(9)):
            instrument = rng.choice(KNOWN_INSTRUMENTS)
            label = (
                rng.choice(["o0", "o1", "o2", "o5", "unscheduled", "elsewhere"]) if rng.random() < tidiness else None
            )
            has_date = rng.random() < 0.8
            lake.assess(
                instrument,
                site,
                net.FIRST,
                f"a{number:03d}-{nth}",
                episode,
                patient_id=patient,
                version=library.instruments[instrument].versions[0].key,
                occasion=label,
                assessment_date=admitted + dt.timedelta(days=rng.randrange(-10, 400)) if has_date else None,
                declared_months=rng.randrange(0, 120) / 10 if not has_date or rng.random() < 0.1 else None,
                answers=(rng.choice([None, 2]), 3),
            )
        for schedule in library.schedules.values():
            occasion = rng.choice(schedule.occasions)
            due = rng.choice(occasion.due)
            if rng.random() < 0.3:
                point = net.due_point_id(episode, due.instrument, due.rater, occasion.key)
                said.append((site, point, rng.choice(ANSWERS), dt.date(2026, 6, 1)))
    frame = pl.DataFrame(said, schema=DUE_ANSWER_SCHEMA, orient="row")
    return frame.unique("due_point_id", keep="first", maintain_order=True)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(plans=schedules(), tidiness=st.sampled_from([0.2, 0.7]), seed=st.integers(0, 2**32))
def test_the_ledger_keeps_its_promises(plans: dict[str, Any], tidiness: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = net.library(Path(folder), plans, {"north": "one", "south": "two", "west": "one"})
        lake = small.Lake(library.instruments)
        answers = fill(lake, library, Random(seed), tidiness)
        lake.write(Path(folder) / "lake")
        deliveries = [net.delivery(site, net.FIRST, net.THROUGH[net.FIRST]) for site in library.sites]
        treated = pl.DataFrame(
            {
                "site_id": ["north", "north"],
                "period_start": [dt.date(2025, 1, 1), dt.date(2026, 1, 1)],
                "period_end": [dt.date(2025, 12, 31), dt.date(2026, 6, 30)],
                "n_treated": [100, 0],
            }
        )
        with net.build(library, deliveries, TODAY, answers=answers, treated=treated) as warehouse:
            tables = {
                name: warehouse.execute(f"SELECT * FROM {schema}.{name}").pl()
                for schema, name in (
                    ("quality", "expected_assessment"),
                    ("harmonised", "assessment"),
                    ("harmonised", "episode"),
                    ("quality", "completeness"),
                    ("quality", "completeness_quarter"),
                    ("quality", "coverage"),
                    ("quality", "trend"),
                )
            }
            reach = warehouse.execute(REACH.format(inputs=Path(folder) / ".build" / "inputs")).pl()
    points = tables["expected_assessment"]
    assert points.height
    each_point_once(points)
    each_assessment_at_most_once(points, tables["assessment"])
    nothing_is_judged_before_the_data_reach_it(points)
    due_dates_are_what_is_declared(points, tables["episode"], library.schedules)
    nothing_free_is_left_in_reach(points, tables["assessment"], reach)
    rates_add_up(points, tables)


REACH = """
    SELECT point.episode_id, point.occasion, slot.instrument, slot.rater, point.assessment_id IS NULL AS is_free,
        point.due_date - occasion.reach_before_days AS reach_from,
        point.due_date + occasion.reach_after_days AS reach_to
    FROM quality.expected_assessment AS point
    INNER JOIN '{inputs}/occasion.parquet' AS occasion
        ON point.schedule = occasion.schedule AND point.occasion = occasion.occasion
    INNER JOIN '{inputs}/due.parquet' AS due
        ON occasion.occasion_no = due.occasion_no AND point.instrument = due.instrument AND point.rater = due.rater
    INNER JOIN '{inputs}/slot.parquet' AS slot ON due.slot_no = slot.slot_no
    INNER JOIN staging.stg_course AS course ON point.episode_id = course.episode_id
    WHERE course.is_dated
"""


def each_point_once(points: pl.DataFrame) -> None:
    keys = ["episode_id", "instrument", "rater", "occasion"]
    assert points["due_point_id"].n_unique() == points.select(keys).unique().height == points.height
    assert set(points["status"]) <= STATUSES
    received = points["status"].str.starts_with("received_")
    assert (received == points["assessment_id"].is_not_null()).all()
    assert (points["is_counted"] == (received | points["status"].is_in(["overdue", "missed"]))).all()


def each_assessment_at_most_once(points: pl.DataFrame, assessments: pl.DataFrame) -> None:
    belonging = points.drop_nulls("assessment_id")
    assert belonging["assessment_id"].is_unique().all()
    joined = belonging.join(assessments, on="assessment_id", suffix="_of_form")
    assert joined.height == belonging.height
    for column in ("episode_id", "family", "rater", "site_id"):
        assert (joined[column] == joined[f"{column}_of_form"]).all()
    scheduled = assessments.join(points.select("episode_id").unique(), on="episode_id").drop_nulls("assessment_date")
    is_extra = ~scheduled["assessment_id"].is_in(belonging["assessment_id"].to_list())
    assert ((scheduled["timing"] == "unscheduled").fill_null(False) == is_extra).all()
    assert (scheduled.filter(pl.col("occasion") == "unscheduled")["timing"] == "unscheduled").all()


def nothing_is_judged_before_the_data_reach_it(points: pl.DataFrame) -> None:
    judged = points.filter(pl.col("status").is_in(["overdue", "missed"]))
    assert (judged["closes_date"] <= net.THROUGH[net.FIRST]).all()
    explained = points.filter(pl.col("reason").is_in(["refused", "unobtainable"]))
    assert not explained["status"].is_in(["overdue", "not_expected", "withdrawn"]).any()
    assert points.filter(pl.col("status") == "upcoming")["opens_date"].drop_nulls().gt(TODAY).all()


def due_dates_are_what_is_declared(points: pl.DataFrame, episodes: pl.DataFrame, plans: dict[str, Schedule]) -> None:
    """Due dates of occasions whose anchor is a date of the course, worked out again from the declaration."""
    anchors = {"admission": "admission_date", "treatment_start": "treatment_start_date", "discharge": "discharge_date"}
    courses = {row["episode_id"]: row for row in episodes.iter_rows(named=True)}
    for row in points.iter_rows(named=True):
        occasion = plans[row["schedule"]].occasion(row["occasion"])
        assert occasion is not None
        assert row["instrument"] in {due.instrument for due in occasion.due}
        if occasion.anchor in anchors:
            anchor = courses[row["episode_id"]][anchors[occasion.anchor]]
            due = None if anchor is None else anchor + dt.timedelta(days=occasion.lag_days)
            assert row["due_date"] == due
        begins = courses[row["episode_id"]]["admission_date"]
        assert begins is None or plans[row["schedule"]].valid_from <= begins


def nothing_free_is_left_in_reach(points: pl.DataFrame, assessments: pl.DataFrame, reach: pl.DataFrame) -> None:
    """No form without an occasion is left over while a due point that it could have had is still free."""
    taken = points["assessment_id"].drop_nulls().to_list()
    left = assessments.filter(pl.col("occasion").is_null() & ~pl.col("assessment_id").is_in(taken))
    dated = left.drop_nulls("assessment_date").join(reach.filter("is_free"), on=["episode_id", "instrument", "rater"])
    missed = dated.filter(pl.col("assessment_date").is_between("reach_from", "reach_to"))
    assert missed.height == 0, missed


def rates_add_up(points: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> None:
    quarter, whole = tables["completeness_quarter"], tables["completeness"]
    for table, keys in ((quarter, ["due_quarter"]), (whole, [])):
        columns = ["site_id", "instrument", "occasion", *keys]
        counted = Counter(points.filter("is_counted").select(columns).iter_rows())
        received = Counter(points.filter(pl.col("assessment_id").is_not_null()).select(columns).iter_rows())
        every = set(points.select(columns).iter_rows())
        assert every == set(table.select(columns).iter_rows())
        for row in table.iter_rows(named=True):
            key = tuple(row[column] for column in columns)
            assert (row["n_expected"], row["n_received"]) == (counted[key], received[key])
            assert 0 <= row["n_scorable"] <= row["n_received"] <= row["n_expected"]
            for rate, n, total in (
                ("received_rate", "n_received", "n_expected"),
                ("scorable_rate", "n_scorable", "n_expected"),
                ("answered_rate", "n_items_answered", "n_items_expected"),
            ):
                assert row[rate] == (row[n] / row[total] if row[total] else None)
    months = points.filter(pl.col("is_counted") & (pl.col("due_date") <= MONTH_END))
    assert tables["trend"]["n_due"].sum() == months.height
    assert tables["trend"]["n_received"].sum() == months["assessment_id"].count()
    assert tables["trend"]["n_overdue"].sum() == months.filter(pl.col("status") == "overdue").height
    dated = tables["assessment"].filter(pl.col("assessment_date") <= MONTH_END)
    assert tables["trend"]["n_assessments"].sum() == dated.height
    for (_, start, end, n_treated), row in zip(
        tables["coverage"].select("site_id", "period_start", "period_end", "n_treated").sort("period_start").rows(),
        tables["coverage"].sort("period_start").iter_rows(named=True),
        strict=True,
    ):
        here = tables["episode"].filter(
            (pl.col("site_id") == "north")
            & (pl.col("admission_date") <= end)
            & (pl.col("discharge_date").is_null() | (pl.col("discharge_date") >= start))
        )
        n = here["patient_id"].n_unique()
        assert row["n_registered"] == n
        assert row["coverage_rate"] == (n / n_treated if n_treated else None)
