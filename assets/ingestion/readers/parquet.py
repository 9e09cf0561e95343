"""Parquet, every column as text: integers and whole floats without decimals, dates as ISO, `true` and `false`.

What belongs here: one expression per type. What does not: databases, which are fetched into Parquet elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.ingestion.readers.isolated import read_isolated
from assets.ingestion.readers.native import damage_as
from assets.ingestion.readers.protocol import MEGABYTE, SOURCE_ROW, ReadError, SourceFrame, clean, header_names
from codebook.formats import ParquetFormat, ReadingLimits

_EXACT = 2**53
"""Floats beyond it no longer tell neighbouring whole numbers apart, and stand as Python writes them."""
_BATCH_CELLS = 200_000
_BYTES_PER_CELL = 16
"""Of text in memory, before its own length where that is more than twelve bytes."""


def read(
    path: Path, relative: str, format: ParquetFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the row's number. A time of day that is midnight is left out unless it has a time zone.

    Raises:
        ReadError: no Parquet file, damaged, larger than the limits, or with columns that hold lists, parts or bytes.
    """
    return read_isolated(path, relative, format, sheet, limits or ReadingLimits(), damaged=_damaged(relative))


def read_here(
    path: Path, relative: str, format: ParquetFormat, sheet: str | None, limits: ReadingLimits
) -> SourceFrame:
    """What `read` says, in this process, whatever the file does to it."""
    with damage_as(_damaged(relative)):
        return _read(path, relative, limits)


def _damaged(relative: str) -> str:
    return f"{relative}: is no Parquet file, or is damaged; have it exported again"


def _read(path: Path, relative: str, limits: ReadingLimits) -> SourceFrame:
    """In batches, each turned into text before the next, so that only text is kept."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, memory_map=False)
    empty = pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table()))
    nested = [name for name, dtype in empty.schema.items() if dtype.is_nested() or dtype in (pl.Binary, pl.Object)]
    if nested:
        raise ReadError(
            f"{relative}: the columns {', '.join(nested)} hold lists, parts or bytes; have them exported as text"
        )
    names = header_names(empty.columns, relative)
    frames = [_texts(empty, names)]
    size = 0
    batch_rows = max(1, _BATCH_CELLS // len(names))
    for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
        size += max(batch.nbytes, batch.num_rows * (len(names) + 1) * _BYTES_PER_CELL)
        if size > limits.max_unpacked_megabytes * MEGABYTE:
            raise ReadError(
                f"{relative}: unpacks to more than {limits.max_unpacked_megabytes} MB; have it exported in parts, "
                "or raise limits.max_unpacked_megabytes in network.yaml"
            )
        batch.validate(full=True)
        frames.append(_texts(pl.DataFrame(pl.from_arrow(batch)), names))
    frame = pl.concat(frames)
    rows = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias(SOURCE_ROW)
    return SourceFrame(relative, None, frame.with_columns(rows))


def _texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    columns = [_text(column).alias(name) for column, name in zip(frame, names, strict=True)]
    return clean(pl.DataFrame(columns))


def _text(column: pl.Series) -> pl.Series:
    """A column as text; null stays null, and so does a float that is no number."""
    dtype = column.dtype
    if dtype.is_float():
        column = column.fill_nan(None)
        whole = (column == column.round()) & (column.abs() < _EXACT)
        as_whole = column.to_frame("x").select(
            pl.when(whole).then(pl.col("x")).cast(pl.Int64).cast(pl.String), text=pl.col("x").cast(pl.String)
        )
        return as_whole.select(pl.coalesce("x", "text"))["x"]
    if dtype.is_decimal():
        text = column.cast(pl.String)
        return text.str.replace(r"\.0+$", "")
    if isinstance(dtype, pl.Datetime):
        return _moment(column)
    if dtype == pl.Time:
        return column.dt.to_string("%H:%M:%S%.f").str.replace(r"\.0+$", "")
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    return column.cast(pl.String)


def _moment(column: pl.Series) -> pl.Series:
    if getattr(column.dtype, "time_zone", None):
        return column.dt.to_string("%Y-%m-%d %H:%M:%S%.f%:z").str.replace(r"\.0+([+-])", "$1")
    text = column.dt.to_string("%Y-%m-%d %H:%M:%S%.f").str.replace(r"\.0+$", "")
    return text.str.replace(" 00:00:00$", "")
