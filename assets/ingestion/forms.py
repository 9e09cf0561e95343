"""Assessments: which row holds which form, at which time, with which answers.

What belongs here: instrument, version, date, occasion, sequence, the id, and the answers after the rule table.
What does not: scores (SQL), and whether an assessment was due (SQL).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from assets.ingestion.columns import export, exported
from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader, nothing
from assets.ingestion.rows import no_rejections, rejection
from assets.ingestion.source import LandedSource, item_columns
from checks.findings import (
    DATE_IMPLAUSIBLE,
    OCCASION_UNKNOWN,
    ROW_TIME_MISSING,
    ROW_VERSION_UNKNOWN,
    VISIT_UNSCHEDULED,
    finding_frame,
)
from checks.keys import content_hashes
from checks.lake_schema import answer_type, instrument_columns
from checks.rules import check_answers, item_rules
from codebook.instrument import item_column
from codebook.schedule import DAYS_PER_MONTH
from codebook.site import AssessmentMapping

UNSCHEDULED = "unscheduled"


@dataclass(frozen=True)
class PlacedForms:
    """Rows of one form with episode, time and id settled, answers still text; and the rows that had no time."""

    form: AssessmentMapping
    source: LandedSource
    rows: pl.DataFrame
    rejected: pl.DataFrame
    findings: list[pl.DataFrame]


def place(source: LandedSource, form: AssessmentMapping, reader: FieldReader, context: Context) -> PlacedForms:
    """Find the rows that hold this form and settle when each was filled in.

    `reader.frame` brings patient_id, episode_id, admission_date, row_entity and the text columns.
    """
    items = item_columns(form, context.library)
    answers = [*items.values(), *form.supplied_scores.values()]
    frame = reader.frame.filter(_is_answered(reader, form, answers) & _condition(form))
    local = FieldReader(frame, reader.missing, reader.date_formats, reader.decimal, reader.latest, form.instrument)
    frame = frame.with_columns(
        local.date(form.date, "assessment_date") if form.date else nothing("assessment_date", frame, pl.Date()),
        _occasion(form, local),
        _sequence(form, local),
        pl.lit(form.months, dtype=pl.Float64).alias("declared_months"),
    )
    frame = _void_early_dates(frame, local, context)
    frame, wrong_version = _of_this_version(frame, form, context)
    timeless = frame.filter(
        pl.col("assessment_date").is_null() & pl.col("declared_months").is_null() & pl.col("occasion").is_null()
    )
    frame = frame.join(timeless.select("source_file", "source_row"), on=["source_file", "source_row"], how="anti")
    frame = _with_ids(frame, form, context)
    findings = _about_assessments(local.findings, frame)
    findings.append(
        finding_frame(
            frame.filter(pl.col("occasion") == UNSCHEDULED).with_columns(pl.col("assessment_id").alias("entity")),
            rule=VISIT_UNSCHEDULED,
            kind="completeness",
            severity="flag",
            message="an assessment outside the schedule",
            item="occasion",
            instrument=form.instrument,
        )
    )
    rejected = pl.concat(
        [no_rejections(), rejection(timeless, ROW_TIME_MISSING), rejection(wrong_version, ROW_VERSION_UNKNOWN)]
    )
    content = [exported(c) for c in (*answers, form.date, form.sequence) if isinstance(c, str)]
    frame = frame.with_columns(content_hashes(frame, content).alias("content"))
    return PlacedForms(form, source, frame, rejected, findings)


def _is_answered(reader: FieldReader, form: AssessmentMapping, answers: list[str]) -> pl.Expr:
    """A form is there when anything on it is neither blank nor a code for 'no answer'."""
    answered = pl.lit(False)
    for column in answers:
        codes = {**reader.missing.get("", {}), **form.missing_codes, **reader.missing.get(column, {})}
        answered = answered | (export(column).is_not_null() & ~export(column).is_in(list(codes))).fill_null(False)
    return answered


def _condition(form: AssessmentMapping) -> pl.Expr:
    holds = pl.lit(True)
    for condition in form.when:
        holds = holds & export(condition.column).is_in(list(condition.values))
    return holds.fill_null(False)


def _occasion(form: AssessmentMapping, local: FieldReader) -> pl.Series:
    if form.occasion is None:
        return nothing("occasion", local.frame, pl.String())
    if form.occasion.column is None:
        return local.coded(form.occasion, "occasion")
    text = local.text(form.occasion.column)
    known = (
        text.replace_strict(form.occasion.codes, default=None, return_dtype=pl.String) if form.occasion.codes else text
    )
    message = "occasion: a label that the site's declaration does not know"
    local.note(text.is_not_null() & known.is_null(), OCCASION_UNKNOWN, "conformance", message, "occasion")
    return known.alias("occasion")


def _sequence(form: AssessmentMapping, local: FieldReader) -> pl.Series:
    if form.sequence is None:
        return nothing("sequence", local.frame, pl.Int32())
    if isinstance(form.sequence, int):
        return pl.Series("sequence", [form.sequence] * local.frame.height, dtype=pl.Int32)
    return local.number(form.sequence, "sequence").cast(pl.Int32, strict=False)


def _void_early_dates(frame: pl.DataFrame, local: FieldReader, context: Context) -> pl.DataFrame:
    days = dt.timedelta(days=context.library.network.plausible.max_days_before_admission)
    early = frame.select(
        (pl.col("assessment_date") < pl.col("admission_date") - pl.lit(days)).fill_null(False).alias("early")
    )["early"]
    message = "assessment_date: long before admission"
    local.note(early, DATE_IMPLAUSIBLE, "plausibility", message, "assessment_date")
    return frame.with_columns(pl.when(~early).then(pl.col("assessment_date")).alias("assessment_date"))


def _of_this_version(
    frame: pl.DataFrame, form: AssessmentMapping, context: Context
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the form's period, by date or by when their occasion was due; and rows of which nobody can tell."""
    if form.from_date is None and form.until_date is None:
        return frame, frame.clear()
    frame = frame.with_columns(_nominal_date(context).alias("nominal_date"))
    date = pl.coalesce("assessment_date", "nominal_date")
    inside = pl.lit(True)
    if form.from_date is not None:
        inside = inside & (date >= dt.date.fromisoformat(form.from_date))
    if form.until_date is not None:
        inside = inside & (date < dt.date.fromisoformat(form.until_date))
    return frame.filter(inside.fill_null(False)), frame.filter(date.is_null())


