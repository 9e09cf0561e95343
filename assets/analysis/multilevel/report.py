"""From a fitted model to rows of the results tables.

What belongs here: which column holds what, the names of variance components, intervals of variances, adjusted p-values.
What does not: any model, or which contrasts are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.analysis.design_matrix import INTERCEPT
from assets.analysis.multilevel.blocks import Floats
from assets.analysis.multilevel.model import MarginalFit
from assets.analysis.procedure import Found

ENGINE = "L-BFGS-B on Cholesky factors; Satterthwaite t, 95 % interval"
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Reporter:
    """Rows of one model of one outcome."""

    found: Found
    outcome: str
    outcome_label: str
    model: str
    """The procedure's name."""
    label: str
    panel: str
    method: str

    def counts(self, fitted: MarginalFit) -> dict[str, Any]:
        """Method, patients and rows, as most tables have them."""
        return {
            "method": self.method,
            "n_patients": fitted.n_clusters,
            "n_observations": fitted.n_observations,
        }

    def fit(self, fitted: MarginalFit, n_rows_dropped: int) -> None:
        """One row of results.fit, with the variances of the patient and of a homogeneous residual if it has them."""
        self.found.add(
            "results.fit",
            outcome=self.outcome,
            model=self.model,
            log_likelihood=fitted.log_likelihood,
            aic=fitted.aic,
            bic=fitted.bic,
            is_converged=fitted.is_converged,
            is_singular=fitted.is_singular,
            label=self.label,
            outcome_label=self.outcome_label,
            panel=self.panel,
            n_rows_dropped=n_rows_dropped,
            **_plain_variances(fitted),
            **self.counts(fitted),
        )

    def not_fitted(self, reason: str) -> None:
        """A row of results.fit that says why there is nothing else."""
        self.found.add(
            "results.fit",
            outcome=self.outcome,
            model=self.model,
            method=f"{self.method}; not fitted",
            label=self.label,
            outcome_label=self.outcome_label,
            panel=self.panel,
            reason=reason,
        )

    def estimates(self, fitted: MarginalFit, terms: Mapping[str, str], outcome: str | None = None) -> None:
        """Rows of results.estimate: terms of the model, and what each is called."""
        for term, name in terms.items():
            row = {"outcome": outcome or self.outcome, "model": self.model, "term": name}
            self.found.add("results.estimate", **row, **fitted.contrast({term: 1.0}), **self.counts(fitted))

    def contrasts(self, fitted: MarginalFit, rows: Sequence[Contrast], adjustment: str) -> list[dict[str, float]]:
        """Rows of results.contrast, with p-values adjusted over those of `rows` that are asked to be; the tests."""
        from statsmodels.stats.multitest import multipletests

        tests = [fitted.contrast(row.weights) for row in rows]
        family = [place for place, row in enumerate(rows) if row.is_adjusted and row.is_tested and adjustment != "none"]
        adjusted: dict[int, float] = {}
        if family:
            values = multipletests([tests[place]["p_value"] for place in family], method=adjustment)[1]
            adjusted = dict(zip(family, map(float, values), strict=True))
        for place, (row, test) in enumerate(zip(rows, tests, strict=True)):
            self.found.add(
                "results.contrast",
                outcome=row.outcome or self.outcome,
                contrast=row.label,
                at_months=row.at_months,
                p_adjusted=adjusted.get(place),
                adjustment=f"{adjustment}, {len(family)} tests" if place in adjusted else None,
                **(test if row.is_tested else test | {"statistic": None, "p_value": None}),
                **self.counts(fitted),
            )
        return tests

    def joint(self, fitted: MarginalFit, label: str, rows: Sequence[Mapping[str, float]]) -> None:
        """One F test that combinations are all zero, as a row of results.comparison: what the smaller model says."""
        test = fitted.joint_test(rows)
        self.found.add(
            "results.comparison",
            outcome=self.outcome,
            model=self.model,
            compared_with=label,
            f_statistic=test["statistic"],
            df=int(test["df"]),
            df_error=test["df_error"],
            p_value=test["p_value"],
            **self.counts(fitted) | {"method": f"Wald F, Satterthwaite; {fitted.method}"},
        )

    def components(self, fitted: MarginalFit) -> None:
        """Every variance and covariance: `patient.var_slope`, `patient.cov_intercept_slope`, `residual.var`."""
        for part, psi in fitted.parts.items():
            names = fitted.columns[part]
            for i in range(len(psi)):
                for j in range(i + 1):
                    if i != j and psi[i, j] == 0:
                        continue
                    if i == j:
                        name = "var" if names[i] == part else f"var_{names[i]}"
                    else:
                        name = f"cov_{names[j]}_{names[i]}"
                    self.component(fitted, f"{part}.{name}", _element(part, i, j), "log" if i == j else "plain")

    def component(
        self, fitted: MarginalFit, name: str, function: Callable[[dict[str, Floats]], float], scale: str
    ) -> None:
        """One row of results.variance_component, with Wald's interval on a scale: log, logit or plain."""
        value, error = function(fitted.parts), fitted.standard_error_of(function)
        low, high = wald_interval(value, error, scale)
        has_interval = low is not None
        self.found.add(
            "results.variance_component",
            outcome=self.outcome,
            model=self.model,
            component=name,
            estimate=value,
            ci_low=low,
            ci_high=high,
            ci_method=f"Wald, {scale} scale, delta method" if has_interval else None,
            reason=None if has_interval else "on the boundary; no interval of this kind",
        )


