"""From landed text rows to the lake's tables: every row ends accepted or quarantined, every voided value has a finding.

What belongs here: the order of the steps, and the loop that settles which rows are held back.
What does not: the steps themselves (`rows`, `episodes`, `forms`), files, and the decision about the delivery.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from assets.ingestion import episodes as courses
from assets.ingestion import forms, rows
from assets.ingestion.columns import export, exported
from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader, parsed_dates
from assets.ingestion.quarantine import quarantine_frame
from assets.ingestion.source import LandedDelivery, LandedSource
from checks.findings import ROW_EPISODE_UNKNOWN, ROW_UNREADABLE, empty_findings, with_ids
from checks.lake_schema import lake_schema

ROW = ["source_file", "source_row"]
EPISODE_DATES = ["admission_date", "treatment_start_date", "discharge_date"]


@dataclass(frozen=True)
class MappedDelivery:
    """What one delivery becomes. `identifiers`: the direct identifiers it held, for the leak scan only."""

    tables: dict[str, pl.DataFrame]
    n_landed: int
    n_quarantined: int
    unmapped: tuple[str, ...]
    n_files: int
    local_refs: pl.DataFrame
    identifiers: list[str]
    last_date: dt.date | None

    @property
    def n_accepted(self) -> int:
        """Rows that were not held back."""
        return self.n_landed - self.n_quarantined


@dataclass(frozen=True)
class _Settled:
    """One pass over all sources with the rows rejected so far left out."""

    tables: dict[str, list[pl.DataFrame]]
    findings: list[pl.DataFrame]
    placed: list[forms.PlacedForms]
    rejected: pl.DataFrame


def map_delivery(landed: LandedDelivery, context: Context) -> MappedDelivery:
    """Map one delivery. Pure: nothing is read or written."""
    site, pseudonyms = context.site.site, context.pseudonyms
    identified = [rows.identify(source, site, pseudonyms) for source in landed.sources]
    pairs = list(zip(landed.sources, identified, strict=True))
    rejected = pl.concat(
        [rows.no_rejections(), *(rows.reject_rows(frame, bool(source.mapping.key)) for source, frame in pairs)]
    )
    identifiers = _identifiers(landed.sources)
    while True:
        settled = _settle(pairs, rejected, identifiers, context)
        if not settled.rejected.height:
            break
        rejected = pl.concat([rejected, settled.rejected])
    return _assemble(landed, pairs, rejected, settled, identifiers, context)


def _settle(
    pairs: list[tuple[LandedSource, pl.DataFrame]], rejected: pl.DataFrame, identifiers: list[str], context: Context
) -> _Settled:
    tables: dict[str, list[pl.DataFrame]] = {"patient": [], "episode": [], "attribute": [], "session": []}
    findings: list[pl.DataFrame] = []
    readers = [_reader(source, frame.join(rejected, on=ROW, how="anti"), context) for source, frame in pairs]
    lines = []
    for (source, _), reader in zip(pairs, readers, strict=True):
        key = courses.with_episode_key(reader, source.mapping)
        reader.frame = reader.frame.with_columns(key.alias("episode_key"))
        reader.frame = reader.frame.with_columns(courses.episode_ids(reader.frame, context))
        lines.append(courses.read_episodes(reader, source.mapping, context))
    episodes, clashing = courses.merge_lines(pl.concat(lines), "episode_id")
    if not any(source.mapping.episode for source, _ in pairs) and not context.known_episodes.height:
        episodes = _implicit_episodes(readers, context)
    tables["episode"].append(episodes)
    findings.append(clashing)
    known = _known_episodes(episodes, context)
    placed, rejections = [], [rows.no_rejections()]
    for (source, _), reader in zip(pairs, readers, strict=True):
        needs_episode = bool(source.mapping.assessments or source.mapping.attributes or source.mapping.sessions)
        reader.frame = _assign_episodes(reader, source, known)
        if needs_episode:
            lost = reader.frame.filter(pl.col("episode_id").is_null())
            rejections.append(rows.rejection(lost, ROW_EPISODE_UNKNOWN))
            reader.frame = reader.frame.filter(pl.col("episode_id").is_not_null())
        tables["attribute"].append(courses.read_attributes(reader, source.mapping, context, identifiers))
        tables["session"].append(courses.read_sessions(reader, source.mapping))
        if source.mapping.patient is not None or source.mapping.episode is not None:
            tables["patient"].append(courses.read_patients(reader, source.mapping))
        for form in source.mapping.assessments:
            done = forms.place(source, form, reader, context)
            placed.append(done)
            rejections.append(done.rejected)
        findings.extend(reader.findings)
    rejections.append(_assessment_clashes(placed))
    new = pl.concat(rejections).unique([*ROW, "rule"], maintain_order=True)
    return _Settled(tables, findings, placed, new)


def _reader(source: LandedSource, frame: pl.DataFrame, context: Context) -> FieldReader:
    missing = {"": context.mapping.missing_codes, **source.user_missing}
    return FieldReader(frame, missing, context.mapping.date_formats, context.decimal, context.delivery_date)


def _implicit_episodes(readers: list[FieldReader], context: Context) -> pl.DataFrame:
    """Where a site describes no courses at all, each patient has one, without dates."""
    frame = pl.concat([reader.frame.select("patient_id", *ROW) for reader in readers]).sort(ROW)
    frame = frame.unique("patient_id", keep="first", maintain_order=True)
    frame = frame.with_columns(pl.lit(courses.SINGLE_EPISODE).alias("episode_key"))
    schedule = context.library.schedule_of(context.site)
    schema = lake_schema({})["episode"]
    frame = frame.with_columns(
        courses.episode_ids(frame, context),
        pl.lit(schedule.name if schedule else None, dtype=pl.String).alias("schedule"),
    )
    return frame.select(
        [(pl.col(c) if c in frame.columns else pl.lit(None)).cast(dtype).alias(c) for c, dtype in schema.items()]
    )


def _known_episodes(episodes: pl.DataFrame, context: Context) -> pl.DataFrame:
    columns = ["patient_id", "episode_id", *EPISODE_DATES]
    here = episodes.select(columns)
    earlier = context.known_episodes.select(columns).join(here, on="episode_id", how="anti")
    return pl.concat([here, earlier])


def _assign_episodes(reader: FieldReader, source: LandedSource, known: pl.DataFrame) -> pl.DataFrame:
    """Give every row its course: the row's own key, else the patient's course that had begun by the row's date."""
    frame = reader.frame.with_columns(_row_dates(reader, source))
    own = frame.filter(pl.col("episode_id").is_not_null()).join(
        known.drop("patient_id"), on="episode_id", how="left", maintain_order="left"
    )
    rest = frame.filter(pl.col("episode_id").is_null()).drop("episode_id")
    begun = (pl.col("admission_date") <= pl.col("row_date")).fill_null(False)
    chosen = (
        rest.join(known, on="patient_id", how="left")
        .with_columns(begun.alias("begun"))
        .sort([*ROW, "begun", "admission_date", "episode_id"], descending=[False, False, False, False, False])
        .with_columns(pl.col("begun").any().over(ROW).alias("any_begun"))
    )
    # The latest course that had begun; where none had, the first.
    chosen = pl.concat(
        [
            chosen.filter(pl.col("any_begun") & pl.col("begun")).unique(ROW, keep="last", maintain_order=True),
            chosen.filter(~pl.col("any_begun")).unique(ROW, keep="first", maintain_order=True),
        ]
    )
    return pl.concat([own, chosen.select(own.columns)]).sort(ROW)


