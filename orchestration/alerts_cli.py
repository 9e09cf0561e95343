"""`concord alerts`: what would be told to whom, and sending it now.

What belongs here: arguments, words and exit codes. What does not: what is told (`assets.alerts`).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.exits import FAILED, WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption

if TYPE_CHECKING:
    from assets.alerts.alert import Alert
    from assets.alerts.telling import Plan


def alerts(
    network: NetworkOption = HERE,
    is_sent: Annotated[
        bool, typer.Option("--send/--dry-run", help="Send what is to be told now, or only show it (the default).")
    ] = False,
    today: Annotated[str | None, typer.Option(metavar="DATE", help="The day that decides what is late.")] = None,
) -> None:
    """What would be told by e-mail to units and to the engineer; --send sends it.

    Dagster's sensors do the same by themselves while 'concord ui' is open.
    """
    from assets.alerts.record import BusyError
    from assets.alerts.telling import day_of, plan, tell
    from assets.run_context import Clocks
    from codebook.library import load_library

    with errors():
        library = load_library(network)
        settings = library.network.alerts
        if is_sent and not settings.is_enabled:
            stop("alerts are off: set alerts.is_enabled, host and sender in network.yaml first", WRONG)
        clock, now = Clocks.of(None, _day(today), library.network.today).today, dt.datetime.now(dt.UTC)
        if not is_sent:
            _show(plan(library, clock, day_of(library, now)))
            if not settings.is_enabled:
                typer.echo("Alerts are off; alerts.is_enabled in network.yaml turns them on.")
            return
        try:
            told = tell(library, clock, now)
        except BusyError as error:
            stop(str(error), FAILED)
    typer.echo(f"Alerts: {told.sentence()}.")
    raise typer.Exit(0 if told.is_complete else FAILED)


def _show(planned: Plan) -> None:
    chosen = planned.chosen
    for alerts, how in (
        (chosen.now, "would be sent"),
        (chosen.waiting, "waits: the day's messages are used up"),
        (chosen.quiet, "was told lately"),
        (planned.nobody, "nobody to tell: no address is declared"),
    ):
        for alert in alerts:
            typer.echo(f"{_to(alert)}  {alert.subject}  ({how})")
    if not (chosen.now or chosen.waiting or chosen.quiet or planned.nobody):
        typer.echo("Nothing to tell.")


def _to(alert: Alert) -> str:
    return f"to {alert.site}" if alert.site else "to the engineer"


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        stop(f"--today {text}: not a day; write it as 2026-11-23", WRONG)
