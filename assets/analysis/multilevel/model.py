"""A Gaussian model whose covariance is built of declared parts: ML or REML, with tests of linear combinations.

What belongs here: whether the rows identify a model, what is reported of it, units (time in years inside, per month
outside), Satterthwaite's degrees of freedom. What does not: the optimisation (`optimum`), the likelihood
(`likelihood`), the parts (`blocks`), or any study.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assets.analysis.design_matrix import MONTHS_PER_YEAR, NotEstimableError
from assets.analysis.multilevel.blocks import Block, Floats, Ints
from assets.analysis.multilevel.likelihood import Evaluation, MarginalLikelihood, hessian
from assets.analysis.multilevel.optimum import is_optimum, is_singular, maximise, pack, unpack, vanished
from assets.analysis.threads import single_threaded

Method = Literal["ML", "REML"]
NO_ERROR_LEFT = "the residual variance tends to zero"


@dataclass(frozen=True)
class MarginalFit:
    """One fitted model. Slopes are per month. Nothing here is null: what cannot be estimated raises instead.

    `is_converged`: the conditions for a maximum hold, inside or on the boundary. `is_singular`: a part lies on the
    boundary (a variance of zero, or effects that are perfectly correlated).
    """

    terms: tuple[str, ...]
    estimate: Floats
    covariance: Floats
    """p × p, of the estimates."""
    parts: dict[str, Floats]
    """Ψ of each part, per month where a column is a slope."""
    columns: dict[str, tuple[str, ...]]
    """Names of the columns of each Ψ."""
    log_likelihood: float
    n_parameters: int
    n_clusters: int
    n_observations: int
    method: Method
    is_converged: bool
    is_singular: bool
    vanished: frozenset[tuple[str, str]]
    """(part, column) of every variance that is zero."""
    _test: _Satterthwaite

    @property
    def aic(self) -> float:
        """−2LL + 2k, k counting fixed effects and covariance parameters under ML and REML alike, as lme4."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """−2LL + k log(rows)."""
        return -2 * self.log_likelihood + self.n_parameters * math.log(self.n_observations)

    def contrast(self, weights: Mapping[str, float], level: float = 0.95) -> dict[str, float]:
        """A linear combination of the terms, with Satterthwaite's t (Giesbrecht & Burns 1985, as lmerTest computes it).

        Returns estimate, std_error, df, statistic, p_value, ci_low, ci_high. `df` is NaN where the variances are known
        too badly to say; test and interval are then normal.

        Raises:
            KeyError: a term is not in the model.
        """
        from scipy import stats

        vector = np.zeros(len(self.terms))
        for term, weight in weights.items():
            if term not in self.terms:
                raise KeyError(term)
            vector[self.terms.index(term)] = weight
        estimate, error = float(vector @ self.estimate), math.sqrt(float(vector @ self.covariance @ vector))
        df = self._test.df(vector)
        law = stats.t(df) if math.isfinite(df) else stats.norm()
        statistic = estimate / error
        half = float(law.ppf(0.5 + level / 2)) * error
        return {
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * float(law.sf(abs(statistic))),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
        }

    def joint_test(self, rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Wald's F that several combinations are all zero (Fai & Cornelius 1996), as lmerTest computes it.

        Returns statistic, df (of the numerator), df_error and p_value.

        Raises:
            NotEstimableError: the combinations depend on each other.
        """
        from scipy import stats

        matrix = np.array([[row.get(term, 0.0) for term in self.terms] for row in rows])
        values, vectors = np.linalg.eigh(matrix @ self.covariance @ matrix.T)
        if values[0] <= 1e-10 * values[-1]:
            raise NotEstimableError("the combinations tested together follow from each other")
        turned = vectors.T @ matrix
        squares = (turned @ self.estimate) ** 2 / values
        freedom = [self._test.df(row) for row in turned]
        total = sum(v / (v - 2) for v in freedom if v > 2)
        q = len(rows)
        df = 2 * total / (total - q) if all(map(math.isfinite, freedom)) and total > q else math.nan
        statistic = float(squares.mean())
        p = float(stats.f.sf(statistic, q, df)) if math.isfinite(df) else float(stats.chi2.sf(statistic * q, q))
        return {"statistic": statistic, "df": q, "df_error": df, "p_value": p}

    def standard_error_of(self, function: Callable[[dict[str, Floats]], float]) -> float:
        """Standard error of a function of the Ψ (as in `parts`), by the delta method; NaN where there is none."""
        return self._test.delta(function)


