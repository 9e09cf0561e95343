"""What an ODM file says about itself before its data: forms, item groups, items, code lists, units, places.

What belongs here: the definitions, and how a form or an item group is found by the name that a site declares.
What does not: clinical data (`odm_records`), and frames (`odm`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from assets.ingestion.readers.protocol import ReadError
from assets.ingestion.readers.xml_safe import attribute, foreign, local, text_of

DEFINING = frozenset(
    {"StudyEventDef", "FormDef", "ItemGroupDef", "ItemDef", "CodeList", "MeasurementUnit", "Location", "User"}
)
"""Elements that `Definitions.take` reads as a whole; `MissingDataCodes` is one more, outside the standard."""

MISSING_CODES = "MissingDataCodes"


@dataclass
class Form:
    """A form; `groups` in the order of the definition."""

    name: str
    groups: list[str] = field(default_factory=list)


@dataclass
class Group:
    """An item group; a repeating one may occur many times in one form."""

    name: str
    is_repeating: bool
    items: list[str] = field(default_factory=list)


@dataclass
class Item:
    """An item. `units`: whether its values come with a unit of measurement."""

    name: str
    code_list: str | None = None
    has_units: bool = False
    is_identifier: bool = False
    is_checkbox: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a declared sheet means: whole forms, or one item group in whatever form it stands."""

    title: str | None
    forms: tuple[str, ...] = ()
    group: str | None = None

    def takes(self, form: str, group: str) -> bool:
        """Whether an item group of a form is asked for."""
        return group == self.group if self.group is not None else form in self.forms

    def concerns(self, form: str, definitions: Definitions) -> bool:
        """Whether anything of a form is asked for."""
        if self.group is None:
            return form in self.forms
        return form in definitions.forms and self.group in definitions.forms[form].groups


@dataclass
class Definitions:
    """Everything that a file defines, by OID without trailing blanks. Several studies of one file share them."""

    events: dict[str, str] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    code_lists: dict[str, dict[str, str]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Codes that mean a missing value in any item (REDCap's missing data codes)."""

    def take(self, element: Any) -> None:
        """Read one defining element."""
        kind, oid = local(element), attribute(element, "OID")
        if kind == MISSING_CODES:
            self.missing.update(_missing_codes(text_of(element) or ""))
        if oid is None:
            return
        name = attribute(element, "Name") or oid
        if kind == "StudyEventDef":
            self.events.setdefault(oid, name)
        elif kind == "FormDef":
            form = self.forms.setdefault(oid, Form(name))
            _extend(form.groups, _references(element, "ItemGroupRef", "ItemGroupOID"))
        elif kind == "ItemGroupDef":
            group = self.groups.setdefault(oid, Group(name, attribute(element, "Repeating") == "Yes"))
            _extend(group.items, _references(element, "ItemRef", "ItemOID"))
        elif kind == "ItemDef":
            self.items.setdefault(oid, _item(element, name))
        elif kind == "CodeList":
            self.code_lists.setdefault(oid, _code_list(element))
        elif kind == "MeasurementUnit":
            self.units.setdefault(oid, _decode(element) or name)
        elif kind == "Location":
            self.places.setdefault(oid, name)

    def items_of(self, wanted: Wanted) -> list[str]:
        """OIDs of the items that are defined for what is wanted, each once, in the definitions' order."""
        found: list[str] = []
        groups = [wanted.group] if wanted.group is not None else [g for f in wanted.forms for g in self._groups(f)]
        for group in groups:
            _extend(found, self.groups[group].items if group in self.groups else [])
        return found

    def _groups(self, form: str) -> list[str]:
        return self.forms[form].groups if form in self.forms else []

    def find(self, sheet: str | None, relative: str) -> Wanted:
        """The form, or else the item group, that has this OID or this name; without a sheet the only form.

        Raises:
            ReadError: nothing is called so, or there is a choice.
        """
        if sheet is None:
            if len(self.forms) == 1:
                return Wanted(None, tuple(self.forms))
            raise ReadError(
                f"{relative}: has {len(self.forms)} forms ({_listed(self.forms)}); name one as `sheet` in the site's "
                "declaration (--sheet of a draft)"
            )
        asked = sheet.strip()
        for same in (str, str.casefold):
            forms = tuple(oid for oid, form in self.forms.items() if same(asked) in (same(oid), same(form.name)))
            if forms:
                return Wanted(forms[0] if len(forms) == 1 else asked, forms)
            groups = [oid for oid, group in self.groups.items() if same(asked) in (same(oid), same(group.name))]
            if len(groups) == 1:
                return Wanted(groups[0], group=groups[0])
            if groups:
                raise ReadError(
                    f"{relative}: has several item groups called '{asked}' ({_listed(groups)}); name one by its OID"
                )
        known = [*self.forms, *(form.name for form in self.forms.values()), *self.groups]
        close = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else f"it has {_listed(self.forms)}"
        raise ReadError(f"{relative}: has no form or item group called '{asked}'; {hint}")


def _references(element: Any, name: str, key: str) -> list[str]:
    return [oid for child in element if local(child) == name and (oid := attribute(child, key))]


def _extend(known: list[str], more: Iterable[str]) -> None:
    seen = set(known)
    for one in more:
        if one not in seen:
            seen.add(one)
            known.append(one)


def _item(element: Any, name: str) -> Item:
    inside = {local(child): child for child in element}
    code_list = attribute(inside["CodeListRef"], "CodeListOID") if "CodeListRef" in inside else None
    is_marked = (foreign(element, "Identifier") or "").lower() in {"y", "yes", "1"}
    is_phi = any(local(one) == "ItemPresentInForm" and foreign(one, "PHI") == "Yes" for one in element.iter())
    return Item(
        name,
        code_list,
        "MeasurementUnitRef" in inside,
        is_marked or is_phi,
        foreign(element, "FieldType") == "checkbox",
    )


def _code_list(element: Any) -> dict[str, str]:
    codes = {}
    for child in element:
        code = attribute(child, "CodedValue")
        if local(child) == "CodeListItem" and code is not None:
            codes[code] = _decode(child) or code
    return codes


def _decode(element: Any) -> str | None:
    """The first translated text inside an element."""
    return next((text for one in element.iter() if local(one) == "TranslatedText" and (text := text_of(one))), None)


def _missing_codes(text: str) -> dict[str, str]:
    pairs = (entry.partition(",") for entry in text.replace("\n", "|").split("|"))
    return {code.strip(): label.strip() or code.strip() for code, _, label in pairs if code.strip()}


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "") if names else "none"
