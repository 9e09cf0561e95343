"""Mixed models for counts with a random intercept by patient: Poisson, and negative binomial with its theta estimated.

What belongs here: the marginal likelihood of one-dimensional integrals and its maximum. What does not: models without
a random effect (`marginal`), tests of overdispersion (`dispersion`), tables.

log mu_ij = offset_ij + x_ij b + s u_i with u_i ~ N(0, 1), s the SD of patients' log rates. Given u_i a count is Poisson
or negative binomial with variance mu + mu²/theta (NB2; Lawless 1987). Each patient's integral over u_i is taken by
adaptive Gauss–Hermite quadrature around its mode (Pinheiro and Bates 1995, J. Comput. Graph. Stat. 4, 12–35), spread by
the expected information there: one point is the Laplace approximation as lme4 has it (`nAGQ = 1`, its penalised
weighted least squares). The log-likelihood is the full one, with log y!; lme4 prints the same for one point, and for
more points one without the sum of log Poisson(y; y).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assets.analysis.counts.data import CountData, Floats
from assets.analysis.counts.fitted import CountFit
from assets.analysis.design_matrix import NotEstimableError

MODE_TOLERANCE = 1e-11
"""Largest step of any patient's mode, in standard deviations of u, that counts as none."""
STEP = 2e-4
"""Step of numerical derivatives; columns are scaled to a root mean square of 1."""
GRADIENT_TOLERANCE = 1e-3
"""Largest slope of the log-likelihood in scaled parameters that counts as none."""
Function = Callable[[Floats], float]
BOUNDARY = 1e-4
"""Below this a random-intercept SD (or 1/theta) lies on its boundary 0."""


class CountLikelihood:
    """Marginal log-likelihood by patients' one-dimensional integrals, all patients at once."""

    def __init__(self, data: CountData, points: int) -> None:
        """Prepare quadrature with `points` nodes (1 is Laplace) and counts' own constants."""
        from scipy.special import gammaln

        self.data = data
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        self._nodes: Floats = nodes
        self._log_weights: Floats = np.log(weights) - 0.5 * math.log(2 * math.pi)
        self._constant: Floats = gammaln(data.y + 1)
        self._count = data.y.astype(np.int64)
        self._steps = np.arange(int(data.y.max()), dtype=float)
        self._modes: Floats = np.zeros(data.n_patients)

    def value(self, coefficients: Floats, sd: float, inverse_theta: float) -> float:
        """Log-likelihood of the data at these parameters (sd ≥ 0, 1/theta ≥ 0)."""
        data = self.data
        fixed = data.offset + data.x @ coefficients
        # log of Γ(y + 1/a) a^y / Γ(1/a), exact at a = 0 too
        rising = np.concatenate([[0.0], np.cumsum(np.log1p(inverse_theta * self._steps))])[self._count]
        base = rising - self._constant
        modes, curvature = self._find_modes(fixed, sd, inverse_theta)
        spread = 1 / np.sqrt(curvature)
        u = modes[:, None] + spread[:, None] * self._nodes
        eta = fixed[:, None] + sd * u[data.patient]
        given = np.add.reduceat(base[:, None] + _kernel(data.y[:, None], eta, inverse_theta), data.starts, axis=0)
        # φ(u) du over the weight function of the nodes; 2π of both cancel but for the one in the weights
        terms = given - 0.5 * u**2 + 0.5 * self._nodes**2 + self._log_weights
        top = terms.max(axis=1)
        return float(np.sum(top + np.log(np.sum(np.exp(terms - top[:, None]), axis=1)) + np.log(spread)))

    def _find_modes(self, fixed: Floats, sd: float, inverse_theta: float) -> tuple[Floats, Floats]:
        """Each patient's most probable u and the curvature there (Newton with halved steps, from the last modes)."""
        data, u = self.data, self._modes
        y, sums = data.y, data.starts
        for _ in range(100):
            mean = np.exp(np.minimum(fixed + sd * u[data.patient], 700))
            shrink = 1 + inverse_theta * mean
            slope = sd * np.add.reduceat((y - mean) / shrink, sums) - u
            curvature = 1 + sd**2 * np.add.reduceat(mean / shrink, sums)
            step = np.clip(slope / curvature, -2.0, 2.0)
            u = u + step
            if np.abs(step).max() < MODE_TOLERANCE:
                break
        self._modes = u if np.isfinite(u).all() else np.zeros_like(u)
        return u, curvature


