"""CDISC ODM 1.3: OpenClinica, secuTrial, and REDCap's project XML; as a file, or as the only XML of a zip.

What belongs here: walking through the file once, and the frame of the form or item group that was asked for. What does
not: definitions (`odm_definitions`), transactions (`odm_records`), how XML and zip are opened (`xml_safe`, `archive`).

The frame begins with the keys of ODM; then come attributes that a system adds to subject, event or form
(`subject.Sex`), then the items, and `<item>.unit` for items that are measured in units. A date of the event is the
export's own: OpenClinica's start date, or secuTrial's planned visit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sys import intern
from typing import IO, Any

from assets.ingestion.readers.archive import is_archive, open_archive
from assets.ingestion.readers.odm_definitions import DEFINING, MISSING_CODES
from assets.ingestion.readers.odm_frame import Collected, source_frame
from assets.ingestion.readers.odm_records import Audit, Event, Filled, Occurrence, Records, Subject
from assets.ingestion.readers.protocol import ReadError, SourceFrame
from assets.ingestion.readers.xml_safe import attribute, events, foreign, local, release, text_of
from codebook.formats import OdmFormat, ReadingLimits

_WHOLE = DEFINING | {MISSING_CODES, "AuditRecord", "AuditLogs", "Annotation", "SiteRef"}
"""Elements that are read as a whole, with what is inside them; so are all kinds of ItemData."""

_VISIT_DATE = "FF.VISITDY"
_STATUS_ITEM = "FF.FCS.0"
"""secuTrial's items for the planned date of a visit, and for how completely a form is filled."""
_SUBJECT_LABEL = "CL.SubjectIdentifier"
"""secuTrial's mark on the annotation that holds the study number people know."""

_DOCUMENT = re.compile(r"(?:mnpdid|cvpid)\.\d+")
"""secuTrial's number of a document or visit, in an audit record's source."""

_READ_APART = frozenset({"Status", "StartDate", "StudySubjectID", "RecordIdField"})
"""Attributes of systems that have a column of their own, or say nothing about a subject."""
_FILES = frozenset({"ItemDataBase64Binary", "ItemDataBase64Float", "ItemDataHexBinary", "ItemDataHexFloat"})
FILE_VALUE = "[document]"
"""What stands in the frame for an uploaded file, as in REDCap's own exports."""


