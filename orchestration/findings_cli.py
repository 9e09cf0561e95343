"""`concord findings`: what is open, accepting it as it is for a while, and taking that back.

What belongs here: arguments, words and exit codes. What does not: the status of a finding (SQL, quality.finding), and
what an acceptance is (`assets.ingestion.acceptances`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from orchestration.exits import WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from codebook.library import Library
    from orchestration.warehouse_reader import OutputFormat

findings_app = typer.Typer(
    help="Findings: 'list' shows them, 'accept' lets one be for a while, 'reopen' takes that back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STATUSES = ("open", "answered", "resolved", "accepted", "reopened")
FORMATS = ("table", "csv", "json", "parquet")
ReasonOption = Annotated[str, typer.Option(help="Why, in a sentence; no names of patients.")]
ByOption = Annotated[str, typer.Option(help="Who decides.")]


@findings_app.command("list")
def list_findings(
    network: NetworkOption = HERE,
    site: Annotated[str | None, typer.Option(help="Only this unit.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help=f"Only this status ({', '.join(STATUSES)}); several times for more.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only codes that begin like this.")] = None,
    output_format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "table",
) -> None:
    """List findings, oldest first; those that are open or open again unless --status says otherwise."""
    from codebook.library import load_library
    from orchestration.warehouse_reader import answer, write_answer

    chosen = status or ["open", "reopened"]
    wrong = sorted(set(chosen) - set(STATUSES))
    if wrong:
        stop(f"--status {wrong[0]}: choose of {', '.join(STATUSES)}", WRONG)
    if output_format not in FORMATS:
        stop(f"--format {output_format}: choose of {', '.join(FORMATS)}", WRONG)
    with errors():
        library = load_library(network)
        if site is not None and site not in library.sites:
            stop(f"no unit is called {site}; known: {', '.join(library.sites)}", WRONG)
        conditions = [f"status in ({', '.join(map(_quoted, chosen))})"]
        conditions += [f"site_id = {_quoted(site)}"] if site else []
        conditions += [f"starts_with(rule, {_quoted(rule)})"] if rule else []
        sql = (
            "select finding_id, site_id, rule, status, opened_date, age_days, instrument, item, severity, message, "
            f"source_file, source_row, answer, answered_date from quality.finding where {' and '.join(conditions)} "
            "order by opened_date, site_id, rule, finding_id"
        )
        write_answer(answer(library.folder.warehouse, sql), cast("OutputFormat", output_format))


@findings_app.command()
def accept(
    finding_id: Annotated[str, typer.Argument(metavar="FINDING_ID")],
    reason: ReasonOption,
    by: ByOption,
    until: Annotated[str, typer.Option(metavar="DATE", help="Last day on which it is accepted, as 2027-06-30.")],
    network: NetworkOption = HERE,
) -> None:
    """Accept a finding as it is until a day; after that it is open again. The next run shows it."""
    try:
        last_day = dt.date.fromisoformat(until)
    except ValueError:
        stop(f"--until {until}: not a day; write it as 2027-06-30", WRONG)
    site = _decide(network, finding_id, "accept", reason, by, last_day)
    typer.echo(f"{finding_id} of {site} is accepted through {last_day}; 'concord run' shows it.")


@findings_app.command()
def reopen(
    finding_id: Annotated[str, typer.Argument(metavar="FINDING_ID")],
    reason: ReasonOption,
    by: ByOption,
    network: NetworkOption = HERE,
) -> None:
    """Take an acceptance or an answer back: the finding is open again from the next run on."""
    site = _decide(network, finding_id, "reopen", reason, by, None)
    typer.echo(f"{finding_id} of {site} is open again; 'concord run' shows it.")


def _decide(
    network: Path, finding_id: str, action: Literal["accept", "reopen"], reason: str, by: str, until: dt.date | None
) -> str:
    """Write the decision down; returns the unit that it is about."""
    from assets.ingestion.acceptances import Decision, append_decision
    from assets.run_context import Clocks
    from codebook.library import load_library
    from orchestration.warehouse_reader import answer

    with errors():
        library = load_library(network)
        today = Clocks.of(None, None, library.network.today).today
        if until is not None and until < today:
            stop(f"--until {until}: that day is over; today is {today}", WRONG)
        for option, text in (("--reason", reason), ("--by", by)):
            if not text.strip():
                stop(f"{option}: is blank; say it in a few words", WRONG)
        if _names_somebody(library, reason, today):
            stop("--reason: holds a number or an address of a person; say it without", WRONG)
        sql = f"select site_id, status from quality.finding where finding_id = {_quoted(finding_id)}"
        known = answer(library.folder.warehouse, sql).to_pylist()
        if not known:
            stop(f"no finding is called {finding_id}; see 'concord findings list'", WRONG)
        if action == "accept" and known[0]["status"] == "resolved":
            stop(f"{finding_id} is resolved; there is nothing to accept", WRONG)
        site = str(known[0]["site_id"])
        append_decision(library.folder.state, site, Decision(finding_id, action, reason, by, today, until))
    return site


def _names_somebody(library: Library, text: str, today: dt.date) -> bool:
    from checks.leaks import scanner_for

    return scanner_for((), patterns=library.network.privacy.identifier_patterns, as_of=today).leaks(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
