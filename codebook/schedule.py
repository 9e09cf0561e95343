"""The model of an assessment schedule: which instrument is due when, counted from which anchor.

What belongs here: occasions, anchors, windows, instruments due. Units: months from the anchor, days for windows.
What does not: matching of assessments to due points (SQL, `quality.expected_assessment`).
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.instrument import Rater

DAYS_PER_MONTH = 30.4375
"""Days of a month wherever months and dates are exchanged: 365.25 / 12."""

Anchor = Literal["admission", "treatment_start", "discharge"]


class Due(Declared):
    """An instrument due at an occasion. `from_date`, `until_date` (exclusive): due dates for which it is this one."""

    instrument: str
    rater: Rater = "patient"
    from_date: dt.date | None = None
    until_date: dt.date | None = None


class Occasion(Declared):
    """One point of the schedule; its window is [due - before_days, due + after_days]."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: str
    anchor: Anchor
    months: float = 0
    before_days: int = Field(ge=0)
    after_days: int = Field(ge=0)
    due: tuple[Due, ...] = Field(min_length=1)


class Schedule(Declared):
    """Occasions for episodes that begin from `valid_from` on."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    valid_from: dt.date
    months_anchor: Literal["admission", "treatment_start"] = "treatment_start"
    """The anchor that `months` counts from in every table."""
    occasions: tuple[Occasion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        keys = [occasion.key for occasion in self.occasions]
        if len(set(keys)) != len(keys):
            raise ValueError("two occasions have the same key")
        return self

    def occasion(self, key: str) -> Occasion | None:
        """The occasion named `key`, or None."""
        return next((occasion for occasion in self.occasions if occasion.key == key), None)
