"""The model of an assessment schedule: which instrument is due when, counted from which anchor, and until what end.

What belongs here: occasions, anchors, lags, windows, instruments due, end rules, and which schedule replaces which.
Units: a lag in months, weeks or days from the anchor, windows in days. What does not: finding the files
(`codebook.library`), due dates of a course and the matching of assessments to due points (SQL,
`staging.stg_due_point`; `docs/schedules.md` states the rule).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from codebook.declaration import Declared
from codebook.instrument import Rater

DAYS_PER_MONTH = 30.4375
"""Days of a month wherever months and dates are exchanged: 365.25 / 12."""
DAYS_PER_WEEK = 7

Anchor = Literal["admission", "treatment_start", "previous_assessment", "session_number", "discharge"]
Kind = Literal["fixed", "flexible", "unscheduled"]
End = Literal["discharge", "transfer", "death", "withdrawal"]
LAGS = ("months", "weeks", "days")
KEY = r"^[a-z][a-z0-9_]*$"


def days_of_months(months: float) -> int:
    """Whole days of so many months; a half counts up (24 months are 731 days)."""
    return math.floor(months * DAYS_PER_MONTH + 0.5)


class Due(Declared):
    """An instrument due at an occasion.

    `from_date`, `until_date` (exclusive): due dates for which it is this one. `from_month`: only so long after the
    schedule's months anchor. `arms`: only in courses of these arms.
    """

    instrument: str
    rater: Rater = "patient"
    from_date: dt.date | None = None
    until_date: dt.date | None = None
    from_month: float | None = Field(default=None, ge=0)
    arms: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.from_date and self.until_date and self.from_date >= self.until_date:
            raise ValueError("until_date is the first day on which it is no longer due; it must be after from_date")
        return self

    def overlaps(self, other: Due) -> bool:
        """Whether one course can have both due on the same day."""
        starts = max(self.from_date or dt.date.min, other.from_date or dt.date.min)
        ends = min(self.until_date or dt.date.max, other.until_date or dt.date.max)
        return starts < ends and (not self.arms or not other.arms or bool(set(self.arms) & set(other.arms)))


class Occasion(Declared):
    """One point of the schedule; its window is [due - before_days, due + after_days], both days included.

    `fixed`: takes what lies in its window. `flexible`: takes what lies up to twice as far from its due date; what comes
    outside the window is early or late. `unscheduled`: a name for extra visits, at which nothing is due.
    """

    key: str = Field(pattern=KEY)
    label: str
    kind: Kind = "fixed"
    anchor: Anchor | None = None
    months: float = 0
    weeks: float = 0
    days: int = 0
    before_days: int | None = Field(default=None, ge=0)
    after_days: int | None = Field(default=None, ge=0)
    session: int | None = Field(default=None, ge=1)
    """Anchor session_number: the first session numbered so, or later, that has a date."""
    previous: str | None = None
    """Anchor previous_assessment: the occasion it counts from; the one above, if not given."""
    nominal_months: float | None = Field(default=None, ge=0)
    """Anchor session_number: where it stands on the axis of months when no date says it."""
    arms: tuple[str, ...] = ()
    despite: tuple[End, ...] = ()
    """Ends that this occasion outlives. What counts from discharge always outlives discharge."""
    due: tuple[Due, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "unscheduled":
            given = self.model_fields_set - {"key", "label", "kind"}
            if given:
                raise ValueError(f"nothing is due at an unscheduled occasion; leave out {', '.join(sorted(given))}")
            return self
        missing = [name for name in ("anchor", "before_days", "after_days", "due") if not self._is_given(name)]
        if missing:
            raise ValueError(f"{', '.join(missing)}: required of an occasion that is due, but not given")
        if len(self.model_fields_set & set(LAGS)) > 1:
            raise ValueError("months, weeks and days: give one of them")
        for name, anchor in (
            ("session", "session_number"),
            ("nominal_months", "session_number"),
            ("previous", "previous_assessment"),
        ):
            if getattr(self, name) is not None and self.anchor != anchor:
                raise ValueError(f"{name}: only with the anchor {anchor}")
        if self.anchor == "session_number" and (self.session is None or self.nominal_months is None):
            raise ValueError("session and nominal_months: required with the anchor session_number")
        return self

    def _is_given(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and value != ()

    @property
    def lag_days(self) -> int:
        """Days from the anchor to the due date."""
        return days_of_months(self.months) + math.floor(self.weeks * DAYS_PER_WEEK + 0.5) + self.days

    @property
    def lag_months(self) -> float:
        """Months from the anchor to the due date, as declared."""
        return self.months + (self.weeks * DAYS_PER_WEEK + self.days) / DAYS_PER_MONTH

    @property
    def window(self) -> tuple[int, int]:
        """Days before and after the due date."""
        return self.before_days or 0, self.after_days or 0


class Ends(Declared):
    """What ends the expectation of later occasions; docs/schedules.md says from which day each does.

    `transfer`, `death`: reasons of termination that mean it. A withdrawn consent ends it from the day of withdrawal.
    """

    discharge: bool = True
    withdrawal: bool = True
    transfer: tuple[str, ...] = ("transfer",)
    death: tuple[str, ...] = ("death",)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = sorted(set(self.transfer) & set(self.death))
        if both:
            raise ValueError(f"'{both[0]}' cannot mean transfer and death at once")
        return self

    def known(self) -> frozenset[End]:
        """Ends that this schedule knows."""
        known: dict[End, bool] = {
            "discharge": self.discharge,
            "withdrawal": self.withdrawal,
            "transfer": bool(self.transfer),
            "death": bool(self.death),
        }
        return frozenset(end for end, is_known in known.items() if is_known)


class Schedule(Declared):
    """Occasions for courses that begin from `valid_from` on, until the schedule that replaces this one begins.

    `due` is what every occasion asks for that does not name its own.
    """

    name: str = Field(pattern=KEY)
    title: str
    valid_from: dt.date
    replaces: str | None = None
    """The schedule that courses followed which began before `valid_from`."""
    months_anchor: Literal["admission", "treatment_start"] = "treatment_start"
    """The anchor that `months` counts from in every table."""
    ends: Ends = Ends()
    due: tuple[Due, ...] = ()
    occasions: tuple[Occasion, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _share_due(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("due") or not isinstance(data.get("occasions"), list | tuple):
            return data
        shared = [
            {**occasion, "due": data["due"]}
            if isinstance(occasion, dict) and "due" not in occasion and occasion.get("kind") != "unscheduled"
            else occasion
            for occasion in data["occasions"]
        ]
        return {**data, "occasions": shared}

    @field_validator("occasions")
    @classmethod
    def _fit_together(cls, occasions: tuple[Occasion, ...]) -> tuple[Occasion, ...]:
        above: list[str] = []
        for number, occasion in enumerate(occasions):
            if occasion.key in {item.key for item in occasions[:number]}:
                raise ValueError(f"{occasion.key}: two occasions have the same key")
            if occasion.anchor == "previous_assessment":
                if not above:
                    raise ValueError(f"{occasion.key}: counts from a previous occasion, and none stands above it")
                if occasion.previous is not None and occasion.previous not in above:
                    raise ValueError(f"{occasion.key}: previous: '{occasion.previous}' is no occasion above it")
            if occasion.kind != "unscheduled":
                above.append(occasion.key)
        return occasions

    def occasion(self, key: str) -> Occasion | None:
        """The occasion named `key`, or None."""
        return next((occasion for occasion in self.occasions if occasion.key == key), None)

    def previous(self, occasion: Occasion) -> Occasion | None:
        """The occasion whose assessments this one counts from; None where its anchor is another."""
        if occasion.anchor != "previous_assessment":
            return None
        if occasion.previous is not None:
            return self.occasion(occasion.previous)
        above = self.occasions[: self.occasions.index(occasion)]
        return next(item for item in reversed(above) if item.kind != "unscheduled")

    def level(self, occasion: Occasion) -> int:
        """How many occasions have to be placed before this one can be."""
        previous = self.previous(occasion)
        return 0 if previous is None else self.level(previous) + 1

    def root_anchor(self, occasion: Occasion) -> Anchor | None:
        """The anchor at the beginning of the chain of previous occasions."""
        previous = self.previous(occasion)
        return occasion.anchor if previous is None else self.root_anchor(previous)

    def nominal_months(self, occasion: Occasion) -> float | None:
        """Where an occasion stands on the axis of months by declaration; None for one that counts from discharge."""
        previous = self.previous(occasion)
        if previous is not None:
            before = self.nominal_months(previous)
            return None if before is None else before + occasion.lag_months
        if occasion.anchor in {None, "discharge"}:
            return None
        return (occasion.nominal_months or 0) + occasion.lag_months

    def ends_of(self, occasion: Occasion) -> frozenset[End]:
        """Ends after which this occasion is not expected."""
        outlived: set[End] = set(occasion.despite)
        if self.root_anchor(occasion) == "discharge":
            outlived.add("discharge")
        return self.ends.known() - outlived


def succession(schedules: Iterable[Schedule], name: str) -> tuple[Schedule, ...]:
    """The schedule called `name`, those that it replaces and those that replace it, the oldest first."""
    known = {schedule.name: schedule for schedule in schedules}
    followers = {schedule.replaces: schedule for schedule in known.values() if schedule.replaces}
    line: list[Schedule] = []
    first = known.get(name)
    while first is not None and first.replaces in known and first not in line:
        line.append(first)
        first = known[first.replaces]
    found: list[Schedule] = []
    while first is not None and first not in found:
        found.append(first)
        first = followers.get(first.name)
    return tuple(found)


def valid_at(line: Sequence[Schedule], begins: dt.date) -> Schedule | None:
    """The schedule of a succession that a course beginning on this day follows; None before the first."""
    return next((schedule for schedule in reversed(line) if schedule.valid_from <= begins), None)
