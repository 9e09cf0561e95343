"""Count models without a random effect: Poisson and negative-binomial regression, and estimating equations.

What belongs here: models whose coefficients are of the population mean. What does not: random intercepts (`mixed`).

Estimation is statsmodels'. Two things are ours, since R's users compare with geepack and MASS: the moment estimate of
an autoregressive working correlation, and theta of the negative binomial by maximum likelihood.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np

from assets.analysis.counts.data import CountData, Floats
from assets.analysis.counts.fitted import CountFit
from assets.analysis.design_matrix import NotEstimableError

Working = Literal["independence", "exchangeable", "ar1"]
LOG_INVERSE_THETA = (-12.0, 6.0)
"""Range of log(1/theta) searched; below it the counts are Poisson."""


def poisson_glm(data: CountData) -> CountFit:
    """Poisson regression; model-based standard errors, so true only if rows are independent and not overdispersed."""
    result = _glm(data, 0.0)
    return CountFit(
        data.terms,
        np.asarray(result.params),
        np.asarray(result.cov_params()),
        "Poisson regression, maximum likelihood, model-based standard errors",
        is_converged=bool(result.converged),
        log_likelihood=float(result.llf),
        n_parameters=len(data.terms),
    )


def negative_binomial_glm(data: CountData) -> CountFit:
    """Negative-binomial regression with theta by maximum likelihood.

    Standard errors are from the expected information, where coefficients and theta are orthogonal, as MASS::glm.nb
    (Venables and Ripley 2002, section 7.4).
    """
    from scipy.optimize import minimize_scalar

    poisson = _glm(data, 0.0)
    found = minimize_scalar(
        lambda logarithm: -float(_glm(data, math.exp(logarithm), poisson.params).llf),
        bounds=LOG_INVERSE_THETA,
        method="bounded",
        options={"xatol": 1e-7},
    )
    inverse_theta = math.exp(found.x) if -found.fun > poisson.llf + 1e-6 else 0.0
    result = _glm(data, inverse_theta, poisson.params)
    step = 1e-3
    sides = [float(_glm(data, inverse_theta * math.exp(move), result.params).llf) for move in (-step, step)]
    curvature = (2 * float(result.llf) - sum(sides)) / step**2
    has_theta = inverse_theta > 0
    return CountFit(
        data.terms,
        np.asarray(result.params),
        np.asarray(result.cov_params()),
        "negative-binomial regression, maximum likelihood, standard errors from the expected information",
        is_converged=bool(result.converged),
        log_likelihood=float(result.llf),
        n_parameters=len(data.terms) + 1,
        theta=1 / inverse_theta if has_theta else None,
        se_log_theta=1 / math.sqrt(curvature) if has_theta and curvature > 0 else None,
    )


def estimating_equations(
    data: CountData, working: Working = "exchangeable", *, is_bias_reduced: bool = False, lag: float | None = None
) -> CountFit:
    """Generalised estimating equations with Poisson variance, clustered by patient (Liang and Zeger 1986).

    Scale and working correlation are geepack's moments without a correction for the number of coefficients: the mean
    squared Pearson residual; the mean product of two scaled residuals of a patient; for `ar1` the least-squares fit of
    r^lag to all products. `lag` months are one step of `ar1`; without it one row is one step. Standard errors: the
    sandwich, or with `is_bias_reduced` that of Mancl and DeRouen (2001), larger where patients are few.

    Raises:
        NotEstimableError: no more patients than coefficients (the sandwich would be singular), or no convergence.
    """
    from statsmodels.genmod.cov_struct import Exchangeable, Independence
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_estimating_equations import GEE

    if data.n_patients <= data.x.shape[1]:
        text = f"{data.n_patients} patients are too few for robust standard errors of {data.x.shape[1]} coefficients"
        raise NotEstimableError(text)
    if working != "independence" and data.n_patients == len(data.y):
        raise NotEstimableError("every patient has one row: there is no correlation within patients")
    place = data.time / lag if lag else np.arange(len(data.y)) - data.starts[data.patient].astype(float)
    structure = {"independence": Independence, "exchangeable": Exchangeable, "ar1": _autoregressive}[working]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is checked and reported here
        model = GEE(
            data.y,
            data.x,
            groups=data.patient,
            time=place,
            family=Poisson(),
            cov_struct=structure,
            offset=data.offset,
        )
        result = model.fit(ddof_scale=0, cov_type="bias_reduced" if is_bias_reduced else "robust", maxiter=200)
    covariance = np.asarray(result.cov_params())
    if not (np.isfinite(result.params).all() and np.isfinite(covariance).all()):
        raise NotEstimableError("the estimating equations did not converge")
    errors = "bias-reduced (Mancl–DeRouen)" if is_bias_reduced else "robust (sandwich)"
    steps = "" if working != "ar1" else f" with {f'{lag:g} months' if lag else 'one row'} a step"
    fitted = data.offset + data.x @ np.asarray(result.params)
    return CountFit(
        data.terms,
        np.asarray(result.params),
        covariance,
        f"estimating equations, Poisson variance, {working} working correlation{steps}, {errors} standard errors",
        is_converged=bool(result.converged),
        scale=float(np.mean((data.y - np.exp(fitted)) ** 2 / np.exp(fitted))),
        correlation=None if working == "independence" else float(structure.dep_params),
    )


def _glm(data: CountData, inverse_theta: float, start: Floats | None = None) -> Any:
    from statsmodels.genmod.families import NegativeBinomial, Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    family = Poisson() if inverse_theta == 0 else NegativeBinomial(alpha=inverse_theta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation shows as a coefficient without a bound, checked by the caller
        try:
            return GLM(data.y, data.x, family=family, offset=data.offset).fit(start_params=start, tol=1e-12)
        except (np.linalg.LinAlgError, ValueError) as problem:
            raise NotEstimableError("the regression of counts met a singular matrix") from problem


def _autoregressive() -> Any:
    """Working correlation r^|distance| with r by least squares on all products of a patient's scaled residuals."""
    from scipy.optimize import minimize_scalar
    from statsmodels.genmod.cov_struct import CovStruct

    class Autoregressive(CovStruct):  # type: ignore[misc]  # statsmodels has no types
        """geepack's `ar1`; statsmodels' own `Autoregressive` weights the products in another way."""

        def initialize(self, model: Any) -> None:
            super().initialize(model)
            pairs = [np.tril_indices(len(times), -1) for times in model.time_li]
            self.pairs = pairs
            distances = [np.abs(t[j, 0] - t[k, 0]) for t, (j, k) in zip(model.time_li, pairs, strict=True)]
            self.distance = np.concatenate(distances)
            is_whole = bool(np.allclose(self.distance, np.round(self.distance)))
            self.bounds = (-0.99 if is_whole else 0.0, 0.99)
            self.dep_params = 0.0

        def update(self, params: Any) -> None:
            residuals = [
                (y - mean) / np.sqrt(self.model.family.variance(mean))
                for y, (mean, _) in zip(self.model.endog_li, self.model.cached_means, strict=True)
            ]
            scale = float(np.mean(np.concatenate(residuals) ** 2))
            joined = zip(residuals, self.pairs, strict=True)
            products = np.concatenate([r[j] * r[k] for r, (j, k) in joined]) / scale
            found = minimize_scalar(
                lambda r: float(np.sum((products - r**self.distance) ** 2)),
                bounds=self.bounds,
                method="bounded",
                options={"xatol": 1e-10},
            )
            self.dep_params = float(found.x)

        def covariance_matrix(self, endog_expval: Any, index: int) -> tuple[Any, bool]:
            time = self.model.time_li[index][:, 0]
            return self.dep_params ** np.abs(time[:, None] - time[None, :]), True

    return Autoregressive()
