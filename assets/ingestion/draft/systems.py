"""Columns that a system names by itself in every export: who, when, where, and what numbers a form.

What belongs here: those names, per reader. What does not: columns that a unit names (`assets.ingestion.draft.people`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class SystemColumns:
    """Names, the better first. `key`: what tells a patient's rows apart; `document`: what numbers every row."""

    identity: tuple[str, ...] = ()
    date: str | None = None
    occasion: str | None = None
    group: str | None = None
    key: tuple[str, ...] = ()
    document: tuple[str, ...] = ()
    status: str | None = None
    """The form's own status."""
    others: tuple[str, ...] = ()
    """Further columns of the system: nothing of a patient stands in them."""

    @property
    def columns(self) -> set[str]:
        """All of them that are no identity."""
        single = (self.date, self.occasion, self.group, self.status)
        return {*self.key, *self.document, *self.others, *(name for name in single if name)}


SYSTEMS = {
    "redcap": SystemColumns(
        occasion="redcap_event_name",
        group="redcap_data_access_group",
        key=("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"),
    ),
    "odm": SystemColumns(
        identity=("subject_id", "subject_key"),
        date="event_date",
        occasion="event",
        group="site",
        key=("event", "event_repeat", "form", "form_repeat", "group", "group_repeat"),
        others=(
            "form_status", "event.UniqueEventName", "Patient identifier", "Saved", "review (A)", "review (B)",
            "manual freeze", "rule-based freeze", "Completion status", "Validation status (error)",
            "Validation status (warning)", "data entry complete", "Query status", "Comment status",
        ),
    ),
    "secutrial": SystemColumns(
        identity=("mnpaid", "mnppid"),
        date="mnpvispdt",
        occasion="mnpvislabel",
        group="mnpctrid",
        document=("mnpdocid", "mnpsubdocid"),
        others=(
            "mnplastedit", "mnpptnid", "mnpvisid", "mnpcvpid", "mnpvisno", "mnpvisfdt", "mnpaeid", "mnpaedate",
            "mnpaeno", "mnpaefuid", "mnpaefudt", "mnphide", "mnpfsqa", "mnpfsct", "mnpvsno", "mnpvslbl", "mnpctrname",
            "sigstatus", "sigreason", "fgid", "position", *(f"mnpfs{n}" for n in range(4)),
            *(f"mnpfcs{n}" for n in range(4)),
        ),
    ),
    "fhir": SystemColumns(
        identity=("subject",),
        date="authored_date",
        document=("id",),
        status="status",
        others=("authored", "source", "author", "encounter", "questionnaire"),
    ),
}  # fmt: skip
NO_SYSTEM = SystemColumns()
FHIR_STATUS = {
    "completed": "complete", "amended": "complete", "in-progress": "incomplete", "stopped": "incomplete",
    "entered-in-error": "void",
}  # fmt: skip


def system_of(reader: str, there: Collection[str]) -> SystemColumns:
    """What the reader's system names, as far as it is in the sample."""
    known = SYSTEMS.get(reader, NO_SYSTEM)

    def present(name: str | None) -> str | None:
        return name if name in there else None

    return SystemColumns(
        identity=tuple(name for name in known.identity if name in there),
        date=present(known.date),
        occasion=present(known.occasion),
        group=present(known.group),
        key=tuple(name for name in known.key if name in there),
        document=tuple(name for name in known.document if name in there),
        status=present(known.status),
        others=tuple(name for name in known.others if name in there),
    )


def row_key(frame: pl.DataFrame, identity: Sequence[str], system: SystemColumns, more: Sequence[str]) -> list[str]:
    """Columns that name each row of the sample once: the system's own number, else the identity with as little as will.

    `more`: an occasion or a date of the unit's own, to be tried one by one.
    """
    told = [name for name in system.key if frame[name].n_unique() > 1]
    tried = [[name] for name in system.document]
    if identity:
        tried += [list(identity), [*identity, *told], *([*identity, name] for name in more)]
    return next((columns for columns in tried if frame.height and frame.select(columns).is_unique().all()), [])
