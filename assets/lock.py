"""The lock on a network folder: one build at a time, ingestion beside ingestion.

What belongs here: taking and handing down the lock. What does not: deciding what needs it.
It is an advisory `flock` on `<network>/.lock`: the kernel frees it when the last process that inherited it ends, so a
killed run leaves nothing behind, and a dbt process that outlives its parent still holds it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = ".lock"
POLL_SECONDS = 0.2

_held: dict[Path, int] = {}
"""Folders that this process holds exclusively → descriptor: a job inside `concord run` does not wait for itself."""


class FolderBusyError(Exception):
    """Another process works on this network folder."""


@contextmanager
def folder_lock(root: Path, *, is_exclusive: bool, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold the lock on a network folder; yields the descriptor that a subprocess inherits.

    Raises:
        FolderBusyError: it is still taken after `wait_seconds`.
    """
    root = root.resolve()
    if root in _held:
        yield _held[root]
        return
    descriptor = os.open(root / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, root, is_exclusive, wait_seconds)
        if is_exclusive:
            _held[root] = descriptor
        yield descriptor
    finally:
        _held.pop(root, None)
        os.close(descriptor)


def _acquire(descriptor: int, root: Path, is_exclusive: bool, wait_seconds: float) -> None:
    mode = fcntl.LOCK_EX if is_exclusive else fcntl.LOCK_SH
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            if time.monotonic() >= deadline:
                raise FolderBusyError(
                    f"{root}: another run is working on this network{_holder(root)}; "
                    "wait until it has ended and try again"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            _sign(descriptor)
            return


def _sign(descriptor: int) -> None:
    """Write into the lock's file who holds it; on a full disk it stays unsaid."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}, since {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC".encode(), 0)


def _holder(root: Path) -> str:
    """Who wrote last into the lock's file."""
    try:
        said = (root / LOCK_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        said = ""
    return f" ({said})" if said else ""


def is_busy(root: Path) -> bool:
    """True while another process holds the folder exclusively."""
    try:
        with folder_lock(root, is_exclusive=False):
            return False
    except FolderBusyError:
        return True
