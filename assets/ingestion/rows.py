"""Row by row: who it is about, whether it stands there twice, and which rows are held back.

What belongs here: identity, keys and the set of rejected rows. What does not: the values inside a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from assets.ingestion.columns import ROW_COLUMNS, exported, exports, is_exported
from assets.ingestion.context import Context
from assets.ingestion.named import answer_columns
from assets.ingestion.pivot import PLACE_OF
from assets.ingestion.source import LandedSource
from checks.findings import (
    ROW_DUPLICATE,
    ROW_IDENTITY_INVALID,
    ROW_IDENTITY_MISSING,
    ROW_KEY_CONFLICT,
    ROW_RULES,
    ROW_SITE_UNKNOWN,
    finding_frame,
)
from checks.keys import Pseudonymiser, content_hashes
from checks.national_numbers import normalise
from codebook.site import Identity

ROW = list(ROW_COLUMNS)
NTH = "nth_of_source"
"""Column that numbers the rows of a source."""
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


@dataclass(frozen=True)
class RowIds:
    """Ids of a source's rows by their declared key, made only for the rows that a finding is about.

    `key`, `columns`: `export.` columns that name a row, and that make its content. `answers`: those that hold nothing
    but answers, of all rows; a frame of rows says by `nth` which of them are its own.
    """

    site: str
    source: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    pseudonyms: Pseudonymiser
    answers: pl.DataFrame = field(default_factory=pl.DataFrame)

    def with_answers(self, frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
        """`frame` with those of the columns that are kept apart from it."""
        apart = [column for column in columns if column in self.answers.columns and column not in frame.columns]
        return frame.hstack(self.answers.select(apart)[frame[NTH]]) if apart else frame

    def content(self, frame: pl.DataFrame) -> pl.Series:
        """Hash of everything that was read of each row."""
        return content_hashes(self.with_answers(frame, self.columns), self.columns).alias("content")

    def name(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with `row_entity`: the id from the key; from the content where there is no key or no patient."""
        if not frame.height:
            return frame.with_columns(pl.lit(None, dtype=pl.String).alias("row_entity"))
        frame = frame.with_columns(self.content(frame).alias("row_content"))
        key = [pl.col(column) for column in self.key] or [pl.col("row_content")]
        nameless = pl.when(pl.col("patient_id").is_null()).then(pl.col("row_content"))
        ids = self.pseudonyms.ids("row", frame, [pl.lit(self.site), pl.lit(self.source), *key, nameless])
        return frame.with_columns(ids.alias("row_entity")).drop("row_content")


@dataclass(frozen=True)
class IdentifiedSource:
    """A source whose rows have `patient_id`, with the ids of its rows."""

    source: LandedSource
    frame: pl.DataFrame
    ids: RowIds

    def of(self, patients: pl.Series) -> IdentifiedSource:
        """The rows of some patients."""
        return replace(self, frame=self.frame.filter(pl.col("patient_id").is_in(patients.implode())))


def identify(source: LandedSource, context: Context) -> IdentifiedSource:
    """The source's rows with `patient_id` (null where nobody is named) and `is_number_wrong`.

    Answers, which are most of a file, are kept apart: it takes several steps to settle which rows stay, and the answers
    are fetched once, when that is settled.
    """
    declared = source.mapping
    columns = tuple(column for column in source.frame.columns if is_exported(column))
    apart = {exported(column) for column in answer_columns(declared, context.library)}.intersection(columns)
    rows = source.frame.drop(apart).with_row_index(NTH)
    frame = with_patients(rows, declared.identity, context)
    key = tuple(exported(column) for column in declared.key)
    answers = source.frame.select(column for column in columns if column in apart)
    ids = RowIds(context.site.site, declared.name, key, columns, context.pseudonyms, answers)
    return IdentifiedSource(source, frame, ids)


