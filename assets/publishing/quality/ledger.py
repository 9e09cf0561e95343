"""Questions that the quality pages put to the warehouse, each answered by one grouped query.

What belongs here: SQL that counts, and the typed frames it returns; a table that was not built answers with no rows.
What does not: judging a unit (`assets.publishing.units`), wording, drawing. No answer has a row per patient: the
ledger's million due points are counted by DuckDB and never travel to Python.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from assets.publishing.sources import Warehouse
from assets.publishing.units import CLOSED_STATES, OPEN_STATES
from assets.publishing.worklist import DUE_WITHIN_DAYS, EXPLAINED
from codebook.library import Library

POINTS = "quality.expected_assessment"
TEXT, WHOLE, DAY = pl.String(), pl.Int64(), pl.Date()
COMPLETENESS: dict[str, pl.DataType] = {
    **dict.fromkeys(("site_id", "instrument", "occasion"), TEXT),
    **dict.fromkeys(("n_expected", "n_received", "n_scorable", "n_items_expected", "n_items_answered"), WHOLE),
}
BY_YEAR = COMPLETENESS | {"year": TEXT}
DUE: dict[str, pl.DataType] = {
    **dict.fromkeys(("site_id", "instrument", "occasion", "quarter"), TEXT),
    **dict.fromkeys(("n_due", "n_received", "n_on_time", "n_overdue", "n_missed", "n_awaiting", "n_soon"), WHOLE),
}
COUNTS_OF_DUE = tuple(name for name, kind in DUE.items() if kind == WHOLE)
TREND: dict[str, pl.DataType] = {
    "site_id": TEXT,
    "month": DAY,
    **dict.fromkeys(("n_due", "n_received", "n_received_on_time", "n_overdue", "n_assessments"), WHOLE),
    **dict.fromkeys(("n_findings_opened", "n_findings_closed", "n_findings_open"), WHOLE),
}
FINDINGS: dict[str, pl.DataType] = {
    **dict.fromkeys(("site_id", "rule", "kind", "severity", "instrument"), TEXT),
    **dict.fromkeys(("n_open", "n_closed", "n_touched", "oldest_days"), WHOLE),
}
AGES: dict[str, pl.DataType] = {"site_id": TEXT, "age": TEXT, "n_open": WHOLE}
CHANGE: dict[str, pl.DataType] = {
    **dict.fromkeys(("site_id", "kind", "instrument", "label"), TEXT),
    **dict.fromkeys(("n_new", "n_persisting", "n_resolved", "n_lapsed"), WHOLE),
    "is_first": pl.Boolean(),
    **dict.fromkeys(("from_as_of", "from_today", "to_as_of", "to_today"), DAY),
}
COVERAGE: dict[str, pl.DataType] = {
    "site_id": TEXT,
    "period_start": DAY,
    "period_end": DAY,
    "n_treated": WHOLE,
    "n_registered": WHOLE,
}
EXPECTATION: dict[str, pl.DataType] = {
    **dict.fromkeys(("suite", "expectation", "site_id", "status"), TEXT),
    **dict.fromkeys(("n_failed", "n_checked"), WHOLE),
    "threshold": pl.Float64(),
    "observed": pl.Float64(),
    **dict.fromkeys(("instrument", "message", "scale", "waiver"), TEXT),
}
AGE_STEPS = ((30, "0–30 days"), (90, "31–90 days"), (180, "91–180 days"), (None, "more than 180 days"))
"""Last day of each step of age, and its words; the last step has no end."""


def due(warehouse: Warehouse, today: dt.date) -> pl.DataFrame:
    """Due points counted by unit, instrument, occasion and quarter; `n_due`: their fate is known.

    `n_soon`: what a worklist asks for before it is overdue (`worklist.due_points`): not yet come, window open or still
    to open, due within its days from `today`, and not explained by the unit.
    """
    if not warehouse.has(POINTS):
        return pl.DataFrame(schema=DUE)
    last = (today + dt.timedelta(days=DUE_WITHIN_DAYS)).isoformat()
    soon = (
        f"status in ('open', 'upcoming') and due_date <= date '{last}' "
        f"and (answer is null or answer not in {EXPLAINED})"
    )
    return _typed(
        warehouse.frame(
            "select site_id, instrument, occasion, coalesce(due_quarter, '') as quarter, "
            f"count(*) filter (is_counted) as n_due, "
            f"count(*) filter (is_counted and status like 'received%') as n_received, "
            "count(*) filter (status = 'received_on_time') as n_on_time, "
            "count(*) filter (status = 'overdue') as n_overdue, count(*) filter (status = 'missed') as n_missed, "
            f"count(*) filter (status = 'awaiting_delivery') as n_awaiting, count(*) filter ({soon}) as n_soon "
            f"from {POINTS} group by all order by all"
        ),
        DUE,
    )


def completeness(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.completeness` in a fixed order."""
    return _typed(warehouse.table("quality.completeness", "site_id, instrument, occasion"), COMPLETENESS)


