"""The command line: `concord`. Heavy libraries are imported inside the commands, so that --help answers at once.

What belongs here: arguments, help, errors and exit codes. What does not: any work.
Exit codes: 0 done; 1 failed; 2 usage or declaration wrong; 3 done, but a gate held something back.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.alerts_cli import alerts
from orchestration.analyse_cli import analyse
from orchestration.codebook_cli import codebook_app
from orchestration.compare_cli import compare
from orchestration.days import day
from orchestration.exits import FAILED, WRONG, errors, stop
from orchestration.expectations_cli import expectations
from orchestration.fetch_cli import fetch
from orchestration.findings_cli import findings_app
from orchestration.identity_cli import identity_app
from orchestration.key_cli import key_app
from orchestration.network_option import HERE, NetworkOption
from orchestration.power_cli import power
from orchestration.rework_cli import rework
from orchestration.site_cli import site_app
from orchestration.worklist_cli import worklist_app

EPILOG = "Exit codes: 0 done; 1 failed; 2 usage or declaration wrong; 3 done, but a gate held something back."

app = typer.Typer(
    name="concord",
    help="The research warehouse of a clinical network: from the files of treatment units to published tables.\n\n"
    "Begin with 'concord demo DIR' and 'concord run --network DIR'.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(fetch)
app.command()(rework)
app.command()(expectations)
app.command()(analyse)
app.command()(power)
app.command()(compare)
app.command()(alerts)
app.add_typer(codebook_app, name="codebook")
app.add_typer(site_app, name="site")
app.add_typer(identity_app, name="identity")
app.add_typer(key_app, name="key")
app.add_typer(findings_app, name="findings")
app.add_typer(worklist_app, name="worklist")

DateOption = Annotated[str | None, typer.Option(metavar="DATE", help="A day, as 2026-11-23.")]


def _target(network: Path, as_of: str | None) -> Path:
    return network / "asof" / as_of if as_of else network


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    patients: Annotated[int, typer.Option(min=4, help="How many patients.")] = 155,
    sites: Annotated[int, typer.Option(min=1, help="How many units; beyond four the four formats repeat.")] = 4,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
) -> None:
    """Write a synthetic network, deliveries and all, to try Concord with."""
    from rich.console import Console

    from simulation.demo import FolderNotEmpty, write_demo

    console = Console(highlight=False)
    try:
        with errors():
            write_demo(directory, patients=patients, sites=sites, seed=seed, on_progress=console.print)
    except FolderNotEmpty as error:
        stop(str(error), WRONG)
    text = f"Synthetic network written to {directory}. Next: concord run --network {directory}"
    console.print(text, soft_wrap=True)


@app.command()
def run(
    network: NetworkOption = HERE,
    site: Annotated[list[str] | None, typer.Option(help="Ingest only this unit (may be given several times).")] = None,
    as_of: DateOption = None,
    today: DateOption = None,
    is_fetching: Annotated[bool, typer.Option("--fetch", help="First fetch what units declare under 'fetch'.")] = False,
    is_verified: Annotated[
        bool, typer.Option("--verify", help="Hash every landed file, also those that look as they did.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another run to end.")] = 60.0,
) -> None:
    """Ingest what is new, build, judge, analyse, seal and publish.

    --as-of limits the deliveries that are known and writes to asof/DATE/; --today decides what is overdue.
    """
    from orchestration.run import Wanted
    from orchestration.running import run_and_say

    if is_fetching and as_of:
        stop("--fetch brings today's data, which --as-of would not look at; give one of the two", WRONG)
    known, now = day(as_of, "--as-of"), day(today, "--today")
    wanted = Wanted(
        sites=site or (),
        as_of=known,
        today=now,
        is_fetching=is_fetching,
        is_verified=is_verified,
        wait_seconds=wait,
    )
    run_and_say(network, wanted)


@app.command()
def status(network: NetworkOption = HERE, as_of: DateOption = None) -> None:
    """Per unit: last delivery, data through, rows, findings, overdue."""
    from codebook.network import NetworkFolder
    from orchestration.status import print_status, status_rows

    with errors():
        print_status(status_rows(NetworkFolder(_target(network, as_of)).warehouse))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help='e.g. "from harmonised.working_alliance limit 5"')],
    network: NetworkOption = HERE,
    as_of: DateOption = None,
    output_format: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
) -> None:
    """Ask the sealed warehouse: read-only, and with no access to other files. Works while a run is under way."""
    from codebook.network import NetworkFolder
    from orchestration.warehouse_reader import answer, write_answer

    if output_format not in {"table", "csv", "json", "parquet"}:
        stop(f"--format {output_format}: choose table, csv, json or parquet", WRONG)
    if output_format == "parquet" and sys.stdout.isatty():
        stop("--format parquet writes bytes: send them to a file with > answer.parquet", WRONG)
    with errors():
        write_answer(answer(NetworkFolder(_target(network, as_of)).warehouse, sql), output_format)  # type: ignore[arg-type]


@app.command()
def trace(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An id, or analysis/outcome/model/term.")],
    network: NetworkOption = HERE,
    as_of: DateOption = None,
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Follow a score, an estimate or a finding back to file, row and delivery; a score comes with its receipt.

    An assessment, a course or a patient comes with what every delivery said of it.
    """
    from codebook.library import load_library
    from codebook.network import NetworkFolder
    from orchestration.trace import print_trace
    from orchestration.trace import trace as find

    if output_format not in {"table", "json"}:
        stop(f"--format {output_format}: choose table or json", WRONG)
    with errors():
        library = load_library(network)
        known = day(as_of, "--as-of")
        print_trace(find(NetworkFolder(_target(network, as_of)).warehouse, identifier, library, known), output_format)


