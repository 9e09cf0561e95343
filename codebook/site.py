"""The model of a site: how one unit's export maps to the canonical tables.

What belongs here: file formats, columns, codes, occasion labels, identity. One YAML per unit.
What does not: ranges and keys of instruments (`codebook.instrument`), windows (`codebook.schedule`).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.instrument import Rater

Codes = dict[str, str]
"""Exported text → canonical text."""


class DelimitedFormat(Declared):
    """Delimited text. `decimal` is the sign before decimals; `quote` may not be empty."""

    reader: Literal["delimited"]
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    quote: str = Field(default='"', min_length=1, max_length=1)
    title_rows: int = Field(default=0, ge=0)


class ExcelFormat(Declared):
    """Excel workbook, read as text. `title_rows` stand above the header of every sheet."""

    reader: Literal["excel"]
    title_rows: int = Field(default=0, ge=0)
    decimal: Literal[".", ","] = "."


class SpssFormat(Declared):
    """SPSS `.sav`; user-missing values become declared missing codes of their column."""

    reader: Literal["spss"]
    encoding: str | None = None
    decimal: Literal["."] = "."


class RedcapFormat(Declared):
    """REDCap CSV export (raw values) with its data dictionary in the same delivery."""

    reader: Literal["redcap"]
    dictionary: str
    """Name (glob) of the dictionary CSV."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"


Format = Annotated[DelimitedFormat | ExcelFormat | SpssFormat | RedcapFormat, Field(discriminator="reader")]


class Identity(Declared):
    """Which columns say who the patient is.

    `scope` network: the same identity at two sites is one patient (national number);
    site: the number means something only here. `is_source_row`: the file names nobody and a row is a patient
    (frozen research data only; the site's delivery mode must be `frozen`).
    """

    columns: tuple[str, ...] = ()
    scope: Literal["site", "network"] = "site"
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


class Condition(Declared):
    """Rows a mapping is for: those whose column holds one of the values."""

    column: str
    values: tuple[str, ...]


class AssessmentMapping(Declared):
    """Where one instrument's answers stand.

    `items` is a pattern with `{n}` or `{n:02d}`, or one column per item number. `supplied_scores` are totals that the
    unit computed itself, per scale. Time comes from `date`, or from `months` (a constant), and from the occasion.
    `from_date` and `until_date` (ISO, until is exclusive) pick the version by assessment date.
    """

    instrument: str
    version: str
    rater: Rater = "patient"
    items: str | dict[int, str] | None = None
    supplied_scores: dict[str, str] = {}
    date: str | None = None
    months: float | None = None
    occasion: FieldMapping | None = None
    sequence: str | None = None
    source_key: str | None = None
    when: Condition | None = None
    from_date: str | None = None
    until_date: str | None = None
    missing_codes: dict[str, str] = {}
    """Further codes of this form that mean 'no answer' → label."""
    status_column: str | None = None
    """REDCap form status: 0 incomplete, 1 unverified, 2 complete, blank: never opened."""


class SessionMapping(Declared):
    """A treatment session: number, date, attended."""

    session_number: str
    session_date: str | None = None
    is_attended: FieldMapping | None = None


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
    where: Condition | None = None
    """Only these rows describe what is mapped below (REDCap: one event); the others are accounted for all the same."""
    patient: PatientMapping | None = None
    episode: EpisodeMapping | None = None
    attributes: tuple[AttributeMapping, ...] = ()
    assessments: tuple[AssessmentMapping, ...] = ()
    sessions: SessionMapping | None = None
    key: tuple[str, ...] = ()
    """Columns that name a row of this file once; two rows with one key and two contents are both held back."""
    identifiers: tuple[str, ...] = ()
    """Direct identifiers (names, addresses): dropped, and looked for in everything that is kept."""
    ignored: tuple[str, ...] = ()
    """Columns known and not wanted; they are not reported as unmapped."""


class Mapping(Declared):
    """How to read the deliveries from `from_delivery` on, until a later mapping takes over."""

    from_delivery: str
    date_format: str = "%Y-%m-%d"
    missing_codes: dict[str, str] = {}
    """Codes that mean 'no answer' anywhere in this export → label."""
    sources: tuple[SourceMapping, ...] = Field(min_length=1)


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


class Site(Declared):
    """One treatment unit."""

    site: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    contact: Contact | None = None
    format: Format
    delivery: DeliveryMode = DeliveryMode()
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

    def mapping_for(self, delivery: str) -> Mapping:
        """The mapping valid for a delivery: the last that begins at or before it (else the first)."""
        valid = [mapping for mapping in self.mappings if mapping.from_delivery <= delivery]
        return valid[-1] if valid else self.mappings[0]

    def instruments_used(self) -> tuple[str, ...]:
        """Instrument keys that any mapping names, sorted."""
        return tuple(sorted({a.instrument for m in self.mappings for source in m.sources for a in source.assessments}))
