"""SPSS files: codes as text, dates as ISO, with the missing values and labels that the file declares.

What belongs here: what is special about `.sav`. What does not: what a code means (labels are handed over, not applied).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from assets.ingestion.readers.cells import Cell, cell_text
from assets.ingestion.readers.isolated import read_isolated
from assets.ingestion.readers.protocol import SourceFrame
from assets.ingestion.readers.readstat import damage, parts
from codebook.formats import ReadingLimits, SpssFormat


def read(
    path: Path, relative: str, format: SpssFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read a `.sav` file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the record's number. `user_missing` holds those values of the data that lie in a range which the
    file declares missing, with their label where it has one; the values stay in the frame.

    Raises:
        ReadError: not an SPSS file, its text is not in the declared encoding, or it is larger than the limits.
    """
    limits = limits or ReadingLimits()
    damaged = damage(relative, "sav", format.encoding)
    return read_isolated(path, relative, format, sheet, limits, damaged)


def read_here(path: Path, relative: str, format: SpssFormat, sheet: str | None, limits: ReadingLimits) -> SourceFrame:
    """What `read` says, in this process, whatever the file does to it."""
    frames: list[pl.DataFrame] = []
    labels: dict[str, dict[str, str]] = {}
    user_missing: dict[str, dict[str, str]] = {}
    for part in parts(path, relative, "sav", format.encoding, limits):
        frames.append(part.frame({name: [cell_text(value) for value in part.columns[name]] for name in part.columns}))
        labels = {
            name: {code: str(label) for value, label in known.items() if (code := cell_text(value)) is not None}
            for name, known in part.meta.variable_value_labels.items()
        }
        for name, ranges in part.meta.missing_ranges.items():
            codes = _declared_missing(part.columns[name], ranges, labels.get(name, {}))
            user_missing[name] = user_missing.get(name, {}) | codes
    missing = {name: dict(sorted(codes.items())) for name, codes in user_missing.items() if codes}
    return SourceFrame(relative, None, pl.concat(frames), user_missing=missing, labels=labels)


def _declared_missing(
    values: Sequence[Cell], ranges: Sequence[Mapping[str, float | str]], labels: Mapping[str, str]
) -> dict[str, str]:
    """Codes in the data that lie in a declared range (both ends included), with a label each."""
    found = {
        code
        for value in set(values)
        if isinstance(value, float | int | str) and (code := cell_text(value)) is not None
        if any(_within(value, item["lo"], item["hi"]) for item in ranges)
    }
    return {code: labels.get(code, "declared missing in the file") for code in found}


def _within(value: float | str, low: float | str, high: float | str) -> bool:
    if isinstance(value, str) or isinstance(low, str) or isinstance(high, str):
        return str(low).strip() <= str(value).strip() <= str(high).strip()
    return low <= value <= high
