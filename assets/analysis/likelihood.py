"""The marginal log-likelihood of a linear mixed model, profiled over fixed effects and residual variance.

What belongs here: the likelihood as a function of the relative covariance of the random effects, its derivatives and
its optimality conditions. What does not: maximising it (`maximum`), terms, units, tables or any estimator's name.

y = X b + Z u + e by patient, e ~ N(0, s²), u ~ N(0, s² Ψ), Ψ = ΛΛ' with Λ lower triangular, so V = s² (I + Z Ψ Z').
Parametrisation and profiling follow Bates, Mächler, Bolker and Walker (2015), J. Stat. Softw. 67(1), sections 2–3.
Unlike a Cholesky factor of an inverse, Λ may be singular, so the function holds on the boundary too.

θ = (Λ11, Λ21, Λ22) for scaled columns of Z; with a random intercept alone θ = (Λ11).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from assets.analysis.patient_sums import Floats, PatientSums, packing

GRADIENT_TOLERANCE = 1e-3
"""Largest slope of the deviance per unit of Λ that counts as none."""
CURVATURE_TOLERANCE = 1e-4
"""Largest fall of the deviance per row and unit of added relative variance that counts as none."""


@dataclass(frozen=True)
class Evaluation:
    """The model at one Λ: everything given Λ is exact (generalised least squares)."""

    deviance: float
    """−2 log-likelihood, ML or REML for X as given."""
    residual_variance: float
    coordinates: Floats
    """p: fixed effects in the orthonormal basis, beyond least squares."""
    inverse: Floats
    """p × p: (X'V⁻¹X)⁻¹ in the basis, V relative to s²."""
    residual_square: float
    """r'V⁻¹r, V relative to s²."""
    determinant_gradient: Floats
    """2 × 2: derivative of log|V| (under REML with log|X'V⁻¹X|) by Ψ."""
    square_gradient: Floats
    """2 × 2: derivative of r'V⁻¹r by Ψ."""

    @property
    def gradient(self) -> Floats:
        """2 × 2: derivative of the deviance by Ψ."""
        return self.determinant_gradient + self.square_gradient / self.residual_variance


class ProfiledLikelihood:
    """One evaluation costs a few products over groups of patients, whatever the number of rows."""

    def __init__(self, sums: PatientSums, *, is_reml: bool) -> None:
        self.sums, self.is_reml = sums, is_reml
        self.p, self.n_theta = sums.n_fixed, 1 if sums.n_random == 1 else 3
        self.freedom = sums.n_rows - self.p if is_reml else sums.n_rows
        n, s, r = sums.zz
        self._det: Floats = n * r - s * s
        self._rows, self._columns = packing(self.p + 1)
        self._double: Floats = np.where(self._rows == self._columns, 1.0, 2.0)
        log_det_r = float(np.sum(np.log(np.abs(np.diag(sums.r)))))
        self._constant = self.freedom * (1 + math.log(2 * math.pi)) + (2 * log_det_r if is_reml else 0.0)

    def evaluate(self, theta: Floats) -> Evaluation:
        """Deviance, fixed effects and derivatives at θ."""
        first, below, last = _three(theta)
        a, b, c, det = first * first, first * below, below * below + last * last, (first * last) ** 2
        n, s, r = self.sums.zz
        size = 1 + n * a + 2 * s * b + r * c + self._det * det
        shrink = np.concatenate([(a + det * r) / size, 2 * (b - det * s) / size, (c + det * n) / size])
        joint = self._unpacked(self.sums.total - shrink @ self.sums.products)
        p = self.p
        inverse = np.asarray(np.linalg.inv(joint[:p, :p]), dtype=np.float64)
        coordinates: Floats = inverse @ joint[:p, p]
        square = float(joint[p, p] - joint[:p, p] @ coordinates)
        if not square > 0:
            square = float("nan")
        variance = square / self.freedom
        count = self.sums.count
        deviance = float(count @ np.log(size)) + self.freedom * math.log(variance) + self._constant
        if self.is_reml:
            deviance += float(np.linalg.slogdet(joint[:p, :p])[1])
        residual = np.append(-coordinates, 1.0)
        contracted = np.zeros((len(self._double), 2))
        contracted[:, 0] = (np.outer(residual, residual)[self._rows, self._columns]) * self._double
        if self.is_reml:
            padded = np.zeros((p + 1, p + 1))
            padded[:p, :p] = inverse
            contracted[:, 1] = padded[self._rows, self._columns] * self._double
        turned = self._turned((self.sums.products @ contracted).reshape(3, -1, 2), self._weights(a, b, c, size))
        own = np.array(
            [
                count @ ((n + self._det * c) / size),
                count @ ((s - self._det * b) / size),
                count @ ((r + self._det * a) / size),
            ]
        )
        return Evaluation(
            deviance, variance, coordinates, inverse, square, _square(own - turned[:, 1]), _square(-turned[:, 0])
        )

    def information_gradient(self, theta: Floats) -> Floats:
        """3 × p × p: −∂(X'V⁻¹X)/∂Ψ in the basis, for Ψ11, Ψ12 (both its places) and Ψ22."""
        first, below, last = _three(theta)
        a, b, c, det = first * first, first * below, below * below + last * last, (first * last) ** 2
        n, s, r = self.sums.zz
        size = 1 + n * a + 2 * s * b + r * c + self._det * det
        products = self.sums.products.reshape(3, -1, len(self._double))
        turned = self._turned(products, self._weights(a, b, c, size)) * np.array([1.0, 2.0, 1.0])[:, None]
        return np.stack([self._unpacked(part)[: self.p, : self.p] for part in turned])

    def slope(self, theta: Floats, at: Evaluation) -> Floats:
        """Derivative of the deviance by θ."""
        return self.by_theta(theta, at.gradient)

    def by_theta(self, theta: Floats, by_covariance: Floats) -> Floats:
        """From a derivative by Ψ (2 × 2) to one by θ."""
        first, below, last = _three(theta)
        found = 2 * by_covariance @ np.array([[first, 0.0], [below, last]])
        return np.array([found[0, 0], found[1, 0], found[1, 1]])[: self.n_theta]

    def is_optimum(self, theta: Floats) -> bool:
        """Whether the conditions for a maximum hold at θ, inside and on the boundary alike.

        With G the gradient by Ψ and Ψ positive semidefinite they are GΛ = 0 (in the interior: G = 0) and G positive
        semidefinite: no direction that adds variance raises the likelihood (Karush–Kuhn–Tucker).
        """
        at = self.evaluate(theta)
        return bool(np.abs(self.slope(theta, at)).max() < GRADIENT_TOLERANCE and self.escape(at) is None)

    def escape(self, at: Evaluation) -> Floats | None:
        """Direction (2) in which added variance raises the likelihood, or None."""
        if self.n_theta == 1:
            return np.array([1.0, 0.0]) if at.gradient[0, 0] < -CURVATURE_TOLERANCE * self.sums.n_rows else None
        values, vectors = np.linalg.eigh(at.gradient)
        return vectors[:, 0] if values[0] < -CURVATURE_TOLERANCE * self.sums.n_rows else None

    def moment_start(self) -> Floats:
        """θ from the moments of least-squares residuals: the level's variance, and a slope a fifth of it."""
        n_groups = len(self.sums.count)
        n = self.sums.zz[0]
        between = float(np.sum(self.sums.products[:n_groups, -1] / n))
        n_patients = self.sums.n_patients
        within = (float(self.sums.total[-1]) - between) / max(self.sums.n_rows - n_patients, 1)
        total = between / n_patients
        ratio = max((total / within - 1) / (self.sums.n_rows / n_patients), 0.05) if within > 0 else 1.0
        level = math.sqrt(ratio)
        return np.array([level, 0.0, 0.4 * level])[: self.n_theta]

    def thinned(self, step: int) -> ProfiledLikelihood:
        """The same from every `step`-th group of patients: a start for the search, not an estimate.

        Raises:
            ValueError: the sums have no totals by group.
        """
        sums = self.sums
        if sums.total_by_group is None:
            raise ValueError("sums of so few groups are not thinned")
        chosen = np.arange(0, len(sums.count), step)
        count = sums.count[chosen]
        n_rows = int(count @ sums.zz[0, chosen])
        width = len(self._double)
        smaller = replace(
            sums,
            n_rows=n_rows,
            n_patients=int(count.sum()),
            count=count,
            zz=sums.zz[:, chosen],
            products=sums.products.reshape(3, -1, width)[:, chosen].reshape(-1, width),
            total=sums.total_by_group[chosen].sum(axis=0),
            total_by_group=None,
        )
        return ProfiledLikelihood(smaller, is_reml=self.is_reml)

    def _weights(self, a: float, b: float, c: float, size: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """W = (I + Z'ZΨ)⁻¹ by group: Z'V⁻¹A = W Z'A."""
        n, s, r = self.sums.zz
        return (
            (1 + s * b + r * c) / size,
            -(n * b + s * c) / size,
            -(s * a + r * b) / size,
            (1 + n * a + s * b) / size,
        )

    @staticmethod
    def _turned(h: Floats, weights: tuple[Floats, Floats, Floats, Floats]) -> Floats:
        """3 × k: sums over groups of W H W' (11, 12, 22), H given by its three places (3 × G × k)."""
        w11, w12, w21, w22 = weights
        return np.stack(
            [
                (w11 * w11) @ h[0] + (2 * w11 * w12) @ h[1] + (w12 * w12) @ h[2],
                (w11 * w21) @ h[0] + (w11 * w22 + w12 * w21) @ h[1] + (w12 * w22) @ h[2],
                (w21 * w21) @ h[0] + (2 * w21 * w22) @ h[1] + (w22 * w22) @ h[2],
            ]
        )

    def _unpacked(self, packed: Floats) -> Floats:
        full = np.empty((self.p + 1, self.p + 1))
        full[self._rows, self._columns] = packed
        full[self._columns, self._rows] = packed
        return full


def _three(theta: Floats) -> tuple[float, float, float]:
    return (float(theta[0]), 0.0, 0.0) if len(theta) == 1 else (float(theta[0]), float(theta[1]), float(theta[2]))


def _square(packed: Floats) -> Floats:
    return np.array([[packed[0], packed[1]], [packed[1], packed[2]]])


def factor_of(covariance: Floats) -> Floats:
    """θ with ΛΛ' = `covariance` (2 × 2, positive semidefinite; singular is allowed)."""
    first = math.sqrt(max(float(covariance[0, 0]), 0.0))
    below = float(covariance[1, 0]) / first if first > 0 else 0.0
    return np.array([first, below, math.sqrt(max(float(covariance[1, 1]) - below * below, 0.0))])
