"""How every measure is counted: one SQL query each, a row for each site and instrument (and scale).

What belongs here: the queries and the frame of counts. What does not: judging, thresholds, words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from checks.expectations.limits import limit_for
from checks.expectations.measures import BY_NAME, Measure
from codebook.library import Library
from codebook.schedule import Schedule

if TYPE_CHECKING:
    import duckdb

PLACE = ("site_id", "instrument", "scale")
_COUNTED: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "instrument": pl.String(),
    "scale": pl.String(),
    "n_checked": pl.Int64(),
    "n_failed": pl.Int64(),
    "n_told": pl.Int64(),
    "n_beside": pl.Int64(),
    "n_basis": pl.Int64(),
    "difference": pl.Float64(),
}
MEASURED: dict[str, pl.DataType] = {
    "suite": pl.String(),
    "measure": pl.String(),
    "direction": pl.String(),
    "label": pl.String(),
    **_COUNTED,
    "minimum": pl.Int64(),
    "threshold": pl.Float64(),
    "network_threshold": pl.Float64(),
    "waiver": pl.String(),
    "waived_until": pl.Date(),
    "waiver_ended": pl.Date(),
    "error": pl.String(),
}
"""Columns of `measures`. Of a drop, `n_checked` is what was expected and `n_told` what came, `n_beside` the number of
earlier deliveries; of a shift, `n_told` is the number of new scores, `n_checked` those compared, `n_beside` the earlier
ones, `difference` the standardised difference. `n_basis` is what has to reach `minimum`."""


def measure_sql(library: Library) -> dict[str, str]:
    """SQL of every measure: site_id, instrument, n_checked, n_failed; drops and shifts have the columns of `MEASURED`.

    An answer that was voided counts among those checked. Where an assessment has no occasion, its date (or months)
    tells it from the others of the same rater. A version's `valid_until` is the first day on which it is outside.
    """
    return {
        "out_of_range_rate": """
            select site_id, instrument, sum(n_answered) + sum(n_voided) as n_checked, sum(n_voided) as n_failed
            from (
                select site_id, instrument, n_answered, 0 as n_voided from harmonised.assessment
                union all
                select site_id, instrument, 0 as n_answered, 1 as n_voided from quality.finding
                where rule like '%-range-%' and status not in ('resolved', 'accepted')
            ) as answer
            group by site_id, instrument""",
        "outside_version_period_rate": f"""
            select
                assessment.site_id,
                assessment.instrument,
                count(*) as n_checked,
                sum(case
                    when assessment.assessment_date < version.valid_from then 1
                    when assessment.assessment_date >= version.valid_until then 1
                    else 0
                end) as n_failed
            from harmonised.assessment as assessment
            inner join ({_version_periods(library)}) as version
                on assessment.instrument = version.instrument and assessment.version = version.version
            where assessment.assessment_date is not null
            group by assessment.site_id, assessment.instrument""",
        "outside_schedule_period_rate": f"""
            select
                assessment.site_id,
                assessment.instrument,
                count(*) as n_checked,
                sum(case
                    when expected.instrument = assessment.instrument then 0
                    when assessment.assessment_date < due.valid_from then 1
                    when assessment.assessment_date >= due.valid_until then 1
                    else 0
                end) as n_failed
            from harmonised.assessment as assessment
            inner join harmonised.episode as episode on assessment.episode_id = episode.episode_id
            inner join ({_schedule_periods(library.schedules.values())}) as due
                on episode.schedule = due.schedule and assessment.instrument = due.instrument
            left join quality.expected_assessment as expected on assessment.assessment_id = expected.assessment_id
            where assessment.assessment_date is not null
            group by assessment.site_id, assessment.instrument""",
        "repeated_assessment_id_rate": """
            select
                site_id, instrument,
                count(*) as n_checked, sum(case when copy_number > 1 then 1 else 0 end) as n_failed
            from (
                select
                    site_id, instrument,
                    row_number() over (partition by assessment_id order by site_id) as copy_number
                from harmonised.assessment
            ) as numbered
            group by site_id, instrument""",
        "repeated_occasion_rate": """
            select site_id, instrument, sum(n_rows) as n_checked, sum(n_rows - 1) as n_failed
            from (
                select site_id, instrument, count(*) as n_rows
                from harmonised.assessment
                group by
                    site_id, instrument, episode_id, rater, sequence,
                    coalesce(occasion, cast(assessment_date as varchar), cast(months as varchar))
            ) as taken
            group by site_id, instrument""",
        "on_time_rate": """
            select
                site_id, instrument,
                count(*) as n_checked,
                sum(case when status = 'received_on_time' then 0 else 1 end) as n_failed
            from quality.expected_assessment
            where assessment_date is not null and due_date is not null
                and status in ('received_on_time', 'received_early', 'received_late')
            group by site_id, instrument""",
        "received_rate": """
            select site_id, instrument, sum(n_expected) as n_checked, sum(n_expected - n_received) as n_failed
            from quality.completeness
            group by site_id, instrument""",
        "scorable_rate": """
            select site_id, instrument, sum(n_received) as n_checked, sum(n_received - n_scorable) as n_failed
            from quality.completeness
            group by site_id, instrument""",
        "answered_rate": """
            select
                site_id, instrument,
                sum(n_items_expected) as n_checked, sum(n_items_expected - n_items_answered) as n_failed
            from quality.completeness
            group by site_id, instrument""",
        "volume_drop_rate": _volume_sql(library.network.quality.volume_deliveries),
        "scale_drift": """
            select
                site_id, instrument, scale,
                n_new_compared as n_checked,
                cast(null as bigint) as n_failed,
                n_new as n_told,
                n_earlier_compared as n_beside,
                least(n_new_compared, n_earlier_compared) as n_basis,
                standardised_difference as difference
            from quality.scale_drift""",
    }


def _volume_sql(n_deliveries: int) -> str:
    """The newest delivery beside the median of those before it, by instrument and over all.

    A unit that sends everything is compared by what its deliveries hold. One that sends what is new is compared by what
    came per day since the delivery before, and its first delivery, which brings everything, is left out.
    """
    return f"""
        with delivery as (
            select
                site_id, delivery, mode,
                row_number() over (partition by site_id order by delivery) as nth,
                row_number() over (partition by site_id order by delivery desc) as recency,
                greatest(1, date_diff(
                    'day', lag(delivery_date) over (partition by site_id order by delivery), delivery_date
                )) as n_days
            from quality.delivery
            where gate = 'accepted'
        ),
        volume as (
            select site_id, delivery, instrument, n_assessments from quality.delivery_volume
            union all
            select site_id, delivery, '' as instrument, sum(n_assessments) as n_assessments
            from quality.delivery_volume
            group by site_id, delivery
        ),
        filled as (
            select
                delivery.*,
                known.instrument,
                coalesce(volume.n_assessments, 0) as n_assessments,
                coalesce(volume.n_assessments, 0)
                    / case when delivery.mode = 'increment' then delivery.n_days else 1 end as pace
            from delivery
            inner join (select site_id, instrument from volume group by site_id, instrument) as known
                on delivery.site_id = known.site_id
            left join volume
                on delivery.site_id = volume.site_id
                and delivery.delivery = volume.delivery
                and known.instrument = volume.instrument
        ),
        earlier as (
            select
                site_id, instrument,
                count(*) as n_deliveries,
                percentile_cont(0.5) within group (order by pace) as pace
            from filled
            where recency between 2 and {n_deliveries + 1} and (mode <> 'increment' or nth > 1)
            group by site_id, instrument
        ),
        newest as (
            select
                filled.site_id,
                nullif(filled.instrument, '') as instrument,
                filled.n_assessments,
                earlier.n_deliveries,
                cast(round(
                    earlier.pace * case when filled.mode = 'increment' then filled.n_days else 1 end
                ) as bigint) as n_expected
            from filled
            inner join earlier on filled.site_id = earlier.site_id and filled.instrument = earlier.instrument
            where filled.recency = 1
        )
        select
            site_id, instrument, cast(null as varchar) as scale,
            n_expected as n_checked,
            greatest(0, n_expected - n_assessments) as n_failed,
            n_assessments as n_told,
            n_deliveries as n_beside,
            n_expected as n_basis,
            cast(null as double) as difference
        from newest"""


def _version_periods(library: Library) -> str:
    """SELECT of instrument, version, valid_from, valid_until for the versions that have a limit."""
    return _periods(
        "version",
        (
            (instrument.key, version.key, _date(version.valid_from), _date(version.valid_until))
            for instrument in library.instruments.values()
            for version in instrument.versions
            if version.valid_from or version.valid_until
        ),
    )


def _schedule_periods(schedules: Iterable[Schedule]) -> str:
    """SELECT of instrument, schedule, valid_from, valid_until for what a schedule asks for during a time only."""
    limited = []
    for schedule in schedules:
        dues = [due for occasion in schedule.occasions for due in occasion.due]
        for instrument in sorted({due.instrument for due in dues}):
            asked = [due for due in dues if due.instrument == instrument]
            starts, ends = [due.from_date for due in asked], [due.until_date for due in asked]
            first = None if None in starts else min(day for day in starts if day)
            last = None if None in ends else max(day for day in ends if day)
            if first or last:
                limited.append((instrument, schedule.name, _date(first), _date(last)))
    return _periods("schedule", limited)


def _periods(name: str, limited: Iterable[tuple[str, str, str, str]]) -> str:
    typed = (
        f"select cast(null as varchar) as instrument, cast(null as varchar) as {name}, "
        "cast(null as date) as valid_from, cast(null as date) as valid_until where 1 = 0"
    )
    rows = [f"select {_text(one)}, {_text(other)}, {start}, {end}" for one, other, start, end in limited]
    return " union all ".join([typed, *rows])


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _date(day: dt.date | str | None) -> str:
    return f"cast('{day}' as date)" if day else "cast(null as date)"


def measures(connection: duckdb.DuckDBPyConnection, library: Library, today: dt.date) -> pl.DataFrame:
    """Counts of every measure, for each site with each instrument that it delivers or should deliver.

    Args:
        connection: to the build's warehouse (read-only is enough).
        library: the network's declarations, for sites, periods and thresholds.
        today: the day that decides which waivers hold.

    Returns:
        The columns of `MEASURED`: a measure that cannot be computed has rows with its reason in `error`.
    """
    import duckdb

    frames = [pl.DataFrame(schema=MEASURED)]
    for name, sql in measure_sql(library).items():
        error = None
        counted = pl.DataFrame(schema=_COUNTED)
        try:
            counted = _typed(connection.execute(sql).pl())
        except duckdb.Error as problem:
            error = f"could not be counted ({type(problem).__name__})"
        frames.append(_measured(BY_NAME[name], counted, error, library, today))
    return pl.concat(frames)


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a count; a plain share rests on all that it checks."""
    if "n_basis" not in frame.columns:
        frame = frame.with_columns(n_basis=pl.col("n_checked"))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in _COUNTED.items()
    )


