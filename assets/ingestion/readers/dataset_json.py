"""CDISC Dataset-JSON 1.1, as one document or as NDJSON: columns as the file's own metadata declare them.

What belongs here: the two layouts, and whether a file holds as many records as it says. What does not: what a
variable means (the mapping), nor inference: a column declared as text stays text, however it looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.ingestion.readers import json_stream
from assets.ingestion.readers.json_stream import JsonError, Number
from assets.ingestion.readers.protocol import ReadError, SourceFrame, header_names
from assets.ingestion.readers.rows import RowCollector, is_storable
from codebook.formats import DatasetJsonFormat, ReadingLimits

_WHOLE = frozenset({"integer", "float", "double"})
"""Data types whose numbers lose decimals that are all zero; a `decimal` keeps them."""
_TYPES = _WHOLE | {"string", "decimal", "boolean", "date", "datetime", "time", "URI"}
_ROWS = "rows"
_COUNT = re.compile(r"^\d{1,15}$")


@dataclass(frozen=True)
class _Head:
    """What a file says of itself."""

    names: list[str]
    types: list[str]
    records: int | None
    called: frozenset[str]
    """Names under which the data set may be asked for."""


def read(
    path: Path, relative: str, format: DatasetJsonFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one data set (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the record's number, in NDJSON its line. Null and "" are both blank; whole numbers have no decimals
    and booleans are `true` and `false`. `sheet` may name the data set, by name or OID.

    Raises:
        ReadError: not Dataset-JSON 1.1, another data set, or not as many records as the file says it has.
    """
    limits = limits or ReadingLimits()
    try:
        first = json_stream.first_line(path)
        is_lines = isinstance(first, dict) and "columns" in first and _ROWS not in first
        head = _head(first if is_lines else _document_head(path), relative)
        if sheet is not None and sheet not in head.called:
            raise ReadError(f"{relative}: does not hold the data set '{sheet}'; correct the site's declaration")
        records = _line_rows(path) if is_lines else _document_rows(path)
        return _collect(records, head, relative, sheet, limits)
    except JsonError as error:
        raise json_stream.damaged(relative, error) from None


def _line_rows(path: Path) -> Iterator[tuple[int, Any]]:
    records = json_stream.lines(path)
    next(records, None)
    yield from records


def _document_head(path: Path) -> Mapping[str, Any]:
    """Everything but the rows; the rest of the file is read only if the description goes on behind them."""
    head: dict[str, Any] = {}
    for member in json_stream.members(path, _ROWS):
        if not member.position:
            head[member.name] = member.value
        elif {"columns", "records", "datasetJSONVersion"} <= head.keys():
            break
    return head


def _document_rows(path: Path) -> Iterator[tuple[int, Any]]:
    return ((member.position, member.value) for member in json_stream.members(path, _ROWS) if member.position)


def _head(said: Mapping[str, Any], relative: str) -> _Head:
    version, columns = said.get("datasetJSONVersion"), said.get("columns")
    if not isinstance(version, str) or not version.startswith("1.1") or not isinstance(columns, list):
        raise ReadError(
            f"{relative}: is not Dataset-JSON 1.1; have it exported as such, or correct the declared reader"
        )
    pairs = [(column.get("name"), column.get("dataType")) for column in columns if isinstance(column, dict)]
    if len(pairs) != len(columns) or not all(isinstance(name, str) and name.strip() for name, _ in pairs):
        raise ReadError(f"{relative}: describes a column without a name; have it exported again")
    unknown = sum(kind not in _TYPES for _, kind in pairs if isinstance(kind, str))
    if unknown or not all(isinstance(kind, str) for _, kind in pairs):
        raise ReadError(f"{relative}: declares a data type that Dataset-JSON 1.1 does not have; have it exported again")
    names = [str(name) for name, _ in pairs]
    if not all(is_storable(name) for name in names):
        raise ReadError(f"{relative}: a column's name holds half a character; have it exported again")
    records = said.get("records")
    return _Head(
        header_names(names, relative),
        [str(kind) for _, kind in pairs],
        int(records.text) if isinstance(records, Number) and _COUNT.match(records.text) else None,
        frozenset(str(said[key]) for key in ("name", "itemGroupOID") if isinstance(said.get(key), str)),
    )


def _collect(
    records: Iterator[tuple[int, Any]], head: _Head, relative: str, sheet: str | None, limits: ReadingLimits
) -> SourceFrame:
    collector = RowCollector(head.names, relative, limits)
    for number, cells in records:
        reason = _misfit(cells, len(head.names))
        if reason:
            collector.refuse(number, reason)
            continue
        texts = (_text(cell, kind) for cell, kind in zip(cells, head.types, strict=True))
        collector.add(number, dict(zip(head.names, texts, strict=True)))
    found = collector.height + len(collector.unreadable)
    if head.records is not None and head.records != found:
        raise ReadError(
            f"{relative}: says that it has {head.records} records, but holds {found}; have it exported again"
        )
    notes = () if head.records is not None else ("does not say how many records it has",)
    return SourceFrame(relative, sheet, collector.frame(), collector.unreadable, notes=notes)


def _misfit(cells: Any, width: int) -> str:
    """Why a record does not fit the columns; '' where it does."""
    if isinstance(cells, JsonError):
        return str(cells)
    if not isinstance(cells, list):
        return "is no list of cells"
    if len(cells) != width:
        return f"has {len(cells)} cells, the columns are {width}"
    if any(isinstance(cell, dict | list) for cell in cells):
        return "holds a cell with parts"
    if not all(is_storable(cell) for cell in cells if isinstance(cell, str)):
        return "holds half a character"
    return ""


def _text(cell: Any, kind: str) -> str | None:
    match cell:
        case None:
            return None
        case bool():
            return "true" if cell else "false"
        case Number():
            return json_stream.number_text(cell) if kind in _WHOLE else cell.text
        case _:
            return str(cell)
