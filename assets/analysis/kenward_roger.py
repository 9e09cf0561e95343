"""Small-sample covariance of the fixed effects and degrees of freedom by Kenward and Roger.

What belongs here: the adjustment for a REML fit. What does not: estimation, or Satterthwaite's df.

Kenward and Roger (1997), Biometrics 53, 983–997, with the sums of Halekoh and Højsgaard (2014), J. Stat. Softw. 59(9).
The derivatives of V by the variance parameters are ZEᵣZ' for the random effects and I for the residual, so all of it
follows from the sums over patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.analysis.likelihood import ProfiledLikelihood
from assets.analysis.mixed_model import Kernel
from assets.analysis.patient_sums import Floats, packing
from assets.analysis.satterthwaite import Contrast, t_test

_ELEMENTS = (
    np.array([[1.0, 0.0], [0.0, 0.0]]),
    np.array([[0.0, 1.0], [1.0, 0.0]]),
    np.array([[0.0, 0.0], [0.0, 1.0]]),
)


@dataclass(frozen=True)
class Adjusted:
    """Tests with the adjusted covariance; terms in the order of the fit."""

    covariance: Floats
    """p × p, adjusted, in the units of the reported terms."""
    tests: tuple[Contrast, ...]


def adjusted(kernel: Kernel) -> Adjusted:
    """Adjusted covariance, and t test of each term with its degrees of freedom, of a model fitted by REML.

    Raises:
        ValueError: the model was fitted by ML.
    """
    likelihood, found = kernel.likelihood, kernel.maximum
    if not likelihood.is_reml:
        raise ValueError("Kenward and Roger's adjustment is defined for REML")
    variance = found.at.residual_variance
    phi: Floats = variance * found.at.inverse
    p_sums, q_sums, traces = _sums(likelihood, found.theta, variance)
    size = len(p_sums)
    expected = np.empty((size, size))
    for r in range(size):
        for s in range(size):
            twice = 2 * np.sum(phi * q_sums[r, s])
            expected[r, s] = traces[r, s] - twice + np.sum((phi @ p_sums[r]) * (phi @ p_sums[s]).T)
    weights = 2 * np.linalg.pinv((expected + expected.T) / 2, rcond=1e-12, hermitian=True)
    change = sum(weights[r, s] * (q_sums[r, s] - p_sums[r] @ phi @ p_sums[s]) for r in range(size) for s in range(size))
    wide = phi + 2 * phi @ change @ phi
    unsure = kernel.uncertainty
    back = np.linalg.inv(likelihood.sums.r) * 12.0 ** -kernel.months_power[:, None]
    covariance: Floats = back @ wide @ back.T
    tests = []
    for place in range(len(unsure.terms)):
        row = back[place]
        df = _freedom(row, phi, p_sums, weights.astype(np.float64))
        tests.append(t_test(float(unsure.estimate[place]), float(np.sqrt(covariance[place, place])), df))
    return Adjusted(covariance, tuple(tests))


def _freedom(row: Floats, phi: Floats, p_sums: Floats, weights: Floats) -> float:
    """Degrees of freedom of one linear combination: the approximation with one numerator degree of freedom."""
    variance = float(row @ phi @ row)
    moved = np.array([row @ phi @ part @ phi @ row for part in p_sums]) / variance
    a = float(moved @ weights @ moved)  # A1 and A2 are equal for one row
    b = 3.5 * a
    g = -1.0
    scale = 3 + 2 * (1 - g)
    c1, c2, c3 = g / scale, (1 - g) / scale, (3 - g) / scale
    rho = ((1 - a) / (1 - c2 * b)) ** 2 * (1 + c1 * b) / (1 - c3 * b)
    return 4 + 3 / (rho - 1)


def _sums(likelihood: ProfiledLikelihood, theta: Floats, variance: float) -> tuple[Floats, Floats, Floats]:
    """Pᵣ (k × p × p), Qᵣₛ symmetrised (k × k × p × p) and tr(V⁻¹GᵣV⁻¹Gₛ) (k × k); the residual comes last."""
    sums, p = likelihood.sums, likelihood.p
    first, below, last = (*theta, 0.0, 0.0)[:3]
    psi = np.array([[first**2, first * below], [first * below, below**2 + last**2]])
    zz = np.moveaxis(sums.zz[[0, 1, 1, 2]].reshape(2, 2, -1), 2, 0)  # G × 2 × 2
    w = np.linalg.inv(np.eye(2) + zz @ psi)
    shrink = psi @ w
    inner = w @ zz  # Z'V⁻¹Z
    rows, columns = packing(p + 1)
    own = np.flatnonzero(columns < p)
    unpacked = np.zeros((3, len(sums.count), p, p))
    products = sums.products.reshape(3, len(sums.count), -1)[:, :, own]
    unpacked[:, :, rows[own], columns[own]] = products
    unpacked[:, :, columns[own], rows[own]] = products
    total = np.zeros((p, p))
    total[rows[own], columns[own]] = total[columns[own], rows[own]] = sums.total[own]

    def quadratic(middle: Floats) -> Floats:
        """Σ (Z'X)' S (Z'X) over patients, S (G × 2 × 2) taken symmetrically."""
        places = np.stack([middle[:, 0, 0], middle[:, 0, 1] + middle[:, 1, 0], middle[:, 1, 1]])
        return np.asarray(np.einsum("kg,kgpq->pq", places, unpacked))

    turned = w.transpose(0, 2, 1)
    elements = _ELEMENTS[: likelihood.n_theta]
    size = len(elements) + 1
    squared = total - quadratic(2 * shrink - shrink @ zz @ shrink)  # X'V⁻²X
    p_sums = np.stack([-quadratic(turned @ e @ w) for e in elements] + [-squared]) / variance**2
    q_sums = np.zeros((size, size, p, p))
    traces = np.zeros((size, size))
    count = sums.count
    for r, left in enumerate(elements):
        for s, right in enumerate(elements):
            q_sums[r, s] = quadratic(turned @ left @ inner @ right @ w)
            traces[r, s] = count @ np.trace(inner @ left @ inner @ right, axis1=1, axis2=2)
        q_sums[r, -1] = q_sums[-1, r] = quadratic(turned @ left @ w @ w)
        traces[r, -1] = traces[-1, r] = count @ np.trace(w @ inner @ left, axis1=1, axis2=2)
    q_sums[-1, -1] = squared - quadratic(turned @ shrink @ w)
    product = shrink @ zz
    within = sums.zz[0] - 2 * np.trace(product, axis1=1, axis2=2) + np.trace(product @ product, axis1=1, axis2=2)
    traces[-1, -1] = count @ within
    return p_sums, q_sums / variance**3, traces / variance**2
