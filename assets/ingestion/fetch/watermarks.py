"""Watermarks: how far each query of a unit was fetched, append-only in state/, one file per site.

What belongs here: writing and reading them. What does not: what a query does with them (`sql`).
A mark is written after its delivery was renamed into landing/, never before: if the process dies between the two, the
same rows are fetched again, which their keys make harmless, and none is missed. For the same reason a mark counts only
while its delivery lies in landing/: after a restore from an older copy the rows since then are fetched again.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path

from assets.ingestion.fetch.protocol import MarkValue

_KINDS: tuple[tuple[str, type, Callable[[str], MarkValue]], ...] = (
    ("time", dt.datetime, dt.datetime.fromisoformat),
    ("date", dt.date, dt.date.fromisoformat),
    ("integer", int, int),
    ("decimal", Decimal, Decimal),
    ("number", float, float),
)
"""Name in the file, type, and how its text is read; a time is also a date, so it stands first."""


def watermarks_file(state: Path, site: str) -> Path:
    """state/watermarks/<site>.jsonl"""
    return state / "watermarks" / f"{site}.jsonl"


def append_watermarks(
    state: Path, site: str, marks: Mapping[str, MarkValue], delivery: str, fetched_at: dt.datetime
) -> None:
    """Add one line per query, forced to disk."""
    if not marks:
        return
    path = watermarks_file(state, site)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        for query, value in marks.items():
            line = {
                "query": query,
                **_as_json(value),
                "delivery": delivery,
                "fetched_at": fetched_at.replace(microsecond=0).isoformat(),
            }
            file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_watermarks(state: Path, site: str, landed: Collection[str]) -> dict[str, MarkValue]:
    """The last mark of each query whose delivery is among `landed`; a line cut off by a crash is passed over."""
    path = watermarks_file(state, site)
    if not path.is_file():
        return {}
    marks = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            data = json.loads(line)
            if data["delivery"] in landed:
                marks[str(data["query"])] = _from_json(data)
        except (ValueError, KeyError, TypeError, ArithmeticError):
            continue
    return marks


def _as_json(value: MarkValue) -> dict[str, str]:
    kind = next(name for name, of_type, _ in _KINDS if isinstance(value, of_type))
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    return {"kind": kind, "value": text}


def _from_json(data: Mapping[str, str]) -> MarkValue:
    return {name: read for name, _, read in _KINDS}[data["kind"]](data["value"])
