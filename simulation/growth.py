"""Growth data of one outcome and two groups, drawn from a linear mixed model on a visit schedule.

What belongs here: a declared truth, a schedule with visits missed and treatments ended, and the draw. What does not:
the demo network's patients (`population`), or any estimation. Nobody in here exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """y = intercept + slope·t + group·(group_level + group_slope·t) + u0 + u1·t + e, with t in months."""

    intercept: float = 5.04
    slope: float = 0.02
    group_level: float = 0.0
    group_slope: float = -0.03
    sd_intercept: float = 1.0
    sd_slope: float = 0.02
    correlation: float = -0.2
    sd_residual: float = 0.74


@dataclass(frozen=True)
class Visits:
    """Routine visits while treatment lasts, each kept with a chance, and a last one placed at a fixed month.

    The defaults are the schedule of Folmo et al. 2020: month 3, every sixth month, and discharge coded 36; treatment
    lasts 27 (SD 13) months. With `length_sd` 0 everyone stays to the end.
    """

    months: tuple[float, ...] = (3.0, 9.0, 15.0, 21.0, 27.0, 33.0)
    final_month: float | None = 36.0
    visit_chance: float = 0.62
    final_chance: float = 0.52
    length_mean: float = 27.0
    length_sd: float = 13.0
    length_least: float = 4.0


@dataclass(frozen=True)
class GrowthData:
    """Rows in long form, by patient and month."""

    patient: NDArray[np.int64]
    month: Floats
    group: NDArray[np.int64]
    y: Floats


def draw_growth(
    rng: np.random.Generator, truth: Truth, visits: Visits, patients: int, group_share: float = 0.43
) -> GrowthData:
    """Draw `patients` patients; each has at least one row.

    Raises:
        ValueError: the schedule has no month, or an SD is negative.
    """
    if not visits.months and visits.final_month is None:
        raise ValueError("a schedule needs at least one month")
    if min(truth.sd_intercept, truth.sd_slope, truth.sd_residual) < 0:
        raise ValueError("a standard deviation cannot be negative")
    group = (np.arange(patients) < round(group_share * patients)).astype(np.int64)
    group = rng.permutation(group)
    level, other = rng.standard_normal((2, patients))
    u0 = truth.sd_intercept * level
    rest = np.sqrt(1 - truth.correlation**2)
    u1 = truth.sd_slope * (truth.correlation * level + rest * other)
    last = () if visits.final_month is None else (visits.final_month,)
    months = np.array([*visits.months, *last])
    length = np.maximum(rng.normal(visits.length_mean, visits.length_sd, patients), visits.length_least)
    if visits.length_sd == 0:
        length = np.full(patients, np.inf)
    is_there = rng.random((patients, len(months))) < visits.visit_chance
    is_there[:, : len(visits.months)] &= months[: len(visits.months)] < length[:, None]
    if last:
        is_there[:, -1] = rng.random(patients) < visits.final_chance
    none = ~is_there.any(axis=1)
    is_there[none, -1 if last else 0] = True
    patient, visit = np.nonzero(is_there)
    month = months[visit]
    mean = truth.intercept + truth.slope * month + group[patient] * (truth.group_level + truth.group_slope * month)
    y = mean + u0[patient] + u1[patient] * month + truth.sd_residual * rng.standard_normal(len(month))
    return GrowthData(patient, month, group[patient], y)
