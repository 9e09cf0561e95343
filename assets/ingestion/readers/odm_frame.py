"""The frame of an ODM form or item group: columns and their names, labels, missing codes, history, and what to report.

What belongs here: everything between the records of a file (`odm_records`) and the hand-over of a reader. What does
not: reading the file (`odm`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count

import polars as pl

from assets.ingestion.readers.odm_definitions import Definitions, Wanted
from assets.ingestion.readers.odm_records import Audit, Filled, Record, Records
from assets.ingestion.readers.protocol import HISTORY_COLUMNS, SOURCE_ROW, ReadError, SourceFrame, text_frame
from codebook.formats import OdmFormat

KEYS: dict[str, Callable[[Record], str | None]] = {
    "subject_key": lambda record: record.form.event.subject.key,
    "subject_id": lambda record: record.form.event.subject.label,
    "site": lambda record: record.form.event.subject.site or record.form.event.subject.study,
    "event": lambda record: record.form.event.oid,
    "event_repeat": lambda record: record.form.event.repeat,
    "event_date": lambda record: record.form.event.date,
    "form": lambda record: record.form.oid,
    "form_repeat": lambda record: record.form.repeat,
    "form_status": lambda record: record.form.status,
    "group": lambda record: record.group,
    "group_repeat": lambda record: record.group_repeat,
}
"""Columns that every frame begins with. `subject_id` is the number people know, where it is not the key itself;
`site` is the study (of a site) where subjects name no location; `group` is blank in the row of a whole form."""

MAX_COLUMNS = 20_000
"""Far more than any form has items; a file with a new item in every row would otherwise fill the memory."""

_PERSONAL = ("DateOfBirth", "UniqueIdentifier", "PersonID", "InterviewerName", "SecondaryID")
"""Attributes of OpenClinica that identify somebody."""


@dataclass
class Collected:
    """Everything of a file that its frame is made from."""

    definitions: Definitions = field(default_factory=Definitions)
    wanted: Wanted = field(default_factory=lambda: Wanted(None))
    records: Records | None = None
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    """Form → its item groups that hold data, asked for or not."""
    null_reasons: dict[str, set[str]] = field(default_factory=dict)
    """Item → codes that were given in place of a value."""
    status_changes: list[tuple[Filled, str | None, Audit]] = field(default_factory=list)
    n_other_audits: int = 0
    """Audit records of subjects and events, which are no row's."""
    n_files: int = 0


def source_frame(got: Collected, relative: str, format: OdmFormat) -> SourceFrame:
    """The hand-over; `got.records` are there, even if empty.

    Raises:
        ReadError: the file was never begun, or has far more items than any form.
    """
    if got.records is None:
        raise ReadError(f"{relative}: holds no ODM; have it exported again")
    definitions, rows = got.definitions, list(got.records.rows)
    defined = definitions.items_of(got.wanted)
    items = list(dict.fromkeys([*defined, *(item for record in rows for item in record.values)]))
    more = _more(rows)
    if len(items) + len(more) > MAX_COLUMNS:
        raise ReadError(
            f"{relative}: has more than {MAX_COLUMNS} items in one form, as no export has; have it made again"
        )
    names = _names(items, definitions, format, [*KEYS, SOURCE_ROW, *more])
    measured = {item for item in items if item in definitions.items and definitions.items[item].has_units}
    measured |= {item for record in rows for item in record.units}
    units = {f"{names[item]}.unit": item for item in items if item in measured}
    columns: dict[str, Iterable[str | None]] = {key: [tell(record) for record in rows] for key, tell in KEYS.items()}
    columns |= {name: [_told(record).get(name) for record in rows] for name in more}
    columns |= {names[item]: [_value(record, item, definitions) for record in rows] for item in items}
    columns |= {name: [record.units.get(item) for record in rows] for name, item in units.items()}
    known = {item: definitions.items[item] for item in items if item in definitions.items}
    missing = {names[item]: {**definitions.missing, **_plain(got.null_reasons.get(item, ()))} for item in items}
    return SourceFrame(
        relative,
        got.wanted.title,
        text_frame(columns, [record.number for record in rows]),
        user_missing={column: codes for column, codes in missing.items() if codes},
        labels=_labels(names, units, definitions),
        identifiers=frozenset(
            {names[item] for item, one in known.items() if one.is_identifier}
            | {name for name in more if name.endswith(_PERSONAL)}
        ),
        form_of={names[item]: got.wanted.forms[0] for item in items} if len(got.wanted.forms) == 1 else {},
        other_sheets=_others(got),
        history=_history(got, rows, names),
        notes=tuple(_notes(got, items, defined)),
    )


