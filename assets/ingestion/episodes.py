"""Patients, courses of treatment, attributes and sessions, from the rows that describe them.

What belongs here: everything about a person or a course that is not an assessment.
What does not: assessments (`assets.ingestion.forms`), and the choice of rows (`assets.ingestion.rows`).
"""

from __future__ import annotations

import polars as pl

from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader, nothing
from checks.findings import TEXT_IDENTIFIER, finding_frame
from checks.lake_schema import ENTITY_TABLES
from checks.rules import holds_identifier
from codebook.site import SourceMapping

SINGLE_EPISODE = "single"
"""Key of a patient's only course of treatment where the export has neither a key nor an admission date."""
SEX = {"female", "male", "other"}


def with_episode_key(reader: FieldReader, source: SourceMapping) -> pl.Series:
    """What tells a patient's courses apart in these rows: the site's key, the admission date, or nothing."""
    declared = source.episode
    if declared is None:
        return pl.Series("episode_key", [None] * reader.frame.height, dtype=pl.String)
    if declared.key is not None:
        return reader.text(declared.key).alias("episode_key")
    if declared.admission_date is not None:
        silent = FieldReader(reader.frame, reader.missing, reader.date_formats, reader.decimal, reader.latest)
        return silent.date(declared.admission_date, "episode_key").cast(pl.String)
    return pl.Series("episode_key", [SINGLE_EPISODE] * reader.frame.height, dtype=pl.String)


def episode_ids(frame: pl.DataFrame, context: Context) -> pl.Series:
    """Ids from patient, site and episode key; null where there is no key."""
    ids = context.pseudonyms.ids(
        "episode", frame, [pl.col("patient_id"), pl.lit(context.site.site), pl.col("episode_key")]
    )
    return frame.with_columns(ids.alias("episode_id")).select(
        pl.when(pl.col("episode_key").is_not_null()).then(pl.col("episode_id")).alias("episode_id")
    )["episode_id"]


def read_episodes(reader: FieldReader, source: SourceMapping, context: Context) -> pl.DataFrame:
    """One line per row that describes a course; `merge_lines` joins the lines of one course."""
    declared = source.episode
    frame = reader.frame
    if declared is None:
        return pl.DataFrame(schema=_schema("episode"))
    columns: list[pl.Series] = []
    for name in ("admission_date", "treatment_start_date", "discharge_date"):
        column = getattr(declared, name)
        columns.append(reader.date(column, name) if column else nothing(name, frame, pl.Date()))
    for name in ("treatment", "arm", "termination_reason"):
        field = getattr(declared, name)
        columns.append(reader.coded(field, name) if field else nothing(name, frame, pl.String()))
    planned = declared.is_completed_as_planned
    name = "is_completed_as_planned"
    columns.append(reader.flag(planned, name) if planned else nothing(name, frame, pl.Boolean()))
    columns.append(_therapists(reader, declared.therapist, context))
    schedule = context.library.schedule_of(context.site)
    columns.append(pl.Series("schedule", [schedule.name if schedule else None] * frame.height, dtype=pl.String))
    lines = frame.select("patient_id", "episode_id", "source_file", "source_row").with_columns(columns)
    return lines.filter(pl.col("episode_id").is_not_null()).select(list(_schema("episode")))


def _therapists(reader: FieldReader, column: str | None, context: Context) -> pl.Series:
    if column is None:
        return nothing("therapist_id", reader.frame, pl.String())
    rows = reader.text(column).to_frame("therapist")
    ids = context.pseudonyms.ids("therapist", rows, [pl.col("therapist")])
    site = context.site.site
    known = [None if i is None else context.pseudonyms.id_of("therapist", site, i) for i in ids]
    return pl.Series("therapist_id", known, dtype=pl.String)


