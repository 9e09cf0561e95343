"""Typed cells as text, the same for every format that has types.

What belongs here: one rule per type. What does not: what a missing value is called in a format (each reader).
"""

from __future__ import annotations

import datetime as dt
import math

Cell = float | int | str | dt.date | dt.time | None


def cell_text(value: Cell) -> str | None:
    """A cell as text: `3` for 3.0, ISO for dates (the time of day only where there is one), None for nothing."""
    text: str | None
    match value:
        case None:
            text = None
        case bool():
            text = "true" if value else "false"
        case float() if math.isnan(value):
            text = None
        case float():
            text = str(int(value)) if value.is_integer() else repr(value)
        case dt.datetime():
            text = value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
        case dt.date():
            text = value.isoformat()
        case dt.time():
            text = value.isoformat("seconds")
        case _:
            text = str(value).strip() or None
    return text
