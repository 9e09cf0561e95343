"""What every reader hands over: one frame of text per file or sheet, and the rows that could not be read.

What belongs here: the shape of that hand-over, its error, the choice of reader, and the few rules about text that all
readers share. What does not: any file format (a module each), and any meaning of a column (`assets.ingestion` maps).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import polars as pl

from codebook.formats import Format, ReadingLimits

READER_VERSION = "2"
"""Part of a delivery's recipe: raise it when a reader hands over different text for the same file."""

SOURCE_ROW = "source_row"
"""The column of a frame that says where a row stands in its file."""

MEGABYTE = 1_000_000

MAXIMUM_COLUMNS = 16_384
"""As many as Excel's sheets have; what has more is no table of answers."""

MAXIMUM_UNREADABLE = 100_000
"""Records of one file; with more it is not a file with faults but another kind of file than declared."""

HISTORY_COLUMNS: dict[str, pl.DataType] = {
    "source_row": pl.Int64(),
    "column": pl.String(),
    "value": pl.String(),
    "changed_at": pl.String(),
    "changed_by": pl.String(),
    "reason": pl.String(),
}
"""One line per change that an export itself records: the row and column it is about, and the value that was set."""


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
    other_sheets: tuple[str, ...] = ()
    """Sheets, tables or forms of the same file that hold rows and were not asked for."""
    history: pl.DataFrame | None = None
    """Audit records of the export (`HISTORY_COLUMNS`), where it brings any."""
    notes: tuple[str, ...] = ()
    """What the delivery report should say about this file, one sentence each; no cell's content."""


class Reader(Protocol):
    """What each reader's module offers as `read`."""

    def __call__(
        self, path: Path, relative: str, format: Format, sheet: str | None, limits: ReadingLimits
    ) -> SourceFrame:
        """Read one file or one sheet of it."""
        ...


def read_file(
    path: Path, relative: str, format: Format, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one file of a delivery with the module that is named like the format's reader.

    Args:
        path: the file.
        relative: the same file as seen from the delivery's folder, with forward slashes.
        format: the site's declared format.
        sheet: sheet, table or form inside the file (None: the file's only one).
        limits: sizes above which a file is refused (None: the defaults).

    Raises:
        ReadError: the file as a whole cannot be used.
    """
    limits = limits or ReadingLimits()
    if not path.is_file():
        raise ReadError(f"{relative}: the file does not exist; deliver it or correct the site's declaration")
    size = path.stat().st_size
    if size == 0:
        raise ReadError(f"{relative}: the file is empty; have it exported again")
    if size > limits.max_file_megabytes * MEGABYTE:
        raise ReadError(
            f"{relative}: has {size // MEGABYTE} MB, {limits.max_file_megabytes} are read; have it exported in parts, "
            "or raise limits.max_file_megabytes in network.yaml"
        )
    module = import_module(f"assets.ingestion.readers.{format.reader}")
    return cast("Reader", module.read)(path, relative, format, sheet, limits)


def too_many_unreadable(relative: str) -> ReadError:
    """The sentence for a file with more unreadable records than are told one by one."""
    return ReadError(
        f"{relative}: more than {MAXIMUM_UNREADABLE} records cannot be read; correct the site's declaration, "
        "or have it exported again"
    )


def header_names(cells: Sequence[str], relative: str) -> list[str]:
    """Column names of a header row, blanks stripped; trailing cells without a name are left out.

    A cell without a name further left (as R writes row names) is called `column_<position>`.

    Raises:
        ReadError: no names at all, too many, a name given twice, or a name that readers need for themselves.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > MAXIMUM_COLUMNS:
        raise ReadError(
            f"{relative}: has {len(names)} columns, {MAXIMUM_COLUMNS} are read; correct the site's declaration, "
            "or have it exported in parts"
        )
    if not names:
        raise ReadError(f"{relative}: the header row is blank; check title_rows in the site's declaration")
    names = [name or f"column_{position}" for position, name in enumerate(names, start=1)]
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
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
