"""Days as options name them.

What belongs here: reading one. What does not: what a day is good for.
"""

from __future__ import annotations

import datetime as dt

from orchestration.exits import WRONG, stop


def day(text: str | None, option: str) -> dt.date | None:
    """The day that an option names; None where it was not given. Anything else ends the command."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        stop(f"{option} {text}: not a day; write it as 2026-11-23", WRONG)
