"""Observed rates: events by exposure, with intervals that allow for patients who differ.

What belongs here: rates as they were observed, by group. What does not: models of rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assets.analysis.counts.data import Floats

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """Events per unit of exposure; the interval is null where one patient is all there is."""

    n_events: int
    exposure: float
    rate: float
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n_patients: int
    n_observations: int


def observed_rate(events: Floats, exposure: Floats, patient: np.ndarray) -> Rate:
    """Sum of events by sum of exposure (above 0), 95 % interval on the log scale.

    The variance of the log rate is that of a ratio of two sums over patients, N/(N−1) Σ(y_i − R t_i)² / (Σ y_i)²
    (Cochran 1977, section 6.4; the sandwich of an intercept-only Poisson model). Without an event the upper limit is
    that of one Poisson count, 3.69 by exposure (97.5 %; Garwood 1936), which takes events as independent.
    """
    _, codes = np.unique(patient, return_inverse=True)
    n_patients = int(codes.max()) + 1
    y, t = np.bincount(codes, events), np.bincount(codes, exposure)
    total, exposed = float(y.sum()), float(t.sum())
    rate = total / exposed
    counts = (n_patients, len(events))
    if total == 0:
        return Rate(0, exposed, 0.0, 0.0, -math.log(0.025) / exposed, "Poisson, no event", *counts)
    if n_patients == 1:
        return Rate(int(total), exposed, rate, None, None, "none: one patient", *counts)
    error = math.sqrt(n_patients / (n_patients - 1) * float(np.sum((y - rate * t) ** 2))) / total
    factor = math.exp(Z_95 * error)
    return Rate(int(total), exposed, rate, rate / factor, rate * factor, "log rate, clustered by patient", *counts)
