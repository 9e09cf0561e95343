"""Readers on files that are as awkward as real ones: every record is read or named as unreadable."""

from __future__ import annotations

import csv
import datetime as dt
import random
from pathlib import Path

import polars as pl
import pytest

from assets.ingestion.readers import delimited, redcap
from assets.ingestion.readers.delimited import Dialect, split_lines, split_records
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, UnreadableRow, read_file
from codebook.formats import DelimitedFormat, ExcelFormat, RedcapFormat, SpssFormat


def read_text(folder: Path, content: str | bytes, **declared: object) -> SourceFrame:
    path = folder / "export.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, "export.csv", DelimitedFormat.model_validate({"reader": "delimited", **declared}))


def rows(source: SourceFrame) -> list[tuple[object, ...]]:
    return source.frame.rows()


# Delimited text


def test_cells_stay_text_without_surrounding_blanks(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'id;score;note\n007; 1,50 ;"a;b"\n008;;"  "\n', delimiter=";")
    assert source.frame.schema == {"id": pl.String, "score": pl.String, "note": pl.String, SOURCE_ROW: pl.Int64}
    assert rows(source) == [("007", "1,50", "a;b", 2), ("008", None, None, 3)]


def test_title_rows_empty_lines_and_quoted_line_breaks_keep_the_line_to_look_up(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'Unit A, "2026\n\nid,note\r\n1,"two\r\nlines"\r\n\r\n2,one\r\n', title_rows=1)
    assert rows(source) == [("1", "two\nlines", 4), ("2", "one", 7)]


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("näme\nÅse\n".encode("cp1252"), "cp1252"),
        ("näme\nÅse\n".encode(), "utf-8"),
        ("näme\nÅse\n".encode("utf-8-sig"), "utf-8"),
        ("näme\nÅse\n".encode("utf-16"), "utf-16"),
        ("\ufeffnäme\n\ufeffÅse\n".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_declared_encodings_are_read(tmp_path: Path, content: bytes, declared: str) -> None:
    source = read_text(tmp_path, content, encoding=declared)
    assert (rows(source), source.notes) == ([("Åse", 2)], ())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_a_file_that_is_not_in_the_declared_encoding_is_read_and_noted(tmp_path: Path, encoding: str) -> None:
    source = read_text(tmp_path, "näme\nÅse\n".encode(encoding), encoding="cp1252")
    assert rows(source) == [("Åse", 2)]
    assert len(source.notes) == 1
    assert "cp1252" in source.notes[0]


def test_bytes_that_are_not_the_encoding_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"export.csv: line 3 holds bytes that are not utf-8"):
        read_text(tmp_path, "a\n1\nÅ\n".encode("cp1252"))
    with pytest.raises(ReadError, match="encoding 'cp0' is unknown"):
        read_text(tmp_path, "a\n1\n", encoding="cp0")


def test_too_many_or_too_few_cells_are_unreadable_but_trailing_blank_ones_are_fine(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a\tb\t\n1\t2\t\n3\n4\t5\t \t\n6\t7\t8\n9\t10\n", delimiter="\t")
    assert rows(source) == [("1", "2", 2), ("4", "5", 4), ("9", "10", 6)]
    assert source.unreadable == (
        UnreadableRow(3, "has 1 cells, the header has 2"),
        UnreadableRow(5, "has 3 cells, the header has 2"),
    )


def test_a_broken_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    source = read_text(tmp_path, 'a,b\n1,"open\n2,"fine"\n3,x "y" z\n4,"he said "no""\n5,"never closed\n6,7\n')
    assert rows(source) == [("2", "fine", 3), ("3", 'x "y" z', 4), ("6", "7", 7)]
    assert [row.source_row for row in source.unreadable] == [2, 5, 6]


def test_nul_bytes_make_a_row_unreadable(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a,b\n1,2\n\x003,4\n")
    assert rows(source) == [("1", "2", 2)]
    assert source.unreadable == (UnreadableRow(3, "holds NUL bytes"),)


def test_a_header_alone_is_a_frame_without_rows(tmp_path: Path) -> None:
    source = read_text(tmp_path, "a,b\n")
    assert source.frame.shape == (0, 3)
    assert source.frame.schema[SOURCE_ROW] == pl.Int64


def test_row_names_without_a_header_are_kept_under_their_position(tmp_path: Path) -> None:
    assert read_text(tmp_path, '"","x"\n"1","2"\n').frame.columns == ["column_1", "x", SOURCE_ROW]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a,b,a \n1,2,3\n", "names a more than once"),
        ("a,source_row\n1,2\n", "may not be called source_row"),
        (",,\n1,2,3\n", "header row is blank"),
        ('a,"b\n1,2\n', "the header in line 1 has a quotation mark"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ReadError, match=said) as error:
        read_text(tmp_path, content)
    assert str(error.value).startswith("export.csv: ")


def test_title_rows_beyond_the_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="below its 5 title rows"):
        read_text(tmp_path, "a\n1\n", title_rows=5)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="does not exist"):
        read_file(tmp_path / "no.csv", "no.csv", DelimitedFormat(reader="delimited"))