def _row_dates(reader: FieldReader, source: LandedSource) -> pl.Series:
    """The first readable date among a row's forms, to choose between two courses of one patient."""
    columns = dict.fromkeys(form.date for form in source.mapping.assessments if form.date)
    dates = [
        parsed_dates(reader.frame[exported(column)], reader.date_formats).alias(f"d{n}")
        for n, column in enumerate(columns)
    ]
    if not dates:
        return pl.Series("row_date", [None] * reader.frame.height, dtype=pl.Date)
    return pl.DataFrame(dates).select(pl.coalesce(pl.all()).alias("row_date"))["row_date"]


def _assessment_clashes(placed: list[forms.PlacedForms]) -> pl.DataFrame:
    """Two rows that turn out to be one assessment: held back where they differ, kept once where they do not."""
    columns = [*ROW, "patient_id", "row_entity", "assessment_id", "content"]
    frames = [done.rows.select(columns) for done in placed if done.rows.height]
    if not frames:
        return rows.no_rejections()
    return rows.clashes(pl.concat(frames), ["assessment_id"])


def _identifiers(sources: tuple[LandedSource, ...]) -> list[str]:
    """Values of the columns that name people: searched for in everything that is kept."""
    values: set[str] = set()
    for source in sources:
        identity = source.mapping.identity
        columns = set(source.identifiers) | (set(identity.columns) if identity.scope == "network" else set())
        for column in columns:
            if exported(column) in source.frame.columns:
                values.update(source.frame[exported(column)].drop_nulls().unique().to_list())
    return sorted(values)


