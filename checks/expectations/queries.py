"""The SQL of every measure: one query each, a row for each site and instrument (and scale).

What belongs here: what is counted, in SQL. What does not: running it and the frame of counts (`counts`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from codebook.library import Library
from codebook.schedule import Schedule


def measure_sql(library: Library) -> dict[str, str]:
    """SQL of every measure: site_id, instrument, n_checked, n_failed; of drops and shifts more (`counts.MEASURED`).

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
