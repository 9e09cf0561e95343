"""Agreement of two raters: Pearson's correlation and weighted kappa, each with an interval.

What belongs here: formulas on two arrays of ratings. What does not: which ratings (`agreement`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError

Floats = NDArray[np.float64]


def pearson(one: Floats, other: Floats, level: float = 0.95) -> dict[str, float | str]:
    """Correlation with t test and Fisher's z interval, as R's cor.test: columns of a result row.

    Raises:
        NotEstimableError: fewer than four pairs, or a rater whose ratings are all the same.
    """
    from scipy.stats import pearsonr

    n = len(one)
    if n < 4:
        raise NotEstimableError("fewer than 4 pairs of ratings")
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        raise NotEstimableError("a rater gave the same rating to all")
    found = pearsonr(one, other)
    limits = found.confidence_interval(level)
    r = float(found.statistic)
    left = 1 - r * r
    return {
        "estimate": r,
        "ci_low": float(limits.low),
        "ci_high": float(limits.high),
        "ci_method": "Fisher's z",
        "statistic": r * math.sqrt((n - 2) / left) if left > 0 else math.inf,
        "df": float(n - 2),
        "p_value": float(found.pvalue),
    }


def weighted_kappa(one: Floats, other: Floats, categories: Floats, weights: str) -> dict[str, float | str]:
    """Weighted kappa over every category that a rating can have, equally spaced (Cohen 1968): columns of a result row.

    The interval is normal with the large-sample error of Fleiss, Cohen and Everitt (1969), by statsmodels.

    Args:
        one: ratings.
        other: ratings of the same objects.
        categories: every possible rating, lowest first.
        weights: `linear` or `quadratic`.

    Raises:
        NotEstimableError: no pair, a rating between categories, or one category alone.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    if len(one) < 2:
        raise NotEstimableError("fewer than 2 pairs of ratings")
    places = [np.searchsorted(categories, values - 1e-9) for values in (one, other)]
    for place, values in zip(places, (one, other), strict=True):
        inside = np.minimum(place, len(categories) - 1)
        if (np.abs(categories[inside] - values) > 1e-6).any():
            raise NotEstimableError("a rating lies between the scale's values (an average, or prorated)")
    if len(np.unique(np.concatenate(places))) < 2:
        raise NotEstimableError("both raters used one category only")
    table = np.zeros((len(categories), len(categories)))
    np.add.at(table, (places[0], places[1]), 1)
    found = cohens_kappa(table, wt=weights)
    row: dict[str, float | str] = {"estimate": float(found.kappa)}
    if np.isfinite(found.std_kappa):
        row |= {"ci_low": float(found.kappa_low), "ci_high": float(found.kappa_upp)}
        row["ci_method"] = "normal, Fleiss, Cohen and Everitt (1969)"
    return row
