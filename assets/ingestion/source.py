"""From a delivery's files to text rows per declared source, with every column accounted for.

What belongs here: finding and reading the files a mapping names, and comparing columns with the declaration.
What does not: what the columns mean (`assets.ingestion.mapping`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import polars as pl

from assets.ingestion.columns import ROW_COLUMNS, export, exported
from assets.ingestion.landing import Delivery
from assets.ingestion.readers.protocol import ReadError, SourceFrame, read_file
from codebook.formats import ReadingLimits
from codebook.library import Library
from codebook.site import AssessmentMapping, FieldMapping, Mapping, Site, SourceMapping


class DeliveryError(Exception):
    """The delivery cannot be read as declared: it is held, with this sentence as the reason."""


@dataclass(frozen=True)
class LandedSource:
    """The rows of one declared source (all its files together), as text under `export.` names, before any rule."""

    mapping: SourceMapping
    frame: pl.DataFrame
    user_missing: dict[str, dict[str, str]]
    identifiers: frozenset[str]
    """Columns that name a person: by declaration, or by the file's own dictionary."""


@dataclass(frozen=True)
class LandedDelivery:
    """Everything read from one delivery. `all_rows`: one line per row that arrived, each file and sheet once."""

    sources: tuple[LandedSource, ...]
    all_rows: pl.DataFrame
    unreadable: pl.DataFrame
    unmapped: tuple[str, ...]
    n_files: int


@dataclass
class _Reading:
    frames: dict[tuple[str, str | None], SourceFrame] = field(default_factory=dict)
    used: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)


def land(site: Site, mapping: Mapping, delivery: Delivery, library: Library) -> LandedDelivery:
    """Read every source of a delivery.

    Raises:
        DeliveryError: nothing arrived, a required file is missing or unreadable, or a declared column is not there.
    """
    files = {path.relative_to(delivery.folder).as_posix(): path for path in delivery.files()}
    if not files:
        raise DeliveryError(f"landing/{site.site}/{delivery.name} is empty; ask the unit to send it again")
    reading = _Reading()
    sources = [
        source
        for declared in mapping.sources
        for source in _land_source(site, declared, delivery, files, reading, library)
    ]
    rows: list[pl.DataFrame] = []
    unreadable: list[pl.DataFrame] = []
    unmapped: list[str] = []
    for key, frame in reading.frames.items():
        name = row_file(frame)
        rows.append(frame.frame.select(pl.lit(name).alias("source_file"), "source_row"))
        broken = pl.DataFrame(
            {
                "source_file": [name] * len(frame.unreadable),
                "source_row": [row.source_row for row in frame.unreadable],
                "message": [row.reason for row in frame.unreadable],
            },
            schema={"source_file": pl.String, "source_row": pl.Int64, "message": pl.String},
        )
        unreadable.append(broken)
        rows.append(broken.select(*ROW_COLUMNS))
        known = reading.used[key] | {"source_row"}
        unmapped.extend(f"{name}: {column}" for column in frame.frame.columns if column not in known)
    all_rows = pl.concat(rows)
    if not all_rows.height:
        raise DeliveryError(
            f"the files of landing/{site.site}/{delivery.name} hold no rows below their headers; "
            "ask the unit to send it again"
        )
    return LandedDelivery(tuple(sources), all_rows, pl.concat(unreadable), tuple(sorted(unmapped)), len(files))


def row_file(frame: SourceFrame) -> str:
    """How a row's file is named everywhere: the file, and the sheet behind a # where there are sheets."""
    return f"{frame.source_file}#{frame.sheet}" if frame.sheet else frame.source_file


