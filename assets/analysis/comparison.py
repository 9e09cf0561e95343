"""Two fitted models on the same rows: the likelihood-ratio test, and the share of a variance that a model explains.

What belongs here: formulas over two fits, and why there is no number. What does not: fitting (`mixed_model`), which
models are compared (`model_work`), or resampling (`bootstrap`).
"""

from __future__ import annotations

from typing import Any

from assets.analysis.mixed_model import SINGULAR_TOLERANCE, MixedModelFit

WORSE = 1e-4
"""A larger model's log-likelihood may be lower by this much: both are maximised numerically."""


def likelihood_ratio(fitted: MixedModelFit, other: MixedModelFit) -> dict[str, Any]:
    """2 (LL − LL of the smaller model) as χ² with the difference in parameters as df: columns of results.comparison.

    Where a random slope is added, its variance is tested on the boundary of what it may be. With k fixed effects more,
    the statistic is a mixture 0.5 χ²(k+1) + 0.5 χ²(k+2) then (Self and Liang 1987; Stram and Lee 1994): `p_mixture`.
    `p_value` is χ²(k+2), which is too large. Give fits by ML where fixed effects differ: a REML likelihood changes with
    them.
    """
    from scipy.stats import chi2

    counts = {"n_patients": fitted.n_patients, "n_observations": fitted.n_observations}
    for one, which in ((fitted, "the model"), (other, "the model compared with")):
        if one.reason is not None:
            return counts | {"reason": f"{which} was not fitted: {one.reason}"}
    if other.n_observations != fitted.n_observations:
        return counts | {"reason": "the model compared with has other columns with missing values, so other rows"}
    own, smaller = set(fitted.estimates["term"]), set(other.estimates["term"])
    more_covariances = _n_covariances(fitted) - _n_covariances(other)
    if not smaller <= own or more_covariances < 0 or (smaller == own and more_covariances == 0):
        return counts | {"reason": "the models are not nested: the one compared with needs to be part of the other"}
    df = len(own) - len(smaller) + more_covariances
    assert fitted.log_likelihood is not None and other.log_likelihood is not None
    statistic = 2 * (fitted.log_likelihood - other.log_likelihood)
    if statistic < -2 * WORSE:
        return counts | {"reason": "the larger model fits worse than its part, so it was not maximised"}
    statistic = max(statistic, 0.0)
    method = f"likelihood ratio, {fitted.method.partition(',')[0]}"
    found = {"chi_square": statistic, "df": df, "p_value": float(chi2.sf(statistic, df))}
    if more_covariances:
        found["p_mixture"] = float(0.5 * chi2.sf(statistic, df - 1) + 0.5 * chi2.sf(statistic, df))
        method += f"; p_mixture: 0.5 chi-square({df - 1}) + 0.5 chi-square({df})"
    return counts | found | {"method": method}


def explained(fitted: MixedModelFit, reference: MixedModelFit, variance: str) -> tuple[float | None, str | None]:
    """100 (1 − variance of the model / variance of the reference), never clipped; or None and the reason.

    `variance` is `var_intercept` or `var_slope`. A random intercept's variance depends on where time is zero, so its
    share does, too (Raudenbush and Bryk 2002, chapter 4).
    """
    for one, which in ((fitted, "the model"), (reference, "the reference")):
        if one.reason is not None:
            return None, f"{which} was not fitted: {one.reason}"
    if fitted.n_observations != reference.n_observations:
        return None, "the reference has other columns with missing values, so other rows"
    assert reference.var_residual is not None
    return share_of(getattr(fitted, variance), getattr(reference, variance), reference.var_residual, variance)


def share_of(
    own: float | None, before: float | None, residual: float, variance: str
) -> tuple[float | None, str | None]:
    """The same from the two variances (slopes per month) and the reference's residual variance."""
    what = "intercept" if variance == "var_intercept" else "slope"
    if own is None or before is None:
        return None, f"there is no random {what} in both models"
    if before <= SINGULAR_TOLERANCE**2 * residual:
        return None, f"the reference has no variance of the {what} that could be explained"
    return float(100 * (1 - own / before)), None


def _n_covariances(fitted: MixedModelFit) -> int:
    return 1 if fitted.var_slope is None else 3
