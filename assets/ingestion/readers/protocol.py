"""What every reader hands over: one frame of text per file or sheet, and the rows that could not be read.

What belongs here: the shape of that hand-over, its error, the choice of reader, and the few rules about text that all
readers share. What does not: any file format (a module each), and any meaning of a column (`assets.ingestion` maps).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from codebook.site import DelimitedFormat, ExcelFormat, Format, RedcapFormat, SpssFormat

READER_VERSION = "1"
"""Part of a delivery's recipe: raise it when a reader hands over different text for the same file."""

SOURCE_ROW = "source_row"
"""The column of a frame that says where a row stands in its file."""


class ReadError(Exception):
    """A file that cannot be used: one sentence with the file, what is wrong and what to do; no cell's content."""


@dataclass(frozen=True)
class UnreadableRow:
    """A row that could not be split into the header's columns. `reason` holds no content of the row."""

    source_row: int
    reason: str


@dataclass(frozen=True)
class SourceFrame:
    """One file or sheet as text; `frame.height + len(unreadable)` is the number of records in it.

    `frame`: every column String (blank is null, otherwise the text as it stands without surrounding blanks), and
    `source_row` Int64: the line (first line of a record that spans several), sheet row or record number (from 1).
    """

    source_file: str
    """Path inside the delivery's folder, with forward slashes."""
    sheet: str | None
    frame: pl.DataFrame
    unreadable: tuple[UnreadableRow, ...] = ()
    user_missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → code as it stands in the frame → label: what the file itself declares missing (SPSS)."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → code as it stands in the frame → label (SPSS); the frame keeps the codes."""
    identifiers: frozenset[str] = frozenset()
    """Columns that the file's own dictionary marks as identifying (REDCap)."""
    form_of: Mapping[str, str] = field(default_factory=dict)
    """Column → form, where the file's own dictionary says so (REDCap)."""
    notes: tuple[str, ...] = ()
    """What the delivery report should say about this file, one sentence each; no cell's content."""


def read_file(path: Path, relative: str, format: Format, sheet: str | None = None) -> SourceFrame:
    """Read one file of a delivery.

    Args:
        path: the file.
        relative: the same file as seen from the delivery's folder, with forward slashes.
        format: the site's declared format.
        sheet: name of the sheet (Excel only; None: the workbook's only sheet).

    Raises:
        ReadError: the file as a whole cannot be used.
    """
    if not path.is_file():
        raise ReadError(f"{relative}: the file does not exist; deliver it or correct the site's declaration")
    if path.stat().st_size == 0:
        raise ReadError(f"{relative}: the file is empty; have it exported again")
    match format:
        case DelimitedFormat():
            from assets.ingestion.readers import delimited

            return delimited.read(path, relative, format)
        case ExcelFormat():
            from assets.ingestion.readers import excel

            return excel.read(path, relative, format, sheet)
        case SpssFormat():
            from assets.ingestion.readers import spss

            return spss.read(path, relative, format)
        case RedcapFormat():
            from assets.ingestion.readers import redcap

            return redcap.read(path, relative, format)


def header_names(cells: Sequence[str], relative: str) -> list[str]:
    """Column names of a header row, blanks stripped; trailing cells without a name are left out.

    A cell without a name further left (as R writes row names) is called `column_<position>`.

    Raises:
        ReadError: no names at all, a name given twice, or a name that readers need for themselves.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise ReadError(f"{relative}: the header row is blank; check title_rows in the site's declaration")
    names = [name or f"column_{position}" for position, name in enumerate(names, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReadError(f"{relative}: the header names {', '.join(twice)} more than once; rename the columns")
    if SOURCE_ROW in names:
        raise ReadError(f"{relative}: a column may not be called {SOURCE_ROW}; rename it")
    return names


def text_frame(columns: Mapping[str, Iterable[str | None]], source_rows: Sequence[int]) -> pl.DataFrame:
    """A frame of the agreed shape from columns of text and the row numbers beside them."""
    series = [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]
    return clean(pl.DataFrame([*series, pl.Series(SOURCE_ROW, source_rows, dtype=pl.Int64)]))


def clean(frame: pl.DataFrame) -> pl.DataFrame:
    """Strip surrounding blanks from every text column; what is blank then is null."""
    stripped = frame.with_columns(pl.col(pl.String).str.strip_chars())
    shortest = stripped.select(pl.col(pl.String).str.len_bytes().min())
    blank = [column.name for column in shortest if column.item() == 0]
    return stripped.with_columns(pl.when(pl.col(blank) != "").then(pl.col(blank))) if blank else stripped
