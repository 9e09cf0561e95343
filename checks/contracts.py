"""pandera contracts: what every accepted table must be, generated from the codebook and the lake's schema.

What belongs here: the last line of defence behind the rule table; a breach is a fault of ours, not of the unit.
What does not: splitting rows (pandera would return bad rows among good ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from checks.lake_schema import Columns, lake_schema
from codebook.instrument import Instrument, item_column

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema

REQUIRED: dict[str, tuple[str, ...]] = {
    "patient": ("patient_id",),
    "episode": ("episode_id", "patient_id"),
    "attribute": ("episode_id", "patient_id", "attribute", "value"),
    "session": ("episode_id", "patient_id", "session_number"),
    "consent": ("patient_id", "purpose", "status"),
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
        try:
            contract(name, columns, instruments.get(name)).validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases = error.failure_cases
            first = cases.row(0, named=True)
            broken.append(f"{name}.{first.get('column')}: {first.get('check')} fails in {cases.height} places")
    if broken:
        raise ContractError("; ".join(broken))
    return n_checked


def contract(name: str, columns: Columns, instrument: Instrument | None) -> DataFrameSchema:
    """The pandera schema of one table of the lake."""
    import pandera.polars as pa

    required = ASSESSMENT_REQUIRED if instrument else REQUIRED[name]
    unique = "assessment_id" if instrument else UNIQUE.get(name)
    ranges = _item_ranges(instrument) if instrument else {}
    checks = {column: [pa.Check.in_range(*ranges[column])] if column in ranges else [] for column in columns}
    if instrument:
        checks["version"].append(pa.Check.isin([version.key for version in instrument.versions]))
        checks["rater"].append(pa.Check.isin(list(instrument.raters)))
    return pa.DataFrameSchema(
        {
            column: pa.Column(dtype, nullable=column not in required, unique=column == unique, checks=checks[column])
            for column, dtype in columns.items()
        },
        strict=True,
        ordered=True,
        name=name,
    )


def _item_ranges(instrument: Instrument) -> dict[str, tuple[int, int]]:
    """Widest range of each item over the versions (the rule table has checked the row's own version)."""
    ranges = {}
    for item in range(1, instrument.n_items + 1):
        bounds = [v.item_range(item) for v in instrument.versions if not v.items or item in v.items]
        ranges[item_column(item)] = (min(low for low, _ in bounds), max(high for _, high in bounds))
    return ranges
