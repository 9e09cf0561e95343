"""What a delivery's tables say that no single value does: dates against versions, dates against each other, long runs.

What belongs here: flags about one delivery by itself; nothing is ever changed. What does not: single values
(`checks.rules`), and comparing a delivery with the one before (`checks.drift`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from checks.due_dates import placed
from checks.findings import empty_findings, found
from checks.rule_codes import AFTER_DISCHARGE, DATES_ORDER, STRAIGHT_LINING, VERSION_DATE
from codebook.instrument import Instrument, Version, item_column
from codebook.network import Plausible
from codebook.schedule import Schedule

PROBED = 4
"""So many answers are compared before all are."""
SHORTEST_RUN = 20
"""A questionnaire of this many items can be called a run of one answer."""
SHORTEST_MIXED_RUN = 10
"""So can one of this many, where some items are worded the other way round."""
_PLACE = ("patient_id", "episode_id", "assessment_id", "source_file", "source_row")


def judge_tables(
    tables: Mapping[str, pl.DataFrame],
    known_episodes: pl.DataFrame,
    instruments: Mapping[str, Instrument],
    schedules: Sequence[Schedule],
    limits: Plausible,
) -> pl.DataFrame:
    """Every flag about one delivery, with `entity`, without ids (`checks.findings.with_ids`).

    Args:
        tables: the delivery as the lake would hold it.
        known_episodes: courses that earlier deliveries brought (episode_id and its three dates); may be empty.
        instruments: by key; only those with a table that has rows are looked at.
        schedules: what the unit's courses follow, the oldest first.
        limits: from network.yaml.
    """
    courses = ["episode_id", "admission_date", "treatment_start_date", "discharge_date"]
    episodes = pl.concat([tables["episode"].select(courses), known_episodes.select(courses)])
    episodes = episodes.unique("episode_id", keep="first", maintain_order=True)
    latest = _latest_dates(episodes, schedules, limits)
    frames = [empty_findings(), *_dates_order(tables)]
    for key, instrument in instruments.items():
        table = tables.get(key)
        if table is None or not table.height:
            continue
        frames.extend(_version_dates(table, instrument))
        frames.append(_after_discharge(table, latest, key))
        frames.extend(_straight_lining(table, instrument))
    return pl.concat(frames)


def _about_assessments(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*_PLACE, pl.col("assessment_id").alias("entity"))


def _version_dates(table: pl.DataFrame, instrument: Instrument) -> Iterator[pl.DataFrame]:
    for version in instrument.versions:
        if version.valid_from is None and version.valid_until is None:
            continue
        date, wrong = pl.col("assessment_date"), pl.lit(False)
        if version.valid_from is not None:
            wrong = wrong | (date < dt.date.fromisoformat(version.valid_from))
        if version.valid_until is not None:
            wrong = wrong | (date >= dt.date.fromisoformat(version.valid_until))
        rows = table.filter((pl.col("version") == version.key) & wrong.fill_null(False))
        yield found(_about_assessments(rows), VERSION_DATE, item="assessment_date", instrument=instrument.key)


def _dates_order(tables: Mapping[str, pl.DataFrame]) -> Iterator[pl.DataFrame]:
    episodes = tables["episode"].join(
        tables["patient"].select("patient_id", "birth_year").unique("patient_id"), on="patient_id", how="left"
    )
    start = pl.coalesce("treatment_start_date", "admission_date")
    tests = (
        ("treatment_start_date", pl.col("treatment_start_date") < pl.col("admission_date"), "before admission"),
        ("discharge_date", pl.col("discharge_date") < start, "before admission or the start of treatment"),
        ("birth_year", pl.col("birth_year") > pl.col("admission_date").dt.year(), "after admission"),
    )
    for column, wrong, order in tests:
        rows = episodes.filter(wrong.fill_null(False)).with_columns(pl.col("episode_id").alias("entity"))
        yield found(rows, DATES_ORDER, item=column, field=column, order=order)


def _latest_dates(episodes: pl.DataFrame, schedules: Sequence[Schedule], limits: Plausible) -> pl.DataFrame:
    """`latest` per discharged course: the last day on which something of it can still be expected.

    That is the schedule's last window, whether it counts from discharge or from the beginning, or as many days after
    discharge as the network declares; without either a course has no such day. What counts from a session or from what
    such an occasion brought has no day that a delivery tells: in such a schedule no date is late.
    """
    days = limits.max_days_after_discharge
    ends = [] if days is None else [pl.col("discharge_date") + dt.timedelta(days=days)]
    if days is None and schedules and not any(_outlives_unseen(schedule) for schedule in schedules):
        for occasion, due, follows in placed(schedules):
            ends.append(pl.when(follows).then(due + dt.timedelta(days=occasion.window[1])))
        ends.append(pl.col("discharge_date"))
    if not ends:
        return episodes.select("episode_id").clear().with_columns(pl.lit(None, dtype=pl.Date).alias("latest"))
    return episodes.filter(pl.col("discharge_date").is_not_null()).select(
        "episode_id", pl.max_horizontal(ends).alias("latest")
    )


def _outlives_unseen(schedule: Schedule) -> bool:
    """Whether something can be due after discharge on a day that the course's own dates do not tell."""
    return any(
        schedule.root_anchor(occasion) == "session_number" and "discharge" not in schedule.ends_of(occasion)
        for occasion in schedule.occasions
    )


def _after_discharge(table: pl.DataFrame, latest: pl.DataFrame, instrument: str) -> pl.DataFrame:
    dated = table.select("episode_id", "assessment_date").join(
        latest, on="episode_id", how="left", maintain_order="left"
    )
    late = dated.select((pl.col("assessment_date") > pl.col("latest")).fill_null(False).alias("late"))["late"]
    rows = table.filter(late)
    return found(_about_assessments(rows), AFTER_DISCHARGE, item="assessment_date", instrument=instrument)


def _straight_lining(table: pl.DataFrame, instrument: Instrument) -> Iterator[pl.DataFrame]:
    """The same answer throughout. Where no item is turned round, nothing but the lowest answer says 'no complaint'
    twenty times over and is left alone."""
    for version in instrument.versions:
        items = version_items(instrument, version)
        is_mixed = bool(set(instrument.reversed_items) - set(version.reversed_in_export) & set(items))
        if len(items) < (SHORTEST_MIXED_RUN if is_mixed else SHORTEST_RUN):
            continue
        columns = [pl.col(item_column(item)) for item in items]
        lowest, highest = pl.min_horizontal(columns), pl.max_horizontal(columns)
        same = (lowest == highest) & pl.all_horizontal([column.is_not_null() for column in columns])
        if not is_mixed:
            same = same & (lowest > version.minimum)
        alike = [column == columns[0] for column in columns[1:PROBED]]  # leaves few rows for the dear comparison
        rows = table.filter((pl.col("version") == version.key) & pl.all_horizontal(alike)).filter(same)
        yield found(_about_assessments(rows), STRAIGHT_LINING, instrument=instrument.key, n=len(items))


def version_items(instrument: Instrument, version: Version) -> tuple[int, ...]:
    """Numbers of a version's items."""
    return tuple(version.items or range(1, instrument.n_items + 1))
