"""Reading the sealed warehouse: one read-only connection, frames out.

What belongs here: opening the file and fetching. What does not: the questions asked (`public`, `network`) or answers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import polars as pl


@dataclass(frozen=True)
class RunSummary:
    """What one run was and did.

    Pages print the dates and the code version only: what a run skipped or how long it took says nothing about the
    data, and the same warehouse has to give the same bytes. The rest is for the command line and the run's record.
    `as_of` None: every delivery that has arrived; `seconds`: duration by step.
    """

    as_of: dt.date | None
    today: dt.date
    code_version: str
    n_sites: int = 0
    n_ingested: int = 0
    n_skipped: int = 0
    n_held: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


class Warehouse:
    """The sealed DuckDB file, read only, one thread (so that sums of floats come out the same each time)."""

    def __init__(self, path: Path) -> None:
        self._connection = duckdb.connect(str(path), read_only=True, config={"threads": 1})
        rows = self._connection.execute("select table_schema, table_name from information_schema.tables").fetchall()
        self._tables = {(schema, name) for schema, name in rows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def has(self, table: str) -> bool:
        """Whether `schema.name` was built (a network without analyses has no results)."""
        schema, name = table.split(".")
        return (schema, name) in self._tables

    def names(self, schema: str) -> list[str]:
        """Every table of a schema as `schema.name`, sorted."""
        return sorted(f"{own}.{name}" for own, name in self._tables if own == schema)

    def frame(self, sql: str) -> pl.DataFrame:
        """The whole answer of a query, in the order the query asks for."""
        return self._connection.execute(sql).pl()

    def table(self, table: str, order: str) -> pl.DataFrame:
        """A whole table in a fixed order; without rows and columns where it was not built."""
        return self.frame(f"select * from {table} order by {order}") if self.has(table) else pl.DataFrame()

    def value(self, sql: str) -> int:
        """One count."""
        row = self._connection.execute(sql).fetchone()
        return int(row[0]) if row and row[0] is not None else 0
