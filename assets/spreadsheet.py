"""Text that goes to spreadsheets and comes back: nothing in it is computed, and nothing of it is lost.

What belongs here: neutralising, restoring, and the CSV files that people open. What does not: which rows and columns
(`assets.publishing`), and reading what came back (`assets.ingestion.answer_sheet`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from codebook.outgoing import CsvDialect

CREATED = dt.datetime(2000, 1, 1)
"""What every workbook says about its making, so that the same rows give the same bytes."""
COMPUTED = "=+\\-@\\t\\r\\n"
"""A text that begins with one of these is a formula, or becomes one when the spreadsheet trims it (in a class)."""
NEUTRALISED = rf"^('*[{COMPUTED}])"
RESTORED = rf"^'('*[{COMPUTED}])"


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts that a spreadsheet would compute get an apostrophe in front; numbers and dates stay what they are.

    `restored` takes exactly that apostrophe away again: texts that begin with apostrophes before such a sign get one
    more, so that the two are inverse.
    """
    return frame.with_columns(pl.col(name).str.replace(NEUTRALISED, "'$1") for name in _texts(frame))


def restored(frame: pl.DataFrame) -> pl.DataFrame:
    """What `harmless` was given."""
    return frame.with_columns(pl.col(name).str.replace(RESTORED, "$1") for name in _texts(frame))


def is_computed(text: str) -> bool:
    """Whether a spreadsheet would compute a text that is typed into it."""
    return text[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}


def write_csv(frame: pl.DataFrame, path: Path, dialect: CsvDialect) -> None:
    """Write `frame`, neutralised, in the network's dialect; the same rows give the same bytes."""
    text = harmless(frame).write_csv(separator=dialect.delimiter, decimal_comma=dialect.decimal == ",")
    path.write_bytes(text.encode(dialect.encoding, errors="replace"))


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.String()]
