"""One linear mixed model: random intercept, or random intercept and slope with unstructured covariance, ML or REML.

What belongs here: estimation by statsmodels, its check against our own likelihood, and the units of what is reported.
What does not: the matrices (`design_matrix`), the likelihood (`likelihood`), or which models are fitted (`declared`).

Time is fitted in years, where the variances are of one order of magnitude, and reported per month.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import numpy as np

from assets.analysis.design_matrix import INTERCEPT, MONTHS_PER_YEAR, Design, NotEstimableError, build_design
from assets.analysis.likelihood import Evaluation, Floats, ProfiledLikelihood, factor_of

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["ML", "REML"]
Random = Literal["intercept", "intercept_and_slope"]
SINGULAR_TOLERANCE = 1e-4
"""lme4's `isSingular`: smallest diagonal element of Λ (relative to the residual SD, time in months)."""
AGREEMENT = 1e-6
"""statsmodels' estimate stands when its log-likelihood is within this of the maximum."""
MAX_STEPS: dict[str, dict[str, int]] = {"lbfgs": {"maxiter": 15, "maxfun": 25}, "bfgs": {"maxiter": 15}}
"""statsmodels' optimisers in the order tried. In the interior they end within 15 steps; on the boundary they creep."""
Z_95 = 1.959963984540054
ESTIMATE_COLUMNS = ("term", "estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
RANDOM_TEXT = {"intercept": "random intercept", "intercept_and_slope": "random intercept and slope (unstructured)"}


@dataclass(frozen=True)
class MixedModelFit:
    """What one fit says; with a `reason` nothing was estimated and every number of it is null.

    `estimates` has a row for each term. Slopes are per month, `var_slope` per month squared. `is_converged`: where our
    own likelihood was maximised, the conditions for a maximum hold (inside or on the boundary), and the reported
    estimate lies within `AGREEMENT` of it.
    `is_singular`: the covariance of the random effects lies on the boundary (lme4's rule).
    """

    estimates: pd.DataFrame
    fixed_covariance: pd.DataFrame
    """Covariance of the estimates, terms × terms."""
    method: str
    n_patients: int | None = None
    n_observations: int | None = None
    n_rows_dropped: int | None = None
    log_likelihood: float | None = None
    aic: float | None = None
    bic: float | None = None
    is_converged: bool | None = None
    is_singular: bool | None = None
    var_intercept: float | None = None
    var_slope: float | None = None
    cov_intercept_slope: float | None = None
    var_residual: float | None = None
    reason: str | None = None


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

    statsmodels estimates from moment starts; the likelihood here is maximised from the same starts and from its
    estimate. Where statsmodels falls short (it does on the boundary), the maximum is reported, and `method` says so.
    Standard errors are those of generalised least squares, the root of the diagonal of s² (X'V⁻¹X)⁻¹; the statistic is
    Wald's z and `df` is null. AIC = −2LL + 2k and BIC = −2LL + k log(rows), with k fixed effects, covariances and the
    residual variance, under ML and REML alike, as lme4 counts; the REML likelihood is that of the design in months.

    A model that cannot be estimated comes back with a `reason` and nulls, not as an exception.
    """
    try:
        design = build_design(frame, outcome, terms, patient, time, has_slope=random == "intercept_and_slope")
        return _estimate(design, random, method)
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


def _estimate(design: Design, random: Random, method: Method) -> MixedModelFit:
    is_reml = method == "REML"
    likelihood = ProfiledLikelihood(design.y, design.x, design.z, design.patient, is_reml)
    starts = likelihood.starts()
    factor = _statsmodels_factor(design, starts[0], is_reml)
    best = likelihood.maximise(starts if factor is None else [factor, *starts])
    at_best = likelihood.evaluate(best)
    is_refined = (
        factor is None
        or at_best.log_likelihood - likelihood.evaluate(factor).log_likelihood > AGREEMENT
        or _is_singular(best) != _is_singular(factor)
    )
    chosen = best if factor is None or is_refined else factor
    at = likelihood.evaluate(chosen)
    if not math.isfinite(at.log_likelihood) or at.residual_variance <= 1e-10 * float(np.var(design.y)):
        raise NotEstimableError("the residual variance tends to zero; patients' own lines fit without error")
    engine = f"statsmodels {version('statsmodels')}"
    if is_refined:
        engine += " refined by L-BFGS-B on the profiled likelihood"
    text = f"{method}, {RANDOM_TEXT[random]}, {engine}; Wald z, 95 % interval"
    return _report(design, at, chosen, text, is_reml=is_reml, is_converged=likelihood.is_optimum(best))


def _is_singular(factor: Floats) -> bool:
    per_month = np.diag(factor) / np.array([1.0, MONTHS_PER_YEAR])[: len(factor)]
    return bool(per_month.min() < SINGULAR_TOLERANCE)


def _report(
    design: Design, at: Evaluation, factor: Floats, method: str, *, is_reml: bool, is_converged: bool
) -> MixedModelFit:
    """From years to months, and the table of terms."""
    import pandas as pd

    per_month = MONTHS_PER_YEAR ** -design.months_power.astype(float)
    estimate = at.fixed_effects * per_month
    covariance = at.fixed_covariance * np.outer(per_month, per_month)
    error = np.sqrt(np.diag(covariance))
    statistic = estimate / error
    estimates = pd.DataFrame(
        {
            "term": list(design.terms),
            "estimate": estimate,
            "std_error": error,
            "df": np.full(len(estimate), np.nan),
            "statistic": statistic,
            "p_value": [math.erfc(abs(value) / math.sqrt(2)) for value in statistic],
            "ci_low": estimate - Z_95 * error,
            "ci_high": estimate + Z_95 * error,
        }
    )
    log_likelihood = at.log_likelihood
    if is_reml:  # log|X'V⁻¹X| of the design in months is larger by 2 Σ power log 12
        log_likelihood -= float(design.months_power.sum()) * math.log(MONTHS_PER_YEAR)
    random_covariance = at.residual_variance * factor @ factor.T
    has_slope = len(factor) == 2
    n_parameters = len(design.terms) + (3 if has_slope else 1) + 1
    return MixedModelFit(
        estimates=estimates,
        fixed_covariance=pd.DataFrame(covariance, index=list(design.terms), columns=list(design.terms)),
        method=method,
        n_patients=design.n_patients,
        n_observations=len(design.y),
        n_rows_dropped=design.n_rows_dropped,
        log_likelihood=log_likelihood,
        aic=-2 * log_likelihood + 2 * n_parameters,
        bic=-2 * log_likelihood + n_parameters * math.log(len(design.y)),
        is_converged=is_converged,
        is_singular=_is_singular(factor),
        var_intercept=float(random_covariance[0, 0]),
        var_slope=float(random_covariance[1, 1]) / MONTHS_PER_YEAR**2 if has_slope else None,
        cov_intercept_slope=float(random_covariance[1, 0]) / MONTHS_PER_YEAR if has_slope else None,
        var_residual=at.residual_variance,
    )


def _statsmodels_factor(design: Design, start: Floats, is_reml: bool) -> Floats | None:
    """Λ by statsmodels MixedLM from `start`; None where every optimiser of its cascade fails."""
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    scale = float(np.std(design.y))
    for optimiser, limits in MAX_STEPS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of (boundary, convergence) is checked and reported here
            try:
                model = MixedLM(design.y / scale, design.x, groups=design.patient, exog_re=design.z)
                begin = MixedLMParams.from_components(cov_re=start @ start.T)
                result = model.fit(reml=is_reml, method=[optimiser], start_params=begin, **limits)
                relative = np.asarray(result.cov_re, dtype=float) / float(result.scale)
            except (np.linalg.LinAlgError, ValueError, FloatingPointError):
                continue
        if np.isfinite(relative).all():
            return factor_of(relative)
    return None
