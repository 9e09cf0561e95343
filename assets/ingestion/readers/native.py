"""Guards around libraries that are not Python: what they raise on a damaged file becomes a reader's one sentence.

What belongs here: catching what such a library throws. What does not: which sentence is said (each reader's own).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from assets.ingestion.readers.protocol import ReadError


@contextmanager
def damage_as(sentence: str) -> Iterator[None]:
    """Turn every failure inside the block into `ReadError(sentence)`, but leave others' errors alone: interruptions,
    `ReadError`s, and a lack of memory, which says nothing of the file's soundness.

    A library written in Rust that meets the unexpected raises a `PanicException`, which is no `Exception`.
    """
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception:
        raise ReadError(sentence) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ReadError(sentence) from None
