"""Path models of means and covariances by normal-theory maximum likelihood, complete data.

What belongs here: the covariance that paths imply, its maximum, standard errors and fit. What does not: which paths
make a panel model (`cross_lagged`).

Reticular action model (McArdle and McDonald 1984, Br. J. Math. Stat. Psychol. 37, 234–251): v = A v + s with
cov(s) = S, observed y = F v + m, so Σ = F (I−A)⁻¹ S (I−A)⁻ᵀ Fᵀ. Means m are free, one for each observed variable: they
fit exactly and do not touch the rest. F_ML = log|Σ| + tr(C Σ⁻¹) − log|C| − p with C the covariance by n; chi² = n F_ML,
as lavaan and Mplus have it. Standard errors are from the expected information n/2 tr(Σ⁻¹ Σ_k Σ⁻¹ Σ_l) (Bollen 1989,
section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError

Floats = NDArray[np.float64]
TOLERANCE = 1e-9
"""Largest slope of F_ML by any parameter that counts as none."""
MAX_STEPS = 500


@dataclass(frozen=True)
class Free:
    """One parameter: a path `lhs ~ rhs`, or a (residual) covariance `lhs ~~ rhs`. Equal `label`s are one parameter."""

    lhs: str
    op: str
    rhs: str
    starts: tuple[float, ...]
    """Values to start from, one for each attempt; the highest maximum counts."""
    label: str | None = None


@dataclass(frozen=True)
class PathFit:
    """The maximum; arrays in the order of `free`."""

    free: tuple[Free, ...]
    estimates: Floats
    errors: Floats
    standardised: Floats
    """Both variables (latent too) with variance 1; NaN where one has a variance below 0."""
    latent_variances: dict[str, float]
    """Total variances of latent variables, as the model implies them."""
    chi_square: float
    df: int
    cfi: float | None
    rmsea: float | None
    srmr: float
    log_likelihood: float
    n_parameters: int
    """Means included."""
    n: int

    @property
    def aic(self) -> float:
        """−2 log-likelihood + 2 parameters."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """−2 log-likelihood + log(n) parameters."""
        return -2 * self.log_likelihood + math.log(self.n) * self.n_parameters

    def improper(self) -> list[str]:
        """Variances (of residuals or of latent variables) that came out below 0 (Heywood cases), by name."""
        names = [
            f"{one.lhs} ~~ {one.rhs}"
            for one, value in zip(self.free, self.estimates, strict=True)
            if one.op == "~~" and one.lhs == one.rhs and value < 0
        ]
        return names + [
            name for name, value in self.latent_variances.items() if value < 0 and f"{name} ~~ {name}" not in names
        ]


class PathModel:
    """Free parameters and fixed loadings over observed and latent variables."""

    def __init__(
        self,
        observed: Sequence[str],
        free: Sequence[Free],
        latent: Sequence[str] = (),
        loadings: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`loadings` are (observed, latent) with a coefficient of 1."""
        self.observed, self.latent, self.free = tuple(observed), tuple(latent), tuple(free)
        names = (*self.observed, *self.latent)
        place = {name: number for number, name in enumerate(names)}
        size = len(names)
        self._fixed: Floats = np.zeros((size, size))
        for to, origin in loadings:
            self._fixed[place[to], place[origin]] = 1
        self._where = [(place[one.lhs], place[one.rhs]) for one in self.free]
        labels = [one.label or str(number) for number, one in enumerate(self.free)]
        order = list(dict.fromkeys(labels))
        self.parameter: NDArray[np.int64] = np.array([order.index(label) for label in labels])
        self.n_parameters = len(order)

    def _matrices(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """(I−A)⁻¹, S and A at values of the distinct parameters."""
        paths, covariances = self._fixed.copy(), np.zeros_like(self._fixed)
        for one, (row, column), number in zip(self.free, self._where, self.parameter, strict=True):
            if one.op == "~":
                paths[row, column] = values[number]
            else:
                covariances[row, column] = covariances[column, row] = values[number]
        return np.linalg.inv(np.eye(len(paths)) - paths).astype(np.float64), covariances, paths

    def implied(self, values: Floats) -> tuple[Floats, Floats]:
        """Covariance of all variables (p + q), and its derivative by each parameter among the observed (k × p × p)."""
        total, covariances, _ = self._matrices(values)
        everything: Floats = total @ covariances @ total.T
        p = len(self.observed)
        slopes = np.zeros((self.n_parameters, p, p))
        for one, (row, column), number in zip(self.free, self._where, self.parameter, strict=True):
            left = total[:p, row]
            right = everything[column, :p] if one.op == "~" else total[:p, column]
            product = np.outer(left, right)
            is_variance = one.op == "~~" and row == column
            slopes[number] += product if is_variance else product + product.T
        return everything, slopes

    def fit(self, data: Floats) -> PathFit:
        """Maximise for `data` (n × p, columns as `observed`) by Fisher scoring with halved steps.

        Raises:
            NotEstimableError: collinear variables, no more cases than parameters, no maximum, or no unique one.
        """
        n, p = data.shape
        if n <= max(p, self.n_parameters):
            text = f"{n} complete cases are no more than {max(p, self.n_parameters)} variables or parameters"
            raise NotEstimableError(text)
        sample = usable_covariance(data, self.observed)
        attempts = [self._maximise(sample, k) for k in range(max(len(one.starts) for one in self.free))]
        values, is_converged = min(attempts, key=lambda attempt: self._discrepancy(attempt[0], sample))
        if not math.isfinite(self._discrepancy(values, sample)):
            raise NotEstimableError("no starting values imply a covariance matrix")
        if not is_converged:
            raise NotEstimableError("the likelihood has no maximum that was reached; too few cases for this model")
        everything, slopes = self.implied(values)
        information = n / 2 * _information(everything[:p, :p], slopes)
        if np.linalg.cond(_correlation(information)) > 1e12:
            raise NotEstimableError("the model is not identified in these data; its information has no inverse")
        covariance = np.linalg.inv(information)
        errors = np.sqrt(np.diag(covariance))
        return self._report(sample, n, values, errors, everything)

    def _maximise(self, sample: Floats, attempt: int) -> tuple[Floats, bool]:
        values = np.zeros(self.n_parameters)
        for one, number in zip(self.free, self.parameter, strict=True):
            values[number] = one.starts[min(attempt, len(one.starts) - 1)]
        p = len(self.observed)
        current = self._discrepancy(values, sample)
        if not math.isfinite(current):
            return values, False
        gradient = np.full(self.n_parameters, np.inf)
        for _ in range(MAX_STEPS):
            everything, slopes = self.implied(values)
            inverse = np.linalg.inv(everything[:p, :p])
            residual = inverse @ (everything[:p, :p] - sample) @ inverse
            gradient = np.einsum("ij,kji->k", residual, slopes)
            information = _information(everything[:p, :p], slopes)
            width = np.sqrt(np.maximum(np.diag(information), 1e-300))
            if np.abs(gradient / width).max() < TOLERANCE:
                break
            step = np.linalg.lstsq(_correlation(information), gradient / width, rcond=1e-12)[0] / width
            size = 1.0
            while size > 1e-8:
                found = self._discrepancy(values - size * step, sample)
                if found < current:
                    break
                size /= 2
            else:
                break
            values, current = values - size * step, found
        width = np.sqrt(np.maximum(np.diag(_information(*self._observed(values))), 1e-300))
        return values, bool(np.abs(gradient / width).max() < 1e-5)

    def _observed(self, values: Floats) -> tuple[Floats, Floats]:
        everything, slopes = self.implied(values)
        p = len(self.observed)
        return everything[:p, :p], slopes

    def _discrepancy(self, values: Floats, sample: Floats) -> float:
        """F_ML without log|C| + p; infinite where the implied matrix is no covariance matrix."""
        p = len(self.observed)
        covariance = self.implied(values)[0][:p, :p]
        if not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance)[0] <= 0:
            return math.inf
        return float(np.linalg.slogdet(covariance)[1] + np.trace(np.linalg.solve(covariance, sample)))

    def _report(self, sample: Floats, n: int, values: Floats, errors: Floats, everything: Floats) -> PathFit:
        p = len(self.observed)
        log_det = float(np.linalg.slogdet(sample)[1])
        chi_square = max(n * (self._discrepancy(values, sample) - log_det - p), 0.0)
        df = p * (p + 1) // 2 - self.n_parameters
        null = n * (float(np.sum(np.log(np.diag(sample)))) - log_det)
        null_excess = max(null - p * (p - 1) / 2, chi_square - df, 0.0)
        deviation = np.sqrt(np.diag(sample))
        standardised_residual = (sample - everything[:p, :p]) / np.outer(deviation, deviation)
        squares = float(np.sum(standardised_residual[np.tril_indices(p)] ** 2))
        own = values[self.parameter]
        variances = np.diag(everything)
        return PathFit(
            free=self.free,
            estimates=own,
            errors=errors[self.parameter],
            standardised=self._standardise(own, values, variances),
            latent_variances={name: float(variances[p + k]) for k, name in enumerate(self.latent)},
            chi_square=chi_square,
            df=df,
            cfi=None if df == 0 or null_excess == 0 else 1 - max(chi_square - df, 0.0) / null_excess,
            rmsea=None if df == 0 else math.sqrt(max((chi_square - df) / (df * n), 0.0)),
            srmr=math.sqrt(squares / (p * (p + 1) / 2 + p)),
            log_likelihood=-n / 2 * (p * math.log(2 * math.pi) + self._discrepancy(values, sample)),
            n_parameters=self.n_parameters + p,
            n=n,
        )

    def _standardise(self, own: Floats, values: Floats, variances: Floats) -> Floats:
        """Paths by SD of cause / SD of effect; covariances by the SDs of what they join (residuals where there are)."""
        residual = np.diag(self._matrices(values)[1])
        found = np.full(len(own), np.nan)
        for k, (one, (row, column)) in enumerate(zip(self.free, self._where, strict=True)):
            if one.op == "~":
                by = variances[column] / variances[row]
                found[k] = own[k] * math.sqrt(by) if by > 0 and variances[row] > 0 else np.nan
            elif row == column:
                found[k] = own[k] / variances[row] if variances[row] > 0 else np.nan
            elif min(residual[row], residual[column]) > 0:
                found[k] = own[k] / math.sqrt(residual[row] * residual[column])
        return found


def usable_covariance(data: Floats, names: Sequence[str]) -> Floats:
    """Covariance by n of the columns.

    Raises:
        NotEstimableError: fewer than two cases, a constant column, or columns of which one follows from the others.
    """
    if len(data) < 2:
        raise NotEstimableError("fewer than 2 complete cases")
    scale = data.std(axis=0)
    for name, value in zip(names, scale, strict=True):
        if value <= 0:
            raise NotEstimableError(f"{name} has the same value in every complete case")
    sample = np.atleast_2d(np.cov(data, rowvar=False, bias=True)).astype(np.float64)
    if np.linalg.cond(sample / np.outer(scale, scale)) > 1e10:
        raise NotEstimableError("some variable follows from the others without error")
    return sample


def _information(covariance: Floats, slopes: Floats) -> Floats:
    """tr(Σ⁻¹ Σ_k Σ⁻¹ Σ_l), k × k."""
    products = np.linalg.solve(covariance, slopes)
    found: Floats = np.einsum("kij,lji->kl", products, products)
    return found


def _correlation(matrix: Floats) -> Floats:
    width = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.asarray(matrix / np.outer(width, width), dtype=np.float64)
