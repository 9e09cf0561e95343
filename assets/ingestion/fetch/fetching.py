"""Fetching one unit: a visit to its source becomes a delivery in landing/, whole or not at all.

What belongs here: the folder, its name, whether anything is new, and the order in which things reach the disk.
What does not: the sources (`redcap_api`, `sql`), and which units are fetched when (`orchestration`).
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import hashlib
import itertools
import os
import shutil
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assets.ingestion.fetch import watermarks
from assets.ingestion.fetch.protocol import Fetched, FetchError, MarkValue, SourceError
from assets.ingestion.landing import Delivery, LandingError, deliveries_of
from codebook.formats import Fetch, RedcapApi
from codebook.library import Library
from codebook.site import Site

TEMPORARY = ".fetch-"
"""How the folder is called until it is whole; hidden folders are no deliveries."""
LOCK = ".fetch.lock"


@dataclass(frozen=True)
class FetchedDelivery:
    """A delivery that a fetch has laid into landing/; `n_rows` by file."""

    site: str
    name: str
    folder: Path
    n_rows: Mapping[str, int]


def fetch_site(library: Library, site: Site, today: dt.date) -> FetchedDelivery | None:
    """Fetch a unit's newest data into `landing/<site>/<today>`; None where nothing is new.

    Nothing is new where every file equals that of the newest delivery, or holds no rows since the watermark.

    Raises:
        FetchError: nothing was landed (unless it says so), with the reason and the remedy.
    """
    problem = ""
    try:
        return _fetch(library, site, today)
    except (SourceError, LandingError) as error:
        problem = str(error)
    except OSError as error:
        problem = (
            f"landing/{site.landing_name} or state/ cannot be used ({_reason(error)}); make room or give the rights "
            "and fetch again"
        )
    # Raised here and not above, so that no log gets hold of the error beneath, which may quote addresses or values.
    raise FetchError(f"{site.site}: {problem}")


def _fetch(library: Library, site: Site, today: dt.date) -> FetchedDelivery | None:
    if site.fetch is None:
        raise SourceError("declares no 'fetch'; its deliveries are sent")
    folder = library.folder.landing / site.landing_name
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for left in folder.glob(f"{TEMPORARY}*"):
            if left.is_dir():
                shutil.rmtree(left)
        known = deliveries_of(library.folder.landing, site.landing_name)
        name = next_name([delivery.name for delivery in known], today)
        state, landed = library.folder.state, {delivery.name for delivery in known}
        marks = watermarks.read_watermarks(state, site.landing_name, landed)
        temporary = folder / f"{TEMPORARY}{name}"
        temporary.mkdir()
        try:
            fetched = _visit(site.fetch, temporary, marks)
            newest = known[-1] if known else None
            is_new = _is_news(fetched, temporary, newest)
            if is_new:
                _to_disk(temporary)
                temporary.rename(folder / name)
                _sync(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if not is_new and newest is None:
            return None
        delivery = name if is_new or newest is None else newest.name
        higher = {query: mark for query, mark in fetched.marks.items() if marks.get(query) != mark}
        try:
            watermarks.append_watermarks(state, site.landing_name, higher, delivery, dt.datetime.now(dt.UTC))
        except OSError as error:
            raise SourceError(
                f"delivery {delivery} has landed, but state/watermarks cannot be written ({_reason(error)}); put that "
                "right. The next fetch will bring the same rows again, which does no harm"
            ) from None
    if not is_new:
        return None
    return FetchedDelivery(site.site, name, folder / name, {file.name: file.n_rows for file in fetched.files})


def _visit(source: Fetch, folder: Path, marks: Mapping[str, MarkValue]) -> Fetched:
    if isinstance(source, RedcapApi):
        from assets.ingestion.fetch.redcap_api import fetch_redcap

        return fetch_redcap(source, folder)
    from assets.ingestion.fetch.sql import fetch_database

    return fetch_database(source, folder, marks)


def _is_news(fetched: Fetched, folder: Path, newest: Delivery | None) -> bool:
    """Does any file say something that the newest delivery does not?"""
    full = [file for file in fetched.files if not (file.is_increment and file.n_rows == 0)]
    if newest is None:
        return bool(full)
    before = {path.relative_to(newest.folder).as_posix(): path for path in newest.files()}
    return any(file.name not in before or _sha256(folder / file.name) != _sha256(before[file.name]) for file in full)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def next_name(known: Sequence[str], today: dt.date) -> str:
    """The first name of that day that sorts behind all there are: 2026-11-01, 2026-11-01-b, …, -z, -za, …

    Raises:
        SourceError: the newest delivery is of a later day, so that the new one would count as older.
    """
    newest = max(known, default="")
    day = today.isoformat()
    if newest[: len(day)] > day:
        raise SourceError(
            f"the newest delivery is {newest}, and today is {day}; put the machine's clock right, or that folder's name"
        )
    if newest < day:
        return day
    for n_z in itertools.count():
        for letter in string.ascii_lowercase[0 if n_z else 1 :]:
            name = f"{day}-{'z' * n_z}{letter}"
            if name > newest:
                return name
    raise AssertionError("letters do not end")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One fetch of a unit at a time; the kernel frees the lock of a killed one."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError("is being fetched already; wait until that has ended") from None
        yield
    finally:
        os.close(descriptor)


def _to_disk(folder: Path) -> None:
    """Force every file, then the folder, to the disk: a name never stands for something half written."""
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def _reason(error: OSError) -> str:
    """The system's own word for it, without the path."""
    return os.strerror(error.errno or errno.EIO)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
