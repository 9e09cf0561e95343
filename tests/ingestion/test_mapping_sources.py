"""What the declaration of a source can say: one answer per row, several units in a file, what is left over."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from mapping_sites import HEAD, START, counts, network_of, one_file, rows_of, site_of, take_all
from tiny_network import TinyNetwork

from assets.ingestion.receipts import read_receipts, receipt_frame, receipts_file

WSAS = 'assessments: [{instrument: wsas, version: wsas, items: "q{n}", occasion: {column: visit, codes: {"3": m03}}}]\n'

# --- one answer per row -------------------------------------------------------------------------

LONG = one_file(
    """\
    pivot: {rows: [nr, visit, date], names: test, values: result}
    key: [nr, visit]
    identifiers: [name]
    assessments:
      - {instrument: wsas, version: wsas, items: "WSAS{n}", date: date, occasion: {column: visit, codes: {"3": m03}}}
    """
)
LONG_HEADER = "nr;name;visit;date;test;result\n"


def long_rows(nr: str, answers: str, visit: str = "3", date: str = "01.05.2013") -> str:
    return "".join(
        f"{nr};Testperson {nr};{visit};{date};WSAS{item};{answer}\n" for item, answer in enumerate(answers, start=1)
    )


def taken(tiny: TinyNetwork, data: str) -> tuple[int, int, int]:
    tiny.deliver("2014-01-01", data=data)
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    return counts(staged)


@pytest.fixture
def long(tmp_path: Path) -> TinyNetwork:
    return network_of(tmp_path / "network", {"unit": site_of(LONG)})


def test_rows_that_agree_become_one_form(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + "2;Testperson 2;3;09.05.2013;OTHER;9\n" + long_rows("2", "80")
    assert taken(long, data) == (8, 8, 0)
    assert long.rules() == []
    assert rows_of(long.table("wsas"), "source_row", "item_01", "item_02", "item_05") == [(2, 1, 2, 5), (8, 8, 0, None)]
    receipt = read_receipts(long.root / "state", "unit")[-1]
    assert receipt.unmapped_columns == "data.csv: OTHER"
    assert receipt.n_rows_unused == 1


def test_two_values_for_one_answer_are_held_back_and_the_others_stay(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + "1;Testperson 1;3;01.05.2013;WSAS2;7\n"
    assert taken(long, data) == (6, 4, 2)
    assert long.rules() == ["row-key-conflict"]
    assert long.table("quarantine")["source_row"].to_list() == [3, 7]
    assert rows_of(long.table("wsas"), "item_01", "item_02", "item_03") == [(1, None, 3)]
    assert json.loads(long.table("quarantine")["row_json"][0]) == {
        "date": "01.05.2013",
        "result": "2",
        "test": "WSAS2",
        "visit": "3",
    }


def test_one_answer_twice_alike_is_kept_once(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + "1;Testperson 1;3;01.05.2013;WSAS2;2\n"
    assert taken(long, data) == (6, 5, 1)
    assert long.rules() == ["row-duplicate"]
    assert rows_of(long.table("wsas"), "item_02") == [(2,)]


def test_a_form_that_is_held_back_takes_its_rows_with_it(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + long_rows("2", "11111", visit="", date="")
    assert taken(long, data) == (10, 5, 5)
    assert long.rules() == ["row-time-missing"], "one finding for the form"
    assert long.table("quarantine")["source_row"].to_list() == [7, 8, 9, 10, 11]


def test_two_forms_of_one_key_are_both_held_back(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + long_rows("1", "54321", date="02.05.2013")
    data += long_rows("2", "11213")
    long.deliver("2014-01-01", data=data)
    (staged,) = long.take()
    assert counts(staged) == (15, 5, 10)


def test_rows_without_identity_are_not_thrown_together(long: TinyNetwork) -> None:
    data = LONG_HEADER + long_rows("1", "12345") + ";;3;01.05.2013;WSAS1;1\n;;3;01.05.2013;WSAS1;2\n"
    assert taken(long, data) == (7, 5, 2)
    assert long.rules() == ["row-identity-missing", "row-identity-missing"]


def test_answers_of_one_form_may_lie_in_two_files(tmp_path: Path) -> None:
    tiny = network_of(tmp_path / "network", {"unit": site_of(LONG.replace("data.csv", "data*.csv"))})
    tiny.deliver(
        "2014-01-01", data1=LONG_HEADER + long_rows("1", "12"), data2=LONG_HEADER + "1;;3;01.05.2013;WSAS3;3\n"
    )
    (staged,) = tiny.take()
    assert counts(staged) == (3, 3, 0)
    assert rows_of(tiny.table("wsas"), "source_file", "item_01", "item_03") == [("data1.csv", 1, 3)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("WSAS{n}", "WSSA{n}"), "did you mean 'WSAS1'?"),
        (("rows: [nr, visit, date]", "rows: [nr, visit]"), "add it to pivot.rows"),
        (("values: result", "values: results"), "did you mean 'result'?"),
    ],
)
def test_a_pivot_that_does_not_fit_holds_the_delivery(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    tiny = network_of(tmp_path / "network", {"unit": site_of(LONG.replace(*change))})
    tiny.deliver("2014-01-01", data=LONG_HEADER + long_rows("1", "12345"))
    (staged,) = tiny.take()
    assert staged.receipt.gate.startswith("held: ")
    assert said in staged.receipt.gate


# --- several units in one file ------------------------------------------------------------------

PARTS = "parts: {column: centre, sites: {A: alpha, AA: alpha, B: beta}, names: {beta: Beta Clinic}}\n"
PARTS_HEADER = "nr;centre;visit;q1;q2;q3;q4;q5\n"


@pytest.fixture
def shared_file(tmp_path: Path) -> TinyNetwork:
    return network_of(tmp_path / "network", {"unit": site_of(one_file("key: [nr, visit]\n" + WSAS), head=PARTS)})


def test_each_row_of_a_shared_file_belongs_to_its_unit(shared_file: TinyNetwork) -> None:
    rows = "1;A;3;1;2;3;4;5\n1;B;3;5;4;3;2;1\n2;AA;3;1;1;2;1;1\n3;C;3;1;2;1;1;1\n4;;3;1;1;1;3;1\n"
    shared_file.deliver("2014-01-01", data=PARTS_HEADER + rows)
    taken = take_all(shared_file)
    assert {key: counts(staged) for (key, _), staged in taken.items()} == {
        "unit": (2, 0, 2),
        "alpha": (2, 2, 0),
        "beta": (1, 1, 0),
    }
    assert {staged.receipt.gate for staged in taken.values()} == {"accepted"}
    assert shared_file.rules() == ["row-site-unknown", "row-site-unknown"]
    frame = shared_file.table("wsas")
    assert sorted(frame.select("site", "source_row").rows()) == [("alpha", 2), ("alpha", 4), ("beta", 3)]
    assert frame["patient_id"].n_unique() == 3, "number 1 means something else in each unit"
    assert take_all(shared_file) == {}


def test_a_unit_without_rows_and_nobody_elses_rows_are_no_trouble(shared_file: TinyNetwork) -> None:
    shared_file.deliver("2014-01-01", data=PARTS_HEADER + "1;A;3;1;2;3;4;5\n")
    taken = take_all(shared_file)
    assert {key: counts(staged) for (key, _), staged in taken.items()} == {
        "unit": (0, 0, 0),
        "alpha": (1, 1, 0),
        "beta": (0, 0, 0),
    }
    assert {staged.receipt.gate for staged in taken.values()} == {"accepted"}


def test_many_rows_of_no_unit_hold_what_is_nobodys(shared_file: TinyNetwork) -> None:
    rows = "".join(f"{n};{'A' if n < 20 else 'X'};3;1;2;3;4;5\n" for n in range(25))
    shared_file.deliver("2014-01-01", data=PARTS_HEADER + rows)
    taken = take_all(shared_file)
    assert taken[("unit", "2014-01-01")].receipt.gate.startswith("held: 5 of 25 rows")
    assert taken[("alpha", "2014-01-01")].receipt.gate == "accepted"


def test_an_unreadable_row_is_nobodys(shared_file: TinyNetwork) -> None:
    shared_file.deliver("2014-01-01", data=PARTS_HEADER + "1;A;3;1;2;3;4;5\n2;A;3;1\n")
    taken = take_all(shared_file)
    assert counts(taken[("unit", "2014-01-01")]) == (1, 0, 1)
    assert shared_file.rules() == ["row-unreadable"]


def test_a_shared_file_without_its_column_is_held(shared_file: TinyNetwork) -> None:
    shared_file.deliver("2014-01-01", data="nr;center;visit;q1;q2;q3;q4;q5\n1;A;3;1;2;3;4;5\n")
    gates = {staged.receipt.gate for staged in take_all(shared_file).values()}
    assert len(gates) == 1
    assert "names the column 'centre' (source 'data', parts.column)" in gates.pop()


def test_a_new_unit_reworks_its_own_rows_and_nobodys(shared_file: TinyNetwork) -> None:
    shared_file.deliver("2014-01-01", data=PARTS_HEADER + "1;A;3;1;2;3;4;5\n2;C;3;1;2;3;4;5\n")
    take_all(shared_file)
    site = shared_file.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("B: beta}", "B: beta, C: gamma}"))
    assert set(take_all(shared_file)) == {("unit", "2014-01-01"), ("gamma", "2014-01-01")}
    assert shared_file.table("quarantine").height == 0


# --- what is left over --------------------------------------------------------------------------


def test_rows_files_and_columns_that_nothing_reads_are_counted(tmp_path: Path) -> None:
    tiny = network_of(tmp_path / "network", {"unit": site_of(one_file("where: {column: arm, values: [x]}\n" + WSAS))})
    rows = "1;x;3;1;2;3;4;5\n2;y;3;1;2;3;4;5\n3;x;3;;;;;\n"
    tiny.deliver("2014-01-01", data="nr;arm;visit;q1;q2;q3;q4;q5\n" + rows, readme="a;b\n1;2\n")
    (staged,) = tiny.take()
    assert counts(staged) == (3, 3, 0)
    assert staged.receipt.n_rows_unused == 2
    assert staged.receipt.unused_files == "readme.csv"
    assert staged.receipt.notes == ""


def test_sheets_that_nothing_reads_are_named(tmp_path: Path) -> None:
    import xlsxwriter

    site = site_of(one_file(WSAS)).replace('{reader: delimited, delimiter: ";", decimal: ","}', "{reader: excel}")
    tiny = network_of(
        tmp_path / "network", {"unit": site.replace("file: data.csv", "file: book.xlsx\n        sheet: Forms")}
    )
    folder = tiny.root / "landing" / "unit" / "2014-01-01"
    folder.mkdir(parents=True)
    with xlsxwriter.Workbook(folder / "book.xlsx") as book:
        for name in ("Forms", "Old"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["nr", "visit", "q1", "q2", "q3", "q4", "q5"])
            sheet.write_row(1, 0, [1, "3", 1, 2, 3, 4, 5])
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    assert staged.receipt.unused_files == "book.xlsx#Old"


def test_a_receipt_of_before_these_counts_is_still_read(tmp_path: Path) -> None:
    tiny = network_of(tmp_path / "network", {"unit": site_of(one_file(WSAS))})
    tiny.deliver("2014-01-01", data="nr;visit;q1;q2;q3;q4;q5\n1;3;1;2;3;4;5\n")
    tiny.take()
    path = receipts_file(tiny.root / "state", "unit")
    line = json.loads(path.read_text())
    for new in ("n_rows_unused", "unused_files", "notes"):
        del line[new]
    path.write_text(json.dumps(line) + "\n")
    (receipt,) = read_receipts(tiny.root / "state", "unit")
    assert (receipt.n_rows_unused, receipt.unused_files, receipt.notes) == (None, "", "")
    assert receipt_frame([receipt])["n_rows_unused"].to_list() == [None]
    assert tiny.take() == []


# --- mappings from a delivery on ----------------------------------------------------------------

OLD_AND_NEW = (
    HEAD
    + START
    + "      - {name: data, file: data.csv, identity: {columns: [nr], scope: site},\n"
    + "         assessments: [{instrument: wsas, version: wsas, items: 'q{n}', occasion: {constant: m03}}]}\n"
    + '  - from_delivery: "2014-06-01"\n    sources:\n'
    + "      - {name: data, file: data.csv, identity: {columns: [nr], scope: site},\n"
    + "         assessments: [{instrument: wsas, version: wsas, items: 'wsas_{n}', occasion: {constant: m03}},\n"
    + "                       {instrument: gaf, version: gaf_global, rater: clinician, items: {3: gaf},\n"
    + "                        occasion: {constant: m03}}]}\n"
)


def test_an_old_delivery_keeps_its_mapping_and_a_change_reworks_what_it_touches(tmp_path: Path) -> None:
    tiny = network_of(tmp_path / "network", {"unit": OLD_AND_NEW})
    tiny.deliver("2014-01-01", data="nr;q1;q2;q3;q4;q5\n1;1;2;3;4;5\n")
    tiny.deliver("2014-06-01", data="nr;wsas_1;wsas_2;wsas_3;wsas_4;wsas_5;gaf\n1;5;4;3;2;1;50\n")
    assert set(take_all(tiny)) == {("unit", "2014-01-01"), ("unit", "2014-06-01")}
    frame = tiny.table("wsas").sort("item_01").with_columns(pl.col("delivery").cast(pl.String))
    assert frame.select("delivery", "item_01").rows() == [("2014-01-01", 1), ("2014-06-01", 5)]
    assert frame["assessment_id"].n_unique() == 1, "the mapping is no part of an assessment's id"
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text().replace("{3: gaf}", "{3: gaf}, missing_codes: {'0': not rated}"))
    assert set(take_all(tiny)) == {("unit", "2014-06-01")}, "the newer mapping"
    (tiny.root / "instruments").mkdir()
    text = (Path(__file__).parents[2] / "codebook" / "instruments" / "gaf.yaml").read_text()
    (tiny.root / "instruments" / "gaf.yaml").write_text(text.replace("name: ", "name: Our ", 1))
    assert set(take_all(tiny)) == {("unit", "2014-06-01")}, "an instrument that only the newer mapping reads"
    site.write_text(site.read_text().replace('"999": not answered', '"888": not answered'))
    assert set(take_all(tiny)) == {("unit", "2014-01-01")}, "the older mapping"
