"""The clinical data of an ODM file as records: what was inserted, updated and removed, in the file's order.

What belongs here: which item groups make one record, transactions, and the audit records beside them. What does not:
definitions (`odm_definitions`), columns and frames (`odm`).

The item groups of one form that do not repeat are one record, so that an answer stands beside the date and the status
of its form; each occurrence of a repeating group is one of its own. A snapshot's occurrences all stay, two with the
same keys too. In a transactional file an insert makes a record, an update changes the latest one of the same form (of
the same document, where the audit record names it: secuTrial sends three visits of one kind under the same keys), and
a remove takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from assets.ingestion.readers.odm_definitions import Definitions, Wanted

Key = tuple[str | None, ...]


class Audit(NamedTuple):
    """Who changed something, when and why, as far as the export says."""

    at: str | None = None
    by: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Subject:
    """A subject, and what the export says of it beside its key."""

    key: str | None
    study: str | None
    site: str | None = None
    label: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    transaction: str | None = None


@dataclass(slots=True)
class Event:
    """One occurrence of a study event of a subject."""

    subject: Subject
    oid: str | None
    repeat: str | None
    date: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    transaction: str | None = None

    @property
    def key(self) -> Key:
        """What tells events apart."""
        return (self.subject.study, self.subject.key, self.oid, self.repeat)


@dataclass(slots=True)
class Filled:
    """One filled form of an event. `document` is the export's own number of it, where an audit record tells."""

    event: Event
    oid: str | None
    repeat: str | None
    status: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    transaction: str | None = None
    audit: Audit | None = None
    document: str | None = None
    record: Record | None = None
    """The record that its groups without repeats go into."""

    @property
    def key(self) -> Key:
        """What tells forms apart."""
        return (*self.event.key, self.oid, self.repeat)


@dataclass(slots=True)
class Occurrence:
    """One item group as it stands in the file: items, units, and audit records of items."""

    form: Filled
    number: int
    oid: str
    repeat: str | None
    transaction: str | None
    values: dict[str, str | None] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    audit: Audit | None = None
    changes: list[tuple[str, str | None, Audit]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Record:
    """A row to be. `number`: which item group of the file it began with, from 1."""

    form: Filled
    number: int
    group: str | None
    group_repeat: str | None
    audit: Audit | None
    values: dict[str, str | None] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    is_removed: bool = False


@dataclass
class Tally:
    """What became of the item groups that were asked for; for the report."""

    groups: int = 0
    updated: int = 0
    """Item groups that changed an earlier record instead of beginning one."""
    unmatched: int = 0
    """Updates and removals of what the file had not inserted."""
    removed: int = 0
    """Records or parts of records that were taken away."""


class Records:
    """Takes item groups in the file's order; `rows` are the records that are left at its end."""

    def __init__(self, definitions: Definitions, wanted: Wanted, is_transactional: bool) -> None:
        self.tally = Tally()
        self.changes: list[tuple[Record, str, str | None, Audit]] = []
        self._definitions = definitions
        self._wanted = wanted
        self._is_transactional = is_transactional
        self._all: list[Record] = []
        self._known: dict[Key, list[Record]] = {}
        self._told: set[tuple[int, str]] = set()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def rows(self) -> Iterator[Record]:
        """Records that were not removed, in the order in which they began."""
        return (record for record in self._all if not record.is_removed)

    def take(self, group: Occurrence) -> None:
        """One item group that is asked for."""
        self.tally.groups += 1
        if group.transaction == "Remove":
            if self._is_transactional:
                self._remove_group(group)
            else:
                self.tally.removed += 1
            return
        repeats = self._repeats(group)
        record = self._open(group, repeats)
        if record is None:
            record = Record(
                group.form,
                group.number,
                group.oid if repeats else None,
                group.repeat if repeats else None,
                group.audit or group.form.audit,
            )
            self._all.append(record)
            if self._is_transactional:
                self._register(record)
        if not repeats and (group.form.record is None or group.form.record.is_removed):
            group.form.record = record
        self._fill(record, group)

    def remove(self, key: Key) -> None:
        """Everything of a subject, an event or a form, by its key."""
        for record in self._known.pop(key, ()):
            self._remove(record)

    def _remove(self, record: Record) -> None:
        if not record.is_removed:
            record.is_removed = True
            self.tally.removed += 1

    def _repeats(self, group: Occurrence) -> bool:
        if self._wanted.group is not None:
            return True
        known = self._definitions.groups.get(group.oid)
        return known.is_repeating if known is not None else group.repeat is not None

    def _open(self, group: Occurrence, repeats: bool) -> Record | None:
        """The record that a group belongs to; None: a new one."""
        own = None if repeats else group.form.record
        is_update = self._is_transactional and group.transaction in ("Update", "Upsert")
        if not is_update:
            return own if own is not None and not own.is_removed and group.oid not in own.groups else None
        found = own if own is not None and not own.is_removed else self._latest(group, repeats)
        if found is not None and group.oid in found.groups:
            self.tally.updated += 1
        elif found is None and group.transaction == "Update":
            self.tally.unmatched += 1
        return found

    def _latest(self, group: Occurrence, repeats: bool) -> Record | None:
        """The record that was begun last under the same keys and, where documents are numbered, of the same one."""
        inner: Key = (group.oid, group.repeat) if repeats else ("", "")
        form = group.form
        if form.document is not None:
            found = self._last((*form.key, form.document, *inner))
            if found is not None:
                return found
        found = self._last((*form.key, *inner))
        is_other = found is not None and None not in (form.document, found.form.document)
        return None if is_other else found

    def _last(self, key: Key) -> Record | None:
        records = self._known.get(key, [])
        while records and records[-1].is_removed:
            records.pop()
        return records[-1] if records else None

    def _register(self, record: Record) -> None:
        form = record.form
        subject = form.event.subject
        inner: Key = (record.group, record.group_repeat) if record.group is not None else ("", "")
        keys: list[Key] = [(subject.study, subject.key), form.event.key, form.key, (*form.key, *inner)]
        if form.document is not None:
            keys += [(*form.key, form.document), (*form.key, form.document, *inner)]
        for key in keys:
            self._known.setdefault(key, []).append(record)

    def _remove_group(self, group: Occurrence) -> None:
        repeats = self._repeats(group)
        own = None if repeats else group.form.record
        record = own or self._latest(group, repeats)
        if record is None or record.is_removed:
            self.tally.unmatched += 1
            return
        record.groups.discard(group.oid)
        if repeats or not record.groups:
            self._remove(record)
            return
        self.tally.removed += 1
        known = self._definitions.groups.get(group.oid)
        for item in known.items if known else list(group.values):
            record.values.pop(item, None)
            record.units.pop(item, None)

    def _fill(self, record: Record, group: Occurrence) -> None:
        audit = group.audit or group.form.audit
        record.groups.add(group.oid)
        for item, value in group.values.items():
            before = record.values.get(item)
            if item in record.values and before != value:
                self._tell(record, item, before, value, audit)
            record.values[item] = value
        record.units.update(group.units)
        self.changes.extend((record, item, value, told) for item, value, told in group.changes)

    def _tell(self, record: Record, item: str, before: str | None, value: str | None, audit: Audit | None) -> None:
        """A value that a later transaction replaced, and the new one."""
        if (record.number, item) not in self._told:
            self._told.add((record.number, item))
            self.changes.append((record, item, before, record.audit or Audit()))
        self.changes.append((record, item, value, audit or Audit()))