# The fast way and the careful way


def _awkward(seed: int) -> tuple[str, Dialect]:
    """Lines of random cells; in every third text some are ragged, and in every fourth some are badly quoted."""
    dice = random.Random(seed)
    dialect = Dialect(dice.choice(",;\t|"), dice.choice("\"'"))
    cells = ["1", "", " ", "7", "NA", "Åse", " x ", "#NULL!", dialect.quote * 2, dialect.quote + " " + dialect.quote]
    cells += [f"{dialect.quote}a{dialect.delimiter}b{dialect.quote * 2}c{dialect.quote}", "2026-01-02"]
    if seed % 4 == 0:
        cells += [f"a{dialect.quote}b", dialect.quote + "line\nbreak" + dialect.quote]
    lines = [dialect.delimiter.join(["id", "b", "c", "d"] + [""] * (seed % 2))]
    for _ in range(60):
        width = 4 + seed % 2 + (dice.choice([-1, 0, 0, 1]) if seed % 3 == 0 else 0)
        lines.append(dialect.delimiter.join(dice.choice(cells) for _ in range(width)) if dice.random() > 0.1 else "")
    return "\n".join(lines) + dice.choice(["", "\n", "\n\n"]), dialect


def test_both_ways_agree_wherever_the_fast_one_applies() -> None:
    n_fast = 0
    for seed in range(120):
        text, dialect = _awkward(seed)
        fast, careful = split_lines(text, dialect, "x"), split_records(text, dialect, "x")
        if fast is None:
            continue
        n_fast += 1
        assert fast.frame.equals(careful.frame), seed
        assert fast.unreadable == careful.unreadable, seed
    assert n_fast >= 90


@pytest.mark.parametrize("text", ['a,b\n1,"x\ny"\n', 'a,b\n1,x "y"\n', 'a,b\n1,"x\n', "a,b\n\x001,2\n", "a,b\n1,\r2\n"])
def test_the_fast_way_leaves_what_it_cannot_know_to_the_careful_one(text: str) -> None:
    assert split_lines(text, Dialect(), "x") is None


def test_large_files_take_the_fast_way_and_lose_nothing(tmp_path: Path) -> None:
    lines = [f'{n},"Name, {n}",{n % 7}' for n in range(20_000)]
    lines[500] = "500,too,many,cells"
    source = read_text(tmp_path, "id,name,wai\n" + "\n".join(lines) + "\n")
    assert (tmp_path / "export.csv").stat().st_size > delimited.FAST_FROM_CHARACTERS
    assert source.frame.height == 19_999
    assert source.frame.row(-1) == ("19999", "Name, 19999", "0", 20_001)
    assert [row.source_row for row in source.unreadable] == [502]


# Excel


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


# SPSS