@app.command()
def fit(
    formula: Annotated[str, typer.Argument(metavar="FORMULA", help='e.g. "task ~ months * poor_outcome"')],
    data: Annotated[Path, typer.Option(help="CSV or Parquet file, one row per observation.")],
    patient: Annotated[str, typer.Option(help="Column that says whose row it is.")],
    time: Annotated[str, typer.Option(help="Column of time, in months.")],
    random: Annotated[str, typer.Option(help="intercept, or slope (intercept and slope, correlated).")] = "slope",
    method: Annotated[str, typer.Option(help="ML or REML.")] = "ML",
    output_format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Fit one linear mixed model to any file: random intercept (and slope in time) for each patient.

    Tests are t with Satterthwaite's degrees of freedom. JSON has everything that lme4 and lmerTest say of such a model,
    under their names, with Kenward and Roger's adjustment under REML. Exit code 1: the rows cannot identify the model.
    """
    from assets.analysis.formula import FormulaError
    from orchestration.fit import DataError, fit_file, print_fit

    allowed = {"--random": (random, ("intercept", "slope")), "--method": (method, ("ML", "REML"))}
    allowed["--format"] = (output_format, ("table", "json"))
    for option, (given, values) in allowed.items():
        if given not in values:
            stop(f"{option} {given}: choose {' or '.join(values)}", WRONG)
    try:
        fitted, record = fit_file(formula, data, patient, time, method, random)
    except (FormulaError, DataError) as error:
        stop(str(error), WRONG)
    print_fit(fitted, record, output_format)
    raise typer.Exit(FAILED if fitted.reason else 0)


@app.command()
def validate(network: NetworkOption = HERE) -> None:
    """Read every declaration and say what is wrong, with file, line and key; and the counts of treated patients."""
    from assets.ingestion.counts import read_counts
    from codebook.library import load_library

    with errors():
        library = load_library(network)
    if problems := read_counts(library).problems:
        stop("\n".join(problems), WRONG)
    typer.echo(
        f"{library.network.name}: {len(library.sites)} units, {len(library.instruments)} instruments, "
        f"{len(library.schedules)} schedules, {len(library.analyses)} analyses; all declarations are sound."
    )


@app.command()
def ui(
    network: NetworkOption = HERE,
    port: Annotated[int, typer.Option(help="Where Dagster's page listens.")] = 3000,
) -> None:
    """Dagster's own page for this network, with its daemon: sensors and the nightly schedule run while it is open."""
    from orchestration.ui import serve

    with errors():
        raise typer.Exit(serve(network, port))


def main() -> None:
    """Entry point of the console script."""
    app()
