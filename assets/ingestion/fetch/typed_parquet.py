"""Rows of a database into one Parquet file, batch by batch, with every type kept.

What belongs here: which Arrow type a column has, and writing. What does not: where rows come from (`sql`).
A type that the database names is taken; otherwise the values decide, and when a later batch needs a wider type (a
finer decimal, or text) what was written so far is copied once into it. Lists and documents become JSON, bytes become
hexadecimal text, since the reader of Parquet takes neither.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DIGITS = 38
"""Digits that an Arrow decimal of 128 bits holds."""


class TypedWriter:
    """Writes batches of rows to `path`; use it as a context, so that the file is closed."""

    def __init__(self, path: Path, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> None:
        self._path = path
        self._columns = columns
        self._types = {name: types.get(name, pa.null()) for name in columns}
        self._named = set(types)
        self._writer: pq.ParquetWriter | None = None
        self.n_rows = 0

    def __enter__(self) -> TypedWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is None and error[0] is None:
            self._open()
        self._close()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows; each has one value per column."""
        values = list(zip(*rows, strict=True))
        types = {name: self._type_for(name, column) for name, column in zip(self._columns, values, strict=True)}
        if types != self._types:
            self._widen(types)
        arrays = [_array(column, types[name]) for name, column in zip(self._columns, values, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=self._schema())
        self._writer = self._writer or self._open()
        self._writer.write_table(table)
        self.n_rows += len(rows)

    def _schema(self) -> pa.Schema:
        """A column of which nothing is known yet is text."""
        return pa.schema(
            [(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in self._types.items()]
        )

    def _open(self) -> pq.ParquetWriter:
        self._writer = pq.ParquetWriter(self._path, self._schema(), compression="zstd")
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _widen(self, types: dict[str, pa.DataType]) -> None:
        """Copy what was written into the wider types."""
        was_open = self._writer is not None
        self._close()
        self._types = types
        if not was_open:
            return
        before = self._path.with_name(f".{self._path.name}.before")
        self._path.rename(before)
        writer = self._open()
        with pq.ParquetFile(before) as file:
            for batch in file.iter_batches():
                writer.write_table(pa.Table.from_batches([batch]).cast(self._schema()))
        before.unlink()

    def _type_for(self, name: str, values: Sequence[Any]) -> pa.DataType:
        known = self._types[name]
        if name in self._named:
            return known if _fits(values, known) else pa.string()
        found = _type_of(values)
        wider = _wider(known, found)
        return wider if _fits(values, wider) else pa.string()


def _fits(values: Sequence[Any], kind: pa.DataType) -> bool:
    try:
        _array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_null(kind) or pa.types.is_string(kind):
        return pa.array([_as_text(value) for value in values], pa.string())
    return pa.array(values, kind)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def _type_of(values: Sequence[Any]) -> pa.DataType:
    """The type that holds these values; nulls say nothing."""
    kinds = {type(value) for value in values if value is not None}
    simple = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), dt.date: pa.date32(), dt.time: pa.time64("us")}
    if not kinds:
        return pa.null()
    if kinds <= {Decimal, int} and Decimal in kinds:
        return _decimal([value for value in values if isinstance(value, Decimal)])
    if len(kinds) > 1:
        return pa.string()
    kind = kinds.pop()
    if kind is dt.datetime:
        zones = {value.tzinfo is not None for value in values if value is not None}
        return pa.string() if len(zones) > 1 else pa.timestamp("us", tz="UTC" if zones.pop() else None)
    return simple.get(kind, pa.string())


def _decimal(values: Sequence[Decimal]) -> pa.DataType:
    exponents = [value.as_tuple().exponent for value in values]
    scale = max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0)
    is_finite = all(isinstance(exponent, int) for exponent in exponents)
    return pa.decimal128(DIGITS, max(scale, 0)) if is_finite and scale <= DIGITS else pa.string()


def _wider(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """The narrower of the types that hold both; text holds all."""
    if pa.types.is_null(found) or known == found:
        return known
    if pa.types.is_null(known):
        return found
    both = (known, found)
    if all(pa.types.is_decimal(kind) for kind in both):
        return pa.decimal128(DIGITS, max(known.scale, found.scale))
    return pa.string()
