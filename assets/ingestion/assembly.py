"""The tables of one delivery from what its sources gave, with every row counted once.

What belongs here: putting lines, assessments, findings and quarantine together, and the counts of the receipt.
What does not: reading a row (`assets.ingestion.mapping` and its steps).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import polars as pl

from assets.ingestion import facts, forms, items, rows
from assets.ingestion.columns import export, exported
from assets.ingestion.context import Context
from assets.ingestion.episodes import merge_lines
from assets.ingestion.history import read_history
from assets.ingestion.named import item_columns
from assets.ingestion.quarantine import quarantine_frame
from assets.ingestion.rows import ROW, IdentifiedSource
from assets.ingestion.source import LandedDelivery
from checks.findings import ROW_UNREADABLE, empty_findings, with_ids
from checks.lake_schema import Columns, lake_schema


@dataclass(frozen=True)
class MappedDelivery:
    """What one delivery becomes, before anybody looked for people in its texts (`assets.ingestion.privacy`).

    `n_rows_unused`: rows that were accepted and of which no mapping took anything. `n_judged`: the rows of which
    `n_quarantined` is a share; where one file holds several units, the rows of all of them.
    """

    tables: dict[str, pl.DataFrame]
    n_landed: int
    n_quarantined: int
    n_rows_unused: int
    n_judged: int
    unmapped: tuple[str, ...]
    unused_files: tuple[str, ...]
    notes: tuple[str, ...]
    n_files: int
    local_refs: pl.DataFrame
    last_date: dt.date | None

    @property
    def n_accepted(self) -> int:
        """Rows that were not held back."""
        return self.n_landed - self.n_quarantined


@dataclass
class Settled:
    """What one pass over all sources gave: lines by table, forms, findings, and the rows it rejects."""

    lines: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    placed: list[forms.PlacedForms] = field(default_factory=list)
    findings: list[pl.DataFrame] = field(default_factory=list)
    rejected: pl.DataFrame = field(default_factory=rows.no_rejections)
    taken: list[pl.DataFrame] = field(default_factory=list)

    def add(self, table: str, lines: pl.DataFrame) -> None:
        """Lines of an entity table; the rows they come from are taken."""
        self.lines.setdefault(table, []).append(lines)
        self.taken.append(lines.select(*ROW, "patient_id"))

    def without(self, patients: pl.Series) -> Settled:
        """What was told of everybody else; the rejections are told by whoever settles again."""
        others = (~pl.col("patient_id").is_in(patients.implode())).fill_null(True)
        return Settled(
            lines={name: [lines.filter(others) for lines in frames] for name, frames in self.lines.items()},
            placed=[done.of(others) for done in self.placed],
            findings=[found.filter(others) for found in self.findings],
            taken=[rows.filter(others) for rows in self.taken],
        )

    def extend(self, other: Settled) -> None:
        """Add what a pass over the same sources told of other patients; its rejections are the newest."""
        for name, frames in other.lines.items():
            self.lines.setdefault(name, []).extend(frames)
        self.placed = [mine.joined(theirs) for mine, theirs in zip(self.placed, other.placed, strict=True)]
        self.findings += other.findings
        self.taken += other.taken
        self.rejected = other.rejected

    def table(self, name: str) -> pl.DataFrame:
        """All lines of one entity table."""
        return pl.concat([pl.DataFrame(schema=facts.table_columns(name)), *self.lines.get(name, [])])

    def taken_rows(self) -> pl.DataFrame:
        """Rows (source_file, source_row; some more than once) of which a mapping took something."""
        taken = [rows.select(ROW) for rows in (*self.taken, *(done.rows for done in self.placed))]
        return pl.concat(taken)


def assemble(
    landed: LandedDelivery,
    sources: list[IdentifiedSource],
    rejected: pl.DataFrame,
    settled: Settled,
    context: Context,
) -> MappedDelivery:
    """The lake's tables of one delivery and the numbers of its receipt."""
    schema = lake_schema(context.library.instruments)
    findings = [rows.rejection_findings(rejected), *settled.findings]
    collected = {name: settled.lines.get(name, []) for name in ("episode", "attribute", "session")}
    everyone = [_only_patients(settled.table(name), schema["patient"]) for name in ("episode", "consent")]
    findings.extend(facts.conflicting_facts(settled.table("attribute"), settled.table("session")))
    collected["patient"], clashing = _one(merge_lines(pl.concat([settled.table("patient"), *everyone]), "patient_id"))
    findings.append(clashing)
    collected["consent"], clashing = _one(facts.latest_consents(settled.table("consent")))
    findings.append(clashing)
    for source in sources:
        history, found = read_history(source, rejected, context)
        collected.setdefault("audit", []).append(history)
        findings.extend(found)
    for done in settled.placed:
        answers = [exported(column) for column in item_columns(done.form, context.library).values()]
        checked = items.check(done.form, done.named(context.pseudonyms, answers), done.reader, context)
        collected.setdefault(done.form.instrument, []).append(checked.table)
        if checked.missing_answers.width:
            collected.setdefault("missing_answer", []).append(checked.missing_answers)
        findings.extend(checked.findings)
    findings.append(_unreadable_findings(landed, context))
    held = pl.concat(
        [rejected.select(*ROW, "rule"), landed.unreadable.select(*ROW, pl.lit(ROW_UNREADABLE).alias("rule"))]
    ).unique(ROW, keep="first", maintain_order=True)
    collected["finding"] = [with_ids(pl.concat([empty_findings(), *findings]), context.site.site, context.pseudonyms)]
    collected["quarantine"] = [quarantine_frame(held, [source.source for source in sources])]
    tables = {name: _fit(collected.get(name, []), columns) for name, columns in schema.items()}
    is_of_nobody = context.site.parts is not None and context.site.part_of is None
    return MappedDelivery(
        tables=tables,
        n_landed=landed.all_rows.height,
        n_quarantined=held.height,
        n_rows_unused=_count_unused(landed, sources, held, settled),
        n_judged=landed.n_in_files if is_of_nobody else landed.all_rows.height,
        unmapped=landed.unmapped,
        unused_files=landed.unused_files,
        notes=landed.notes,
        n_files=landed.n_files,
        local_refs=_local_refs(sources),
        last_date=_last_date(tables, context),
    )