def _assemble(
    landed: LandedDelivery,
    pairs: list[tuple[LandedSource, pl.DataFrame]],
    rejected: pl.DataFrame,
    settled: _Settled,
    identifiers: list[str],
    context: Context,
) -> MappedDelivery:
    schema = lake_schema(context.library.instruments)
    collected = dict(settled.tables)
    findings = [rows.rejection_findings(rejected), *settled.findings]
    patients, clashing = courses.merge_lines(
        pl.concat([*collected["patient"], _everyone(settled.tables["episode"], schema)]), "patient_id"
    )
    collected["patient"] = [patients]
    findings.append(clashing)
    for done in settled.placed:
        checked = forms.check(done, done.rows, context)
        collected.setdefault(done.form.instrument, []).append(checked.table)
        if checked.missing_answers.width:
            collected.setdefault("missing_answer", []).append(checked.missing_answers)
        findings.extend(checked.findings)
    findings.append(_unreadable_findings(landed, context))
    all_findings = with_ids(pl.concat([empty_findings(), *findings]), context.site.site, context.pseudonyms)
    held = pl.concat(
        [
            rejected.select(*ROW, "rule"),
            landed.unreadable.select(*ROW, pl.lit(ROW_UNREADABLE).alias("rule")),
        ]
    ).unique(ROW, keep="first", maintain_order=True)
    collected["finding"] = [all_findings]
    collected["quarantine"] = [quarantine_frame(held, [source for source, _ in pairs])]
    tables = {name: _fit(collected.get(name, []), columns) for name, columns in schema.items()}
    return MappedDelivery(
        tables=tables,
        n_landed=landed.all_rows.height,
        n_quarantined=held.height,
        unmapped=landed.unmapped,
        n_files=landed.n_files,
        local_refs=_local_refs(pairs),
        identifiers=identifiers,
        last_date=_last_date(tables, context),
    )


def _everyone(episodes: list[pl.DataFrame], schema: dict[str, dict[str, pl.DataType]]) -> pl.DataFrame:
    """A patient of whom only a course is known is still a patient."""
    frame = pl.concat(episodes)
    return frame.select(
        [(pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c) for c, t in schema["patient"].items()]
    )


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


def _fit(frames: list[pl.DataFrame], columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """Frames of one table under its schema, in an order that does not depend on the source's."""
    if not frames:
        return pl.DataFrame(schema=columns)
    frame = pl.concat([f.select([pl.col(c).cast(dtype) for c, dtype in columns.items()]) for f in frames])
    key = [c for c in columns if c.endswith("_id")]
    return frame.sort([*key, *ROW])


def _local_refs(pairs: list[tuple[LandedSource, pl.DataFrame]]) -> pl.DataFrame:
    frames = [
        frame.select("patient_id", export(source.mapping.local_ref).alias("local_ref")).drop_nulls()
        for source, frame in pairs
        if source.mapping.local_ref
    ]
    empty = pl.DataFrame(schema={"patient_id": pl.String, "local_ref": pl.String})
    return pl.concat([empty, *frames]).unique().sort("patient_id", "local_ref")


def _last_date(tables: dict[str, pl.DataFrame], context: Context) -> dt.date | None:
    keys = context.site.instruments_used()
    dates = [tables[key]["assessment_date"].max() for key in keys if key in tables]
    known = [date for date in dates if isinstance(date, dt.date)]
    return max(known, default=None)
