"""When an occasion was due in a course, as far as one delivery tells: for judging dates before anything is built.

What belongs here: due dates as polars expressions over a course's own dates. What does not: due points and what became
of them (SQL, `quality.expected_assessment`), which also know sessions and earlier assessments.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import polars as pl

from codebook.schedule import Occasion, Schedule

BEGIN = pl.coalesce("admission_date", "treatment_start_date")
"""The day that decides which schedule a course follows."""
_ANCHORS = {
    "admission": pl.col("admission_date"),
    "treatment_start": pl.coalesce("treatment_start_date", "admission_date"),
    "discharge": pl.col("discharge_date"),
}


def due_date(schedule: Schedule, occasion: Occasion) -> pl.Expr | None:
    """Day on which an occasion is due, from admission_date, treatment_start_date, discharge_date.

    What counts from the previous assessment counts from the day on which that was due. None for what counts from a
    session, and for what is never due.
    """
    previous = schedule.previous(occasion)
    anchor = due_date(schedule, previous) if previous is not None else _ANCHORS.get(occasion.anchor or "")
    return None if anchor is None else anchor + dt.timedelta(days=occasion.lag_days)


def placed(schedules: Sequence[Schedule]) -> Iterator[tuple[Occasion, pl.Expr, pl.Expr]]:
    """Occasions with their due date, and whether a row's course follows their schedule (by `BEGIN`).

    `schedules`: what a unit's courses follow, the oldest first.
    """
    for number, schedule in enumerate(schedules):
        follows = pl.lit(True)
        if number:
            follows = (pl.lit(schedule.valid_from) <= BEGIN).fill_null(False)
        if number + 1 < len(schedules):
            follows = follows & (pl.lit(schedules[number + 1].valid_from) > BEGIN).fill_null(number == 0)
        for occasion in schedule.occasions:
            date = due_date(schedule, occasion)
            if date is not None:
                yield occasion, date, follows
