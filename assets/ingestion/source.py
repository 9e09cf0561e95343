"""From a delivery's files to text rows per declared source, with every row, column and file accounted for.

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
from assets.ingestion.named import columns_needed, columns_of, personal_columns
from assets.ingestion.pivot import CLASHING, pivot_rows, problem
from assets.ingestion.readers.protocol import HISTORY_COLUMNS, ReadError, SourceFrame, read_file
from codebook.formats import FhirFormat, ReadingLimits, RedcapFormat
from codebook.library import Library
from codebook.site import Mapping, Site, SourceMapping

MOST_UNMAPPED = 1000
"""Columns of one file that are named as unmapped; of more only the number is told."""


class DeliveryError(Exception):
    """The delivery cannot be read as declared: it is held, with this sentence as the reason.

    `people`: what had been read by then of the columns that name somebody, so that the reason can be kept clear of it.
    """

    people: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LandedSource:
    """The rows of one declared source (all its files together), as text under `export.` names, before any rule.

    `arrived`: the rows as they stand in the files; `frame` is the same unless the source is pivoted: then `members`
    says which row went into which (`assets.ingestion.pivot`), and `clashing` which went nowhere.
    """

    mapping: SourceMapping
    frame: pl.DataFrame
    arrived: pl.DataFrame
    user_missing: dict[str, dict[str, str]]
    identifiers: frozenset[str]
    """Columns that name a person: by declaration, or by the file's own dictionary."""
    history: pl.DataFrame
    """Changes that the export itself records about the columns that are mapped and name nobody (HISTORY_COLUMNS)."""
    members: pl.DataFrame | None = None
    clashing: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CLASHING))


@dataclass(frozen=True)
class LandedDelivery:
    """Everything read from one delivery. `all_rows`: one line per row that arrived, each file and sheet once.

    Where one file holds several units, `all_rows` and the sources are those of one unit, and `n_in_files` counts all.
    """

    sources: tuple[LandedSource, ...]
    all_rows: pl.DataFrame
    unreadable: pl.DataFrame
    n_in_files: int
    unmapped: tuple[str, ...]
    unused_files: tuple[str, ...]
    notes: tuple[str, ...]
    n_files: int


@dataclass
class _Reading:
    """Frames by file and sheet, and what became of them."""

    site: Site
    limits: ReadingLimits
    frames: dict[tuple[str, str | None], SourceFrame] = field(default_factory=dict)
    used: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)
    answers: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)
    """Names of the answers that a pivoted file holds."""

    def frame(self, path: Path, name: str, sheet: str | None) -> SourceFrame:
        key = (name, sheet)
        if key not in self.frames:
            try:
                self.frames[key] = read_file(path, name, self.site.format, sheet, self.limits)
            except ReadError as error:
                raise DeliveryError(str(error)) from error
        return self.frames[key]


