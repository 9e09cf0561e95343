"""Result rows of a declared analysis: every declared model and outcome, with its estimates or the reason for none.

What belongs here: reading `results.*` and deciding what may be shown. What does not: fitting (`assets.analysis`), and
arranging cells (`result_tables`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing.disclosure import Disclosure
from codebook.analysis import Analysis, Model

INTERCEPTS = frozenset({"intercept", "(intercept)", "const", "1"})
Term = tuple[str, ...]
"""A term as the sorted parts of its product; () is the intercept, ('months',) the slope."""
INTERCEPT: Term = ()
SLOPE: Term = ("months",)


def term_of(text: str) -> Term:
    """`months:poor_outcome` and `poor_outcome:months` are one term."""
    return INTERCEPT if text.strip().lower() in INTERCEPTS else tuple(sorted(part.strip() for part in text.split(":")))


@dataclass(frozen=True)
class Estimate:
    """One fixed effect; slopes are per month. NaN is None."""

    value: float
    std_error: float | None
    p_value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Fitted:
    """One model of one outcome: estimates by term and the row of `results.fit`; `problem` says why it is not shown."""

    outcome: str
    outcome_label: str
    model: Model
    estimates: Mapping[Term, Estimate]
    fit: Mapping[str, Any]
    n_patients: int | None
    n_observations: int | None
    problem: str | None
    covariance: Mapping[tuple[Term, Term], float]
    """Covariance of the fixed effects, empty where the warehouse has none."""

    @property
    def is_shown(self) -> bool:
        """Whether there are estimates that may be printed."""
        return self.problem is None

    @property
    def is_singular(self) -> bool:
        """A random-effect variance lies on its boundary."""
        return self.is_shown and self.fit.get("is_singular") is True

    @property
    def is_unconverged(self) -> bool:
        """The optimiser did not reach an optimum."""
        return self.is_shown and self.fit.get("is_converged") is False

    @property
    def predictors(self) -> tuple[str, ...]:
        """Covariates of the model, or groups of them that are multiplied without months."""
        subjects = dict.fromkeys(tuple(p for p in term_of(t) if p != "months") for t in self.model.terms)
        return tuple(":".join(subject) for subject in subjects if subject)

    @property
    def is_simple(self) -> bool:
        """At most one predictor, and that a number: a row of the journal's table can hold it."""
        return len(self.predictors) <= 1 and not any("[" in part for term in self.estimates for part in term)

    def predict(self, values: Mapping[Term, float]) -> tuple[float, float | None]:
        """Sum of estimates times `values`, and its standard error (None without the covariance).

        Variance: x' C x over the terms of `values`.
        """
        total = sum(self.estimates[term].value * value for term, value in values.items())
        variance = 0.0
        for term, value in values.items():
            for other, other_value in values.items():
                covariance = self.covariance.get((term, other))
                if covariance is None:
                    return total, None
                variance += value * other_value * covariance
        return total, math.sqrt(max(variance, 0.0))

    @property
    def note(self) -> str:
        """What a reader has to know about this row, in plain words."""
        if self.problem is not None:
            return self.problem
        parts = []
        if self.is_unconverged:
            parts.append("not converged: do not rely on it")
        if self.is_singular:
            parts.append("singular: a random-effect variance lies at nought")
        return "; ".join(parts)

    def number(self, column: str) -> float | None:
        """A finite number of the fit row, else None (also where the row may not be shown)."""
        return _finite(self.fit.get(column)) if self.is_shown else None


@dataclass(frozen=True)
class Results:
    """The results tables that estimates are printed from; empty where not built."""

    estimates: pl.DataFrame
    fits: pl.DataFrame
    covariances: pl.DataFrame
    checks: pl.DataFrame | None = None
    """`results.reference_check`, where the warehouse has it."""


def fitted_models(analysis: Analysis, results: Results, panel: pl.DataFrame | None, rule: Disclosure) -> list[Fitted]:
    """Every declared model × outcome, in declared order, whether it has a result or not.

    Args:
        analysis: the declaration.
        results: tables of every analysis.
        panel: `analysis.<panel>`, from which group sizes are counted; None where it was not built.
        rule: what may be shown.
    """
    terms: dict[tuple[str, str], dict[Term, Estimate]] = {}
    sizes: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for row in _rows(results.estimates, analysis.name):
        key = (row["outcome"], row["model"])
        value = _finite(row["estimate"])
        if value is not None:
            terms.setdefault(key, {})[term_of(row["term"])] = Estimate(
                value, *(_finite(row[name]) for name in ("std_error", "p_value", "ci_low", "ci_high"))
            )
        sizes[key] = (row["n_patients"], row["n_observations"])
    by_key = {(row["outcome"], row["model"]): row for row in _rows(results.fits, analysis.name)}
    covariances: dict[tuple[str, str], dict[tuple[Term, Term], float]] = {}
    for row in _rows(results.covariances, analysis.name):
        pair = term_of(row["term"]), term_of(row["other_term"])
        covariances.setdefault((row["outcome"], row["model"]), {})[pair] = float(row["covariance"])
    refuted = {
        (row["outcome"], row["model"]): row["reason"]
        for row in ([] if results.checks is None else _rows(results.checks, analysis.name))
        if row["status"] == "fail"
    }
    found = []
    for model in analysis.models:
        for outcome, label in analysis.outcomes.items():
            key = (outcome, model.name)
            fit = by_key.get(key, {})
            n_patients, n_observations = sizes.get(key, (fit.get("n_patients"), fit.get("n_observations")))
            problem = rule.refuses_model(panel, outcome, model) if panel is not None else None
            if problem is None and not terms.get(key):
                problem = f"not estimated: {fit.get('reason') or 'no result'}"
            if problem is None and n_patients is not None and not rule.allows(n_patients):
                problem = f"suppressed: fewer than {rule.minimum} patients"
            if problem is None and key in refuted:
                problem = f"kept back until it is understood: the reference estimator disagrees ({refuted[key]})"
            hidden = problem is not None
            found.append(
                Fitted(
                    outcome,
                    label,
                    model,
                    {} if hidden else terms[key],
                    fit,
                    None if hidden else n_patients,
                    None if hidden else n_observations,
                    problem,
                    {} if hidden else covariances.get(key, {}),
                )
            )
    return found


def main_model(fitted: list[Fitted], predictors: tuple[str, ...]) -> Model | None:
    """Of the models with these predictors on all rows, the one that speaks for them.

    Others refer to it; or its slopes vary between patients; or it is the first.
    """
    own = [item.model for item in fitted if item.predictors == predictors and not item.model.where]
    referred = {item.model.reference for item in fitted}
    order = sorted(own, key=lambda model: (model.name not in referred, model.random == "intercept"))
    return order[0] if order else None


def _rows(frame: pl.DataFrame, analysis: str) -> list[dict[str, Any]]:
    return frame.filter(pl.col("analysis") == analysis).to_dicts() if frame.width else []


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
