"""Linear linking of two forms through common items, from moments of score and anchor in the takers of each form.

What belongs here: formulas with their source, for one sample or for many resamples at once. What does not: which forms
and items (`linking`).

X is the score on the first form, Y that on the second, V the anchor: the mean of the common items, which are part of
either score (an internal anchor). Formulas: Kolen and Brennan (2014), Test Equating, Scaling, and Linking, chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Means, variances and covariance of score and anchor in the takers of one form; an entry for each resample."""

    score: Floats
    anchor: Floats
    score_variance: Floats
    anchor_variance: Floats
    covariance: Floats
    n: Floats

    @property
    def correlation(self) -> Floats:
        """Of score and anchor."""
        found: Floats = self.covariance / np.sqrt(self.score_variance * self.anchor_variance)
        return found


def moments(score: Floats, anchor: Floats, counts: Floats) -> Moments:
    """Moments over forms counted as often as a row of `counts` says (resamples × forms)."""
    n = counts.sum(axis=1)
    centre = float(score.mean()), float(anchor.mean())
    x, v = score - centre[0], anchor - centre[1]
    with np.errstate(all="ignore"):
        mean_x, mean_v = counts @ x / n, counts @ v / n
        return Moments(
            mean_x + centre[0],
            mean_v + centre[1],
            (counts @ x**2 - n * mean_x**2) / (n - 1),
            (counts @ v**2 - n * mean_v**2) / (n - 1),
            (counts @ (x * v) - n * mean_x * mean_v) / (n - 1),
            n,
        )


def link(method: str, first: Moments, second: Moments, weight: float | None = None) -> tuple[Floats, Floats]:
    """Slope and intercept of y = intercept + slope x, an entry for each resample.

    tucker: the regression of score on anchor is the same in both groups. levine_observed: true scores of form and
    anchor are perfectly correlated and congeneric (internal anchor). Both through the synthetic population with
    `weight` of the first group (None: by numbers). chained_linear: x to the anchor in the first group, the anchor to y
    in the second, each by equal means and SDs. equivalent_groups: equal means and SDs of the two scores, as if both
    groups were samples of one population; the anchor is not used.
    """
    with np.errstate(all="ignore"):
        if method == "equivalent_groups":
            slope = np.sqrt(second.score_variance / first.score_variance)
            return slope, second.score - slope * first.score
        if method == "chained_linear":
            there = np.sqrt(first.anchor_variance / first.score_variance)
            back = np.sqrt(second.score_variance / second.anchor_variance)
            slope = there * back
            return slope, second.score + back * (first.anchor - second.anchor) - slope * first.score
        if method == "tucker":
            gamma1 = first.covariance / first.anchor_variance
            gamma2 = second.covariance / second.anchor_variance
        else:
            gamma1 = first.score_variance / first.covariance
            gamma2 = second.score_variance / second.covariance
        return _through_synthetic(first, second, gamma1, gamma2, weight)


def _through_synthetic(
    first: Moments, second: Moments, gamma1: Floats, gamma2: Floats, weight: float | None
) -> tuple[Floats, Floats]:
    w1 = first.n / (first.n + second.n) if weight is None else np.full_like(first.n, weight)
    w2 = 1 - w1
    mean_gap = first.anchor - second.anchor
    variance_gap = first.anchor_variance - second.anchor_variance
    mean_x = first.score - w2 * gamma1 * mean_gap
    mean_y = second.score + w1 * gamma2 * mean_gap
    between = w1 * w2 * mean_gap**2
    variance_x = first.score_variance - w2 * gamma1**2 * variance_gap + between * gamma1**2
    variance_y = second.score_variance + w1 * gamma2**2 * variance_gap + between * gamma2**2
    slope = np.sqrt(variance_y / variance_x)
    return slope, mean_y - slope * mean_x
