"""A database, read by SQLAlchemy inside one read-only transaction, into a Parquet file per query.

What belongs here: connecting, the transaction, streaming, and what went wrong in plain words.
What does not: types (`typed_parquet`), watermarks on disk (`watermarks`), landing (`fetching`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.ingestion.fetch.protocol import Fetched, FetchedFile, MarkValue, SourceError, secret
from assets.ingestion.fetch.statement import PARAMETER, bindable
from codebook.formats import SqlDatabase, SqlQuery

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection, CursorResult, Engine

BATCH_ROWS = 5_000
CONNECT_SECONDS = 30.0
"""Longest wait for a connection, where the declared timeout is not shorter."""

_SQLSTATES = {
    "25006": "tries to write, which a fetch never may; let it only read",
    "57014": "took longer than timeout_seconds; make it faster, or raise timeout_seconds",
    "42501": "reads something that this user may not; grant select on it",
    "42601": "is not valid SQL; correct it",
    "42703": "names a column that does not exist; correct it",
    "42P01": "names a table that does not exist; correct it",
    "42883": "uses a function or comparison that does not exist for these types; correct it",
}
"""PostgreSQL's own codes, of which the message may be shown without showing a value."""


def fetch_database(database: SqlDatabase, folder: Path, marks: Mapping[str, MarkValue]) -> Fetched:
    """Run every query in one read-only transaction (they see the same state) and write `<name>.parquet` each.

    Args:
        database: the site's declaration; its address comes from the environment.
        folder: where the files go.
        marks: largest value fetched before, by query; a query without one gets null.

    Raises:
        SourceError: anything that keeps one query from being read whole.
    """
    statements = {query.name: bindable(query) for query in database.queries}
    if len(statements) < len(database.queries):
        raise SourceError("two queries have the same name; rename one")
    engine = _engine(database)
    files, found = [], {}
    try:
        with _connect(engine, database) as connection:
            _read_only(connection, database)
            for query in database.queries:
                n_rows, mark = _one_query(connection, query, statements[query.name], folder, marks.get(query.name))
                files.append(FetchedFile(f"{query.name}.parquet", n_rows, query.watermark is not None))
                if mark is not None:
                    found[query.name] = mark
            connection.rollback()
    finally:
        engine.dispose()
    return Fetched(tuple(files), found)


def _engine(database: SqlDatabase) -> Engine:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    variable = database.url_variable
    text = secret(variable, "the database's address, like postgresql://user:password@host/name,")
    problem = f"the address in {variable} cannot be used; write it like postgresql://user:password@host/name"
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (SQLAlchemyError, ValueError):
        raise SourceError(problem) from None
    if backend not in {"postgresql", "sqlite"}:
        raise SourceError(f"{variable} names a kind of database that is not installed; PostgreSQL and SQLite are")
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg2") if backend == "postgresql" else url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=_connect_arguments(url, database.timeout_seconds),
        )
    except (SQLAlchemyError, ValueError, TypeError):
        raise SourceError(problem) from None


def _connect_arguments(url: URL, timeout_seconds: float) -> dict[str, Any]:
    """A server that has gone is noticed within a minute, not when the kernel gives up."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {
        "connect_timeout": max(2, math.ceil(min(timeout_seconds, CONNECT_SECONDS))),
        "application_name": "concord fetch",
        "keepalives": 1,
        "keepalives_idle": 20,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }


def _connect(engine: Engine, database: SqlDatabase) -> Connection:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            return engine.execution_options(**options).connect()
        return engine.connect()
    except (SQLAlchemyError, UnicodeError) as error:
        said = str(error).lower()
    variable = database.url_variable
    if "authentication" in said or "pg_hba.conf" in said or "no password supplied" in said:
        raise SourceError(f"the database refuses the user or password in {variable}; correct them")
    if "does not exist" in said or "unable to open" in said:
        raise SourceError(f"the server has no such database or user; correct the address in {variable}")
    raise SourceError(
        f"the database at the address in {variable} cannot be reached; check that it runs and that this machine may "
        "connect to it"
    )


def _read_only(connection: Connection, database: SqlDatabase) -> None:
    """Make sure that the transaction cannot write, and ends a statement that takes too long."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    is_postgresql = connection.dialect.name == "postgresql"
    try:
        if is_postgresql:
            milliseconds = max(1, math.ceil(database.timeout_seconds * 1000))
            connection.execute(text(f"set local statement_timeout = {milliseconds}"))
            is_safe = connection.execute(text("show transaction_read_only")).scalar() == "on"
        else:
            connection.execute(text("pragma query_only = on"))
            is_safe = connection.execute(text("pragma query_only")).scalar() == 1
    except SQLAlchemyError:
        is_safe = False
    if not is_safe:
        raise SourceError("the database gives no read-only transaction; fetch from one that does")


