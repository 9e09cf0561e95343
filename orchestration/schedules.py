"""When things happen by the clock: the nightly fetch, and the nightly build (statuses change every morning).

What belongs here: schedules. What does not: what happens on arrival (`sensors`).
"""

import datetime as dt
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from assets.run_context import RUN_TAG
from codebook.declaration import load
from codebook.library import load_library
from codebook.network import Network, NetworkFolder
from orchestration.fetching import fetched_sites
from orchestration.jobs import build_network, fetch_sites
from orchestration.resources import NETWORK_VARIABLE


@dg.schedule(
    job=build_network,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every quarter of an hour whether tonight's build (nightly_at in network.yaml) is due.",
)
def nightly_build(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One build a day, at the first look after the network's own hour; the day is the run key."""
    due = _due(context)
    return due if isinstance(due, dg.SkipReason) else dg.RunRequest(run_key=due, tags={RUN_TAG: "nightly"})


@dg.schedule(
    job=fetch_sites,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches tonight (nightly_at in network.yaml) what units declare under 'fetch'; ingestion follows.",
)
def nightly_fetch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One fetch a day, with the nightly build; what it lands is ingested by the sensor, and built again after that."""
    due = _due(context)
    if isinstance(due, dg.SkipReason):
        return due
    if not fetched_sites(load_library(Path(os.environ[NETWORK_VARIABLE]))):
        return dg.SkipReason("no unit declares 'fetch'")
    return dg.RunRequest(run_key=f"{due} fetch", tags={RUN_TAG: "nightly"})


def _due(context: dg.ScheduleEvaluationContext) -> str | dg.SkipReason:
    """Tonight's run key, or why it is not time."""
    root = os.environ.get(NETWORK_VARIABLE)
    if root is None:
        return dg.SkipReason(f"{NETWORK_VARIABLE} is not set")
    network = load(NetworkFolder(Path(root)).declaration, Network)
    now = context.scheduled_execution_time.astimezone(ZoneInfo(network.timezone))
    if now.time() < dt.time.fromisoformat(network.nightly_at):
        return dg.SkipReason(f"due at {network.nightly_at} ({network.timezone})")
    return f"nightly {now.date()}"
