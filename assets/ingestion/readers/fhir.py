"""FHIR R4 QuestionnaireResponses: a Bundle, NDJSON or a single resource; a row per response, a column per linkId.

What belongs here: the shape of a response, checked by ourselves since libraries for FHIR check neither statuses nor
linkIds given twice, and the flattening. What does not: what a code is worth (`fhir_codes`), and which question is
which item (the mapping).

Nested items, and items below an answer, are columns of their own. A further answer to a question is `<linkId>#2` and
so on. Numbers and times stand as the document writes them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.ingestion.readers import json_stream
from assets.ingestion.readers.fhir_codes import (
    Definitions,
    Questionnaire,
    definition_files,
    dict_of,
    dicts,
    ordinal_value,
    read_definitions,
)
from assets.ingestion.readers.json_stream import JsonError, Number
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame
from assets.ingestion.readers.rows import RowCollector, is_storable
from codebook.formats import FhirFormat, ReadingLimits

_RESPONSE = "QuestionnaireResponse"
BASE_COLUMNS = (
    "id",
    "status",
    "authored",
    "authored_date",
    "subject",
    "source",
    "author",
    "encounter",
    "questionnaire",
)
"""Columns of every response. `authored_date` is the day of `authored` where the response was written."""

_STATUSES = frozenset({"in-progress", "completed", "amended", "entered-in-error", "stopped"})
_TEXTS = frozenset({"valueDate", "valueDateTime", "valueTime", "valueString", "valueUri"})
_VALUES = _TEXTS | {
    "valueDecimal",
    "valueInteger",
    "valueBoolean",
    "valueCoding",
    "valueQuantity",
    "valueReference",
    "valueAttachment",
}
_AUTHORED = re.compile(r"^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$")
_INTEGER = re.compile(r"^-?\d{1,18}$")
_TYPE = re.compile(r"^[A-Z][A-Za-z]{1,60}$")
_ABSENT = "/data-absent-reason"
_MAXIMUM_DEPTH = 50


class _MalformedError(ValueError):
    """A response that is none: why, without any of its content."""


def read(
    path: Path, relative: str, format: FhirFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read responses (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the number of a Bundle's entry or the line of NDJSON. `sheet` names one Questionnaire, by address or
    id; the others are `other_sheets`. Every question of a Questionnaire among the definitions that a response names has
    its column, answered or not. An answer that is absent for a stated reason holds that reason as a missing code.

    Raises:
        ReadError: no FHIR resources in JSON, or no definitions where they are declared.
    """
    limits = limits or ReadingLimits()
    definitions = Definitions()
    if format.definitions is not None:
        files = definition_files(path, relative, format.definitions)
        definitions = read_definitions(files, [file.name for file in files])
    reading = _Reading(relative, definitions, sheet, limits)
    try:
        for number, resource in _resources(path, relative):
            reading.take(number, resource)
    except JsonError as error:
        raise json_stream.damaged(relative, error) from None
    return reading.source()


def _resources(path: Path, relative: str) -> Iterator[tuple[int, Any]]:
    """(entry or line, resource); in place of what is none, the `JsonError` that says so."""
    first = json_stream.first_line(path)
    if isinstance(first, dict) and _kind(first) != "Bundle":
        yield from json_stream.lines(path)
        return
    whole: dict[str, Any] = {}
    for member in json_stream.members(path, "entry"):
        if not member.position:
            whole[member.name] = member.value
        else:
            yield member.position, dict_of(member.value).get("resource")
    if not _kind(whole):
        raise _no_fhir(relative)
    if _kind(whole) != "Bundle":
        yield 1, whole


def _no_fhir(relative: str) -> ReadError:
    return ReadError(f"{relative}: is no FHIR resource in JSON; have it exported as a Bundle or as NDJSON")


def _kind(resource: Any) -> str:
    kind = dict_of(resource).get("resourceType")
    return kind if isinstance(kind, str) and _TYPE.match(kind) else ""