def _one_query(
    connection: Connection, query: SqlQuery, statement: str, folder: Path, mark: MarkValue | None
) -> tuple[int, MarkValue | None]:
    """Stream one query's result into its file; its number of rows and its largest watermark."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    parameters = {PARAMETER: mark} if query.watermark else {}
    try:
        result = connection.execute(text(statement), parameters, execution_options={"yield_per": BATCH_ROWS})
        return _write(result, query, folder, mark)
    except DBAPIError as error:
        state = str(getattr(error.orig, "pgcode", None) or "")
        is_sqlite_write = "readonly database" in str(error.orig)
    except SQLAlchemyError:
        state, is_sqlite_write = "", False
    except (ValueError, TypeError, ArithmeticError):
        raise SourceError(
            f"query '{query.name}' returns a value that cannot be kept as it is (a date before year 1 or at infinity?);"
            " cast that column to text"
        ) from None
    reason = _SQLSTATES["25006"] if is_sqlite_write else _SQLSTATES.get(state)
    if reason is None and (not state or state[:2] in {"08", "57"}):
        reason = "was broken off by the database or the network; try again"
    raise SourceError(f"query '{query.name}' {reason or f'failed (SQLSTATE {state}); correct it'}")


def _write(
    result: CursorResult[Any], query: SqlQuery, folder: Path, mark: MarkValue | None
) -> tuple[int, MarkValue | None]:
    from assets.ingestion.fetch.typed_parquet import TypedWriter

    columns = list(result.keys())
    if len(set(columns)) < len(columns):
        raise SourceError(f"query '{query.name}' gives two columns the same name; name them with 'as'")
    if query.watermark is not None and query.watermark not in columns:
        raise SourceError(f"query '{query.name}' does not return its watermark column '{query.watermark}'; select it")
    position = columns.index(query.watermark) if query.watermark else None
    with TypedWriter(folder / f"{query.name}.parquet", columns, _named_types(result)) as writer:
        for rows in result.partitions(BATCH_ROWS):
            writer.write(rows)
            if position is not None:
                mark = _largest(query, [row[position] for row in rows], mark)
        return writer.n_rows, mark


def _largest(query: SqlQuery, values: list[Any], mark: MarkValue | None) -> MarkValue | None:
    """The largest of a batch and of what was known before."""
    what = f"the watermark column '{query.watermark}' of query '{query.name}'"
    if any(value is None for value in values):
        raise SourceError(f"{what} has rows without a value, which the next fetch would miss; fill it with coalesce")
    if any(isinstance(value, bool) or not isinstance(value, int | float | Decimal | dt.date) for value in values):
        raise SourceError(f"{what} must be a number, a date or a time (text is ordered differently everywhere)")
    known: list[Any] = [*values, *([] if mark is None else [mark])]
    try:
        largest: MarkValue | None = max(known, default=None)
    except TypeError:
        raise SourceError(f"{what} has another type than before; rename the query to fetch it from the start") from None
    return largest


def _named_types(result: CursorResult[Any]) -> dict[str, pa.DataType]:
    """The types that PostgreSQL names for a result; a numeric without digits is left to its values."""
    import pyarrow as pa

    known = {
        **dict.fromkeys((20, 21, 23, 26), pa.int64()),
        **dict.fromkeys((700, 701), pa.float64()),
        16: pa.bool_(),
        1082: pa.date32(),
        1083: pa.time64("us"),
        1114: pa.timestamp("us"),
        1184: pa.timestamp("us", tz="UTC"),
        **dict.fromkeys((17, 25, 114, 1042, 1043, 2950, 3802), pa.string()),
    }
    description = getattr(result.cursor, "description", None) or ()
    types = {}
    for name, code, _, _, precision, scale, _ in description:
        if code == 1700 and precision and scale is not None and 0 <= scale <= precision <= 38:
            types[name] = pa.decimal128(precision, scale)
        elif isinstance(code, int) and code in known:
            types[name] = known[code]
    return types
