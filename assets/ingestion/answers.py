"""Worklists that units send back: answers/<site>/*.xlsx and *.csv, append-only.

What belongs here: which files came when (state/answers/<site>.jsonl), and the answers that they hold. What does not:
reading one sheet (`assets.ingestion.answer_sheet`), what an answer makes of a finding or a due point (SQL), and
writing worklists (`assets.publishing.worklist`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from assets.append_only import append_rows, read_rows
from assets.ingestion.answer_sheet import IDS, Kind, answer_sheet, missing_columns, said_in
from assets.ingestion.readers.protocol import ReadError
from checks.leaks import LeakScanner, scanner_for
from codebook.library import Library

SUFFIXES = (".csv", ".xlsx")
MOST_LISTED = 5
_DATED = re.compile(r"^(\d{4}-\d{2}-\d{2})")

ANSWER_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "finding_id": pl.String(),
    "answer": pl.String(),
    "answered_date": pl.Date(),
}
DUE_ANSWER_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "due_point_id": pl.String(),
    "answer": pl.String(),
    "answered_date": pl.Date(),
}
"""What a unit said last about a due point: refused, left, not_given, unobtainable, or what explains nothing."""


@dataclass(frozen=True)
class Answer:
    """One answer to a finding or to a due point (`kind`, `id`).

    `comment` is None where none was given, or where it named somebody and was not kept.
    """

    site: str
    kind: Kind
    id: str
    answer: str
    comment: str | None
    date: dt.date
    file: str
    row: int


@dataclass
class Answers:
    """Every answer, oldest first, and what is wrong: sentences that quote no comment.

    `faults`: files that are gone, changed or cannot be read. `problems`: rows that say nothing that can be used.
    """

    given: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def frame(self) -> pl.DataFrame:
        """The last answer to each finding, for SQL: without comments."""
        return self._last("finding", ANSWER_SCHEMA)

    def due_frame(self) -> pl.DataFrame:
        """The last answer to each due point, for SQL: without comments."""
        return self._last("due_point", DUE_ANSWER_SCHEMA)

    def _last(self, kind: Kind, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        last = {(answer.site, answer.id): answer for answer in self.given if answer.kind == kind}
        rows = [(a.site, a.id, a.answer, a.date) for _, a in sorted(last.items())]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def unknown(self, kind: Kind, known: Iterable[tuple[str, str]]) -> list[str]:
        """A sentence per file with answers to what is none of the unit's (`known`: site and id of every one)."""
        there = set(known)
        rows: dict[tuple[str, str], list[int]] = {}
        for answer in self.given:
            if answer.kind == kind and (answer.site, answer.id) not in there:
                rows.setdefault((answer.site, answer.file), []).append(answer.row)
        return [
            f"answers/{site}/{file}: {_rows(numbers)} a {IDS[kind]} that is none of this unit's; compare with its "
            "worklist"
            for (site, file), numbers in sorted(rows.items())
        ]


def _rows(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:MOST_LISTED])
    more = f" and {len(numbers) - MOST_LISTED} more" if len(numbers) > MOST_LISTED else ""
    return f"row {shown} has" if len(numbers) == 1 else f"rows {shown}{more} have"


def take_answers(library: Library, today: dt.date) -> None:
    """Record every answer file that is new, with the day that its name begins with, or today."""
    for site in library.sites:
        known = _known(library.folder.state, site)
        scanner = _scanner(library, today)
        new = [path for path in _files(library, site) if path.name not in known and not scanner.leaks(path.name)]
        if not new:
            continue
        rows = [
            {"file": path.name, "sha256": _sha256(path), "received_date": _date_of(path.name, today)} for path in new
        ]
        append_rows(_ledger(library.folder.state, site), rows)


def read_answers(library: Library, as_of: dt.date | None = None) -> Answers:
    """What every recorded file says, and what is wrong: a file that is gone, changed or cannot be read, a bad answer.

    A file with a fault is passed over, or only the row that is at fault; the rest counts.
    """
    answers = Answers()
    for site in library.sites:
        scanner = _scanner(library, as_of)
        if any(scanner.leaks(path.name) for path in _files(library, site)):
            answers.faults.append(
                f"answers/{site}: a file's name holds a number or an address of a person; it was not taken, rename it"
            )
        for name, (digest, date) in sorted(_known(library.folder.state, site).items(), key=lambda k: (k[1][1], k[0])):
            if as_of is not None and date > as_of:
                continue
            path = library.folder.root / "answers" / site / name
            if not path.is_file():
                answers.faults.append(
                    f"answers/{site}/{name} was taken on {date} and is gone; put it back (answers are never deleted)"
                )
            elif _sha256(path) != digest:
                answers.faults.append(
                    f"answers/{site}/{name} has changed since it was taken on {date}; put the old file back and add "
                    "the new one under another name"
                )
            else:
                _read_file(library, site, path, date, scanner, answers)
    return answers


def _read_file(library: Library, site: str, path: Path, date: dt.date, scanner: LeakScanner, answers: Answers) -> None:
    place = f"answers/{site}/{path.name}"
    try:
        sheet = answer_sheet(path, library.network.limits)
    except ReadError as error:
        answers.faults.append(f"answers/{site}/{error}")
        return
    missing = missing_columns(sheet.frame)
    if missing:
        answers.faults.append(f"{place}: has no column {' and '.join(missing)}; send the unit's worklist back")
        return
    faults: dict[str, list[int]] = {"more or fewer cells than there are columns": list(sheet.unreadable)}
    leaking: list[int] = []
    for said in said_in(sheet.frame):
        if said.fault or said.kind is None or said.id is None or said.answer is None:
            faults.setdefault(said.fault or "", []).append(said.row)
            continue
        is_leaking = said.comment is not None and scanner.leaks(said.comment)
        if is_leaking:
            leaking.append(said.row)
        kept = None if is_leaking else said.comment
        answers.given.append(Answer(site, said.kind, said.id, said.answer, kept, date, path.name, said.row))
    for what, rows in faults.items():
        if rows:
            answers.problems.append(f"{place}: {_rows(rows)} {what}; correct it in a new file")
    if leaking:
        answers.problems.append(f"{place}: {_rows(leaking)} a comment that names a person; it was not kept")


def _scanner(library: Library, as_of: dt.date | None) -> LeakScanner:
    """No names are known here; numbers, addresses and the network's own patterns are."""
    return scanner_for((), patterns=library.network.privacy.identifier_patterns, as_of=as_of or dt.date.max)


def _files(library: Library, site: str) -> Iterator[Path]:
    folder = library.folder.root / "answers" / site
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith((".", "~$")):
                yield path


def _ledger(state: Path, site: str) -> Path:
    return state / "answers" / f"{site}.jsonl"


def _known(state: Path, site: str) -> dict[str, tuple[str, dt.date]]:
    """File → its fingerprint and its day."""
    known: dict[str, tuple[str, dt.date]] = {}
    for row in read_rows(_ledger(state, site)):
        known.setdefault(row["file"], (row["sha256"], dt.date.fromisoformat(row["received_date"])))
    return known


def _date_of(name: str, today: dt.date) -> dt.date:
    match = _DATED.match(name)
    try:
        return min(dt.date.fromisoformat(match.group(1)), today) if match else today
    except ValueError:
        return today


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
