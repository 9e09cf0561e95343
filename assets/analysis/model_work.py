"""The declared mixed models of one analysis: which is fitted on which rows, and the rows of results that it gives.

What belongs here: rows of a model and its stratum, its reference on the same rows, its comparisons and contrasts.
What does not: estimation (`mixed_model`), formulas over two fits (`comparison`), or procedures (`procedure`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.bootstrap import VARIANCES, Interval, Side, explained_intervals
from assets.analysis.comparison import explained, likelihood_ratio
from assets.analysis.design_matrix import NotEstimableError, build_design, complete_rows, source_columns
from assets.analysis.judgement import judge, variance_intervals
from assets.analysis.levels import coded, in_words, stratum
from assets.analysis.mixed_model import Method, MixedModelFit, contrast, finite_or_none, fit, not_fitted
from codebook.analysis import Analysis, Model

if TYPE_CHECKING:
    import pandas as pd

PATIENT, TIME = "patient_id", "months"
FIT_NUMBERS = ("log_likelihood", "n_parameters", "aic", "aic_spss", "bic")
FIT_VARIANCES = ("var_intercept", "var_slope", "cov_intercept_slope", "var_residual")
EXPLAINED = {"var_intercept": "explained_intercept_pct", "var_slope": "explained_slope_pct"}


@dataclass
class ModelWork:
    """Models of one analysis under way; fits on the same rows are made once. `reason`: why there is no panel."""

    analysis: Analysis
    frame: pd.DataFrame
    reason: str | None
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Entries by table."""
    _known: dict[tuple[str, str, str, bytes], MixedModelFit] = field(default_factory=dict)

    def run(self, outcome: str, model: Model) -> None:
        """Fit one model, its reference and what it is compared with on the same rows; append all their rows."""
        fitted = self._fit(outcome, model, model)
        reference = self._model(model.reference)
        compared = self._fit(outcome, reference, model) if reference is not None else None
        self._add(outcome, model.name, model.label, fitted, compared, model.reference)
        self._add_components(outcome, model, fitted, compared, reference)
        self._add_judgement(outcome, model, fitted)
        self._add_contrasts(outcome, model, fitted)
        if reference is not None and compared is not None:
            name = f"{reference.name}@{model.name}"
            self._add(outcome, name, f"{reference.label}, on the rows of: {model.label}", compared)
        others = dict.fromkeys(name for name in (model.reference, *model.compare_with) if name is not None)
        for other in others:
            self._add_comparison(outcome, model, self._model(other), fitted)

    def _model(self, name: str | None) -> Model | None:
        return next((model for model in self.analysis.models if model.name == name), None)

    def _rows(self, outcome: str, model: Model) -> Any:
        """Which rows of the panel a model uses, as a mask.

        Raises:
            NotEstimableError: it has no row, and why.
        """
        columns = [outcome, PATIENT, TIME, *source_columns(model.terms)]
        used = complete_rows(self.frame, columns)
        if model.where:
            used &= stratum(self.frame, model.where)
            if not used.any():
                raise NotEstimableError(f"no complete row has {in_words(model.where)}")
        return used

    def _fit(self, outcome: str, model: Model, on_rows_of: Model, method: Method | None = None) -> MixedModelFit:
        method = method or self.analysis.estimation
        if self.reason is not None:
            return not_fitted(model.terms, model.random, method, self.reason)
        try:
            used = self._rows(outcome, on_rows_of)
            key = (outcome, model.name, method, used.tobytes())
            if key not in self._known:
                self._known[key] = self._fit_to(self.frame.loc[used], outcome, model, method)
            return self._known[key]
        except NotEstimableError as problem:
            return not_fitted(model.terms, model.random, method, str(problem))
        except Exception as problem:  # one model never stops the rest; its message could hold a value
            return not_fitted(model.terms, model.random, method, f"the estimation failed with {type(problem).__name__}")

    def _fit_to(self, rows: pd.DataFrame, outcome: str, model: Model, method: Method) -> MixedModelFit:
        complete = rows.loc[complete_rows(rows, source_columns(model.terms))]
        frame, terms = coded(complete, model.terms, self.analysis.panel)
        return fit(frame, outcome, terms, PATIENT, TIME, random=model.random, method=method)

    def _add(
        self,
        outcome: str,
        name: str,
        label: str,
        fitted: MixedModelFit,
        reference: MixedModelFit | None = None,
        reference_name: str | None = None,
    ) -> None:
        key = {"analysis": self.analysis.name, "outcome": outcome, "model": name}
        counts = {"n_patients": fitted.n_patients, "n_observations": fitted.n_observations}
        for row in fitted.estimates.to_dict("records"):
            plain = {str(column): finite_or_none(value) for column, value in row.items()}
            self._append("results.estimate", key | plain | {"method": fitted.method} | counts)
        for term, covariances in fitted.fixed_covariance.to_dict("index").items():
            for other, value in covariances.items():
                if finite_or_none(value) is not None:
                    pair = {"term": term, "other_term": other, "covariance": value}
                    self._append("results.fixed_covariance", key | pair)
        dropped = None if fitted.n_observations is None else len(self.frame) - fitted.n_observations
        shared = ("method", *FIT_NUMBERS, "is_converged", "is_singular", *FIT_VARIANCES, "reason")
        is_same_data = reference is not None and reference.n_observations == fitted.n_observations
        shares = {
            column: None if reference is None else explained(fitted, reference, variance)[0]
            for variance, column in EXPLAINED.items()
        }
        self._append(
            "results.fit",
            key
            | {column: getattr(fitted, column) for column in shared}
            | shares
            | {
                "label": label,
                "outcome_label": self.analysis.outcomes[outcome],
                "panel": self.analysis.panel.name,
                "reference": reference_name,
                "reference_aic": reference.aic if reference is not None and is_same_data else None,
                "n_rows_dropped": dropped,
            }
            | counts,
        )

    def _add_components(
        self,
        outcome: str,
        model: Model,
        fitted: MixedModelFit,
        compared: MixedModelFit | None,
        reference: Model | None,
    ) -> None:
        key = {"analysis": self.analysis.name, "outcome": outcome, "model": model.name}
        values = {name: getattr(fitted, name) for name in (*FIT_VARIANCES, "cor_intercept_slope")}
        intervals = self._variance_intervals(fitted) if reference is None else {}
        for component, value in values.items():
            if value is not None:
                row: dict[str, Any] = key | {"component": component, "estimate": value}
                self._append("results.variance_component", row | intervals.get(component, {}))
        if compared is None or reference is None:
            return
        shares = self._intervals(outcome, model, reference, fitted, compared)
        for variance in VARIANCES:
            share, reason = explained(fitted, compared, variance)
            row = key | {"component": EXPLAINED[variance], "estimate": share, "reason": reason}
            if (found := shares.get(variance)) is not None and share is not None:
                row |= {"ci_low": found.low, "ci_high": found.high, "ci_method": found.method}
                row |= {"n_resamples": found.n_resamples, "reason": found.reason}
            self._append("results.variance_component", row)

    def _intervals(
        self, outcome: str, model: Model, reference: Model, fitted: MixedModelFit, compared: MixedModelFit
    ) -> dict[str, Interval]:
        declared = self.analysis.bootstrap
        wanted = declared is not None and (not declared.models or model.name in declared.models)
        shares = [explained(fitted, compared, variance)[0] for variance in VARIANCES]
        if declared is None or not wanted or all(share is None for share in shares):
            return {}
        rows = self.frame.loc[self._rows(outcome, model)]
        sides = [self._side(rows, outcome, one, own) for one, own in ((model, fitted), (reference, compared))]
        return explained_intervals(sides[0], sides[1], declared)

    def _side(self, rows: pd.DataFrame, outcome: str, model: Model, fitted: MixedModelFit) -> Side:
        frame, terms = coded(rows, model.terms, self.analysis.panel)
        has_slope = model.random == "intercept_and_slope"
        return Side(build_design(frame, outcome, terms, PATIENT, TIME, has_slope=has_slope), fitted)

    def _add_judgement(self, outcome: str, model: Model, fitted: MixedModelFit) -> None:
        if fitted.reason is not None:
            return
        key = {"analysis": self.analysis.name, "outcome": outcome, "model": model.name}
        design = self._side(self.frame.loc[self._rows(outcome, model)], outcome, model, fitted).design
        try:
            found = judge(fitted, design)
        except Exception as problem:  # the fit stands without its judgement; the message could hold a value
            reason = f"the check failed with {type(problem).__name__}"
            found = {"results.reference_check": [{"status": "not_applicable", "reason": reason}]}
        for table, rows in found.items():
            for row in rows:
                self._append(table, key | row)

    def _variance_intervals(self, fitted: MixedModelFit) -> dict[str, dict[str, Any]]:
        """Profile intervals by component; a profile that cannot be followed leaves the estimates without one."""
        try:
            return variance_intervals(fitted)
        except (ValueError, RuntimeError, np.linalg.LinAlgError):
            return {}

    def _add_contrasts(self, outcome: str, model: Model, fitted: MixedModelFit) -> None:
        for label, weights in model.contrasts.items():
            row: dict[str, Any] = {"analysis": self.analysis.name, "procedure": model.name, "outcome": outcome}
            row |= {"contrast": label, "method": fitted.method}
            row |= {"n_patients": fitted.n_patients, "n_observations": fitted.n_observations}
            try:
                found = contrast(fitted, weights)
                names = ("estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
                row |= {name: finite_or_none(getattr(found, name)) for name in names}
            except NotEstimableError as problem:
                row["reason"] = str(problem)
            except KeyError:
                row["reason"] = "a term of it is not in the model: nobody in these rows has its level"
            self._append("results.contrast", row)

    def _add_comparison(self, outcome: str, model: Model, other: Model | None, fitted: MixedModelFit) -> None:
        if other is None:
            return
        compared = self._fit(outcome, other, model)
        if self.analysis.estimation == "REML" and set(other.terms) != set(model.terms):
            fitted = self._fit(outcome, model, model, "ML")
            compared = self._fit(outcome, other, model, "ML")
        key = {"analysis": self.analysis.name, "outcome": outcome, "model": model.name, "compared_with": other.name}
        self._append("results.comparison", key | likelihood_ratio(fitted, compared))

    def _append(self, table: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(row)
