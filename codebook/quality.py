"""Thresholds of quality and their waivers: the block `quality` of `network.yaml`.

What belongs here: limits, which measure each of them judges, and for whom a limit is loosened until when.
What does not: how a measure is counted or judged (`checks.expectations`), and what holds a delivery back
(`codebook.network.GateThresholds`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from codebook.declaration import Declared, Location

Direction = Literal["at_most", "at_least"]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

DIRECTIONS: dict[str, Direction] = {
    "out_of_range_rate": "at_most",
    "outside_version_period_rate": "at_most",
    "outside_schedule_period_rate": "at_most",
    "repeated_assessment_id_rate": "at_most",
    "repeated_occasion_rate": "at_most",
    "on_time_rate": "at_least",
    "received_rate": "at_least",
    "scorable_rate": "at_least",
    "answered_rate": "at_least",
    "volume_drop_rate": "at_most",
    "scale_drift": "at_most",
}
"""Every measure that an expectation is about, and on which side of its threshold it has to stay."""


class Waiver(Declared):
    """A loosened threshold: for these units and instruments (none named: all), with a reason, an owner and an end."""

    measure: str
    sites: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    threshold: float = Field(ge=0)
    reason: Said
    owner: Said
    until: dt.date
    """Last day on which it holds."""

    def covers(self, measure: str, site: str, instrument: str | None) -> bool:
        """Whether it is about this measure of this unit; a measure over all instruments needs a waiver for all."""
        return (
            self.measure == measure
            and (not self.sites or site in self.sites)
            and (not self.instruments or instrument in self.instruments)
        )


class QualityThresholds(Declared):
    """What great-expectations judges against: rates 0–1, differences in standard deviations, counts, days."""

    min_received_rate: float = Field(default=0.50, ge=0, le=1)
    min_scorable_rate: float = Field(default=0.80, ge=0, le=1)
    """Of the assessments that came, how many give their main score."""
    min_answered_rate: float = Field(default=0.90, ge=0, le=1)
    min_on_time_rate: float = Field(default=0.70, ge=0, le=1)
    """Of the dated assessments that came for a due point, how many were filled in inside its window."""
    max_out_of_range_rate: float = Field(default=0.0, ge=0, le=1)
    max_volume_drop_rate: float = Field(default=0.30, ge=0, le=1)
    """How much less the newest delivery may hold than the unit's earlier ones let expect."""
    volume_deliveries: int = Field(default=4, ge=1)
    """How many earlier deliveries the newest is held beside."""
    min_volume: int = Field(default=20, ge=1)
    """Fewer assessments than that expected in a delivery: a drop says nothing."""
    max_scale_drift: float = Field(default=0.80, ge=0)
    """How far the mean of new scores may lie from the unit's earlier ones, in standard deviations, either way."""
    min_drift_scores: int = Field(default=20, ge=2)
    """Fewer new or fewer earlier scores than that: a difference says nothing."""
    overdue_until_days: int = Field(default=90, ge=0)
    """Days after closing during which a missing assessment is overdue (can still be asked for); then it is missed."""
    compared_days: int = Field(default=7, ge=1)
    """How far back a run looks to tell what is new, what persists and what was resolved."""
    waivers: tuple[Waiver, ...] = ()

    def threshold(self, measure: str) -> float:
        """The network's own threshold of a measure; what must never happen has 0."""
        prefix = "max" if DIRECTIONS[measure] == "at_most" else "min"
        return float(getattr(self, f"{prefix}_{measure}", 0.0))

    def is_looser(self, measure: str, one: float, other: float) -> bool:
        """Whether threshold `one` of a measure lets more through than `other`."""
        return one > other if DIRECTIONS[measure] == "at_most" else one < other

    def waiver_problems(self, sites: set[str], instruments: set[str]) -> Iterator[tuple[Location, str]]:
        """What is wrong with a waiver beyond its own shape: the place inside network.yaml, and a sentence."""
        for nth, waiver in enumerate(self.waivers):
            place: Location = ("quality", "waivers", nth)
            if waiver.measure not in DIRECTIONS:
                yield (*place, "measure"), f"no measure is called '{waiver.measure}'; known: {', '.join(DIRECTIONS)}"
            elif not self.is_looser(waiver.measure, waiver.threshold, self.threshold(waiver.measure)):
                yield (
                    (*place, "threshold"),
                    f"{waiver.threshold:g} is no looser than the network's {self.threshold(waiver.measure):g}; "
                    "remove the waiver or correct it",
                )
            elif waiver.measure.endswith("_rate") and waiver.threshold > 1:
                yield (*place, "threshold"), f"{waiver.threshold:g} is no share; write 30 % as 0.3"
            for unknown in sorted(set(waiver.sites) - sites):
                yield (*place, "sites"), f"no unit is called '{unknown}'"
            for unknown in sorted(set(waiver.instruments) - instruments):
                yield (*place, "instruments"), f"no instrument is called '{unknown}'"
