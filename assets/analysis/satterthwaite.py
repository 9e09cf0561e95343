"""Degrees of freedom by Satterthwaite's approximation, and every test of a linear combination of fixed effects.

What belongs here: the uncertainty of estimated variances and what follows from it for a contrast. What does not:
estimation, or terms.

df = 2 (L'CL)² / g'Ag, with C the covariance of the fixed effects, g the gradient of L'CL by the variance parameters
(θ, s) and A twice the inverse second derivative of the deviance by them: Fai and Cornelius (1996), J. Stat. Comput.
Simul. 54, 363–378, as in Kuznetsova, Brockhoff and Christensen (2017), J. Stat. Softw. 82(13).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assets.analysis.likelihood import ProfiledLikelihood
from assets.analysis.maximum import Maximum
from assets.analysis.patient_sums import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Contrast:
    """A linear combination of fixed effects: t with Satterthwaite df, two-sided p, 95 % interval."""

    estimate: float
    std_error: float
    df: float
    statistic: float
    p_value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Uncertainty:
    """What contrasts need, in the units of the reported terms."""

    terms: tuple[str, ...]
    estimate: Floats
    """p"""
    covariance: Floats
    """p × p"""
    gradient: Floats
    """k × p × p: derivative of the covariance by each variance parameter."""
    parameter_covariance: Floats
    """k × k: asymptotic covariance of the variance parameters (θ, s)."""

    def contrast(self, weights: Mapping[str, float]) -> Contrast:
        """Test of Σ weight · term against zero.

        Raises:
            KeyError: a term that the model does not have.
        """
        row = np.zeros(len(self.terms))
        for term, weight in weights.items():
            if term not in self.terms:
                raise KeyError(f"the model has no term '{term}'; it has {', '.join(self.terms)}")
            row[self.terms.index(term)] = weight
        return self.test(row)

    def test(self, row: Floats) -> Contrast:
        """The same with a weight for each term in order."""
        variance = float(row @ self.covariance @ row)
        by_parameter = np.einsum("p,kpq,q->k", row, self.gradient, row)
        spread = float(by_parameter @ self.parameter_covariance @ by_parameter)
        df = 2 * variance**2 / spread if spread > 0 else math.inf
        return t_test(float(row @ self.estimate), math.sqrt(variance), df)


def t_test(estimate: float, std_error: float, df: float) -> Contrast:
    """Two-sided t test and 95 % interval; with infinite df the normal distribution."""
    from scipy.special import ndtri, stdtr, stdtrit

    statistic = estimate / std_error if std_error > 0 else math.nan
    if math.isinf(df):
        p, quantile = math.erfc(abs(statistic) / math.sqrt(2)), float(ndtri((1 + LEVEL) / 2))
    else:
        p, quantile = 2 * float(stdtr(df, -abs(statistic))), float(stdtrit(df, (1 + LEVEL) / 2))
    return Contrast(
        estimate, std_error, df, statistic, p, estimate - quantile * std_error, estimate + quantile * std_error
    )


def uncertainty(
    likelihood: ProfiledLikelihood, found: Maximum, terms: Sequence[str], estimate: Floats, back: Floats
) -> Uncertainty:
    """From the maximum; `back` (p × p) takes coordinates in the basis to reported fixed effects."""
    theta, at = found.theta, found.at
    s = math.sqrt(at.residual_variance)
    by_covariance = likelihood.information_gradient(theta)
    first, below, last = (*theta, 0.0, 0.0)[:3]
    chain = np.array([[2 * first, below, 0.0], [0.0, first, 2 * below], [0.0, 0.0, 2 * last]])[: likelihood.n_theta]
    by_theta = np.einsum("tk,kpq->tpq", chain, by_covariance)
    inverse = at.inverse
    gradient = [at.residual_variance * back @ inverse @ part @ inverse @ back.T for part in by_theta]
    covariance = at.residual_variance * back @ inverse @ back.T
    gradient.append(2 * covariance / s)
    return Uncertainty(
        tuple(terms), estimate, covariance, np.stack(gradient), _parameter_covariance(likelihood, found, s)
    )


def _parameter_covariance(likelihood: ProfiledLikelihood, found: Maximum, s: float) -> Floats:
    """2 H⁻¹ for the deviance as a function of (θ, s); directions without curvature are left out, as lmerTest does."""
    size = likelihood.n_theta
    hessian = np.empty((size + 1, size + 1))
    hessian[:size, :size] = found.determinant_curvature + found.square_curvature / s**2
    crossed = -2 * likelihood.by_theta(found.theta, found.at.square_gradient) / s**3
    hessian[:size, size] = hessian[size, :size] = crossed
    hessian[size, size] = 4 * likelihood.freedom / s**2
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    usable = values > 1e-8
    inverse: Floats = (vectors[:, usable] / values[usable]) @ vectors[:, usable].T
    covariance: Floats = 2 * inverse / np.outer(scale, scale)
    return covariance
