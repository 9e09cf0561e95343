"""The six intraclass correlations of Shrout and Fleiss with F intervals, from complete ratings or from components.

What belongs here: formulas on objects × raters. What does not: which ratings (`agreement`), or estimation of components
(`rating_components`).

ICC1: each object has raters of its own. ICC2: raters are a sample and their level counts (absolute agreement). ICC3:
these raters only (consistency). k: the mean of the raters. (Shrout and Fleiss 1979; intervals for ICC2: McGraw and Wong
1996, as psych prints them.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of objects × raters: between objects, between raters, within objects, and error."""

    objects: float
    raters: float
    within: float
    error: float
    n: int
    """Objects."""
    k: int
    """Raters."""


@dataclass(frozen=True)
class Intraclass:
    """One coefficient; its F tests that it is 0. Limits are null where F has no finite value."""

    form: str
    estimate: float
    ci_low: float | None
    ci_high: float | None
    f: float
    df: int
    df_error: int
    p_value: float


def mean_squares(ratings: Floats) -> MeanSquares:
    """Of a two-way layout without repetition.

    Args:
        ratings: objects × raters, complete.

    Raises:
        NotEstimableError: fewer than two objects or raters.
    """
    n, k = ratings.shape
    if n < 2 or k < 2:
        raise NotEstimableError("fewer than 2 objects have ratings by all raters, or there is one rater")
    grand = ratings.mean()
    of_objects = k * float(((ratings.mean(axis=1) - grand) ** 2).sum())
    of_raters = n * float(((ratings.mean(axis=0) - grand) ** 2).sum())
    total = float(((ratings - grand) ** 2).sum())
    error = max(total - of_objects - of_raters, 0.0)
    return MeanSquares(
        objects=of_objects / (n - 1),
        raters=of_raters / (k - 1),
        within=(total - of_objects) / (n * (k - 1)),
        error=error / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )


def mean_squares_of(objects: float, raters: float, error: float, n: int, k: int) -> MeanSquares:
    """The mean squares to be expected from variance components, for coefficients in their variance-component form."""
    of_raters, of_error = n * raters + error, error
    within = ((k - 1) * of_raters + (n - 1) * (k - 1) * of_error) / (n * (k - 1))
    return MeanSquares(k * objects + error, of_raters, within, of_error, n, k)


def intraclass(squares: MeanSquares, level: float = 0.95) -> list[Intraclass]:
    """ICC1, ICC1k, ICC2, ICC2k, ICC3 and ICC3k.

    Raises:
        NotEstimableError: no difference between objects nor between raters.
    """
    b, j, w, e, n, k = (getattr(squares, name) for name in ("objects", "raters", "within", "error", "n", "k"))
    if b <= 1e-14 and w <= 1e-14:
        raise NotEstimableError("all ratings are the same")
    single2 = (b - e) / (b + (k - 1) * e + k * (j - e) / n)
    own, other = _by_f(b, w, n - 1, n * (k - 1), k, level), _by_f(b, e, n - 1, (n - 1) * (k - 1), k, level)
    absolute = _absolute_limits(squares, single2, level)
    mean2 = (b - e) / (b + (j - e) / n) if b + (j - e) / n > 0 else float("nan")
    stepped = (_stepped_up(absolute[0], k), _stepped_up(absolute[1], k))
    return [
        _form("ICC1", (b - w) / (b + (k - 1) * w), own[0], own[2]),
        _form("ICC1k", (b - w) / b if b > 0 else float("nan"), own[1], own[2]),
        _form("ICC2", single2, absolute, other[2]),
        _form("ICC2k", mean2, stepped, other[2]),
        _form("ICC3", (b - e) / (b + (k - 1) * e), other[0], other[2]),
        _form("ICC3k", (b - e) / b if b > 0 else float("nan"), other[1], other[2]),
    ]


Limits = tuple[float | None, float | None]
Test = tuple[float, int, int, float]


def _form(form: str, estimate: float, limits: Limits, test: Test) -> Intraclass:
    return Intraclass(form, estimate, limits[0], limits[1], test[0], test[1], test[2], test[3])


def _by_f(top: float, bottom: float, df: int, df_error: int, k: int, level: float) -> tuple[Limits, Limits, Test]:
    """Limits of one rating and of the mean of k, and the F test."""
    from scipy.stats import f

    if bottom <= 1e-14:
        return (None, None), (None, None), (float("inf"), df, df_error, 0.0)
    tail = (1 + level) / 2
    ratio = top / bottom
    low, high = ratio / float(f.ppf(tail, df, df_error)), ratio * float(f.ppf(tail, df_error, df))
    test = (ratio, df, df_error, float(f.sf(ratio, df, df_error)))
    mean = (1 - 1 / low if low > 0 else None, 1 - 1 / high if high > 0 else None)
    return ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1)), mean, test


def _absolute_limits(squares: MeanSquares, estimate: float, level: float) -> Limits:
    """Limits of ICC2, with Satterthwaite's degrees of freedom for raters and error together."""
    from scipy.stats import f

    b, j, e, n, k = squares.objects, squares.raters, squares.error, squares.n, squares.k
    if e <= 1e-14:
        return None, None
    ratio = j / e
    term = n * (1 + (k - 1) * estimate) - k * estimate
    top = (k - 1) * (n - 1) * (k * estimate * ratio + term) ** 2
    bottom = (n - 1) * k**2 * estimate**2 * ratio**2 + term**2
    df = top / bottom
    tail = (1 + level) / 2
    high_f, low_f = float(f.ppf(tail, n - 1, df)), float(f.ppf(tail, df, n - 1))
    rest = k * j + (k * n - k - n) * e
    return n * (b - high_f * e) / (high_f * rest + n * b), n * (low_f * b - e) / (rest + n * low_f * b)


def _stepped_up(single: float | None, k: int) -> float | None:
    """Spearman and Brown: the mean of k ratings from one."""
    if single is None or 1 + single * (k - 1) <= 0:
        return None
    return single * k / (1 + single * (k - 1))
