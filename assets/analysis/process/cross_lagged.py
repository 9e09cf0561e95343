"""Cross-lagged panel models of two measures: plain, and with random intercepts.

What belongs here: which paths make either model, and its rows. What does not: estimation (`path_model`).

Plain: each measure on both at the wave before. With random intercepts (Hamaker, Kuiper and Grasman 2015, Psychol.
Methods 20, 102–116): stable differences between patients are taken out first, so that lags are within patients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from assets.analysis.counts.rates import Z_95
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.procedure import Found, Room
from assets.analysis.process.path_model import Floats, Free, PathFit, PathModel, usable_covariance
from assets.analysis.process.waves import by_wave, one_course
from assets.analysis.process.within_between import said
from codebook.procedures.lagged import CrossLagged

TITLES = {"clpm": "cross-lagged panel model", "ri_clpm": "cross-lagged panel model with random intercepts"}
METHOD = "maximum likelihood, complete cases, free means, expected information; Wald z, 95 % interval"


def cross_lagged(declared: CrossLagged, room: Room) -> Found:
    """Both models as declared, on patients with both measures at every wave."""
    found = Found(f"{METHOD}; at least 2 waves (clpm), 3 waves (ri_clpm)")
    rows, n_courses = one_course(room.panel)
    wide = by_wave(rows, [declared.first, declared.second], declared.waves)
    complete = wide.loc[wide.notna().all(axis=1)]
    found.n_patients = len(complete)
    found.n_observations = len(complete) * len(declared.waves)
    parts = [f"{len(complete)} of {len(wide)} patients have both measures at every wave"]
    if n_courses:
        parts.append(f"{n_courses} further courses of the same patients are left out")
    found.note = "; ".join(parts)
    reasons = []
    for name in declared.models:
        try:
            least = declared.MINIMUM_WAVES[name]
            if len(declared.waves) < least:
                raise NotEstimableError(f"the {TITLES[name]} needs {least} waves; {len(declared.waves)} declared")
            if len(complete) < declared.minimum_patients:
                text = f"{len(complete)} of {len(wide)} patients have both measures at every wave"
                raise NotEstimableError(f"{text}; {declared.minimum_patients} are needed")
            build = clpm if name == "clpm" else ri_clpm
            data = complete.to_numpy(dtype=float)
            model = build(declared.first, declared.second, declared.waves, data, has_equal=declared.has_equal_paths)
            add_paths(found, name, model.fit(data))
        except NotEstimableError as problem:
            found.add("results.path_fit", model=name, is_converged=False, reason=str(problem))
            reasons.append(f"{name}: {problem}")
    return said(found, reasons, len(declared.models))


def clpm(first: str, second: str, waves: Sequence[str], data: Floats, *, has_equal: bool = False) -> PathModel:
    """Observed variables `<measure>_<wave>`; data's columns are the first measure's waves, then the second's."""
    firsts, seconds = ([f"{measure}_{wave}" for wave in waves] for measure in (first, second))
    return PathModel(
        [*firsts, *seconds], _lags(firsts, seconds, _Starts(data, [*firsts, *seconds]), has_equal=has_equal)
    )


def ri_clpm(first: str, second: str, waves: Sequence[str], data: Floats, *, has_equal: bool = False) -> PathModel:
    """Observed = random intercept + deviation `within_<measure>_<wave>`; loadings 1, no error beside the deviations.

    Starts from no stable differences (the plain model), and from half of what the waves share.
    """
    firsts, seconds = ([f"{measure}_{wave}" for wave in waves] for measure in (first, second))
    within = [[f"within_{name}" for name in names] for names in (firsts, seconds)]
    intercepts = [f"intercept_{first}", f"intercept_{second}"]
    starts = _Starts(data, [*firsts, *seconds])
    free = _lags(within[0], within[1], starts, has_equal=has_equal)
    for k, name in enumerate(intercepts):
        free.append(Free(name, "~~", name, (0.0, starts.stable[k])))
    free.append(Free(intercepts[0], "~~", intercepts[1], (0.0,)))
    loadings = [(name, intercepts[0]) for name in firsts] + [(name, intercepts[1]) for name in seconds]
    loadings += list(zip([*firsts, *seconds], [*within[0], *within[1]], strict=True))
    return PathModel([*firsts, *seconds], free, [*intercepts, *within[0], *within[1]], loadings)


