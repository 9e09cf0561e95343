"""Excel workbooks, every cell as text: whole numbers without decimals, dates as ISO, errors as Excel shows them.

What belongs here: what is special about a workbook: sheets, rows above the header, types of cells. What does not:
worklists and reports, which are written elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, clean, header_names
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


def read(
    path: Path, relative: str, format: ExcelFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one sheet (`assets.ingestion.readers.protocol.read_file` says what comes out).

    Rows without any content are no records. A column with content but without a name is called `column_<position>`.
    A cell that Excel could not compute holds the error's text, so that a rule can say so; it is never blank.

    Raises:
        ReadError: not a workbook, no such sheet, or no usable header.
    """
    reader = _open(path, relative)
    name = _choose(reader.sheet_names, sheet, relative)
    batch, errors = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_arrow_with_errors()
    place = f"{relative}, sheet '{name}'"
    cells = pl.DataFrame(pl.from_arrow(batch))
    if cells.is_empty():
        raise ReadError(f"{place}: the sheet is empty; have it exported again")
    cells.columns = [str(position) for position in range(cells.width)]
    cells = clean(_iso(_with_errors(cells, errors))).with_row_index(SOURCE_ROW, offset=1)
    header, body = cells.slice(format.title_rows, 1).drop(SOURCE_ROW), cells.slice(format.title_rows + 1)
    if header.is_empty():
        raise ReadError(f"{place}: nothing stands below its {format.title_rows} title rows; correct title_rows")
    if all(cell is None for cell in header.row(0)):
        raise ReadError(f"{place}: the header row {format.title_rows + 1} is blank; correct title_rows")
    named = {
        column: cell or f"column_{int(column) + 1}"
        for column, cell in zip(header.columns, header.row(0), strict=True)
        if cell is not None or body[column].null_count() < body.height
    }
    names = header_names(list(named.values()), place)
    frame = (
        body.select(pl.col(list(named)), pl.col(SOURCE_ROW).cast(pl.Int64))
        .rename(dict(zip(named, names, strict=True)))
        .filter(pl.any_horizontal(pl.col(names).is_not_null()))
    )
    return SourceFrame(relative, name, frame, notes=_error_note(errors))


def _open(path: Path, relative: str) -> ExcelReader:
    import fastexcel

    with path.open("rb") as file:
        magic = file.read(8)
    if not magic.startswith((_ZIP, _OLE)):
        raise ReadError(
            f"{relative}: is no Excel workbook, whatever its name says; if it is text, declare reader: delimited"
        )
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError:
        raise ReadError(
            f"{relative}: the workbook is damaged or has a password; have it saved again without one"
        ) from None


def _choose(sheets: list[str], sheet: str | None, relative: str) -> str:
    listed = ", ".join(f"'{name}'" for name in sheets)
    if sheet is None:
        if len(sheets) == 1:
            return sheets[0]
        raise ReadError(f"{relative}: has several sheets ({listed}); name one in the site's declaration")
    if sheet not in sheets:
        raise ReadError(f"{relative}: has no sheet '{sheet}', but {listed}; correct the site's declaration")
    return sheet


def _with_errors(cells: pl.DataFrame, errors: CellErrors | None) -> pl.DataFrame:
    """Put the text of Excel's errors where the reader left blanks. Positions are (row, column) of the sheet, from 0."""
    for error in errors.errors if errors else ():
        row, column = error.position
        cells[row, column] = _error_text(error.detail)
    return cells


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
