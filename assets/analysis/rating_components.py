"""Variance components of ratings by REML, raters crossed with objects or nested in them, however unbalanced.

What belongs here: estimation from (object, rater, rating), and what follows for reliability (generalizability).
What does not: which ratings (`agreement`).

Crossed: rating = μ + object + rater + residual. Nested: rating = μ + object + residual, raters being part of the
residual. Objects are swept out by their own sums, so the matrix that is factored is as large as the number of raters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STARTS = (1.0, 0.1, 4.0)
_EXACT, _QUICK = {"ftol": 1e-14, "gtol": 1e-8}, {"ftol": 1e-8, "gtol": 1e-4}
_LARGEST = 1e4
"""Largest ratio of an SD to the residual's that is searched."""


@dataclass(frozen=True)
class Components:
    """Variances of objects, raters (0 where nested) and residual; `log_likelihood` is REML's."""

    objects: float
    raters: float
    residual: float
    log_likelihood: float

    def relative(self, n_raters: float) -> float:
        """Generalizability Eρ²: objects / (objects + residual / n) (Brennan 2001)."""
        return _share(self.objects, self.residual / n_raters)

    def absolute(self, n_raters: float) -> float:
        """Dependability Φ: objects / (objects + (raters + residual) / n) (Brennan 2001)."""
        return _share(self.objects, (self.raters + self.residual) / n_raters)


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest > 0 else float("nan")


