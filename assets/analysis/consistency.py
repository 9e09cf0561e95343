"""Internal consistency from the answers to items: Cronbach's alpha with Feldt's interval, McDonald's omega.

What belongs here: formulas on an array of forms × items, missing answers as NaN, every item running the same way.
What does not: which forms (`reliability`), or reversal (`item_answers`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.resampling import resampling_counts

Floats = NDArray[np.float64]
SMALLEST_UNIQUENESS = 0.005
"""Of an item's variance; where the likelihood would go further the solution is improper (a Heywood case)."""
_FORMS = 5000


def pairwise_covariance(answers: Floats) -> Floats:
    """Covariances of each two items over the forms that have both (as R's `use = "pairwise"`).

    Raises:
        NotEstimableError: two items were never answered together, or an item never varies.
    """
    is_there = ~np.isnan(answers)
    # exact in the products: a form lacks the pair wherever it lacks either of the two
    value = np.where(is_there, answers - np.nanmean(answers, axis=0), 0.0)
    there = is_there.astype(float)
    n = there.T @ there
    if (n < 2).any():
        raise NotEstimableError("two items were answered together on fewer than 2 forms")
    sums = value.T @ there
    covariance: Floats = (value.T @ value - sums * sums.T / n) / (n - 1)
    if (np.diag(covariance) <= 1e-12).any():
        raise NotEstimableError("an item has the same answer on every form")
    return covariance


def alpha(covariance: Floats) -> float:
    """Cronbach's alpha: k / (k − 1) × (1 − Σ variances / Σ of all covariances) (Cronbach 1951).

    Raises:
        NotEstimableError: fewer than two items, or a sum without variance.
    """
    k = len(covariance)
    if k < 2:
        raise NotEstimableError("alpha needs at least 2 items")
    total = float(covariance.sum())
    if total <= 1e-12:
        raise NotEstimableError("the sum of the items has no variance")
    return float(k / (k - 1) * (1 - np.trace(covariance) / total))


def standardised_alpha(covariance: Floats) -> float:
    """Alpha of the correlations."""
    return alpha(correlation(covariance))


def correlation(covariance: Floats) -> Floats:
    """Correlations from covariances."""
    sd = np.sqrt(np.diag(covariance))
    found: Floats = covariance / np.outer(sd, sd)
    return found


def mean_correlation(covariance: Floats) -> float:
    """Mean of the correlations between different items."""
    k = len(covariance)
    return float((correlation(covariance).sum() - k) / (k * (k - 1)))


def feldt_interval(estimate: float, n: int, k: int, level: float = 0.95) -> tuple[float, float]:
    """Limits of alpha: 1 − (1 − α) F with n − 1 and (n − 1)(k − 1) degrees of freedom (Feldt 1965; as psych).

    Args:
        estimate: alpha.
        n: forms; at least 2.
        k: items; at least 2.
        level: coverage.
    """
    from scipy.stats import f

    tail = (1 - level) / 2
    low, high = (float(f.ppf(p, n - 1, (n - 1) * (k - 1))) for p in (1 - tail, tail))
    return 1 - (1 - estimate) * low, 1 - (1 - estimate) * high


@dataclass(frozen=True)
class Omega:
    """Omega total of one common factor. `n_resamples` counts the resamples that gave a value."""

    estimate: float
    ci_low: float | None
    ci_high: float | None
    n: int
    n_resamples: int
    is_improper: bool
    """An item's own variance went to its bound."""


