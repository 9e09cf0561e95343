"""What was planted, as a table.

What belongs here: writing the lines down. What does not: what they say (`simulation.defects`, `simulation.declines`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def truth_frame(kind: type[DataclassInstance], lines: Iterable[DataclassInstance]) -> pl.DataFrame:
    """A row for each line and a column for each field of `kind`; text that says nothing is null."""
    types = {field.name: pl.Int64 if field.type in {int, "int"} else pl.String for field in fields(kind)}
    rows = [list(asdict(line).values()) for line in lines]
    return pl.DataFrame(rows, schema=types, orient="row").with_columns(pl.col(pl.String).replace("", None))
