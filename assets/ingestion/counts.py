"""How many patients a unit treated, by its own administration: counts/<site>.csv.

What belongs here: reading these files and saying what is wrong with them. What does not: coverage (SQL,
`quality.coverage`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from codebook.library import Library

TREATED_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "period_start": pl.Date(),
    "period_end": pl.Date(),
    "n_treated": pl.Int64(),
}
COLUMNS = ("period_start", "period_end", "n_treated")
LONGEST_LINE = 1000
"""Characters; a longer line is no row of dates and counts."""
_HEADER = ",".join(COLUMNS)


@dataclass
class Counts:
    """What the files say, and what is wrong: a sentence each with file, row, column and remedy.

    A row that is wrong is left out, and so is a file that cannot be read; the rest counts.
    """

    rows: list[tuple[str, dt.date, dt.date, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def frame(self, as_of: dt.date | None = None) -> pl.DataFrame:
        """One row per site and period, of periods that had ended by `as_of`, for SQL."""
        rows = sorted(row for row in self.rows if as_of is None or row[2] <= as_of)
        return pl.DataFrame(rows, schema=TREATED_SCHEMA, orient="row")


def read_counts(library: Library) -> Counts:
    """Every file under counts/."""
    counts = Counts()
    folder = library.folder.root / "counts"
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        if path.stem not in library.sites:
            counts.problems.append(f"counts/{path.name}: no unit is called '{path.stem}'; name the file after a unit")
            continue
        _read(path, counts)
    return counts


def _read(path: Path, counts: Counts) -> None:
    place = f"counts/{path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        counts.problems.append(f"{place}: not UTF-8 text; save it as UTF-8")
        return
    except OSError as error:
        counts.problems.append(f"{place}: cannot be read ({error.strerror}); check the file's rights")
        return
    lines = text.split("\n")
    long = next((number for number, line in enumerate(lines, start=1) if len(line) > LONGEST_LINE), None)
    if long is not None:
        counts.problems.append(
            f"{place}, row {long}: longer than {LONGEST_LINE} characters; save it as CSV, its first line {_HEADER}"
        )
        return
    first = lines[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip().lower() for cell in next(_lines(reader, place, counts), [])]
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        counts.problems.append(f"{place}, row 1: has no column {' and '.join(missing)}; its first line is {_HEADER}")
        return
    taken: list[tuple[str, dt.date, dt.date, int]] = []
    for cells in _lines(reader, place, counts):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{place}, row {reader.line_num}"
        cell = dict(zip(header, (value.strip() for value in cells), strict=False))
        wrong = list(_wrong(cell))
        counts.problems.extend(f"{where}, {text}" for text in wrong)
        if wrong:
            continue
        start, end = (dt.date.fromisoformat(cell[name]) for name in COLUMNS[:2])
        if any(start <= other_end and other_start <= end for _, other_start, other_end, _ in taken):
            counts.problems.append(
                f"{where}, column period_start: the period overlaps another of this file; give each day to one period"
            )
            continue
        taken.append((path.stem, start, end, int(cell["n_treated"])))
    counts.rows.extend(taken)


def _lines(reader: Iterator[list[str]], place: str, counts: Counts) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        counts.problems.append(f"{place}: not a table ({error}); save it as CSV, its first line {_HEADER}")


def _wrong(cell: dict[str, str]) -> Iterator[str]:
    """What is wrong with a row, each with its column and its remedy; values are dates and counts, never a patient's."""
    dates: dict[str, dt.date] = {}
    for name in COLUMNS[:2]:
        try:
            dates[name] = dt.date.fromisoformat(cell.get(name, ""))
        except ValueError:
            yield f"column {name}: not a date; write it like 2026-01-31"
    if len(dates) == len(COLUMNS[:2]) and dates["period_end"] < dates["period_start"]:
        yield "column period_end: before period_start; change them about, or correct one"
    number = cell.get("n_treated", "")
    if not (number.isascii() and number.isdigit()):
        yield "column n_treated: not a whole number of patients; write it in digits"
