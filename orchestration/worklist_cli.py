"""`concord worklist`: saying that a unit was sent its worklist, and how many answers have come back since.

What belongs here: arguments, words and exit codes. What does not: the lists (`assets.publishing.worklist`) and their
record (`assets.publishing.worklist_life`).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from orchestration.exits import FAILED, WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

worklist_app = typer.Typer(
    help="Worklists: 'sent' says that units were given theirs, 'list' shows how many answers came back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@worklist_app.command()
def sent(
    sites: Annotated[list[str], typer.Argument(metavar="SITE...", help="Units that were sent their worklist.")],
    network: NetworkOption = HERE,
    date: Annotated[str | None, typer.Option(metavar="DATE", help="The day, as 2026-11-23; default: today.")] = None,
) -> None:
    """Write down that the worklists which lie in published/sites/ now went out to these units."""
    from assets.ingestion.readers.protocol import ReadError
    from assets.publishing.worklist_life import NotPublishedError, record_sent
    from assets.run_context import Clocks
    from codebook.library import load_library

    with errors():
        library = load_library(network)
        unknown = sorted(set(sites) - set(library.sites))
        if unknown:
            stop(f"no unit is called {', '.join(unknown)}; known: {', '.join(library.sites)}", WRONG)
        today = Clocks.of(None, None, library.network.today).today
        day = _day(date, today)
        for site in dict.fromkeys(sites):
            try:
                given = record_sent(library, site, day)
            except (NotPublishedError, ReadError) as error:
                stop(str(error), FAILED)
            due, findings = len(given.due_point_ids), len(given.finding_ids)
            typer.echo(f"{site}: sent on {day} with {due} due assessments and {findings} findings.")


@worklist_app.command("list")
def list_sent(network: NetworkOption = HERE) -> None:
    """Per unit: when its last worklist was sent, how many rows it had, how many are answered."""
    from assets.publishing.worklist_life import read
    from codebook.library import load_library

    with errors():
        library = load_library(network)
        lives = read(library)
    for site in library.sites:
        life = lives.get(site)
        told = f"sent {life.sent_date}, answers {life.n_answered} of {life.n_sent}" if life else "never sent"
        typer.echo(f"{site}: {told}")


def _day(text: str | None, today: dt.date) -> dt.date:
    if text is None:
        return today
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        stop(f"--date {text}: not a day; write it as 2026-11-23", WRONG)
    if day > today:
        stop(f"--date {text}: lies after today ({today}); give the day on which it went out", WRONG)
    return day
