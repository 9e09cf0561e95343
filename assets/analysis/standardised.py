"""Standardised mean differences between two occasions or two arms, each variant by its name, with an interval.

What belongs here: the formulas and their sources, on plain arrays. What does not: where the values come from
(`effect_sizes`).

Names: d is not corrected for small samples, g is. `_approx` marks Hedges' approximation 1 − 3 / (4 m − 1) of the exact
correction J(m). z: by the SD of the change (SMCC). av: by √((s₁² + s₂²) / 2), the pooled SD of both occasions. pre: by
the SD before (SMCR). rm: z brought to the metric of the scores, × √(2 (1 − r)) (Morris and DeShon 2002). A change is
after − before, so its sign is that of the scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
METAFOR = "normal, large-sample variance (as metafor)"
BONETT = "normal, variance of Bonett (2008)"
NONCENTRAL = "noncentral t"
CONSTANT = "the change is the same for everyone"
TIMES_J = "limits of the uncorrected one, times the correction"


@dataclass(frozen=True)
class Effect:
    """One variant. Where it cannot be computed only `variant` and `reason` are there."""

    variant: str
    estimate: float | None = None
    std_error: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_method: str | None = None
    reason: str | None = None


def exact_correction(m: float) -> float:
    """Hedges' J(m) = Γ(m/2) / (√(m/2) Γ((m−1)/2)) with m degrees of freedom (Hedges 1981); m above 1."""
    return math.exp(math.lgamma(m / 2) - math.log(math.sqrt(m / 2)) - math.lgamma((m - 1) / 2))


def approximate_correction(m: float) -> float:
    """1 − 3 / (4 m − 1) (Hedges 1981)."""
    return 1 - 3 / (4 * m - 1)


