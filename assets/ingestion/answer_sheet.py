"""One worklist as it came back: what the spreadsheet program made of the file, and the rows in which somebody said
something.

What belongs here: delimiter, encoding, headings old and new, and which row is about what. What does not: which files
count (`assets.ingestion.answers`), and what an answer makes of a finding or a due point (SQL).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, read_file
from assets.spreadsheet import restored
from codebook.formats import DelimitedFormat, ExcelFormat, Format, ReadingLimits

Kind = Literal["finding", "due_point"]

SHEET = "Worklist"
FINDING_ANSWERS = {
    "corrected": "corrected",
    "confirmed": "value right",
    "unobtainable": "unobtainable",
    "in_progress": "in progress",
}
"""What can be said of a finding → how the worklist writes it. corrected: mended at the source, the next delivery shows
it. confirmed: it is right as it is. unobtainable: it cannot be found out any more. in_progress: somebody is at it."""
DUE_ANSWERS = {
    "corrected": "corrected",
    "refused": "refused",
    "not_given": "not given",
    "left": "left",
    "unobtainable": "unobtainable",
    "in_progress": "in progress",
}
"""What can be said of a due point → how the worklist writes it. corrected: it is in the unit's system now, the next
delivery shows it. refused: the patient would not. not_given: the unit did not ask. left: the patient had left.
unobtainable: it cannot be had any more. in_progress: it will come."""
ANSWERS_TO: Mapping[Kind, Mapping[str, str]] = {"finding": FINDING_ANSWERS, "due_point": DUE_ANSWERS}
IDS: Mapping[Kind, str] = {"finding": "finding_id", "due_point": "due_point_id"}
"""Kind of row → the column whose id says which one it is."""
_SYNONYMS = {"value_right": "confirmed"}
_UNICODE_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class Said:
    """One row in which somebody answered or commented.

    `answer`: a key of FINDING_ANSWERS or DUE_ANSWERS; a comment alone says that somebody is at it. `fault`: why the row
    cannot be used (then `kind`, `id` and `answer` may be missing); never a word of what stands in it.
    """

    row: int
    kind: Kind | None
    id: str | None
    answer: str | None
    comment: str | None
    fault: str | None = None


@dataclass(frozen=True)
class Sheet:
    """One worklist as text under its own headings; `unreadable`: rows that do not fit under them."""

    frame: pl.DataFrame
    unreadable: tuple[int, ...] = ()


def answer_sheet(path: Path, limits: ReadingLimits) -> Sheet:
    """Read a file: of a workbook the sheet of the worklist, or its only one.

    Raises:
        ReadError: the file cannot be used.
    """
    if path.suffix.lower() == ".xlsx":
        with contextlib.suppress(ReadError):
            return Sheet(read_file(path, path.name, _format(path), SHEET, limits).frame)
        return Sheet(read_file(path, path.name, _format(path), None, limits).frame)
    read = read_file(path, path.name, _format(path), None, limits)
    return Sheet(restored(read.frame), tuple(row.source_row for row in read.unreadable))


def listed_ids(frame: pl.DataFrame) -> dict[Kind, list[str]]:
    """Every id that a sheet lists, by kind, in the order of its rows."""
    frame = _headed(frame)
    return {kind: frame[column].drop_nulls().to_list() for kind, column in IDS.items()}


def missing_columns(frame: pl.DataFrame) -> list[str]:
    """What a sheet lacks to be a worklist; a list of findings alone, as it was sent before, is one."""
    there = {_name(column) for column in frame.columns}
    missing = [] if there & set(IDS.values()) else [IDS["finding"]]
    return [*missing, *(() if "answer" in there else ("answer",))]


def said_in(frame: pl.DataFrame) -> Iterator[Said]:
    """Every row of a worklist that somebody filled in, in order."""
    for finding, due_point, raw, comment, row in _headed(frame).iter_rows():
        if raw is None and comment is None:
            continue
        if (due_point is None) == (finding is None):
            both = "both a finding_id and a due_point_id"
            fault = both if finding else "an answer without finding_id or due_point_id"
            yield Said(row, None, None, None, None, fault)
            continue
        kind: Kind = "due_point" if due_point else "finding"
        answer = _key(raw) if raw else "in_progress"
        if answer not in ANSWERS_TO[kind]:
            fault = f"an answer that is none of {', '.join(ANSWERS_TO[kind].values())}"
            yield Said(row, kind, due_point or finding, None, None, fault)
            continue
        yield Said(row, kind, due_point or finding, answer, comment)


def _headed(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns that matter, under small letters; those that an older worklist did not have stand empty."""
    there: dict[str, str] = {}
    for column in frame.columns:
        there.setdefault(_name(column), column)
    wanted = (*IDS.values(), "answer", "comment", SOURCE_ROW)
    empty = pl.lit(None, dtype=pl.String)
    return frame.select((pl.col(there[name]) if name in there else empty).alias(name) for name in wanted)


def _name(column: str) -> str:
    return column if column == SOURCE_ROW else column.strip().lower().replace(" ", "_")


def _key(raw: str) -> str:
    key = raw.strip().lower().replace(" ", "_").replace("-", "_")
    return _SYNONYMS.get(key, key)


def _format(path: Path) -> Format:
    """How a spreadsheet program saved the file: its delimiter and encoding show in the first line."""
    if path.suffix.lower() == ".xlsx":
        return ExcelFormat(reader="excel")
    start = path.read_bytes()
    encoding = _UNICODE_MARKS.get(start[:2]) or _encoding(start)
    first = start.split(b"\n", 1)[0]
    delimiter = max(";,\t", key=lambda sign: first.count(sign.encode()))
    return DelimitedFormat(reader="delimited", encoding=encoding, delimiter=delimiter)


def _encoding(start: bytes) -> str:
    try:
        start.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
