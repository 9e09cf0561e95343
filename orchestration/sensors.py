"""When things happen by themselves: a delivery arrives in landing/, or an ingestion has ended.

What belongs here: looking, and asking for runs. What does not: taking deliveries (`assets.ingestion`).
"""

import os
from pathlib import Path

import dagster as dg

from assets.ingestion.definitions import SITES
from assets.ingestion.landing import LandingError
from assets.lock import is_busy
from assets.run_context import DELIVERY_TAG, RUN_TAG, NetworkRoom
from orchestration.jobs import build_network, ingest_site
from orchestration.resources import NETWORK_VARIABLE

OPEN = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def _room() -> NetworkRoom | None:
    root = os.environ.get(NETWORK_VARIABLE)
    return NetworkRoom(Path(root)) if root else None


@dg.sensor(
    job=ingest_site,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks into landing/ and asks for one run per unit and new delivery.",
)
def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One RunRequest per site and delivery that is not yet taken; a new site becomes a partition."""
    from assets.ingestion.ingest import plan_site

    room = _room()
    if room is None:
        return dg.SkipReason(f"{NETWORK_VARIABLE} is not set")
    if is_busy(room.root):
        return dg.SkipReason("another run holds the network folder")
    library = room.library
    requests, problems = [], []
    for site in library.sites.values():
        try:
            planned = plan_site(library, site, room.pseudonyms)
        except LandingError as error:
            problems.append(str(error))
            continue
        for item in planned:
            if item.action == "skip":
                continue
            name = item.delivery.name
            key = f"{site.site}/{name}/{item.content_fingerprint[:12]}/{item.recipe_fingerprint[:12]}"
            tags = {DELIVERY_TAG: name, RUN_TAG: "landing"}
            requests.append(dg.RunRequest(run_key=key, partition_key=site.site, tags=tags))
    known = set(context.instance.get_dynamic_partitions(str(SITES.name)))
    new = sorted(set(library.sites) - known)
    if not requests and not new:
        return dg.SkipReason("; ".join(problems) or "nothing new in landing/")
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[SITES.build_add_request(new)] if new else []
    )


@dg.sensor(
    job=build_network,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one build once no ingestion is open and one has ended since the last build.",
)
def after_ingestion(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The newest finished ingestion is the run key: the same state is never built twice."""
    ingestions = dg.RunsFilter(job_name=ingest_site.name, statuses=OPEN)
    if context.instance.get_runs_count(ingestions):
        return dg.SkipReason("an ingestion is still open")
    finished = dg.RunsFilter(
        job_name=ingest_site.name, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    )
    newest = context.instance.get_run_records(finished, limit=1, order_by="update_timestamp")
    if not newest:
        return dg.SkipReason("nothing was ingested yet")
    built = dg.RunsFilter(job_name=build_network.name, statuses=[dg.DagsterRunStatus.SUCCESS])
    last = context.instance.get_run_records(built, limit=1, order_by="update_timestamp")
    if last and last[0].update_timestamp >= newest[0].update_timestamp:
        return dg.SkipReason("the warehouse was built since")
    return dg.RunRequest(run_key=f"after {newest[0].dagster_run.run_id}", tags={RUN_TAG: "after_ingestion"})
