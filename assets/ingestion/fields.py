"""From exported text to canonical values: codes, constants, dates, numbers; what does not fit becomes a finding.

What belongs here: one field at a time. What does not: rows and keys (`assets.ingestion.rows`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from assets.ingestion.columns import export
from checks.findings import DATE_IMPLAUSIBLE, DATE_UNREADABLE, NUMBER_UNREADABLE, Class, finding_frame
from codebook.site import FieldMapping

TRUE, FALSE = "true", "false"


@dataclass
class FieldReader:
    """Reads the fields of one source and gathers the findings about them.

    `frame` holds text columns with source_file, source_row, row_entity and patient_id.
    """

    frame: pl.DataFrame
    missing: Mapping[str, Mapping[str, str]]
    """Missing codes per column, those of the whole export under ''."""
    date_formats: Sequence[str]
    decimal: str
    latest: dt.date
    """No date of a delivery can lie behind the delivery itself."""
    instrument: str | None = None
    """The form that is being read, if it is one."""
    findings: list[pl.DataFrame] = field(default_factory=list)

    def text(self, column: str) -> pl.Series:
        """A column with its missing codes as null."""
        codes = {**self.missing.get("", {}), **self.missing.get(column, {})}
        text = export(column)
        return self.frame.select(pl.when(~text.is_in(list(codes))).then(text).alias(column))[column]

    def coded(self, declared: FieldMapping, field_name: str) -> pl.Series:
        """A field by its codes; a text that the codes do not know is voided with a finding `<field>-code`."""
        if declared.column is None:
            return pl.Series(field_name, [declared.constant] * self.frame.height, dtype=pl.String)
        text = self.text(declared.column)
        if not declared.codes:
            return text.alias(field_name)
        known = text.replace_strict(declared.codes, default=None, return_dtype=pl.String)
        rule = f"{field_name.replace('_', '-')}-code"
        message = f"{field_name}: a code that the site's declaration does not know"
        self.note(text.is_not_null() & known.is_null(), rule, "conformance", message, field_name)
        return known.alias(field_name)

    def flag(self, declared: FieldMapping, field_name: str) -> pl.Series:
        """A yes/no field whose codes lead to `true` and `false`."""
        text = self.coded(declared, field_name)
        return text.replace_strict({TRUE: True, FALSE: False}, default=None, return_dtype=pl.Boolean).alias(field_name)

    def date(self, column: str, field_name: str, entity: str = "row_entity") -> pl.Series:
        """A date; one that cannot be read or lies after the delivery is voided with a finding."""
        text = self.text(column)
        parsed = parsed_dates(text, self.date_formats)
        message = f"{field_name}: not a date of the form {' or '.join(self.date_formats)}"
        self.note(text.is_not_null() & parsed.is_null(), DATE_UNREADABLE, "conformance", message, field_name, entity)
        late = (parsed > self.latest).fill_null(False)
        message = f"{field_name}: the date lies after the delivery"
        self.note(late, DATE_IMPLAUSIBLE, "plausibility", message, field_name, entity)
        return parsed.to_frame("date").select(pl.when(~late).then(pl.col("date")).alias(field_name))[field_name]

    def number(self, column: str, field_name: str) -> pl.Series:
        """A number in the export's decimal sign; text that is none is voided with a finding."""
        text = self.text(column)
        parsed = text.str.replace(self.decimal, ".", literal=True).cast(pl.Float64, strict=False)
        message = f"{field_name}: not a number"
        self.note(text.is_not_null() & parsed.is_null(), NUMBER_UNREADABLE, "conformance", message, field_name)
        return parsed.alias(field_name)

    def note(
        self, mask: pl.Series, rule: str, kind: Class, message: str, item: str, entity: str = "row_entity"
    ) -> None:
        """A void_value finding for every row of `mask`."""
        if not mask.any():
            return
        rows = self.frame.filter(mask).with_columns(pl.col(entity).alias("entity"))
        self.findings.append(
            finding_frame(
                rows,
                rule=rule,
                kind=kind,
                severity="void_value",
                message=message,
                item=item,
                instrument=self.instrument,
            )
        )


def parsed_dates(text: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Dates by the first form that fits each text; null where none does."""
    tried = [text.str.strptime(pl.Date, form, strict=False).alias(str(n)) for n, form in enumerate(formats)]
    return pl.DataFrame(tried).select(pl.coalesce(pl.all()).alias(text.name))[text.name]


def nothing(name: str, frame: pl.DataFrame, dtype: pl.DataType) -> pl.Series:
    """A column without a value, as long as `frame`."""
    return pl.Series(name, [None] * frame.height, dtype=dtype)
