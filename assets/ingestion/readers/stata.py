"""Stata files: codes as text, dates as ISO, with the extended missing values and labels that the file declares.

What belongs here: what is special about `.dta`. What does not: what a code means (labels are handed over, not applied).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from assets.ingestion.readers.cells import Cell, cell_text
from assets.ingestion.readers.isolated import read_isolated
from assets.ingestion.readers.protocol import SourceFrame
from assets.ingestion.readers.readstat import damage, parts
from codebook.formats import ReadingLimits, StataFormat

_ORIGIN = 1960
_PERIODS = {"%tm": (12, "-"), "%tq": (4, "q"), "%th": (2, "h"), "%tw": (52, "w")}
"""Formats that count periods from 1960: how many a year has, and how Stata writes one."""
_FARTHEST = 100_000
"""Periods before or after 1960; a number beyond is no time."""
_LARGEST = 3.4e38
"""Of a number in four bytes."""


def read(
    path: Path, relative: str, format: StataFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read a `.dta` file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the record's number. Extended missing values stand in the frame as Stata writes them (`.a`) and are
    `user_missing`, with their label where the file has one; the plain missing value is blank. Files older than
    Stata 14 say nothing of their encoding and are read as cp1252 unless the site declares another.

    Raises:
        ReadError: not a Stata file, its text is not in the declared encoding, or it is larger than the limits.
    """
    limits = limits or ReadingLimits()
    damaged = damage(relative, "dta", format.encoding)
    return read_isolated(path, relative, format, sheet, limits, damaged)


def read_here(path: Path, relative: str, format: StataFormat, sheet: str | None, limits: ReadingLimits) -> SourceFrame:
    """What `read` says, in this process, whatever the file does to it."""
    frames: list[pl.DataFrame] = []
    labels: dict[str, dict[str, str]] = {}
    missing: dict[str, set[str]] = {}
    for part in parts(path, relative, "dta", format.encoding, limits):
        kinds: Mapping[str, str] = part.meta.readstat_variable_types
        shown: Mapping[str, str] = part.meta.original_variable_types
        texts: dict[str, list[str | None]] = {}
        for name, values in part.columns.items():
            kind, form, is_text = kinds.get(name, ""), shown.get(name) or "", kinds.get(name) == "string"
            known = part.meta.variable_value_labels.get(name, {}).items()
            labels[name] = {
                code: str(label)
                for value, label in known
                if (code := _text(value, "", "", is_text=is_text)) is not None
            }
            texts[name] = [_text(value, kind, form, is_text=is_text) for value in values]
            if not is_text:
                missing.setdefault(name, set()).update(_extended(values))
        frames.append(part.frame(texts))
    user_missing = {
        name: {code: labels[name].get(code, "missing by a code of the file") for code in sorted(codes)}
        for name, codes in missing.items()
        if codes
    }
    labels = {name: known for name, known in labels.items() if known}
    return SourceFrame(relative, None, pl.concat(frames), user_missing=user_missing, labels=labels)


def _extended(values: Sequence[Cell]) -> set[str]:
    return {f".{value}" for value in values if isinstance(value, str) and len(value) == 1}


def _text(value: Cell, kind: str, shown: str, *, is_text: bool) -> str | None:
    if is_text:
        return cell_text(value)
    if isinstance(value, str):
        return f".{value}"
    if isinstance(value, float) and kind == "float":
        return cell_text(_shortest(value))
    if isinstance(value, float | int) and shown[:3] in _PERIODS and abs(value) < _FARTHEST and value == int(value):
        per_year, sign = _PERIODS[shown[:3]]
        year, period = divmod(int(value), per_year)
        return f"{_ORIGIN + year}{sign}{period + 1:02d}" if sign == "-" else f"{_ORIGIN + year}{sign}{period + 1}"
    return cell_text(value)


def _shortest(value: float) -> float:
    """The shortest decimal that is the same number in four bytes: 1.1, which Stata's `float` keeps as 1.10000002."""
    if not math.isfinite(value) or abs(value) > _LARGEST:
        return value
    packed = struct.pack("f", value)
    return next(
        (short for digits in range(6, 10) if struct.pack("f", short := float(f"{value:.{digits}g}")) == packed), value
    )
