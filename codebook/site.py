"""The model of a site: how one unit's export maps to the canonical tables.

What belongs here: columns, codes, occasion labels, identity. One YAML per unit.
What does not: forms (`codebook.site_forms`), file formats (`codebook.formats`), ranges and keys of instruments
(`codebook.instrument`), windows (`codebook.schedule`).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.formats import Fetch, Format
from codebook.site_forms import (
    AssessmentMapping,
    Codes,
    Condition,
    FieldMapping,
    FormStatus,
    IsoDate,
    RelativeTime,
    Suffix,
)

__all__ = [
    "AssessmentMapping",
    "AttributeMapping",
    "Codes",
    "Condition",
    "ConsentMapping",
    "Contact",
    "DeliveryMode",
    "EpisodeMapping",
    "FieldMapping",
    "FormStatus",
    "Identity",
    "Mapping",
    "NationalNumber",
    "Parts",
    "PatientMapping",
    "Pivot",
    "RelativeTime",
    "SessionMapping",
    "Site",
    "SourceMapping",
    "Suffix",
]

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

    @property
    def forms(self) -> tuple[AssessmentMapping, ...]:
        """Every form that a row can hold, each suffix for itself."""
        return tuple(form for declared in self.assessments for form in declared.per_suffix())

    @property
    def facts(self) -> tuple[AttributeMapping, ...]:
        """Attributes, and the kept columns as free text under their own names."""
        kept = (AttributeMapping(attribute=column, column=column, is_free_text=True) for column in self.kept)
        return (*self.attributes, *kept)


class Mapping(Declared):
    """How to read the deliveries from `from_delivery` on, until a later mapping takes over."""

    from_delivery: IsoDate
    date_format: str | tuple[str, ...] = "%Y-%m-%d"
    """One form, or several that are tried in this order."""
    missing_codes: dict[str, str] = {}
    """Codes that mean 'no answer' anywhere in this export → label."""
    sources: tuple[SourceMapping, ...] = Field(min_length=1)

    @property
    def date_formats(self) -> tuple[str, ...]:
        """The forms of a date, in the order in which they are tried."""
        return (self.date_format,) if isinstance(self.date_format, str) else self.date_format

    def instruments_used(self) -> tuple[str, ...]:
        """Instrument keys that it names, sorted."""
        return tuple(sorted({form.instrument for source in self.sources for form in source.assessments}))

    @property
    def asks_schedule(self) -> bool:
        """True where the version of a form without a date is told by when its occasion was due."""
        return any(form.from_date or form.until_date for source in self.sources for form in source.assessments)


class Contact(Declared):
    """Whom the coordinator calls."""

    name: str
    email: str | None = None
    phone: str | None = None


class DeliveryMode(Declared):
    """`snapshot`: each delivery holds everything; `increment`: only what is new or changed; `frozen`: one for ever.

    `data_through_lag_days`: the unit's data reach this many days before the delivery's date. None: estimated as the
    last plausible date in the delivery. `vanished`: what becomes of a record that an earlier snapshot held and the
    newest has not: `keep` it, marked and with a finding, or `drop` it, because this unit deletes on purpose.
    """

    mode: Literal["snapshot", "increment", "frozen"] = "snapshot"
    vanished: Literal["keep", "drop"] = "keep"
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
        return tuple(sorted({key for mapping in self.mappings for key in mapping.instruments_used()}))
