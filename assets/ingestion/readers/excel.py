"""Excel workbooks, every cell as text: whole numbers without decimals, dates as ISO, errors as Excel shows them.

What belongs here: what is special about a workbook: sheets, rows above the header, merged cells, types of cells.
What does not: how large a sheet is before it is loaded (`workbook`), and worklists and reports, which are written
elsewhere.

Excel keeps a date as a day number and shows it by the cell's format. A number in a column whose other cells are mostly
dates is a date that lost its format, and is read as one. Where a whole column is formatted as plain numbers or text,
nothing in the file says that these are days: they stay numbers, and the mapping reports them as unreadable dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.ingestion.readers.isolated import read_isolated
from assets.ingestion.readers.native import damage_as
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, clean, header_names
from assets.ingestion.readers.workbook import Merged, WorkbookFacts, examine
from codebook.formats import ExcelFormat, ReadingLimits

if TYPE_CHECKING:
    from fastexcel import CellErrors, ExcelReader

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_ERRORS = {
    "Div0": "#DIV/0!",
    "NA": "#N/A",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
}

_FIRST_DAY, _LAST_DAY = 10_000, 80_000
"""Day numbers between 1927 and 2119; smaller ones may be years or ages."""
_JOINT = " / "


def read(
    path: Path, relative: str, format: ExcelFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one sheet (`assets.ingestion.readers.protocol.read_file` says what comes out).

    Rows without any content are no records. A column with content but without a name is called `column_<position>`.
    A cell that Excel could not compute holds the error's text, so that a rule can say so; it is never blank.
    `other_sheets` names the sheets with content that were not asked for, hidden ones too. Without `sheet` the only
    sheet that has any content is read.

    Raises:
        ReadError: not a workbook, no such sheet, larger than the limits, or no usable header.
    """
    limits = limits or ReadingLimits()
    _check_kind(path, relative)
    return read_isolated(path, relative, format, sheet, limits, damaged=_damaged(relative))


def read_here(path: Path, relative: str, format: ExcelFormat, sheet: str | None, limits: ReadingLimits) -> SourceFrame:
    """What `read` says, in this process, whatever the workbook does to it."""
    facts = examine(path, relative, limits) if _check_kind(path, relative) == _ZIP else None
    with damage_as(_damaged(relative)):
        reader = _open(path)
        filled = [name for name in reader.sheet_names if _is_filled(reader, name, facts)]
        name = _choose(reader.sheet_names, filled, sheet, relative)
        cells, errors = _load(reader, name)
    place = f"{relative}, sheet '{name}'"
    if cells.is_empty():
        raise ReadError(f"{place}: the sheet is empty; have it exported again")
    if cells.height * cells.width > limits.max_sheet_cells:
        raise ReadError(
            f"{place}: spans {cells.height * cells.width} cells, {limits.max_sheet_cells} are read; "
            "have it exported as text, or raise limits.max_sheet_cells in network.yaml"
        )
    cells = clean(_iso(_with_errors(cells, errors))).with_row_index(SOURCE_ROW, offset=1)
    merged = facts.sheets[name].merged if facts and name in facts.sheets else ()
    frame = _below_header(cells, format, place, merged)
    frame, days_note = _days_as_dates(frame, is_from_1904=facts is not None and facts.is_from_1904)
    others = tuple(other for other in filled if other != name)
    return SourceFrame(relative, name, frame, other_sheets=others, notes=(*_error_note(errors), *days_note))


def _damaged(relative: str) -> str:
    return f"{relative}: the workbook is damaged or has a password; have it saved again without one"


def _check_kind(path: Path, relative: str) -> bytes:
    """How an Excel file begins: `.xlsx` as a zip, the older `.xls` as an OLE file."""
    with path.open("rb") as file:
        magic = file.read(8)
    for kind in (_ZIP, _OLE):
        if magic.startswith(kind):
            return kind
    raise ReadError(
        f"{relative}: is no Excel workbook, whatever its name says; if it is text, declare reader: delimited"
    )


def _open(path: Path) -> ExcelReader:
    import fastexcel

    return fastexcel.read_excel(path.read_bytes())


def _load(reader: ExcelReader, name: str) -> tuple[pl.DataFrame, CellErrors | None]:
    batch, errors = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_arrow_with_errors()
    cells = pl.DataFrame(pl.from_arrow(batch))
    cells.columns = [str(position) for position in range(cells.width)]
    return cells, errors


def _is_filled(reader: ExcelReader, name: str, facts: WorkbookFacts | None) -> bool:
    if facts is not None:
        return name in facts.sheets and facts.sheets[name].has_values
    total: int = reader.load_sheet(name, header_row=None, n_rows=1, dtypes="string").total_height
    return total > 0


def _choose(sheets: Sequence[str], filled: Sequence[str], sheet: str | None, relative: str) -> str:
    listed = ", ".join(f"'{name}'" for name in sheets)
    if sheet is None:
        if len(sheets) == 1 or len(filled) == 1:
            return filled[0] if filled else sheets[0]
        raise ReadError(
            f"{relative}: has several sheets ({listed}); name one in the site's declaration (--sheet of a draft)"
        )
    if sheet not in sheets:
        raise ReadError(f"{relative}: has no sheet '{sheet}', but {listed}; correct the site's declaration")
    return sheet


