"""Reading the sealed warehouse: read-only, with no access to any other file.

What belongs here: opening, and the outcome of one query in four formats. What does not: any particular question.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OutputFormat = Literal["table", "csv", "json", "parquet"]
SHOWN_ROWS = 100


class NoWarehouseError(Exception):
    """Nothing was sealed yet."""


class QueryError(Exception):
    """The SQL cannot be answered; the message is the database's, in one line."""


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sealed file, locked down: it can be read while a run builds the next one.

    Raises:
        NoWarehouseError: there is none yet.
    """
    import duckdb

    if not path.is_file():
        raise NoWarehouseError(f"{path}: no warehouse was sealed yet; run 'concord run' first")
    connection = duckdb.connect(str(path), read_only=True)
    try:
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


def answer(path: Path, sql: str) -> pa.Table:
    """Every row that a query returns.

    Raises:
        QueryError: the SQL is wrong, or asks for more than reading.
    """
    import duckdb

    with open_warehouse(path) as connection:
        try:
            result = connection.execute(sql)
            if result.description is None:
                raise QueryError("the statement returns no rows; concord query only reads")
            return result.to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(" ".join(str(error).split())) from None


def write_answer(table: pa.Table, output_format: OutputFormat) -> None:
    """Print a table on standard output; Parquet goes out as bytes."""
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if output_format == "csv":
        sys.stdout.write(frame.write_csv())
    elif output_format == "json":
        sys.stdout.write(frame.write_json() + "\n")
    elif output_format == "parquet":
        frame.write_parquet(sys.stdout.buffer)
    else:
        _print_table(frame)


def _print_table(frame: object) -> None:
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    assert isinstance(frame, pl.DataFrame)
    table = Table(show_edge=False, pad_edge=False)
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", no_wrap=True)
    for row in frame.head(SHOWN_ROWS).iter_rows():
        table.add_row(
            *("" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row)
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)
    if frame.height > SHOWN_ROWS:
        console.print(f"… {frame.height - SHOWN_ROWS} more of {frame.height} rows; --format csv prints all")
