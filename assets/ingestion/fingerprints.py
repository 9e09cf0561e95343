"""Fingerprints of files that were hashed before: a known delivery is recognised by looking at it, not by reading it.

What belongs here: the record of size, times and inode per file with its SHA-256, and when it may be believed.
What does not: which files a delivery has (`assets.ingestion.landing`).

The record is derived: delete it, and everything is hashed again. It is believed only while size, modification time,
change time (which no program can set) and inode are as they were, and only for files that were at rest when hashed: a
file changed within the same tick of the clock would look the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

CHUNK = 1 << 20
AT_REST_NS = 2_000_000_000
"""A file is at rest when it last changed this long before it was hashed."""

Look = tuple[int, int, int, int]
"""Size, modification time, change time (both nanoseconds) and inode."""


def look_at(path: Path) -> Look:
    """What can be seen of a file without reading it.

    Raises:
        OSError: it is not there, or may not be seen.
    """
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def is_at_rest(look: Look) -> bool:
    """True where a change from now on would be seen in the file's times."""
    _, modified, changed, _ = look
    return max(modified, changed) < time.time_ns() - AT_REST_NS


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class KnownFiles:
    """SHA-256 of the files under one folder; what is known is kept in `record`, one JSON file."""

    def __init__(self, record: Path, is_believed: bool = True) -> None:
        self._record = record
        self._known = _read(record) if is_believed else {}
        self._seen: dict[str, tuple[Look, str]] = {}
        self.n_hashed = 0

    def sha256(self, path: Path, name: str) -> str:
        """SHA-256 (hex) of the file at `path`; the record knows it by the hash of `name`, which may name a person.

        Raises:
            OSError: it cannot be read.
        """
        look, name = look_at(path), hashlib.sha256(name.encode()).hexdigest()
        known = self._known.get(name)
        if known is not None and known[0] == look:
            self._seen[name] = known
            return known[1]
        digest = sha256_of(path)
        self.n_hashed += 1
        if look_at(path) == look and is_at_rest(look):
            self._seen[name] = (look, digest)
        return digest

    def save(self) -> None:
        """Keep what was seen; a record that cannot be written only costs time, so that is no error."""
        if self._seen == self._known:
            return
        lines = {name: [*look, digest] for name, (look, digest) in sorted(self._seen.items())}
        with contextlib.suppress(OSError):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._record.parent, prefix=f".{self._record.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(lines, file)
                Path(temporary).replace(self._record)
            except OSError:
                Path(temporary).unlink(missing_ok=True)


def _read(record: Path) -> dict[str, tuple[Look, str]]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return {
            str(name): ((int(size), int(modified), int(changed), int(inode)), str(digest))
            for name, (size, modified, changed, inode, digest) in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
