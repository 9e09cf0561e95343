"""Excel workbooks: types of cells, headers of several rows, sheets beside the one asked for, and hostile sizes."""

from __future__ import annotations

import base64
import datetime as dt
import zlib
from pathlib import Path

import pytest

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, read_file
from benchmarks.fuzz_seeds import OLD_WORKBOOK
from codebook.formats import DelimitedFormat, ExcelFormat, ReadingLimits


def read_excel(path: Path, sheet: str | None = None, limits: ReadingLimits | None = None, **said: int) -> SourceFrame:
    return read_file(path, path.name, ExcelFormat.model_validate({"reader": "excel", **said}), sheet, limits)


def rows(source: SourceFrame) -> list[tuple[object, ...]]:
    return source.frame.rows()


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    import xlsxwriter

    path = tmp_path / "export.xlsx"
    with xlsxwriter.Workbook(path) as book:
        date, moment = book.add_format({"num_format": "dd.mm.yyyy"}), book.add_format({"num_format": "dd.mm.yy hh:mm"})
        book.add_worksheet("Read me").write_string(0, 0, "nothing here")
        sheet = book.add_worksheet("Data")
        sheet.write_string(0, 0, "Unit A, export of questionnaires")
        for column, name in enumerate(["id", "n", "score", "seen", "moment", "share", "text"]):
            sheet.write_string(2, column, name)
        for row, number in ((3, 1), (5, 2)):
            sheet.write_string(row, 0, f" 00{number} ")
            sheet.write_number(row, 1, number)
            sheet.write_number(row, 2, 1.5)
            sheet.write_datetime(row, 3, dt.datetime(2026, 1, 2), date)
            sheet.write_datetime(row, 4, dt.datetime(2026, 1, 2, 13, 45), moment)
            sheet.write_formula(row, 5, "=1/0", None, "#DIV/0!")
            sheet.write_string(row, 6, "#NULL!")
        sheet.write_string(5, 8, "a remark beside the table")
        sheet.write_blank(9, 0, None, date)
    return path


def test_excel_cells_become_text_and_rows_keep_their_number(workbook: Path) -> None:
    source = read_file(workbook, "export.xlsx", ExcelFormat(reader="excel", title_rows=2), "Data")
    assert source.frame.columns == ["id", "n", "score", "seen", "moment", "share", "text", "column_9", SOURCE_ROW]
    told = ("1.5", "2026-01-02", "2026-01-02 13:45:00", "#DIV/0!", "#NULL!")
    assert rows(source) == [("001", "1", *told, None, 4), ("002", "2", *told, "a remark beside the table", 6)]
    assert source.notes == ("holds 2 cells that Excel could not compute (rows 4, 6)",)
    assert source.sheet == "Data"


