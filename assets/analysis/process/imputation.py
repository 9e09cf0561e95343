"""Multiple imputation from a growth model: draws of its parameters, and of what each patient would have scored.

What belongs here: the Gibbs sampler of a linear mixed model, and the combination of imputed estimates. What does not:
which scores are missing and how they are shifted (`delta`).

y_ij = x_ij b + z_ij u_i + e, u_i ~ N(0, Ψ), e ~ N(0, s²). One cycle draws b with u integrated out, then u given b, Ψ
(inverse Wishart) and s² (scaled inverse chi²), as Schafer and Yucel (2002, J. Comput. Graph. Stat. 11, 437–457). The
prior of b and log s is flat; that of Ψ is worth q patients with the maximum-likelihood Ψ, so that it stays proper where
data say little of the slopes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BURN_IN = 200
"""Cycles before the first imputation, started at the maximum-likelihood variances."""
THIN = 25
"""Cycles from one imputation to the next."""


@dataclass(frozen=True)
class Draw:
    """One draw of everything that is not observed: b (p), u (N × q), Ψ (q × q) and s²."""

    fixed: Floats
    random: Floats
    covariance: Floats
    residual_variance: float


@dataclass(frozen=True)
class Pooled:
    """Rubin's rules: total variance, degrees of freedom, and the share of information that is missing."""

    estimate: float
    std_error: float
    df: float
    fraction_missing: float


class GrowthSampler:
    """Gibbs sampler over complete rows; patients are coded 0 … N−1."""

    def __init__(
        self,
        y: Floats,
        x: Floats,
        z: Floats,
        patient: NDArray[np.int64],
        covariance: Floats,
        residual_variance: float,
    ) -> None:
        """Prepare from y (n), x (n × p), z (n × q) and the maximum-likelihood Ψ and s² (scaled as z and y)."""
        self.y, self.x, self.z, self.patient = y, x, z, patient
        n_patients, q = int(patient.max()) + 1, z.shape[1]
        self._zz = _by_patient(z, z, patient, n_patients)
        self._zx = _by_patient(z, x, patient, n_patients)
        self._zy = _by_patient(z, y[:, None], patient, n_patients)[:, :, 0]
        self._xx, self._xy = x.T @ x, x.T @ y
        floor = 1e-4 * residual_variance / np.mean(z * z, axis=0)
        self._start: Floats = covariance + np.diag(np.maximum(floor - np.diag(covariance), 0))
        self._start_residual = residual_variance
        self._prior: Floats = q * self._start

    def draws(self, number: int, random: np.random.Generator) -> Iterator[Draw]:
        """`number` draws after the burn-in, `THIN` cycles apart."""
        covariance, variance = self._start, self._start_residual
        for cycle in range(BURN_IN + THIN * (number - 1) + 1):
            draw = self._cycle(covariance, variance, random)
            covariance, variance = draw.covariance, draw.residual_variance
            if cycle >= BURN_IN and (cycle - BURN_IN) % THIN == 0:
                yield draw

    def _cycle(self, covariance: Floats, variance: float, random: np.random.Generator) -> Draw:
        n_patients, q = len(self._zz), self.z.shape[1]
        inner = np.linalg.inv(self._zz / variance + np.linalg.inv(covariance))  # N × q × q: covariance of u given y, b
        shrunk = inner @ self._zx
        information = self._xx / variance - np.einsum("nqp,nqr->pr", self._zx, shrunk) / variance**2
        right = self._xy / variance - np.einsum("nqp,nq->p", shrunk, self._zy) / variance**2
        triangle = np.linalg.cholesky(information)
        mean = np.linalg.solve(information, right)
        fixed = mean + np.linalg.solve(triangle.T, random.standard_normal(len(mean)))
        centre = np.einsum("nqr,nr->nq", inner, self._zy - self._zx @ fixed) / variance
        noise = random.standard_normal((n_patients, q, 1))
        effects = centre + (np.linalg.cholesky(inner) @ noise)[:, :, 0]
        new_covariance = inverse_wishart(self._prior + effects.T @ effects, q + n_patients, random)
        residual = self.y - self.x @ fixed - np.sum(self.z * effects[self.patient], axis=1)
        return Draw(fixed, effects, new_covariance, float(residual @ residual / random.chisquare(len(self.y))))


def inverse_wishart(scale: Floats, df: int, random: np.random.Generator) -> Floats:
    """One draw by Bartlett's decomposition of the Wishart with the inverse scale."""
    q = len(scale)
    root = np.linalg.cholesky(np.linalg.inv(scale))
    lower = np.zeros((q, q))
    for row in range(q):
        lower[row, row] = math.sqrt(random.chisquare(df - row))
        lower[row, :row] = random.standard_normal(row)
    product = root @ lower
    return np.asarray(np.linalg.inv(product @ product.T), dtype=np.float64)


def pool(estimates: Floats, variances: Floats, complete_df: float) -> Pooled:
    """Rubin's rules (1987) with the degrees of freedom of Barnard and Rubin (1999, Biometrika 86, 948–955).

    `complete_df` are those that the estimate would have with nothing missing.
    """
    m = len(estimates)
    within, between = float(np.mean(variances)), float(np.var(estimates, ddof=1))
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total if total > 0 else 0.0
    observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
    df = observed if share <= 1e-12 else 1 / (share**2 / (m - 1) + 1 / observed)
    ratio = share / (1 - share) if share < 1 else math.inf
    missing = (ratio + 2 / (df + 3)) / (ratio + 1) if share > 1e-12 and math.isfinite(ratio) else share
    return Pooled(float(np.mean(estimates)), math.sqrt(total), df, missing)


def _by_patient(left: Floats, right: Floats, patient: NDArray[np.int64], n_patients: int) -> Floats:
    """Σ left' right within each patient: N × q × k."""
    sums = np.zeros((n_patients, left.shape[1], right.shape[1]))
    np.add.at(sums, patient, left[:, :, None] * right[:, None, :])
    return sums