def _land_source(
    site: Site,
    declared: SourceMapping,
    delivery: Delivery,
    files: dict[str, Path],
    reading: _Reading,
    library: Library,
) -> Iterator[LandedSource]:
    matching = sorted(name for name in files if fnmatch(name, declared.file))
    if not matching:
        if declared.is_required:
            arrived = ", ".join(sorted(files))
            raise DeliveryError(
                f"sites/{site.site}.yaml asks for the file '{declared.file}' (source '{declared.name}'), "
                f"which is not in landing/{site.site}/{delivery.name}; it holds {arrived}"
            )
        return
    named = columns_of(declared, library)
    frames: list[pl.DataFrame] = []
    user_missing: dict[str, dict[str, str]] = {}
    identifiers = set(declared.identifiers)
    for name in matching:
        frame = _read(site, files[name], name, declared, reading, library.network.limits)
        key = (name, declared.sheet)
        identifiers |= frame.identifiers
        missing = [column for column in named if column not in frame.frame.columns]
        if missing:
            raise DeliveryError(_missing_column(site, declared, frame, missing[0], named[missing[0]]))
        reading.used.setdefault(key, set()).update(named, declared.identifiers, declared.ignored, frame.identifiers)
        for column, codes in frame.user_missing.items():
            user_missing.setdefault(column, {}).update(codes)
        keep = [c for c in frame.frame.columns if c in named or c in identifiers]
        columns = [pl.col(c).alias(exported(c)) for c in keep]
        frames.append(frame.frame.select(pl.lit(row_file(frame)).alias("source_file"), "source_row", *columns))
    rows = pl.concat(frames, how="diagonal")
    if declared.where is not None:
        rows = rows.filter(export(declared.where.column).is_in(list(declared.where.values)))
    yield LandedSource(declared, rows, user_missing, frozenset(identifiers))


def _read(
    site: Site, path: Path, name: str, declared: SourceMapping, reading: _Reading, limits: ReadingLimits
) -> SourceFrame:
    key = (name, declared.sheet)
    if key not in reading.frames:
        try:
            reading.frames[key] = read_file(path, name, site.format, declared.sheet, limits)
        except ReadError as error:
            raise DeliveryError(str(error)) from error
    return reading.frames[key]


def _missing_column(site: Site, declared: SourceMapping, frame: SourceFrame, column: str, where: str) -> str:
    there = [c for c in frame.frame.columns if c != "source_row"]
    close = difflib.get_close_matches(column, there, n=1, cutoff=0.5)
    hint = (
        f"did you mean '{close[0]}'?" if close else f"it has {', '.join(there[:12])}{' …' if len(there) > 12 else ''}"
    )
    return (
        f"sites/{site.site}.yaml names the column '{column}' (source '{declared.name}', {where}), which "
        f"{row_file(frame)} does not have; {hint}"
    )


def columns_of(source: SourceMapping, library: Library) -> dict[str, str]:
    """Every column that a source's declaration names → where it is named."""
    named: dict[str, str] = {}

    def add(column: str | None, where: str) -> None:
        if column is not None:
            named.setdefault(column, where)

    def add_field(declared: FieldMapping | None, where: str) -> None:
        add(declared.column if declared else None, where)

    for column in source.identity.columns:
        add(column, "identity")
    for column in source.key:
        add(column, "key")
    add(source.local_ref, "local_ref")
    add(source.where.column if source.where else None, "where")
    for part, where in ((source.patient, "patient"), (source.episode, "episode"), (source.sessions, "sessions")):
        for key, value in part or ():
            if isinstance(value, FieldMapping):
                add_field(value, f"{where}.{key}")
            elif isinstance(value, str):
                add(value, f"{where}.{key}")
    for attribute in source.attributes:
        add(attribute.column, f"attribute {attribute.attribute}")
        add(attribute.date, f"attribute {attribute.attribute}.date")
    for form in source.assessments:
        where = f"assessments {form.instrument}"
        for column in item_columns(form, library).values():
            add(column, f"{where}.items")
        for column in form.supplied_scores.values():
            add(column, f"{where}.supplied_scores")
        for optional in (
            form.date,
            form.sequence if isinstance(form.sequence, str) else None,
            form.source_key,
            form.status.column if form.status else None,
        ):
            add(optional, where)
        add_field(form.occasion, f"{where}.occasion")
        for condition in form.when:
            add(condition.column, f"{where}.when")
    return named


def item_columns(form: AssessmentMapping, library: Library) -> dict[int, str]:
    """Item number → column of the export, for the items that the form's version has."""
    if form.items is None:
        return {}
    if not isinstance(form.items, str):
        return dict(form.items)
    instrument = library.instruments[form.instrument]
    items = instrument.version(form.version).items or range(1, instrument.n_items + 1)
    return {item: form.items.format(n=item) for item in items}