@dataclass
class RatingDesign:
    """Who rated what. Objects and raters are numbered from 0; `is_nested` leaves raters out of the model."""

    objects: Ints
    raters: Ints
    is_nested: bool = False
    counts: Floats = field(init=False)
    """Objects × raters: how many ratings."""

    def __post_init__(self) -> None:
        shape = (int(self.objects.max()) + 1, 1 if self.is_nested else int(self.raters.max()) + 1)
        self.counts = np.zeros(shape)
        np.add.at(self.counts, (self.objects, np.zeros_like(self.raters) if self.is_nested else self.raters), 1)

    @property
    def n(self) -> int:
        """Number of ratings."""
        return len(self.objects)

    def check(self, ratings: Floats) -> None:
        """Refuse what has no answer.

        Raises:
            NotEstimableError: no object with two ratings, one object, one rater, or ratings that are all the same.
        """
        n_objects, n_raters = self.counts.shape
        if n_objects < 2:
            raise NotEstimableError("fewer than 2 objects were rated")
        if not self.is_nested and n_raters < 2:
            raise NotEstimableError("only one rater rated; 2 are needed")
        if self.counts.sum(axis=1).max() < 2:
            raise NotEstimableError("no object has two ratings")
        if float(np.ptp(ratings)) == 0:
            raise NotEstimableError("all ratings are the same")

    def fit(self, ratings: Floats) -> Components:
        """Components at the REML optimum.

        Raises:
            NotEstimableError: as `check`; or raters agree perfectly, so that there is no residual.
        """
        self.check(ratings)
        if self._unexplained(ratings) <= 1e-12 * float(((ratings - ratings.mean()) ** 2).sum()):
            raise NotEstimableError("objects (and raters) explain every rating: there is no residual variance")
        return self._fit(ratings, _STARTS, _EXACT)

    def _unexplained(self, ratings: Floats) -> float:
        """Sum of squares that is left when every object and rater has a mean of its own."""
        of_objects, of_raters, square = self._sums(ratings - ratings.mean())
        per_object = self.counts.sum(axis=1)
        left = square - float((of_objects**2 / per_object).sum())
        if not self.is_nested:
            share = self.counts / per_object[:, None]
            block = np.diag(self.counts.sum(axis=0)) - self.counts.T @ share
            rest = of_raters - share.T @ of_objects
            left -= float(rest @ np.linalg.pinv(block) @ rest)
        return left

    def _fit(self, ratings: Floats, starts: tuple[Any, ...], options: dict[str, float]) -> Components:
        from scipy.optimize import minimize

        sums = self._sums(ratings - ratings.mean())
        size = 1 if self.is_nested else 2
        best = None
        for start in starts:
            found = minimize(
                lambda ratio: self._deviance(ratio, sums)[0],
                np.broadcast_to(start, (size,)),
                method="L-BFGS-B",
                bounds=[(0.0, _LARGEST)] * size,
                options=options,
            )
            if best is None or found.fun < best.fun - 1e-10:
                best = found
        assert best is not None
        deviance, residual = self._deviance(best.x, sums)
        raters = 0.0 if self.is_nested else float(best.x[1] ** 2 * residual)
        return Components(float(best.x[0] ** 2 * residual), raters, residual, -deviance / 2)

    def _sums(self, ratings: Floats) -> tuple[Floats, Floats, float]:
        of_objects, of_raters = (np.zeros(size) for size in self.counts.shape)
        np.add.at(of_objects, self.objects, ratings)
        if not self.is_nested:
            np.add.at(of_raters, self.raters, ratings)
        return of_objects, of_raters, float(ratings @ ratings)

    def _deviance(self, ratio: Floats, sums: tuple[Floats, Floats, float]) -> tuple[float, float]:
        """−2 × restricted log-likelihood, profiled over mean and residual variance; and that variance.

        `ratio` holds the SD of objects, and of raters, over the residual's.
        """
        of_objects, of_raters, square = sums
        per_object = self.counts.sum(axis=1)
        shrink = ratio[0] ** 2 / (1 + ratio[0] ** 2 * per_object)
        log_det = float(np.log1p(ratio[0] ** 2 * per_object).sum())
        n = self.n
        # after the objects are swept out: sums of squares and products of [raters, 1, rating]
        ones = n - float(shrink @ per_object**2)
        cross = float(of_objects.sum()) - float(shrink @ (per_object * of_objects))
        total = square - float(shrink @ of_objects**2)
        if not self.is_nested and ratio[1] > 0:
            weighted = self.counts * shrink[:, None]
            block = np.diag(self.counts.sum(axis=0)) - self.counts.T @ weighted
            left = np.column_stack(
                [self.counts.sum(axis=0) - weighted.T @ per_object, of_raters - weighted.T @ of_objects]
            )
            factor = np.linalg.cholesky(np.eye(len(block)) + ratio[1] ** 2 * block)
            log_det += 2 * float(np.log(np.diag(factor)).sum())
            swept: Floats = np.asarray(np.linalg.solve(factor, ratio[1] * left))
            ones -= float(swept[:, 0] @ swept[:, 0])
            cross -= float(swept[:, 0] @ swept[:, 1])
            total -= float(swept[:, 1] @ swept[:, 1])
        residual = max(total - cross**2 / ones, 1e-300) / (n - 1)
        deviance = log_det + np.log(ones) + (n - 1) * (np.log(2 * np.pi * residual) + 1)
        return float(deviance), residual

    def resampled(self, fitted: Components, n_resamples: int, seed: int) -> list[Components]:
        """Parametric bootstrap: ratings drawn from the fitted components on the same design, fitted again."""
        rng = np.random.default_rng(seed)
        n_objects, n_raters = self.counts.shape
        variances = [fitted.objects] if self.is_nested else [fitted.objects, fitted.raters]
        start = np.sqrt(np.array(variances) / fitted.residual)
        found = []
        for _ in range(n_resamples):
            drawn = np.sqrt(fitted.residual) * rng.standard_normal((self.n,))
            drawn = drawn + np.sqrt(fitted.objects) * rng.standard_normal((n_objects,))[self.objects]
            if not self.is_nested:
                drawn = drawn + np.sqrt(fitted.raters) * rng.standard_normal((n_raters,))[self.raters]
            found.append(self._fit(drawn, (np.maximum(start, 0.05),), _QUICK))
        return found
