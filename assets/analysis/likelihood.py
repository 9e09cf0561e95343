"""The marginal log-likelihood of a linear mixed model, profiled over fixed effects and residual variance.

What belongs here: the likelihood as a function of the relative covariance of the random effects, its gradient,
its optimality conditions and its maximisation. What does not: terms, units, tables or any estimator's name.

y = X b + Z u + e by patient, e ~ N(0, s²), u ~ N(0, s² Ψ), Ψ = ΛΛ' with Λ lower triangular, so V = s² (I + Z Ψ Z').
Parametrisation and profiling follow Bates, Mächler, Bolker and Walker (2015), J. Stat. Softw. 67(1), sections 2–3.
Unlike a Cholesky factor of an inverse, Λ may be singular, so the function holds on the boundary too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GRADIENT_TOLERANCE = 1e-3
"""Largest slope of the deviance per unit of Λ that counts as none."""
CURVATURE_TOLERANCE = 1e-4
"""Largest fall of the deviance per row and unit of added relative variance that counts as none."""


@dataclass(frozen=True)
class Evaluation:
    """The model at one Λ: everything given Λ is exact (generalised least squares)."""

    log_likelihood: float
    fixed_effects: Floats
    """p"""
    fixed_covariance: Floats
    """p × p: s² (X'V⁻¹X)⁻¹ with V relative to s²."""
    residual_variance: float
    gradient: Floats
    """q × q: derivative of the deviance (−2 log-likelihood) by Ψ, for scaled columns of Z."""


class ProfiledLikelihood:
    """Sums over patients that make one evaluation cost a few small products, whatever the number of rows."""

    def __init__(self, y: Floats, x: Floats, z: Floats, patient: NDArray[np.int64], is_reml: bool) -> None:
        """Prepare for y (n), x (n × p, full rank), z (n × q) and patients coded 0 … N−1.

        Columns of z are scaled to a mean square of one and x is orthonormalised: optimisation then does not depend
        on units. Λ goes in and out in the units of z.
        """
        self.n, self.p = x.shape
        self.q = z.shape[1]
        self.is_reml = is_reml
        self.z_scale: Floats = np.sqrt(np.mean(z * z, axis=0))
        basis, self._r = np.linalg.qr(x)
        self._log_det_r = float(np.sum(np.log(np.abs(np.diag(self._r)))))
        self._projection: Floats = basis.T @ y
        residual = y - basis @ self._projection
        self.least_squares_residual: Floats = residual
        scaled = z / self.z_scale
        joint = np.column_stack([basis, residual])
        n_patients = int(patient.max()) + 1
        self._zz = _sums_by_patient(scaled, scaled, patient, n_patients)
        self._za = _sums_by_patient(scaled, joint, patient, n_patients)
        self._aa: Floats = joint.T @ joint

    def evaluate(self, factor: Floats) -> Evaluation:
        """Log-likelihood (ML, or REML for x as given), fixed effects and gradient at Λ = `factor` (q × q)."""
        scaled = factor * self.z_scale[:, None]
        inner = np.eye(self.q) + scaled.T @ self._zz @ scaled
        log_det_v = float(np.sum(np.linalg.slogdet(inner)[1]))
        shrink = scaled @ np.linalg.inv(inner) @ scaled.T
        weighted = self._za - self._zz @ shrink @ self._za  # Z'V⁻¹A by patient
        flat = self._za.reshape(-1, self.p + 1)
        joint = self._aa - flat.T @ (shrink @ self._za).reshape(-1, self.p + 1)
        information, right = joint[: self.p, : self.p], joint[: self.p, self.p]
        inverse = np.linalg.inv(information)
        effects = inverse @ right
        residual_square = float(joint[self.p, self.p] - right @ effects)
        freedom = self.n - self.p if self.is_reml else self.n
        variance = residual_square / freedom
        deviance = log_det_v + freedom * (1 + math.log(2 * math.pi * variance))
        u = weighted[:, :, self.p] - weighted[:, :, : self.p] @ effects
        gradient = np.sum(self._zz - self._zz @ shrink @ self._zz, axis=0) - u.T @ u / variance
        if self.is_reml:
            deviance += float(np.linalg.slogdet(information)[1]) + 2 * self._log_det_r
            fixed = weighted[:, :, : self.p]
            gradient -= np.sum(fixed @ inverse @ fixed.transpose(0, 2, 1), axis=0)
        back = np.linalg.inv(self._r)
        return Evaluation(
            log_likelihood=-deviance / 2,
            fixed_effects=back @ (self._projection + effects),
            fixed_covariance=variance * back @ inverse @ back.T,
            residual_variance=variance,
            gradient=gradient,
        )

    def is_optimum(self, factor: Floats) -> bool:
        """Whether the conditions for a maximum hold at Λ, inside and on the boundary alike.

        With G the gradient by Ψ and Ψ positive semidefinite they are GΛ = 0 (in the interior: G = 0) and G positive
        semidefinite: no direction that adds variance raises the likelihood (Karush–Kuhn–Tucker).
        """
        gradient = self.evaluate(factor).gradient
        slope = np.abs(2 * gradient @ (factor * self.z_scale[:, None])).max()
        return bool(slope < GRADIENT_TOLERANCE and np.linalg.eigvalsh(gradient)[0] > -CURVATURE_TOLERANCE * self.n)

    def starts(self) -> list[Floats]:
        """Starting values of Λ: from the moments of least-squares residuals, with no slope variance, and small."""
        between = self._za[:, 0, self.p] / np.sqrt(self._zz[:, 0, 0])  # first column of Z is the intercept
        rows = self._zz[:, 0, 0] * self.z_scale[0] ** 2
        within = float(self._aa[self.p, self.p] - between @ between) / max(self.n - len(rows), 1)
        total = float(between @ between) / len(rows)
        ratio = max((total / within - 1) / float(np.mean(rows)), 0.05) if within > 0 else 1.0
        diagonals = [(math.sqrt(ratio), 0.2 * math.sqrt(ratio)), (math.sqrt(ratio), 0.0), (0.1, 0.1)]
        return [np.diag(values[: self.q]) / self.z_scale[:, None] for values in diagonals]

    def maximise(self, starts: list[Floats]) -> Floats:
        """Λ of the highest maximum reached from any start, by L-BFGS-B with the exact gradient and bounds diag(Λ) ≥ 0.

        A start that ends on the boundary where variance would still help is left along that direction.
        """
        candidates = [self._descend(start) for start in starts]
        best = max(candidates, key=lambda factor: self.evaluate(factor).log_likelihood)
        for _ in range(self.q):  # each time out of one more dimension
            values, vectors = np.linalg.eigh(self.evaluate(best).gradient)
            if values[0] > -CURVATURE_TOLERANCE * self.n:
                break
            scaled = best * self.z_scale[:, None]
            widened = scaled @ scaled.T + 0.01 * np.outer(vectors[:, 0], vectors[:, 0])
            escaped = self._descend(factor_of(widened) / self.z_scale[:, None])
            best = max([best, escaped], key=lambda factor: self.evaluate(factor).log_likelihood)
        return best

    def _descend(self, start: Floats) -> Floats:
        from scipy.optimize import minimize

        rows, columns = np.tril_indices(self.q)

        def unpack(theta: Floats) -> Floats:
            factor = np.zeros((self.q, self.q))
            factor[rows, columns] = theta
            return factor

        def objective(theta: Floats) -> tuple[float, Floats]:
            scaled = unpack(theta)
            at = self.evaluate(scaled / self.z_scale[:, None])
            slope: Floats = (2 * at.gradient @ scaled)[rows, columns]
            return -2 * at.log_likelihood, slope

        bounds = [(0.0, None) if row == column else (None, None) for row, column in zip(rows, columns, strict=True)]
        theta = (start * self.z_scale[:, None])[rows, columns]
        for _ in range(3):  # a restart forgets a curvature that no longer fits
            found = minimize(
                objective, theta, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-7}
            )
            theta = found.x
            if np.abs(found.jac).max() < GRADIENT_TOLERANCE / 10:
                break
        return unpack(theta) / self.z_scale[:, None]


def factor_of(covariance: Floats) -> Floats:
    """Lower triangular Λ with ΛΛ' = `covariance` (1 × 1 or 2 × 2, positive semidefinite; singular is allowed)."""
    first = math.sqrt(max(float(covariance[0, 0]), 0.0))
    if covariance.shape[0] == 1:
        return np.array([[first]])
    below = float(covariance[1, 0]) / first if first > 0 else 0.0
    return np.array([[first, 0.0], [below, math.sqrt(max(float(covariance[1, 1]) - below * below, 0.0))]])


def _sums_by_patient(left: Floats, right: Floats, patient: NDArray[np.int64], n_patients: int) -> Floats:
    """Σ left' right within each patient: N × q × k."""
    sums = np.empty((n_patients, left.shape[1], right.shape[1]))
    for i in range(left.shape[1]):
        for j in range(right.shape[1]):
            sums[:, i, j] = np.bincount(patient, left[:, i] * right[:, j], minlength=n_patients)
    return sums
