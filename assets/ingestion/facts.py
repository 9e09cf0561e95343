"""Patients, attributes, sessions and consents, from the rows that describe them.

What belongs here: everything about a person or a course that is neither the course itself nor an assessment.
What does not: courses (`assets.ingestion.episodes`), assessments (`assets.ingestion.forms`).
"""

from __future__ import annotations

import polars as pl

from assets.ingestion.fields import FieldReader, nothing
from checks.findings import ATTRIBUTE_CONFLICT, CONSENT_CONFLICT, SESSION_CONFLICT, found
from checks.lake_schema import ENTITY_TABLES, Columns
from codebook.site import AttributeMapping, SourceMapping

SEX = ("female", "male", "other")
CONSENT = ("given", "refused", "withdrawn")
"""What a consent can be, the stricter the later."""
SIGNIFICANT_DIGITS = 12
"""Of a number in another unit: what is further behind the point comes from the multiplication."""


def table_columns(table: str) -> Columns:
    """Columns of one of the lake's entity tables, with those that say where a line comes from."""
    return ENTITY_TABLES[table] | {"source_file": pl.String(), "source_row": pl.Int64()}


def read_patients(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """One line per row that describes a patient."""
    declared = source.patient
    frame = reader.frame
    sex = nothing("sex", frame, pl.String())
    year = nothing("birth_year", frame, pl.Int32())
    if declared is not None:
        if declared.sex is not None:
            sex = reader.coded(declared.sex, "sex", SEX)
        if declared.birth_year is not None:
            year = reader.whole(declared.birth_year, "birth_year")
        elif declared.birth_date is not None:
            year = reader.date(declared.birth_date, "birth_date").dt.year().cast(pl.Int32)
    return (
        frame.select("patient_id", "source_file", "source_row")
        .with_columns(sex.alias("sex"), year.alias("birth_year"))
        .select(list(table_columns("patient")))
    )


def read_attributes(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """Dated facts and kept columns."""
    frames = [pl.DataFrame(schema=table_columns("attribute"))]
    frame = reader.frame
    for declared in source.facts:
        date = (
            reader.date(declared.date, f"{declared.attribute}_date")
            if declared.date
            else nothing("value_date", frame, pl.Date())
        )
        lines = frame.with_columns(
            pl.lit(declared.attribute).alias("attribute"),
            _attribute_values(reader, declared).alias("value"),
            date.alias("value_date"),
        )
        frames.append(lines.filter(pl.col("value").is_not_null()).select(list(table_columns("attribute"))))
    return pl.concat(frames)


def _attribute_values(reader: FieldReader, declared: AttributeMapping) -> pl.Series:
    """An attribute's text by its codes, and as a number of the network's unit where it came in another."""
    text = reader.text(declared.column).alias("value")
    if declared.codes:
        known = text.replace_strict(declared.codes, default=None, return_dtype=pl.String)
        rule, message = f"{declared.attribute}-code".replace("_", "-"), f"{declared.attribute}: an unknown code"
        reader.note(text.is_not_null() & known.is_null(), rule, "conformance", message, declared.attribute)
        text = known
    if declared.multiply_by is None:
        return text
    number = reader.numeric(text, declared.attribute) * declared.multiply_by
    return number.round_sig_figs(SIGNIFICANT_DIGITS).cast(pl.String).str.strip_suffix(".0").alias("value")


def read_sessions(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """Treatment sessions."""
    declared = source.sessions
    if declared is None:
        return pl.DataFrame(schema=table_columns("session"))
    frame = reader.frame
    attended = declared.is_attended
    return (
        frame.select("episode_id", "patient_id", "source_file", "source_row")
        .with_columns(
            reader.whole(declared.session_number, "session_number"),
            reader.date(declared.session_date, "session_date")
            if declared.session_date
            else nothing("session_date", frame, pl.Date()),
            reader.flag(attended, "is_attended") if attended else nothing("is_attended", frame, pl.Boolean()),
        )
        .filter(pl.col("session_number").is_not_null())
        .select(list(table_columns("session")))
    )


def read_consents(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """One line per row and purpose that says whether the patient agrees; a code nobody knows is no consent."""
    frames = [pl.DataFrame(schema=table_columns("consent"))]
    for declared in source.consents:
        where = f"consent {declared.purpose}"
        if declared.status.column is None:
            status = reader.coded(declared.status, "status")
        else:
            text = reader.text(declared.status.column).alias("status")
            known = text
            if declared.status.codes:
                known = text.replace_strict(declared.status.codes, default=None, return_dtype=pl.String)
            known = known.to_frame().select(pl.when(pl.col("status").is_in(CONSENT)).then("status"))["status"]
            status = reader.only_known(text, known, "consent", where).alias("status")
        date = (
            reader.date(declared.date, where) if declared.date else nothing("status_date", reader.frame, pl.Date())
        ).alias("status_date")
        lines = reader.frame.select("patient_id", "source_file", "source_row").with_columns(
            pl.lit(declared.purpose).alias("purpose"), status, date
        )
        frames.append(lines.filter(pl.col("status").is_not_null()).select(list(table_columns("consent"))))
    return pl.concat(frames)


def latest_consents(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The latest word of each patient on each purpose; of two on one day the stricter, with a finding."""
    by = ["patient_id", "purpose"]
    strictness = pl.col("status").replace_strict(dict(zip(CONSENT, range(3), strict=True)), return_dtype=pl.Int8)
    ordered = lines.with_columns(strictness.alias("strictness")).sort(
        *by, "status_date", "strictness", "source_file", "source_row", nulls_last=False, maintain_order=True
    )
    is_latest = pl.col("status_date").eq_missing(pl.col("status_date").last().over(by))
    several = (
        ordered.filter(is_latest)
        .group_by(by, maintain_order=True)
        .agg(pl.col("status").n_unique().alias("n_status"), pl.col("source_file", "source_row").last())
    )
    conflicts = several.filter(pl.col("n_status") > 1).with_columns(
        pl.concat_str("patient_id", "purpose", separator=" ").alias("entity")
    )
    latest = ordered.unique(by, keep="last", maintain_order=True).select(lines.columns)
    return latest, found(conflicts, CONSENT_CONFLICT, item="consent")


def conflicting_facts(attributes: pl.DataFrame, sessions: pl.DataFrame) -> list[pl.DataFrame]:
    """Findings where one attribute has different values on one day, and one number different sessions.

    `harmonised.attribute` and `harmonised.session` hold one of them, the first in the source.
    """
    of_attribute = _differing(attributes, ["episode_id", "attribute", "value_date"], ["value"])
    repeated = _differing(sessions, ["episode_id", "session_number"], ["session_date", "is_attended"])
    findings = [
        found(part, ATTRIBUTE_CONFLICT, item=str(name), field=name)
        for (name,), part in of_attribute.partition_by("attribute", as_dict=True, maintain_order=True).items()
    ]
    return [*findings, found(repeated, SESSION_CONFLICT, item="session_number")]


def _differing(lines: pl.DataFrame, key: list[str], what: list[str]) -> pl.DataFrame:
    """The first line of each key that stands there with different contents, with `entity`."""
    several = lines.filter(pl.len().over(key) > 1).filter(pl.struct(what).n_unique().over(key) > 1)
    entity = pl.concat_str([pl.col(column).cast(pl.String) for column in key], separator=" ", ignore_nulls=True)
    first = several.sort("source_file", "source_row", maintain_order=True).unique(key, maintain_order=True)
    return first.with_columns(entity.alias("entity"))
