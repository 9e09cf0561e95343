"""Ingestion as Dagster assets: a partition per site, a run per delivery, the gate as blocking checks.

What belongs here: wiring. What does not: any logic (`assets.ingestion.ingest`).
"""

import dagster as dg

from assets.ingestion import ingest, pending
from assets.ingestion.clock import check_clock
from assets.lock import folder_lock
from assets.run_context import DELIVERY_TAG, NetworkRoom
from checks.asset_checks import gate_results, gate_specs

SITES = dg.DynamicPartitionsDefinition(name="site")
STAGED = dg.AssetKey(["ingestion", "staged_delivery"])
ACCEPTED = dg.AssetKey(["ingestion", "accepted_delivery"])
WAIT_SECONDS = 3600.0


@dg.asset(
    key=STAGED,
    partitions_def=SITES,
    check_specs=gate_specs(STAGED),
    required_resource_keys={"network"},
    group_name="ingestion",
    kinds={"polars", "parquet"},
    output_required=False,
)
def staged_delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One delivery of one unit, read, mapped, pseudonymised, checked and staged; or held, with its receipt.

    A rework or a backfill takes all deliveries of the unit, oldest first; only the newest is left to be accepted.
    """
    room: NetworkRoom = context.resources.network
    library, site = room.library, room.library.sites[context.partition_key]
    with folder_lock(room.root, is_exclusive=False, wait_seconds=WAIT_SECONDS):
        check_clock(library)
        *earlier, newest = pending.choose(library, site, room.pseudonyms, context.run.tags)
        taken, problems = pending.take_all(library, site, room.pseudonyms, earlier)
        staged = ingest.stage_delivery(library, site, newest, room.pseudonyms)
        if staged.failed:
            ingest.hold(library, staged)
        elif problems:
            ingest.accept(library, staged)
        else:
            pending.remember(library, staged)
    if problems:
        raise dg.Failure(description="; ".join(problems))
    receipt = staged.receipt
    return dg.MaterializeResult(
        metadata={
            "delivery": receipt.delivery,
            "n_rows_landed": receipt.n_rows_landed,
            "n_rows_accepted": receipt.n_rows_accepted,
            "n_rows_quarantined": receipt.n_rows_quarantined,
            "unmapped_columns": receipt.unmapped_columns,
            "gate": receipt.gate,
            "n_earlier_taken": len(taken),
            "n_earlier_held": sum(bool(one.failed) for one in taken),
        },
        check_results=list(gate_results(staged.checks)),
    )


@dg.asset(
    key=ACCEPTED,
    deps=[STAGED],
    partitions_def=SITES,
    required_resource_keys={"network"},
    group_name="ingestion",
    kinds={"parquet"},
)
def accepted_delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The staged delivery in the lake, with its receipt: the only way into the warehouse."""
    room: NetworkRoom = context.resources.network
    with folder_lock(room.root, is_exclusive=False, wait_seconds=WAIT_SECONDS):
        staged = pending.recall(room.library, context.partition_key, context.run.tags.get(DELIVERY_TAG))
        ingest.accept(room.library, staged)
    return dg.MaterializeResult(metadata={"n_rows_accepted": staged.receipt.n_rows_accepted})


ASSETS = [staged_delivery, accepted_delivery]
