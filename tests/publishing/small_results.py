"""Panels, estimates and fits of the fixture network, as the analyses would write them."""

from __future__ import annotations

import random
from typing import Any

import polars as pl

from tests.publishing.small_library import MONTHS, SITES, SUBSCALES


def alliance_panel(n_poor: int) -> pl.DataFrame:
    """60 patients, `n_poor` of them with poor outcome, five without a group; fewer and fewer later on."""
    draw = random.Random(7)
    rows = []
    for number in range(60):
        group = None if number >= 55 else int(number < n_poor)
        level = {key: draw.gauss(5, 0.7) for key in SUBSCALES}
        for position, month in enumerate((*MONTHS, 36.0)):
            if position and draw.random() < 0.12 * position:
                continue
            values = {
                key: round(level[key] + (0.025 - 0.03 * (group or 0)) * month + draw.gauss(0, 0.5), 3)
                for key in SUBSCALES
            }
            rows.append(
                {"patient_id": f"p{number:03d}", "episode_id": f"e{number:03d}", "site_id": list(SITES)[number % 4]}
                | {"months": month + draw.choice((0.0, 0.4, -0.3)) * (month < 36)}
                | values
                | {"poor_outcome": group, "age": draw.randint(19, 48)}
            )
    return pl.DataFrame(rows, schema_overrides={"poor_outcome": pl.Int32}, infer_schema_length=None)


def _estimate(
    analysis: str, outcome: str, model: str, term: str, value: float, error: float, p: float
) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "outcome": outcome,
        "model": model,
        "term": term,
        "estimate": value,
        "std_error": error,
        "df": 58.0,
        "statistic": value / error,
        "p_value": p,
        "ci_low": value - 2 * error,
        "ci_high": value + 2 * error,
        "method": "ML, Satterthwaite",
        "n_patients": 60 if model == "growth" else 55,
        "n_observations": 262 if model == "growth" else 240,
    }


def _fit(analysis: str, outcome: str, model: str, **changed: Any) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "outcome": outcome,
        "model": model,
        "method": "ML",
        "log_likelihood": -320.5,
        "aic": 653.2,
        "reference_aic": None if model == "growth" else 668.9,
        "bic": 674.0,
        "is_converged": True,
        "is_singular": False,
        "var_intercept": 0.5,
        "var_slope": 0.0004,
        "cov_intercept_slope": 0.001,
        "var_residual": 0.25,
        "explained_intercept_pct": None if model == "growth" else 4.2,
        "explained_slope_pct": None if model == "growth" else 31.4,
        "reason": None,
    } | changed


def results() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Estimates and fits of the three analyses: one fit singular, one failed."""
    estimates, fits = [], []
    for place, outcome in enumerate(SUBSCALES):
        for model, pairs in (
            ("growth", {"intercept": (5.0 + place / 20, 0.1, 1e-9), "months": (0.019 + place / 500, 0.005, 1e-4)}),
            (
                "outcome",
                {
                    "intercept": (5.05, 0.12, 1e-9),
                    "months": (0.028, 0.006, 1e-5),
                    "poor_outcome": (-0.08, 0.17, 0.64),
                    "months:poor_outcome": (-0.018 - place / 200, 0.008, (0.03, 0.2, 0.0004)[place]),
                },
            ),
            (
                "age",
                {
                    "intercept": (5.0, 0.2, 1e-9),
                    "months": (0.02, 0.01, 0.04),
                    "age": (0.001, 0.01, 0.9),
                    "age:months": (0.0002, 0.0004, 0.6),
                },
            ),
        ):
            failed = model == "age" and outcome == "bond"
            fits.append(
                _fit(
                    "alliance",
                    outcome,
                    model,
                    is_singular=model == "outcome" and outcome == "bond",
                    reason="too few patients with an age" if failed else None,
                )
            )
            if not failed:
                estimates += [_estimate("alliance", outcome, model, term, *row) for term, row in pairs.items()]
    for outcome, level, slope in (("gaf", (49.0, 0.4), (0.4, 0.03)), ("wsas", (25.3, 0.6), (-0.3, 0.03))):
        fits.append(_fit("outcomes", outcome, "growth", aic=4532.0))
        estimates.append(_estimate("outcomes", outcome, "growth", "intercept", *level, 1e-9))
        estimates.append(_estimate("outcomes", outcome, "growth", "months", *slope, 1e-9))
    fits.append(_fit("trial", "wsas", "arms", var_slope=None))
    for term, row in {
        "intercept": (21.3, 1.1, 1e-9),
        "months": (-1.38, 0.17, 1e-9),
        "treated": (-3.2, 1.6, 0.048),
        "age": (0.02, 0.05, 0.7),
        "months:treated": (0.4, 0.24, 0.1),
    }.items():
        estimates.append(_estimate("trial", "wsas", "arms", term, *row))
    return pl.DataFrame(estimates), pl.DataFrame(fits, infer_schema_length=None)


def covariances(estimates: pl.DataFrame) -> pl.DataFrame:
    """Variances on the diagonal; intercept and slope, and their products with a group, vary against each other."""
    rows = []
    for (analysis, outcome, model), own in estimates.group_by("analysis", "outcome", "model", maintain_order=True):
        errors = dict(zip(own["term"], own["std_error"], strict=True))
        for term, error in errors.items():
            for other, other_error in errors.items():
                correlation = 1.0 if term == other else -0.4 if {"months", "intercept"} == {term, other} else 0.0
                rows.append((analysis, outcome, model, term, other, correlation * error * other_error))
    names = ["analysis", "outcome", "model", "term", "other_term", "covariance"]
    return pl.DataFrame(rows, orient="row", schema=names)
