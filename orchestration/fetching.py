"""Fetching several units one after the other: what came, what did not, and nobody stopped by the others.

What belongs here: which units, and what is told of each. What does not: a fetch itself (`assets.ingestion.fetch`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from codebook.library import Library
from codebook.site import Site
from orchestration.progress import Progress


class NothingToFetchError(Exception):
    """A unit was named that the network does not have, or that declares no `fetch`."""


@dataclass
class FetchResult:
    """Deliveries by unit, units without news, and one sentence per unit that could not be fetched."""

    landed: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fetched_sites(library: Library, names: Sequence[str] = ()) -> list[Site]:
    """Units that declare `fetch`: those named, or all. Units inside another one's files come with that one.

    Raises:
        NothingToFetchError: a name that is not among them.
    """
    able = {name: site for name, site in library.sites.items() if site.fetch is not None and site.part_of is None}
    for name in names:
        if name not in library.sites:
            raise NothingToFetchError(f"no unit is called {name}; known: {', '.join(library.sites)}")
        if name not in able:
            whole = library.sites[name].part_of
            remedy = f"it comes with {whole}" if whole in able else f"add one to sites/{whole or name}.yaml"
            raise NothingToFetchError(f"{name} declares no 'fetch' of its own; {remedy}")
    return [able[name] for name in dict.fromkeys(names)] if names else list(able.values())


def fetch_units(library: Library, sites: Sequence[Site], progress: Progress) -> FetchResult:
    """Fetch each unit; one that fails is told and passed over."""
    from assets.ingestion.fetch.fetching import fetch_site
    from assets.ingestion.fetch.protocol import FetchError

    result = FetchResult()
    today = dt.datetime.now(ZoneInfo(library.network.timezone)).date()
    for site in sites:
        with progress.step("fetch", f"fetch {site.site}") as said:
            try:
                delivery = fetch_site(library, site, today)
            except FetchError as error:
                result.problems.append(str(error))
                said.append("failed")
                continue
            if delivery is None:
                result.unchanged.append(site.site)
                said.append("nothing new")
            else:
                result.landed[site.site] = delivery.name
                files = ", ".join(f"{file} {n_rows} rows" for file, n_rows in delivery.n_rows.items())
                said.append(f"delivery {delivery.name}: {files}")
    return result