def fit_mixed(
    data: CountData,
    points: int = 1,
    *,
    has_theta: bool = False,
    start: Floats | None = None,
    start_inverse_theta: float = 0.5,
) -> CountFit:
    """Maximise over coefficients, the random intercept's SD and, with `has_theta`, 1/theta (both bounded by 0).

    L-BFGS-B on columns made orthogonal, then Newton steps with the numerical Hessian, which also gives the standard
    errors (of coefficients, jointly with the other parameters that are not on their boundary).

    Raises:
        NotEstimableError: each patient has one row and the model has a random intercept and a theta, or nothing fits.
    """
    from scipy.optimize import minimize

    if has_theta and data.n_patients == len(data.y):
        raise NotEstimableError("every patient has one row: a random intercept and theta cannot be told apart")
    basis, triangle = np.linalg.qr(data.x)
    scale = math.sqrt(len(data.y))
    back = np.linalg.inv(triangle) * scale
    likelihood = CountLikelihood(replace(data, x=basis * scale), points)
    p = data.x.shape[1]
    first = start if start is not None else log_mean_start(data)
    origin = np.concatenate([triangle @ first / scale, [0.7], [start_inverse_theta] if has_theta else []])
    low = np.array([-np.inf] * p + [0.0] * (len(origin) - p))

    def minus(at: Floats) -> float:
        found = likelihood.value(at[:p], float(at[p]), float(at[p + 1]) if has_theta else 0.0)
        return -found if math.isfinite(found) else 1e12

    bounds = [(None, None)] * p + [(0.0, None)] * (len(origin) - p)
    found = minimize(
        lambda at: (minus(at), _slopes(minus, at, low)), origin, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-13, "gtol": 1e-5, "maxiter": 200},
    ).x  # fmt: skip
    best, hessian, free, slope = _polish(minus, np.asarray(found, dtype=np.float64), low)
    inverse = np.full((len(best), len(best)), 0.0)
    values = np.linalg.eigvalsh(hessian)
    if values[0] <= 0:
        raise NotEstimableError("the likelihood is flat at its maximum; these rows cannot identify every term")
    inverse[np.ix_(free, free)] = np.linalg.inv(hessian)
    spread = inverse[p + 1, p + 1] if has_theta and free[p + 1] else None
    inverse_theta = float(best[p + 1]) if has_theta else 0.0
    integral = "Laplace approximation" if points == 1 else f"adaptive Gauss–Hermite quadrature, {points} points"
    return CountFit(
        data.terms,
        back @ best[:p],
        back @ inverse[:p, :p] @ back.T,
        f"{'negative-binomial' if has_theta else 'Poisson'} mixed model, random intercept, {integral}",
        is_converged=bool(np.abs(slope[free]).max() < GRADIENT_TOLERANCE),
        log_likelihood=-minus(best),
        n_parameters=len(best),
        theta=1 / inverse_theta if inverse_theta > 0 else None,
        se_log_theta=None if spread is None else float(math.sqrt(spread) / inverse_theta),
        sd_intercept=float(best[p]),
        is_singular=not bool(free[p]),
    )


def log_mean_start(data: CountData) -> Floats:
    """Coefficients to start from: least squares of log((y + ½) / exposure)."""
    found = np.linalg.lstsq(data.x, np.log(data.y + 0.5) - data.offset, rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def _kernel(y: Floats, eta: Floats, inverse_theta: float) -> Floats:
    """The part of the log probability that depends on eta = log mu."""
    mean = np.exp(np.minimum(eta, 700))
    if inverse_theta == 0:
        poisson: Floats = y * eta - mean
        return poisson
    negative_binomial: Floats = y * eta - (y + 1 / inverse_theta) * np.log1p(inverse_theta * mean)
    return negative_binomial


def _slopes(function: Function, at: Floats, low: Floats) -> Floats:
    """Central differences; one-sided of second order at a bound."""
    slopes = np.empty(len(at))
    here = None
    for place in range(len(at)):
        step = np.zeros(len(at))
        step[place] = STEP
        if at[place] - STEP < low[place]:
            here = function(at) if here is None else here
            slopes[place] = (4 * function(at + step) - function(at + 2 * step) - 3 * here) / (2 * STEP)
        else:
            slopes[place] = (function(at + step) - function(at - step)) / (2 * STEP)
    return slopes


def _polish(function: Function, at: Floats, low: Floats) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    """Newton steps over the parameters that are off their bound: place, Hessian there, which are free, slopes."""
    for _ in range(3):
        free = ~(at - low < BOUNDARY)
        at = np.where(free, at, low)
        slope = _slopes(function, at, low)
        hessian = _hessian(function, at, np.flatnonzero(free))
        if np.linalg.eigvalsh(hessian)[0] <= 0:
            break
        move = np.zeros(len(at))
        move[free] = np.linalg.solve(hessian, slope[free])
        if np.abs(move).max() < 1e-7 or function(np.maximum(at - move, low)) > function(at):
            break
        at = np.maximum(at - move, low)
    return at, hessian, free, slope


def _hessian(function: Function, at: Floats, free: NDArray[np.int64]) -> Floats:
    size, here = len(free), function(at)
    step = 10 * STEP

    def moved(*moves: tuple[int, float]) -> float:
        there = at.copy()
        for place, sign in moves:
            there[free[place]] += sign * step
        return float(function(there))

    hessian = np.empty((size, size))
    for row in range(size):
        hessian[row, row] = (moved((row, 1)) - 2 * here + moved((row, -1))) / step**2
        for column in range(row):
            cross = (
                moved((row, 1), (column, 1)) - moved((row, 1), (column, -1))
                - moved((row, -1), (column, 1)) + moved((row, -1), (column, -1))
            )  # fmt: skip
            hessian[row, column] = hessian[column, row] = cross / (4 * step**2)
    return hessian