def _nominal_date(context: Context) -> pl.Expr:
    """When the row's occasion was due in its course; null where the schedule or the anchor does not say."""
    schedule = context.library.schedule_of(context.site)
    nominal = pl.lit(None, dtype=pl.Date)
    if schedule is None:
        return nominal
    start = pl.coalesce("treatment_start_date", "admission_date")
    anchors = {"admission": pl.col("admission_date"), "treatment_start": start, "discharge": pl.col("discharge_date")}
    for occasion in schedule.occasions:
        due = anchors[occasion.anchor] + dt.timedelta(days=round(occasion.months * DAYS_PER_MONTH))
        nominal = pl.when(pl.col("occasion") == occasion.key).then(due).otherwise(nominal)
    return nominal


def _with_ids(frame: pl.DataFrame, form: AssessmentMapping, context: Context) -> pl.DataFrame:
    """Number assessments that share patient, episode and occasion where the site does not, then make ids."""
    if form.source_key is not None:
        parts = [pl.lit(context.site.site), pl.lit(form.instrument), export(form.source_key)]
    else:
        group = ["episode_id", "occasion"]
        free = pl.col("occasion").is_null() | (pl.col("occasion") == UNSCHEDULED)
        nth = pl.col("assessment_date").rank("dense").over(group).cast(pl.Int32)
        frame = frame.with_columns(
            pl.when(pl.col("sequence").is_null() & free).then(nth).otherwise(pl.col("sequence")).alias("sequence")
        )
        constants = [pl.lit(form.instrument), pl.lit(form.rater)]
        parts = [pl.col("patient_id"), pl.col("episode_id"), *constants, pl.col("occasion"), pl.col("sequence")]
    return frame.with_columns(context.pseudonyms.ids("assessment", frame, parts).alias("assessment_id"))


def _about_assessments(findings: list[pl.DataFrame], frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Findings raised before the id was known, now about their assessment (rejected rows keep the row)."""
    ids = frame.select("source_file", "source_row", "assessment_id", "episode_id")
    joined = []
    for raised in findings:
        known = raised.drop("assessment_id", "episode_id").join(ids, on=["source_file", "source_row"], how="left")
        joined.append(known.with_columns(pl.coalesce("assessment_id", "entity").alias("entity")).select(raised.columns))
    return joined


@dataclass(frozen=True)
class CheckedForms:
    """One instrument's rows as the lake holds them, with what was found."""

    table: pl.DataFrame
    missing_answers: pl.DataFrame
    findings: list[pl.DataFrame]


def check(placed: PlacedForms, kept: pl.DataFrame, context: Context) -> CheckedForms:
    """Put the answers of `kept` (rows of `placed` that were not rejected) through the rule table."""
    form = placed.form
    instrument = context.library.instruments[form.instrument]
    items = item_columns(form, context.library)
    frame = kept.with_columns(
        [export(column).alias(item_column(item)) for item, column in items.items()]
        + [
            pl.col("assessment_id").alias("entity"),
            pl.lit(form.version).alias("version"),
            pl.lit(form.rater).alias("rater"),
        ]
    )
    findings = list(placed.findings)
    missing_answers = pl.DataFrame()
    if items:
        everywhere = {**context.mapping.missing_codes, **form.missing_codes}
        missing = {item: {**everywhere, **placed.source.user_missing.get(column, {})} for item, column in items.items()}
        rules = [r for r in item_rules(instrument, form.version, missing) if r.item in items]
        checked = check_answers(frame, rules, context.decimal, answer_type(instrument))
        frame, missing_answers = checked.frame, checked.missing_answers
        findings.append(checked.findings)
    supplied = FieldReader(
        frame.with_columns(pl.col("assessment_id").alias("row_entity")),
        {"": {**context.mapping.missing_codes, **form.missing_codes}, **placed.source.user_missing},
        context.mapping.date_formats,
        context.decimal,
        context.delivery_date,
        form.instrument,
    )
    frame = frame.with_columns(
        [supplied.number(column, f"supplied_{scale}") for scale, column in form.supplied_scores.items()]
    )
    findings.extend(supplied.findings)
    schema = instrument_columns(instrument)
    frame = frame.with_columns(pl.col("content").alias("content_hash"))
    table = frame.select(
        [(pl.col(c) if c in frame.columns else pl.lit(None)).cast(dtype).alias(c) for c, dtype in schema.items()]
    )
    return CheckedForms(table, missing_answers, findings)
