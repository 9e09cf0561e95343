"""Assessments: which row holds which form, filled in by whom and when, under which id.

What belongs here: instrument, version, rater, date, occasion, sequence, status, the id.
What does not: the answers (`assets.ingestion.items`), scores and whether an assessment was due (SQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from assets.ingestion.columns import export, exported
from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader, nothing
from assets.ingestion.items import missing_of
from assets.ingestion.named import item_columns
from assets.ingestion.rows import ROW, no_rejections, rejection
from checks.due_dates import placed
from checks.findings import (
    DATE_IMPLAUSIBLE,
    FORM_INCOMPLETE,
    FORM_TIME_MISSING,
    FORM_VERSION_UNKNOWN,
    FORM_VOID,
    OCCASION_UNKNOWN,
    ROW_RATER_UNKNOWN,
    ROW_TIME_MISSING,
    ROW_VERSION_UNKNOWN,
    VISIT_UNSCHEDULED,
    finding_frame,
    found,
)
from checks.keys import Pseudonymiser, content_hashes, identities
from codebook.schedule import DAYS_PER_MONTH
from codebook.site import AssessmentMapping, FieldMapping, RelativeTime

UNSCHEDULED = "unscheduled"
PROBED = 3
"""So many answers of a form are looked at before all are."""
MONTHS_PER = {"days": 1 / DAYS_PER_MONTH, "weeks": 7 / DAYS_PER_MONTH, "months": 1.0, "years": 12.0}
RATER_CODE = "rater-code"
LOST = {
    ROW_TIME_MISSING: FORM_TIME_MISSING,
    ROW_VERSION_UNKNOWN: FORM_VERSION_UNKNOWN,
    ROW_RATER_UNKNOWN: RATER_CODE,
}
"""Why a form cannot be taken: the rule of a row from which nothing remains, and that of a form whose row stays."""


@dataclass(frozen=True)
class PlacedForms:
    """Rows of one form with episode, time, rater and identity settled, answers still text.

    `lost`: rows whose form cannot be taken, by the rule that would hold the row back. `reader`: of the source's rows.
    `content`: columns whose change is a change of the assessment.
    """

    form: AssessmentMapping
    reader: FieldReader
    rows: pl.DataFrame
    lost: dict[str, pl.DataFrame]
    findings: list[pl.DataFrame]
    content: tuple[str, ...]

    def of(self, patients: pl.Expr) -> PlacedForms:
        """The forms of some patients."""
        lost = {rule: rows.filter(patients) for rule, rows in self.lost.items()}
        return replace(self, rows=self.rows.filter(patients), lost=lost)

    def joined(self, other: PlacedForms) -> PlacedForms:
        """These and the same form of other patients."""
        lost = {rule: pl.concat([rows, other.lost[rule]]) for rule, rows in self.lost.items()}
        return replace(self, rows=pl.concat([self.rows, other.rows]), lost=lost)

    def named(self, pseudonyms: Pseudonymiser, columns: Iterable[str]) -> pl.DataFrame:
        """The rows with assessment_id, content_hash and the `columns` of answers, in the order of their ids.

        Done once it is settled which rows are kept.
        """
        ids = pseudonyms.ids_of_distinct("assessment", self.rows["identity"]).alias("assessment_id")
        rows = self.rows.with_columns(ids).sort("assessment_id")
        rows = self.reader.ids.with_answers(rows, {*self.content, *columns})
        return rows.with_columns(content_hashes(rows, self.content).alias("content_hash"))


def place(form: AssessmentMapping, reader: FieldReader, context: Context) -> PlacedForms:
    """Find the rows that hold this form and settle when each was filled in, and by whom.

    `reader.frame` brings patient_id, episode_id, the dates of the course and the text columns.
    """
    items = item_columns(form, context.library)
    answers = [*items.values(), *form.supplied_scores.values()]
    frame = reader.frame.filter(_is_answered(reader, form, items) & _condition(form))
    local = reader.over(frame, form.instrument)
    frame = frame.with_columns(_form_status(form, local))
    frame = frame.filter(pl.col("form_status").ne_missing("not_done"))
    local.frame = frame
    frame = frame.with_columns(
        local.date(form.date, "assessment_date") if form.date else nothing("assessment_date", frame, pl.Date()),
        _occasion(form, local),
        _sequence(form, local),
        _months(form, local),
        _rater(form, local, context),
    )
    frame = _void_early_dates(frame, local, context)
    frame, undated = _of_this_version(frame, form, context)
    is_void = pl.col("form_status").eq_missing("void")
    is_timeless = pl.all_horizontal(pl.col("assessment_date", "declared_months", "occasion").is_null())
    void, frame = frame.filter(is_void), frame.filter(~is_void)
    lost = {
        ROW_VERSION_UNKNOWN: undated.filter(~is_void),
        ROW_RATER_UNKNOWN: frame.filter(pl.col("rater").is_null()),
        ROW_TIME_MISSING: frame.filter(pl.col("rater").is_not_null() & is_timeless),
    }
    frame = _with_identities(frame.filter(pl.col("rater").is_not_null() & ~is_timeless), form, context)
    lost_rows = pl.concat([rows.select(ROW) for rows in lost.values()])
    findings = _about_assessments(local.findings, frame, lost_rows, form, context)
    findings.append(found(_named_form(local, void, form), FORM_VOID, item="status", instrument=form.instrument))
    for is_flagged, rule, item in (
        (pl.col("occasion") == UNSCHEDULED, VISIT_UNSCHEDULED, "occasion"),
        (pl.col("form_status") == "incomplete", FORM_INCOMPLETE, "status"),
    ):
        about = _with_ids(frame.filter(is_flagged), context.pseudonyms)
        about = about.with_columns(pl.col("assessment_id").alias("entity"))
        findings.append(found(about, rule, item=item, instrument=form.instrument))
    frame = frame.with_columns(pl.lit(form.version).alias("version"))
    content = tuple(exported(column) for column in (*answers, *_time_columns(form)))
    return PlacedForms(form, reader, frame, lost, findings, content)


def settle_lost(placed: list[PlacedForms], taken: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """What becomes of rows whose forms cannot be taken: rejections, and findings about forms.

    `taken` (source_file, source_row): rows of which something else remains; these stay.
    """
    rejections, findings = [no_rejections()], []
    for done in placed:
        for row_rule, frame in done.lost.items():
            if not frame.height:
                continue
            gone = frame.join(taken, on=ROW, how="anti", maintain_order="left")
            rejections.append(rejection(done.reader.ids.name(gone), row_rule))
            stays = frame.join(taken, on=ROW, how="semi", maintain_order="left")
            findings.append(_form_finding(stays, row_rule, done))
    return pl.concat(rejections), findings


def _form_finding(rows: pl.DataFrame, row_rule: str, done: PlacedForms) -> pl.DataFrame:
    form, rule = done.form, LOST[row_rule]
    about = _named_form(done.reader.over(rows), rows, form)
    if rule == RATER_CODE:
        return finding_frame(
            about,
            rule=rule,
            kind="conformance",
            severity="void_value",
            message="rater: blank, or a code that the site's declaration does not know; the form was not taken",
            item="rater",
            instrument=form.instrument,
        )
    return found(about, rule, item="assessment_date", instrument=form.instrument, form=form.instrument)


def _named_form(reader: FieldReader, rows: pl.DataFrame, form: AssessmentMapping) -> pl.DataFrame:
    """`rows` with `entity`: this form in this row."""
    return reader.named(rows).with_columns(pl.col("entity") + f" {form_label(form)}")


def form_label(form: AssessmentMapping) -> str:
    """Tells the forms of one row apart: what their declaration says of each."""
    occasion = form.occasion.constant if form.occasion else None
    parts = (form.instrument, form.version, form.rater, occasion, form.months, form.sequence)
    return " ".join(str(part) for part in parts if isinstance(part, str | int | float))


def _time_columns(form: AssessmentMapping) -> list[str]:
    """Columns besides the answers whose change is a change of the assessment."""
    columns = [form.date, form.sequence]
    columns += [form.months.column if isinstance(form.months, RelativeTime) else None]
    columns += [form.rater.column if isinstance(form.rater, FieldMapping) else None]
    return [column for column in columns if isinstance(column, str)]


def _is_answered(reader: FieldReader, form: AssessmentMapping, items: dict[int, str]) -> pl.Series:
    """A form is there when anything on it is neither blank nor a code for 'no answer'.

    Most forms show it by one of their first answers; the rest is looked through where they do not.
    """
    columns: list[tuple[int | None, str]] = [*items.items(), *((None, c) for c in form.supplied_scores.values())]

    def are_answered(rows: pl.DataFrame, some: list[tuple[int | None, str]]) -> pl.Series:
        frame = reader.ids.with_answers(rows, [exported(column) for _, column in some])
        said = [
            export(column).is_not_null() & ~export(column).is_in(list(missing_of(form, item, column, reader)))
            for item, column in some
        ]
        return frame.select(pl.any_horizontal(pl.lit(False), *said).alias("answered"))["answered"]

    answered = are_answered(reader.frame, columns[:PROBED])
    if answered.all() or len(columns) <= PROBED:
        return answered
    open_rows = are_answered(reader.frame.filter(~answered), columns[PROBED:])
    return answered.scatter((~answered).arg_true(), open_rows)


def _condition(form: AssessmentMapping) -> pl.Expr:
    holds = pl.lit(True)
    for condition in form.when:
        holds = holds & export(condition.column).is_in(list(condition.values))
    return holds.fill_null(False)


def _form_status(form: AssessmentMapping, local: FieldReader) -> pl.Series:
    """What the export says about the form itself; null where it says nothing."""
    if form.status is None:
        return nothing("form_status", local.frame, pl.String())
    text = local.text(form.status.column)
    known = text.fill_null("").replace_strict(form.status.codes, default=None, return_dtype=pl.String)
    return local.only_known(text, known, "form_status", "status")


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
    return local.whole(form.sequence, "sequence")


def _months(form: AssessmentMapping, local: FieldReader) -> pl.Series:
    """Relative time in months: the same for every row, or a number of some unit from a column."""
    if isinstance(form.months, RelativeTime):
        number = local.number(form.months.column, "months")
        return (number * MONTHS_PER[form.months.unit]).alias("declared_months")
    return pl.Series("declared_months", [form.months] * local.frame.height, dtype=pl.Float64)


def _rater(form: AssessmentMapping, local: FieldReader, context: Context) -> pl.Series:
    """Who answered; null where that is not said, or by a code that nobody knows."""
    if isinstance(form.rater, str):
        return pl.Series("rater", [form.rater] * local.frame.height, dtype=pl.String)
    silent = local.over(local.frame)
    return silent.coded(form.rater, "rater", context.library.instruments[form.instrument].raters)


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
    nominal = pl.lit(None, dtype=pl.Date)
    for occasion, due, follows in placed(context.library.schedules_of(context.site)):
        nominal = pl.when((pl.col("occasion") == occasion.key) & follows).then(due).otherwise(nominal)
    return nominal


def _with_ids(frame: pl.DataFrame, pseudonyms: Pseudonymiser) -> pl.DataFrame:
    return frame.with_columns(pseudonyms.ids_of("assessment", frame["identity"]).alias("assessment_id"))


def _with_identities(frame: pl.DataFrame, form: AssessmentMapping, context: Context) -> pl.DataFrame:
    """Number assessments that share patient, episode and visit where the site does not, then tell what each id is of.

    A visit is called by its occasion; without one by its declared months, if there are any.
    """
    months = pl.format("month {}", pl.col("declared_months").round(4))
    visit = pl.coalesce("occasion", pl.when(pl.col("declared_months").is_not_null()).then(months))
    frame = frame.with_columns(visit.alias("visit"))
    free = pl.col("occasion").is_null() | (pl.col("occasion") == UNSCHEDULED)
    nth = pl.col("assessment_date").rank("dense").over("episode_id", "visit", "rater").cast(pl.Int32)
    numbered = pl.when(pl.col("sequence").is_null() & free).then(nth).otherwise(pl.col("sequence"))
    named_by = [pl.col("patient_id"), pl.col("episode_id"), pl.lit(form.instrument)]
    parts = [*named_by, pl.col("rater"), pl.col("visit"), pl.col("sequence")]
    if form.source_key is None:
        frame = frame.with_columns(numbered.alias("sequence"))
        return frame.with_columns(identities(frame, parts))
    key = [pl.lit(context.site.site), pl.lit(form.instrument), export(form.source_key)]
    frame = frame.with_columns(identities(frame, key))
    is_blank = export(form.source_key).is_null()
    keyless = frame.filter(is_blank).with_columns(numbered.alias("sequence"))
    keyless = keyless.with_columns(identities(keyless, parts))
    return pl.concat([frame.filter(~is_blank), keyless])


def _about_assessments(
    findings: list[pl.DataFrame], frame: pl.DataFrame, lost: pl.DataFrame, form: AssessmentMapping, context: Context
) -> list[pl.DataFrame]:
    """Findings raised before the id was known, now about their assessment; of a form that is lost, about the row.

    What was found in rows that turned out to hold another version, or a void form, is nobody's.
    """
    about = pl.concat([frame.select(*ROW, "identity", "episode_id"), lost.unique()], how="diagonal")
    joined = []
    for raised in findings:
        known = raised.drop("assessment_id", "episode_id").join(about, on=ROW, how="inner", maintain_order="left")
        known = _with_ids(known, context.pseudonyms)
        entity = pl.coalesce("assessment_id", pl.col("entity") + f" {form_label(form)}")
        joined.append(known.with_columns(entity.alias("entity")).select(raised.columns))
    return joined