@dataclass(frozen=True)
class _Satterthwaite:
    """What degrees of freedom need: the information about the variances, and how the fixed effects' depend on them."""

    likelihood: MarginalLikelihood
    at: Evaluation
    theta: Floats
    """Free elements of all Λ, for scaled data."""
    theta_covariance: Floats
    """2 H⁻¹, H the second derivatives of the deviance; directions without information left out."""
    to_basis: Floats
    """p × p: weights on reported terms to weights on orthonormal ones."""

    def df(self, vector: Floats) -> float:
        weights = self.to_basis @ vector
        factors = unpack(self.theta, self.likelihood.blocks)
        slopes = self.likelihood.variance_gradient(self.at, weights)
        gradient = pack([2 * slope @ factor for slope, factor in zip(slopes, factors, strict=True)], self.likelihood)
        variance = float(weights @ self.at.inverse @ weights)
        spread = float(gradient @ self.theta_covariance @ gradient)
        return 2 * variance**2 / spread if spread > 1e-14 * variance**2 else math.nan

    def delta(self, function: Callable[[dict[str, Floats]], float]) -> float:
        def value(theta: Floats) -> float:
            return function(reported_parts(self.likelihood, unpack(theta, self.likelihood.blocks)))

        gradient = np.empty(len(self.theta))
        for k in range(len(self.theta)):
            step = np.zeros(len(self.theta))
            step[k] = 1e-5
            gradient[k] = (value(self.theta + step) - value(self.theta - step)) / 2e-5
        square = float(gradient @ self.theta_covariance @ gradient)
        return math.sqrt(square) if square > 0 else math.nan


def fit_marginal(
    y: Floats,
    x: Floats,
    terms: Sequence[str],
    months_power: Sequence[int] | Ints,
    blocks: Sequence[Block],
    cluster: Ints,
    *,
    method: Method = "REML",
) -> MarginalFit:
    """Fit y (n) on x (n × p; time in years, `months_power` says how often it is a factor of each term).

    The covariance is the sum of `blocks`; most of them lie within the `cluster`s (patients, coded 0 … C−1). L-BFGS-B
    over the Cholesky factors with the exact gradient, from several starts; a boundary from which variance would help is
    left again. REML likelihoods are those of the design in months.

    Raises:
        NotEstimableError: the rows cannot identify the model, or it fits without error.
    """
    check_identified(y, x, terms, blocks)
    with single_threaded():
        likelihood = MarginalLikelihood(y, x, blocks, cluster, is_reml=method == "REML")
        unclear = likelihood.redundant_parts()
        if unclear:
            names = "; ".join(f"{part}: {a}" if a == b else f"{part}: {a} with {b}" for part, a, b in unclear[:3])
            raise NotEstimableError(f"these rows cannot tell parts of the covariance apart ({names})")
        try:
            theta = maximise(likelihood)
            return _report(likelihood, theta, terms, np.asarray(months_power), method)
        except np.linalg.LinAlgError as problem:
            raise NotEstimableError(f"{NO_ERROR_LEFT}, so that the covariance is singular") from problem


