"""Intervals of explained variance by resampling.

What belongs here: drawing, refitting, percentiles, and saying how many resamples counted. What does not: the share
itself (`comparison`), or the likelihood and its maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.analysis.comparison import share_of
from assets.analysis.design_matrix import COLLINEAR, MONTHS_PER_YEAR, Design
from assets.analysis.likelihood import ProfiledLikelihood
from assets.analysis.maximum import maximise
from assets.analysis.mixed_model import MixedModelFit
from assets.analysis.patient_sums import Floats, Ints, from_matrices
from assets.analysis.threads import single_threaded
from codebook.analysis import Bootstrap

VARIANCES = ("var_intercept", "var_slope")
USABLE_SHARE = 0.8
"""Resamples that must give a share; with fewer, those that do are a choice and their spread says little."""


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval, or the reason why there is none."""

    low: float | None
    high: float | None
    method: str
    n_resamples: int
    reason: str | None = None


@dataclass(frozen=True)
class Side:
    """A model's matrices and its fit to them; both sides of a comparison have the same rows in the same order."""

    design: Design
    fitted: MixedModelFit


def explained_intervals(model: Side, reference: Side, declared: Bootstrap) -> dict[str, Interval]:
    """Interval of the explained share by variance (`var_intercept`, `var_slope`), from the 2.5 and 97.5 percentiles.

    `declared.by` patient: patients are drawn with replacement, with all their rows. parametric: the rows stay, and
    outcomes are drawn from `model` (Davison and Hinkley 1997, chapters 2 and 3). Both models are refitted each time;
    their random effects are taken as fitted. The seed makes the draws the same every time.
    """
    rng = np.random.default_rng(declared.seed)
    draws = _Draws(model, rng)
    shares: dict[str, list[float]] = {variance: [] for variance in VARIANCES}
    with single_threaded():
        for _ in range(declared.resamples):
            rows, patient, y = draws.outcomes() if declared.by == "parametric" else draws.patients()
            own, before = (_refitted(side, rows, patient, y) for side in (model, reference))
            if own is None or before is None:
                continue
            for place, variance in enumerate(VARIANCES):
                share, _reason = share_of(own[place], before[place], before[2], variance)
                if share is not None:
                    shares[variance].append(share)
    return {variance: _percentiles(found, declared) for variance, found in shares.items()}


def _percentiles(shares: list[float], declared: Bootstrap) -> Interval:
    n = declared.resamples
    kind = "of patients" if declared.by == "patient" else "parametric"
    method = f"bootstrap {kind}, percentiles, {len(shares)} of {n} resamples, seed {declared.seed}"
    if len(shares) < USABLE_SHARE * n:
        text = f"only {len(shares)} of {n} resamples have a variance that could be explained"
        return Interval(None, None, method, len(shares), text)
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(float(low), float(high), method, len(shares))


def _refitted(side: Side, rows: Ints, patient: Ints, y: Floats) -> tuple[float, float | None, float] | None:
    """Variance of the intercept and of the slope (per month), and of the residual; None where nothing can be fitted."""
    design = side.design
    x, z = design.x[rows], design.z[rows]
    lengths = np.linalg.norm(x, axis=0)
    kernel = side.fitted.kernel
    if kernel is None or not lengths.all() or np.ptp(y) == 0:
        return None
    sums = from_matrices(y, x, z, patient)
    if (np.abs(np.diag(sums.r)) <= COLLINEAR * lengths).any():
        return None
    try:
        found = maximise(ProfiledLikelihood(sums, is_reml=kernel.likelihood.is_reml), kernel.maximum.theta)
    except np.linalg.LinAlgError:
        return None
    residual = found.at.residual_variance
    if not np.isfinite(residual):
        return None
    first, below, last = (*found.theta, 0.0, 0.0)[:3]
    level = residual * (first / float(sums.z_scale[0])) ** 2
    if sums.n_random == 1:
        return level, None, residual
    return level, residual * (below**2 + last**2) / (float(sums.z_scale[1]) * MONTHS_PER_YEAR) ** 2, residual


class _Draws:
    """Rows, patients' codes and outcomes of one resample after the other."""

    def __init__(self, model: Side, rng: np.random.Generator) -> None:
        self.design, self.rng = model.design, rng
        self.order = np.argsort(self.design.patient, kind="stable")
        self.sizes = np.bincount(self.design.patient)
        self.starts = np.cumsum(self.sizes) - self.sizes
        fitted = model.fitted
        per_year = MONTHS_PER_YEAR ** self.design.months_power.astype(float)
        self.mean: Floats = self.design.x @ (fitted.estimates["estimate"].to_numpy(dtype=float) * per_year)
        level, slope = fitted.var_intercept or 0.0, (fitted.var_slope or 0.0) * MONTHS_PER_YEAR**2
        both = (fitted.cov_intercept_slope or 0.0) * MONTHS_PER_YEAR
        values, vectors = np.linalg.eigh(np.array([[level, both], [both, slope]]))
        self.root: Floats = vectors * np.sqrt(np.clip(values, 0, None))
        self.residual = float(fitted.var_residual or 0.0) ** 0.5

    def patients(self) -> tuple[Ints, Ints, Floats]:
        """Patients drawn with replacement; one drawn twice is two patients."""
        drawn = self.rng.integers(0, len(self.sizes), len(self.sizes))
        rows = np.concatenate([self.order[self.starts[one] : self.starts[one] + self.sizes[one]] for one in drawn])
        return rows, np.repeat(np.arange(len(drawn)), self.sizes[drawn]), self.design.y[rows]

    def outcomes(self) -> tuple[Ints, Ints, Floats]:
        """The same rows with outcomes as the model would have them."""
        patient = self.design.patient
        effects = self.rng.standard_normal((len(self.sizes), 2)) @ self.root.T
        slope = effects[patient, 1] * self.design.z[:, 1] if self.design.z.shape[1] == 2 else 0.0
        y = self.mean + effects[patient, 0] + slope + self.residual * self.rng.standard_normal(len(patient))
        return np.arange(len(patient)), patient, y