def read_patients(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """One line per row that describes a patient."""
    declared = source.patient
    frame = reader.frame
    sex = nothing("sex", frame, pl.String())
    year = nothing("birth_year", frame, pl.Int32())
    if declared is not None:
        if declared.sex is not None:
            sex = reader.coded(declared.sex, "sex")
            reader.note(
                sex.is_not_null() & ~sex.is_in(list(SEX)), "sex-code", "conformance", "sex: not a known code", "sex"
            )
            sex = sex.to_frame("sex").select(pl.when(pl.col("sex").is_in(list(SEX))).then(pl.col("sex")))["sex"]
        if declared.birth_year is not None:
            year = reader.number(declared.birth_year, "birth_year").cast(pl.Int32, strict=False)
        elif declared.birth_date is not None:
            year = reader.date(declared.birth_date, "birth_date").dt.year().cast(pl.Int32)
    return (
        frame.select("patient_id", "source_file", "source_row")
        .with_columns(sex.alias("sex"), year.alias("birth_year"))
        .select(list(_schema("patient")))
    )


def read_attributes(
    reader: FieldReader, source: SourceMapping, context: Context, identifiers: list[str]
) -> pl.DataFrame:
    """Dated facts; free text that holds an identifier is voided with a finding."""
    frames = [pl.DataFrame(schema=_schema("attribute"))]
    frame = reader.frame
    for declared in source.attributes:
        text = reader.text(declared.column)
        if declared.codes:
            known = text.replace_strict(declared.codes, default=None, return_dtype=pl.String)
            rule, message = f"{declared.attribute}-code".replace("_", "-"), f"{declared.attribute}: an unknown code"
            reader.note(text.is_not_null() & known.is_null(), rule, "conformance", message, declared.attribute)
            text = known
        date = (
            reader.date(declared.date, f"{declared.attribute}_date")
            if declared.date
            else nothing("value_date", frame, pl.Date())
        )
        lines = frame.select("episode_id", "patient_id", "source_file", "source_row", "row_entity").with_columns(
            pl.lit(declared.attribute).alias("attribute"), text.alias("value"), date.alias("value_date")
        )
        if declared.is_free_text:
            patterns = context.library.network.privacy.identifier_patterns
            is_leak = lines.select(holds_identifier(pl.col("value"), identifiers, patterns).alias("leak"))["leak"]
            reader.findings.append(
                finding_frame(
                    lines.filter(is_leak).with_columns(pl.col("row_entity").alias("entity")),
                    rule=TEXT_IDENTIFIER,
                    kind="privacy",
                    severity="void_value",
                    message=f"{declared.attribute}: the text names a person, an address or a number; it was not stored",
                    item=declared.attribute,
                )
            )
            lines = lines.filter(~is_leak)
        frames.append(lines.filter(pl.col("value").is_not_null()).select(list(_schema("attribute"))))
    return pl.concat(frames)


def read_sessions(reader: FieldReader, source: SourceMapping) -> pl.DataFrame:
    """Treatment sessions."""
    declared = source.sessions
    if declared is None:
        return pl.DataFrame(schema=_schema("session"))
    frame = reader.frame
    attended = declared.is_attended
    return (
        frame.select("episode_id", "patient_id", "source_file", "source_row")
        .with_columns(
            reader.number(declared.session_number, "session_number").cast(pl.Int32, strict=False),
            reader.date(declared.session_date, "session_date")
            if declared.session_date
            else nothing("session_date", frame, pl.Date()),
            reader.flag(attended, "is_attended") if attended else nothing("is_attended", frame, pl.Boolean()),
        )
        .filter(pl.col("session_number").is_not_null())
        .select(list(_schema("session")))
    )


def merge_lines(lines: pl.DataFrame, key: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One record per key (the first answer of each column, in source order), and a finding where answers differ."""
    facts = [c for c in lines.columns if c not in {key, "patient_id", "source_file", "source_row"}]
    ordered = lines.sort("source_file", "source_row")
    merged = ordered.group_by(key, maintain_order=True).agg(
        [pl.col(c).drop_nulls().first() if c in facts else pl.col(c).first() for c in lines.columns if c != key]
        + [pl.col(c).drop_nulls().n_unique().alias(f"n_{c}") for c in facts]
    )
    findings = [
        finding_frame(
            merged.filter(pl.col(f"n_{c}") > 1).with_columns(pl.col(key).alias("entity")),
            rule=f"{c.replace('_', '-')}-conflict",
            kind="plausibility",
            severity="flag",
            message=f"{c}: the delivery gives different answers; the first is used",
            item=c,
        )
        for c in facts
    ]
    return merged.select(lines.columns), pl.concat(findings)


def _schema(table: str) -> dict[str, pl.DataType]:
    return ENTITY_TABLES[table] | {"source_file": pl.String(), "source_row": pl.Int64()}
