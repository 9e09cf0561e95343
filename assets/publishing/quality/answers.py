"""What became of the worklists: when a unit's was sent, how many lines it had and how many came back answered.

What belongs here: the shape that the pages show. What does not: keeping worklists or reading answers.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib import import_module, util

from codebook.library import Library

LIFE = "assets.publishing.worklist_life"


@dataclass(frozen=True)
class Sent:
    """A unit's last worklist that was sent; `n_answered` of its `n_sent` lines have an answer."""

    sent_date: dt.date
    n_sent: int
    n_answered: int


def sent(library: Library) -> dict[str, Sent]:
    """By unit; units that were sent nothing are absent."""
    if util.find_spec(LIFE) is None:
        return {}
    found = import_module(LIFE).read(library)
    return {
        site: Sent(life.sent_date, int(life.n_sent), int(life.n_answered))
        for site, life in sorted(found.items())
        if life.sent_date is not None
    }
