"""The answers of a form: from exported codes to the instrument's own, through the rule table.

What belongs here: items and supplied totals of forms whose place and time are settled.
What does not: which rows hold a form and when it was filled in (`assets.ingestion.forms`), and the rules themselves
(`checks.rules`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from assets.ingestion.columns import export
from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader
from assets.ingestion.named import item_columns
from checks.lake_schema import answer_type, instrument_columns
from checks.rules import CheckedAnswers, ItemRule, check_answers, item_rules
from codebook.instrument import Instrument, item_column
from codebook.site import AssessmentMapping

UNKNOWN = "unknown code"
"""What a text becomes that an item's declared codes do not hold: no number, so the rule table finds it."""
AS_EXPORTED = "exported "
"""In front of a missing code of an item with codes, whose text may be one of the instrument's own answers."""


@dataclass(frozen=True)
class CheckedForms:
    """One instrument's rows as the lake holds them, with what was found."""

    table: pl.DataFrame
    missing_answers: pl.DataFrame
    findings: list[pl.DataFrame]


def missing_of(form: AssessmentMapping, item: int | None, column: str, reader: FieldReader) -> dict[str, str]:
    """Codes of one column of a form that mean 'no answer' → label; what is nearer to the item counts more."""
    answers = set(form.codes)
    single = set(form.item_codes.get(item, ())) if item is not None else set()
    everywhere = {**reader.missing.get("", {}), **reader.missing.get(column, {})}
    missing = {code: label for code, label in everywhere.items() if code not in answers}
    missing = {code: label for code, label in {**missing, **form.missing_codes}.items() if code not in single}
    return missing | (form.item_missing_codes.get(item, {}) if item is not None else {})


def check(form: AssessmentMapping, kept: pl.DataFrame, reader: FieldReader, context: Context) -> CheckedForms:
    """Put the answers of `kept` (texts with assessment_id, content_hash, version, rater) through the rule table."""
    instrument = context.library.instruments[form.instrument]
    items = item_columns(form, context.library)
    frame = kept.with_columns(
        [export(column).alias(item_column(item)) for item, column in items.items()]
        + [pl.col("assessment_id").alias("entity")]
    )
    findings: list[pl.DataFrame] = []
    missing_answers = pl.DataFrame()
    if items:
        checked = _check_items(form, frame, items, reader, context)
        frame, missing_answers = checked.frame, checked.missing_answers
        findings.append(checked.findings)
    supplied = reader.over(frame, form.instrument, "assessment_id")
    supplied.missing = {**reader.missing, "": {**reader.missing.get("", {}), **form.missing_codes}}
    frame = frame.with_columns(
        [supplied.number(column, f"supplied_{scale}") for scale, column in form.supplied_scores.items()]
    )
    findings.extend(supplied.findings)
    return CheckedForms(_as_stored(frame, instrument), missing_answers, findings)


def _check_items(
    form: AssessmentMapping, frame: pl.DataFrame, items: dict[int, str], reader: FieldReader, context: Context
) -> CheckedAnswers:
    instrument = context.library.instruments[form.instrument]
    missing = {item: missing_of(form, item, column, reader) for item, column in items.items()}
    rules = []
    recoded = []
    for rule in item_rules(instrument, form.version, missing):
        if rule.item not in items:
            continue
        codes = {**form.codes, **form.item_codes.get(rule.item, {})}
        if not codes:
            rules.append(rule)
            continue
        coded, text = _recoded(rule, codes, missing[rule.item])
        rules.append(coded)
        recoded.append(text)
    checked = check_answers(frame.with_columns(recoded), rules, context.decimal, answer_type(instrument))
    if not recoded:
        return checked
    told = checked.missing_answers.with_columns(pl.col("missing_code").str.strip_prefix(AS_EXPORTED))
    return CheckedAnswers(checked.frame, checked.findings, told)


def _recoded(rule: ItemRule, codes: dict[str, str], exported: dict[str, str]) -> tuple[ItemRule, pl.Expr]:
    """The rule and the text of an item with codes: missing codes are those of the export, answers the instrument's."""
    own = {code: label for code, label in rule.missing.items() if code not in exported}
    stated = {code: AS_EXPORTED + code for code in exported}
    text = pl.col(rule.column)
    known = text.replace_strict({**codes, **stated}, default=UNKNOWN, return_dtype=pl.String)
    marked = own | {AS_EXPORTED + code: label for code, label in exported.items()}
    return replace(rule, missing=marked), pl.when(text.is_not_null()).then(known).alias(rule.column)


def _as_stored(frame: pl.DataFrame, instrument: Instrument) -> pl.DataFrame:
    return frame.select(
        [
            (pl.col(column) if column in frame.columns else pl.lit(None)).cast(dtype).alias(column)
            for column, dtype in instrument_columns(instrument).items()
        ]
    )
