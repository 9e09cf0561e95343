"""Delimited text, the careful way: Python's csv, strict, one record after the other.

What belongs here: dialects, records that span lines, broken quotes, and records that do not fit the header.
What does not: encodings (`delimited`), and the fast way for lines that need no such care (`lines`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from assets.ingestion.readers.protocol import (
    MAXIMUM_UNREADABLE,
    SOURCE_ROW,
    ReadError,
    UnreadableRow,
    header_names,
    text_frame,
)

if TYPE_CHECKING:
    import _csv

BROKEN_QUOTE = "has a quotation mark that is not closed or stands inside a cell"
_BATCH = 20_000
MAXIMUM_CELL = 1_000_000
"""Characters; a longer cell means a quote that was never closed."""

Record = tuple[int, list[str], str]
"""(line, cells, reason): a reason in place of cells where a line cannot be split."""


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart."""

    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True)
class Split:
    """Text split into a frame, and the records that could not be."""

    frame: pl.DataFrame
    unreadable: tuple[UnreadableRow, ...]


def split_records(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split:
    """Text with a header as a frame; arguments and errors as in `delimited.split_text`."""
    lines = list(io.StringIO(text, newline="\n"))
    found = records(lines, title_rows, dialect)
    first = next(found, None)
    if first is None:
        raise ReadError(f"{relative}: nothing stands below its {title_rows} title rows; correct title_rows")
    line, cells, reason = first
    if reason:
        raise ReadError(f"{relative}: the header in line {line} {reason}; have the file exported again")
    return collect(found, header_names(cells, relative))


def records(lines: Sequence[str], start: int, dialect: Dialect) -> Iterator[Record]:
    """Every record from line `start` on (counted from 0); empty lines are passed over.

    After a broken quote only the line where the record began is given up; the next line is a record again.
    """
    previous_limit = csv.field_size_limit(MAXIMUM_CELL)
    try:
        while start < len(lines):
            reader = _reader(lines, start, dialect)
            begin = start
            try:
                for cells in reader:
                    if cells:
                        yield begin + 1, cells, ""
                    begin = start + reader.line_num
                return
            except csv.Error:
                yield begin + 1, [], BROKEN_QUOTE
                start = begin + 1
    finally:
        csv.field_size_limit(previous_limit)


def one_record(lines: Sequence[str], start: int, dialect: Dialect) -> tuple[Record, int]:
    """The record that begins in line `start` (not empty), and the line behind it."""
    previous_limit = csv.field_size_limit(MAXIMUM_CELL)
    try:
        reader = _reader(lines, start, dialect)
        return (start + 1, next(reader), ""), start + reader.line_num
    except csv.Error:
        return (start + 1, [], BROKEN_QUOTE), start + 1
    finally:
        csv.field_size_limit(previous_limit)


def _reader(lines: Sequence[str], start: int, dialect: Dialect) -> _csv._reader:
    return csv.reader(
        (lines[index] for index in range(start, len(lines))),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        strict=True,
    )


def collect(found: Iterable[Record], names: Sequence[str]) -> Split:
    """Records under a header as a frame; what does not fit it is unreadable, up to one more than are allowed."""
    width = len(names)
    frames: list[pl.DataFrame] = []
    unreadable: list[UnreadableRow] = []
    rows: list[list[str]] = []
    numbers: list[int] = []

    def flush() -> None:
        columns = zip(*rows, strict=True)
        frames.append(text_frame(dict(zip(names, columns, strict=True)), numbers))
        rows.clear()
        numbers.clear()

    for line, cells, broken in found:
        reason = broken or _misfit(cells, width)
        if reason:
            unreadable.append(UnreadableRow(line, reason))
            if len(unreadable) > MAXIMUM_UNREADABLE:
                break
            continue
        rows.append(cells[:width])
        numbers.append(line)
        if len(rows) == _BATCH:
            flush()
    if rows:
        flush()
    empty = pl.DataFrame(schema={**dict.fromkeys(names, pl.String), SOURCE_ROW: pl.Int64})
    return Split(pl.concat(frames) if frames else empty, tuple(unreadable))


def _misfit(cells: list[str], width: int) -> str:
    """Why a record does not fit the header; '' where it does. Further cells are no fault where they are blank."""
    if len(cells) < width:
        return f"has {len(cells)} cells, the header has {width}"
    if any(cell.strip() for cell in cells[width:]):
        return f"has {len(cells)} cells, the header has {width}"
    if any("\0" in cell for cell in cells):
        return "holds NUL bytes"
    return ""
