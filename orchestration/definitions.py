"""Everything that Dagster loads: `workspace.yaml` points here.

What belongs here: putting the parts together; tests swap a resource through `build_defs`.
What does not: any part itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.ingestion import definitions as ingestion
from assets.publishing import definitions as publishing
from assets.warehouse import definitions as warehouse
from orchestration.alert_sensors import alerts, failed_runs
from orchestration.jobs import build_network, fetch_sites, ingest_site
from orchestration.resources import network_resource
from orchestration.schedules import nightly_build, nightly_fetch
from orchestration.sensors import after_ingestion, landing


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors; resources as given, else the network of CONCORD_NETWORK."""
    return dg.Definitions(
        assets=[
            *ingestion.ASSETS,
            *warehouse.lake_specs(),
            warehouse.dbt_definitions(),
            *warehouse.ASSETS,
            *publishing.ASSETS,
        ],
        jobs=[ingest_site, build_network, fetch_sites],
        schedules=[nightly_build, nightly_fetch],
        sensors=[landing, after_ingestion, alerts, failed_runs],
        resources={"network": network_resource(), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
