"""`concord fetch`: deliveries that nobody sends are fetched into landing/.

What belongs here: arguments, words and exit codes. What does not: fetching (`fetching`, `assets.ingestion.fetch`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.exits import FAILED, WRONG, stop
from orchestration.network_option import HERE, NetworkOption


def fetch(
    sites: Annotated[
        list[str] | None, typer.Argument(metavar="[SITE …]", help="Units; none named: all that declare 'fetch'.")
    ] = None,
    network: NetworkOption = HERE,
) -> None:
    """Fetch units' newest data (REDCap API, SQL) into landing/; 'concord run' then takes it like any other delivery.

    Exit codes: 0 done or nothing new; 1 a unit could not be fetched, the others were; 2 usage or declaration wrong.
    """
    from rich.console import Console

    from codebook.declaration import DeclarationError
    from codebook.library import load_library
    from orchestration.fetching import NothingToFetchError, fetch_units, fetched_sites
    from orchestration.progress import Progress

    console = Console(highlight=False)
    try:
        library = load_library(network)
        chosen = fetched_sites(library, sites or ())
    except (DeclarationError, NothingToFetchError) as error:
        stop(str(error), WRONG)
    if not chosen:
        stop("no unit of this network declares 'fetch'; their deliveries are sent", WRONG)
    result = fetch_units(library, chosen, Progress(console))
    console.print(
        f"Fetched: {len(result.landed)} new deliveries, {len(result.unchanged)} units without news, "
        f"{len(result.problems)} failed.",
        soft_wrap=True,
    )
    for problem in result.problems:
        typer.echo(problem, err=True)
    raise typer.Exit(FAILED if result.problems else 0)