def add_paths(found: Found, name: str, fitted: PathFit) -> None:
    """Rows of `results.path` and `results.path_fit`."""
    from scipy.stats import chi2

    for one, estimate, error, standardised in zip(
        fitted.free, fitted.estimates, fitted.errors, fitted.standardised, strict=True
    ):
        statistic = float(estimate / error)
        found.add(
            "results.path", model=name, lhs=one.lhs, op=one.op, rhs=one.rhs, estimate=float(estimate),
            std_error=float(error), statistic=statistic, p_value=math.erfc(abs(statistic) / math.sqrt(2)),
            ci_low=float(estimate - Z_95 * error), ci_high=float(estimate + Z_95 * error),
            standardised=None if math.isnan(standardised) else float(standardised), method=METHOD, n_patients=fitted.n,
        )  # fmt: skip
    improper = fitted.improper()
    note = f"variance below 0 (Heywood): {', '.join(improper)}; do not interpret this model" if improper else None
    found.add(
        "results.path_fit", model=name, chi_square=fitted.chi_square, df=fitted.df,
        p_value=float(chi2.sf(fitted.chi_square, fitted.df)) if fitted.df else None, cfi=fitted.cfi, rmsea=fitted.rmsea,
        srmr=fitted.srmr, log_likelihood=fitted.log_likelihood, aic=fitted.aic, bic=fitted.bic,
        is_converged=True, is_improper=bool(improper), n_parameters=fitted.n_parameters,
        n_patients=fitted.n, note=note, method=f"{TITLES[name]}; {METHOD}",
    )  # fmt: skip


class _Starts:
    """Starting values from the sample: two attempts, plain regressions, and short lags beside stable differences."""

    def __init__(self, data: Floats, names: Sequence[str]) -> None:
        """`data` has the first measure's waves, then the second's."""
        self.covariance = usable_covariance(data, names)
        self.n_waves = n = data.shape[1] // 2
        blocks = [self.covariance[k * n : (k + 1) * n, k * n : (k + 1) * n] for k in range(2)]
        shared = [float(block[np.triu_indices(n, 1)].mean()) if n > 1 else 0.0 for block in blocks]
        self.stable = [
            0.5 * min(max(value, 0.1 * float(np.diag(block).min())), 0.6 * float(np.diag(block).min()))
            for value, block in zip(shared, blocks, strict=True)
        ]

    def regression(self, wave: int) -> tuple[Floats, Floats]:
        """Coefficients of both measures at `wave` on both at the wave before (2 × 2), and the residual covariance."""
        now, before = ([at, at + self.n_waves] for at in (wave, wave - 1))
        causes, cross = self.covariance[np.ix_(before, before)], self.covariance[np.ix_(now, before)]
        coefficients = np.linalg.solve(causes, cross.T).T.astype(np.float64)
        return coefficients, self.covariance[np.ix_(now, now)] - coefficients @ cross.T

    def variance(self, side: int, wave: int) -> float:
        """Variance of a measure at a wave without what is stable."""
        place = side * self.n_waves + wave
        return float(self.covariance[place, place]) - self.stable[side]


def _lags(firsts: Sequence[str], seconds: Sequence[str], starts: _Starts, *, has_equal: bool) -> list[Free]:
    """Every measure on both at the wave before, (residual) variances, and their covariance within a wave."""
    measures, free = (firsts, seconds), []
    residuals = [starts.covariance[:: starts.n_waves, :: starts.n_waves]]
    for wave in range(1, len(firsts)):
        coefficients, residual = starts.regression(wave)
        residuals.append(residual)
        for side in (0, 1):
            for cause in (side, 1 - side):
                label = f"{side} on {cause}" if has_equal else None
                spread = math.sqrt(starts.variance(side, wave) / starts.variance(cause, wave - 1))
                value = (float(coefficients[side, cause]), 0.3 * spread if cause == side else 0.0)
                free.append(Free(measures[side][wave], "~", measures[cause][wave - 1], value, label))
        free.append(Free(firsts[wave], "~~", seconds[wave], (float(residual[0, 1]), 0.0)))
    free.append(Free(firsts[0], "~~", seconds[0], (float(residuals[0][0, 1]), 0.0)))
    for side in (0, 1):
        for wave, name in enumerate(measures[side]):
            free.append(Free(name, "~~", name, (float(residuals[wave][side, side]), starts.variance(side, wave))))
    return free