def land(site: Site, mapping: Mapping, delivery: Delivery, library: Library) -> LandedDelivery:
    """Read every source of a delivery; of a file that holds several units only this one's rows.

    Raises:
        DeliveryError: nothing arrived, a required file is missing or unreadable, or a declared column is not there.
    """
    folder = f"landing/{site.landing_name}/{delivery.name}"
    files = {path.relative_to(delivery.folder).as_posix(): path for path in delivery.files()}
    if not files:
        raise DeliveryError(f"{folder} is empty; ask the unit to send it again")
    reading = _Reading(site, library.network.limits)
    try:
        sources = [
            source
            for declared in mapping.sources
            for source in _land_source(site, declared, folder, files, reading, library)
        ]
    except DeliveryError as error:
        error.people = _people(mapping, reading)
        raise
    rows: list[pl.DataFrame] = []
    unreadable: list[pl.DataFrame] = []
    unmapped: list[str] = []
    notes: list[str] = []
    n_in_files = 0
    for key, frame in reading.frames.items():
        name = row_file(frame)
        n_in_files += frame.frame.height + len(frame.unreadable)
        own = _own_rows(frame.frame, site)
        rows.append(own.select(pl.lit(name).alias("source_file"), "source_row"))
        broken = _unreadable(frame) if not site.part_of else _unreadable(frame).clear()
        unreadable.append(broken)
        rows.append(broken.select(*ROW_COLUMNS))
        known = reading.used[key] | {"source_row"}
        there = [*frame.frame.columns, *sorted(reading.answers.get(key, ()))]
        unread = [column for column in there if column not in known]
        unmapped.extend(f"{name}: {column}" for column in unread[:MOST_UNMAPPED])
        if len(unread) > MOST_UNMAPPED:
            notes.append(f"{name}: {len(unread) - MOST_UNMAPPED} further columns are not mapped")
        notes.extend(f"{name}: {note}" for note in frame.notes)
    if not n_in_files:
        raise DeliveryError(f"the files of {folder} hold no rows below their headers; ask the unit to send it again")
    empty = pl.DataFrame(schema={"source_file": pl.String, "source_row": pl.Int64})
    return LandedDelivery(
        sources=tuple(sources),
        all_rows=pl.concat([empty, *rows]),
        unreadable=pl.concat(unreadable),
        n_in_files=n_in_files,
        unmapped=tuple(sorted(unmapped)),
        unused_files=tuple(sorted(_unused(site, files, reading))),
        notes=tuple(sorted(notes)),
        n_files=len(files),
    )


def _people(mapping: Mapping, reading: _Reading) -> frozenset[str]:
    named = {c for source in mapping.sources for c in (*source.identifiers, *source.identity.columns)}
    values: set[str] = set()
    for frame in reading.frames.values():
        for column in (named | frame.identifiers) & set(frame.frame.columns):
            values.update(frame.frame[column].drop_nulls().unique())
    return frozenset(values)


def row_file(frame: SourceFrame) -> str:
    """How a row's file is named everywhere: the file, and the sheet behind a # where there are sheets."""
    return f"{frame.source_file}#{frame.sheet}" if frame.sheet else frame.source_file


def _unreadable(frame: SourceFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "source_file": [row_file(frame)] * len(frame.unreadable),
            "source_row": [row.source_row for row in frame.unreadable],
            "message": [row.reason for row in frame.unreadable],
        },
        schema={"source_file": pl.String, "source_row": pl.Int64, "message": pl.String},
    )


def _unused(site: Site, files: dict[str, Path], reading: _Reading) -> Iterator[str]:
    """Files that no source and no dictionary is, and sheets of the others that no source is."""
    read = {name for name, _ in reading.frames}
    helping = None
    if isinstance(site.format, RedcapFormat):
        helping = site.format.dictionary
    elif isinstance(site.format, FhirFormat):
        helping = site.format.definitions
    for name in files:
        if name not in read and not (helping and fnmatch(name, helping)):
            yield name
    sheets = {(name, frame.sheet) for (name, _), frame in reading.frames.items()} | set(reading.frames)
    for (name, _), frame in reading.frames.items():
        for sheet in frame.other_sheets:
            if (name, sheet) not in sheets:
                sheets.add((name, sheet))
                yield f"{name}#{sheet}"


def _own_rows(frame: pl.DataFrame, site: Site) -> pl.DataFrame:
    """Rows of this unit in a file that may hold several; the declared site keeps those of nobody."""
    if site.parts is None:
        return frame
    code = pl.col(site.parts.column)
    if site.part_of is not None:
        return frame.filter(code.is_in(list(site.part_codes)).fill_null(False))
    return frame.filter(~code.is_in(list(site.parts.sites)).fill_null(False))


