"""Samples with one answer per row: which column names the answers, which holds them, and what makes a form.

What belongs here: recognising such a file, and the sample as one row per form. What does not: what the answers are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from assets.ingestion.draft.people import OCCASION, PATIENT
from assets.ingestion.draft.profile import profile
from assets.ingestion.readers.protocol import SOURCE_ROW, SourceFrame
from codebook.site import Pivot

_RUNNING = re.compile(r"^(?P<stem>.*[A-Za-z].*?)(?P<number>\d+)$")
_VALUE_COLUMN = re.compile(r"stresn|result|value|answer|score|orres|aval", re.I)


def pivoted(source: SourceFrame, decimal: str) -> tuple[Pivot | None, pl.DataFrame]:
    """The sample with a column per test where it holds one answer per row, and how that is declared."""
    frame = source.frame
    for name in frame.columns:
        if name == SOURCE_ROW:
            continue
        values = frame[name].drop_nulls().unique()
        numbered = [match for value in values if (match := _RUNNING.match(str(value)))]
        if not 4 <= len(values) <= 120 or len(numbered) < 0.8 * len(values):
            continue
        if len({match["stem"] for match in numbered}) > len(numbered) / 3 or frame[name].null_count():
            continue
        others = [c for c in frame.columns if c not in {name, SOURCE_ROW}]
        numeric = [
            c for c in others
            if _VALUE_COLUMN.search(c)
            and frame[c].cast(pl.Float64, strict=False).drop_nulls().len() > 0.5 * frame.height
        ]  # fmt: skip
        keys = _row_key(frame, name, others)
        if numeric and keys:
            keys = (*keys, *_dates_of(source, decimal, keys))
            wide = frame.pivot(on=name, index=list(keys), values=numeric[-1], aggregate_function="first")
            wide = wide.with_row_index(SOURCE_ROW, offset=1).with_columns(pl.col(SOURCE_ROW).cast(pl.Int64))
            return Pivot(rows=keys, names=name, values=numeric[-1]), wide
    return None, frame


def _dates_of(source: SourceFrame, decimal: str, keys: Sequence[str]) -> list[str]:
    """Columns of dates that the rows of one form agree in."""
    dates = [
        c.name for c in profile(source, decimal) if c.date_format and c.n_filled == c.n_rows and c.name not in keys
    ]
    same = source.frame.group_by(keys).agg(pl.col(dates).n_unique()).select((pl.col(dates) == 1).all())
    return [name for name in dates if same[name].item()]


def _row_key(frame: pl.DataFrame, name: str, others: Sequence[str]) -> tuple[str, ...]:
    """The fewest columns that, with the test's name, tell every row apart: a patient and a visit."""
    patients = [c for c in others if PATIENT.search(c) and frame[c].null_count() == 0]
    visits = [c for c in others if OCCASION.search(c) and frame[c].null_count() == 0]
    visits.sort(key=lambda c: frame[c].cast(pl.Float64, strict=False).null_count() == 0)
    for patient in patients:
        if frame.select(patient, name).is_unique().all():
            return (patient,)
        for visit in visits:
            if frame.select(patient, visit, name).is_unique().all():
                return (patient, visit)
    return ()
