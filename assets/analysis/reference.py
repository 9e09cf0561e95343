"""The public reference: statsmodels' MixedLM beside our fit, for every model that is published.

What belongs here: its log-likelihood at our optimum, its own optimum, and the verdict. What does not: our estimation.

Its likelihood inverts the covariance of the random effects, so it says nothing on the boundary: there the check is not
applicable, and says so. It is refitted from our optimum with time in years, where its optimisers are right.
"""

from __future__ import annotations

import math
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np

from assets.analysis.design_matrix import MONTHS_PER_YEAR, Design
from assets.analysis.mixed_model import MixedModelFit, relative_covariance

AGREEMENT = 1e-6
"""Largest difference of two log-likelihoods that counts as none."""
MOST_PATIENTS = 2000
"""Up to which the reference is refitted as well."""
OPTIMISERS = ("bfgs", "lbfgs", "cg")
INTERIOR = 1e-3
"""Smallest eigenvalue of the correlation matrix of the random effects that counts as inside."""


def check(fitted: MixedModelFit, design: Design) -> dict[str, Any]:
    """Columns of `results.reference_check` for a fit to the rows of `design`: pass, fail, or not_applicable and why."""
    row: dict[str, Any] = {"reference": f"statsmodels {version('statsmodels')} MixedLM"}
    if fitted.kernel is None or fitted.log_likelihood is None:
        return row | {"status": "not_applicable", "reason": "nothing was fitted"}
    row["log_likelihood"] = fitted.log_likelihood
    if not _is_interior(fitted):
        reason = "on the boundary, where the reference's likelihood is not defined"
        return row | {"is_interior": False, "status": "not_applicable", "reason": reason}
    at_ours, refitted = _reference(fitted, design)
    if at_ours is None:
        reason = "the reference could not evaluate its likelihood"
        return row | {"is_interior": True, "status": "not_applicable", "reason": reason}
    row |= {"is_interior": True, "reference_log_likelihood": at_ours, "refit_log_likelihood": refitted}
    differs = abs(at_ours - fitted.log_likelihood)
    gained = -math.inf if refitted is None else refitted - fitted.log_likelihood
    if differs > AGREEMENT:
        return row | {"status": "fail", "reason": f"the log-likelihoods of the same model differ by {differs:.2g}"}
    if gained > AGREEMENT:
        return row | {"status": "fail", "reason": f"the reference found a log-likelihood higher by {gained:.2g}"}
    return row | {"status": "pass", "reason": None}


def _is_interior(fitted: MixedModelFit) -> bool:
    if fitted.is_singular or not fitted.var_intercept:
        return False
    if fitted.cor_intercept_slope is None:
        return fitted.var_slope is None
    return 1 - abs(fitted.cor_intercept_slope) > INTERIOR


def _reference(fitted: MixedModelFit, design: Design) -> tuple[float | None, float | None]:
    """Its log-likelihood at our optimum, and at the optimum it finds from there (None above `MOST_PATIENTS`)."""
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    if fitted.kernel is None:
        return None, None
    likelihood = fitted.kernel.likelihood
    relative = relative_covariance(fitted.theta or (0.0,))
    back = -likelihood.is_reml * float(design.months_power.sum()) * math.log(MONTHS_PER_YEAR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence and boundary: what they warn of is judged here
        model = MixedLM(design.y, design.x, groups=design.patient, exog_re=design.z)
        model.reml, model.cov_pen, model.fe_pen, model.use_sqrt = likelihood.is_reml, None, None, True
        ours = MixedLMParams.from_components(cov_re=relative, fe_params=np.zeros(design.x.shape[1]))
        try:
            at_ours = float(model.loglike(ours, profile_fe=True)) + back
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return None, None
        if design.n_patients > MOST_PATIENTS:
            return at_ours, None
        # its standard errors are not asked for, and their second derivatives cost more than its optimum
        model.hessian = lambda _: (np.eye(_size(model)), False)
        best = None
        for optimiser in OPTIMISERS:
            try:
                result = model.fit(reml=likelihood.is_reml, method=[optimiser], start_params=ours, maxiter=10)
                found = float(result.llf) + back
            except (np.linalg.LinAlgError, ValueError, FloatingPointError):
                continue
            best = found if best is None or found > best else best
            if abs(found - at_ours) <= AGREEMENT:
                break
    return at_ours, best


def _size(model: Any) -> int:
    """Number of parameters of the reference: fixed effects and the lower triangle of the random effects."""
    return int(model.k_fe + model.k_re * (model.k_re + 1) // 2)