def test_spss_codes_dates_and_declared_missing(tmp_path: Path) -> None:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(
        {
            "item": [1.0, 2.5, 98, 99, -9, None],
            "seen": [dt.date(2026, 1, 2), None, None, None, None, dt.date(1899, 12, 31)],
            "word": ["yes", "NA", "", "no", "no", "NA"],
        }
    )
    pyreadstat.write_sav(
        frame,
        str(tmp_path / "a.sav"),
        missing_ranges={"item": [{"lo": 98, "hi": 100}, -9], "word": ["NA"]},
        variable_value_labels={"item": {1: "rarely", 99: "refused"}, "word": {"NA": "not asked"}},
    )
    source = read_file(tmp_path / "a.sav", "in/a.sav", SpssFormat(reader="spss"))
    assert rows(source)[0] == ("1", "2026-01-02", "yes", 1)
    assert source.frame["item"].to_list() == ["1", "2.5", "98", "99", "-9", None]
    assert source.frame["word"].to_list() == ["yes", "NA", None, "no", "no", "NA"]
    assert source.user_missing == {
        "item": {"-9": "declared missing in the file", "98": "declared missing in the file", "99": "refused"},
        "word": {"NA": "not asked"},
    }
    assert source.labels["item"] == {"1": "rarely", "99": "refused"}


def test_a_file_that_is_no_spss_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.sav").write_text("id,score\n1,2\n")
    with pytest.raises(ReadError, match="is no SPSS file"):
        read_file(tmp_path / "a.sav", "a.sav", SpssFormat(reader="spss"))


def test_real_spss_files(shared: Path) -> None:
    folder = shared / "samples" / "spss"
    found = {path.name: read_file(path, path.name, SpssFormat(reader="spss")) for path in sorted(folder.glob("*.sav"))}
    heights = {"missing_char.sav": 2, "missing_test.sav": 2, "ordered_category.sav": 4, "sample_missing.sav": 7}
    assert {name: source.frame.height for name, source in found.items()} == heights
    sample = found["sample_missing.sav"]
    assert sample.user_missing["mynum"].keys() == {"-1", "2500"}
    assert sample.user_missing["mylabl"] == {"-1": "undetermined"}
    assert sample.frame["mydate"].to_list()[:2] == ["2018-05-06", "1880-05-06"]
    assert sample.frame["dtime"].to_list()[:3] == ["2018-05-06 10:10:10", "1880-05-06 10:10:10", "1960-01-01"]
    assert found["missing_char.sav"].user_missing == {"mychar": {"Z": "declared missing in the file"}}
    assert found["ordered_category.sav"].user_missing == {}


# REDCap


@pytest.mark.parametrize("style", ["designer", "api"])
def test_redcap_dictionary_tells_forms_identifiers_and_strangers(tmp_path: Path, style: str) -> None:
    header = {
        "designer": '"Variable / Field Name","Form Name","Field Type",Identifier?',
        "api": "field_name,form_name,field_type,identifier",
    }[style]
    fields = "record_id,base,text,\nmail,base,text,y\nkin,base,checkbox,y\nwai1,wai,radio,\nlead,base,descriptive,\n"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dictionary.csv").write_text(f"{header}\n{fields}")
    (tmp_path / "in" / "data.csv").write_text(
        "record_id,redcap_event_name,mail,kin___1,kin___2,base_complete,wai1,wai_timestamp,wai_complete,wai9,mail___1\n"
        '1,base_arm_1,a@example.org,0,1,2,7,,,"7\n7",\n'
    )
    format = RedcapFormat(reader="redcap", dictionary="in/dict*.csv")
    source = read_file(tmp_path / "in" / "data.csv", "in/data.csv", format)
    assert source.identifiers == {"mail", "kin___1", "kin___2"}
    assert source.form_of["kin___2"] == source.form_of["base_complete"] == "base"
    assert source.form_of["wai1"] == source.form_of["wai_timestamp"] == source.form_of["wai_complete"] == "wai"
    assert source.notes == ("has columns that its dictionary does not know: wai9, mail___1",)
    assert source.frame["wai9"].to_list() == ["7\n7"]


