"""The model of a site: how one unit's export maps to the canonical tables.

What belongs here: columns, codes, occasion labels, identity. One YAML per unit.
What does not: file formats (`codebook.formats`), ranges and keys of instruments (`codebook.instrument`), windows
(`codebook.schedule`).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.formats import Fetch, Format
from codebook.instrument import Rater

Codes = dict[str, str]
"""Exported text → canonical text."""


NationalNumber = Literal["norwegian", "swedish", "danish", "finnish", "british_nhs", "dutch", "swiss"]
"""Kinds of national number whose check digits can be tested."""


class Identity(Declared):
    """Which columns say who the patient is.

    `scope` network: the same identity at two sites is one patient (national number);
    site: the number means something only here. `is_source_row`: the file names nobody and a row is a patient
    (frozen research data only; the site's delivery mode must be `frozen`).
    `number`: the columns hold a national number of this kind. It is normalised (blanks, hyphens, century), so that two
    spellings are one person, and its check digits are tested: a row whose number fails them is held back.
    """

    columns: tuple[str, ...] = ()
    scope: Literal["site", "network"] = "site"
    number: NationalNumber | None = None
    is_source_row: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.columns) == self.is_source_row:
            raise ValueError("give either columns or is_source_row: true")
        return self


class FieldMapping(Declared):
    """A canonical field: from a column (with codes), or the same constant for every row."""

    column: str | None = None
    constant: str | None = None
    codes: Codes = {}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        return self


class EpisodeMapping(Declared):
    """Columns of a course of treatment. Dates use the site's date format."""

    key: str | None = None
    """The site's own episode key; else the admission date tells a patient's episodes apart."""
    admission_date: str | None = None
    treatment_start_date: str | None = None
    discharge_date: str | None = None
    treatment: FieldMapping | None = None
    arm: FieldMapping | None = None
    therapist: str | None = None
    termination_reason: FieldMapping | None = None
    is_completed_as_planned: FieldMapping | None = None


class PatientMapping(Declared):
    """Columns of a patient. `sex` maps to female, male or other."""

    sex: FieldMapping | None = None
    birth_year: str | None = None
    birth_date: str | None = None


class AttributeMapping(Declared):
    """A dated fact about an episode (diagnosis, work months, medication).

    `is_free_text`: the value is scanned for identifiers, and voided where one is found.
    """

    attribute: str
    column: str
    codes: Codes = {}
    date: str | None = None
    is_free_text: bool = False
    multiply_by: float | None = None
    """For numbers exported in another unit than the network's (years as months: 12)."""


class ConsentMapping(Declared):
    """A patient's consent to one purpose; `status` maps to given, refused or withdrawn."""

    purpose: str
    status: FieldMapping
    date: str | None = None


class RelativeTime(Declared):
    """Time as a number since the episode's anchor, in a column."""

    column: str
    unit: Literal["days", "weeks", "months", "years"] = "months"


class Suffix(Declared):
    """What the ending of a wide column's name stands for."""

    occasion: str | None = None
    months: float | None = None
    sequence: int | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.occasion is None and self.months is None:
            raise ValueError("say when this is: occasion, months, or both")
        return self


class FormStatus(Declared):
    """What the export says about a form itself (REDCap form status, FHIR status).

    `codes` lead to complete, incomplete (kept, with a flag), not_done (the form is not there) or void (entered in
    error: not taken, with a finding). A blank cell is looked up as the code "" and otherwise says nothing.
    """

    column: str
    codes: dict[str, Literal["complete", "incomplete", "not_done", "void"]] = {
        "0": "incomplete",
        "1": "complete",
        "2": "complete",
    }


class Condition(Declared):
    """Rows a mapping is for: those whose column holds one of the values."""

    column: str
    values: tuple[str, ...]


class AssessmentMapping(Declared):
    """Where one instrument's answers stand.

    `items` is a pattern with `{n}` or `{n:02d}`, or one column per item number. `supplied_scores` are totals that the
    unit computed itself, per scale. Time comes from `date`, or from `months` (a constant, or a column of relative
    time), and from the occasion. `from_date` and `until_date` (ISO, until is exclusive) pick the version by assessment
    date. All of `when` must hold for a row.

    With `suffixes` the form stands in the row once per occasion: `{suffix}` in any column's name is each of them in
    turn, and what the suffix stands for takes the place of `occasion`, `months` and `sequence`.
    """

    instrument: str
    version: str
    rater: Rater | FieldMapping = "patient"
    items: str | dict[int, str] | None = None
    supplied_scores: dict[str, str] = {}
    date: str | None = None
    months: float | RelativeTime | None = None
    occasion: FieldMapping | None = None
    sequence: str | int | None = None
    """Column that numbers repeats of one occasion (or, from a suffix, the number itself)."""
    source_key: str | None = None
    when: tuple[Condition, ...] = ()
    from_date: str | None = None
    until_date: str | None = None
    codes: Codes = {}
    """Answers as exported → the instrument's own code, for every item (texts such as 'seldom')."""
    item_codes: dict[int, Codes] = {}
    """The same for single items; they come before `codes`."""
    missing_codes: dict[str, str] = {}
    """Further codes of this form that mean 'no answer' → label."""
    item_missing_codes: dict[int, dict[str, str]] = {}
    """The same for single items."""
    status: FormStatus | None = None
    suffixes: dict[str, Suffix] = {}

    @model_validator(mode="before")
    @classmethod
    def _one_condition(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("when"), dict):
            return {**data, "when": [data["when"]]}
        return data

    def per_suffix(self) -> tuple[AssessmentMapping, ...]:
        """One mapping per suffix, or this one where there is none."""
        if not self.suffixes:
            return (self,)
        return tuple(self._with_suffix(suffix, meaning) for suffix, meaning in self.suffixes.items())

    def _with_suffix(self, suffix: str, meaning: Suffix) -> AssessmentMapping:
        def named(column: str) -> str:
            return column.replace("{suffix}", suffix)

        items = self.items
        if isinstance(items, str):
            items = named(items)
        elif items is not None:
            items = {item: named(column) for item, column in items.items()}
        return self.model_copy(
            update={
                "items": items,
                "supplied_scores": {scale: named(column) for scale, column in self.supplied_scores.items()},
                "date": named(self.date) if self.date else None,
                "source_key": named(self.source_key) if self.source_key else None,
                "status": self.status.model_copy(update={"column": named(self.status.column)}) if self.status else None,
                "occasion": FieldMapping(constant=meaning.occasion) if meaning.occasion else self.occasion,
                "months": self.months if meaning.months is None else meaning.months,
                "sequence": self.sequence if meaning.sequence is None else meaning.sequence,
                "suffixes": {},
            }
        )


class SessionMapping(Declared):
    """A treatment session: number, date, attended."""

    session_number: str
    session_date: str | None = None
    is_attended: FieldMapping | None = None


class Pivot(Declared):
    """A file with one answer per row: rows that agree in `rows` become one, with a column for each name.

    `names` holds the name of the answer (a test code), `values` the answer. Two different values for one name are a
    conflict, and their rows are held back.
    """

    rows: tuple[str, ...] = Field(min_length=1)
    names: str
    values: str


class SourceMapping(Declared):
    """One file or sheet of a delivery and everything that is read from it."""

    name: str
    file: str
    """Name or glob inside the delivery's folder."""
    sheet: str | None = None
    is_required: bool = True
    identity: Identity
    local_ref: str | None = None
    """Column of the unit's own study number: kept apart, for that unit's worklist only."""
    pivot: Pivot | None = None
    where: Condition | None = None
    """Only these rows describe what is mapped below (REDCap: one event); the others are accounted for all the same."""
    patient: PatientMapping | None = None
    episode: EpisodeMapping | None = None
    attributes: tuple[AttributeMapping, ...] = ()
    assessments: tuple[AssessmentMapping, ...] = ()
    sessions: SessionMapping | None = None
    consents: tuple[ConsentMapping, ...] = ()
    kept: tuple[str, ...] = ()
    """Columns stored as they stand, as attributes of that name, scanned like free text."""
    key: tuple[str, ...] = ()
    """Columns that name a row of this file once; two rows with one key and two contents are both held back."""
    identifiers: tuple[str, ...] = ()
    """Direct identifiers (names, addresses): dropped, and looked for in everything that is kept."""
    ignored: tuple[str, ...] = ()
    """Columns known and not wanted; they are not reported as unmapped."""


class Mapping(Declared):
    """How to read the deliveries from `from_delivery` on, until a later mapping takes over."""

    from_delivery: str
    date_format: str | tuple[str, ...] = "%Y-%m-%d"
    """One form, or several that are tried in this order."""
    missing_codes: dict[str, str] = {}
    """Codes that mean 'no answer' anywhere in this export → label."""
    sources: tuple[SourceMapping, ...] = Field(min_length=1)

    @property
    def date_formats(self) -> tuple[str, ...]:
        """The forms of a date, in the order in which they are tried."""
        return (self.date_format,) if isinstance(self.date_format, str) else self.date_format


class Contact(Declared):
    """Whom the coordinator calls."""

    name: str
    email: str | None = None
    phone: str | None = None


class DeliveryMode(Declared):
    """`snapshot`: each delivery holds everything; `increment`: only what is new or changed; `frozen`: one for ever.

    `data_through_lag_days`: the unit's data reach this many days before the delivery's date. None: estimated as the
    last plausible date in the delivery.
    """

    mode: Literal["snapshot", "increment", "frozen"] = "snapshot"
    data_through_lag_days: int | None = Field(default=None, ge=0)
    cadence_days: int | None = Field(default=None, ge=1)


class Parts(Declared):
    """Several units inside one file: `column` (in every source) says whose row it is, `sites` names the unit by code.

    Each unit becomes a site of its own, with the declaration of this one. Rows whose code is blank or not listed stay
    with this site and are held back.
    """

    column: str
    sites: dict[str, str] = Field(min_length=1)
    """Code in the column → site."""
    names: dict[str, str] = {}
    """Site → its name, where it differs from the site."""


class Site(Declared):
    """One treatment unit."""

    site: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    contact: Contact | None = None
    format: Format
    fetch: Fetch | None = None
    """Where `concord fetch` gets a delivery; None: it is sent."""
    delivery: DeliveryMode = DeliveryMode()
    parts: Parts | None = None
    part_of: str | None = Field(default=None, exclude=True)
    """Set by `units`, never declared: the site whose deliveries hold this one's rows."""
    schedule: str | None = None
    """Name of the schedule its episodes follow; None: the network's first."""
    mappings: tuple[Mapping, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        starts = [mapping.from_delivery for mapping in self.mappings]
        if starts != sorted(set(starts)):
            raise ValueError("mappings must stand in the order of from_delivery, each once")
        rows = any(source.identity.is_source_row for mapping in self.mappings for source in mapping.sources)
        if rows and self.delivery.mode != "frozen":
            raise ValueError("identity.is_source_row needs delivery.mode: frozen (row numbers change between exports)")
        return self

    @property
    def landing_name(self) -> str:
        """Folder of landing/ in which its deliveries lie."""
        return self.part_of or self.site

    @property
    def part_codes(self) -> tuple[str, ...]:
        """Codes of `parts.column` whose rows are this unit's; empty: it has rows of its own, or those of nobody."""
        if self.parts is None or self.part_of is None:
            return ()
        return tuple(code for code, site in self.parts.sites.items() if site == self.site)

    def units(self) -> tuple[Site, ...]:
        """This site and, where one file holds several, a site for each of them."""
        if self.parts is None or self.part_of is not None:
            return (self,)
        inside = dict.fromkeys(self.parts.sites.values())
        return (
            self,
            *(
                self.model_copy(update={"site": key, "name": self.parts.names.get(key, key), "part_of": self.site})
                for key in inside
            ),
        )

    def mapping_for(self, delivery: str) -> Mapping:
        """The mapping valid for a delivery: the last that begins at or before it (else the first)."""
        valid = [mapping for mapping in self.mappings if mapping.from_delivery <= delivery]
        return valid[-1] if valid else self.mappings[0]

    def instruments_used(self) -> tuple[str, ...]:
        """Instrument keys that any mapping names, sorted."""
        return tuple(sorted({a.instrument for m in self.mappings for source in m.sources for a in source.assessments}))
