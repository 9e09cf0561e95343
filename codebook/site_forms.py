"""How one instrument's answers stand in an export: columns, codes, time, rater and status of a form.

What belongs here: the part of a site's declaration under `assessments`, and the fields and conditions it is made of.
What does not: the rest of a site (`codebook.site`).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from codebook.declaration import Declared
from codebook.instrument import Rater

Codes = dict[str, str]
"""Exported text → canonical text."""


def _iso(value: Any) -> Any:
    """YAML reads 2016-01-31 without quotes as a date."""
    return value.isoformat() if isinstance(value, dt.date) else value


IsoDate = Annotated[str, BeforeValidator(_iso)]
"""A date such as 2016-01-31, as text; with or without quotes."""

SUFFIX = "{suffix}"
"""Stands in a column's name for each of `AssessmentMapping.suffixes` in turn."""


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
    sequence: str | Annotated[int, Field(strict=True)] | None = None
    """Column that numbers repeats of one occasion (or, from a suffix, the number itself)."""
    source_key: str | None = None
    when: tuple[Condition, ...] = ()
    from_date: IsoDate | None = None
    until_date: IsoDate | None = None
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
        occasion = {"constant": meaning.occasion} if meaning.occasion else None
        stated = {"occasion": occasion, "months": meaning.months, "sequence": meaning.sequence}
        named = _named(self.model_dump(exclude={"suffixes"}), suffix)
        return AssessmentMapping.model_validate(
            named | {key: value for key, value in stated.items() if value is not None}
        )


def _named(declared: Any, suffix: str) -> Any:
    """A dumped declaration with `{suffix}` filled in wherever it stands."""
    if isinstance(declared, str):
        return declared.replace(SUFFIX, suffix)
    if isinstance(declared, dict):
        return {key: _named(value, suffix) for key, value in declared.items()}
    if isinstance(declared, list | tuple):
        return [_named(value, suffix) for value in declared]
    return declared
