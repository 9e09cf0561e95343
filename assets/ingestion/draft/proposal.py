"""A site's declaration, proposed from one sample: YAML that validates, with what to check said above it.

What belongs here: putting what was found into the words of a declaration. What does not: finding it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assets.ingestion.draft.long import pivoted
from assets.ingestion.draft.people import People, find_people, is_end, months_of, sex_codes
from assets.ingestion.draft.profile import NO_ANSWER, Column, profile
from assets.ingestion.draft.questionnaires import FormProposal, propose_forms
from assets.ingestion.draft.sniff import is_redcap_dictionary, sniff
from assets.ingestion.draft.systems import FHIR_STATUS, system_of
from assets.ingestion.readers.protocol import ReadError, SourceFrame, read_file
from codebook.formats import FhirFormat, Format, RedcapFormat
from codebook.instrument import Instrument
from codebook.schedule import Schedule
from codebook.site import Pivot

MOST_NAMED = 40
CHECKBOX = "___"
"""Stands in the column of one choice of a REDCap field."""


@dataclass(frozen=True)
class Draft:
    """A proposed declaration. `text` is the YAML with its comments."""

    site: str
    text: str
    n_rows: int
    n_columns: int
    n_mapped: int
    forms: tuple[FormProposal, ...]


def draft_site(
    path: Path,
    site: str,
    instruments: Mapping[str, Instrument],
    schedule: Schedule | None = None,
    sheet: str | None = None,
    from_delivery: str = "2000-01-01",
) -> Draft:
    """Propose `sites/<site>.yaml` from a sample of the unit's export.

    Args:
        path: the sample; a REDCap data dictionary beside it is found by its header.
        site: key of the new site.
        instruments: the codebook.
        schedule: whose occasions the labels are compared with.
        sheet: sheet, table or form inside the file.
        from_delivery: first delivery that the mapping is for.

    Raises:
        ReadError: no reader knows the file, or it cannot be read.
    """
    dictionary = next(
        (p.name for p in sorted(path.parent.glob("*.csv")) if p != path and is_redcap_dictionary(p)), None
    )
    format = sniff(path, dictionary)
    source = read_file(path, path.name, format, sheet)
    pivot, frame = pivoted(source, format.decimal)
    source = SourceFrame(
        source.source_file, source.sheet, frame, source.unreadable, source.user_missing, source.labels,
        source.identifiers, source.form_of,
    )  # fmt: skip
    if not frame.height and isinstance(format, FhirFormat):
        raise ReadError(f"{path.name}: holds no response; name the file with filled forms, this one may define them")
    columns = profile(source, format.decimal)
    system = system_of(format.reader, frame.columns)
    askable = [c for c in columns if c.name not in system.columns and CHECKBOX not in c.name]
    if isinstance(format, FhirFormat):
        askable = [column for column in askable if column.n_filled]
    found = propose_forms(askable, instruments)
    forms = tuple(form for form in found if form.likeness > 1 or form.supplied)
    taken = set().union(*(form.columns for form in forms)) if forms else set()
    people = find_people(columns, taken, frame, source.identifiers, system)
    writer = _Writer(path, site, format, sheet, columns, forms, people, schedule, instruments, pivot)
    writer.mention(form for form in found if form not in forms)
    text = writer.text(from_delivery, source)
    mapped = writer.mapped
    return Draft(site, text, frame.height, len(columns), len(mapped), forms)


class _Writer:
    def __init__(
        self,
        path: Path,
        site: str,
        format: Format,
        sheet: str | None,
        columns: Sequence[Column],
        forms: Sequence[FormProposal],
        people: People,
        schedule: Schedule | None,
        instruments: Mapping[str, Instrument],
        pivot: Pivot | None,
    ) -> None:
        self.path, self.site, self.format, self.sheet = path, site, format, sheet
        self.columns, self.forms, self.people = columns, forms, people
        self.schedule, self.instruments, self.pivot = schedule, instruments, pivot
        self.by_name = {column.name: column for column in columns}
        self.check: list[str] = []
        self.mapped: set[str] = set()
        self.form_of: Mapping[str, str] = {}

    def text(self, from_delivery: str, source: SourceFrame) -> str:
        self.form_of = source.form_of
        declared = self._site(from_delivery)
        body = yaml.safe_dump(
            declared, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110, indent=2
        )
        unmapped = [column.name for column in self.columns if column.name not in self.mapped]
        lines = [
            f"# Proposed from {self.path.name}: {source.frame.height} rows, {len(self.columns)} columns, "
            f"{len(self.mapped)} of them placed.",
            f"# Nothing is decided yet. Read every line, then: concord site preview {self.site}",
            *(f"# Check: {said}" for said in dict.fromkeys(self.check)),
        ]
        if unmapped:
            named = ", ".join(unmapped[:MOST_NAMED]) + (" …" if len(unmapped) > MOST_NAMED else "")
            lines += [
                f"# Not placed (named in each delivery report, not stored): {len(unmapped)} columns",
                f"#   {named}",
            ]
        return "\n".join(lines) + "\n" + body

    def mention(self, forms: Iterable[FormProposal]) -> None:
        """Name the columns that could be a questionnaire by number and range, which is too little to propose it."""
        for form in forms:
            names = list(form.items.values())
            others = "".join(f" or {key}" for key in form.alternatives)
            self.check.append(f"{names[0]} to {names[-1]} could be {form.instrument}{others}; only the unit knows.")

    def _site(self, from_delivery: str) -> dict[str, Any]:
        forms = [self._form(form) for form in self.forms]
        mapping: dict[str, Any] = {"from_delivery": from_delivery}
        sources = [self._source(forms)]
        dated = self._dated()
        date_formats = list(dict.fromkeys(column.date_format for column in dated))
        if date_formats not in ([], ["%Y-%m-%d"]):
            mapping["date_format"] = date_formats[0] if len(date_formats) == 1 else date_formats
        for column in dated:
            if column.other_date_format:
                both = f"{column.date_format} and {column.other_date_format}"
                self.check.append(f"the dates of '{column.name}' fit {both} alike: ask the unit which it is.")
        missing = sorted({code for form in self.forms for code in form.missing_codes} | self._text_codes())
        if missing:
            mapping["missing_codes"] = dict.fromkeys(missing, "no answer")
            self.check.append(f"{', '.join(missing)}: taken as 'no answer', since it is no valid answer anywhere.")
        mapping["sources"] = sources
        declared = self.format.model_dump(exclude_defaults=True)
        return {
            "site": self.site,
            "name": self.site.replace("_", " ").capitalize(),
            "format": {"reader": self.format.reader, **{k: v for k, v in declared.items() if k != "reader"}},
            "delivery": {"mode": "snapshot" if self.people.identity else "frozen"},
            "mappings": [mapping],
        }

    def _dated(self) -> list[Column]:
        """Columns that are declared as dates."""
        dates = {self.people.birth.name if self.people.birth else None, *self.people.dates.values()}
        return [c for c in self.columns if c.name in dates & self.mapped and c.date_format]

    def _text_codes(self) -> set[str]:
        """Texts among numbers: 'NA', '#NULL!', '.'."""
        texts: set[str] = set()
        for column in self.columns:
            if column.is_numeric:
                texts |= {text for text in column.codes if text in NO_ANSWER}
        return texts

    def _source(self, forms: list[dict[str, Any]]) -> dict[str, Any]:
        people = self.people
        source: dict[str, Any] = {"name": "export", "file": self._file_pattern()}
        if self.sheet:
            source["sheet"] = self.sheet
        source["identity"] = self._identity()
        if people.local_ref:
            source["local_ref"] = people.local_ref
            self._place(people.local_ref)
        if people.key:
            source["key"] = list(people.key)
            self._place(*people.key)
        elif people.identity:
            self.check.append("no columns name a row once; without a key, repeats of a row cannot be told.")
        if people.identifiers:
            source["identifiers"] = list(people.identifiers)
            self._place(*people.identifiers)
            self.check.append("columns under 'identifiers' are dropped; is any of them needed, or one missing?")
        if self.pivot is not None:
            source["pivot"] = {"rows": list(self.pivot.rows), "names": self.pivot.names, "values": self.pivot.values}
            self.mapped |= {*self.pivot.rows}
        source |= self._patient_and_episode()
        if people.free_text:
            source["attributes"] = [
                {"attribute": _key_of(name), "column": name, "is_free_text": True} for name in people.free_text
            ]
            self._place(*people.free_text)
        if forms:
            source["assessments"] = forms
        else:
            self.check.append("no questionnaire of the codebook was recognised; see 'concord codebook list'.")
        if people.groups:
            self.check.append(
                f"{' or '.join(people.groups)} may say which unit a row is from; if so, declare 'parts' at the top."
            )
        return source

    def _identity(self) -> dict[str, Any]:
        people = self.people
        if not people.identity:
            self.check.append("no column seems to name the patient: each row is taken as a patient of its own.")
            return {"is_source_row": True}
        self._place(*people.identity)
        declared: dict[str, Any] = {"columns": list(people.identity), "scope": "network" if people.number else "site"}
        if people.number:
            declared["number"] = people.number
            self.check.append(f"'{people.identity[0]}' passes the check digits of {people.number} numbers.")
        return declared

    def _file_pattern(self) -> str:
        """The sample's name with its digits open, since exports carry dates in their names."""
        return re.sub(r"\d{6,}|\d{4}-\d\d-\d\d", "*", self.path.name)

    def _patient_and_episode(self) -> dict[str, Any]:
        people, found = self.people, {}
        patient: dict[str, Any] = {}
        if people.sex is not None:
            codes = sex_codes(people.sex)
            if codes:
                patient["sex"] = {"column": people.sex.name, "codes": codes}
                self._place(people.sex.name)
            else:
                self.check.append(f"'{people.sex.name}' seems to be sex; its codes say nothing: ask the unit.")
        if people.birth is not None:
            kind = "birth_date" if people.birth.date_format else "birth_year"
            patient[kind] = people.birth.name
            self._place(people.birth.name)
        if patient:
            found["patient"] = patient
        episode = {kind: column for kind, column in people.dates.items() if kind}
        if episode:
            found["episode"] = episode
            self._place(*episode.values())
        return found

    def _form(self, form: FormProposal) -> dict[str, Any]:
        self.mapped |= form.columns & set(self.by_name)
        declared: dict[str, Any] = {"instrument": form.instrument, "version": form.version}
        if form.items:
            declared["items"] = form.pattern or dict(form.items)
        if form.supplied:
            declared["supplied_scores"] = dict(form.supplied)
        if form.likeness == 1:
            also = f" (or {', '.join(form.alternatives)})" if form.alternatives else ""
            self.check.append(f"'{form.instrument}'{also} was recognised by number and range of items only.")
        instrument = self.instruments[form.instrument]
        if len(instrument.versions) > 1:
            keys = ", ".join(version.key for version in instrument.versions)
            self.check.append(f"{form.instrument} has the versions {keys}; '{form.version}' fits the answers seen.")
        if form.suffixes:
            declared["suffixes"] = {suffix: self._meaning(suffix) for suffix in form.suffixes}
            return declared
        date = self.people.dates.get("")
        if date:
            declared["date"] = date
            self._place(date)
        occasion = self.people.occasion
        if occasion is not None:
            declared["occasion"] = {"column": occasion.name, "codes": self._occasions(occasion)}
            self._place(occasion.name)
        if self.people.since is not None and not date and self.pivot is None:
            column, unit = self.people.since
            declared["months"] = {"column": column, "unit": unit}
            self._place(column)
        elif occasion is None and not date:
            declared["occasion"] = {"constant": self._occasion_at(0.0) or "baseline"}
            self.check.append(f"nothing says when {form.instrument} was filled in: it is taken as the first occasion.")
        return declared | self._status(form)

    def _status(self, form: FormProposal) -> dict[str, Any]:
        """What the export says about the form itself."""
        of_form = {f"{self.form_of.get(name)}_complete" for name in form.columns}
        found = next((name for name in sorted(of_form) if name in self.by_name), None)
        if isinstance(self.format, FhirFormat):
            self._place("status")
            return {"status": {"column": "status", "codes": dict(FHIR_STATUS)}}
        if found is None:
            return {}
        self._place(found)
        return {"status": {"column": found}}

    def _meaning(self, suffix: str) -> dict[str, Any]:
        months = months_of(suffix)
        if months is None:
            self.check.append(f"the ending '{suffix}' does not say when: correct its occasion.")
            return {"occasion": _key_of(suffix)}
        return {"occasion": self._occasion_at(months) or _month_key(months), "months": months}

    def _occasions(self, column: Column) -> dict[str, str]:
        codes = {}
        unsure = []
        for label in sorted(column.codes):
            months = months_of(label, column.name)
            if months is None and is_end(label):
                codes[label] = "discharge"
            elif months is None:
                codes[label] = _key_of(label)
                unsure.append(label)
            else:
                codes[label] = self._occasion_at(months) or _month_key(months)
        if unsure:
            self.check.append(f"which occasions of the schedule are {', '.join(unsure)} in '{column.name}'?")
        return codes

    def _occasion_at(self, months: float) -> str | None:
        if self.schedule is None:
            return None
        schedule = self.schedule
        return next((o.key for o in schedule.occasions if schedule.nominal_months(o) == months), None)

    def _place(self, *names: str) -> None:
        self.mapped |= set(names) & set(self.by_name)


def _key_of(label: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    return key if key[:1].isalpha() else f"v{key}"


def _month_key(months: float) -> str:
    return "baseline" if months == 0 else f"m{months:02.0f}"


def redcap_dictionary_of(format: Format) -> str | None:
    """The dictionary that a REDCap sample needs beside it."""
    return format.dictionary if isinstance(format, RedcapFormat) else None