def test_redcap_needs_exactly_one_dictionary(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("record_id\n1\n")
    with pytest.raises(ReadError, match="no data dictionary like 'dict"):
        read_file(tmp_path / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dict*.csv"))
    (tmp_path / "dict.csv").write_text("name,meaning\nrecord_id,number\n")
    with pytest.raises(ReadError, match="is no REDCap data dictionary"):
        read_file(tmp_path / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dict*.csv"))


def test_every_record_of_real_redcap_exports_is_accounted_for(shared: Path) -> None:
    root = shared / "samples" / "redcap" / "REDCapR"
    exports = sorted(root.glob("*/data.csv"))
    assert len(exports) == 7
    for path in exports:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = [record for record in csv.reader(file) if record][1:]
        source = read_file(path, "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv"))
        assert source.frame.height + len(source.unreadable) == len(records), path.parent.name
        assert not source.unreadable, path.parent.name
        assert not source.notes, path.parent.name
        for column, cells in zip(source.frame.columns, zip(*records, strict=True), strict=False):
            expected = [cell.replace("\r\n", "\n").strip() or None for cell in cells]
            assert source.frame[column].to_list() == expected, (path.parent.name, column)


def test_real_redcap_details(shared: Path) -> None:
    root = shared / "samples" / "redcap" / "REDCapR"
    format = RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    longitudinal = read_file(root / "longitudinal" / "data.csv", "data.csv", format)
    assert longitudinal.frame.height == 18
    assert {"first_name", "telephone_1", "email"} <= longitudinal.identifiers
    assert longitudinal.form_of["gym___0"] == "demographics"
    decimal = read_file(root / "decimal-comma-and-dot" / "data.csv", "data.csv", format)
    assert decimal.frame["height_comma"].to_list()[0] == "1,54"
    assert decimal.frame["height_dot"].to_list()[0] == "1.54"
    untouched = longitudinal.frame.filter(pl.col("demographics_complete").is_null())
    assert untouched.height == 15
    grey = read_file(root / "blank-for-gray-status" / "data.csv", "data.csv", format)
    assert grey.identifiers == {"name_first", "name_last", "address", "telephone", "email", "dob"}
    survey = read_file(root / "survey" / "data.csv", "data.csv", format)
    assert "redcap_survey_identifier" in survey.identifiers


def test_both_dictionary_styles_of_one_project_family(shared: Path) -> None:
    format = RedcapFormat(reader="redcap", dictionary="*.csv")
    folder = shared / "samples" / "redcap"
    api = redcap.read_dictionary(folder / "iu" / "longitudinal-metadata.csv", format)
    designer = redcap.read_dictionary(folder / "REDCapR" / "longitudinal" / "dictionary.csv", format)
    common = api.keys() & designer.keys()
    assert len(common) == 29
    assert all(api[name].form == designer[name].form for name in common)
    assert api["first_name"].is_identifier


# Trial data


@pytest.mark.parametrize(("name", "n"), [("btheb.csv", 100), ("antidepressant_data.csv", 608), ("HELPfull.csv", 1472)])
def test_real_trial_files(shared: Path, name: str, n: int) -> None:
    path = shared / "samples" / "trials" / name
    source = read_file(path, name, DelimitedFormat(reader="delimited"))
    assert source.frame.height + len(source.unreadable) == n
    assert source.unreadable == ()
    with path.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))[1:]
    assert source.frame.drop(SOURCE_ROW).rows() == [tuple(cell.strip() or None for cell in row) for row in records]


def test_a_checkbox_of_a_form_nobody_opened_is_blank(tmp_path: Path) -> None:
    (tmp_path / "dictionary.csv").write_text(
        '"Variable / Field Name","Form Name","Field Type","Identifier?"\nid,main,text,\nmed,drugs,checkbox,\n'
    )
    (tmp_path / "data.csv").write_text("id,med___1,drugs_complete\n1,0,2\n2,0,\n3,1,0\n")
    format = RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    frame = read_file(tmp_path / "data.csv", "data.csv", format).frame
    assert frame["med___1"].to_list() == ["0", None, "1"]