class _Reading:
    """One file's responses as they come."""

    def __init__(self, relative: str, definitions: Definitions, sheet: str | None, limits: ReadingLimits) -> None:
        self._relative, self._definitions, self._sheet = relative, definitions, sheet
        self._rows = RowCollector(BASE_COLUMNS, relative, limits)
        self._others: Counter[str] = Counter()
        self._other_questionnaires: set[str] = set()
        self._missing: dict[str, dict[str, str]] = {}
        self._counts: Counter[str] = Counter()
        self._strangers: set[str] = set()
        self._n_resources = 0

    def take(self, number: int, resource: Any) -> None:
        """One resource: a row, an unreadable row, or one of another type."""
        kind = _kind(resource)
        self._n_resources += bool(kind)
        if kind and kind != _RESPONSE:
            self._others[kind] += 1
            return
        if isinstance(resource, JsonError) or not kind:
            reason = str(resource) if isinstance(resource, JsonError) else "is no FHIR resource"
            self._rows.refuse(number, reason)
            return
        canonical = resource.get("questionnaire")
        if self._sheet is not None and not _is_named(canonical, self._sheet):
            self._other_questionnaires.add(_text_or(canonical, "without questionnaire").partition("|")[0])
            return
        try:
            known = self._definitions.questionnaire(canonical if isinstance(canonical, str) else None)
            row = _base(resource)
            row |= dict.fromkeys((_column(link_id) for link_id in known.questions), None) if known else {}
            flat = _Flattened(known, self._definitions)
            flat.add(resource.get("item"), (), 0)
            if known is not None:
                self._strangers |= flat.cells.keys() - row.keys()
            self._rows.add(number, row | flat.cells)
        except _MalformedError as error:
            self._rows.refuse(number, str(error))
            return
        self._counts += flat.counts
        self._counts["entered-in-error"] += row["status"] == "entered-in-error"
        for column, code in flat.missing:
            self._missing.setdefault(column, {})[code] = f"absent in the file: {code}"

    def source(self) -> SourceFrame:
        """The frame, with what else the file holds.

        Raises:
            ReadError: nothing in it is a FHIR resource.
        """
        if self._rows.unreadable and not self._n_resources:
            raise _no_fhir(self._relative)
        notes = []
        if self._others:
            listed = ", ".join(f"{n} {kind}" for kind, n in sorted(self._others.items()))
            notes.append(f"holds other resources, which were not read: {listed}")
        said = {
            "entered-in-error": "{n} responses have the status entered-in-error",
            "attachment": "{n} answers are attachments, which were not read",
            "unvalued": "{n} coded answers have no ordinal value in the definitions and stand as their code",
        }
        if self._strangers:
            notes.append(
                f"answers {len(self._strangers)} linkIds that the Questionnaire of its definitions does not have"
            )
        notes += [text.format(n=self._counts[name]) for name, text in said.items() if self._counts[name]]
        return SourceFrame(
            self._relative,
            self._sheet,
            self._rows.frame(),
            self._rows.unreadable,
            user_missing=self._missing,
            other_sheets=tuple(sorted(self._other_questionnaires)),
            notes=tuple(notes),
        )


