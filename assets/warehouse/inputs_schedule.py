"""Schedules as tables for SQL: what is due when, what an assessment can belong to, what ends expectation.

What belongs here: laying declarations out so that SQL has nothing left to decide but dates. What does not: writing
files (`assets.warehouse.inputs`), due dates and matching (SQL, `staging.stg_due_point`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from codebook.instrument import Instrument
from codebook.library import Library
from codebook.schedule import Due, Occasion, Schedule, days_of_months, succession

SCHEDULE_INPUTS: dict[str, dict[str, pl.DataType]] = {
    "schedule": {
        "schedule": pl.String(),
        "first_schedule": pl.String(),
        "valid_from": pl.Date(),
        "valid_until": pl.Date(),
        "months_anchor": pl.String(),
    },
    "schedule_end": {
        "schedule": pl.String(),
        "termination_reason": pl.String(),
        "end_kind": pl.String(),
    },
    "occasion": {
        "schedule": pl.String(),
        "occasion": pl.String(),
        "label": pl.String(),
        "occasion_order": pl.Int32(),
        "occasion_no": pl.Int32(),
        "kind": pl.String(),
        "anchor": pl.String(),
        "nominal_months": pl.Float64(),
        "lag_days": pl.Int32(),
        "lag_months": pl.Float64(),
        "before_days": pl.Int32(),
        "after_days": pl.Int32(),
        "reach_before_days": pl.Int32(),
        "reach_after_days": pl.Int32(),
        "session_number": pl.Int32(),
        "previous_occasion_no": pl.Int32(),
        "level": pl.Int32(),
        "ends_at_discharge": pl.Boolean(),
        "ends_at_transfer": pl.Boolean(),
        "ends_at_death": pl.Boolean(),
        "ends_at_withdrawal": pl.Boolean(),
    },
    "due": {
        "schedule": pl.String(),
        "occasion": pl.String(),
        "occasion_no": pl.Int32(),
        "due_no": pl.Int32(),
        "slot_no": pl.Int32(),
        "instrument": pl.String(),
        "family": pl.String(),
        "rater": pl.String(),
        "arm": pl.String(),
        "from_date": pl.Date(),
        "until_date": pl.Date(),
        "from_days": pl.Int32(),
        "is_due_undated": pl.Boolean(),
    },
    "slot": {
        "schedule": pl.String(),
        "occasion": pl.String(),
        "instrument": pl.String(),
        "rater": pl.String(),
        "slot_no": pl.Int32(),
        "series_no": pl.Int32(),
    },
}
"""Every table of the schedules and the type of its columns. Numbers (`_no`) hold for one build and are for joins."""

REACH = 2
"""How many times its window a flexible occasion reaches."""


def schedule_rows(library: Library) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table in `SCHEDULE_INPUTS`, in the order of the schedules' names and of their occasions."""
    plans = [library.schedules[name] for name in sorted(library.schedules)]
    numbers = {
        (plan.name, occasion.key): number
        for number, (plan, occasion) in enumerate(((p, o) for p in plans for o in p.occasions), start=1)
    }
    due, slots = _due_and_slots(plans, numbers, library.instruments)
    return {
        "schedule": [_schedule_row(plan, library) for plan in plans],
        "schedule_end": [row for plan in plans for row in _end_rows(plan)],
        "occasion": [row for plan in plans for row in _occasion_rows(plan, numbers)],
        "due": due,
        "slot": slots,
    }


def _schedule_row(schedule: Schedule, library: Library) -> dict[str, Any]:
    line = succession(library.schedules.values(), schedule.name)
    later = line[line.index(schedule) + 1 :]
    return {
        "schedule": schedule.name,
        "first_schedule": line[0].name,
        "valid_from": schedule.valid_from,
        "valid_until": later[0].valid_from if later else None,
        "months_anchor": schedule.months_anchor,
    }


def _end_rows(schedule: Schedule) -> Iterator[dict[str, Any]]:
    for kind, reasons in (("death", schedule.ends.death), ("transfer", schedule.ends.transfer)):
        for reason in reasons:
            yield {"schedule": schedule.name, "termination_reason": reason, "end_kind": kind}


