"""Findings: what was seen, where, and what became of the value; one vocabulary for every room.

What belongs here: the columns of a finding, and making one. What does not: what the rules say (`checks.catalogue`) and
what raises them (`checks.rules`, `checks.plausibility`, `assets.ingestion`).
"""

from __future__ import annotations

import polars as pl

from checks.catalogue import catalogued
from checks.keys import Pseudonymiser
from checks.rule_codes import (
    ATTRIBUTE_CONFLICT,
    CONSENT_CONFLICT,
    DATE_IMPLAUSIBLE,
    DATE_UNREADABLE,
    FILE_NAME_IDENTIFIER,
    FORM_INCOMPLETE,
    FORM_TIME_MISSING,
    FORM_VERSION_UNKNOWN,
    FORM_VOID,
    NUMBER_UNREADABLE,
    OCCASION_UNKNOWN,
    ROW_DUPLICATE,
    ROW_EPISODE_UNKNOWN,
    ROW_IDENTITY_INVALID,
    ROW_IDENTITY_MISSING,
    ROW_KEY_CONFLICT,
    ROW_RATER_UNKNOWN,
    ROW_SITE_UNKNOWN,
    ROW_TIME_MISSING,
    ROW_UNREADABLE,
    ROW_VERSION_UNKNOWN,
    SESSION_CONFLICT,
    TEXT_IDENTIFIER,
    TEXT_NAME_LIKE,
    VISIT_UNSCHEDULED,
    Class,
    Severity,
)

__all__ = [
    "ATTRIBUTE_CONFLICT",
    "CONSENT_CONFLICT",
    "DATE_IMPLAUSIBLE",
    "DATE_UNREADABLE",
    "FILE_NAME_IDENTIFIER",
    "FINDING_COLUMNS",
    "FORM_INCOMPLETE",
    "FORM_TIME_MISSING",
    "FORM_VERSION_UNKNOWN",
    "FORM_VOID",
    "NUMBER_UNREADABLE",
    "OCCASION_UNKNOWN",
    "ROW_DUPLICATE",
    "ROW_EPISODE_UNKNOWN",
    "ROW_IDENTITY_INVALID",
    "ROW_IDENTITY_MISSING",
    "ROW_KEY_CONFLICT",
    "ROW_RATER_UNKNOWN",
    "ROW_RULES",
    "ROW_SITE_UNKNOWN",
    "ROW_TIME_MISSING",
    "ROW_UNREADABLE",
    "ROW_VERSION_UNKNOWN",
    "SESSION_CONFLICT",
    "TEXT_IDENTIFIER",
    "TEXT_NAME_LIKE",
    "VISIT_UNSCHEDULED",
    "Class",
    "Severity",
    "empty_findings",
    "finding_frame",
    "found",
    "with_ids",
]

UNREADABLE_ROW = "the row cannot be split into the columns of its header"
"""Where a reader gives no reason of its own."""


def _sentence(code: str) -> tuple[Class, str]:
    rule = catalogued(code)
    return rule.kind, UNREADABLE_ROW if code == ROW_UNREADABLE else rule.message


ROW_RULES: dict[str, tuple[Class, str]] = {
    code: _sentence(code)
    for code in (
        ROW_UNREADABLE,
        ROW_IDENTITY_MISSING,
        ROW_IDENTITY_INVALID,
        ROW_SITE_UNKNOWN,
        ROW_TIME_MISSING,
        ROW_VERSION_UNKNOWN,
        ROW_RATER_UNKNOWN,
        ROW_KEY_CONFLICT,
        ROW_DUPLICATE,
        ROW_EPISODE_UNKNOWN,
    )
}
"""Class and sentence of each rule that holds a row back."""

FINDING_COLUMNS: dict[str, type[pl.DataType]] = {
    "patient_id": pl.String,
    "episode_id": pl.String,
    "assessment_id": pl.String,
    "instrument": pl.String,
    "item": pl.String,
    "rule": pl.String,
    "class": pl.String,
    "severity": pl.String,
    "message": pl.String,
    "source_file": pl.String,
    "source_row": pl.Int64,
    "entity": pl.String,
}
"""`entity` is what the finding is about (assessment, episode or row id); it becomes part of the finding's id."""


def empty_findings() -> pl.DataFrame:
    """No findings, typed."""
    return pl.DataFrame(schema=FINDING_COLUMNS)


def finding_frame(
    rows: pl.DataFrame,
    *,
    rule: str,
    kind: Class,
    severity: Severity,
    message: str,
    item: str | None = None,
    instrument: str | None = None,
) -> pl.DataFrame:
    """One finding per row of `rows`, which brings source_file, source_row, entity and any of the ids."""
    if not rows.height:
        return empty_findings()
    constants = {
        "rule": rule,
        "class": kind,
        "severity": severity,
        "message": message,
        "item": item,
        "instrument": instrument,
    }
    return rows.select(
        [
            pl.lit(constants[name], dtype=dtype).alias(name)
            if name in constants
            else (pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name))
            for name, dtype in FINDING_COLUMNS.items()
        ]
    )


def found(
    rows: pl.DataFrame, code: str, *, item: str | None = None, instrument: str | None = None, **gaps: object
) -> pl.DataFrame:
    """`finding_frame` with class, severity and sentence from the catalogue; `gaps` fill the braces of the sentence."""
    rule = catalogued(code)
    return finding_frame(
        rows,
        rule=code,
        kind=rule.kind,
        severity=rule.severity,
        message=rule.message.format(**gaps),
        item=item,
        instrument=instrument,
    )


def with_ids(findings: pl.DataFrame, site: str, pseudonyms: Pseudonymiser) -> pl.DataFrame:
    """Give each finding its id (rule, site, entity, item) and keep one row per id, the first in the source."""
    ids = pseudonyms.ids("finding", findings, [pl.col("rule"), pl.lit(site), pl.col("entity"), pl.col("item")])
    return (
        findings.with_columns(ids.alias("finding_id"))
        .sort("source_file", "source_row", "finding_id")
        .unique("finding_id", keep="first", maintain_order=True)
        .drop("entity")
    )
