"""When things happen by the clock: the nightly build (statuses change every morning, with or without deliveries).

What belongs here: schedules. What does not: what happens on arrival (`sensors`).
"""

import datetime as dt
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from assets.run_context import RUN_TAG
from codebook.declaration import load
from codebook.network import Network, NetworkFolder
from orchestration.jobs import build_network
from orchestration.resources import NETWORK_VARIABLE


@dg.schedule(
    job=build_network,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every quarter of an hour whether tonight's build (nightly_at in network.yaml) is due.",
)
def nightly_build(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One build a day, at the first look after the network's own hour; the day is the run key."""
    root = os.environ.get(NETWORK_VARIABLE)
    if root is None:
        return dg.SkipReason(f"{NETWORK_VARIABLE} is not set")
    network = load(NetworkFolder(Path(root)).declaration, Network)
    now = context.scheduled_execution_time.astimezone(ZoneInfo(network.timezone))
    if now.time() < dt.time.fromisoformat(network.nightly_at):
        return dg.SkipReason(f"due at {network.nightly_at} ({network.timezone})")
    return dg.RunRequest(run_key=f"nightly {now.date()}", tags={RUN_TAG: "nightly"})
