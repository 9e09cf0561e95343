"""Against which threshold a measure of a unit is judged on a day: the network's own, or a loosened one while it lasts.

What belongs here: choosing the limit. What does not: the declarations (`codebook.quality`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce

from codebook.quality import QualityThresholds, Waiver


@dataclass(frozen=True)
class Limit:
    """A threshold. `network`: what it would be without the waiver; `ended`: last day of the waiver that ended last."""

    threshold: float
    network: float
    waiver: Waiver | None = None
    ended: dt.date | None = None

    @property
    def waiver_words(self) -> str | None:
        """Reason, owner and end of the loosened threshold; None where the network's own counts."""
        return f"{self.waiver.reason} ({self.waiver.owner}, until {self.waiver.until})" if self.waiver else None


def limit_for(quality: QualityThresholds, measure: str, site: str, instrument: str | None, today: dt.date) -> Limit:
    """The limit on `today`; of several waivers in force the loosest, and of equally loose ones the first declared."""
    own = quality.threshold(measure)
    about = [waiver for waiver in quality.waivers if waiver.covers(measure, site, instrument)]
    in_force = [waiver for waiver in about if waiver.until >= today]
    if in_force:
        loosest = reduce(
            lambda one, other: other if quality.is_looser(measure, other.threshold, one.threshold) else one, in_force
        )
        return Limit(loosest.threshold, own, loosest)
    return Limit(own, own, ended=max((waiver.until for waiver in about), default=None))
