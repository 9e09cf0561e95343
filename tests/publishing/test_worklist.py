"""A unit's worklist: its own findings, written so that a spreadsheet computes nothing, and read back as sent."""

from __future__ import annotations

import csv
import datetime as dt
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.ingestion.answer_sheet import DUE_ANSWERS, FINDING_ANSWERS
from assets.ingestion.answers import read_answers, take_answers
from assets.publishing.local_refs import local_refs
from assets.publishing.worklist import COLUMNS, sentence, worklist
from assets.publishing.worklist_files import write_worklist
from assets.spreadsheet import harmless, is_computed, restored, write_csv
from codebook.library import Library
from codebook.outgoing import CsvDialect
from tests.publishing.small_ledger import TODAY
from tests.publishing.small_library import make_library

FINDINGS: list[dict[str, Any]] = [
    {
        "finding_id": f"f{n}",
        "site_id": site,
        "patient_id": f"p{n}",
        "instrument": instrument,
        "item": item,
        "message": message,
        "remedy": "Look.",
        "opened_date": TODAY.replace(day=1),
        "age_days": 30 - n,
        "source_file": "forms.csv",
        "source_row": n,
        "occasion": "m09" if instrument else None,
        "assessment_date": TODAY if instrument else None,
    }
    for n, (site, instrument, item, message) in enumerate(
        [
            ("north", "wai_sr", "item_05", "item 5: the answer lies outside 1–7"),
            ("north", None, None, "the row does not say which patient it is about"),
            ("north", "gaf", "assessment_date", "assessment_date: not a date of the form %d.%m.%Y"),
            ("south", "wai_sr", "item_05", "item 5: the answer lies outside 1–7"),
        ],
        start=1,
    )
]
REFS = {"p1": "=cmd|' /C calc'!A1", "p3": "110-3", "p4": "other unit", "p7": "-7"}
DUE: list[dict[str, Any]] = [
    {
        "due_point_id": f"d{n}",
        "site_id": site,
        "patient_id": f"p{n}",
        "instrument": "wsas",
        "rater": "patient",
        "occasion": "m09",
        "status": status,
        "due_date": TODAY + dt.timedelta(days),
        "opens_date": TODAY + dt.timedelta(days - 20),
        "closes_date": TODAY + dt.timedelta(days + 20),
    }
    for n, (site, status, days) in enumerate(
        [
            ("north", "upcoming", 25),
            ("north", "open", -3),
            ("north", "overdue", -30),
            ("south", "overdue", -30),
            ("north", "overdue", -40),
        ],
        start=5,
    )
]
DIALECT = CsvDialect()
NORWEGIAN = CsvDialect(delimiter=";", decimal=",", encoding="windows-1252")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return make_library(tmp_path)


def of_north(library: Library) -> pl.DataFrame:
    return worklist(pl.DataFrame(DUE), pl.DataFrame(FINDINGS), "north", REFS, library, TODAY)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_overdue_then_due_then_findings_of_the_unit_alone(library: Library, tmp_path: Path) -> None:
    write_worklist(of_north(library), tmp_path / "worklist", DIALECT)
    rows = rows_of(tmp_path / "worklist.csv")
    assert [row["due_point_id"] or row["finding_id"] for row in rows] == ["d9", "d7", "d6", "d5", "f1", "f2", "f3"]
    assert all((row["due_point_id"] == "") != (row["finding_id"] == "") for row in rows)
    assert list(rows[0]) == list(COLUMNS)
    first, last = rows[0], rows[-1]
    assert (first["instrument"], first["occasion"], first["due_date"]) == ("WSAS", "Month 9", "2026-09-22")
    assert first["problem"].startswith("Overdue: it could be given until 2026-10-12") and first["days_open"] == "20"
    assert (rows[1]["local_ref"], rows[2]["problem"][:4], rows[3]["problem"][:8]) == ("'-7", "Due:", "Due soon")
    assert last["problem"] == "Assessment date: not a date of the form DD.MM.YYYY."
    assert (rows[4]["instrument"], rows[4]["item"]) == ("WAI-SR", "item 5")
    assert rows[4]["assessment_date"] == TODAY.isoformat()
    for path in tmp_path.glob("worklist.*"):
        content = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                content = b"".join(book.read(name) for name in book.namelist())
        assert b"other unit" not in content
        assert not any(f">{name}<".encode() in content or f",{name},".encode() in content for name in ("p1", "p4"))