def _told(record: Record) -> dict[str, str]:
    form = record.form
    return {**form.event.subject.more, **form.event.more, **form.more}


def _more(rows: Iterable[Record]) -> list[str]:
    """Attributes outside the standard that any row has."""
    return list(dict.fromkeys(name for record in rows for name in _told(record)))


def _names(items: Iterable[str], definitions: Definitions, format: OdmFormat, taken: Iterable[str]) -> dict[str, str]:
    """Item → column. Where two items have one name, or an item the name of a key, the OID stands for it."""
    items, used = list(items), set(taken)
    wanted = {item: item for item in items}
    if format.columns == "name":
        wanted |= {item: definitions.items[item].name for item in items if item in definitions.items}
    shared = Counter(wanted.values())
    names: dict[str, str] = {}
    for item in items:
        name = wanted[item] if shared[wanted[item]] == 1 else item
        candidates = chain((name, item, f"item.{item}"), (f"item.{item}.{nth}" for nth in count(2)))
        names[item] = next(one for one in candidates if one not in used)
        used |= {names[item], f"{names[item]}.unit"}
    return names


def _value(record: Record, item: str, definitions: Definitions) -> str | None:
    """A value; a checkbox that stands at 0 in a form that nobody touched is no answer (REDCap)."""
    value = record.values.get(item)
    if value == "0" and record.form.status is None:
        known = definitions.items.get(item)
        if known is not None and known.is_checkbox:
            return None
    return value


def _plain(codes: Iterable[str]) -> dict[str, str]:
    return {code: code for code in sorted(codes)}


def _labels(names: dict[str, str], units: dict[str, str], definitions: Definitions) -> dict[str, dict[str, str]]:
    labels = {
        "site": definitions.places,
        "event": definitions.events,
        "form": {oid: form.name for oid, form in definitions.forms.items()},
        "group": {oid: group.name for oid, group in definitions.groups.items()},
        **dict.fromkeys(units, definitions.units),
    }
    for item, column in names.items():
        known = definitions.items.get(item)
        if known is not None and known.code_list is not None:
            labels[column] = definitions.code_lists.get(known.code_list, {})
    return {column: codes for column, codes in labels.items() if codes}


def _others(got: Collected) -> tuple[str, ...]:
    """Forms with data that were not asked for; beside an item group also the others of its form."""
    others: list[str] = []
    for form, groups in got.seen.items():
        asked = [group for group in groups if got.wanted.takes(form, group)]
        if not asked:
            others.append(form)
        elif got.wanted.group is not None:
            others += [group for group in groups if group not in asked]
    return tuple(dict.fromkeys(others))


def _history(got: Collected, rows: list[Record], names: dict[str, str]) -> pl.DataFrame | None:
    lines: list[tuple[int, str, str | None, str | None, str | None, str | None]] = []
    for record, item, value, audit in got.records.changes if got.records else ():
        if not record.is_removed:
            base, is_status = item.removesuffix(".status"), item.endswith(".status")
            column = names.get(item) or (f"{names[base]}.status" if is_status and base in names else item)
            lines.append((record.number, column, value, audit.at, audit.by, audit.reason))
    first: dict[int, int] = {}
    for record in rows:
        first.setdefault(id(record.form), record.number)
    for form, value, audit in got.status_changes:
        if id(form) in first:
            lines.append((first[id(form)], "form_status", value, audit.at, audit.by, audit.reason))
    if not lines:
        return None
    return pl.DataFrame(lines, schema=HISTORY_COLUMNS, orient="row").sort(SOURCE_ROW, maintain_order=True)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _notes(got: Collected, items: list[str], defined: list[str]) -> Iterator[str]:
    tally = got.records.tally if got.records else None
    if tally is not None and tally.updated:
        yield f"has {tally.updated} item groups that change earlier ones; the last counts, what it replaced is history"
    if tally is not None and tally.removed:
        yield f"has {tally.removed} item groups or rows that it removes again; they are not taken"
    if tally is not None and tally.unmatched:
        yield f"changes or removes {tally.unmatched} item groups that it did not insert before"
    known = set(defined)
    unknown = [item for item in items if item not in known]
    if unknown:
        yield f"has items that it does not define for the form: {_listed(unknown)}"
    if got.n_files:
        yield f"holds {got.n_files} uploaded files, which are not taken"
    if got.n_other_audits:
        yield f"holds {got.n_other_audits} audit records about subjects and events, which are not taken"
    if not got.seen:
        yield "holds definitions only, no clinical data"
