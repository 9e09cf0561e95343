"""Worklists that went out and how many answers came back: state/worklists/<site>.jsonl, append-only.

A worklist is sent when a person says so: it is written anew with every build, and nobody else knows which of them a
unit was given. What belongs here: that record (ids and counts, nothing about a patient) and what became of the last
list. What does not: rows (`worklist`), answers themselves (`assets.ingestion.answers`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from assets.append_only import append_rows, read_rows
from assets.ingestion.answer_sheet import Kind, answer_sheet, listed_ids
from assets.ingestion.answers import read_answers
from codebook.library import Library

UNDECIDED = "in_progress"
"""An answer that settles nothing yet."""


class NotPublishedError(Exception):
    """There is no worklist of a unit that could have been sent."""


@dataclass(frozen=True)
class SentList:
    """One list as it went out. `sha256`: of its CSV, so that the file itself can be told from others."""

    sent_date: dt.date
    sha256: str
    finding_ids: tuple[str, ...]
    due_point_ids: tuple[str, ...]

    def ids(self) -> frozenset[tuple[Kind, str]]:
        """What it asks about."""
        findings: list[tuple[Kind, str]] = [("finding", one) for one in self.finding_ids]
        return frozenset([*findings, *(("due_point", one) for one in self.due_point_ids)])


@dataclass(frozen=True)
class WorklistLife:
    """The last list that a unit was sent: when, how many rows, and how many of them it has answered since.

    That somebody is at it is no answer yet.
    """

    sent_date: dt.date
    n_sent: int
    n_answered: int


def sent_file(state: Path, site: str) -> Path:
    """state/worklists/<site>.jsonl"""
    return state / "worklists" / f"{site}.jsonl"


def record_sent(library: Library, site: str, date: dt.date) -> SentList:
    """Write down that the worklist which lies in published/sites/<site> was sent on `date`.

    Raises:
        NotPublishedError: there is none.
        ReadError: it was changed and is no worklist any more.
    """
    path = library.folder.published / "sites" / site / "worklist.csv"
    if not path.is_file():
        raise NotPublishedError(f"there is no worklist of {site} yet; 'concord run' writes it")
    ids = listed_ids(answer_sheet(path, library.network.limits).frame)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sent = SentList(date, digest, tuple(ids["finding"]), tuple(ids["due_point"]))
    append_rows(sent_file(library.folder.state, site), [asdict(sent)])
    return sent


def sent_lists(state: Path, site: str) -> Iterator[SentList]:
    """Every list that a unit was sent, in the order in which that was said; a line cut off is passed over."""
    for row in read_rows(sent_file(state, site)):
        day = dt.date.fromisoformat(row["sent_date"])
        yield SentList(day, row["sha256"], tuple(row["finding_ids"]), tuple(row["due_point_ids"]))


def read(library: Library, as_of: dt.date | None = None) -> dict[str, WorklistLife]:
    """What became of the last list of each unit that was ever sent one; `as_of`: as known on that day."""
    answered: dict[str, list[tuple[tuple[Kind, str], dt.date]]] = {}
    for answer in read_answers(library, as_of).given:
        if answer.answer != UNDECIDED:
            answered.setdefault(answer.site, []).append(((answer.kind, answer.id), answer.date))
    lives = {}
    for site in library.sites:
        lists = [one for one in sent_lists(library.folder.state, site) if as_of is None or one.sent_date <= as_of]
        if not lists:
            continue
        last = max(enumerate(lists), key=lambda pair: (pair[1].sent_date, pair[0]))[1]
        since = {what for what, date in answered.get(site, ()) if date >= last.sent_date}
        lives[site] = WorklistLife(last.sent_date, len(last.ids()), len(last.ids() & since))
    return lives
