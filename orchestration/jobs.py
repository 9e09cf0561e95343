"""The jobs: `ingest_site`, one partition a site; `build_network`, once after, whatever ingestion did; `fetch_sites`.

What belongs here: which assets a job holds, or its op. What does not: when it runs (`schedules`, `sensors`).
"""

import dagster as dg

from assets.ingestion.definitions import ACCEPTED, STAGED, WAIT_SECONDS
from assets.lock import folder_lock
from assets.run_context import NetworkRoom
from orchestration.fetching import fetch_units, fetched_sites
from orchestration.progress import Progress

ingest_site = dg.define_asset_job(
    "ingest_site",
    selection=dg.AssetSelection.assets(STAGED, ACCEPTED),
    description="Take one delivery of one unit: read, map, pseudonymise, check, gate, promote.",
)

build_network = dg.define_asset_job(
    "build_network",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(STAGED, ACCEPTED),
    description="Build the warehouse from the lake, judge, analyse, seal and publish.",
)


@dg.op(required_resource_keys={"network"})
def fetch_deliveries(context: dg.OpExecutionContext) -> None:
    """Fetch every unit that declares `fetch`; fails after the last one if any could not be fetched."""
    from rich.console import Console

    room: NetworkRoom = context.resources.network
    with folder_lock(room.root, is_exclusive=False, wait_seconds=WAIT_SECONDS):
        result = fetch_units(room.library, fetched_sites(room.library), Progress(Console(quiet=True)))
    for site, name in result.landed.items():
        context.log.info(f"{site}: delivery {name}")
    context.log.info(f"{len(result.landed)} new deliveries, {len(result.unchanged)} units without news")
    if result.problems:
        raise dg.Failure("; ".join(result.problems), allow_retries=False)


@dg.job(description="Fetch what units declare under 'fetch' into landing/, where the landing sensor finds it.")
def fetch_sites() -> None:
    """One op: units one after the other, each in its own delivery."""
    fetch_deliveries()
