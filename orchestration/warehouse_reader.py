"""Reading the sealed warehouse: read-only, with no access to any other file.

What belongs here: opening, and the outcome of one query in four formats. What does not: any particular question.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestration.tables import print_table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OutputFormat = Literal["table", "csv", "json", "parquet"]
SHOWN_ROWS = 100


class NoWarehouseError(Exception):
    """Nothing was sealed yet."""


class QueryError(Exception):
    """The SQL cannot be answered; the message is the database's, in one line."""


def require_warehouse(path: Path) -> Path:
    """The path of the sealed file.

    Raises:
        NoWarehouseError: there is none yet.
    """
    if not path.is_file():
        raise NoWarehouseError(f"{path}: no warehouse was sealed yet; run 'concord run' first")
    return path


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sealed file, locked down: it can be read while a run builds the next one.

    Raises:
        NoWarehouseError: there is none yet.
    """
    import duckdb

    connection = duckdb.connect(str(require_warehouse(path)), read_only=True)
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
        print_table(frame.columns, frame.head(SHOWN_ROWS).iter_rows())
        if frame.height > SHOWN_ROWS:
            print(f"… {frame.height - SHOWN_ROWS} more of {frame.height} rows; --format csv prints all")
