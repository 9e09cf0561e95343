"""`concord expectations`: what the network expects of one unit's data, judged now.

What belongs here: arguments, help, layout and exit codes. What does not: counting and judging (`checks.expectations`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.days import day
from orchestration.exits import WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "csv", "json")
STATUSES = ("fail", "error", "pass", "not_applicable")


def expectations(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A unit, as sites/SITE.yaml names it.")],
    network: NetworkOption = HERE,
    suite: Annotated[list[str] | None, typer.Option(help="Only this suite; several times for more.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help=f"Only this status ({', '.join(STATUSES)}); several times for more.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="The warehouse of 'run --as-of DATE'.")] = None,
    today: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day that decides which waivers hold, as 2026-11-23.")
    ] = None,
    output_format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "table",
) -> None:
    """Judge one unit's data against what the network expects, and say it with n of N.

    \b
    Suites
      ranges        answers inside their range
      versions      versions used in the time they are for
      uniqueness    no assessment twice
      windows       due assessments filled in inside their window
      completeness  received of expected, scorable of received, items answered
      volume        the newest delivery beside those before it
      drift         new scores of a scale beside the unit's earlier ones

    The counts are those of the sealed warehouse, so run 'concord run' first. The thresholds are those of network.yaml
    as it stands now, under 'quality': change one and ask again, nothing has to be built. A threshold is loosened for a
    unit or an instrument under quality.waivers, with measure, threshold, reason, owner and until.

    Not applicable means that there was nothing to check, or too little. What is not met blocks nothing: the command
    then ends with 0 all the same.

    \b
    concord expectations north --network demo
    concord expectations north --status fail --format csv
    """
    from assets.run_context import Clocks
    from checks.expectations.measures import SUITES
    from checks.expectations.suites import judge_warehouse
    from codebook.library import load_library
    from codebook.network import NetworkFolder
    from orchestration.warehouse_reader import require_warehouse

    for option, given, known in (
        ("--format", [output_format], FORMATS),
        ("--status", status or [], STATUSES),
        ("--suite", suite or [], SUITES),
    ):
        wrong = sorted(set(given) - set(known))
        if wrong:
            stop(f"{option} {wrong[0]}: choose of {', '.join(known)}", WRONG)
    known_day, now = day(as_of, "--as-of"), day(today, "--today")
    with errors():
        library = load_library(network)
        if site not in library.sites:
            stop(f"no unit is called {site}; known: {', '.join(library.sites)}", WRONG)
        clocks = Clocks.of(known_day, now, library.network.today)
        folder = NetworkFolder(network / "asof" / known_day.isoformat()) if known_day else library.folder
        frame = judge_warehouse(require_warehouse(folder.warehouse), library, clocks.today, site)
        _print(frame, set(suite or SUITES), set(status or STATUSES), output_format)


def _print(frame: pl.DataFrame, suites: set[str], statuses: set[str], output_format: str) -> None:
    import sys

    import polars as pl

    from orchestration.tables import print_table

    asked = frame.filter(pl.col("suite").is_in(suites))
    chosen = asked.filter(pl.col("status").is_in(statuses))
    if output_format == "csv":
        sys.stdout.write(chosen.write_csv())
        return
    if output_format == "json":
        sys.stdout.write(chosen.write_json() + "\n")
        return
    order = {status: nth for nth, status in enumerate(STATUSES)}
    rows = sorted(chosen.to_dicts(), key=lambda row: (order[row["status"]], row["suite"], row["expectation"]))
    print_table(("status", "failed of checked", "suite", "expectation", "waiver"), [_line(row) for row in rows])
    held = asked["held_delivery"].drop_nulls().unique().to_list()
    if held:
        print(f"\nDelivery {held[0]} is held by the gate: this is about the last accepted one.")
    told = ", ".join(f"{(asked['status'] == status).sum()} {words(status)}" for status in STATUSES)
    print(f"\n{asked.height} expectations: {told}.")


def words(status: str) -> str:
    """A status as people say it."""
    return {"fail": "not met", "error": "could not be judged", "pass": "met", "not_applicable": "n/a"}[status]


def _line(row: dict[str, object]) -> tuple[object, ...]:
    share = "n/a"
    if row["status"] in {"pass", "fail"}:
        share = (
            f"{row['n_checked']} compared" if row["n_failed"] is None else f"{row['n_failed']} of {row['n_checked']}"
        )
    return words(str(row["status"])), share, row["suite"], row["message"], row["waiver"]
