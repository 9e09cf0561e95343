"""Records that are only ever added to: one JSON object a line, forced to disk.

What belongs here: adding lines and reading them, also where a crash cut the last one off. What does not: what the lines
say (each record's own module).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows; a line that was cut off before ends here. Dates are written as ISO text."""
    lines = [json.dumps(dict(row), default=str, sort_keys=True, ensure_ascii=False) + "\n" for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell() and not _ends_with_newline(path):
            file.write(b"\n")
        file.write("".join(lines).encode())
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every row, oldest first; a line that was cut off is passed over, and a file that does not exist has none."""
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
