"""Trouble that comes from the machine and not from a unit: a full disk, a folder that may not be written.

What belongs here: one sentence for each, whoever raised it. What does not: errors that say in their own words what is
wrong (their own modules).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

FULL = (
    "the disk is full, or a file would be larger than this user may write; nothing was taken by halves: "
    "make room and run again"
)
CLOSED = "the network's folder may not be written by this user; give the user who runs Concord the right to write there"
_FULL_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED_NUMBERS = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL_WORDS = ("no space left", "disk is full", "file too large", "quota exceeded", "disk i/o error")
_CLOSED_WORDS = ("permission denied", "read-only file system", "readonly database", "unable to open database file")


def sentence_for(error: BaseException) -> str | None:
    """The sentence for an error or for what caused it; None where it is another kind of trouble."""
    for one in _causes(error):
        number = one.errno if isinstance(one, OSError) else None
        if number in _FULL_NUMBERS:
            return FULL
        if number in _CLOSED_NUMBERS:
            return CLOSED
        if (said := sentence_in(str(one))) is not None:
            return said
    return None


def sentence_in(text: str) -> str | None:
    """The sentence for a message of a library, which keeps only the words of the operating system."""
    lowered = text.lower()
    if any(words in lowered for words in _FULL_WORDS):
        return FULL
    return CLOSED if any(words in lowered for words in _CLOSED_WORDS) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
