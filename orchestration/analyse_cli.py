"""`concord analyse`: the declared analyses, computed now from the sealed warehouse.

What belongs here: arguments, help, layout and exit codes. What does not: computing (`assets.analysis.declared`), or
what may be published (the numbers here are not suppressed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.exits import FAILED, WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from assets.analysis.declared import AnalysisResults
    from codebook.analysis import Analysis

FORMATS = ("table", "json")
TERM_COLUMNS = ("estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
FIT_FACTS = {
    "n_patients": ("patients:", 0),
    "n_observations": ("rows:", 0),
    "aic": ("AIC:", 1),
    "reference_aic": ("AIC of the reference on these rows:", 1),
    "explained_intercept_pct": ("per cent of the intercept variance explained:", 1),
    "explained_slope_pct": ("of the slope variance:", 1),
}
DIGITS = 4
KEYS = {"analysis", "procedure"}
OF_MODELS = {"results.estimate", "results.fit", "results.fixed_covariance"}
Row = dict[str, Any]


def analyse(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="As analyses/NAME.yaml is called; none: all.")
    ] = None,
    network: NetworkOption = HERE,
    output_format: Annotated[str, typer.Option("--format", help=f"{' or '.join(FORMATS)}.")] = "table",
) -> None:
    """Compute declared analyses from the sealed warehouse and print them; nothing is written.

    Change analyses/NAME.yaml and ask again: no run is needed. 'concord run' computes the same and publishes it.

    The numbers are for those who may read the warehouse: small groups are not suppressed here.

    \b
    concord analyse --network demo
    concord analyse alliance --network demo
    concord analyse alliance --format json > alliance.json
    """
    if output_format not in FORMATS:
        stop(f"--format {output_format}: choose {' or '.join(FORMATS)}", WRONG)
    with errors():
        from assets.analysis.declared import run_analyses
        from codebook.library import load_library
        from codebook.nearest import did_you_mean
        from orchestration.warehouse_reader import open_warehouse

        library = load_library(network)
        for name in names or ():
            if name not in library.analyses:
                stop(f"no analysis is called {name}{did_you_mean(name, library.analyses)}", WRONG)
        wanted = names or sorted(library.analyses)
        with open_warehouse(library.folder.warehouse) as connection:
            results = run_analyses(connection, library, lambda _sentence: None, only=wanted)
        if output_format == "json":
            print_json(results)
        else:
            for name in dict.fromkeys(wanted):
                print_analysis(library.analyses[name], results)
        for failure in results.failures:
            typer.echo(failure, err=True)
    if results.failures:
        raise typer.Exit(FAILED)


def print_json(results: AnalysisResults) -> None:
    """Every results table that has rows, as {table: [row, …]}; patient-level panels are left out."""
    import json

    tables = {name: table for name, table in sorted(results.tables.items()) if name.startswith("results.")}
    print(json.dumps({name: table.to_pylist() for name, table in tables.items() if table.num_rows}, indent=1))


def print_analysis(analysis: Analysis, results: AnalysisResults) -> None:
    """Its models term by term, then what is said of them, then its procedures."""
    tables = {
        name: [row for row in table.to_pylist() if row["analysis"] == analysis.name]
        for name, table in results.tables.items()
        if name.startswith("results.") and "analysis" in table.column_names
    }
    print(f"{analysis.title} ({analysis.name})")
    print("=" * (len(analysis.title) + len(analysis.name) + 3))
    for fit in tables["results.fit"]:
        if "@" not in fit["model"]:
            _print_model(fit, tables["results.estimate"])
    procedures = {procedure.name for procedure in analysis.procedures}
    of_models = {
        name: [row for row in rows if row.get("procedure") not in procedures]
        for name, rows in tables.items()
        if name not in OF_MODELS | {"results.procedure"}
    }
    for name, rows in of_models.items():
        _print_rows(name.removeprefix("results.").replace("_", " ").capitalize(), rows)
    for said in tables["results.procedure"]:
        print(f"\n{said['title']} ({said['procedure']})")
        facts = [said["method"], said["note"], said["reason"]]
        facts += [
            f"{said[key]} {word}" for key, word in (("n_patients", "patients"), ("n_observations", "rows")) if said[key]
        ]
        print(". ".join(fact for fact in facts if fact) + ".")
        for name, rows in tables.items():
            if name != "results.procedure":
                _print_rows("", [row for row in rows if row.get("procedure") == said["procedure"]])
    print()


def _print_model(fit: Row, estimates: list[Row]) -> None:
    from orchestration.tables import print_table

    print(f"\n{fit['outcome_label']}: {fit['label']} ({fit['outcome']}/{fit['model']})")
    if fit["reason"]:
        print(f"not fitted: {fit['reason']}")
        return
    key = (fit["outcome"], fit["model"])
    rows = [row for row in estimates if (row["outcome"], row["model"]) == key]
    print_table(("term", *TERM_COLUMNS), [[row["term"], *(_short(row[name]) for name in TERM_COLUMNS)] for row in rows])
    facts = [
        f"{word} {fit[name]:.{decimals}f}" for name, (word, decimals) in FIT_FACTS.items() if fit[name] is not None
    ]
    facts += ["singular"] if fit["is_singular"] else []
    facts += [] if fit["is_converged"] else ["not converged"]
    print(f"{', '.join(facts)}. {fit['method']}.")


def _print_rows(title: str, rows: list[Row]) -> None:
    """A table of rows without the columns that say nothing."""
    from orchestration.tables import print_table

    if not rows:
        return
    columns = [name for name in rows[0] if name not in KEYS and any(row[name] is not None for row in rows)]
    print(f"\n{title}" if title else "")
    print_table(columns, [[_short(row[name]) for name in columns] for row in rows])


def _short(value: object) -> object:
    """Four significant digits: more are in --format json."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
