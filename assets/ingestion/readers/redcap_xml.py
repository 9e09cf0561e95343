"""A REDCap project's XML as its data dictionary.

What belongs here: the fields of the project as `redcap.DictionaryField`, the same that its dictionary as CSV gives.
What does not: the XML's data (`odm`), and what a dictionary is used for (`redcap`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assets.ingestion.readers.protocol import ReadError
from assets.ingestion.readers.redcap import DictionaryField
from assets.ingestion.readers.xml_safe import attribute, events, foreign, local, release, text_of

_KINDS = {"select": "dropdown", "textarea": "notes"}
_VALIDATIONS = {"float": "number", "int": "integer"}
"""REDCap's own words inside the XML → those of its dictionary."""
_WITH_CHOICES = frozenset({"radio", "dropdown", "checkbox"})
_READ_WHOLE = frozenset({"FormDef", "ItemGroupDef", "ItemDef", "CodeList"})


def redcap_fields_from_xml(path: Path, relative: str | None = None) -> dict[str, DictionaryField]:
    """Fields of a project by name, in its order; the forms' own status fields are none.

    Raises:
        ReadError: not well-formed, or no project of REDCap.
    """
    place = relative or path.name
    found: dict[str, list[Any]] = {name: [] for name in _READ_WHOLE}
    with path.open("rb") as stream:
        inside = 0
        for event, element in events(stream, place):
            name = local(element)
            if event == "start":
                inside += bool(inside) or name in _READ_WHOLE
                continue
            inside -= bool(inside)
            if inside:
                continue
            if name in _READ_WHOLE:
                found[name].append(_TAKEN[name](element))
            release(element)
    forms, groups = dict(found["FormDef"]), dict(found["ItemGroupDef"])
    choices = dict(found["CodeList"])
    form_of = {item: form for form, (name, inner) in forms.items() for group in inner for item in groups.get(group, ())}
    fields: dict[str, DictionaryField] = {}
    for item, field, code_list in found["ItemDef"]:
        name, of = field["name"], forms.get(form_of.get(item, ""), ("", []))[0]
        if not field["kind"] or name == f"{of}_complete":
            continue
        if field["kind"] in _WITH_CHOICES:
            field["choices"] = choices.get(code_list, "")
        fields.setdefault(name, DictionaryField(form=of, **field))
    if not fields:
        raise ReadError(f"{place}: is no REDCap project; export its XML from the project's setup, or the dictionary")
    return fields


def _form(element: Any) -> tuple[str, tuple[str, list[str]]]:
    groups = [attribute(child, "ItemGroupOID") or "" for child in element if local(child) == "ItemGroupRef"]
    oid = attribute(element, "OID") or ""
    return oid, (foreign(element, "FormName") or oid.removeprefix("Form."), groups)


def _group(element: Any) -> tuple[str, list[str]]:
    items = [attribute(child, "ItemOID") or "" for child in element if local(child) == "ItemRef"]
    return attribute(element, "OID") or "", items


def _item(element: Any) -> tuple[str, dict[str, Any], str]:
    oid = attribute(element, "OID") or ""
    kind = foreign(element, "FieldType") or ""
    validation = foreign(element, "TextValidationType") or ""
    bounds = {"GE": "", "LE": ""}
    code_list = ""
    for child in element:
        if local(child) == "RangeCheck":
            value = next((text_of(one) for one in child if local(one) == "CheckValue"), None)
            bounds[attribute(child, "Comparator") or ""] = value or ""
        elif local(child) == "CodeListRef":
            code_list = attribute(child, "CodeListOID") or ""
    field = {
        "name": foreign(element, "Variable") or oid,
        "kind": _KINDS.get(kind, kind),
        "is_identifier": (foreign(element, "Identifier") or "").lower() in {"y", "yes", "1"},
        "choices": foreign(element, "Calculation") or foreign(element, "SliderLabels") or "",
        "validation": _VALIDATIONS.get(validation, validation),
        "minimum": bounds["GE"],
        "maximum": bounds["LE"],
        "note": foreign(element, "FieldNote") or "",
    }
    return oid, field, code_list


def _choices(element: Any) -> tuple[str, str]:
    """A code list as a dictionary writes it: `1, never | 2, seldom`."""
    whole = foreign(element, "CheckboxChoices")
    listed = []
    for child in element:
        if local(child) == "CodeListItem":
            label = next((text_of(one) for one in child.iter() if local(one) == "TranslatedText"), None)
            listed.append(f"{attribute(child, 'CodedValue') or ''}, {label or ''}")
    return attribute(element, "OID") or "", whole or " | ".join(listed)


_TAKEN = {"FormDef": _form, "ItemGroupDef": _group, "ItemDef": _item, "CodeList": _choices}
