"""Every declared analysis of a network: panels from the warehouse, models on them, and the tables that are sealed.

What belongs here: which model is fitted on which rows, the comparison with a reference model, and the tables' columns.
What does not: SQL of a panel (`panel`), estimation (`mixed_model`), or what may be published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError, complete_rows, source_columns
from assets.analysis.mixed_model import MixedModelFit, finite_or_none, fit, not_fitted
from assets.analysis.panel import panel_schema, panel_sql
from assets.analysis.procedure import Room, run_procedure
from assets.analysis.result_schemas import patient_schemas, result_schemas
from codebook.analysis import Analysis, Model
from codebook.panel import Panel
from codebook.procedures.base import ProcedureBase

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from codebook.library import Library

PATIENT, TIME = "patient_id", "months"
FIT_NUMBERS = ("log_likelihood", "aic", "bic")
FIT_VARIANCES = ("var_intercept", "var_slope", "cov_intercept_slope", "var_residual")


@dataclass(frozen=True)
class AnalysisResults:
    """Tables by `schema.table`: `results.*` (see `result_schemas`), `analysis.<panel>`."""

    tables: dict[str, pa.Table]

    @property
    def failures(self) -> list[str]:
        """Models and procedures without a result, as sentences: analysis, outcome, name and reason."""
        fits, procedures = (self.tables[f"results.{name}"].to_pylist() for name in ("fit", "procedure"))
        return [f"{r['analysis']}, {r['outcome']}, {r['model']}: {r['reason']}" for r in fits if r["reason"]] + [
            f"{r['analysis']}, {r['procedure']}: {r['reason']}" for r in procedures if r["reason"]
        ]


def run_analyses(
    connection: duckdb.DuckDBPyConnection, library: Library, on_progress: Callable[[str], None]
) -> AnalysisResults:
    """Build every panel and fit every declared model, reading `harmonised.*` through `connection`.

    `on_progress` is told, in one sentence each, which panel was built and which analysis was fitted. What fails is a
    row of `results.fit` with its reason (and a typed, empty panel), and the rest goes on.
    """
    import pyarrow as pa

    schemas = result_schemas()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas}
    panels: dict[str, pa.Table] = {}
    declared: dict[str, Panel] = {}
    for name in sorted(library.analyses):
        analysis = library.analyses[name]
        reason = None
        table = panels.get(f"analysis.{analysis.panel.name}")
        if table is None:
            table, reason = _build_panel(connection, analysis.panel)
            panels[f"analysis.{analysis.panel.name}"] = table
            declared[analysis.panel.name] = analysis.panel
            on_progress(f"panel {analysis.panel.name}: {table.num_rows} rows")
        elif declared[analysis.panel.name] != analysis.panel:
            reason = f"another analysis declares the panel '{analysis.panel.name}' differently; rename one"
        work = _Work(analysis, table.to_pandas(), reason)
        for outcome in analysis.outcomes:
            for model in analysis.models:
                work.run(outcome, model)
        for procedure in analysis.procedures:
            work.procedure(procedure, Room(analysis, library, work.frame, connection))
        for key, added in work.rows.items():
            rows.setdefault(key, []).extend(added)
        procedures = f", {len(analysis.procedures)} procedures" if analysis.procedures else ""
        on_progress(f"analysis {name}: {len(work.rows['results.fit'])} models{procedures}")
    tables = {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in schemas.items()}
    typed = patient_schemas()
    more = {
        name: pa.Table.from_pylist(found, schema=typed.get(name)) for name, found in rows.items() if name not in schemas
    }
    return AnalysisResults(tables | panels | more)


def write_results(results: AnalysisResults, folder: Path) -> list[Path]:
    """One Parquet file for each table, `<schema>.<table>.parquet`, typed even where it is empty; returns the paths."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in sorted(results.tables.items()):
        path = folder / f"{name}.parquet"
        pq.write_table(table, path)
        paths.append(path)
    return paths


def _build_panel(connection: duckdb.DuckDBPyConnection, panel: Panel) -> tuple[pa.Table, str | None]:
    """The panel, or an empty one and the reason: only what names a table or column is quoted, never a value."""
    import duckdb
    import pyarrow as pa

    reason = f"the panel '{panel.name}' could not be built"
    try:
        schema = panel_schema(panel)
    except ValueError as problem:
        return pa.schema([(PATIENT, pa.string())]).empty_table(), str(problem)
    try:
        return connection.execute(panel_sql(panel)).to_arrow_table().cast(schema), None
    except (duckdb.CatalogException, duckdb.BinderException) as problem:
        return schema.empty_table(), f"{reason}: {str(problem).strip().splitlines()[0]}"
    except (duckdb.Error, pa.ArrowException) as problem:
        return schema.empty_table(), f"{reason}: {type(problem).__name__}"


