"""The two jobs: `ingest_site`, one partition a site; `build_network`, once after, whatever ingestion did.

What belongs here: which assets a job holds. What does not: when it runs (`schedules`, `sensors`).
"""

from __future__ import annotations

import dagster as dg

from assets.ingestion.definitions import ACCEPTED, STAGED

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
