"""Alerts by themselves: units are told of their deliveries, the engineer of failed runs.

What belongs here: looking, and saying what came of it. What does not: what is told to whom and how often
(`assets.alerts`). Whatever the mail server does, no run and no sensor fails from it: it is told, and tried again.
"""

import datetime as dt
import os
from pathlib import Path

import dagster as dg

from assets.alerts.alert import FailedRun
from assets.alerts.record import BusyError, append_failed
from assets.alerts.telling import day_of, tell
from assets.ingestion.receipts import latest_receipts, read_receipts
from assets.lock import is_busy
from assets.run_context import DELIVERY_TAG, Clocks
from codebook.declaration import DeclarationError, load
from codebook.library import Library, load_library
from codebook.network import Network, NetworkFolder
from orchestration.jobs import ingest_site
from orchestration.resources import NETWORK_VARIABLE

PARTITION_TAG = "dagster/partition"
OFF = "alerts are off; alerts.is_enabled in network.yaml turns them on"


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=900,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells units of a missing, held or suddenly smaller delivery, and sends what could not be sent before.",
)
def alerts() -> dg.SkipReason:
    """Asks for no run: what was told, and what is tried again, is the reason."""
    library = _library()
    return library if isinstance(library, dg.SkipReason) else dg.SkipReason(_told(library))


@dg.run_failure_sensor(
    name="failed_runs",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the engineer of a run that failed; a delivery that the gate held is told to its unit instead.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Writes the failure down before anything is sent, so that it is told even where the server is down."""
    library = _library()
    if isinstance(library, dg.SkipReason):
        return library
    run = context.dagster_run
    site, delivery = run.tags.get(PARTITION_TAG), run.tags.get(DELIVERY_TAG)
    if run.job_name == ingest_site.name and site and delivery and _is_held(library, site, delivery):
        return dg.SkipReason("the gate held the delivery, which is told to the unit")
    day = day_of(library, dt.datetime.now(dt.UTC))
    trouble = _last_success(context.instance, run)
    append_failed(library.folder.state, FailedRun(run.job_name, site, run.run_id[:8], day, trouble))
    return dg.SkipReason(_told(library))


def _library() -> Library | dg.SkipReason:
    """The network's declarations, where it wants alerts and nobody works on its folder."""
    root = os.environ.get(NETWORK_VARIABLE)
    if root is None:
        return dg.SkipReason(f"{NETWORK_VARIABLE} is not set")
    try:
        if not load(NetworkFolder(Path(root)).declaration, Network).alerts.is_enabled:
            return dg.SkipReason(OFF)
        return load_library(Path(root))
    except DeclarationError as error:
        return dg.SkipReason(f"a declaration is wrong ({len(error.problems)} problems); see 'concord validate'")


def _told(library: Library) -> str:
    """Send what is to be told now; while a run works on the folder its counts are not what they will be."""
    if is_busy(library.folder.root):
        return "another run holds the network folder; tried again later"
    today = Clocks.of(None, None, library.network.today).today
    try:
        return tell(library, today, dt.datetime.now(dt.UTC)).sentence()
    except BusyError as error:
        return str(error)


def _is_held(library: Library, site: str, delivery: str) -> bool:
    receipt = latest_receipts(read_receipts(library.folder.state, site)).get(delivery)
    return receipt is not None and not receipt.is_accepted


def _last_success(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The last run of the same job and unit that succeeded: as long as that is the same, so is the trouble."""
    tags = {PARTITION_TAG: run.tags[PARTITION_TAG]} if PARTITION_TAG in run.tags else {}
    wanted = dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS], tags=tags)
    succeeded = instance.get_runs(wanted, limit=1)
    return f"after {succeeded[0].run_id[:8]}" if succeeded else "never succeeded"