def omega(answers: Floats, n_resamples: int, seed: int, minimum: int = 30) -> Omega:
    """McDonald's omega total: (Σλ)² / ((Σλ)² + Σψ) of one factor by maximum likelihood, on complete forms.

    Loadings λ and uniquenesses ψ are in raw units, so that it is the omega of the summed items (McDonald 1999, equation
    6.20b). Limits: percentiles of a bootstrap over forms.

    Raises:
        NotEstimableError: fewer than three items, fewer than `minimum` complete forms, or an item that never varies.
    """
    complete = answers[~np.isnan(answers).any(axis=1)]
    n, k = complete.shape
    if k < 3:
        raise NotEstimableError(f"omega needs 3 items or more; the scale has {k}")
    if n < max(minimum, k + 1):
        raise NotEstimableError(f"fewer than {max(minimum, k + 1)} forms are complete")
    if (np.ptp(complete, axis=0) == 0).any():
        raise NotEstimableError("an item has the same answer on every complete form")
    centred = complete - complete.mean(axis=0)
    point, is_improper = _omegas((centred.T @ centred / (n - 1))[None], tolerance=1e-10, most=20_000)
    found = []
    for counts in resampling_counts(n, n_resamples, seed):
        mean = counts @ centred / n
        covariance = _squares(centred, counts) / n - mean[:, :, None] * mean[:, None, :]
        found.append(_omegas(covariance, tolerance=1e-6, most=1000)[0])
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) >= 50 else (None, None)
    return Omega(
        float(point[0]),
        None if low is None else float(low),
        None if high is None else float(high),
        n,
        len(values),
        bool(is_improper[0]),
    )


def _squares(centred: Floats, counts: Floats) -> Floats:
    """Sums of squares and products for each row of counts, a few thousand forms at a time."""
    n, k = centred.shape
    total = np.zeros((len(counts), k * k))
    for start in range(0, n, _FORMS):
        part = centred[start : start + _FORMS]
        products = (part[:, :, None] * part[:, None, :]).reshape(len(part), k * k)
        total += counts[:, start : start + _FORMS] @ products
    return total.reshape(-1, k, k)


def _omegas(covariance: Floats, tolerance: float, most: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Omega of each covariance matrix (resamples × items × items), NaN where an item does not vary."""
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    with np.errstate(all="ignore"):
        standard = covariance / (sd[:, :, None] * sd[:, None, :])
    is_sound = np.isfinite(standard).all(axis=(1, 2))
    found = np.full(len(covariance), np.nan)
    improper = np.zeros(len(covariance), dtype=np.bool_)
    if is_sound.any():
        loading, unique = one_factor(standard[is_sound], tolerance, most)
        scale = sd[is_sound]
        common = (loading * scale).sum(axis=1) ** 2
        found[is_sound] = common / (common + (unique * scale**2).sum(axis=1))
        improper[is_sound] = (unique <= SMALLEST_UNIQUENESS * 1.001).any(axis=1)
    return found, improper


def one_factor(correlations: Floats, tolerance: float, most: int) -> tuple[Floats, Floats]:
    """Loadings and uniquenesses of one factor by maximum likelihood, of each of several correlation matrices.

    The EM algorithm of Rubin and Thayer (1982), which for one factor needs no inverse; it stops where no loading moves
    by more than `tolerance`, or after `most` rounds.

    Args:
        correlations: matrices × items × items.
        tolerance: of a standardised loading.
        most: rounds.
    """
    first = np.linalg.eigh(correlations)
    loading = first.eigenvectors[:, :, -1] * np.sqrt(first.eigenvalues[:, -1:]) * 0.8
    loading *= np.where(loading.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    variance = np.diagonal(correlations, axis1=1, axis2=2)
    unique = np.maximum(variance - loading**2, SMALLEST_UNIQUENESS)
    open_ = np.arange(len(correlations))
    for _ in range(most):
        matrix, current = correlations[open_], loading[open_]
        weight = current / unique[open_]
        weight /= 1 + (weight * current).sum(axis=1, keepdims=True)
        cross = np.matmul(matrix, weight[:, :, None])[:, :, 0]
        spread = (weight * cross).sum(axis=1, keepdims=True) + 1 - (weight * current).sum(axis=1, keepdims=True)
        new = cross / spread
        loading[open_] = new
        unique[open_] = np.maximum(variance[open_] - new * cross, SMALLEST_UNIQUENESS)
        open_ = open_[np.abs(new - current).max(axis=1) > tolerance]
        if len(open_) == 0:
            break
    return loading, unique
