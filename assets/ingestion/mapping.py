"""From landed text rows to the lake's tables: every row ends accepted or quarantined, every voided value has a finding.

What belongs here: the order of the steps, and the loop that settles which rows are held back.
What does not: the steps themselves (`rows`, `episodes`, `facts`, `forms`, `items`), putting the tables together
(`assembly`), files, and the decision about the delivery.
"""

from __future__ import annotations

import polars as pl

from assets.ingestion import episodes as courses
from assets.ingestion import facts, forms, rows
from assets.ingestion.assembly import MappedDelivery, Settled, assemble
from assets.ingestion.context import Context
from assets.ingestion.fields import FieldReader, field_reader
from assets.ingestion.rows import ROW, IdentifiedSource
from assets.ingestion.source import LandedDelivery
from checks.findings import ROW_EPISODE_UNKNOWN
from checks.keys import content_hashes
from codebook.site import SourceMapping

__all__ = ["MappedDelivery", "map_delivery"]


def map_delivery(landed: LandedDelivery, context: Context) -> MappedDelivery:
    """Map one delivery. Pure: nothing is read or written."""
    sources = [rows.identify(source, context) for source in landed.sources]
    rejected = pl.concat([rows.no_rejections(), *(rows.reject_rows(source, context) for source in sources)])
    rejected = rows.whole_forms(rejected, landed.sources)
    settled = _settle(sources, rejected, context)
    while True:
        found = pl.concat([settled.rejected, _assessment_clashes(settled.placed)])
        found = found.unique([*ROW, "rule"], maintain_order=True)
        if not found.height:
            break
        before, rejected = rejected, rows.whole_forms(pl.concat([rejected, found]), landed.sources)
        touched = _patients_of(rejected.join(before, on=ROW, how="anti"), sources)
        settled = settled.without(touched)
        again = [source.of(touched) for source in sources]
        if any(source.frame.join(rejected, on=ROW, how="anti").height for source in again):
            settled.extend(_settle(again, rejected, context))
    return assemble(landed, sources, rejected, settled, context)


def _patients_of(rejected: pl.DataFrame, sources: list[IdentifiedSource]) -> pl.Series:
    """Whose rows these are: nothing that is told of other patients depends on them."""
    held = [source.frame.join(rejected, on=ROW, how="semi")["patient_id"] for source in sources]
    return pl.concat([rejected["patient_id"], *held]).drop_nulls().unique()


def _settle(sources: list[IdentifiedSource], rejected: pl.DataFrame, context: Context) -> Settled:
    """One pass over the rows of some patients in all sources, with the rows rejected so far left out."""
    settled = Settled()
    readers = [
        field_reader(source, source.frame.join(rejected, on=ROW, how="anti", maintain_order="left"), context)
        for source in sources
    ]
    declared = [source.source.mapping for source in sources]
    for reader, mapping in zip(readers, declared, strict=True):
        reader.frame = reader.frame.with_columns(courses.with_episode_key(reader, mapping))
        reader.frame = reader.frame.with_columns(courses.episode_ids(reader.frame, context))
        settled.add("episode", courses.read_episodes(reader, mapping, context))
    episodes, clashing = courses.merge_lines(settled.table("episode"), "episode_id")
    if not any(mapping.episode for mapping in declared) and not context.known_episodes.height:
        episodes = courses.implicit_episodes(readers, context)
    settled.lines["episode"] = [episodes]
    settled.findings.append(clashing)
    known = courses.known_courses(episodes, context)
    rejections = [rows.no_rejections()]
    for reader, mapping in zip(readers, declared, strict=True):
        reader.frame = courses.assign_courses(reader, mapping, known)
        if mapping.assessments or mapping.facts or mapping.sessions:
            lost = reader.frame.filter(pl.col("episode_id").is_null())
            rejections.append(rows.rejection(reader.ids.name(lost), ROW_EPISODE_UNKNOWN))
            reader.frame = reader.frame.filter(pl.col("episode_id").is_not_null())
        _read_row_by_row(reader, mapping, context, settled)
    if any(rows.height for done in settled.placed for rows in done.lost.values()):
        taken = settled.taken_rows()
        timeless, findings = forms.settle_lost(settled.placed, taken)
        rejections.append(timeless)
        settled.findings.extend(findings)
    settled.rejected = pl.concat(rejections)
    return settled


def _read_row_by_row(reader: FieldReader, mapping: SourceMapping, context: Context, settled: Settled) -> None:
    settled.add("attribute", facts.read_attributes(reader, mapping))
    settled.add("session", facts.read_sessions(reader, mapping))
    settled.add("consent", facts.read_consents(reader, mapping))
    if mapping.patient is not None or mapping.episode is not None:
        settled.add("patient", facts.read_patients(reader, mapping))
    for form in mapping.forms:
        done = forms.place(form, reader, context)
        settled.placed.append(done)
        settled.findings.extend(done.findings)
    settled.findings.extend(reader.findings)


def _assessment_clashes(placed: list[forms.PlacedForms]) -> pl.DataFrame:
    """Two rows that turn out to be one assessment: held back where they differ, kept once where they do not."""
    frames = [
        done.rows.select(*ROW, "identity", pl.lit(n, dtype=pl.Int32).alias("form")) for n, done in enumerate(placed)
    ]
    if not frames:
        return rows.no_rejections()
    repeated = pl.concat(frames).filter(pl.col("identity").is_duplicated())
    if not repeated.height:
        return rows.no_rejections()
    named = []
    for n, done in enumerate(placed):
        own = repeated.filter(pl.col("form") == n).select(ROW)
        whole = done.rows.join(own, on=ROW, how="semi", maintain_order="left")
        hashes = content_hashes(done.reader.ids.with_answers(whole, done.content), done.content)
        whole = whole.with_columns(hashes.alias("content"))
        named.append(done.reader.ids.name(whole).select(*ROW, "patient_id", "identity", "content", "row_entity"))
    return rows.clashes(pl.concat(named), ["identity"])
