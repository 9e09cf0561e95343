"""What a site's declaration may not say, although each of its keys is valid: checked against instruments and schedules.

What belongs here: checks that need more than one key, or the codebook; each names file, line and key.
What does not: the model (`codebook.site`), finding the files (`codebook.library`), and anything about data.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from codebook.declaration import Location, Problem, line_of
from codebook.form_checks import Found, check_form
from codebook.instrument import Instrument
from codebook.schedule import Schedule
from codebook.site import FieldMapping, Parts, Site, SourceMapping
from codebook.site import Mapping as SiteMapping

SITE_KEY = re.compile(r"^[a-z][a-z0-9_]*$")
UNSCHEDULED = "unscheduled"
SEX = {"female", "male", "other"}
YES_NO = {"true", "false"}
CONSENT = {"given", "refused", "withdrawn"}
SAME_AS = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y"}
"""Short forms that Python cannot read back."""


@dataclass(frozen=True)
class Known:
    """What the rest of the network declares."""

    instruments: Mapping[str, Instrument]
    schedules: Mapping[str, Schedule]

    @property
    def occasions(self) -> set[str]:
        """Occasions of all schedules, and none at all where there is no schedule."""
        keys = {occasion.key for schedule in self.schedules.values() for occasion in schedule.occasions}
        return keys | {UNSCHEDULED} if keys else set()


def check_site(path: Path, site: Site, known: Known) -> list[Problem]:
    """Everything that is wrong with one site's declaration, each with its line."""
    return [Problem(path, line_of(path, found[0]), _key(found[0]), found[1]) for found in _check(site, known)]


def _key(location: Location) -> str:
    return str(next((part for part in reversed(location) if isinstance(part, str)), ""))


def _check(site: Site, known: Known) -> Iterator[Found]:
    if site.schedule is not None and site.schedule not in known.schedules:
        yield ("schedule",), f"'{site.schedule}' is not in schedules/"
    if site.parts is not None:
        yield from _check_parts(site.parts)
    for number, mapping in enumerate(site.mappings):
        yield from _check_mapping(("mappings", number), mapping, site, known)


def _check_parts(parts: Parts) -> Iterator[Found]:
    for unit in parts.sites.values():
        if not SITE_KEY.match(unit):
            yield ("parts", "sites"), f"'{unit}' is no key of a site; use small letters, digits and _"
    for unit in sorted(set(parts.names) - set(parts.sites.values())):
        yield ("parts", "names"), f"'{unit}' is none of the units under sites{_meant(unit, parts.sites.values())}"


def _meant(text: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(text, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _check_mapping(at: Location, mapping: SiteMapping, site: Site, known: Known) -> Iterator[Found]:
    for form in mapping.date_formats:
        if not _is_date_format(form):
            yield (*at, "date_format"), f"'{form}' does not hold a whole date; write it like %d.%m.%Y"
    names = [source.name for source in mapping.sources]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield (*at, "sources"), f"two sources are called '{name}'; the name is part of a row's id"
    for number, source in enumerate(mapping.sources):
        yield from _check_source((*at, "sources", number), source, site, known)


def _is_date_format(form: str) -> bool:
    """Whether a day written in this form can be read back."""
    for short, long in SAME_AS.items():
        form = form.replace(short, long)
    form = re.sub(r"%[.369]?[fz]|%:z|%#z", "", form).replace("%-", "%").replace("%e", "%d").replace("%Z", "")
    day = dt.datetime(2001, 11, 23)
    try:
        return dt.datetime.strptime(day.strftime(form), form).date() == day.date()
    except ValueError:
        return False


def _check_source(at: Location, source: SourceMapping, site: Site, known: Known) -> Iterator[Found]:
    yield from _check_columns(at, source, site)
    yield from _check_codes(at, source)
    if source.pivot is not None:
        yield from _check_pivot((*at, "pivot"), source)
    purposes = [consent.purpose for consent in source.consents]
    for number, purpose in enumerate(purposes):
        if purpose in purposes[:number]:
            yield (*at, "consents", number, "purpose"), f"'{purpose}' is declared twice"
    for number, form in enumerate(source.assessments):
        for place, text in check_form(form, known.instruments, known.occasions):
            yield (*at, "assessments", number, *place), f"source '{source.name}': {text}"


def _check_columns(at: Location, source: SourceMapping, site: Site) -> Iterator[Found]:
    """Columns that are dropped and wanted at once, or that say whose row it is and would be stored as they stand."""
    stored = {attribute.column: "attributes" for attribute in source.attributes} | dict.fromkeys(source.kept, "kept")
    personal = dict.fromkeys(source.identifiers, "identifiers") | dict.fromkeys(source.identity.columns, "identity")
    if source.local_ref is not None:
        personal[source.local_ref] = "local_ref"
    for column in sorted(set(stored) & set(personal)):
        yield (*at, stored[column]), f"'{column}' says who someone is ({personal[column]}) and may not be stored"
    for column in sorted(set(source.ignored) & set(source.kept)):
        yield (*at, "ignored"), f"'{column}' is kept and ignored at once"
    attributes = {attribute.attribute for attribute in source.attributes}
    for column in sorted(attributes & set(source.kept)):
        yield (*at, "kept"), f"'{column}' is the name of an attribute as well; rename the attribute"
    is_wide = source.identity.scope == "network" or source.identity.number is not None
    if is_wide and source.local_ref in source.identity.columns:
        yield (
            (*at, "local_ref"),
            f"'{source.local_ref}' names the patient beyond this unit (identity.scope, number) and is stored nowhere; "
            "leave local_ref out, or name the unit's own number",
        )
    if site.parts is not None and site.parts.column in source.identifiers:
        yield (*at, "identifiers"), f"'{site.parts.column}' says whose row it is (parts.column) and cannot be dropped"


def _check_codes(at: Location, source: SourceMapping) -> Iterator[Found]:
    """Codes that lead to what a field cannot be."""
    fields: list[tuple[Location, FieldMapping | None, set[str]]] = []
    if source.patient is not None:
        fields.append((("patient", "sex"), source.patient.sex, SEX))
    if source.episode is not None:
        planned = source.episode.is_completed_as_planned
        fields.append((("episode", "is_completed_as_planned"), planned, YES_NO))
    if source.sessions is not None:
        fields.append((("sessions", "is_attended"), source.sessions.is_attended, YES_NO))
    for number, consent in enumerate(source.consents):
        fields.append((("consents", number, "status"), consent.status, CONSENT))
    for place, declared, allowed in fields:
        stated = {declared.constant, *declared.codes.values()} - {None} if declared else set()
        for text in sorted(str(text) for text in stated - allowed):
            yield (*at, *place), f"leads to '{text}'; it must lead to {', '.join(sorted(allowed))}"


def _check_pivot(at: Location, source: SourceMapping) -> Iterator[Found]:
    pivot = source.pivot
    if pivot is None:
        return
    if pivot.names == pivot.values:
        yield (*at, "values"), f"'{pivot.values}' cannot hold the names and the values at once"
    for column in (pivot.names, pivot.values):
        if column in pivot.rows:
            yield (*at, "rows"), f"'{column}' differs between the rows of one form; take it out"
    local_ref = (source.local_ref,) if source.local_ref else ()
    for column in (*source.identity.columns, *source.key, *local_ref):
        if column not in pivot.rows:
            yield (
                (*at, "rows"),
                f"'{column}' (identity, key or local_ref) must be one of the columns that rows agree in",
            )
    if source.identity.is_source_row:
        yield at, "rows cannot be joined to forms where identity.is_source_row says that each is a patient"
