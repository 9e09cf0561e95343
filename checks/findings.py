"""Findings: what was seen, where, and what became of the value; one vocabulary for every room.

What belongs here: the columns of a finding, its classes and severities, and the codes of row rules.
What does not: the rules that raise them (`checks.rules`, `assets.ingestion`).
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from checks.keys import Pseudonymiser

Class = Literal["conformance", "completeness", "plausibility", "privacy", "history"]
Severity = Literal["reject_row", "void_value", "flag"]

ROW_UNREADABLE = "row-unreadable"
ROW_IDENTITY_MISSING = "row-identity-missing"
ROW_TIME_MISSING = "row-time-missing"
ROW_VERSION_UNKNOWN = "row-version-unknown"
ROW_KEY_CONFLICT = "row-key-conflict"
ROW_DUPLICATE = "row-duplicate"
ROW_EPISODE_UNKNOWN = "row-episode-unknown"
DATE_UNREADABLE = "date-unreadable"
DATE_IMPLAUSIBLE = "date-implausible"
NUMBER_UNREADABLE = "number-unreadable"
OCCASION_UNKNOWN = "occasion-unknown"
VISIT_UNSCHEDULED = "visit-unscheduled"
TEXT_IDENTIFIER = "text-identifier"

ROW_RULES: dict[str, tuple[Class, str]] = {
    ROW_UNREADABLE: ("conformance", "the row cannot be split into the columns of its header"),
    ROW_IDENTITY_MISSING: ("completeness", "the row does not say which patient it is about"),
    ROW_TIME_MISSING: ("completeness", "the row has neither a usable date nor an occasion"),
    ROW_VERSION_UNKNOWN: ("conformance", "without a date it cannot be told which version of the form this is"),
    ROW_KEY_CONFLICT: ("plausibility", "two rows with one key and different contents: all are held back"),
    ROW_DUPLICATE: ("plausibility", "the same row stands in the delivery twice: one is kept"),
    ROW_EPISODE_UNKNOWN: ("conformance", "the patient has no course of treatment in what this unit delivered"),
}

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


def with_ids(findings: pl.DataFrame, site: str, pseudonyms: Pseudonymiser) -> pl.DataFrame:
    """Give each finding its id (rule, site, entity, item) and keep one row per id, the first in the source."""
    ids = pseudonyms.ids("finding", findings, [pl.col("rule"), pl.lit(site), pl.col("entity"), pl.col("item")])
    return (
        findings.with_columns(ids.alias("finding_id"))
        .sort("source_file", "source_row", "finding_id")
        .unique("finding_id", keep="first", maintain_order=True)
        .drop("entity")
    )