@dataclass
class _Work:
    """One analysis under way; fits on the same rows are made once."""

    analysis: Analysis
    frame: pd.DataFrame
    reason: str | None
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"results.estimate": [], "results.fit": [], "results.fixed_covariance": []}
    )
    _known: dict[tuple[str, str, bytes], MixedModelFit] = field(default_factory=dict)

    def run(self, outcome: str, model: Model) -> None:
        """Fit one model, and its reference on the same rows."""
        fitted = self._fit(outcome, model, model)
        reference = next((other for other in self.analysis.models if other.name == model.reference), None)
        if reference is None:
            self._add(outcome, model.name, model.label, fitted)
            return
        compared = self._fit(outcome, reference, model)
        # a reference with columns of its own may lose more rows, and then nothing can be compared
        is_same_data = fitted.reason is None and compared.n_observations == fitted.n_observations
        self._add(outcome, model.name, model.label, fitted, compared if is_same_data else None, model.reference)
        name = f"{reference.name}@{model.name}"
        self._add(outcome, name, f"{reference.label}, on the rows of: {model.label}", compared)

    def procedure(self, procedure: ProcedureBase, room: Room) -> None:
        """Run one procedure; without a panel it has the panel's reason."""
        row, tables = run_procedure(procedure, room)
        if self.reason is not None:
            row, tables = (
                {"reason": self.reason} | {key: row[key] for key in ("analysis", "procedure", "kind", "title")},
                {},
            )
        self.rows.setdefault("results.procedure", []).append(row)
        for table, entries in tables.items():
            plain = [{key: finite_or_none(value) for key, value in entry.items()} for entry in entries]
            self.rows.setdefault(table, []).extend(plain)

    def _fit(self, outcome: str, model: Model, on_rows_of: Model) -> MixedModelFit:
        method = self.analysis.estimation
        if self.reason is not None:
            return not_fitted(model.terms, model.random, method, self.reason)
        try:
            used = complete_rows(self.frame, [outcome, PATIENT, TIME, *source_columns(on_rows_of.terms)])
            key = (outcome, model.name, used.tobytes())
            if key not in self._known:
                self._known[key] = fit(
                    self.frame.loc[used], outcome, model.terms, PATIENT, TIME, random=model.random, method=method
                )
            return self._known[key]
        except NotEstimableError as problem:
            return not_fitted(model.terms, model.random, method, str(problem))
        except Exception as problem:  # one model never stops the rest; its message could hold a value
            return not_fitted(model.terms, model.random, method, f"the estimation failed with {type(problem).__name__}")

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
            self.rows["results.estimate"].append(key | plain | {"method": fitted.method} | counts)
        for term, covariances in fitted.fixed_covariance.to_dict("index").items():
            for other, value in covariances.items():
                if finite_or_none(value) is not None:
                    self.rows["results.fixed_covariance"].append(
                        key | {"term": term, "other_term": other, "covariance": value}
                    )
        dropped = None if fitted.n_observations is None else len(self.frame) - fitted.n_observations
        shared = ("method", *FIT_NUMBERS, "is_converged", "is_singular", *FIT_VARIANCES, "reason")
        self.rows["results.fit"].append(
            key
            | {column: getattr(fitted, column) for column in shared}
            | {
                "explained_intercept_pct": _explained(fitted, reference, "var_intercept"),
                "explained_slope_pct": _explained(fitted, reference, "var_slope"),
                "label": label,
                "outcome_label": self.analysis.outcomes[outcome],
                "panel": self.analysis.panel.name,
                "reference": reference_name,
                "reference_aic": None if reference is None else reference.aic,
                "n_rows_dropped": dropped,
            }
            | counts
        )


def _explained(fitted: MixedModelFit, reference: MixedModelFit | None, variance: str) -> float | None:
    """100 (1 − variance of the model / variance of the reference); null where there is nothing to explain."""
    own = getattr(fitted, variance)
    before = None if reference is None else getattr(reference, variance)
    if own is None or not before:
        return None
    return float(100 * (1 - own / before))