@dataclass(frozen=True)
class Contrast:
    """A linear combination of terms that is asked for."""

    label: str
    weights: Mapping[str, float]
    outcome: str | None = None
    at_months: float | None = None
    is_adjusted: bool = True
    is_tested: bool = True
    """False: an estimate with its interval, whose difference from zero is of no interest."""


def doubts_of(fitted: MarginalFit) -> list[str]:
    """What has to be said beside the numbers of a fit: nothing, or sentences."""
    doubts = [] if fitted.is_converged else ["the model did not converge; do not rely on it"]
    return doubts + (["the covariance lies on the boundary"] if fitted.is_singular else [])


def wald_interval(value: float, error: float, scale: str) -> tuple[float | None, float | None]:
    """95 % interval on a scale where an estimate is nearer to normal; (None, None) where that scale has no value."""
    if not (math.isfinite(error) and error > 0):
        return None, None
    if scale == "plain":
        return value - Z_95 * error, value + Z_95 * error
    if not (0 < value < (1 if scale == "logit" else math.inf)):
        return None, None
    slope = error / value if scale == "log" else error / (value * (1 - value))
    if slope > 20:  # the estimate says nothing of its order of magnitude
        return None, None
    if scale == "log":
        return value * math.exp(-Z_95 * slope), value * math.exp(Z_95 * slope)
    logit = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-(logit + sign * Z_95 * slope))) for sign in (-1, 1))
    return low, high


def share(numerator: Sequence[str], parts: Sequence[str]) -> Callable[[dict[str, Floats]], float]:
    """Share of the intercept variances of `numerator` in those of `parts` (time zero)."""

    def of(psi: dict[str, Floats]) -> float:
        return float(np.sum([psi[part][0, 0] for part in numerator]) / np.sum([psi[part][0, 0] for part in parts]))

    return of


def _plain_variances(fitted: MarginalFit) -> dict[str, float]:
    found = {}
    if "patient" in fitted.parts and fitted.columns["patient"] in ((INTERCEPT,), (INTERCEPT, "slope")):
        psi = fitted.parts["patient"]
        found["var_intercept"] = float(psi[0, 0])
        if len(psi) == 2:
            found |= {"var_slope": float(psi[1, 1]), "cov_intercept_slope": float(psi[1, 0])}
    if fitted.parts["residual"].size == 1:
        found["var_residual"] = float(fitted.parts["residual"][0, 0])
    return found


def _element(part: str, i: int, j: int) -> Callable[[dict[str, Floats]], float]:
    return lambda psi: float(psi[part][i, j])
