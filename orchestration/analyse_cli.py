"""`concord analyse`: the declared analyses, computed now from the sealed warehouse.

What belongs here: arguments, help and exit codes. What does not: computing (`assets.analysis.declared`), layout
(`analyse_layout`), or what may be published (the numbers here are not suppressed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.exits import FAILED, WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from assets.analysis.declared import AnalysisResults

FORMATS = ("table", "json")


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
        from orchestration.analyse_layout import print_analysis
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
                print_analysis(library.analyses[name], rows_of(name, results))
        for failure in results.failures:
            typer.echo(failure, err=True)
    if results.failures:
        raise typer.Exit(FAILED)


def print_json(results: AnalysisResults) -> None:
    """Every results table that has rows, as {table: [row, …]}; patient-level panels are left out."""
    import json

    tables = {name: table for name, table in sorted(results.tables.items()) if name.startswith("results.")}
    print(json.dumps({name: table.to_pylist() for name, table in tables.items() if table.num_rows}, indent=1))


def rows_of(name: str, results: AnalysisResults) -> dict[str, list[dict[str, Any]]]:
    """One analysis' rows of every results table."""
    return {
        table: [row for row in found.to_pylist() if row["analysis"] == name]
        for table, found in results.tables.items()
        if table.startswith("results.") and "analysis" in found.column_names
    }
