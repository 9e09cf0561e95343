"""What every source of fetching hands over, and the two errors: of a source, and of a unit.

What belongs here: shapes that `redcap_api`, `sql` and `fetching` share. What does not: any source, any path.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MarkValue = int | float | Decimal | dt.date | dt.datetime
"""What a watermark can be: something whose order is the same here and in the database (so no text)."""


class SourceError(Exception):
    """A source that gave nothing: what is wrong and the remedy; no address, token, password or value."""


class FetchError(Exception):
    """A unit that nothing could be fetched for: one sentence with the unit, what is wrong and the remedy."""


@dataclass(frozen=True)
class FetchedFile:
    """One file that a source wrote. `is_increment`: it holds only what is new, so that no rows mean no news."""

    name: str
    n_rows: int
    is_increment: bool = False


@dataclass(frozen=True)
class Fetched:
    """Everything that one visit to a source brought; `marks` are the largest values by query."""

    files: tuple[FetchedFile, ...]
    marks: Mapping[str, MarkValue] = field(default_factory=dict)


def secret(variable: str, what: str) -> str:
    """The value of an environment variable.

    Raises:
        SourceError: it is not set, or blank.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise SourceError(f"the environment variable {variable} is not set; put {what} into it")
    return value