class _Flattened:
    """The answers of one response as cells."""

    def __init__(self, known: Questionnaire | None, definitions: Definitions) -> None:
        self.cells: dict[str, str | None] = {}
        self.missing: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        self._known, self._definitions = known, definitions
        self._paths: dict[str, tuple[str, ...]] = {}
        self._n_answers: Counter[str] = Counter()

    def add(self, items: Any, path: tuple[str, ...], depth: int) -> None:
        """The items of one level, and all below.

        Raises:
            _MalformedError: what no response can hold.
        """
        if items is None:
            return
        if not isinstance(items, list) or depth > _MAXIMUM_DEPTH:
            raise _MalformedError("holds items that are no list, or too deep")
        answered: set[str] = set()
        for item in items:
            link_id = dict_of(item).get("linkId")
            if not isinstance(link_id, str) or not link_id.strip() or not is_storable(link_id) or len(link_id) > 255:
                raise _MalformedError("holds an item without a usable linkId")
            link_id = link_id.strip()
            if self._paths.setdefault(link_id, path) != path:
                raise _MalformedError("holds one linkId in two places")
            answers = item.get("answer")
            if answers is None:
                if item.get("item") is None:
                    self.cells.setdefault(_column(link_id), None)
                self.add(item.get("item"), (*path, link_id), depth + 1)
                continue
            if link_id in answered:
                raise _MalformedError("answers one linkId twice")
            answered.add(link_id)
            if not isinstance(answers, list) or item.get("item") is not None:
                raise _MalformedError("holds an item with answers that are no list, or with items beside its answers")
            for answer in answers:
                self._answer(link_id, answer)
                self.add(dict_of(answer).get("item"), (*path, link_id), depth + 1)

    def _answer(self, link_id: str, answer: Any) -> None:
        self._n_answers[link_id] += 1
        n = self._n_answers[link_id]
        column = _column(link_id) if n == 1 else f"{_column(link_id)}#{n}"
        if self.cells.get(column) is not None:
            raise _MalformedError("holds a linkId that looks like a further answer to another one")
        values = [key for key in dict_of(answer) if key.startswith("value")]
        if not values:
            reason = _absent(answer)
            if reason is None:
                raise _MalformedError("holds an answer without a value")
            self.cells[column] = reason
            self.missing.append((column, reason))
            return
        if len(values) > 1 or values[0] not in _VALUES:
            raise _MalformedError("holds an answer with several values, or of a type that FHIR R4 does not have")
        self.cells[column] = self._value(link_id, values[0], answer[values[0]])

    def _value(self, link_id: str, kind: str, value: Any) -> str | None:
        text: str | None = None
        match kind, value:
            case "valueCoding", dict():
                return self._coding(link_id, value)
            case "valueQuantity", {"value": Number() as amount}:
                text = amount.text
            case "valueBoolean", bool():
                text = "true" if value else "false"
            case "valueInteger", Number() if _INTEGER.match(value.text):
                text = value.text
            case "valueDecimal", Number():
                text = value.text
            case "valueReference", dict():
                text = _reference(value)
            case "valueAttachment", _:
                self.counts["attachment"] += 1
            case _, str() if kind in _TEXTS:
                text = _stored(value)
            case _:
                raise _MalformedError("holds an answer whose value is not of its type")
        return text

    def _coding(self, link_id: str, coding: dict[str, Any]) -> str:
        code, system = coding.get("code"), coding.get("system")
        own = ordinal_value(coding)
        if own is not None:
            return own
        if not isinstance(code, str) or not code.strip():
            raise _MalformedError("holds a coded answer without a code")
        value = self._definitions.value(self._known, link_id, system if isinstance(system, str) else "", code)
        if value is None and self._definitions.everywhere:
            self.counts["unvalued"] += 1
        return _stored(code) if value is None else value


def _base(resource: dict[str, Any]) -> dict[str, str | None]:
    status, authored = resource.get("status"), resource.get("authored")
    if status not in _STATUSES:
        raise _MalformedError("has no status, or one that FHIR R4 does not have")
    if authored is not None and not (isinstance(authored, str) and _AUTHORED.match(authored)):
        raise _MalformedError("has an authored time that FHIR R4 does not know")
    for name in ("id", "questionnaire"):
        if not isinstance(resource.get(name, ""), str):
            raise _MalformedError(f"has a {name} that is no text")
    row: dict[str, str | None] = {
        "id": _stored(resource.get("id", "")),
        "status": str(status),
        "authored": authored,
        "authored_date": authored[:10] if authored and len(authored) >= 10 else None,
        "questionnaire": _stored(resource.get("questionnaire", "")),
    }
    return row | {name: _reference(resource.get(name)) for name in ("subject", "source", "author", "encounter")}


def _reference(value: Any) -> str | None:
    """A reference as it stands, else the identifier's value; never the name that it may display."""
    if value is None:
        return None
    found = dict_of(value).get("reference") or dict_of(dict_of(value).get("identifier")).get("value")
    if found is not None and not isinstance(found, str):
        raise _MalformedError("holds a reference that is no text")
    return _stored(found) if found else None


def _absent(answer: Any) -> str | None:
    for extension in dicts(dict_of(answer).get("extension")):
        code = extension.get("valueCode")
        if str(extension.get("url")).endswith(_ABSENT) and isinstance(code, str) and code.strip():
            return _stored(code.strip())
    return None


def _stored(text: str) -> str:
    if not is_storable(text):
        raise _MalformedError("holds half a character")
    return text


def _column(link_id: str) -> str:
    """A linkId as a column; one that is called like another column is `item.<linkId>`."""
    return f"item.{link_id}" if link_id in BASE_COLUMNS or link_id == SOURCE_ROW else link_id


def _is_named(canonical: Any, wanted: str) -> bool:
    address = canonical.partition("|")[0] if isinstance(canonical, str) else ""
    return wanted in (canonical, address, address.rpartition("/")[2])


def _text_or(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) and is_storable(value) else otherwise
