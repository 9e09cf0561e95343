"""Worklists that come back: what is taken, what is told, and that nothing is changed behind anybody's back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tiny_network import TinyNetwork

from assets.ingestion.acceptances import Decision, acceptance_frame, append_decision, decisions_file, read_decisions
from assets.ingestion.answers import DUE_ANSWER_SCHEMA, Answers, read_answers, take_answers
from assets.run_context import Clocks
from assets.warehouse.stage import write_build_inputs
from codebook.library import Library, load_library

TODAY = dt.date(2013, 8, 1)
HEADER = "finding_id;what is wrong;answer;comment\n"


@pytest.fixture
def library(make_network: Callable[..., TinyNetwork]) -> Library:
    return load_library(make_network().root)


def send(library: Library, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = library.folder.root / "answers" / "unit" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def take(library: Library, as_of: dt.date | None = None) -> Answers:
    take_answers(library, TODAY)
    return read_answers(library, as_of)


def test_answers_in_the_order_in_which_they_came(library: Library) -> None:
    send(library, "2013-07-01.csv", HEADER + "f1;x;in progress;\nf2;x;confirmed;ja\n")
    send(library, "2013-07-15 second.csv", HEADER.replace(";", ",") + "f1,x,corrected,\n")
    send(library, "worklist.csv", HEADER + "f3;x;unobtainable;Ærlig talt\n", "cp1252")
    answers = take(library)
    assert answers.problems == [] and answers.faults == []
    assert answers.frame().rows() == [
        ("unit", "f1", "corrected", dt.date(2013, 7, 15)),
        ("unit", "f2", "confirmed", dt.date(2013, 7, 1)),
        ("unit", "f3", "unobtainable", TODAY),
    ]
    assert [answer.comment for answer in answers.given if answer.id == "f3"] == ["Ærlig talt"]
    assert take(library, dt.date(2013, 7, 1)).frame()["answer"].to_list() == ["in_progress", "confirmed"]
    assert take(library).frame().rows() == answers.frame().rows()


def test_bad_answers_are_told_and_the_rest_counts(library: Library) -> None:
    rows = "f1;x;done;\n;x;confirmed;\nf2;x;confirmed;\nf3;x;;\nf9;x;corrected;\nf4;x;confirmed;a;b\n"
    send(library, "back.csv", HEADER + rows)
    answers = take(library)
    assert [answer.id for answer in answers.given] == ["f2", "f9"]
    assert [problem.split("; ")[0] for problem in answers.problems] == [
        "answers/unit/back.csv: row 7 has more or fewer cells than there are columns",
        "answers/unit/back.csv: row 2 has an answer that is none of corrected, value right, unobtainable, in progress",
        "answers/unit/back.csv: row 3 has an answer without finding_id or due_point_id",
    ]
    assert answers.unknown("finding", [("unit", "f2")]) == [
        "answers/unit/back.csv: row 6 has a finding_id that is none of this unit's; compare with its worklist"
    ]
    assert answers.unknown("finding", [("other", "f2"), ("unit", "f9")])[0].startswith("answers/unit/back.csv: row 4 ")
    assert answers.unknown("due_point", []) == []


def test_an_answer_has_to_fit_what_it_answers(library: Library) -> None:
    rows = [
        *(f";f{n};{answer};secret" for n, answer in enumerate(("refused", "left", "not given", "value right"))),
        *(f"d{n};;{answer};secret" for n, answer in enumerate(("confirmed", "Left", "NOT-GIVEN", "secret word"))),
        "d9;f9;refused;secret",
    ]
    send(library, "back.csv", "Due_point_id ;Finding id;Answer;Comment\n" + "\n".join(rows) + "\n")
    answers = take(library)
    assert [(answer.kind, answer.id, answer.answer) for answer in answers.given] == [
        ("finding", "f3", "confirmed"),
        ("due_point", "d1", "left"),
        ("due_point", "d2", "not_given"),
    ]
    told = "\n".join(answers.problems)
    assert "rows 2, 3, 4 have an answer that is none of corrected, value right, unobtainable, in progress" in told
    assert "rows 6, 9 have an answer that is none of corrected, refused, not given, left" in told
    assert "row 10 has both a finding_id and a due_point_id" in told
    assert "secret" not in told
    assert answers.due_frame().rows() == [("unit", "d1", "left", TODAY), ("unit", "d2", "not_given", TODAY)]
    known = [("unit", "d1"), ("other", "d2")]
    assert "row 8 has a due_point_id that is none of this unit's" in answers.unknown("due_point", known)[0]


def test_a_due_answer_reaches_the_builds_input(library: Library) -> None:
    send(library, "2013-07-01.csv", "due_point_id;finding_id;answer\nd1;;refused\nd2;;in progress\n")
    send(library, "2013-07-05.csv", "due_point_id;finding_id;answer\nd2;;left\n;f1;value right\n")
    write_build_inputs(library, Clocks(None, TODAY), library.folder)
    found = pl.read_parquet(library.folder.build / "inputs" / "due_answer.parquet")
    assert found.schema == pl.Schema(DUE_ANSWER_SCHEMA)
    assert found.rows() == [
        ("unit", "d1", "refused", dt.date(2013, 7, 1)),
        ("unit", "d2", "left", dt.date(2013, 7, 5)),
    ]
    assert pl.read_parquet(library.folder.build / "inputs" / "answer.parquet")["answer"].to_list() == ["confirmed"]


@pytest.mark.parametrize("comment", ["ring kari@example.org", "født 01017012345", "telefon 22 33 44 55"])
def test_a_comment_that_names_somebody_is_not_kept(library: Library, comment: str) -> None:
    send(library, "back.csv", HEADER + f"f1;x;confirmed;{comment}\n")
    answers = take(library)
    assert [(answer.answer, answer.comment) for answer in answers.given] == [("confirmed", None)]
    assert len(answers.problems) == 1
    assert "a comment that names a person" in answers.problems[0]
    assert comment not in answers.problems[0]


def test_a_file_that_is_gone_or_changed_is_a_fault(library: Library) -> None:
    gone, changed = (send(library, name, HEADER + "f1;x;confirmed;\n") for name in ("gone.csv", "changed.csv"))
    assert len(take(library).given) == 2
    gone.unlink()
    changed.write_text(HEADER + "f1;x;corrected;\n")
    answers = take(library)
    assert answers.given == []
    assert sorted(fault.split(" ")[0] for fault in answers.faults) == [
        "answers/unit/changed.csv",
        "answers/unit/gone.csv",
    ]
    assert "put it back" in " ".join(answers.faults)


def test_a_file_named_by_an_identifier_is_not_taken(library: Library) -> None:
    send(library, "kari@example.org.csv", HEADER + "f1;x;confirmed;\n")
    answers = take(library)
    assert answers.given == [] and len(answers.faults) == 1
    written = "".join(path.read_text() for path in library.folder.state.rglob("*.jsonl"))
    assert "kari" not in answers.faults[0] + written


def test_a_file_that_is_no_worklist_is_a_fault(library: Library) -> None:
    send(library, "other.csv", "a;b\n1;2\n")
    send(library, "broken.xlsx", "this is no workbook")
    send(library, "notes.txt", "not looked at")
    faults = take(library).faults
    assert len(faults) == 2
    assert all(fault.startswith("answers/unit/") for fault in faults)


def test_decisions_are_appended_and_the_last_counts(tmp_path: Path) -> None:
    day = dt.date(2013, 7, 1)
    append_decision(tmp_path, "unit", Decision("f1", "accept", "known", "kn", day, dt.date(2014, 1, 1)))
    with decisions_file(tmp_path, "unit").open("a", encoding="utf-8") as file:
        file.write('{"finding_id": "cut')
    append_decision(tmp_path, "unit", Decision("f1", "reopen", "after\u2028all", "kn", day + dt.timedelta(days=2)))
    assert [decision.action for decision in read_decisions(tmp_path, "unit")] == ["accept", "reopen"]
    assert acceptance_frame(tmp_path, ["unit", "none"]).rows() == [
        ("unit", "f1", False, None, None, dt.date(2013, 7, 3))
    ]
    assert acceptance_frame(tmp_path, ["unit"], day).rows() == [("unit", "f1", True, day, dt.date(2014, 1, 1), None)]
