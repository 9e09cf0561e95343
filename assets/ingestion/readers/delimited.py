"""Delimited text: any encoding, delimiter and quote; every record ends in the frame or among the unreadable.

What belongs here: decoding, and splitting of text into cells. What does not: numbers (a decimal comma stays as it
stands), dates and codes, which the mapping reads.

Two ways lead to the same frame. `split_records` is Python's csv, strict, one record after the other: it knows quoted
line breaks, and after a broken quote goes on with the next line. `split_lines` is polars, two to three times as fast;
it applies where no record spans lines, and gives lines with too many or too few cells to the careful way.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.ingestion.readers.protocol import (
    SOURCE_ROW,
    ReadError,
    SourceFrame,
    UnreadableRow,
    clean,
    header_names,
    text_frame,
)
from codebook.formats import DelimitedFormat, ReadingLimits

FAST_FROM_CHARACTERS = 200_000
"""Below this size the careful way is as fast."""
_BATCH = 20_000
_MAXIMUM_CELL = 1_000_000
"""Characters; a longer cell means a quote that was never closed."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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


def read(
    path: Path, relative: str, format: DelimitedFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read a delimited file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    Raises:
        ReadError: not decodable, or no usable header.
    """
    text, notes = decode(path.read_bytes(), format.encoding, relative)
    split = split_text(text, Dialect(format.delimiter, format.quote), relative, format.title_rows)
    return SourceFrame(relative, None, split.frame, split.unreadable, notes=notes)


def decode(data: bytes, encoding: str, relative: str) -> tuple[str, tuple[str, ...]]:
    """Bytes as text, line ends as `\\n`, marks gone; and a note where the declared encoding is not the file's.

    A mark at the beginning beats the declaration, and so does text that is strictly UTF-8 under a declared one-byte
    encoding: text in such an encoding is practically never valid UTF-8 by chance.

    Raises:
        ReadError: an unknown encoding, or bytes that it does not know, with the line they stand in.
    """
    try:
        declared = codecs.lookup(encoding).name
    except LookupError:
        raise ReadError(f"{relative}: the encoding '{encoding}' is unknown; correct the site's declaration") from None
    found = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if found is None and not declared.startswith("utf") and not data.isascii() and _is_utf8(data):
        found = "utf-8"
    used = found or declared
    try:
        text = data.decode(used)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(used, "ignore").count("\n") + 1
        raise ReadError(
            f"{relative}: line {line} holds bytes that are not {encoding}; declare the encoding it was exported in"
        ) from None
    except (LookupError, TypeError):
        raise ReadError(f"{relative}: '{encoding}' is no text encoding; correct the site's declaration") from None
    agrees = found is None or codecs.lookup(found).name.split("-")[:2] == declared.split("-")[:2]
    notes = () if agrees else (f"is {(found or '').removesuffix('-sig')}, not {encoding} as declared, and was read so",)
    text = text.replace("\ufeff", "").replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return text, notes


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def split_text(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split:
    """Text with a header as a frame. `title_rows` lines above the header are passed over, as are empty lines.

    Raises:
        ReadError: nothing in it, or no usable header.
    """
    if not text.strip():
        raise ReadError(f"{relative}: the file is empty; have it exported again")
    if len(text) >= FAST_FROM_CHARACTERS:
        split = split_lines(text, dialect, relative, title_rows)
        if split is not None:
            return split
    return split_records(text, dialect, relative, title_rows)


def split_records(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split:
    """The careful way: strict csv, record by record. Arguments and errors as in `split_text`."""
    lines = list(io.StringIO(text, newline="\n"))
    records = _records(lines, title_rows, dialect)
    first = next(records, None)
    if first is None:
        raise ReadError(f"{relative}: nothing stands below its {title_rows} title rows; correct title_rows")
    line, cells, reason = first
    if reason:
        raise ReadError(f"{relative}: the header in line {line} {reason}; have the file exported again")
    names = header_names(cells, relative)
    return _collect(records, names)


def _records(lines: Sequence[str], start: int, dialect: Dialect) -> Iterator[tuple[int, list[str], str]]:
    """(line, cells, reason): a reason in place of cells where a line cannot be split.

    After a broken quote only the line where the record began is given up; the next line is a record again.
    """
    previous_limit = csv.field_size_limit(_MAXIMUM_CELL)
    try:
        while start < len(lines):
            reader = csv.reader(
                (lines[index] for index in range(start, len(lines))),
                delimiter=dialect.delimiter,
                quotechar=dialect.quote,
                strict=True,
            )
            begin = start
            try:
                for cells in reader:
                    if cells:
                        yield begin + 1, cells, ""
                    begin = start + reader.line_num
                return
            except csv.Error:
                yield begin + 1, [], "has a quotation mark that is not closed or stands inside a cell"
                start = begin + 1
    finally:
        csv.field_size_limit(previous_limit)


def _collect(records: Iterable[tuple[int, list[str], str]], names: Sequence[str]) -> Split:
    width = len(names)
    frames: list[pl.DataFrame] = []
    unreadable: list[UnreadableRow] = []
    rows: list[list[str]] = []
    numbers: list[int] = []

    def flush() -> None:
        columns = list(zip(*rows, strict=True)) if rows else [()] * width
        frames.append(text_frame(dict(zip(names, columns, strict=True)), numbers))
        rows.clear()
        numbers.clear()

    for line, cells, broken in records:
        reason = broken or _misfit(cells, width)
        if reason:
            unreadable.append(UnreadableRow(line, reason))
            continue
        rows.append(cells[:width])
        numbers.append(line)
        if len(rows) == _BATCH:
            flush()
    flush()
    return Split(pl.concat(frames), tuple(unreadable))


def _misfit(cells: list[str], width: int) -> str:
    """Why a record does not fit the header; '' where it does. Further cells are no fault where they are blank."""
    if len(cells) < width:
        return f"has {len(cells)} cells, the header has {width}"
    if any(cell.strip() for cell in cells[width:]):
        return f"has {len(cells)} cells, the header has {width}"
    if any("\0" in cell for cell in cells):
        return "holds NUL bytes"
    return ""


def split_lines(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split | None:
    """The fast way, or None where it does not apply. Arguments and errors as in `split_text`.

    It applies where every line with a quote is made of whole cells: quoted ones with doubled quotes inside, or ones
    without any quote. Then a line is a record, and a delimiter counts where it stands outside quotes.
    """
    if "\0" in text or "\r" in text or not (dialect.delimiter + dialect.quote).isascii():
        return None
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    quoted = f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}"
    cell = f"(?:{quoted}|[^{quote}{delimiter}]*)"
    line = pl.col("line")
    lines = (
        pl.DataFrame({"line": text.split("\n")})
        .with_row_index(SOURCE_ROW, offset=1)
        .slice(title_rows)
        .filter(line != "")
        .with_columns(pl.col(SOURCE_ROW).cast(pl.Int64), is_quoted=line.str.contains(dialect.quote, literal=True))
    )
    if lines.is_empty():
        raise ReadError(f"{relative}: nothing stands below its {title_rows} title rows; correct title_rows")
    if not lines.filter("is_quoted").select(line.str.contains(f"^{cell}(?:{delimiter}{cell})*$").all()).item():
        return None
    bare = pl.when("is_quoted").then(line.str.replace_all(quoted, "")).otherwise(line)
    lines = lines.with_columns(n_cells=bare.str.count_matches(dialect.delimiter, literal=True) + 1)

    header = next(_records([str(lines.item(0, "line"))], 0, dialect))[1]
    names = header_names(header, relative)
    extra = [f"\0{position}" for position in range(len(header) - len(names))]
    body = lines.slice(1)
    even = body.filter(pl.col("n_cells") == len(header))
    others = body.filter(pl.col("n_cells") != len(header))
    parsed = _parse(even["line"], [*names, *extra], dialect)
    if parsed is None:
        return None
    frame = clean(parsed).with_columns(even[SOURCE_ROW])
    unreadable: list[UnreadableRow] = []
    if extra:
        is_spilled = pl.any_horizontal(pl.col(extra).is_not_null())
        reason = f"has {len(header)} cells, the header has {len(names)}"
        unreadable = [UnreadableRow(row, reason) for row in frame.filter(is_spilled)[SOURCE_ROW]]
        frame = frame.filter(~is_spilled).drop(extra)
    if not others.is_empty():
        numbered = others.select(SOURCE_ROW, "line").iter_rows()
        careful = _collect(
            ((row, cells, broken) for row, one in numbered for _, cells, broken in _records([one], 0, dialect)), names
        )
        frame = pl.concat([frame, careful.frame]).sort(SOURCE_ROW)
        unreadable = sorted([*unreadable, *careful.unreadable], key=lambda row: row.source_row)
    return Split(frame, tuple(unreadable))


def _parse(lines: pl.Series, names: Sequence[str], dialect: Dialect) -> pl.DataFrame | None:
    """One row per line, or None should polars see other rows or cells than were counted."""
    if lines.is_empty():
        return pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in names})
    frame = pl.read_csv(
        "\n".join(lines).encode(),
        has_header=False,
        new_columns=list(names),
        infer_schema=False,
        separator=dialect.delimiter,
        quote_char=dialect.quote,
    )
    return frame if frame.shape == (len(lines), len(names)) else None
