"""What was probably meant where a name is not known.

What belongs here: the words of a hint. What does not: where the name stands.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 12
"""Known names that a hint lists where none is near."""


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """`; did you mean 'task'?`, or the known names where none is near; nothing where there are none."""
    names = sorted(known)
    close = difflib.get_close_matches(text, names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"; known: {', '.join(names[:SHOWN])}{more}"
