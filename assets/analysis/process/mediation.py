"""Mediation of one exposure by one mediator, patients as rows.

What belongs here: two regressions, the product of their coefficients, and its bootstrap. What does not: models over all
occasions (`lagged`).

Mediator = a exposure + covariates, outcome = c' exposure + b mediator + covariates, both by least squares; the indirect
effect is a·b, the total c = c' + a·b. Intervals of a·b: percentiles of resampled patients, and bias-corrected (Efron
1987, J. Am. Stat. Assoc. 82, 171–185, with acceleration 0; MacKinnon, Lockwood and Williams 2004, Multivariate Behav.
Res. 39, 99–128). An indirect effect is a cause only where nothing unmeasured moves mediator and outcome alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.procedure import Found, Room
from assets.analysis.process.waves import PATIENT, by_wave, one_course
from codebook.procedures.mediation import Mediation, ScoreChange

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
CHUNK = 500
"""Resamples drawn at once: bounds memory."""


@dataclass(frozen=True)
class Regression:
    """Least squares: coefficients, standard errors and residual degrees of freedom."""

    coefficients: Floats
    errors: Floats
    df: int


@dataclass(frozen=True)
class Bootstrap:
    """Resampled indirect effects and their intervals (95 %)."""

    effects: Floats
    std_error: float
    percentile: tuple[float, float]
    bias_corrected: tuple[float, float]
    n_failed: int
    """Resamples in which a regression had no solution (an arm was not drawn)."""


def mediation(declared: Mediation, room: Room) -> Found:
    """Paths a, b, c', c and the indirect effect with two bootstrap intervals."""
    rows, n_courses = one_course(room.panel)
    names = [_label(part) for part in (declared.exposure, declared.mediator, declared.outcome, *declared.covariates)]
    values = variables(rows, (declared.exposure, declared.mediator, declared.outcome, *declared.covariates))
    complete = values[~np.isnan(values).any(axis=1)]
    if len(complete) < declared.minimum_patients:
        text = f"{len(complete)} of {len(values)} patients have every variable; {declared.minimum_patients} are needed"
        raise NotEstimableError(text)
    check_variables(complete, names)
    design = np.column_stack([np.ones(len(complete)), complete[:, 0], complete[:, 3:]])
    mediator, outcome = complete[:, 1], complete[:, 2]
    both = np.column_stack([design, mediator])
    first, second, total = least_squares(design, mediator), least_squares(both, outcome), least_squares(design, outcome)
    resampled = bootstrap_indirect(design, mediator, outcome, declared.resamples, declared.seed)
    method = "least squares; patients as rows"
    note = f"{len(complete)} of {len(values)} patients have every variable"
    if n_courses:
        note += f"; {n_courses} further courses of the same patients are left out"
    if resampled.n_failed:
        note += f"; {resampled.n_failed} resamples had no solution and are left out"
    found = Found(f"{method}; product of coefficients, bootstrap of patients", len(complete), len(complete), note)
    shared = {"exposure": names[0], "mediator": names[1], "outcome": names[2], "n_patients": len(complete)}
    for effect, regression, place in (
        ("a: exposure on mediator", first, 1),
        ("b: mediator on outcome, given exposure", second, -1),
        ("c': direct effect of exposure", second, 1),
        ("c: total effect of exposure", total, 1),
    ):
        found.add("results.mediation", effect=effect, **shared, **_row(regression, place), ci_method=f"t, {method}")
    indirect = float(first.coefficients[1] * second.coefficients[-1])
    for limits, ci_method in (
        (resampled.percentile, "percentile bootstrap"),
        (resampled.bias_corrected, "bias-corrected bootstrap"),
    ):
        found.add(
            "results.mediation", effect="a·b: indirect effect", **shared, estimate=indirect,
            std_error=resampled.std_error, ci_low=limits[0], ci_high=limits[1], ci_method=ci_method,
            n_resamples=len(resampled.effects), seed=declared.seed,
        )  # fmt: skip
    if declared.has_interaction:
        wider = np.column_stack([both, design[:, 1] * mediator])
        row = _row(least_squares(wider, outcome), -1)
        found.add(
            "results.mediation", effect="exposure × mediator on outcome", **shared, **row, ci_method=f"t, {method}"
        )
    return found


