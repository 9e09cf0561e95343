"""Every declared analysis of a network: panels from the warehouse, models on them, and the tables that are sealed.

What belongs here: building panels once, running every model and procedure, and the tables of all of them. What does
not: SQL of a panel (`panel`), the rows of one model (`model_work`) or procedure, or what may be published.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.analysis.mixed_model import finite_or_none
from assets.analysis.model_work import PATIENT, ModelWork
from assets.analysis.panel import panel_schema, panel_sql
from assets.analysis.procedure import Room, run_procedure
from assets.analysis.result_schemas import patient_schemas, result_schemas
from assets.analysis.reuse import fingerprint, sealed_rows
from assets.analysis.threads import single_threaded
from codebook.panel import Panel
from codebook.procedures.base import ProcedureBase

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from codebook.library import Library


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
    connection: duckdb.DuckDBPyConnection,
    library: Library,
    on_progress: Callable[[str], None],
    only: Collection[str] | None = None,
    earlier: Path | None = None,
) -> AnalysisResults:
    """Build every panel and fit every declared model, reading `harmonised.*` through `connection`.

    `only`: names of the analyses wanted; None: all. `earlier`: a sealed warehouse, whose models are taken over where
    rows, declaration and code are the same.

    `on_progress` is told, in one sentence each, which panel was built and which analysis was fitted. What fails is a
    row of `results.fit` with its reason (and a typed, empty panel), and the rest goes on.
    """
    import pyarrow as pa

    schemas = result_schemas()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas}
    panels: dict[str, pa.Table] = {}
    declared: dict[str, Panel] = {}
    for name in sorted(library.analyses if only is None else set(only)):
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
        work = ModelWork(analysis, table.to_pandas(), reason)
        print_of = fingerprint(analysis, table)
        known = sealed_rows(earlier, analysis, print_of) if analysis.models and reason is None else None
        if known is None:
            for outcome in analysis.outcomes:
                for model in analysis.models:
                    work.run(outcome, model)
        mark = {"results.model_fingerprint": [{"analysis": name, "fingerprint": print_of}]}
        models = work.rows if known is None else known
        found = [models, mark] if analysis.models and reason is None else [models]
        with single_threaded():  # how many threads share a sum must not decide its last digit
            for procedure in analysis.procedures:
                found.append(_procedure(procedure, Room(analysis, library, work.frame, connection), reason))
        for part in found:
            for key, added in part.items():
                rows.setdefault(key, []).extend(added)
        procedures = f", {len(analysis.procedures)} procedures" if analysis.procedures else ""
        n_models = len(models.get("results.fit", []))
        taken = " as they were" if known is not None else ""
        on_progress(f"analysis {name}: {n_models} models{taken}{procedures}")
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


def _procedure(procedure: ProcedureBase, room: Room, reason: str | None) -> dict[str, list[dict[str, Any]]]:
    """Rows by table of one procedure; without a panel it has the panel's reason."""
    row, tables = run_procedure(procedure, room, reason)
    found = {"results.procedure": [row]}
    for table, entries in tables.items():
        found[table] = [{key: finite_or_none(value) for key, value in entry.items()} for entry in entries]
    return found
