"""A unit's worklist: its own findings, written so that a spreadsheet computes nothing, and read back as sent."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.ingestion.answers import ANSWERS, read_answers, take_answers
from assets.publishing.local_refs import local_refs
from assets.publishing.worklist import WIDTHS, harmless, sentence, worklist, write_worklist
from codebook.library import Library
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
REFS = {"p1": "=cmd|' /C calc'!A1", "p3": "110-3", "p4": "other unit"}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return make_library(tmp_path)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_the_units_own_and_name_no_id(library: Library, tmp_path: Path) -> None:
    frame = worklist(pl.DataFrame(FINDINGS), "north", REFS, library)
    write_worklist(frame, tmp_path / "worklist")
    rows = rows_of(tmp_path / "worklist.csv")
    assert [row["finding_id"] for row in rows] == ["f3", "f1", "f2"]
    assert list(rows[0]) == list(WIDTHS)
    assert rows[0]["what is wrong"] == "Assessment date: not a date of the form DD.MM.YYYY."
    assert (rows[1]["form"], rows[1]["item"], rows[1]["date"]) == ("WAI-SR", "item 5", TODAY.isoformat())
    for path in tmp_path.glob("worklist.*"):
        content = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                content = b"".join(book.read(name) for name in book.namelist())
        assert b"other unit" not in content
        assert not any(f">{name}<".encode() in content or f",{name},".encode() in content for name in ("p1", "p4"))


def test_nothing_is_a_formula(library: Library, tmp_path: Path) -> None:
    frame = worklist(pl.DataFrame(FINDINGS), "north", REFS, library)
    write_worklist(frame, tmp_path / "worklist")
    with zipfile.ZipFile(tmp_path / "worklist.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet and "cmd|" in book.read("xl/sharedStrings.xml").decode()
        assert f'"{",".join(ANSWERS)}"' in sheet
    assert rows_of(tmp_path / "worklist.csv")[1]["patient"] == "'" + REFS["p1"]
    signs = pl.DataFrame({"text": ["=1", "+1", "-1", "@a", "\ta", "a=1"]})
    assert harmless(signs)["text"].to_list() == ["'=1", "'+1", "'-1", "'@a", "'\ta", "a=1"]


def test_the_same_findings_give_the_same_bytes(library: Library, tmp_path: Path) -> None:
    frame = worklist(pl.DataFrame(FINDINGS), "north", REFS, library)
    for name in ("one", "two"):
        write_worklist(frame, tmp_path / name)
    for suffix in (".csv", ".xlsx"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_round_trip(library: Library, suffix: str) -> None:
    frame = worklist(pl.DataFrame(FINDINGS), "north", REFS, library)
    folder = library.folder.root / "answers" / "north"
    folder.mkdir(parents=True)
    write_worklist(frame, folder / "2026-10-02-untouched")
    said = {"f3": ("confirmed", "Seen, it is right"), "f1": ("Corrected", None), "f2": (None, "=HYPERLINK(1)")}
    filled = frame.with_columns(
        pl.Series("answer", [said[key][0] for key in frame["finding_id"]], dtype=pl.String),
        pl.Series("comment", [said[key][1] for key in frame["finding_id"]], dtype=pl.String),
    )
    write_worklist(filled, folder / "2026-10-03-back")
    for path in folder.iterdir():
        if path.suffix != suffix:
            path.unlink()
    take_answers(library, TODAY)
    answers = read_answers(library)
    assert answers.problems == [] and answers.faults == []
    assert {answer.finding_id: answer.answer for answer in answers.given} == {
        "f1": "corrected",
        "f2": "in_progress",
        "f3": "confirmed",
    }
    assert {str(answer.date) for answer in answers.given} == {"2026-10-03"}


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
    frame = worklist(pl.DataFrame(FINDINGS), "west", REFS, library)
    write_worklist(frame, tmp_path / "worklist")
    assert rows_of(tmp_path / "worklist.csv") == []
    assert sentence(None) == ""