def test_late_text_in_a_column_of_numbers_is_kept(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "late.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "n")
        for row in range(1, 3000):
            sheet.write_number(row, 0, row)
        sheet.write_string(3000, 0, "n/a")
    frame = read_file(tmp_path / "late.xlsx", "late.xlsx", ExcelFormat(reader="excel")).frame
    assert (frame.height, frame.row(-1)) == (3000, ("n/a", 3001))
    assert frame["n"].null_count() == 0


def test_excel_problems_say_what_to_do(workbook: Path, tmp_path: Path) -> None:
    excel = ExcelFormat(reader="excel")
    with pytest.raises(ReadError, match="no sheet 'Dato', but 'Read me', 'Data'"):
        read_file(workbook, "export.xlsx", excel, "Dato")
    with pytest.raises(ReadError, match="several sheets"):
        read_file(workbook, "export.xlsx", excel)
    with pytest.raises(ReadError, match="header row 2 is blank"):
        read_file(workbook, "export.xlsx", ExcelFormat(reader="excel", title_rows=1), "Data")
    (tmp_path / "text.xls").write_text("a\tb\t\n1\t2\t\n")
    with pytest.raises(ReadError, match=r"text.xls: is no Excel workbook.*reader: delimited"):
        read_file(tmp_path / "text.xls", "text.xls", excel)
    (tmp_path / "cut.xlsx").write_bytes(workbook.read_bytes()[:900])
    with pytest.raises(ReadError, match="damaged or has a password"):
        read_file(tmp_path / "cut.xlsx", "cut.xlsx", excel)


def test_merged_headings_count_for_every_column_below_them(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "Unit A")
        sheet.merge_range(1, 0, 2, 0, "id")
        sheet.merge_range(1, 1, 1, 2, "WAI")
        for column, name in ((1, "1"), (2, "2"), (3, "seen")):
            sheet.write_string(2, column, name)
        sheet.write_row(3, 0, ["a", 1, 2, "x"])
    source = read_excel(tmp_path / "a.xlsx", title_rows=1, header_rows=2)
    assert source.frame.columns == ["id", "WAI / 1", "WAI / 2", "seen", SOURCE_ROW]
    assert rows(source) == [("a", "1", "2", "x", 4)]


def test_headings_in_the_first_column_of_their_group_count_until_the_next(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Patient", None, "Alliance", None, None])
        sheet.write_row(1, 0, ["id", "sex", "baseline", None, "month 6"])
        sheet.write_row(2, 0, [None, None, "1", "2", "1"])
        sheet.write_row(3, 0, ["a", "f", 1, 2, 3])
    source = read_excel(tmp_path / "a.xlsx", header_rows=3)
    assert source.frame.columns[:5] == [
        "Patient / id",
        "Patient / sex",
        "Alliance / baseline / 1",
        "Alliance / baseline / 2",
        "Alliance / month 6 / 1",
    ]


@pytest.mark.parametrize(("from_1904", "second"), [(False, "2026-01-03"), (True, "2026-01-03")])
def test_day_numbers_among_dates_are_dates_and_said_so(tmp_path: Path, from_1904: bool, second: str) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx", {"date_1904": from_1904}) as book:
        sheet = book.add_worksheet()
        date = book.add_format({"num_format": "dd.mm.yyyy"})
        sheet.write_row(0, 0, ["seen", "plain", "year"])
        for row, day in enumerate((2, 3, 4), start=1):
            sheet.write_datetime(row, 0, dt.datetime(2026, 1, day), None if day == 3 else date)
            sheet.write_number(row, 1, 46023 + row)
            sheet.write_datetime(row, 2, dt.datetime(2026, 1, day), date)
        sheet.write_number(2, 2, 2026)
    source = read_excel(tmp_path / "a.xlsx")
    assert source.frame["seen"].to_list() == ["2026-01-02", second, "2026-01-04"]
    assert source.frame["plain"].to_list() == ["46024", "46025", "46026"], "nothing says that these are days"
    assert source.frame["year"].to_list() == ["2026-01-02", "2026", "2026-01-04"]
    assert source.notes == ("column 'seen': 1 day numbers among its dates were read as dates",)


def test_other_sheets_with_rows_are_named_hidden_ones_too(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Blank")
        book.add_worksheet("Data & more").write_column(0, 0, ["a", 1])
        hidden = book.add_worksheet("Notes")
        hidden.write_column(0, 0, ["b", 2])
        hidden.hide()
    source = read_excel(tmp_path / "a.xlsx", "Data & more")
    assert (source.sheet, source.other_sheets) == ("Data & more", ("Notes",))
    with pytest.raises(ReadError, match="several sheets \\('Blank', 'Data & more', 'Notes'\\)"):
        read_excel(tmp_path / "a.xlsx")
    with pytest.raises(ReadError, match="the sheet is empty"):
        read_excel(tmp_path / "a.xlsx", "Blank")


def test_the_only_sheet_with_anything_in_it_needs_no_name(tmp_path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Sheet1").write_column(0, 0, ["a", 1])
        book.add_worksheet("Sheet2")
        book.add_worksheet("Sheet3")
    assert rows(read_excel(tmp_path / "a.xlsx")) == [("1", 2)]


def test_the_older_xls_is_read_like_xlsx(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_bytes(zlib.decompress(base64.b85decode(OLD_WORKBOOK)))
    source = read_excel(tmp_path / "a.xls", "Data")
    assert rows(source) == [
        ("001", "1", "2026-01-02", "né", 2),
        ("002", "2", "2026-01-03", "#NULL!", 3),
        ("003", "3", "2026-01-02", "x", 4),
    ]
    assert source.other_sheets == ("Hidden",)


def test_every_error_of_excel_is_text(tmp_path: Path) -> None:
    import xlsxwriter

    errors = ["#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"]
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "x")
        for row, error in enumerate(errors, start=1):
            sheet.write_formula(row, 0, "=1/0", None, error)
    assert read_excel(tmp_path / "a.xlsx").frame["x"].to_list() == errors


def test_sheets_above_the_limits_are_refused_before_they_are_loaded(workbook: Path) -> None:
    with pytest.raises(ReadError, match=r"sheet 'Data': spans .* cells, 20 are read; .*limits.max_sheet_cells"):
        read_excel(workbook, "Data", ReadingLimits(max_sheet_cells=20), title_rows=2)


def test_text_that_is_called_xls_is_read_as_what_it_is(shared: Path, tmp_path: Path) -> None:
    """`.xls` that is tab text with an empty last column, and UTF-16 with a mark inside every cell (secuTrial)."""
    import zipfile

    folder = shared / "samples" / "secutrial"
    frames = {}
    for kind, encoding in (("utf8bom", "utf-8"), ("utf16", "utf-16-be")):
        with zipfile.ZipFile(folder / f"s_export_CSV-xls_CTU05_short_ref_miss_fr_{kind}.zip") as package:
            (tmp_path / "cn.xls").write_bytes(package.read("cn.xls"))
        with pytest.raises(ReadError, match=r"is no Excel workbook.*reader: delimited"):
            read_excel(tmp_path / "cn.xls")
        format = DelimitedFormat(reader="delimited", delimiter="\t", encoding=encoding)
        frames[kind] = read_file(tmp_path / "cn.xls", "cn.xls", format).frame
    assert frames["utf16"].equals(frames["utf8bom"])
    assert frames["utf8bom"].columns[:3] == ["mnppid", "mnpaid", "mnp_rando_treatment_gr"]
    assert frames["utf8bom"].columns[-2:] == ["mnpvisstartdate", SOURCE_ROW]
    assert frames["utf8bom"].height == 11