def _measured(
    measure: Measure, counted: pl.DataFrame, error: str | None, library: Library, today: dt.date
) -> pl.DataFrame:
    grid = pl.DataFrame(_grid(measure, library), schema={name: _COUNTED[name] for name in PLACE}, orient="row")
    rows = (
        pl.concat([grid, counted.select(PLACE)])
        .unique()
        .sort(PLACE)
        .join(counted, on=PLACE, how="left", nulls_equal=True)
        .with_columns(pl.col("n_checked", "n_basis").fill_null(0))
    )
    if measure.form != "shift":
        rows = rows.with_columns(pl.col("n_failed").fill_null(0))
    limits = [
        limit_for(library.network.quality, measure.name, site, instrument, today)
        for site, instrument in rows.select("site_id", "instrument").iter_rows()
    ]
    told: dict[str, list[Any]] = {
        "threshold": [limit.threshold for limit in limits],
        "network_threshold": [limit.network for limit in limits],
        "waiver": [limit.waiver_words for limit in limits],
        "waived_until": [limit.waiver.until if limit.waiver else None for limit in limits],
        "waiver_ended": [limit.ended for limit in limits],
        "label": [_label(library, instrument, scale) for instrument, scale in rows.select(PLACE[1:]).iter_rows()],
    }
    return rows.with_columns(
        *(pl.Series(name, values, dtype=MEASURED[name]) for name, values in told.items()),
        suite=pl.lit(measure.suite),
        measure=pl.lit(measure.name),
        direction=pl.lit(measure.direction, dtype=pl.String),
        minimum=pl.lit(measure.minimum(library.network.quality), dtype=pl.Int64),
        error=pl.lit(error, dtype=pl.String),
    ).select(list(MEASURED))


def _grid(measure: Measure, library: Library) -> list[tuple[str, str | None, str | None]]:
    """What has a row even where nothing was counted."""
    used = sorted({(site.site, key) for site in library.sites.values() for key in site.instruments_used()})
    if measure.form == "shift":
        scales = {key: sorted({scale.key for scale in item.scales}) for key, item in library.instruments.items()}
        return [(site, key, scale) for site, key in used for scale in scales.get(key, [])]
    whole: list[tuple[str, str | None, str | None]] = [(site, key, None) for site, key in used]
    return whole + [(site, None, None) for site in sorted(library.sites) if measure.form == "drop"]


def _label(library: Library, instrument: str | None, scale: str | None) -> str:
    """How a sentence calls it: the instrument's name, with the scale's, or all instruments."""
    if instrument is None:
        return "All instruments"
    known = library.instruments.get(instrument)
    if known is None:
        return instrument
    named = next((item.label for item in known.scales if item.key == scale), None) if scale else None
    return f"{known.name}, {named or scale}" if scale else known.name
