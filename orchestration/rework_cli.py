"""`concord rework`: read a unit's deliveries again by hand, then build.

What belongs here: arguments, help and errors of the command. What does not: a run (`orchestration.run`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.exits import WRONG, errors, stop
from orchestration.network_option import HERE, NetworkOption


def rework(
    site: Annotated[str, typer.Argument(metavar="SITE", help="The unit.")],
    network: NetworkOption = HERE,
    start: Annotated[
        str | None, typer.Option("--from", metavar="DELIVERY", help="Only this delivery and later ones.")
    ] = None,
) -> None:
    """Read a unit's deliveries again, whatever is known of them, then build and publish.

    Nobody needs it when a declaration changes: 'concord run' reads again what that touches. What is held stays out, and
    its last accepted reading stays in.
    """
    from assets.ingestion.landing import DELIVERY_NAME, deliveries_of
    from codebook.library import load_library
    from orchestration.run import Wanted
    from orchestration.running import run_and_say

    with errors():
        library = load_library(network)
        if site not in library.sites:
            stop(f"no unit is called {site}; known: {', '.join(library.sites)}", WRONG)
        landing = library.sites[site].landing_name
        names = [delivery.name for delivery in deliveries_of(library.folder.landing, landing)]
    if start is not None and (not DELIVERY_NAME.match(start) or not any(name >= start for name in names)):
        stop(f"--from {start}: landing/{landing} holds no such delivery and no later one", WRONG)
    whole = [name for name, unit in library.sites.items() if site in {name, unit.part_of}]
    run_and_say(network, Wanted(sites=whole, again_from=start or ""))
