"""Publishing as a Dagster asset, read-only from the sealed file.

What belongs here: wiring. What does not: any page (`assets.publishing.publish`).
"""

import dagster as dg

from assets.run_context import NetworkRoom
from assets.warehouse.definitions import SEALED

PUBLISHED = dg.AssetKey(["publishing", "pages"])


@dg.asset(key=PUBLISHED, deps=[SEALED], required_resource_keys={"network"}, group_name="publishing", kinds={"vega"})
def pages(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The pages, tables and figures of published/public, published/network and published/sites."""
    from importlib.metadata import version

    from assets.publishing.publish import RunSummary, publish

    room: NetworkRoom = context.resources.network
    clocks = room.clocks(context.run.tags)
    target = room.target(clocks)
    summary = RunSummary(as_of=clocks.as_of, today=clocks.today, code_version=version("concord"))
    written = publish(target.warehouse, room.library, target.published, summary, context.log.info)
    return dg.MaterializeResult(metadata={"n_files": len(written)})


ASSETS = [pages]
