"""pandera contracts: what every accepted table must be, generated from the codebook and the lake's schema.

What belongs here: the last line of defence behind the rule table; a breach is a fault of ours, not of the unit.
What does not: splitting rows (pandera would return bad rows among good ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from checks.lake_schema import Columns, lake_schema
from codebook.instrument import Instrument, item_column

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema, PolarsData

REQUIRED: dict[str, tuple[str, ...]] = {
    "patient": ("patient_id",),
    "episode": ("episode_id", "patient_id"),
    "attribute": ("episode_id", "patient_id", "attribute", "value"),
    "session": ("episode_id", "patient_id", "session_number"),
    "consent": ("patient_id", "purpose", "status"),
    "audit": ("patient_id", "column"),
    "missing_answer": ("assessment_id", "instrument", "item", "missing_code"),
    "finding": ("finding_id", "rule", "class", "severity", "message"),
    "quarantine": ("rule",),
}
ASSESSMENT_REQUIRED = ("assessment_id", "episode_id", "patient_id", "version", "rater", "content_hash")
UNIQUE = {"patient": "patient_id", "episode": "episode_id", "finding": "finding_id"}


class ContractError(Exception):
    """A table breaks its contract; the message names table, column and check, never a value."""


def enforce(tables: Mapping[str, pl.DataFrame], instruments: Mapping[str, Instrument]) -> int:
    """Check every table that has rows; returns how many tables were checked.

    Raises:
        ContractError: with the first breach of each table.
    """
    import pandera.errors

    broken, n_checked = [], 0
    for name, columns in lake_schema(instruments).items():
        frame = tables[name]
        if not frame.height:
            continue
        n_checked += 1
        instrument = instruments.get(name)
        try:
            contract(name, columns, instrument).validate(frame)
        except pandera.errors.SchemaError:
            broken.append(_breach(name, frame, columns, instrument))
    if broken:
        raise ContractError("; ".join(broken))
    return n_checked


def _breach(name: str, frame: pl.DataFrame, columns: Columns, instrument: Instrument | None) -> str:
    """Which column of a table that broke its contract breaks which check, and how often."""
    import pandera.errors

    try:
        contract(name, columns, instrument, is_each_item_told=True).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        first = cases.row(0, named=True)
        return f"{name}.{first.get('column')}: {first.get('check')} fails in {cases.height} places"
    return f"{name}: breaks its contract"


def contract(
    name: str, columns: Columns, instrument: Instrument | None, is_each_item_told: bool = False
) -> DataFrameSchema:
    """The pandera schema of one table of the lake.

    Types and ranges of the items are one check over the whole table, several times as fast as a column's own checks are
    for each; with `is_each_item_told` they are the columns' own, which say where a breach is.
    """
    import pandera.polars as pa

    required = ASSESSMENT_REQUIRED if instrument else REQUIRED[name]
    unique = "assessment_id" if instrument else UNIQUE.get(name)
    ranges = _item_ranges(instrument) if instrument else {}
    checks: dict[str, list[pa.Check]] = {column: [] for column in columns}
    told = dict(columns)
    whole: list[pa.Check] = []
    if instrument:
        checks["version"].append(pa.Check.isin([version.key for version in instrument.versions]))
        checks["rater"].append(pa.Check.isin(list(instrument.raters)))
        if is_each_item_told:
            checks |= {column: [pa.Check.in_range(*bounds)] for column, bounds in ranges.items()}
        else:
            told = {column: dtype for column, dtype in columns.items() if column not in ranges}
            whole.append(pa.Check(partial(_are_answers, columns, ranges), name="in_range"))
    is_whole = told.keys() == columns.keys()
    return pa.DataFrameSchema(
        {
            column: pa.Column(dtype, nullable=column not in required, unique=column == unique, checks=checks[column])
            for column, dtype in told.items()
        },
        checks=whole,
        strict=is_whole,
        ordered=is_whole,
        name=name,
    )


def _are_answers(columns: Columns, ranges: Mapping[str, tuple[int, int]], data: PolarsData) -> pl.LazyFrame:
    """One row: whether the columns are those of the table, and every answer of each item lies in the item's range."""
    there = data.lazyframe.collect_schema()
    if list(there.items()) != list(columns.items()):
        return data.lazyframe.select(pl.lit(False).alias("are_answers"))
    return data.lazyframe.select(
        pl.all_horizontal([pl.col(column).is_between(*bounds).all() for column, bounds in ranges.items()])
    )


def _item_ranges(instrument: Instrument) -> dict[str, tuple[int, int]]:
    """Widest range of each item over the versions (the rule table has checked the row's own version)."""
    ranges = {}
    for item in range(1, instrument.n_items + 1):
        bounds = [v.item_range(item) for v in instrument.versions if not v.items or item in v.items]
        ranges[item_column(item)] = (min(low for low, _ in bounds), max(high for _, high in bounds))
    return ranges
