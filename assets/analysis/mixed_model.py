"""One linear mixed model: random intercept, or random intercept and slope with unstructured covariance, ML or REML.

What belongs here: what a fit says, and the units it is said in. What does not: the matrices (`design_matrix`), the
likelihood and its maximum (`likelihood`, `maximum`), the comparison with statsmodels (`reference`), or which models are
fitted (`declared`).

Time is fitted in years, where the variances are of one order of magnitude, and reported per month.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from assets.analysis.design_matrix import INTERCEPT, MONTHS_PER_YEAR, NotEstimableError, build_design
from assets.analysis.likelihood import ProfiledLikelihood
from assets.analysis.maximum import Maximum, maximise
from assets.analysis.patient_sums import Floats, PatientSums, from_matrices
from assets.analysis.satterthwaite import Contrast, Uncertainty, uncertainty
from assets.analysis.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["ML", "REML"]
Random = Literal["intercept", "intercept_and_slope"]
SINGULAR_TOLERANCE = 1e-4
"""lme4's `isSingular`: smallest diagonal element of Λ (relative to the residual SD, time in months)."""
ESTIMATE_COLUMNS = ("term", "estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
RANDOM_TEXT = {"intercept": "random intercept", "intercept_and_slope": "random intercept and slope (unstructured)"}
ENGINE = "profiled likelihood"
TEST_TEXT = "Satterthwaite t, 95 % interval"


@dataclass(frozen=True)
class Kernel:
    """What further computations need of a fit: the likelihood, its maximum, and the way back to reported units."""

    likelihood: ProfiledLikelihood
    maximum: Maximum
    uncertainty: Uncertainty
    months_power: Floats
    """p: how many times time is a factor of each term."""


@dataclass(frozen=True)
class MixedModelFit:
    """What one fit says; with a `reason` nothing was estimated and every number of it is null.

    `estimates` has a row for each term: t with Satterthwaite df, two-sided p, 95 % interval. Slopes are per month,
    `var_slope` per month squared. `is_converged`: the conditions for a maximum hold, inside or on the boundary.
    `is_singular`: the covariance of the random effects lies on the boundary (lme4's rule).

    AIC = −2LL + 2k and BIC = −2LL + k log(rows), with k fixed effects, covariances and the residual variance, under ML
    and REML alike, as lme4 counts. SPSS MIXED counts the covariances and the residual variance only under REML:
    `aic_spss`. Under ML both are equal.
    """

    estimates: pd.DataFrame
    fixed_covariance: pd.DataFrame
    """Covariance of the estimates, terms × terms."""
    method: str
    n_patients: int | None = None
    n_observations: int | None = None
    n_rows_dropped: int | None = None
    log_likelihood: float | None = None
    n_parameters: int | None = None
    aic: float | None = None
    aic_spss: float | None = None
    bic: float | None = None
    is_converged: bool | None = None
    is_singular: bool | None = None
    var_intercept: float | None = None
    var_slope: float | None = None
    cov_intercept_slope: float | None = None
    cor_intercept_slope: float | None = None
    var_residual: float | None = None
    theta: tuple[float, ...] | None = None
    """Λ11 (, Λ21, Λ22) with time in months, as lme4 gives it."""
    reason: str | None = None
    kernel: Kernel | None = None


def fit(
    frame: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    patient: str,
    time: str = "months",
    *,
    random: Random = "intercept_and_slope",
    method: Method = "ML",
) -> MixedModelFit:
    """Fit `outcome` on an intercept and `terms` (columns and `a:b` products), random effects by `patient`.

    Rows with a missing value in any column of the model are dropped and counted. `time` is in months.

    The deviance, profiled over fixed effects and residual variance, is minimised over the relative covariance factor of
    the random effects (Bates et al. 2015). Standard errors are those of generalised least squares, the root of the
    diagonal of s² (X'V⁻¹X)⁻¹. The REML likelihood is that of the design in months.

    A model that cannot be estimated comes back with a `reason` and nulls, not as an exception.
    """
    try:
        design = build_design(frame, outcome, terms, patient, time, has_slope=random == "intercept_and_slope")
        sums = from_matrices(design.y, design.x, design.z, design.patient)
        return fit_sums(
            sums,
            design.terms,
            design.months_power.astype(float),
            random=random,
            method=method,
            n_rows_dropped=design.n_rows_dropped,
            variance=float(np.var(design.y)),
        )
    except NotEstimableError as problem:
        return not_fitted(terms, random, method, str(problem))
    except np.linalg.LinAlgError:
        return not_fitted(terms, random, method, "the estimation met a singular matrix")


def finite_or_none(value: object) -> object:
    """The value, or None where it is a number that is none (NaN, infinite)."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def not_fitted(terms: Sequence[str], random: Random, method: Method, reason: str) -> MixedModelFit:
    """A fit that says why there is none: a row of nulls for each term."""
    import pandas as pd

    names = list(dict.fromkeys((INTERCEPT, *terms)))
    nulls = pd.DataFrame({"term": names} | {column: np.full(len(names), np.nan) for column in ESTIMATE_COLUMNS[1:]})
    empty = pd.DataFrame(np.nan, index=names, columns=names)
    return MixedModelFit(nulls, empty, f"{method}, {RANDOM_TEXT[random]}; not fitted", reason=reason)


def contrast(fitted: MixedModelFit, weights: Mapping[str, float]) -> Contrast:
    """Test of a linear combination of the fit's terms, in their units (slopes per month).

    Raises:
        NotEstimableError: nothing was fitted.
        KeyError: a term that the model does not have.
    """
    if fitted.kernel is None:
        raise NotEstimableError(fitted.reason or "nothing was fitted")
    return fitted.kernel.uncertainty.contrast(weights)


def fit_sums(
    sums: PatientSums,
    terms: Sequence[str],
    months_power: Floats,
    *,
    random: Random,
    method: Method,
    n_rows_dropped: int | None,
    variance: float,
) -> MixedModelFit:
    """Fit from sums over patients; time in years within, `variance` that of the outcome.

    Raises:
        NotEstimableError: no residual variance is left.
    """
    with single_threaded():
        return _fit_sums(sums, tuple(terms), months_power, random, method, n_rows_dropped, variance)


def _fit_sums(
    sums: PatientSums,
    terms: tuple[str, ...],
    months_power: Floats,
    random: Random,
    method: Method,
    n_rows_dropped: int | None,
    variance: float,
) -> MixedModelFit:
    likelihood = ProfiledLikelihood(sums, is_reml=method == "REML")
    found = maximise(likelihood)
    if not math.isfinite(found.at.deviance) or found.at.residual_variance <= 1e-10 * variance:
        raise NotEstimableError("the residual variance tends to zero; patients' own lines fit without error")
    return _report(
        likelihood,
        found,
        terms,
        months_power,
        random=random,
        method=method,
        dropped=n_rows_dropped,
    )


def _report(
    likelihood: ProfiledLikelihood,
    found: Maximum,
    terms: tuple[str, ...],
    months_power: Floats,
    *,
    random: Random,
    method: Method,
    dropped: int | None,
) -> MixedModelFit:
    """From years and scaled columns to months, and the table of terms."""
    import pandas as pd

    sums, at = likelihood.sums, found.at
    per_month = MONTHS_PER_YEAR**-months_power
    back = per_month[:, None] * np.linalg.inv(sums.r)
    estimate = back @ (sums.projection + at.coordinates)
    unsure = uncertainty(likelihood, found, terms, estimate, back)
    rows = [unsure.test(row) for row in np.eye(len(terms))]
    estimates = pd.DataFrame(
        {"term": list(terms)} | {column: [getattr(row, column) for row in rows] for column in ESTIMATE_COLUMNS[1:]}
    )
    log_likelihood = -at.deviance / 2
    if method == "REML":  # log|X'V⁻¹X| of the design in months is larger by 2 Σ power log 12
        log_likelihood -= float(months_power.sum()) * math.log(MONTHS_PER_YEAR)
    theta = lme4_theta(found.theta, sums.z_scale)
    has_slope = len(theta) == 3
    n_covariances = 3 if has_slope else 1
    n_parameters = len(terms) + n_covariances + 1
    counted = n_parameters - (len(terms) if method == "REML" else 0)
    level, crossed, slope = random_covariance(theta, at.residual_variance)
    names = list(terms)
    return MixedModelFit(
        estimates=estimates,
        fixed_covariance=pd.DataFrame(unsure.covariance, index=names, columns=names),
        method=f"{method}, {RANDOM_TEXT[random]}, {ENGINE}; {TEST_TEXT}",
        n_patients=sums.n_patients,
        n_observations=sums.n_rows,
        n_rows_dropped=dropped,
        log_likelihood=log_likelihood,
        n_parameters=n_parameters,
        aic=-2 * log_likelihood + 2 * n_parameters,
        aic_spss=-2 * log_likelihood + 2 * counted,
        bic=-2 * log_likelihood + n_parameters * math.log(sums.n_rows),
        is_converged=likelihood.is_optimum(found.theta),
        is_singular=is_singular(theta),
        var_intercept=level,
        var_slope=slope if has_slope else None,
        cov_intercept_slope=crossed if has_slope else None,
        cor_intercept_slope=crossed / math.sqrt(level * slope) if has_slope and level > 0 and slope > 0 else None,
        var_residual=at.residual_variance,
        theta=theta,
        kernel=Kernel(likelihood, found, unsure, months_power),
    )


def lme4_theta(theta: Floats, z_scale: Floats) -> tuple[float, ...]:
    """Λ11 (, Λ21, Λ22) in the units of Z with time in months."""
    unscaled = theta / np.array([z_scale[0], z_scale[1] * MONTHS_PER_YEAR, z_scale[1] * MONTHS_PER_YEAR])[: len(theta)]
    return tuple(float(value) for value in unscaled)


def is_singular(theta: Sequence[float]) -> bool:
    """Whether a diagonal element of Λ (time in months) is below lme4's tolerance."""
    return min(abs(theta[0]), abs(theta[-1])) < SINGULAR_TOLERANCE


def relative_covariance(theta: Sequence[float]) -> Floats:
    """q × q: ΛΛ', the covariance of the random effects relative to the residual variance, slopes per year."""
    first, below, last = (*theta, 0.0, 0.0)[:3]
    factor = np.array([[first, 0.0], [below * MONTHS_PER_YEAR, last * MONTHS_PER_YEAR]])
    size = 1 if len(theta) == 1 else 2
    return np.asarray((factor @ factor.T)[:size, :size], dtype=np.float64)


def random_covariance(theta: Sequence[float], residual_variance: float) -> tuple[float, float, float]:
    """Variance of the intercept, covariance, variance of the slope (per month); zeros without a slope."""
    first, below, last = (*theta, 0.0, 0.0)[:3]
    return (
        residual_variance * first**2,
        residual_variance * first * below,
        residual_variance * (below**2 + last**2),
    )