def noncentral_interval(t: float, df: float, level: float = 0.95) -> tuple[float, float]:
    """Limits of the noncentrality parameter of an observed t (Steiger and Fouladi 1997).

    The noncentrality λ for which t is the (1 − α/2) quantile, and that for which it is the α/2 quantile.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    tail = (1 - level) / 2

    def limit(probability: float) -> float:
        # P(T ≤ t) falls as the noncentrality grows
        width = 4 * math.sqrt(1 + t * t / (2 * df)) + 4
        low, high = t - width, t + width
        for _ in range(20):
            if nct.cdf(t, df, low) > probability > nct.cdf(t, df, high):
                break
            low, high = low - width, high + width
        return float(brentq(lambda nc: nct.cdf(t, df, nc) - probability, low, high, xtol=1e-10))

    return limit(1 - tail), limit(tail)


def paired_effects(before: Floats, after: Floats) -> list[Effect]:
    """Every variant of the change of the same patients.

    Args:
        before: values before, at least two.
        after: values after, of the same patients in the same order.
    """
    n = len(before)
    v1, v2 = float(np.var(before, ddof=1)), float(np.var(after, ddof=1))
    covariance = float(np.cov(before, after)[0, 1])
    change = after - before
    mean = float(change.mean())
    vd = float(np.var(change, ddof=1))
    is_constant = float(np.ptp(change)) == 0
    df = n - 1
    effects = [_mean_change(mean, vd, n, is_constant)]
    effects += _by_change(mean, vd, v1, v2, covariance, n, is_constant)
    effects += _by_both(mean, vd, v1, v2, covariance, df)
    effects += _by_before(mean, vd, v1, v2, covariance, n)
    return effects


def _mean_change(mean: float, vd: float, n: int, is_constant: bool) -> Effect:
    from scipy.stats import t as student

    if is_constant:
        return Effect("mean_change", mean, reason=CONSTANT)
    error, quantile = math.sqrt(vd / n), float(student.ppf(0.975, n - 1))
    return Effect("mean_change", mean, error, mean - quantile * error, mean + quantile * error, "paired t")


def _by_change(
    mean: float, vd: float, v1: float, v2: float, covariance: float, n: int, is_constant: bool
) -> list[Effect]:
    names = ("d_z", "g_z", "g_z_approx", "d_rm", "g_rm", "g_rm_approx")
    if is_constant:
        return [Effect(name, reason=CONSTANT) for name in names]
    df = n - 1
    d = mean / math.sqrt(vd)
    low, high = (limit / math.sqrt(n) for limit in noncentral_interval(d * math.sqrt(n), df))
    effects = [Effect("d_z", d, None, low, high, NONCENTRAL)]
    effects += _corrected("g_z", d, df, lambda g: 1 / n + g * g / (2 * n))
    if v1 == 0 or v2 == 0:
        reason = "one occasion has no variance, so there is no correlation"
        return effects + [Effect(name, reason=reason) for name in names[3:]]
    factor = math.sqrt(max(2 * (1 - covariance / math.sqrt(v1 * v2)), 0.0))
    rm = Effect("d_rm", d * factor, None, low * factor, high * factor, f"{NONCENTRAL} of d_z, times √(2 (1 − r))")
    return [*effects, rm, *_times_correction("g_rm", rm, df)]


def _by_both(mean: float, vd: float, v1: float, v2: float, covariance: float, df: int) -> list[Effect]:
    square = (v1 + v2) / 2
    if square == 0:
        return [Effect(name, reason="neither occasion has any variance") for name in ("d_av", "g_av", "g_av_approx")]
    d = mean / math.sqrt(square)
    variance = d * d * (v1**2 + v2**2 + 2 * covariance**2) / (8 * df * square**2) + vd / (df * square)
    av = _normal("d_av", d, variance, BONETT)
    return [av, *_times_correction("g_av", av, df)]


def _by_before(mean: float, vd: float, v1: float, v2: float, covariance: float, n: int) -> list[Effect]:
    if v1 == 0:
        reason = "there is no variance before"
        return [Effect(name, reason=reason) for name in ("d_pre", "g_pre", "g_pre_approx")]
    df = n - 1
    d = mean / math.sqrt(v1)
    effects = [_normal("d_pre", d, d * d / (2 * df) + vd / (df * v1), BONETT)]
    if v2 == 0:
        reason = "there is no variance after, so there is no correlation"
        return effects + [Effect(name, reason=reason) for name in ("g_pre", "g_pre_approx")]
    r = covariance / math.sqrt(v1 * v2)
    return effects + _corrected("g_pre", d, df, lambda g: 2 * (1 - r) / n + g * g / (2 * n))


def between_effects(treated: Floats, reference: Floats) -> list[Effect]:
    """Difference of two independent groups, treated − reference, by their pooled SD.

    g_post is Hedges' g with the exact correction and the large-sample variance 1/n₁ + 1/n₂ + g² / (2 (n₁ + n₂)), as
    metafor's SMD.
    """
    n1, n2 = len(treated), len(reference)
    df = n1 + n2 - 2
    pooled = _pooled_variance(treated, reference)
    names = ("d_post", "g_post", "g_post_approx")
    if pooled == 0:
        return [Effect(name, reason="neither arm has any variance") for name in names]
    d = float(treated.mean() - reference.mean()) / math.sqrt(pooled)
    root = math.sqrt(1 / n1 + 1 / n2)
    low, high = (limit * root for limit in noncentral_interval(d / root, df))
    effects = [Effect("d_post", d, None, low, high, NONCENTRAL)]
    return effects + _corrected("g_post", d, df, lambda g: 1 / n1 + 1 / n2 + g * g / (2 * (n1 + n2)))


def change_between_arms(treated: tuple[Floats, Floats], reference: tuple[Floats, Floats]) -> Effect:
    """d_ppc2: difference in change by the pooled SD before (Morris 2008, Organizational Research Methods 11, 364–386).

    Formula: c (Δ_T − Δ_C) / s_pre with c = 1 − 3 / (4 (n_T + n_C − 2) − 1); its variance is his equation 25, with the
    estimate before correction in place of δ in the bracket, r pooled by n.

    Args:
        treated: before and after of the treated arm, the same patients in both.
        reference: the same of the other arm.
    """
    (x1, y1), (x2, y2) = treated, reference
    n1, n2 = len(x1), len(x2)
    pooled = _pooled_variance(x1, x2)
    if pooled == 0:
        return Effect("d_ppc2", reason="there is no variance before")
    if any(float(np.ptp(values)) == 0 for values in (x1, y1, x2, y2)):
        return Effect("d_ppc2", reason="an arm has no variance at one occasion, so there is no correlation")
    df = n1 + n2 - 2
    if df < 3:
        return Effect("d_ppc2", reason="fewer than 5 patients have both occasions")
    correction = approximate_correction(df)
    raw = float((y1 - x1).mean() - (y2 - x2).mean()) / math.sqrt(pooled)
    r = float(np.corrcoef(x1, y1)[0, 1] * n1 + np.corrcoef(x2, y2)[0, 1] * n2) / (n1 + n2)
    if r >= 1:
        return Effect("d_ppc2", reason="before and after are perfectly correlated")
    size = (n1 + n2) / (n1 * n2)
    estimate = correction * raw
    bracket = 1 + raw**2 / (2 * (1 - r) * size)
    variance = correction**2 * 2 * (1 - r) * size * (df / (df - 2)) * bracket - estimate**2
    return _normal("d_ppc2", estimate, variance, "normal, variance of Morris (2008)")


def _pooled_variance(one: Floats, other: Floats) -> float:
    n1, n2 = len(one), len(other)
    return float(((n1 - 1) * np.var(one, ddof=1) + (n2 - 1) * np.var(other, ddof=1)) / (n1 + n2 - 2))


def _normal(variant: str, estimate: float, variance: float, method: str) -> Effect:
    if variance < 0:
        return Effect(variant, estimate, reason="its variance formula gives a negative value in a sample this small")
    error = math.sqrt(variance)
    return Effect(variant, estimate, error, estimate - Z95 * error, estimate + Z95 * error, method)


def _corrections(variant: str, df: int) -> list[tuple[str, float]]:
    return [(variant, exact_correction(df)), (f"{variant}_approx", approximate_correction(df))]


_TOO_FEW = "fewer than 2 degrees of freedom; the correction needs them"


def _corrected(variant: str, d: float, df: int, variance: Callable[[float], float]) -> list[Effect]:
    if df < 2:
        return [Effect(name, reason=_TOO_FEW) for name in (variant, f"{variant}_approx")]
    return [_normal(name, j * d, variance(j * d), METAFOR) for name, j in _corrections(variant, df)]


def _times_correction(variant: str, of: Effect, df: int) -> list[Effect]:
    if df < 2 or of.estimate is None or of.ci_low is None or of.ci_high is None:
        return [Effect(name, reason=of.reason or _TOO_FEW) for name in (variant, f"{variant}_approx")]
    return [
        Effect(
            *(name, j * of.estimate, None if of.std_error is None else j * of.std_error),
            *(j * of.ci_low, j * of.ci_high, TIMES_J),
        )
        for name, j in _corrections(variant, df)
    ]
