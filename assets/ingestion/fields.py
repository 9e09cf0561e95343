"""From exported text to canonical values: codes, constants, dates, numbers; what does not fit becomes a finding.

What belongs here: one field at a time. What does not: rows and keys (`assets.ingestion.rows`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from assets.ingestion.columns import export
from assets.ingestion.context import Context
from assets.ingestion.rows import IdentifiedSource, RowIds
from checks.findings import DATE_IMPLAUSIBLE, DATE_UNREADABLE, NUMBER_UNREADABLE, Class, finding_frame
from codebook.site import FieldMapping

TRUE, FALSE = "true", "false"
EARLIEST_YEAR = 1800
"""A date before is a form that does not fit: `%Y` reads the 13 of 1.5.13 as the year 13."""

ISO_TIME = r"^\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2})?)?"


@dataclass
class FieldReader:
    """Reads the fields of one source and gathers the findings about them.

    `frame` holds text columns with source_file, source_row and patient_id.
    """

    frame: pl.DataFrame
    ids: RowIds
    missing: Mapping[str, Mapping[str, str]]
    """Missing codes per column, those of the whole export under ''."""
    date_formats: Sequence[str]
    decimal: str
    latest: dt.date
    """No date of a delivery can lie behind the delivery itself."""
    instrument: str | None = None
    """The form that is being read, if it is one."""
    entity: str | None = None
    """Column that holds what a finding is about; None: the row."""
    findings: list[pl.DataFrame] = field(default_factory=list)

    def over(self, frame: pl.DataFrame, instrument: str | None = None, entity: str | None = None) -> FieldReader:
        """The same reader over other rows, with findings of its own."""
        return replace(self, frame=frame, instrument=instrument, entity=entity, findings=[])

    def text(self, column: str) -> pl.Series:
        """A column with its missing codes as null."""
        codes = {**self.missing.get("", {}), **self.missing.get(column, {})}
        text = export(column)
        return self.frame.select(pl.when(~text.is_in(list(codes))).then(text).alias(column))[column]

    def coded(self, declared: FieldMapping, field_name: str, allowed: Collection[str] = ()) -> pl.Series:
        """A field by its codes; a text that the codes do not know is voided with a finding `<field>-code`.

        `allowed`: what the field can be; empty: anything.
        """
        if declared.column is None:
            return pl.Series(field_name, [declared.constant] * self.frame.height, dtype=pl.String)
        text = self.text(declared.column).alias(field_name)
        known = text
        if declared.codes:
            known = text.replace_strict(declared.codes, default=None, return_dtype=pl.String)
        if allowed:
            is_allowed = pl.col(field_name).is_in(list(allowed))
            known = known.to_frame().select(pl.when(is_allowed).then(field_name)).to_series()
        return self.only_known(text, known, field_name)

    def only_known(self, text: pl.Series, known: pl.Series, field_name: str, item: str | None = None) -> pl.Series:
        """`known`, with a finding `<field>-code` for every text that led to nothing."""
        rule = f"{field_name.replace('_', '-')}-code"
        message = f"{field_name}: a code that the site's declaration does not know"
        self.note(text.is_not_null() & known.is_null(), rule, "conformance", message, item or field_name)
        return known.alias(field_name)

    def flag(self, declared: FieldMapping, field_name: str) -> pl.Series:
        """A yes/no field whose codes lead to `true` and `false`."""
        text = self.coded(declared, field_name, (TRUE, FALSE))
        return text.replace_strict({TRUE: True, FALSE: False}, default=None, return_dtype=pl.Boolean).alias(field_name)

    def date(self, column: str, field_name: str) -> pl.Series:
        """A date; one that cannot be read or lies after the delivery is voided with a finding."""
        text = self.text(column)
        parsed = parsed_dates(text, self.date_formats)
        message = f"{field_name}: not a date of the form {' or '.join(self.date_formats)}"
        self.note(text.is_not_null() & parsed.is_null(), DATE_UNREADABLE, "conformance", message, field_name)
        late = (parsed > self.latest).fill_null(False)
        message = f"{field_name}: the date lies after the delivery"
        self.note(late, DATE_IMPLAUSIBLE, "plausibility", message, field_name)
        return parsed.to_frame("date").select(pl.when(~late).then(pl.col("date")).alias(field_name))[field_name]

    def number(self, column: str, field_name: str) -> pl.Series:
        """A number in the export's decimal sign; text that is none is voided with a finding."""
        return self.numeric(self.text(column), field_name)

    def numeric(self, text: pl.Series, field_name: str) -> pl.Series:
        """`number` of text that was read already."""
        parsed = self._numbers(text)
        self._not_a_number(text, parsed, field_name)
        return parsed.alias(field_name)

    def whole(self, column: str, field_name: str) -> pl.Series:
        """A whole number (`3` or `3.0`); anything else is voided with a finding."""
        text = self.text(column)
        parsed = self._numbers(text).to_frame("number")
        is_whole = (pl.col("number") % 1 == 0) & (pl.col("number").abs() < 2**31)
        number = parsed.select(pl.when(is_whole).then(pl.col("number")).cast(pl.Int32).alias(field_name))[field_name]
        self._not_a_number(text, number, field_name)
        return number

    def _numbers(self, text: pl.Series) -> pl.Series:
        number = text.str.replace(self.decimal, ".", literal=True).cast(pl.Float64, strict=False).to_frame("number")
        return number.select(pl.when(pl.col("number").is_finite()).then(pl.col("number")))["number"]

    def _not_a_number(self, text: pl.Series, parsed: pl.Series, field_name: str) -> None:
        message = f"{field_name}: not a number"
        self.note(text.is_not_null() & parsed.is_null(), NUMBER_UNREADABLE, "conformance", message, field_name)

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` of this source with `entity`: what a finding about them is about."""
        if self.entity is not None:
            return rows.with_columns(pl.col(self.entity).alias("entity"))
        return self.ids.name(rows).rename({"row_entity": "entity"})

    def note(self, mask: pl.Series, rule: str, kind: Class, message: str, item: str) -> None:
        """A void_value finding for every row of `mask`."""
        if not mask.any():
            return
        self.findings.append(
            finding_frame(
                self.named(self.frame.filter(mask)),
                rule=rule,
                kind=kind,
                severity="void_value",
                message=message,
                item=item,
                instrument=self.instrument,
            )
        )


def field_reader(rows: IdentifiedSource, frame: pl.DataFrame, context: Context) -> FieldReader:
    """A reader over `frame`, rows of this source."""
    missing = {"": context.mapping.missing_codes, **rows.source.user_missing}
    formats = context.mapping.date_formats
    return FieldReader(frame, rows.ids, missing, formats, context.decimal, context.delivery_date)


def parsed_dates(text: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Dates by the first form that fits each text; null where none does."""
    tried = [text.str.strptime(pl.Date, form, strict=False).alias(str(n)) for n, form in enumerate(formats)]
    fits = [pl.when(pl.col(date.name).dt.year() >= EARLIEST_YEAR).then(pl.col(date.name)) for date in tried]
    return pl.DataFrame(tried).select(pl.coalesce(fits).alias(text.name))[text.name]


def parsed_times(text: pl.Series) -> pl.Series:
    """Points in time of the ISO form as they stand on the unit's clock; a date alone is its midnight; else null."""
    clock = text.str.replace("T", " ", literal=True).str.extract(ISO_TIME, 0).alias("clock")
    formats = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
    tried = [clock.str.strptime(pl.Datetime("us"), form, strict=False).alias(form) for form in formats[:2]]
    days = clock.str.strptime(pl.Date, formats[2], strict=False).cast(pl.Datetime("us")).alias(formats[2])
    return pl.DataFrame([*tried, days]).select(pl.coalesce(pl.all()).alias(text.name))[text.name]


def nothing(name: str, frame: pl.DataFrame, dtype: pl.DataType) -> pl.Series:
    """A column without a value, as long as `frame`."""
    return pl.Series(name, [None] * frame.height, dtype=dtype)
