"""Courses of treatment: what names them, what is told about them, and which of them a row belongs to.

What belongs here: everything about a course. What does not: patients, attributes, sessions and consents
(`assets.ingestion.facts`), assessments (`assets.ingestion.forms`), and the choice of rows (`assets.ingestion.rows`).
"""

from __future__ import annotations

import polars as pl

from assets.ingestion.columns import exported
from assets.ingestion.context import Context
from assets.ingestion.facts import table_columns
from assets.ingestion.fields import FieldReader, nothing, parsed_dates
from assets.ingestion.rows import ROW
from checks.findings import finding_frame
from codebook.site import SourceMapping

SINGLE_EPISODE = "single"
"""Key of a patient's only course of treatment where the export has neither a key nor an admission date."""
EPISODE_DATES = ("admission_date", "treatment_start_date", "discharge_date")


def with_episode_key(reader: FieldReader, source: SourceMapping) -> pl.Series:
    """What tells a patient's courses apart in these rows: the site's key, the admission date, or nothing."""
    declared = source.episode
    if declared is None:
        return nothing("episode_key", reader.frame, pl.String())
    if declared.key is not None:
        return reader.text(declared.key).alias("episode_key")
    if declared.admission_date is not None:
        silent = reader.over(reader.frame)
        return silent.date(declared.admission_date, "episode_key").cast(pl.String)
    return pl.Series("episode_key", [SINGLE_EPISODE] * reader.frame.height, dtype=pl.String)


def episode_ids(frame: pl.DataFrame, context: Context) -> pl.Series:
    """Ids from patient, site and episode key; null where there is no key."""
    if frame["episode_key"].null_count() == frame.height:
        return nothing("episode_id", frame, pl.String())
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
        return pl.DataFrame(schema=table_columns("episode"))
    columns: list[pl.Series] = []
    for name in EPISODE_DATES:
        column = getattr(declared, name)
        columns.append(reader.date(column, name) if column else nothing(name, frame, pl.Date()))
    for name in ("treatment", "arm", "termination_reason"):
        field = getattr(declared, name)
        columns.append(reader.coded(field, name) if field else nothing(name, frame, pl.String()))
    planned = declared.is_completed_as_planned
    name = "is_completed_as_planned"
    columns.append(reader.flag(planned, name) if planned else nothing(name, frame, pl.Boolean()))
    columns.append(_therapists(reader, declared.therapist, context))
    columns.append(pl.Series("schedule", [_schedule(context)] * frame.height, dtype=pl.String))
    lines = frame.select("patient_id", "episode_id", "source_file", "source_row").with_columns(columns)
    return lines.filter(pl.col("episode_id").is_not_null()).select(list(table_columns("episode")))


def _schedule(context: Context) -> str | None:
    schedule = context.library.schedule_of(context.site)
    return schedule.name if schedule else None


def _therapists(reader: FieldReader, column: str | None, context: Context) -> pl.Series:
    if column is None:
        return nothing("therapist_id", reader.frame, pl.String())
    rows = reader.text(column).to_frame("therapist")
    return context.pseudonyms.ids("therapist", rows, [pl.col("therapist")], context.site.site).alias("therapist_id")


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


def implicit_episodes(readers: list[FieldReader], context: Context) -> pl.DataFrame:
    """Where a site describes no courses at all, each patient has one, without dates."""
    frame = pl.concat([reader.frame.select("patient_id", *ROW) for reader in readers]).sort(ROW)
    frame = frame.unique("patient_id", keep="first", maintain_order=True)
    frame = frame.with_columns(pl.lit(SINGLE_EPISODE).alias("episode_key"))
    frame = frame.with_columns(
        episode_ids(frame, context), pl.lit(_schedule(context), dtype=pl.String).alias("schedule")
    )
    return frame.select(
        [
            (pl.col(c) if c in frame.columns else pl.lit(None)).cast(dtype).alias(c)
            for c, dtype in table_columns("episode").items()
        ]
    )


def known_courses(episodes: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Courses of this delivery, and those that earlier ones of an incremental site brought, with their dates."""
    columns = ["patient_id", "episode_id", *EPISODE_DATES]
    here = episodes.select(columns)
    earlier = context.known_episodes.select(columns).join(here, on="episode_id", how="anti")
    return pl.concat([here, earlier])


def assign_courses(reader: FieldReader, source: SourceMapping, known: pl.DataFrame) -> pl.DataFrame:
    """Give every row its course: the row's own key, else the patient's course that had begun by the row's date."""
    frame = reader.frame
    columns = [*frame.columns, *EPISODE_DATES]
    courses = known.with_columns(pl.len().over("patient_id").alias("n_courses"))
    only = courses.filter(pl.col("n_courses") <= 1).drop("n_courses")
    several = courses.filter(pl.col("n_courses") > 1).drop("n_courses")
    own = frame.filter(pl.col("episode_id").is_not_null()).join(
        known.drop("patient_id"), on="episode_id", how="left", maintain_order="left"
    )
    rest = frame.filter(pl.col("episode_id").is_null()).drop("episode_id")
    simple = rest.join(several, on="patient_id", how="anti", maintain_order="left") if several.height else rest
    simple = simple.join(only, on="patient_id", how="left", maintain_order="left")
    parts = [own, simple]
    if several.height:
        parts.append(_by_date(reader, source, rest.join(several, on="patient_id", how="semi"), several))
    parts = [part.select(columns) for part in parts if part.height]
    if not parts:
        return simple.select(columns)
    return parts[0] if len(parts) == 1 else pl.concat(parts).sort(ROW)


def _by_date(reader: FieldReader, source: SourceMapping, rows: pl.DataFrame, courses: pl.DataFrame) -> pl.DataFrame:
    """Of several courses the latest that had begun by the row's date; where none had, the first."""
    rows = rows.with_columns(_row_dates(rows, reader, source))
    begun = (pl.col("admission_date") <= pl.col("row_date")).fill_null(False)
    chosen = (
        rows.join(courses, on="patient_id", how="left")
        .with_columns(begun.alias("begun"))
        .sort([*ROW, "begun", "admission_date", "episode_id"])
        .with_columns(pl.col("begun").any().over(ROW).alias("any_begun"))
    )
    return pl.concat(
        [
            chosen.filter(pl.col("any_begun") & pl.col("begun")).unique(ROW, keep="last", maintain_order=True),
            chosen.filter(~pl.col("any_begun")).unique(ROW, keep="first", maintain_order=True),
        ]
    )


def _row_dates(rows: pl.DataFrame, reader: FieldReader, source: SourceMapping) -> pl.Series:
    """The first readable date among a row's forms, to choose between two courses of one patient."""
    columns = dict.fromkeys(form.date for form in source.forms if form.date)
    dates = [
        parsed_dates(rows[exported(column)], reader.date_formats).alias(f"d{n}") for n, column in enumerate(columns)
    ]
    if not dates:
        return nothing("row_date", rows, pl.Date())
    return pl.DataFrame(dates).select(pl.coalesce(pl.all()).alias("row_date"))["row_date"]