def _one(merged: tuple[pl.DataFrame, pl.DataFrame]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    return [merged[0]], merged[1]


def _only_patients(lines: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """A patient of whom only a course or a consent is known is still a patient."""
    return lines.select(
        [(pl.col(c) if c in lines.columns else pl.lit(None)).cast(dtype).alias(c) for c, dtype in columns.items()]
    )


def _count_unused(landed: LandedDelivery, sources: list[IdentifiedSource], held: pl.DataFrame, settled: Settled) -> int:
    """Rows neither held back nor taken; of a pivoted source each row that arrived counts for itself."""
    taken = settled.taken_rows()
    for source in sources:
        members = source.source.members
        if members is None:
            continue
        wide = source.frame.select(ROW)
        read = members.filter("is_read").join(
            taken.rename({"source_file": "of_file", "source_row": "of_row"}), on=["of_file", "of_row"], how="semi"
        )
        taken = pl.concat([taken.join(wide, on=ROW, how="anti"), read.select(ROW)])
    return landed.all_rows.join(held, on=ROW, how="anti").join(taken, on=ROW, how="anti").height


def _unreadable_findings(landed: LandedDelivery, context: Context) -> pl.DataFrame:
    place = [pl.lit(context.site.site), pl.col("source_file"), pl.col("source_row")]
    entity = context.pseudonyms.ids("row", landed.unreadable, place)
    lines = landed.unreadable.with_columns(
        pl.lit(ROW_UNREADABLE).alias("rule"), pl.lit(None, dtype=pl.String).alias("patient_id"), entity.alias("entity")
    )
    findings = rows.rejection_findings(lines)
    reasons = lines.select(*ROW, pl.col("message").alias("reason"))
    return (
        findings.join(reasons, on=ROW, how="left")
        .with_columns(pl.coalesce("reason", "message").alias("message"))
        .drop("reason")
    )


def _fit(frames: list[pl.DataFrame], columns: Columns) -> pl.DataFrame:
    """Frames of one table under its schema, in an order that does not depend on the source's."""
    if not frames:
        return pl.DataFrame(schema=columns)
    frame = pl.concat([f.select([pl.col(c).cast(dtype) for c, dtype in columns.items()]) for f in frames])
    order = [*(c for c in columns if c.endswith("_id")), *ROW]
    by_first = frame if frame[order[0]].is_sorted() else frame.sort(order[0])
    n_changes = by_first.select((pl.col(order[0]) != pl.col(order[0]).shift()).sum()).item()
    return by_first if n_changes == frame.height - 1 else frame.sort(order)


def _local_refs(sources: list[IdentifiedSource]) -> pl.DataFrame:
    frames = [
        source.frame.select("patient_id", export(source.source.mapping.local_ref).alias("local_ref")).drop_nulls()
        for source in sources
        if source.source.mapping.local_ref
    ]
    empty = pl.DataFrame(schema={"patient_id": pl.String, "local_ref": pl.String})
    return pl.concat([empty, *frames]).unique().sort("patient_id", "local_ref")


def _last_date(tables: dict[str, pl.DataFrame], context: Context) -> dt.date | None:
    keys = context.site.instruments_used()
    dates = [tables[key]["assessment_date"].max() for key in keys if key in tables]
    known = [date for date in dates if isinstance(date, dt.date)]
    return max(known, default=None)
