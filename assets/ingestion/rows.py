"""Row by row: who it is about, whether it stands there twice, and which rows are held back.

What belongs here: identity, keys and the set of rejected rows. What does not: the values inside a row.
"""

from __future__ import annotations

import polars as pl

from assets.ingestion.columns import ROW_COLUMNS, exports, is_exported
from assets.ingestion.source import LandedSource
from checks.findings import (
    ROW_DUPLICATE,
    ROW_IDENTITY_MISSING,
    ROW_KEY_CONFLICT,
    ROW_RULES,
    finding_frame,
)
from checks.keys import Pseudonymiser, content_hashes

REJECTION_COLUMNS = {
    "source_file": pl.String,
    "source_row": pl.Int64,
    "rule": pl.String,
    "patient_id": pl.String,
    "entity": pl.String,
    "message": pl.String,
}


def no_rejections() -> pl.DataFrame:
    """No rejected rows, typed."""
    return pl.DataFrame(schema=REJECTION_COLUMNS)


def identify(source: LandedSource, site: str, pseudonyms: Pseudonymiser) -> pl.DataFrame:
    """The source's rows with `patient_id`, `row_entity` (id of the row by its declared key) and `content`."""
    frame, declared = source.frame, source.mapping
    identity = declared.identity
    scope = [] if identity.scope == "network" else [pl.lit(site)]
    who = [pl.col(ROW_COLUMNS[0]), pl.col(ROW_COLUMNS[1])] if identity.is_source_row else exports(identity.columns)
    patients = pseudonyms.ids("patient", frame, who)
    if scope:
        patients = pl.Series(
            [None if p is None else pseudonyms.id_of("patient", site, p) for p in patients], dtype=pl.String
        )
    values = [c for c in frame.columns if is_exported(c)]
    content = content_hashes(frame, values)
    frame = frame.with_columns(patients.alias("patient_id"), content.alias("content"))
    key = exports(declared.key) if declared.key else [pl.col("content")]
    nameless = pl.when(pl.col("patient_id").is_null()).then(pl.col("content"))  # the key says nothing without a person
    entity = pseudonyms.ids("row", frame, [pl.lit(site), pl.lit(declared.name), *key, nameless])
    return frame.with_columns(entity.alias("row_entity"))


def reject_rows(frame: pl.DataFrame, has_key: bool) -> pl.DataFrame:
    """Rows without identity, rows that stand there twice, and rows of one key with different contents."""
    nameless = frame.filter(pl.col("patient_id").is_null())
    named = frame.filter(pl.col("patient_id").is_not_null())
    rejected = [rejection(nameless, ROW_IDENTITY_MISSING)]
    if has_key:
        rejected.append(clashes(named, ["row_entity"]))
    return pl.concat(rejected)


def clashes(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Rejections among rows that share a key: all of them where contents differ, all but the first where not."""
    counted = frame.filter(pl.len().over(key) > 1)
    if not counted.height:
        return no_rejections()
    counted = counted.sort(*ROW_COLUMNS).with_columns(
        pl.col("content").n_unique().over(key).alias("n_contents"),
        pl.int_range(pl.len()).over(key).alias("nth"),
    )
    conflicts = rejection(counted.filter(pl.col("n_contents") > 1), ROW_KEY_CONFLICT)
    repeats = rejection(counted.filter((pl.col("n_contents") == 1) & (pl.col("nth") > 0)), ROW_DUPLICATE)
    return pl.concat([conflicts, repeats])


def rejection(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    """`rows` as rejected by `rule`."""
    return rows.select(
        *ROW_COLUMNS,
        pl.lit(rule).alias("rule"),
        "patient_id",
        pl.col("row_entity").alias("entity"),
        pl.lit(ROW_RULES[rule][1]).alias("message"),
    )


def rejection_findings(rejected: pl.DataFrame) -> pl.DataFrame:
    """The findings that explain rejected rows."""
    frames = [
        finding_frame(
            rejected.filter(pl.col("rule") == rule), rule=rule, kind=kind, severity="reject_row", message=message
        )
        for rule, (kind, message) in ROW_RULES.items()
    ]
    return pl.concat(frames)