def read(
    path: Path, relative: str, format: OdmFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one form or item group (`assets.ingestion.readers.protocol.read_file` says what comes out).

    A form gives a row per filled form, with all its groups that do not repeat, and a row per occurrence of each group
    that does; an item group gives a row per occurrence. `source_row` is the number of the (first) item group among all
    of the file. `history` holds what a transactional file replaced and what the export's audit records say of items.

    Raises:
        ReadError: no ODM 1, not well-formed, no such form, or larger than the limits.
    """
    limits = limits or ReadingLimits()
    with _opened(path, relative, limits) as stream:
        walk = _Walk(relative, sheet, limits)
        for event, element in events(stream, relative):
            walk.see(event, element)
    return source_frame(walk.collected(), relative, format)


@contextmanager
def _opened(path: Path, relative: str, limits: ReadingLimits) -> Iterator[IO[bytes]]:
    if not is_archive(path):
        with path.open("rb") as stream:
            yield stream
        return
    with open_archive(path, relative, limits) as archive:
        names = [name for name in archive.names if name.lower().endswith(".xml")]
        if len(names) != 1:
            raise ReadError(
                f"{relative}: holds {len(names)} XML files, an export holds one; have the export sent as it was made"
            )
        with archive.open(names[0]) as stream:
            yield stream


class _Walk:
    """One pass over a file: what is being read now, and what has been read of it."""

    def __init__(self, relative: str, sheet: str | None, limits: ReadingLimits) -> None:
        self._relative = relative
        self._sheet = sheet
        self._limits = limits
        self._got = Collected()
        self._is_transactional = False
        self._has_begun = False
        self._inside = 0
        """How deep in an element that is read as a whole."""
        self._study: str | None = None
        self._subject: Subject | None = None
        self._event: Event | None = None
        self._form: Filled | None = None
        self._complete = ""
        """REDCap's item for the status of the form."""
        self._group: Occurrence | None = None
        self._is_wanted = False
        """Whether the item group was asked for."""
        self._doubled: list[Occurrence] = []
        self._n_doubled: dict[str, int] = {}
        self._n_groups = 0
        self._n_columns = 1

    def see(self, event: str, element: Any) -> None:
        """The start or the end of one element."""
        if event == "start":
            if self._inside:
                self._inside += 1
            else:
                self._begin(local(element), element)
            return
        if self._inside:
            self._inside -= 1
            if self._inside:
                return
        self._end(local(element), element)
        release(element)

    def collected(self) -> Collected:
        """What has been read, at the end of the file."""
        self._begin_data()
        return self._got

    def _begin(self, name: str, element: Any) -> None:
        if not self._has_begun:
            self._begin_file(name, element)
        elif name in _WHOLE or name.startswith("ItemData"):
            self._inside = 1
        elif name == "ClinicalData":
            self._study = attribute(element, "StudyOID")
            self._begin_data()
        elif name == "SubjectData":
            self._subject = Subject(attribute(element, "SubjectKey"), self._study, more=_more(element, "subject"))
            self._subject.label = foreign(element, "StudySubjectID")
            self._subject.transaction = attribute(element, "TransactionType")
        elif name == "StudyEventData" and self._subject is not None:
            self._event = Event(self._subject, *_keys(element, "StudyEvent"), foreign(element, "StartDate"))
            self._event.more = _more(element, "event")
            self._event.transaction = attribute(element, "TransactionType") or self._subject.transaction
        elif name == "FormData" and self._event is not None:
            self._form = Filled(self._event, *_keys(element, "Form"), foreign(element, "Status"))
            self._form.more = _more(element, "form")
            self._complete = f"{(self._form.oid or '').rpartition('.')[2]}_complete"
            self._form.transaction = attribute(element, "TransactionType") or self._event.transaction
        elif name == "ItemGroupData" and self._form is not None:
            self._begin_group(element, self._form)

    def _begin_file(self, name: str, element: Any) -> None:
        self._has_begun = True
        version = attribute(element, "ODMVersion") or "1.3"
        if name != "ODM":
            raise ReadError(f"{self._relative}: is XML, but no CDISC ODM; declare the reader of what it is")
        if not version.startswith("1."):
            raise ReadError(f"{self._relative}: is a later ODM than 1.3, which is read; have it exported as that")
        self._is_transactional = attribute(element, "FileType") == "Transactional"

    def _begin_data(self) -> None:
        got = self._got
        if got.records is None:
            got.wanted = got.definitions.find(self._sheet, self._relative)
            got.records = Records(got.definitions, got.wanted, self._is_transactional)
            self._n_columns = 1 + len(got.definitions.items_of(got.wanted))

    def _begin_group(self, element: Any, form: Filled) -> None:
        oid, repeat = _keys(element, "ItemGroup")
        self._n_groups += 1
        transaction = attribute(element, "TransactionType") or form.transaction
        self._group = Occurrence(form, self._n_groups, oid or "", repeat, transaction)
        self._is_wanted = self._got.wanted.takes(form.oid or "", oid or "")
        self._doubled, self._n_doubled = [], {}
        self._got.seen.setdefault(form.oid or "", {}).setdefault(oid or "")

    def _end(self, name: str, element: Any) -> None:
        if name.startswith("ItemData"):
            self._item(name, element)
        elif name == "ItemGroupData":
            self._end_group()
        elif name == "FormData":
            self._end_form(element)
        elif name == "StudyEventData":
            if self._event is not None and attribute(element, "TransactionType") == "Remove":
                self._remove(self._event.key)
            self._event = None
        elif name == "SubjectData":
            if self._subject is not None and attribute(element, "TransactionType") == "Remove":
                self._remove((self._subject.study, self._subject.key))
            self._subject = None
        elif name == "SiteRef" and self._subject is not None:
            self._subject.site = attribute(element, "LocationOID")
        elif name == "Annotation":
            self._annotation(element)
        elif name == "AuditRecord":
            self._audit_record(element)
        elif name == "AuditLogs":
            self._audit_logs(element)
        elif name in _WHOLE:
            self._got.definitions.take(element)

    def _item(self, kind: str, element: Any) -> None:
        group, form, oid = self._group, self._form, attribute(element, "ItemOID")
        if group is None or form is None or oid is None:
            return
        if oid in (_STATUS_ITEM, self._complete):
            form.status = form.status or self._value(kind, oid, element)
        elif oid == _VISIT_DATE:
            form.event.date = form.event.date or self._value(kind, oid, element)
        if not self._is_wanted:
            return
        oid, value = intern(oid), self._value(kind, oid, element)
        if group.values.get(oid, value) != value:
            group = self._another(oid, group)
        group.values[oid] = None if attribute(element, "TransactionType") == "Remove" else value
        for child in element:
            if local(child) == "MeasurementUnitRef":
                group.units[oid] = attribute(child, "MeasurementUnitOID") or ""
            elif local(child) == "AuditRecord":
                group.changes.append((oid, value, _audit(child)))
            elif local(child) == "AuditLogs":
                group.changes.extend(
                    (f"{oid}.status" if is_status else oid, new, audit) for new, audit, is_status in _audits(child)
                )

    def _value(self, kind: str, oid: str, element: Any) -> str | None:
        if attribute(element, "IsNull") == "Yes":
            reason = foreign(element, "ReasonForNull")
            if reason is not None:
                self._got.null_reasons.setdefault(oid, set()).add(reason)
            return reason
        if kind in _FILES:
            self._got.n_files += self._is_wanted
            return FILE_VALUE if text_of(element) else None
        return attribute(element, "Value") if kind == "ItemData" else text_of(element)

    def _another(self, oid: str, first: Occurrence) -> Occurrence:
        """A further occurrence of a group, for the next value of an item that already has one."""
        self._n_doubled[oid] = nth = self._n_doubled.get(oid, 0) + 1
        if nth > len(self._doubled):
            self._n_groups += 1
            self._doubled.append(Occurrence(first.form, self._n_groups, first.oid, first.repeat, first.transaction))
        return self._doubled[nth - 1]

    def _end_group(self) -> None:
        records = self._got.records
        if self._group is not None and records is not None and self._is_wanted:
            for group in (self._group, *self._doubled):
                records.take(group)
            if len(records) * self._n_columns > self._limits.max_sheet_cells:
                raise ReadError(
                    f"{self._relative}: has more than {self._limits.max_sheet_cells} values of one form; have it "
                    "exported in parts, or raise limits.max_sheet_cells in network.yaml"
                )
        self._group = None

    def _end_form(self, element: Any) -> None:
        form = self._form
        if form is not None and attribute(element, "TransactionType") == "Remove":
            self._remove(form.key if form.document is None else (*form.key, form.document))
        self._form = None

    def _remove(self, key: tuple[str | None, ...]) -> None:
        if self._got.records is not None:
            self._got.records.remove(key)

    def _annotation(self, element: Any) -> None:
        if self._subject is None or self._event is not None:
            return
        inside = {local(one): one for one in element.iter()}
        if "FlagValue" in inside and attribute(inside["FlagValue"], "CodeListOID") == _SUBJECT_LABEL:
            self._subject.label = text_of(inside["Comment"]) if "Comment" in inside else None

    def _audit_record(self, element: Any) -> None:
        if self._group is not None:
            self._group.audit = _audit(element)
        elif self._form is not None:
            self._form.audit = _audit(element)
            source = next((text_of(child) for child in element if local(child) == "SourceID"), None)
            numbered = _DOCUMENT.match(source or "")
            self._form.document = numbered[0] if numbered else None
        else:
            self._got.n_other_audits += 1

    def _audit_logs(self, element: Any) -> None:
        if self._form is None:
            self._got.n_other_audits += len(element)
        elif self._got.wanted.concerns(self._form.oid or "", self._got.definitions):
            self._got.status_changes.extend((self._form, new, audit) for new, audit, _ in _audits(element))


def _keys(element: Any, kind: str) -> tuple[str | None, str | None]:
    return attribute(element, f"{kind}OID"), attribute(element, f"{kind}RepeatKey")


def _more(element: Any, of: str) -> dict[str, str]:
    """Attributes outside the standard that are not read apart."""
    named = ((key.rpartition("}")[2], text.strip()) for key, text in element.items() if key.startswith("{"))
    return {f"{of}.{name}": text for name, text in named if text and name not in _READ_APART}


def _audit(element: Any) -> Audit:
    """An audit record of the standard."""
    inside = {local(child): child for child in element}
    by = attribute(inside["UserRef"], "UserOID") if "UserRef" in inside else None
    at, reason = (text_of(inside[name]) if name in inside else None for name in ("DateTimeStamp", "ReasonForChange"))
    return Audit(at, by, reason)


def _audits(element: Any) -> Iterator[tuple[str | None, Audit, bool]]:
    """OpenClinica's audit logs: new value, who and when, and whether it was a status that changed.

    What happened stands in `Type` in one version and in `AuditType` in another.
    """
    for log in element:
        kind = attribute(log, "AuditType") or attribute(log, "Type") or ""
        reason = attribute(log, "ReasonForChange") or kind or None
        audit = Audit(attribute(log, "DateTimeStamp"), attribute(log, "UserID"), reason)
        yield attribute(log, "NewValue"), audit, "status" in kind.lower()
