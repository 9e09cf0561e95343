"""Two worlds of column names in one frame: what the unit calls its columns, and what Concord calls them.

What belongs here: telling them apart. What does not: which column means what.
A unit may well have a column called `admission_date` or `sequence`; inside a frame it is `export.admission_date`.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

ROW_COLUMNS = ("source_file", "source_row")
"""Where a row stands: the file (and sheet), and the line in it."""
PREFIX = "export."


def exported(column: str) -> str:
    """Name in a frame of a column of the export."""
    return PREFIX + column


def export(column: str) -> pl.Expr:
    """The text of a column of the export."""
    return pl.col(exported(column))


def exports(columns: Iterable[str]) -> list[pl.Expr]:
    """Several columns of the export."""
    return [export(column) for column in columns]


def is_exported(name: str) -> bool:
    """True for a frame's column that came from the unit."""
    return name.startswith(PREFIX)


def plain(name: str) -> str:
    """What the unit calls it."""
    return name.removeprefix(PREFIX)
