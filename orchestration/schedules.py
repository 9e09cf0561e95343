"""When things happen by the clock: the nightly build (statuses change every morning, with or without deliveries).

What belongs here: schedules. What does not: what happens on arrival (`sensors`).
"""

from __future__ import annotations

import dagster as dg

from orchestration.jobs import build_network

NIGHTLY = "30 2 * * *"

nightly = dg.ScheduleDefinition(
    name="nightly_build",
    job=build_network,
    cron_schedule=NIGHTLY,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:30: statuses move on with the day.",
)
