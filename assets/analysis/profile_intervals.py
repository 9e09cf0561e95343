"""Profile-likelihood intervals of variances: of the random intercept and slope, their correlation, and the residual.

What belongs here: the likelihood with one variance parameter held, and where it has fallen by 3.84 / 2. What does not:
the estimate itself, or resampling.

As lme4's `profile`, the profile is that of the ML deviance, also for a model fitted by REML. An end that the likelihood
does not close lies on the boundary: 0 for a variance, ±1 for a correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assets.analysis.design_matrix import MONTHS_PER_YEAR
from assets.analysis.likelihood import ProfiledLikelihood
from assets.analysis.maximum import maximise
from assets.analysis.mixed_model import MixedModelFit
from assets.analysis.patient_sums import Floats
from assets.analysis.threads import single_threaded

QUANTILE = 1.959963984540054
METHOD = "profile likelihood (ML), 95 %"


@dataclass(frozen=True)
class Interval:
    """95 % interval of one variance parameter; slopes per month. `estimate` is the maximum of the profile (ML)."""

    component: str
    estimate: float
    low: float
    high: float


def profile_intervals(fitted: MixedModelFit) -> list[Interval]:
    """Intervals of var_intercept, var_slope, cor_intercept_slope and var_residual, those that the model has.

    Raises:
        ValueError: nothing was fitted.
    """
    if fitted.kernel is None:
        raise ValueError(fitted.reason or "nothing was fitted")
    sums = fitted.kernel.likelihood.sums
    with single_threaded():
        return _intervals(_Profile(ProfiledLikelihood(sums, is_reml=False)))


def _intervals(profile: _Profile) -> list[Interval]:
    sums = profile.likelihood.sums
    slope_unit = 1 / (float(sums.z_scale[1]) * MONTHS_PER_YEAR)
    wanted = [("var_intercept", 0, 1.0), ("var_residual", 3, 1.0)]
    if profile.has_slope:
        wanted[1:1] = [("var_slope", 1, slope_unit)]
    found = []
    for name, place, unit in wanted:
        at, low, high = profile.interval(place)
        found.append(Interval(name, (at * unit) ** 2, (low * unit) ** 2, (high * unit) ** 2))
    if profile.has_slope:
        found.append(Interval("cor_intercept_slope", *profile.interval(2)))
    return found


class _Profile:
    """The ML deviance by (SD of intercept, SD of slope, correlation, residual SD), columns of Z scaled."""

    def __init__(self, likelihood: ProfiledLikelihood) -> None:
        self.likelihood = likelihood
        best = maximise(likelihood)
        self.has_slope = likelihood.n_theta == 3
        s = math.sqrt(best.at.residual_variance)
        first, below, last = (*best.theta, 0.0, 0.0)[:3]
        slope = math.hypot(below, last)
        correlation = below / slope if slope > 0 else 0.0
        self.best: Floats = np.array([first * s, slope * s, min(max(correlation, -1.0), 1.0), s])
        self.minimum = best.at.deviance

    def interval(self, place: int) -> tuple[float, float, float]:
        """The maximum and both ends for one parameter."""
        at = float(self.best[place])
        lowest, highest = (-1.0, 1.0) if place == 2 else (0.0, math.inf)
        return at, self._end(place, at, -1, lowest), self._end(place, at, 1, highest)

    def _end(self, place: int, at: float, sign: int, limit: float) -> float:
        from scipy.optimize import brentq

        state = {"point": self.best.copy()}
        known = {at: -QUANTILE}  # a point reached from elsewhere may differ by a hair: each counts once

        def fallen(value: float) -> float:
            if value not in known:
                deviance, state["point"] = self._constrained(place, value, state["point"])
                known[value] = math.sqrt(max(deviance - self.minimum, 0.0)) - QUANTILE
            return known[value]

        inner, step = at, 0.2 if place == 2 else max(0.15 * at, 0.02 * float(self.best[3]))
        for _ in range(40):
            outer = inner + sign * step
            outer = max(outer, limit) if sign < 0 else min(outer, limit)
            if fallen(outer) >= 0:
                return float(brentq(fallen, inner, outer, xtol=1e-5 * max(abs(at), 1e-3), rtol=1e-6))
            if outer == limit:
                return limit
            inner, step = outer, step * 1.6
        return math.nan

    def _constrained(self, place: int, value: float, near: Floats) -> tuple[float, Floats]:
        """Smallest deviance with one parameter held, and where; the others start from `near`."""
        from scipy.optimize import minimize

        free = [i for i in range(4) if i != place and (self.has_slope or i in {0, 3})]
        least = 1e-8 * float(self.best[3])
        ranges = [(0.0, None), (0.0, None), (-1.0, 1.0), (least, None)]
        start = near.copy()
        start[place] = value
        if place != 3 and value == 0:
            start[3] = max(start[3], float(self.best[3]))
        unit = np.array([max(self.best[0], least), max(self.best[1], least), 1.0, self.best[3]])

        def objective(scaled: Floats) -> tuple[float, Floats]:
            point = start.copy()
            point[free] = scaled * unit[free]
            deviance, slope = self._deviance(point)
            return deviance, slope[free] * unit[free]

        bounds = [tuple(None if end is None else end / unit[i] for end in ranges[i]) for i in free]
        found = minimize(
            objective, start[free] / unit[free], jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-11}
        )
        point = start.copy()
        point[free] = found.x * unit[free]
        return float(found.fun), point

    def _deviance(self, point: Floats) -> tuple[float, Floats]:
        """Deviance and its gradient by (SD, SD, correlation, residual SD), fixed effects profiled."""
        level, slope, correlation, s = (float(value) for value in point)
        rest = math.sqrt(max(1 - correlation**2, 0.0))
        theta = np.array([level / s, slope * correlation / s, slope * rest / s])[: self.likelihood.n_theta]
        at = self.likelihood.evaluate(theta)
        n = self.likelihood.sums.n_rows
        log_det = at.deviance - n * (1 + math.log(2 * math.pi * at.residual_variance))
        deviance = log_det + n * math.log(2 * math.pi * s**2) + at.residual_square / s**2
        by_theta = self.likelihood.by_theta(theta, at.determinant_gradient + at.square_gradient / s**2)
        by_s = 2 * n / s - 2 * at.residual_square / s**3 - float(by_theta @ theta) / s
        gradient = np.zeros(4)
        gradient[0], gradient[3] = by_theta[0] / s, by_s
        if self.has_slope:
            gradient[1] = (by_theta[1] * correlation + by_theta[2] * rest) / s
            gradient[2] = slope * (by_theta[1] - by_theta[2] * correlation / max(rest, 1e-6)) / s
        return deviance, gradient


def as_rows(fitted: MixedModelFit) -> list[dict[str, object]]:
    """Rows of `results.variance_component`: the fit's own estimate with the profile's interval."""
    own = {
        name: getattr(fitted, name) for name in ("var_intercept", "var_slope", "cor_intercept_slope", "var_residual")
    }
    return [
        {
            "component": found.component,
            "estimate": own[found.component],
            "ci_low": found.low,
            "ci_high": found.high,
            "ci_method": METHOD,
        }
        for found in profile_intervals(fitted)
    ]