def _land_source(
    site: Site,
    declared: SourceMapping,
    folder: str,
    files: dict[str, Path],
    reading: _Reading,
    library: Library,
) -> Iterator[LandedSource]:
    matching = sorted(name for name in files if fnmatch(name, declared.file))
    if not matching:
        if declared.is_required:
            raise DeliveryError(
                f"sites/{site.landing_name}.yaml asks for the file '{declared.file}' (source '{declared.name}'), "
                f"which is not in {folder}; it holds {', '.join(sorted(files))}"
            )
        return
    named = columns_of(declared, library)
    needed = columns_needed(declared, library, site.parts.column if site.parts else None)
    mapped = set(named) - personal_columns(declared)
    frames: list[pl.DataFrame] = []
    histories: list[pl.DataFrame] = [pl.DataFrame(schema={"source_file": pl.String, **HISTORY_COLUMNS})]
    user_missing: dict[str, dict[str, str]] = {}
    identifiers = set(declared.identifiers)
    for name in matching:
        key = (name, declared.sheet)
        frame = reading.frame(files[name], name, declared.sheet)
        identifiers |= frame.identifiers
        missing = [column for column in needed if column not in frame.frame.columns]
        if missing:
            raise DeliveryError(_missing_column(site, declared, frame, missing[0], needed[missing[0]]))
        reading.used.setdefault(key, set()).update(
            named, needed, declared.identifiers, declared.ignored, frame.identifiers
        )
        for column, codes in frame.user_missing.items():
            user_missing.setdefault(column, {}).update(codes)
        keep = [c for c in frame.frame.columns if c in named or c in needed or c in identifiers]
        place = pl.lit(row_file(frame)).alias("source_file")
        own = _own_rows(frame.frame, site).select(place, "source_row", *keep)
        own.columns = ["source_file", "source_row", *map(exported, keep)]
        frames.append(own)
        if frame.history is not None:
            about = list(mapped - frame.identifiers)
            of_value, of_status = pl.col("column"), pl.col("column").str.strip_suffix(".status")
            told = frame.history.filter(of_value.is_in(about) | of_status.is_in(about))
            histories.append(told.select(place, *HISTORY_COLUMNS))
    rows = pl.concat(frames, how="diagonal", rechunk=True)
    landed = LandedSource(declared, rows, rows, user_missing, frozenset(identifiers), pl.concat(histories))
    is_of_nobody = site.parts is not None and site.part_of is None
    yield landed if is_of_nobody else _shape(site, landed, named, matching, reading)


def _shape(
    site: Site, landed: LandedSource, named: dict[str, str], matching: list[str], reading: _Reading
) -> LandedSource:
    """The rows that the source's `where` asks for, pivoted where it says so."""
    declared, rows = landed.mapping, landed.arrived
    if declared.where is not None:
        rows = rows.filter(export(declared.where.column).is_in(list(declared.where.values)))
    if declared.pivot is None:
        return LandedSource(declared, rows, rows, landed.user_missing, landed.identifiers, landed.history)
    frames = {name: reading.frames[(name, declared.sheet)] for name in matching}
    columns = {column for frame in frames.values() for column in frame.frame.columns}
    wrong = problem(rows, columns, declared.pivot, named, declared.name)
    if wrong is not None:
        raise DeliveryError(f"sites/{site.landing_name}.yaml {wrong}")
    answers = [column for column in named if column not in columns]
    wide = pivot_rows(rows, declared.pivot, declared.identity.columns, answers)
    for name in matching:
        key = (name, declared.sheet)
        reading.used[key].update(answers)
        reading.answers.setdefault(key, set()).update(frames[name].frame[declared.pivot.names].drop_nulls().unique())
    same = landed.user_missing.get(declared.pivot.values, {})
    user_missing = landed.user_missing | (dict.fromkeys(answers, same) if same else {})
    return LandedSource(
        declared, wide.frame, rows, user_missing, landed.identifiers, landed.history, wide.members, wide.clashing
    )


def _missing_column(site: Site, declared: SourceMapping, frame: SourceFrame, column: str, where: str) -> str:
    there = [c for c in frame.frame.columns if c != "source_row"]
    close = difflib.get_close_matches(column, there, n=1, cutoff=0.5)
    hint = (
        f"did you mean '{close[0]}'?" if close else f"it has {', '.join(there[:12])}{' …' if len(there) > 12 else ''}"
    )
    return (
        f"sites/{site.landing_name}.yaml names the column '{column}' (source '{declared.name}', {where}), which "
        f"{row_file(frame)} does not have; {hint}"
    )
