"""Who is whom: merges and splits of patients, declared by the network, reversible, kept with who, when and why.

What belongs here: the events of `state/identity.jsonl` and what they come to together.
What does not: ids (`checks.keys`), the command line, and how SQL applies it (`dbt_project/macros/identity.sql`).
Nothing is ever taken out of the file: an undo is an event too. Merges have one step: whoever was merged into somebody
can neither stay nor be merged again, so that there are no chains and no circles.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from checks.keys import ID_HEX, LETTERS

Action = Literal["merge", "split", "undo"]
IDENTITY_SCHEMA: dict[str, pl.DataType] = {"kind": pl.String(), "record_id": pl.String(), "patient_id": pl.String()}
"""kind patient: this patient is that one; kind episode: this course is of that patient."""


class IdentityError(Exception):
    """What was asked cannot be: one sentence that says why and what to do instead."""


@dataclass(frozen=True)
class IdentityEvent:
    """One line of the file. `ids`: merge: who stays, who is merged; split: the courses. `undoes`: an event's number."""

    number: int
    action: Action
    ids: tuple[str, ...]
    reason: str
    by: str
    at: dt.datetime
    undoes: int | None = None

    def record(self) -> dict[str, object]:
        """For the screen: who, when, what and why."""
        what = f"event {self.undoes}" if self.action == "undo" else " ".join(self.ids)
        return {
            "event": self.number, "at": self.at, "by": self.by, "action": self.action, "what": what,
            "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True)
class Identities:
    """What the events come to. `merged`: patient → who stays; `split`: course → patient of its own, before merges."""

    events: tuple[IdentityEvent, ...] = ()
    active: tuple[IdentityEvent, ...] = ()
    merged: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, str] = field(default_factory=dict)

    def patient(self, patient_id: str, episode_id: str | None = None) -> str:
        """Who a row of this patient and course is about."""
        own = self.split.get(episode_id, patient_id) if episode_id else patient_id
        return self.merged.get(own, own)

    def frame(self) -> pl.DataFrame:
        """For SQL: IDENTITY_SCHEMA."""
        rows = [("patient", gone, stays) for gone, stays in self.merged.items()]
        rows += [("episode", episode, self.patient(own)) for episode, own in self.split.items()]
        return pl.DataFrame(sorted(rows), schema=IDENTITY_SCHEMA, orient="row")

    def events_of(self, identifier: str) -> list[IdentityEvent]:
        """Events that name a patient or a course, or that made the patient; undos of them too."""
        named = {e.number for e in self.events if identifier in e.ids or identifier == split_patient(e)}
        return [e for e in self.events if e.number in named or e.undoes in named]


def split_patient(event: IdentityEvent) -> str | None:
    """The patient that a split made: an id from those of the courses, so that it needs no key."""
    if event.action != "split":
        return None
    text = "split patient " + " ".join(sorted(event.ids))
    return LETTERS["patient"] + hashlib.sha256(text.encode()).hexdigest()[:ID_HEX]


def identity_file(state: Path) -> Path:
    """Where the events of a network stand."""
    return state / "identity.jsonl"


def read_identities(state: Path) -> Identities:
    """Everything that was declared so far; a line that a crash cut off is passed over (nobody was told it was done)."""
    path = identity_file(state)
    events = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            data = json.loads(line)
        except json.JSONDecodeError:
            continue
        data["ids"] = tuple(data["ids"])
        data["at"] = dt.datetime.fromisoformat(data["at"])
        events.append(IdentityEvent(**data))
    return identities(events)


def identities(events: Iterable[IdentityEvent]) -> Identities:
    """What the events come to, those that were undone left out."""
    every = tuple(events)
    undone = {event.undoes for event in every}
    active = tuple(event for event in every if event.number not in undone and event.action != "undo")
    merged = {event.ids[1]: event.ids[0] for event in active if event.action == "merge"}
    split = {course: split_patient(event) or "" for event in active if event.action == "split" for course in event.ids}
    return Identities(every, active, merged, split)


def merge(known: Identities, stays: str, gone: str, patients: Iterable[str]) -> IdentityEvent:
    """The event that makes `gone` the patient `stays`; `patients`: everybody in the lake.

    Raises:
        IdentityError: an unknown patient, a circle or a chain.
    """
    everybody = {*patients, *known.split.values()}
    for patient in (stays, gone):
        if patient not in everybody:
            raise IdentityError(f"no patient is called {patient}; 'concord query' on harmonised.patient lists them")
    if stays == gone:
        raise IdentityError(f"{stays} cannot be merged with itself; name two patients")
    for patient in (stays, gone):
        if patient in known.merged:
            number = next(e.number for e in known.active if e.action == "merge" and e.ids[1] == patient)
            raise IdentityError(
                f"{patient} was merged into {known.merged[patient]} by event {number}; name that one, or undo it first"
            )
    if gone in known.merged.values():
        raise IdentityError(
            f"others were merged into {gone}, who therefore has to stay: 'concord identity merge {gone} {stays}'"
        )
    return _event(known, "merge", (stays, gone))


def split(known: Identities, episodes: Iterable[str], owners: Mapping[str, str]) -> IdentityEvent:
    """The event that gives courses a patient of their own; `owners`: course → patient, as the lake has them.

    Raises:
        IdentityError: an unknown course, courses of several patients, all courses of one, or one split off already.
    """
    courses = tuple(sorted(set(episodes)))
    for course in courses:
        if course not in owners:
            raise IdentityError(f"no course is called {course}; 'concord query' on harmonised.episode lists them")
        if course in known.split:
            raise IdentityError(f"{course} was split off already; undo that first")
    people = {known.patient(owners[course], course) for course in courses}
    if len(people) != 1:
        raise IdentityError("these are courses of several patients; split them off one patient at a time")
    person = people.pop()
    rest = [c for c, owner in owners.items() if known.patient(owner, c) == person and c not in courses]
    if not rest:
        raise IdentityError(f"these are all courses of {person}; leave one, or nothing is split")
    return _event(known, "split", courses)


def undo(known: Identities, number: int) -> IdentityEvent:
    """The event that takes event `number` back.

    Raises:
        IdentityError: no such merge or split, undone already, or a later event builds on it.
    """
    found = next((event for event in known.events if event.number == number), None)
    if found is None or found.action == "undo":
        raise IdentityError(f"event {number} is no merge and no split; 'concord identity list' shows them")
    if found not in known.active:
        raise IdentityError(f"event {number} was undone already")
    made = split_patient(found)
    later = [e for e in known.active if e.number > number and made is not None and made in e.ids]
    if later:
        raise IdentityError(f"event {later[0].number} builds on event {number}; undo {later[0].number} first")
    return _event(known, "undo", found.ids, undoes=number)


def _event(known: Identities, action: Action, ids: tuple[str, ...], undoes: int | None = None) -> IdentityEvent:
    number = max((event.number for event in known.events), default=0) + 1
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return IdentityEvent(number, action, ids, "", "", now, undoes)


def append_event(state: Path, event: IdentityEvent) -> None:
    """Write one event behind the others, safely on disk when it returns."""
    state.mkdir(parents=True, exist_ok=True)
    path = identity_file(state)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(event_line(event).encode())
        file.flush()
        os.fsync(file.fileno())


def event_line(event: IdentityEvent) -> str:
    """One event as one line of JSON."""
    data = asdict(event) | {"at": event.at.isoformat(), "ids": list(event.ids)}
    return json.dumps(data, ensure_ascii=False, sort_keys=True) + "\n"
