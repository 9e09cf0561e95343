"""Intervals of explained variance by resampling.

What belongs here: drawing, refitting, percentiles, and saying how many resamples counted. What does not: the share
itself (`comparison`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.analysis.comparison import explained
from assets.analysis.mixed_model import MixedModelFit
from codebook.analysis import Bootstrap

if TYPE_CHECKING:
    import pandas as pd

VARIANCES = ("var_intercept", "var_slope")
USABLE_SHARE = 0.8
"""Resamples that must give a share; with fewer, those that do are a choice and their spread says little."""

Floats = NDArray[np.float64]
Refit = Callable[["pd.DataFrame"], tuple[MixedModelFit, MixedModelFit]]
"""Model and reference, fitted to a table with the columns of the one that was resampled."""


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval, or the reason why there is none."""

    low: float | None
    high: float | None
    method: str
    n_resamples: int
    reason: str | None = None


def explained_intervals(
    frame: pd.DataFrame, outcome: str, patient: str, time: str, fitted: MixedModelFit, declared: Bootstrap, refit: Refit
) -> dict[str, Interval]:
    """Interval of the explained share by variance (`var_intercept`, `var_slope`), from the 2.5 and 97.5 percentiles.

    `frame` holds the rows that `fitted` used, each of its terms a product of columns. `declared.by` patient: patients
    are drawn with replacement, with all their rows. parametric: the rows stay, and outcomes are drawn from `fitted`
    (Davison and Hinkley 1997, chapters 2 and 3). The seed makes the draws the same every time.
    """
    rng = np.random.default_rng(declared.seed)
    draw = _parametric(frame, outcome, patient, time, fitted) if declared.by == "parametric" else _by_patient(patient)
    shares: dict[str, list[float]] = {variance: [] for variance in VARIANCES}
    for _ in range(declared.resamples):
        own, reference = refit(draw(frame, rng))
        for variance in VARIANCES:
            share, _reason = explained(own, reference, variance)
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


def _by_patient(patient: str) -> Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]:
    def draw(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        _, codes = np.unique(frame[patient].to_numpy(), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes))
        starts = ends - np.bincount(codes)
        drawn = rng.integers(0, len(ends), len(ends))
        rows = np.concatenate([order[starts[one] : ends[one]] for one in drawn])
        repeated = frame.iloc[rows]
        return repeated.assign(**{patient: np.repeat(np.arange(len(drawn)), (ends - starts)[drawn])})

    return draw


def _parametric(
    frame: pd.DataFrame, outcome: str, patient: str, time: str, fitted: MixedModelFit
) -> Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]:
    mean = np.zeros(len(frame))
    for term, estimate in zip(fitted.estimates["term"], fitted.estimates["estimate"], strict=True):
        parts = [] if term == "intercept" else str(term).split(":")
        mean += float(estimate) * np.prod([frame[part].to_numpy(dtype=float) for part in parts], axis=0)
    _, codes = np.unique(frame[patient].to_numpy(), return_inverse=True)
    months = frame[time].to_numpy(dtype=float)
    level, slope = fitted.var_intercept or 0.0, fitted.var_slope or 0.0
    covariance = np.array([[level, fitted.cov_intercept_slope or 0.0], [fitted.cov_intercept_slope or 0.0, slope]])
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    residual = float(fitted.var_residual or 0.0) ** 0.5

    def draw(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        effects: Floats = rng.standard_normal((codes.max() + 1, 2)) @ root.T
        y = mean + effects[codes, 0] + effects[codes, 1] * months + residual * rng.standard_normal(len(months))
        return frame.assign(**{outcome: y})

    return draw