def completeness_by_year(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.completeness_quarter` summed to calendar years of the due dates."""
    if not warehouse.has("quality.completeness_quarter"):
        return pl.DataFrame(schema=BY_YEAR)
    sums = ", ".join(f"sum({name}) as {name}" for name, kind in COMPLETENESS.items() if kind == WHOLE)
    return _typed(
        warehouse.frame(
            f"select site_id, instrument, occasion, substr(due_quarter, 1, 4) as year, {sums} "
            "from quality.completeness_quarter where due_quarter is not null group by all order by all"
        ),
        BY_YEAR,
    )


def trend(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.trend`: a row per unit and calendar month."""
    return _typed(warehouse.table("quality.trend", "site_id, month"), TREND)


def change(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.change`: what is new, persisting, resolved and lapsed (given up as missed) beside an earlier day."""
    return _typed(warehouse.table("quality.change", "site_id, kind, instrument, label"), CHANGE)


def coverage(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.coverage`: patients registered of patients treated, by unit and period."""
    return _typed(warehouse.table("quality.coverage", "site_id, period_start, period_end"), COVERAGE)


def expectations(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.expectation`, every unit and measure."""
    return _typed(warehouse.table("quality.expectation", "suite, expectation, site_id"), EXPECTATION)


def findings(warehouse: Warehouse) -> pl.DataFrame:
    """Findings counted by unit, rule and instrument.

    `n_touched`: assessments that the open ones are about (a finding about none counts itself).
    """
    if not warehouse.has("quality.finding"):
        return pl.DataFrame(schema=FINDINGS)
    return _typed(
        warehouse.frame(
            "select site_id, rule, class as kind, severity, coalesce(instrument, '') as instrument, "
            f"count(*) filter (status in {OPEN_STATES}) as n_open, "
            f"count(*) filter (status in {CLOSED_STATES}) as n_closed, "
            f"count(distinct coalesce(assessment_id, finding_id)) filter (status in {OPEN_STATES}) as n_touched, "
            f"max(age_days) filter (status in {OPEN_STATES}) as oldest_days "
            "from quality.finding group by all order by all"
        ),
        FINDINGS,
    )


def ages(warehouse: Warehouse) -> pl.DataFrame:
    """Open findings by unit and step of age, in the words of AGE_STEPS."""
    if not warehouse.has("quality.finding"):
        return pl.DataFrame(schema=AGES)
    steps = " ".join(f"when age_days <= {last} then '{words}'" for last, words in AGE_STEPS if last is not None)
    return _typed(
        warehouse.frame(
            f"select site_id, case {steps} else '{AGE_STEPS[-1][1]}' end as age, count(*) as n_open "
            f"from quality.finding where status in {OPEN_STATES} and age_days is not null group by all order by all"
        ),
        AGES,
    )


def quarantined(warehouse: Warehouse) -> pl.DataFrame:
    """Rows held back, by unit, delivery and rule; most frequent first."""
    if not warehouse.has("quality.quarantine"):
        return pl.DataFrame(schema={"site_id": TEXT, "delivery": TEXT, "rule": TEXT, "n": WHOLE})
    return warehouse.frame(
        "select site_id, delivery, rule, count(*) as n from quality.quarantine group by all "
        "order by n desc, rule, site_id, delivery"
    )


def instrument_order(library: Library, instruments: list[str]) -> list[str]:
    """Instruments as the schedules first name them; others after, by key."""
    named = [
        due.instrument
        for schedule in library.schedules.values()
        for occasion in schedule.occasions
        for due in occasion.due
    ]
    rank = {key: place for place, key in enumerate(dict.fromkeys(named))}
    return sorted(instruments, key=lambda key: (rank.get(key, len(rank)), key))


def _typed(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """The named columns in their types; a column that the table lacks is null."""
    if not frame.width:
        return pl.DataFrame(schema=schema)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
