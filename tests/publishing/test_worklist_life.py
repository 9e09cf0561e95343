"""Worklists sent and answers that came back: one unit's last list, its own rows, answers given since."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from test_worklist import DIALECT, DUE, FINDINGS, REFS

from assets.ingestion.answers import take_answers
from assets.publishing.worklist import worklist
from assets.publishing.worklist_files import write_worklist
from assets.publishing.worklist_life import NotPublishedError, WorklistLife, read, record_sent, sent_file
from codebook.library import Library
from tests.publishing.conftest import TODAY, make_library

LATER = TODAY + dt.timedelta(days=10)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return make_library(tmp_path)


def publish(library: Library, site: str) -> None:
    folder = library.folder.published / "sites" / site
    folder.mkdir(parents=True, exist_ok=True)
    frame = worklist(pl.DataFrame(DUE), pl.DataFrame(FINDINGS), site, REFS, library, TODAY)
    write_worklist(frame, folder / "worklist", DIALECT)


def answer(library: Library, site: str, date: dt.date, *rows: str) -> None:
    folder = library.folder.root / "answers" / site
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(("due_point_id,finding_id,answer", *rows))
    (folder / f"{date}-{len(list(folder.iterdir()))}.csv").write_text(text, encoding="utf-8")
    take_answers(library, LATER)


def test_a_list_is_sent_when_somebody_says_so(library: Library) -> None:
    assert read(library) == {}
    with pytest.raises(NotPublishedError, match="'concord run' writes it"):
        record_sent(library, "north", TODAY)
    publish(library, "north")
    assert read(library) == {}
    sent = record_sent(library, "north", TODAY)
    assert (len(sent.finding_ids), len(sent.due_point_ids)) == (3, 4)
    assert read(library) == {"north": WorklistLife(TODAY, 7, 0)}
    written = sent_file(library.folder.state, "north").read_text(encoding="utf-8")
    assert not any(ref in written for ref in REFS.values())


def test_answers_since_the_list_went_out_are_counted_once(library: Library) -> None:
    publish(library, "north")
    answer(library, "north", TODAY - dt.timedelta(days=1), ",f1,corrected")
    record_sent(library, "north", TODAY)
    assert read(library)["north"].n_answered == 0
    answer(library, "north", TODAY + dt.timedelta(days=2), ",f3,value right", "d9,,refused", "d7,,in progress")
    answer(library, "north", TODAY + dt.timedelta(days=4), "d9,,left", ",f-other,corrected", "d8,,left")
    assert read(library)["north"] == WorklistLife(TODAY, 7, 2)
    assert read(library, TODAY + dt.timedelta(days=1))["north"].n_answered == 0
    record_sent(library, "north", LATER)
    assert read(library)["north"] == WorklistLife(LATER, 7, 0)
    assert read(library, TODAY)["north"].sent_date == TODAY
    assert read(library, TODAY - dt.timedelta(days=1)) == {}


def test_a_line_that_was_cut_off_is_passed_over(library: Library) -> None:
    publish(library, "north")
    record_sent(library, "north", TODAY)
    path = sent_file(library.folder.state, "north")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"sent_date": "20')
    record_sent(library, "north", LATER)
    assert read(library)["north"].sent_date == LATER
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3