def with_patients(frame: pl.DataFrame, identity: Identity, context: Context) -> pl.DataFrame:
    """`frame` with `patient_id`, and `is_number_wrong`: a national number stands there whose check digits fail."""
    who = [pl.col(column) for column in ROW] if identity.is_source_row else exports(identity.columns)
    frame = frame.with_columns(pl.lit(False).alias("is_number_wrong"))
    if identity.number is not None:
        number = frame.select(pl.concat_str(who, ignore_nulls=True).alias("number"))["number"]
        number = number.to_frame().select(pl.when(pl.col("number") != "").then(pl.col("number")))["number"]
        normal = normalise(identity.number, number, context.delivery_date)
        is_wrong = ~normal["is_valid"].fill_null(True)
        frame = frame.with_columns(normal["number"].alias("number"), is_wrong.alias("is_number_wrong"))
        who = [pl.when(~pl.col("is_number_wrong")).then(pl.col("number"))]
    of = context.site.site if identity.scope == "site" else None
    frame = frame.with_columns(context.pseudonyms.ids("patient", frame, who, of).alias("patient_id"))
    return frame.drop("number") if identity.number is not None else frame


def reject_rows(rows: IdentifiedSource, context: Context) -> pl.DataFrame:
    """Rows of no unit, without identity, that stand there twice, and of one key with different contents."""
    frame, ids = rows.frame, rows.ids
    if context.site.parts is not None and context.site.part_of is None:
        return rejection(ids.name(frame), ROW_SITE_UNKNOWN)
    wrong = frame.filter("is_number_wrong")
    nameless = frame.filter(pl.col("patient_id").is_null() & ~pl.col("is_number_wrong"))
    rejected = [rejection(ids.name(wrong), ROW_IDENTITY_INVALID), rejection(ids.name(nameless), ROW_IDENTITY_MISSING)]
    if ids.key:
        is_named = pl.col("patient_id").is_not_null()
        repeated = frame.filter(is_named & (is_named.sum().over(ids.key) > 1))
        rejected.append(clashes(ids.name(repeated.with_columns(ids.content(repeated))), ["row_entity"]))
    rejected.append(_unpivoted(rows, context))
    return pl.concat(rejected)


def _unpivoted(rows: IdentifiedSource, context: Context) -> pl.DataFrame:
    """Rows that could not be pivoted because their answer stands there twice."""
    source, pivot = rows.source, rows.source.mapping.pivot
    if pivot is None or not source.clashing.height:
        return no_rejections()
    lost = source.arrived.join(source.clashing, on=ROW, how="inner", maintain_order="left")
    lost = with_patients(lost, source.mapping.identity, context)
    columns = tuple(column for column in source.arrived.columns if is_exported(column))
    key = tuple(exported(column) for column in (*pivot.rows, pivot.names))
    named = RowIds(rows.ids.site, rows.ids.source, key, columns, rows.ids.pseudonyms).name(lost)
    return pl.concat([rejection(part, str(rule)) for (rule,), part in named.partition_by("rule", as_dict=True).items()])


def clashes(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Rejections among rows that share a key: all of them where contents differ, all but the first where not.

    `frame` brings row_entity, patient_id and content.
    """
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
    """`rows`, which bring patient_id and row_entity, as rejected by `rule`."""
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


def whole_forms(rejected: pl.DataFrame, sources: Sequence[LandedSource]) -> pl.DataFrame:
    """`rejected` with every row that went into one pivoted row with one of them."""
    while True:
        found = [rejected]
        for source in sources:
            if source.members is None:
                continue
            touched = source.members.join(rejected, on=ROW, how="inner").drop(ROW, "is_read")
            lost = source.members.join(touched, on=PLACE_OF, how="inner")
            found.append(lost.select(list(REJECTION_COLUMNS)))
        extended = pl.concat(found).unique([*ROW, "rule"], keep="first", maintain_order=True)
        if extended.height == rejected.height:
            return rejected
        rejected = extended
