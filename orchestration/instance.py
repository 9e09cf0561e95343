"""Dagster's own records of a network: where they lie, and putting them right after a killed run.

What belongs here: the instance. What does not: what runs do.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets.run_context import RUN_TAG
from codebook.network import NetworkFolder

SETTINGS = """\
# Written by Concord. Runs, events and schedules of this network; delete the folder and it comes back empty.
telemetry:
  enabled: false
nux:
  enabled: false
"""
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def prepare_home(folder: NetworkFolder) -> Path:
    """Make `.dagster` with its settings and point this process at it."""
    home = folder.dagster_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.is_file():
        settings.write_text(SETTINGS, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance(folder: NetworkFolder) -> dg.DagsterInstance:
    """The network's instance."""
    return dg.DagsterInstance.from_config(str(prepare_home(folder)))


def close_killed_runs(instance: dg.DagsterInstance) -> int:
    """Report runs of ours that a kill left open as failed; call it only under the folder's lock."""
    ended = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if RUN_TAG not in run.tags:
            continue
        instance.report_run_failed(run, message="the process that ran it has ended")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        ended += 1
    return ended