def variables(rows: pd.DataFrame, parts: Sequence[str | ScoreChange]) -> Floats:
    """One row for each patient, one column for each part; NaN where it is not known.

    Raises:
        NotEstimableError: the panel lacks an occasion, or a column that must be one number for each patient is not.
    """
    patients = sorted(rows[PATIENT].unique())
    columns = []
    for part in parts:
        if isinstance(part, ScoreChange):
            occasions = [part.at, *([part.since] if part.since else [])]
            wide = by_wave(rows, [part.measure], occasions).reindex(patients).to_numpy(dtype=float)
            columns.append(wide[:, 0] - wide[:, 1] if part.since else wide[:, 0])
            continue
        if rows[part].dtype.kind not in "biuf":
            raise NotEstimableError(f"'{part}' holds text; a number (1/0) is needed there")
        grouped = rows.groupby(PATIENT)[part]
        if (grouped.nunique() > 1).any():
            raise NotEstimableError(f"'{part}' changes within patients; declare at which occasion it counts")
        columns.append(grouped.first().reindex(patients).to_numpy(dtype=float))
    return np.column_stack(columns)


def check_variables(values: Floats, names: Sequence[str]) -> None:
    """Refuse a variable without variance, and one that follows from the others.

    Raises:
        NotEstimableError: named.
    """
    for name, column in zip(names, values.T, strict=True):
        if float(np.ptp(column)) <= 1e-12 * max(float(np.abs(column).max()), 1.0):
            raise NotEstimableError(f"{name} is the same for every patient")
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    if np.linalg.cond(scaled.T @ scaled) > 1e10:
        raise NotEstimableError(f"one of {', '.join(names)} follows from the others")


def least_squares(x: Floats, y: Floats) -> Regression:
    """Coefficients with the usual standard errors."""
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ (x.T @ y)
    df = len(y) - x.shape[1]
    variance = float(np.sum((y - x @ coefficients) ** 2)) / df
    return Regression(coefficients, np.sqrt(variance * np.diag(inverse)), df)


def bootstrap_indirect(design: Floats, mediator: Floats, outcome: Floats, resamples: int, seed: int) -> Bootstrap:
    """Resample patients (rows); `design` is intercept, exposure, covariates.

    A resample is a vector of counts, so both regressions of all resamples are weighted cross-products.
    """
    from scipy.stats import norm

    random = np.random.default_rng(seed)
    n, p = design.shape
    everything = np.column_stack([design, mediator, outcome])
    products = (everything[:, :, None] * everything[:, None, :]).reshape(n, -1)
    parts = []
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        weights = random.multinomial(n, np.full(n, 1 / n), size=size).astype(float)
        parts.append((weights @ products).reshape(size, p + 2, p + 2))
    sums = np.concatenate(parts)
    scale = np.sqrt(np.einsum("kii->ki", sums[:, : p + 1, : p + 1]))
    has_scale = (scale > 0).all(axis=1)
    safe = np.where(has_scale[:, None], scale, 1.0)
    relative = sums[:, : p + 1, : p + 1] / (safe[:, :, None] * safe[:, None, :])
    usable = has_scale & (np.linalg.eigvalsh(relative)[:, 0] > 1e-10)
    good = sums[usable]
    if len(good) < 0.9 * resamples:
        raise NotEstimableError("more than a tenth of the resamples have no solution; the exposure is too rare")
    a = np.linalg.solve(good[:, :p, :p], good[:, :p, p, None])[:, 1, 0]
    b = np.linalg.solve(good[:, : p + 1, : p + 1], good[:, : p + 1, p + 1, None])[:, p, 0]
    effects = a * b
    estimate = least_squares(design, mediator).coefficients[1]
    estimate *= least_squares(np.column_stack([design, mediator]), outcome).coefficients[-1]
    below = float(np.clip(np.mean(effects < estimate), 1 / (2 * len(effects)), 1 - 1 / (2 * len(effects))))
    shift = 2 * norm.ppf(below)
    corrected = np.quantile(effects, norm.cdf(shift + norm.ppf([0.025, 0.975])))
    plain = np.quantile(effects, [0.025, 0.975])
    return Bootstrap(
        effects,
        float(effects.std(ddof=1)),
        (float(plain[0]), float(plain[1])),
        (float(corrected[0]), float(corrected[1])),
        resamples - len(good),
    )


def _row(regression: Regression, place: int) -> dict[str, Any]:
    from scipy.stats import t

    estimate, error = float(regression.coefficients[place]), float(regression.errors[place])
    width = float(t.ppf(0.975, regression.df)) * error
    return {
        "estimate": estimate,
        "std_error": error,
        "df": regression.df,
        "statistic": estimate / error,
        "p_value": float(2 * t.sf(abs(estimate / error), regression.df)),
        "ci_low": estimate - width,
        "ci_high": estimate + width,
    }


def _label(part: str | ScoreChange) -> str:
    return part.label if isinstance(part, ScoreChange) else part
