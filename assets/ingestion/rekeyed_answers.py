"""Answers of units under new ids, when the key changes: each file as CSV beside, and the record of what was taken.

What belongs here: copying answer files with ids translated. What does not: what the answers say
(`assets.ingestion.answers`). A file that cannot be read is copied as it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from assets.ingestion.answer_sheet import answer_sheet
from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError
from assets.spreadsheet import harmless
from codebook.formats import ReadingLimits


def read_texts(folder: Path, limits: ReadingLimits) -> dict[Path, pl.DataFrame | None]:
    """Every file below `answers/` as text; None for one that cannot be read."""
    return {path: _frame(path, limits) for path in sorted(folder.rglob("*")) if _is_visible(path, folder)}


def _is_visible(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _frame(path: Path, limits: ReadingLimits) -> pl.DataFrame | None:
    try:
        return answer_sheet(path, limits).frame.drop(SOURCE_ROW)
    except ReadError:
        return None


def texts_of(files: Mapping[Path, pl.DataFrame | None]) -> Iterator[str]:
    """Every cell of every file."""
    for frame in files.values():
        for column in frame.get_columns() if frame is not None else []:
            yield from column.drop_nulls()


def write_translated(
    files: Mapping[Path, pl.DataFrame | None], folder: Path, target: Path, state: Path, translate: Callable[[str], str]
) -> None:
    """Write `files` of `folder` under `target` with ids translated, and have `state` say that these were taken."""
    renamed: dict[tuple[str, str], tuple[str, str]] = {}
    for path, frame in files.items():
        home = target / path.relative_to(folder).parent
        home.mkdir(parents=True, exist_ok=True)
        if frame is None:
            shutil.copy2(path, home / path.name)
            continue
        written = home / (path.name if path.suffix.lower() == ".csv" else f"{path.name}.csv")
        columns = [column.map_elements(translate, return_dtype=pl.String) for column in frame]
        harmless(pl.DataFrame(columns)).write_csv(written)
        renamed[home.name, path.name] = (written.name, hashlib.sha256(written.read_bytes()).hexdigest())
    for ledger in sorted((state / "answers").glob("*.jsonl")):
        lines = []
        for line in ledger.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if (new := renamed.get((ledger.stem, row["file"]))) is not None:
                row["file"], row["sha256"] = new
            lines.append(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
        ledger.write_text("".join(lines), encoding="utf-8")
