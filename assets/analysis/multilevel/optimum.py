"""The best Λ of a Gaussian model with a declared covariance, and whether it is one.

What belongs here: starts, descent, leaving a boundary, and the conditions that hold at a maximum. What does not: the
likelihood (`likelihood`), or anything that is reported (`model`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from assets.analysis.multilevel.blocks import Block, Floats
from assets.analysis.multilevel.likelihood import Evaluation, MarginalLikelihood

GRADIENT_TOLERANCE = 1e-3
"""Largest slope of the deviance per unit of Λ (scaled) that counts as none."""
CURVATURE_TOLERANCE = 1e-4
"""Largest fall of the deviance per row and unit of added variance that counts as none."""
SINGULAR_TOLERANCE = 1e-4
"""Smallest diagonal element of Λ relative to the residual SD, with columns scaled to a mean square of one."""
AGREEMENT = 1e-4
"""Deviances that differ by less were reached twice."""
LOG_BOUND = 9.0
"""Residual standard deviations stay within e^±9 of the scale while the optimum is sought."""
RESIDUAL_SHARES = (0.5, 0.85, 0.15)
"""Shares of the variance that are residual at each start."""


def unpack(theta: Floats, blocks: Sequence[Block]) -> list[Floats]:
    """Lower triangular Λ of each part."""
    factors, start = [], 0
    for block in blocks:
        factor = np.zeros((block.q, block.q))
        factor[block.cells()] = theta[start : start + block.n_parameters]
        factors.append(factor)
        start += block.n_parameters
    return factors


def pack(matrices: Sequence[Any], likelihood: MarginalLikelihood) -> Floats:
    """The free elements of one matrix for each part."""
    return np.concatenate(
        [matrix[block.cells()] for matrix, block in zip(matrices, likelihood.blocks, strict=True)]
    ).astype(float)


def maximise(likelihood: MarginalLikelihood) -> Floats:
    """Free elements of the best Λ found, for scaled data, with s² taken in.

    From one start after the other until the best was reached twice; a boundary where variance would help is left.
    """
    reached: list[tuple[float, Floats]] = []
    for start in _starts(likelihood):
        reached.append(_climb(likelihood, start))
        reached.sort(key=lambda one: one[0])
        if len(reached) > 1 and reached[1][0] - reached[0][0] < AGREEMENT:
            break
    theta = reached[0][1]
    return np.where(_is_log(likelihood) | (np.abs(theta) > 1e-6), theta, 0.0)  # nought is written as nought


def _climb(likelihood: MarginalLikelihood, start: Floats) -> tuple[float, Floats]:
    """Descend the deviance, and again from wherever a boundary can be left."""
    best = _descend(likelihood, start)
    for _ in range(sum(block.q for block in likelihood.blocks if not block.is_residual)):
        widened = _leave_boundary(likelihood, best[1])
        if widened is None:
            break
        escaped = _descend(likelihood, widened)
        if escaped[0] > best[0] - 1e-7:
            break
        best = escaped
    return best


def _starts(likelihood: MarginalLikelihood) -> list[Floats]:
    n_random = max(sum(not block.is_residual for block in likelihood.blocks), 1)
    starts = []
    for share in RESIDUAL_SHARES:
        factors = []
        for block in likelihood.blocks:
            if block.is_residual:
                correlation = 0.0 if block.is_diagonal else 0.3
                psi = share * ((1 - correlation) * np.eye(block.q) + correlation)
            else:
                powers = np.array(block.months_power)
                psi = np.diag((1 - share) / n_random * np.where(powers > 0, 0.15, 1.0))
            factors.append(np.asarray(np.linalg.cholesky(psi), dtype=float))
        starts.append(pack(factors, likelihood))
    return starts


def _descend(likelihood: MarginalLikelihood, start: Floats) -> tuple[float, Floats]:
    """Deviance and Λ (with s² taken in) after L-BFGS-B from `start`."""
    from scipy.optimize import minimize

    is_log = _is_log(likelihood)

    def objective(values: Floats) -> tuple[float, Floats]:
        theta = np.where(is_log, np.exp(np.where(is_log, values, 0.0)), values)
        factors = unpack(theta, likelihood.blocks)
        try:
            at = likelihood.evaluate(factors, is_profiled=True)
        except np.linalg.LinAlgError:
            return 1e30, np.zeros(len(values))
        slope = pack([2 * g @ f for g, f in zip(at.gradients, factors, strict=True)], likelihood)
        # with the best s² for these Ψ, the derivative by Ψ is that at the multiplied variances, in their units
        return at.deviance, np.where(is_log, slope * theta, slope)

    values = np.where(is_log, np.log(np.maximum(np.where(is_log, start, 1.0), 1e-8)), start)
    # diagonals of Λ may change sign on the way: Ψ is the same, and a bound at zero would hold the search there
    bounds = [(-LOG_BOUND, LOG_BOUND) if log else (None, None) for log in is_log]
    for _ in range(3):  # a restart forgets a curvature that no longer fits
        found = minimize(
            objective,
            values,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-14, "gtol": 1e-6, "maxiter": 500, "maxcor": 20},
        )
        values = found.x
        if np.abs(found.jac).max() < GRADIENT_TOLERANCE / 10:
            break
    theta = np.where(is_log, np.exp(np.where(is_log, values, 0.0)), values)
    at = likelihood.evaluate(unpack(theta, likelihood.blocks), is_profiled=True)
    factors = [factor * np.where(np.diag(factor) < 0, -1.0, 1.0) for factor in unpack(theta, likelihood.blocks)]
    return at.deviance, pack(factors, likelihood) * math.sqrt(at.scale)


def _is_log(likelihood: MarginalLikelihood) -> np.ndarray:
    return pack([np.eye(block.q) * block.is_residual for block in likelihood.blocks], likelihood) > 0


def _leave_boundary(likelihood: MarginalLikelihood, theta: Floats) -> Floats | None:
    """Λ with variance added to the part where it would raise the likelihood most; None where it would in none."""
    factors = unpack(theta, likelihood.blocks)
    at = likelihood.evaluate(factors, is_profiled=False)
    worst, place, direction = -CURVATURE_TOLERANCE * likelihood.n, None, None
    for number, (block, gradient) in enumerate(zip(likelihood.blocks, at.gradients, strict=True)):
        if block.is_residual:
            continue
        values, vectors = np.linalg.eigh(np.diag(np.diag(gradient)) if block.is_diagonal else gradient)
        if values[0] < worst:
            worst, place, direction = float(values[0]), number, vectors[:, 0]
    if place is None or direction is None:
        return None
    psi = factors[place] @ factors[place].T + 0.01 * np.outer(direction, direction)
    factors[place] = np.asarray(np.linalg.cholesky(psi + 1e-10 * np.eye(len(psi))), dtype=float)
    return pack(factors, likelihood)


def is_optimum(likelihood: MarginalLikelihood, factors: list[Floats], at: Evaluation) -> bool:
    """Conditions for a maximum (Karush, Kuhn, Tucker).

    GΛ = 0 for every part, with G the gradient by Ψ, and for random effects G has no direction that would still help.
    """
    for block, factor, gradient in zip(likelihood.blocks, factors, at.gradients, strict=True):
        slope = 2 * gradient @ factor
        if np.abs(slope[block.cells()]).max() > GRADIENT_TOLERANCE:
            return False
        kept = np.diag(np.diag(gradient)) if block.is_diagonal else gradient
        if not block.is_residual and np.linalg.eigvalsh(kept)[0] < -CURVATURE_TOLERANCE * likelihood.n:
            return False
    return True


def is_singular(likelihood: MarginalLikelihood, factors: list[Floats]) -> bool:
    """Whether a part lies on the boundary: a variance of zero, or columns that are perfectly correlated."""
    least = SINGULAR_TOLERANCE * _residual_sd(likelihood, factors)
    return any(float(np.abs(np.diag(factor)).min()) < least for factor in factors)


def vanished(likelihood: MarginalLikelihood, factors: list[Floats]) -> frozenset[tuple[str, str]]:
    """Columns whose variance is zero: (part, column)."""
    least = (SINGULAR_TOLERANCE * _residual_sd(likelihood, factors)) ** 2
    return frozenset(
        (block.name, column)
        for block, factor in zip(likelihood.blocks, factors, strict=True)
        for column, variance in zip(block.columns, np.diag(factor @ factor.T), strict=True)
        if variance < least
    )


def _residual_sd(likelihood: MarginalLikelihood, factors: list[Floats]) -> float:
    pairs = zip(likelihood.blocks, factors, strict=True)
    variances = np.concatenate([np.diag(factor @ factor.T) for block, factor in pairs if block.is_residual])
    return math.sqrt(float(variances.mean()))
