"""Nobody is named in what is stored: texts that hold an identifier are voided, names of files and columns masked.

What belongs here: which texts of a delivery are looked at, and what becomes of those that leak.
What does not: telling whether a text leaks (`checks.leaks`), and turning identities into ids (`checks.keys`).
Nothing here quotes what it found: a finding says where, and what kind of identifier it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from assets.ingestion.columns import exported
from assets.ingestion.context import Context
from assets.ingestion.mapping import MappedDelivery
from assets.ingestion.masks import Masks
from assets.ingestion.source import LandedDelivery, LandedSource
from checks.findings import TEXT_IDENTIFIER, TEXT_NAME_LIKE, empty_findings, found, with_ids
from checks.gate import LeakCount
from checks.leaks import HOLDS, NAME_LIKE, LeakScanner, scanner_for
from codebook.library import Library
from codebook.site import Site

ROW = ["source_file", "source_row"]
OWN_WORDS = {"source_file", "instrument", "version", "rater", "rule", "class", "severity", "schedule", "row_json"}
"""Columns that hold Concord's words or the network's, or that are looked at in another way."""
NAMES = {"attribute", "occasion", "column", "item", "purpose"}
"""Columns that name something: a name that leaks is masked, since the row means nothing without it."""
ATTRIBUTE = ("attribute", "value")
WHOLE_ROWS = {ATTRIBUTE, ("consent", "status"), ("missing_answer", "missing_code")}
"""Where the row says nothing without the text: the row is not stored."""
MASKED_VALUE = "[masked]"
SILENT_MESSAGE = "the message named a person and is not stored"


@dataclass(frozen=True)
class _Place:
    """One text column of one table, and the kind of leak of each of its rows."""

    table: str
    column: str
    kinds: pl.Series


def people_of(sources: Iterable[LandedSource]) -> set[str]:
    """Values that say who somebody is, from the columns of identifiers, identities and therapists.

    The unit's own study numbers are none: they are hashed, and kept for the unit under `local_ref`.
    """
    values: set[str] = set()
    for source in sources:
        declared = source.mapping
        named = set(source.identifiers)
        may_be_named = set()
        if declared.identity.scope == "network":
            named |= set(declared.identity.columns)
        else:
            may_be_named |= set(declared.identity.columns) - {declared.local_ref}
        if declared.episode is not None and declared.episode.therapist is not None:
            may_be_named.add(declared.episode.therapist)
        for column in named | may_be_named:
            if exported(column) in source.arrived.columns:
                texts = source.arrived[exported(column)].drop_nulls().unique()
                if column not in named:
                    texts = texts.filter(texts.str.contains(r"\p{L}") & ~texts.str.contains(r"\p{N}"))
                values.update(texts.to_list())
    return values


def scanner_of(people: Iterable[str], library: Library, site: Site, context: Context) -> LeakScanner:
    """What to look for in this delivery: its people, and numbers of the kinds that the network declares."""
    own = {source.identity.number for source in context.mapping.sources} - {None}
    declared = {
        source.identity.number for s in library.sites.values() for mapping in s.mappings for source in mapping.sources
    }
    privacy = library.network.privacy
    return scanner_for(
        people,
        kinds=sorted(kind for kind in declared if kind is not None),
        is_any_national=not own,
        patterns=privacy.identifier_patterns,
        common_words=privacy.common_words,
        as_of=context.delivery_date,
    )


def without_people(
    landed: LandedDelivery, mapped: MappedDelivery, context: Context
) -> tuple[MappedDelivery, LeakCount]:
    """The same delivery with nothing in it that names a person, and how many of how many texts did.

    Distinct texts are counted, per column and attribute; Concord's own messages are not.
    """
    scanner = scanner_of(people_of(landed.sources), context.library, context.site, context)
    masks = Masks.of(landed, mapped, scanner, context)
    tables = {name: masks.in_table(frame) for name, frame in mapped.tables.items()}
    findings = [masks.findings(landed.unmapped)]
    places, count = _scan(tables, scanner)
    for name, table in list(tables.items()):
        leaking = [place for place in places if place.table == name]
        findings.extend(finding for place in leaking for finding in _findings(table, place, context))
        tables[name] = _voided(table, leaking, masks)
    tables["quarantine"], more, n_texts, n_leaking = _masked_rows(tables, scanner, masks, context)
    findings.extend(more)
    refs = mapped.local_refs
    kinds = scanner.judge(refs["local_ref"])
    is_leak = kinds.is_not_null() & (kinds != NAME_LIKE)
    lines = refs.with_columns(kinds.alias("kind"), pl.col("patient_id").alias("entity")).filter(is_leak)
    findings.extend(_found(lines.with_columns(pl.lit("local_ref").alias("field"), *_no_place()), None))
    count = LeakCount(count.n_failed + n_leaking + lines.height, count.n_checked + n_texts + lines.height)
    raised = with_ids(pl.concat([empty_findings(), *findings]), context.site.site, context.pseudonyms)
    if raised.height:
        every = pl.concat([tables["finding"], raised.select(tables["finding"].columns)])
        tables["finding"] = every.unique("finding_id", keep="first", maintain_order=True).sort("finding_id", *ROW)
    return replace(masks.in_names(mapped), tables=tables, local_refs=refs.filter(~is_leak)), count


def _no_place() -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.String).alias("source_file"), pl.lit(None, dtype=pl.Int64).alias("source_row")]


def _scan(tables: Mapping[str, pl.DataFrame], scanner: LeakScanner) -> tuple[list[_Place], LeakCount]:
    """The text columns that hold something, and how many distinct texts were looked at; each is judged once."""
    texts = {
        (name, column): frame.select(["attribute", column] if (name, column) == ATTRIBUTE else [column]).unique()
        for name, frame in tables.items()
        for column, dtype in frame.schema.items()
        if dtype == pl.String and column not in OWN_WORDS and not column.endswith(("_id", "_hash")) and frame.height
    }
    if not texts:
        return [], LeakCount(0, 0)
    distinct = pl.concat([frame[column].alias("text") for (_, column), frame in texts.items()]).drop_nulls().unique()
    judged = pl.DataFrame({"text": distinct, "kind": scanner.judge(distinct)}).drop_nulls("kind")
    places, n_failed, n_checked = [], 0, 0
    for (name, column), frame in texts.items():
        found = frame.join(judged, left_on=column, right_on="text", how="inner")
        if name != "finding":
            n_checked += frame.height - frame[column].null_count()
            n_failed += found.filter(pl.col("kind") != NAME_LIKE).height
        if found.height:
            text = tables[name].select(pl.col(column).alias("text"))
            kinds = text.join(judged, on="text", how="left", maintain_order="left")["kind"]
            places.append(_Place(name, column, kinds))
    return places, LeakCount(n_failed, n_checked)


def _findings(frame: pl.DataFrame, place: _Place, context: Context) -> Iterator[pl.DataFrame]:
    """One finding per leaking text and what it belongs to (assessment, course or patient); ids are made with the key.

    The text itself is part of the id: the finding is closed when the text is gone, and a new text is a new finding.
    """
    prefix = "audit_" if place.table == "audit" else ""
    field = pl.col("attribute") if place.table == "attribute" else pl.lit(f"{prefix}{place.column}")
    keys = [c for c in ("assessment_id", "episode_id", "patient_id", "value_date", "status_date") if c in frame.columns]
    lines = frame.with_columns(place.kinds.alias("kind"), field.alias("field")).filter(pl.col("kind").is_not_null())
    entity = context.pseudonyms.ids("row", lines, [pl.lit(place.table), *(pl.col(c) for c in (*keys, place.column))])
    yield from _found(lines.with_columns(entity.alias("entity")), place.table)


def _found(lines: pl.DataFrame, table: str | None) -> Iterator[pl.DataFrame]:
    """`lines` bring kind, field and entity."""
    instrument = table if table is not None and "content_hash" in lines.columns else None
    for (kind, field), part in lines.group_by("kind", "field", maintain_order=True):
        name = str(field)
        if kind == NAME_LIKE:
            yield found(part, TEXT_NAME_LIKE, item=name, instrument=instrument, field=name)
        else:
            yield found(part, TEXT_IDENTIFIER, item=name, instrument=instrument, field=name, holds=HOLDS[str(kind)])


def _voided(frame: pl.DataFrame, leaking: list[_Place], masks: Masks) -> pl.DataFrame:
    dropped = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    for place in leaking:
        is_leak = (place.kinds.is_not_null() & (place.kinds != NAME_LIKE)).alias("leak")
        if (place.table, place.column) in WHOLE_ROWS:
            dropped = dropped | is_leak
            continue
        text = frame[place.column]
        if place.column in NAMES:
            unique = {name: masks.name(name) for name in text.filter(is_leak).unique().to_list()}
            instead = text.replace_strict(unique, default=None, return_dtype=pl.String)
        else:
            silent = SILENT_MESSAGE if place.column == "message" else None
            instead = pl.Series(place.column, [silent] * frame.height, dtype=pl.String)
        frame = frame.with_columns(text.zip_with(~is_leak, instead).alias(place.column))
    return frame.filter(~dropped)


def _masked_rows(
    tables: Mapping[str, pl.DataFrame], scanner: LeakScanner, masks: Masks, context: Context
) -> tuple[pl.DataFrame, list[pl.DataFrame], int, int]:
    """The quarantine with leaking values and column names masked, and a finding for each."""
    quarantine = tables["quarantine"]
    rows: list[dict[str, str] | None] = [json.loads(t) if t is not None else None for t in quarantine["row_json"]]
    texts = sorted({str(part) for row in rows if row for pair in row.items() for part in pair})
    judged = scanner.judge(pl.Series(texts, dtype=pl.String))
    leaks = {text: kind for text, kind in zip(texts, judged, strict=True) if kind is not None and kind != NAME_LIKE}
    if not leaks:
        return quarantine, [], len(texts), 0
    lines: list[tuple[str, int, str, str]] = []
    masked: list[str | None] = []
    for (file, number), row in zip(quarantine.select(*ROW).iter_rows(), rows, strict=True):
        clean: dict[str, str] = {}
        for column, value in (row or {}).items():
            name = masks.name(column) if column in leaks else column
            clean[name] = MASKED_VALUE if str(value) in leaks else value
            lines.extend((file, number, name, leaks[text]) for text in (column, str(value)) if text in leaks)
        masked.append(json.dumps(clean, ensure_ascii=False, sort_keys=True) if row is not None else None)
    held = tables["finding"].filter(pl.col("severity") == "reject_row").unique(ROW, keep="first", maintain_order=True)
    schema = {"source_file": pl.String, "source_row": pl.Int64, "field": pl.String, "kind": pl.String}
    found_in = pl.DataFrame(lines, schema=schema, orient="row").join(
        held.select(*ROW, "patient_id", pl.col("finding_id").alias("entity")), on=ROW, how="left"
    )
    clean_rows = quarantine.with_columns(pl.Series("row_json", masked, dtype=pl.String))
    return clean_rows.select(quarantine.columns), list(_found(found_in, None)), len(texts), len(leaks)