def _below_header(cells: pl.DataFrame, format: ExcelFormat, place: str, merged: Sequence[Merged]) -> pl.DataFrame:
    """The records under their columns' names; `cells` still has every row of the sheet."""
    first, last = format.title_rows, format.title_rows + format.header_rows
    header, body = cells.slice(first, format.header_rows).drop(SOURCE_ROW), cells.slice(last)
    if header.height < format.header_rows:
        raise ReadError(f"{place}: nothing stands below its {format.title_rows} title rows; correct title_rows")
    headings = _headings(header, first, merged)
    if not any(headings):
        raise ReadError(f"{place}: the header row {last} is blank; correct title_rows")
    named = {
        column: heading or f"column_{int(column) + 1}"
        for column, heading in zip(header.columns, headings, strict=True)
        if heading or body[column].null_count() < body.height
    }
    names = header_names(list(named.values()), place)
    return (
        body.select(pl.col(list(named)), pl.col(SOURCE_ROW).cast(pl.Int64))
        .rename(dict(zip(named, names, strict=True)))
        .filter(pl.any_horizontal(pl.col(names).is_not_null()))
    )


def _headings(header: pl.DataFrame, first_row: int, merged: Sequence[Merged]) -> list[str]:
    """Each column's name from all header rows, from the top, joined; '' where no row names it.

    A merged cell counts for every column that it spans. Where the file tells no merged cells in its header (`.xls`, or
    headings written into the first column of their group), a heading above the last row counts until the next one.
    """
    rows = [list(row) for row in header.rows()]
    if len(rows) > 1:
        spans = [span for span in merged if first_row <= span.first_row < first_row + len(rows)]
        for span in spans:
            row = rows[span.first_row - first_row]
            for column in range(span.first_column + 1, min(span.last_column + 1, len(row))):
                row[column] = row[span.first_column]
        if not spans:
            for upper in rows[:-1]:
                for column in range(1, len(upper)):
                    upper[column] = upper[column] or upper[column - 1]
    headings = []
    for column in range(header.width):
        parts = [row[column] for row in rows if row[column]]
        headings.append(_JOINT.join(part for at, part in enumerate(parts) if at == 0 or part != parts[at - 1]))
    return headings


def _with_errors(cells: pl.DataFrame, errors: CellErrors | None) -> pl.DataFrame:
    """Put the text of Excel's errors where the reader left blanks. Positions are (row, column) of the sheet, from 0."""
    places: dict[int, dict[int, str]] = {}
    for error in errors.errors if errors else ():
        row, column = error.position
        if row < cells.height and column < cells.width:
            places.setdefault(column, {})[row] = _error_text(error.detail)
    return cells.with_columns(
        cells.to_series(column).scatter(list(found), pl.Series(list(found.values()), dtype=pl.String))
        for column, found in places.items()
    )


def _error_text(detail: str) -> str:
    kind = detail.rpartition("Error(")[2].split(")")[0]
    return _ERRORS.get(kind, "#ERROR!")


def _error_note(errors: CellErrors | None) -> tuple[str, ...]:
    if not errors or not errors.errors:
        return ()
    rows = sorted({error.position[0] + 1 for error in errors.errors})
    shown = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
    return (f"holds {len(errors.errors)} cells that Excel could not compute (rows {shown})",)


def _iso(cells: pl.DataFrame) -> pl.DataFrame:
    """Dates without a time of day as `YYYY-MM-DD`; times of day, which Excel counts from 1899, as `HH:MM:SS`."""
    return cells.with_columns(
        pl.col(pl.String)
        .str.replace(r"^(\d{4}-\d\d-\d\d) 00:00:00$", "$1")
        .str.replace(r"^1899-12-3[01] (\d\d:\d\d:\d\d)$", "$1")
    )


def _days_as_dates(frame: pl.DataFrame, *, is_from_1904: bool) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Day numbers as dates in columns of which more than half are dates; and a note on each such column."""
    origin = dt.date(1904, 1, 1) if is_from_1904 else dt.date(1899, 12, 30)
    text = pl.col(pl.String)
    is_date = text.str.contains(r"^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$")
    dates = frame.select(is_date.sum())
    filled = frame.select(text.count())
    changed: list[pl.Expr] = []
    notes: list[str] = []
    for name in dates.columns:
        n_dates, n_filled = dates[name].item() or 0, filled[name].item() or 0
        if not n_filled // 2 < n_dates < n_filled:
            continue
        number = pl.col(name).str.extract(r"^(\d{5})(?:\.0+)?$", 1).cast(pl.Int32)
        is_day = number.is_between(_FIRST_DAY, _LAST_DAY)
        n_days = frame.select(is_day.sum()).item()
        if n_days:
            day = (pl.lit(origin) + pl.duration(days=number)).dt.strftime("%Y-%m-%d")
            changed.append(pl.when(is_day).then(day).otherwise(pl.col(name)).alias(name))
            notes.append(f"column '{name}': {n_days} day numbers among its dates were read as dates")
    return frame.with_columns(changed), tuple(notes)
