"""The maximum of the profiled likelihood, and its curvature there.

What belongs here: starts, descent, Newton's last steps, ways out of a boundary. What does not: the likelihood itself,
or what is reported of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.analysis.likelihood import Evaluation, ProfiledLikelihood, factor_of
from assets.analysis.patient_sums import Floats

STEP = 1e-4
"""Of the central differences of the exact gradient, in units of θ (columns of Z scaled to a mean square of one)."""
NEAR_BOUNDARY = 0.05
"""A diagonal element of Λ below this makes another start worth its time."""
SAMPLE = 5000
"""Groups that the search begins with where there are very many."""


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is largest."""

    theta: Floats
    at: Evaluation
    determinant_curvature: Floats
    """Second derivatives of log|V| (and log|X'V⁻¹X| under REML) by θ."""
    square_curvature: Floats
    """Second derivatives of r'V⁻¹r by θ, fixed effects profiled."""


def maximise(likelihood: ProfiledLikelihood, start: Floats | None = None) -> Maximum:
    """Descend from the moment start (or `start`), and from more starts where the end lies near the boundary."""
    if start is None and likelihood.sums.total_by_group is not None:
        found = _from_a_sample(likelihood)
        if found is not None:
            return found
    theta, at = _descend(likelihood, likelihood.moment_start() if start is None else start)
    theta, at = _off_the_boundary(likelihood, theta, at)
    if likelihood.n_theta == 3 and min(abs(theta[0]), abs(theta[2])) < NEAR_BOUNDARY:
        for other in ([0.5, 0.0, 0.0], [0.5, 0.2, 0.2], [0.5, -0.2, 0.2]):
            candidate, there = _off_the_boundary(likelihood, *_descend(likelihood, np.array(other)))
            if there.deviance < at.deviance:
                theta, at = candidate, there
    return _polished(likelihood, theta, at)


def curvature(likelihood: ProfiledLikelihood, theta: Floats) -> tuple[Floats, Floats]:
    """Second derivatives by θ of the determinant and the square, from central differences of their exact gradients."""
    size = likelihood.n_theta
    determinant, square = np.zeros((size, size)), np.zeros((size, size))
    for place in range(size):
        step = np.zeros(size)
        step[place] = STEP
        up, down = likelihood.evaluate(theta + step), likelihood.evaluate(theta - step)
        for found, name in ((determinant, "determinant_gradient"), (square, "square_gradient")):
            above = likelihood.by_theta(theta + step, getattr(up, name))
            found[place] = (above - likelihood.by_theta(theta - step, getattr(down, name))) / (2 * STEP)
    return (determinant + determinant.T) / 2, (square + square.T) / 2


def _descend(likelihood: ProfiledLikelihood, start: Floats) -> tuple[Floats, Evaluation]:
    """L-BFGS-B with the exact gradient and bounds diag(Λ) ≥ 0."""
    from scipy.optimize import minimize

    def objective(theta: Floats) -> tuple[float, Floats]:
        at = likelihood.evaluate(theta)
        return at.deviance, likelihood.slope(theta, at)

    bounds = [(0.0, None), (None, None), (0.0, None)][: likelihood.n_theta]
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-4}
    )
    return found.x, likelihood.evaluate(found.x)


def _off_the_boundary(likelihood: ProfiledLikelihood, theta: Floats, at: Evaluation) -> tuple[Floats, Evaluation]:
    """Leave a boundary where variance would still help, at most once for each dimension."""
    for _ in range(likelihood.n_theta):
        direction = likelihood.escape(at)
        if direction is None:
            break
        first, below, last = (*theta, 0.0, 0.0)[:3]
        factor = np.array([[first, 0.0], [below, last]])
        widened = factor @ factor.T + 0.01 * np.outer(direction, direction)
        escaped, there = _descend(likelihood, factor_of(widened)[: likelihood.n_theta])
        if there.deviance >= at.deviance:
            break
        theta, at = escaped, there
    return theta, at


def _from_a_sample(likelihood: ProfiledLikelihood) -> Maximum | None:
    """For very many groups: the maximum of a few thousand of them, and Newton's steps from there over all."""
    sample = likelihood.thinned(-(-len(likelihood.sums.count) // SAMPLE))
    rough = maximise(sample)
    grown = likelihood.sums.n_rows / sample.sums.n_rows
    known = (rough.determinant_curvature * grown, rough.square_curvature * grown)
    theta, at = _newton(likelihood, rough.theta, likelihood.evaluate(rough.theta), known)
    if not likelihood.is_optimum(theta):
        return None
    return Maximum(theta, at, *curvature(likelihood, theta))


def _polished(likelihood: ProfiledLikelihood, theta: Floats, at: Evaluation) -> Maximum:
    """Newton's steps with the curvature renewed until they are small."""
    curved = curvature(likelihood, theta)
    for _ in range(3):
        before = theta
        theta, at = _newton(likelihood, theta, at, curved)
        if float(np.abs(theta - before).max()) < 1e-5:
            break
        curved = curvature(likelihood, theta)
    return Maximum(theta, at, *curved)


def _newton(
    likelihood: ProfiledLikelihood, theta: Floats, at: Evaluation, curved: tuple[Floats, Floats]
) -> tuple[Floats, Evaluation]:
    """Newton's steps on the profiled deviance with fixed second derivatives, kept while they go down."""
    determinant, square = curved
    for _ in range(6):
        slope = likelihood.slope(theta, at)
        by_square = likelihood.by_theta(theta, at.square_gradient)
        hessian = (
            determinant
            + square / at.residual_variance
            - np.outer(by_square, by_square) / (at.residual_square * at.residual_variance)
        )
        values, vectors = np.linalg.eigh(hessian)
        usable = values > 1e-8 * max(float(values[-1]), 1e-8)
        step = -vectors[:, usable] @ ((vectors[:, usable].T @ slope) / values[usable])
        size = float(np.abs(step).max())
        moved = theta + step
        moved[::2] = np.abs(moved[::2])  # the diagonal of Λ: its sign is free
        there = likelihood.evaluate(moved)
        if not there.deviance <= at.deviance or size > 0.2:
            break
        theta, at = moved, there
        if size < 1e-7:
            break
    return theta, at