class Book:
    """A worklist's workbook as Excel reads it: type, value and style of cells, and what each answer may be."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as book:
            self.sheet, self.styles, strings = (
                ElementTree.fromstring(re.sub(r' xmlns(:r)?="[^"]+"', "", book.read(f"xl/{name}.xml").decode()))
                for name in ("worksheets/sheet1", "styles", "sharedStrings")
            )
        self.texts = ["".join(part.itertext()) for part in strings]
        self.letters = {self.cell(cell.get("r"))[1]: cell.get("r")[:-1] for cell in self.sheet.find(".//row")}

    def cell(self, place: str) -> tuple[str, Any, dict[str, str]]:
        """Kind (`s` text, `n` number), value, and the attributes of its style."""
        found = self.sheet.find(f".//c[@r='{place}']")
        kind, value = found.get("t", "n"), found.findtext("v")
        style = self.styles.find("cellXfs")[int(found.get("s", 0))].attrib
        return kind, self.texts[int(value)] if kind == "s" else value, style

    def at(self, heading: str, row: int) -> tuple[str, Any, dict[str, str]]:
        return self.cell(f"{self.letters[heading]}{row}")

    def offered(self) -> dict[str, str]:
        return {rule.get("sqref"): rule.findtext("formula1") for rule in self.sheet.iter("dataValidation")}


def test_nothing_is_a_formula_and_numbers_stay_numbers(library: Library, tmp_path: Path) -> None:
    write_worklist(of_north(library), tmp_path / "worklist", DIALECT)
    book = Book(tmp_path / "worklist.xlsx")
    assert book.sheet.find(".//f") is None
    kind, value, style = book.at("local_ref", 6)
    assert (kind, value, style["quotePrefix"]) == ("s", REFS["p1"], "1")
    assert "quotePrefix" not in book.at("instrument", 6)[2]
    assert [book.at(*place)[:2] for place in (("row", 6), ("days_open", 2))] == [("n", "1"), ("n", "20")]
    kind, value, style = book.at("due_date", 2)
    assert (kind, dt.date(1899, 12, 30) + dt.timedelta(int(value))) == ("n", TODAY - dt.timedelta(40))
    assert style["numFmtId"] != "0"
    assert rows_of(tmp_path / "worklist.csv")[4]["local_ref"] == "'" + REFS["p1"]
    text = ["=1", "+1", "-1", "@a", "\ta", "a=1", "'=1", "'a", None]
    signs = pl.DataFrame({"text": text, "number": list(range(-4, 5))})
    made = harmless(signs)
    assert made["text"].to_list() == ["'=1", "'+1", "'-1", "'@a", "'\ta", "a=1", "''=1", "'a", None]
    assert made["number"].to_list() == signs["number"].to_list()
    assert restored(made).equals(signs)


@given(st.lists(st.text(alphabet="=+-@'\t\r\n a1", max_size=6), min_size=1, max_size=8))
def test_any_text_comes_back_and_none_is_computed(texts: list[str]) -> None:
    frame = pl.DataFrame({"text": texts})
    made = harmless(frame)
    assert not any(is_computed(text) for text in made["text"])
    assert restored(made).equals(frame)


def test_each_row_offers_the_answers_that_fit_it(library: Library, tmp_path: Path) -> None:
    write_worklist(of_north(library), tmp_path / "worklist", DIALECT)
    book = Book(tmp_path / "worklist.xlsx")
    letter = book.letters["answer"]
    assert book.offered() == {
        f"{letter}2:{letter}5": '"' + ",".join(DUE_ANSWERS.values()) + '"',
        f"{letter}6:{letter}8": '"' + ",".join(FINDING_ANSWERS.values()) + '"',
    }


def test_the_same_rows_give_the_same_bytes(library: Library, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_worklist(of_north(library), tmp_path / name, DIALECT)
    for suffix in (".csv", ".xlsx"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_csv_speaks_the_networks_dialect(tmp_path: Path) -> None:
    frame = pl.DataFrame({"unit": ["Ørsta", "−2"], "share": [0.5, 1.0], "n": [1, -2]})
    write_csv(frame, tmp_path / "out.csv", NORWEGIAN)
    assert (tmp_path / "out.csv").read_bytes().decode("cp1252") == "unit;share;n\nØrsta;0,5;1\n?2;1,0;-2\n"
    with pytest.raises(ValidationError, match="delimiter and decimal must differ"):
        CsvDialect(delimiter=",", decimal=",")


SAID = {
    "f3": ("value right", "Seen, it is right"),
    "f1": ("Corrected", None),
    "f2": (None, "=HYPERLINK(1)"),
    "d9": ("Not given", "- nobody asked"),
    "d7": ("refused", None),
    "d6": (None, "she comes on Friday"),
}
"""What a unit fills in, as it may write it."""
UNDERSTOOD = {
    "f1": ("corrected", None),
    "f2": ("in_progress", "=HYPERLINK(1)"),
    "f3": ("confirmed", "Seen, it is right"),
    "d9": ("not_given", "- nobody asked"),
    "d7": ("refused", None),
    "d6": ("in_progress", "she comes on Friday"),
}


def filled(frame: pl.DataFrame) -> pl.DataFrame:
    ids = [due or finding for due, finding in frame.select("due_point_id", "finding_id").iter_rows()]
    return frame.with_columns(
        pl.Series(name, [SAID.get(key, (None, None))[place] for key in ids], dtype=pl.String)
        for place, name in enumerate(("answer", "comment"))
    )


def resaved(frame: pl.DataFrame, delimiter: str, encoding: str) -> bytes:
    """As a spreadsheet program would write the list that was opened, filled in and saved under another kind of CSV."""
    opened = harmless(filled(frame)).with_columns(pl.col("due_date", "closes_date").dt.to_string("%d.%m.%Y"))
    text = opened.write_csv(separator=delimiter, line_terminator="\r\n")
    return text.encode(encoding)


@pytest.mark.parametrize("how", ["xlsx", "csv", "norwegian", ",utf-8", ";cp1252", "\tutf-16", ";utf-8-sig", "\tcp1252"])
def test_round_trip(library: Library, how: str) -> None:
    frame = of_north(library)
    folder = library.folder.root / "answers" / "north"
    folder.mkdir(parents=True)
    if how[0] in ",;\t":
        (folder / "2026-10-03-back.csv").write_bytes(resaved(frame, how[0], how[1:]))
    else:
        dialect = NORWEGIAN if how == "norwegian" else DIALECT
        write_worklist(frame, folder / "2026-10-02-untouched", dialect)
        write_worklist(filled(frame), folder / "2026-10-03-back", dialect)
        for path in folder.glob("*.csv" if how == "xlsx" else "*.xlsx"):
            path.unlink()
    take_answers(library, TODAY)
    answers = read_answers(library)
    assert answers.problems == [] and answers.faults == []
    assert {answer.id: (answer.answer, answer.comment) for answer in answers.given} == UNDERSTOOD
    assert all(answer.id.startswith(answer.kind[0]) for answer in answers.given)
    assert {str(answer.date) for answer in answers.given} == {"2026-10-03"}
    assert set(answers.frame()["finding_id"]) == {"f1", "f2", "f3"}
    day = dt.date(2026, 10, 3)
    assert answers.due_frame().rows() == [
        ("north", "d6", "in_progress", day),
        ("north", "d7", "refused", day),
        ("north", "d9", "not_given", day),
    ]


def keep(root: Path, site: str, delivery: str, patient: str, ref: str) -> None:
    folder = root / "lake" / "local_ref" / f"site={site}" / f"delivery={delivery}"
    folder.mkdir(parents=True)
    pl.DataFrame({"patient_id": [patient], "local_ref": [ref]}).write_parquet(folder / "part.parquet")


def test_numbers_of_a_unit_come_from_its_own_store(tmp_path: Path) -> None:
    for site, delivery, ref in (("north", "1", "7"), ("north", "2", "7"), ("north", "3", "8"), ("south", "1", "9")):
        keep(tmp_path, site, delivery, "p1", ref)
    assert local_refs(tmp_path / "lake", "north") == {"p1": "7 / 8"}
    assert local_refs(tmp_path / "lake", "east") == {}


def test_an_empty_list_is_still_a_list(library: Library, tmp_path: Path) -> None:
    for frame in (pl.DataFrame(DUE), pl.DataFrame()):
        listed = worklist(frame, pl.DataFrame(FINDINGS), "west", REFS, library, TODAY)
        write_worklist(listed, tmp_path / "worklist", DIALECT)
    assert rows_of(tmp_path / "worklist.csv") == []
    assert sentence(None) == ""