def _occasion_rows(schedule: Schedule, numbers: Mapping[tuple[str, str], int]) -> Iterator[dict[str, Any]]:
    for order, occasion in enumerate(schedule.occasions, start=1):
        before, after = occasion.window
        reach = REACH if occasion.kind == "flexible" else 1
        previous = schedule.previous(occasion)
        ends = schedule.ends_of(occasion)
        yield {
            "schedule": schedule.name,
            "occasion": occasion.key,
            "label": occasion.label,
            "occasion_order": order,
            "occasion_no": numbers[schedule.name, occasion.key],
            "kind": occasion.kind,
            "anchor": occasion.anchor,
            "nominal_months": schedule.nominal_months(occasion),
            "lag_days": occasion.lag_days,
            "lag_months": occasion.lag_months,
            "before_days": before,
            "after_days": after,
            "reach_before_days": reach * before,
            "reach_after_days": reach * after,
            "session_number": occasion.session,
            "previous_occasion_no": numbers[schedule.name, previous.key] if previous else None,
            "level": schedule.level(occasion),
            **{f"ends_at_{end}": end in ends for end in ("discharge", "transfer", "death", "withdrawal")},
        }


@dataclass(frozen=True)
class _Wanted:
    """An instrument due at an occasion, in one arm (None: in any)."""

    schedule: Schedule
    occasion: Occasion
    due: Due
    family: str
    arm: str | None


def _due_and_slots(
    plans: Iterable[Schedule], numbers: Mapping[tuple[str, str], int], instruments: Mapping[str, Instrument]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is due, and the slots that it fills: of one course at most one due point has a slot.

    A slot takes every instrument of the family, so that a form in the old edition is not lost; only where two of a
    family are due at once does it take its own instrument alone. Slots of one series compete for the same assessments.
    """
    due_rows: list[dict[str, Any]] = []
    slot_rows: list[dict[str, Any]] = []
    series: dict[tuple[str, str, str], int] = {}
    for plan in plans:
        for occasion in plan.occasions:
            wanted = sorted(_wanted(plan, occasion, instruments), key=lambda w: (w.family, w.due.rater))
            for (family, rater), group in groupby(wanted, key=lambda w: (w.family, w.due.rater)):
                members = list(group)
                series_no = series.setdefault((plan.name, family, rater), len(series) + 1)
                own_slots: list[str | None] = [*sorted({m.due.instrument for m in members})]
                for key in own_slots if _is_double(members) else [None]:
                    slot_no = 1 + (slot_rows[-1]["slot_no"] if slot_rows else 0)
                    fitting = [key] if key else sorted(i.key for i in instruments.values() if i.family == family)
                    slot_rows += [
                        {
                            "schedule": plan.name,
                            "occasion": occasion.key,
                            "instrument": instrument,
                            "rater": rater,
                            "slot_no": slot_no,
                            "series_no": series_no,
                        }
                        for instrument in fitting
                    ]
                    own = [m for m in members if key is None or m.due.instrument == key]
                    undated = _due_undated(own)
                    for member in own:
                        due_rows.append(
                            _due_row(member, numbers, len(due_rows) + 1, slot_no, is_due_undated=member in undated)
                        )
    return due_rows, slot_rows


def _wanted(plan: Schedule, occasion: Occasion, instruments: Mapping[str, Instrument]) -> Iterator[_Wanted]:
    for due in occasion.due:
        arms = set(occasion.arms or due.arms) & set(due.arms or occasion.arms)
        for arm in sorted(arms) if occasion.arms or due.arms else (None,):
            yield _Wanted(plan, occasion, due, instruments[due.instrument].family, arm)


def _is_double(members: list[_Wanted]) -> bool:
    """Whether a course can have two of these due on one day."""
    return any(
        one.due.overlaps(other.due) and (one.arm is None or other.arm is None or one.arm == other.arm)
        for number, one in enumerate(members)
        for other in members[:number]
    )


def _due_undated(members: list[_Wanted]) -> list[_Wanted]:
    """What is due where no date decides: per arm the one without an end, of these the latest."""
    chosen = {}
    for member in sorted(members, key=lambda m: (m.due.until_date or dt.date.max, m.due.from_date or dt.date.min)):
        chosen[member.arm] = member
    return list(chosen.values())


def _due_row(
    wanted: _Wanted, numbers: Mapping[tuple[str, str], int], due_no: int, slot_no: int, *, is_due_undated: bool
) -> dict[str, Any]:
    from_month = wanted.due.from_month
    return {
        "schedule": wanted.schedule.name,
        "occasion": wanted.occasion.key,
        "occasion_no": numbers[wanted.schedule.name, wanted.occasion.key],
        "due_no": due_no,
        "slot_no": slot_no,
        "instrument": wanted.due.instrument,
        "family": wanted.family,
        "rater": wanted.due.rater,
        "arm": wanted.arm,
        "from_date": wanted.due.from_date,
        "until_date": wanted.due.until_date,
        "from_days": None if from_month is None else days_of_months(from_month),
        "is_due_undated": is_due_undated,
    }
