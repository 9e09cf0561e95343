"""Limits of a share that respect small counts: Wilson's score interval, and where a unit stands beside the network.

What belongs here: the interval, the rule that says when nothing is said, and what may be shown of other units. What
does not: which shares are compared, or drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assets.publishing.formatting import NOT_APPLICABLE, THIN_SPACE
from assets.publishing.quality.charts import median

Z = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""
SMALLEST = 5
"""Below so many expected nothing is compared or drawn."""
FEWEST_OTHERS = 3
"""A median of the others is shown from so many other units on; of fewer, one unit's share could be worked out."""
STEP = 20
"""The others' median is shown in twentieths (5 %), so that no unit's small counts can be read from it."""
NEARLY_NONE, NEARLY_ALL = 0.025, 0.975
Standing = Literal["above", "below", "like", "few", "alone"]


def wilson(n: int, of: int) -> tuple[float, float]:
    """95 % limits of a share after Wilson (1927), J. Am. Stat. Assoc. 22, 209–212.

    Args:
        n: how many have it.
        of: of how many; above 0.

    Returns:
        Lower and upper limit, 0–1.
    """
    p, z2 = n / of, Z * Z
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Beside:
    """A unit's share with its limits beside the median of the other units.

    `low`, `high`, `rate` are None below SMALLEST; `others`, rounded, is None where too few other units have enough.
    """

    n: int
    of: int
    rate: float | None
    low: float | None
    high: float | None
    others: float | None
    standing: Standing

    @property
    def others_words(self) -> str:
        """The rounded median; 0 and 100 % are said only where they are exact."""
        if self.others is None:
            return NOT_APPLICABLE
        mark = {NEARLY_NONE: "under ", NEARLY_ALL: "over "}.get(self.others, "")
        return (
            f"{mark}{math.ceil(100 * self.others) if self.others < 0.5 else math.floor(100 * self.others)}{THIN_SPACE}%"
        )


def beside(own: tuple[int, int], others: Sequence[tuple[int, int]]) -> Beside:
    """Compare a unit's (n, of) with those of the other units.

    Above or below is said only where the limits lie beside the whole step that the median was rounded from, so that
    the comparison tells no more of the other units than the rounded median does. A median of exactly none or all has
    its step too: Wilson's limits of a share with a single miss never reach 100 %.
    """
    shown = rounded(others_median(others))
    n, of = own
    if of < SMALLEST:
        return Beside(n, of, None, None, None, shown, "few")
    low, high = wilson(n, of)
    if shown is None:
        return Beside(n, of, n / of, low, high, None, "alone")
    half = 0.5 / STEP
    standing: Standing = "below" if high < shown - half else "above" if low > shown + half else "like"
    return Beside(n, of, n / of, low, high, shown, standing)


def others_median(others: Sequence[tuple[int, int]]) -> float | None:
    """Median share of the other units that have SMALLEST or more; None where fewer than FEWEST_OTHERS have."""
    rates = [min(1.0, n / of) for n, of in others if of >= SMALLEST]
    return median(rates) if len(rates) >= FEWEST_OTHERS else None


def rounded(share: float | None) -> float | None:
    """To twentieths; what is not exactly none or all does not become it."""
    if share is None or share in (0.0, 1.0):
        return share
    return min(NEARLY_ALL, max(NEARLY_NONE, round(share * STEP) / STEP))