def check_identified(y: Floats, x: Floats, terms: Sequence[str], blocks: Sequence[Block]) -> None:
    """Reasons why these rows cannot identify the model.

    Raises:
        NotEstimableError: one of them.
    """
    n_parameters = x.shape[1] + sum(block.n_parameters for block in blocks)
    if len(y) < n_parameters:
        raise NotEstimableError(f"{len(y)} complete rows are fewer than the model's {n_parameters} parameters")
    if np.ptp(y) == 0:
        raise NotEstimableError("the outcome has the same value in every complete row")
    triangle, lengths = np.abs(np.diag(np.linalg.qr(x, mode="r"))), np.linalg.norm(x, axis=0)
    dependent = [name for name, own, size in zip(terms, triangle, lengths, strict=True) if own <= 1e-7 * size]
    if dependent:
        raise NotEstimableError(f"collinear terms: {', '.join(dependent)} follow from the terms before")
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    if float(left @ left) <= 1e-12 * float(np.sum((y - y.mean()) ** 2)):
        raise NotEstimableError("the terms predict the outcome without error; there is no variance left")
    for block in blocks:
        if not block.is_residual and len(y) <= block.q * block.n_groups:  # lme4 refuses the same (check.nobs.vs.nRE)
            raise NotEstimableError(
                f"{len(y)} complete rows in {block.n_groups} groups cannot separate {block.q} random effect(s) of "
                f"{block.name} from error"
            )
        if not block.is_residual and block.n_groups <= block.q:
            raise NotEstimableError(f"{block.n_groups} group(s) of {block.name} are too few for {block.q} variance(s)")


def reported_parts(likelihood: MarginalLikelihood, factors: Sequence[Floats]) -> dict[str, Floats]:
    """Ψ of each part in the units of the outcome, slopes per month."""
    out = {}
    for block, scale, factor in zip(likelihood.blocks, likelihood.z_scale, factors, strict=True):
        unit = likelihood.y_scale / scale / MONTHS_PER_YEAR ** np.array(block.months_power, dtype=float)
        out[block.name] = factor @ factor.T * np.outer(unit, unit)
    return out


def _report(
    likelihood: MarginalLikelihood, theta: Floats, terms: Sequence[str], months_power: Ints, method: Method
) -> MarginalFit:
    blocks = likelihood.blocks

    def gradient(values: Floats) -> Floats:
        factors = unpack(values, blocks)
        at = likelihood.evaluate(factors, is_profiled=False)
        return pack([2 * g @ f for g, f in zip(at.gradients, factors, strict=True)], likelihood)

    factors = unpack(theta, blocks)
    at = likelihood.evaluate(factors, is_profiled=False)
    error = max(float(np.diag(f @ f.T).max()) for b, f in zip(blocks, factors, strict=True) if b.is_residual)
    if not math.isfinite(at.deviance) or error < 1e-8:
        raise NotEstimableError(f"{NO_ERROR_LEFT}; the random effects fit without error")
    second = hessian(gradient, theta)
    values, vectors = np.linalg.eigh(second)
    known = values > 1e-8 * max(float(values[-1]), 1.0)
    inverse = 2 * (vectors[:, known] / values[known]) @ vectors[:, known].T
    is_maximum = bool(values[0] > -1e-4 * likelihood.n)
    per_month = MONTHS_PER_YEAR ** -months_power.astype(float)
    back = np.linalg.inv(likelihood.r)
    estimate = back @ (likelihood.projection + likelihood.y_scale * at.effects) * per_month
    covariance = likelihood.y_scale**2 * back @ at.inverse @ back.T * np.outer(per_month, per_month)
    log_likelihood = -at.deviance / 2 - likelihood.freedom * math.log(likelihood.y_scale)
    if method == "REML":
        log_likelihood -= likelihood.log_det_r + float(months_power.sum()) * math.log(MONTHS_PER_YEAR)
    return MarginalFit(
        terms=tuple(terms),
        estimate=estimate,
        covariance=covariance,
        parts=reported_parts(likelihood, factors),
        columns={block.name: block.columns for block in blocks},
        log_likelihood=log_likelihood,
        n_parameters=len(terms) + sum(block.n_parameters for block in blocks),
        n_clusters=likelihood.layout.n_clusters,
        n_observations=likelihood.n,
        method=method,
        is_converged=is_maximum and is_optimum(likelihood, factors, at),
        is_singular=is_singular(likelihood, factors),
        vanished=vanished(likelihood, factors),
        _test=_Satterthwaite(likelihood, at, theta, inverse, back.T * per_month),
    )
