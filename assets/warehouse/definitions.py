"""The build as Dagster assets: dbt's models and tests, expectations, analyses, the comparison, the seal.

What belongs here: wiring. What does not: any logic (`build`, `seal`, `checks.expectations`, `assets.analysis`).
"""

import json
import shutil
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import dagster as dg

from assets.ingestion.definitions import ACCEPTED
from assets.lock import folder_lock
from assets.run_context import NetworkRoom
from assets.warehouse.build import DbtOutcome, manifest, prepare_project, run_dbt
from assets.warehouse.comparison import changes, compare, default_span, write_changes
from assets.warehouse.ledgers import begin_ledgers, delivered_by, finish_ledgers
from assets.warehouse.stage import write_build_inputs
from checks.asset_checks import suite_results, suite_specs

EXPECTATIONS = dg.AssetKey(["quality", "expectation"])
CHANGES = dg.AssetKey(["quality", "change"])
REFERENCE_CHECK = "reference_agrees"
RESULTS = dg.AssetKey(["results", "analyses"])
SEALED = dg.AssetKey(["warehouse", "sealed"])
WAIT_SECONDS = 3600.0
EARLIER = "earlier"
"""Folder inside the build where the ledgers are made that this run's are compared with."""
LAST = {"dagster/priority": "-1"}
"""Of a step that waits for work beside the others: it comes after them."""


@cache
def _manifest() -> dict[str, Any]:
    return json.loads(manifest().read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _translator() -> Any:
    """Decides keys and groups of dbt's models in one place: key schema/model, group schema."""
    from dagster_dbt import DagsterDbtTranslator

    class Translator(DagsterDbtTranslator):
        def get_asset_key(self, dbt_resource_props: Any) -> dg.AssetKey:
            if dbt_resource_props["resource_type"] == "source":
                return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

        def get_group_name(self, dbt_resource_props: Any) -> str | None:
            return str(dbt_resource_props["schema"])

    return Translator()


def _model_specs() -> list[dg.AssetSpec]:
    from dagster_dbt import build_dbt_asset_specs

    return list(build_dbt_asset_specs(manifest=_manifest(), dagster_dbt_translator=_translator()))


def lake_specs() -> list[dg.AssetSpec]:
    """The lake's tables as the build reads them: what accepted deliveries fill."""
    sources = [node for node in _manifest()["sources"].values() if node["source_name"] in {"lake", "held"}]
    return [dg.AssetSpec(dg.AssetKey(["lake", node["name"]]), deps=[ACCEPTED], group_name="lake") for node in sources]


def _tested_models() -> dict[str, tuple[str, dg.AssetKey]]:
    """dbt's tests of data by unique id → name of the check, and the model it is about."""
    project = _manifest()
    keys = {
        unique_id: dg.AssetKey([node["schema"], node["name"]])
        for unique_id, node in project["nodes"].items()
        if node["resource_type"] == "model"
    }
    tested: dict[str, tuple[str, dg.AssetKey]] = {}
    tests = [n for n in project["nodes"].values() if n["resource_type"] == "test"]
    for node in tests:
        models = [m for m in (node.get("attached_node"), *node["depends_on"]["nodes"]) if m in keys]
        if models:
            tested[node["unique_id"]] = (node["name"], keys[models[0]])
    return tested


def dbt_definitions() -> dg.AssetsDefinition:
    """dbt's models as one asset with many outputs: dbt runs once, as one subprocess, the only writer."""
    tested = _tested_models()
    model_ids = {
        unique_id: dg.AssetKey([node["schema"], node["name"]])
        for unique_id, node in _manifest()["nodes"].items()
        if node["resource_type"] == "model"
    }

    @dg.multi_asset(
        name="dbt_build",
        specs=_model_specs(),
        check_specs=[dg.AssetCheckSpec(name, asset=key) for name, key in tested.values()],
        required_resource_keys={"network"},
        can_subset=False,
    )
    def dbt_build(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        """Lays out the inputs and runs dbt into `.build/warehouse.duckdb`; then last week's ledgers are begun."""
        room: NetworkRoom = context.resources.network
        clocks = room.clocks(context.run.tags)
        target = room.target(clocks)
        with folder_lock(room.root, is_exclusive=True, wait_seconds=WAIT_SECONDS) as descriptor:
            write_build_inputs(room.library, clocks, target)
            project = prepare_project(target.build)
            warming = threading.Thread(target=_import_heavy_libraries, daemon=True)
            warming.start()
            outcome = run_dbt(project, pass_fds=[descriptor])
            warming.join()
            if outcome.is_success:
                earlier = default_span(room.library, clocks).earlier
                begin_ledgers(room.library, earlier, target.build / EARLIER, [descriptor])
        yield from _dbt_events(outcome, model_ids, tested)
        if not outcome.is_success:
            raise dg.Failure(description=outcome.explain())

    return dbt_build


def _dbt_events(
    outcome: DbtOutcome, model_ids: dict[str, dg.AssetKey], tested: dict[str, tuple[str, dg.AssetKey]]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    for node in outcome.nodes:
        if node.unique_id in model_ids and node.status == "success":
            yield dg.MaterializeResult(asset_key=model_ids[node.unique_id], metadata={"seconds": node.seconds})
        elif node.unique_id in tested:
            name, key = tested[node.unique_id]
            yield dg.AssetCheckResult(
                passed=node.status == "pass",
                check_name=name,
                asset_key=key,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"n_failed": node.failures or 0},
            )


def _import_heavy_libraries() -> None:
    """While dbt computes in its own process: the libraries that judge and analyse take seconds to import."""
    import great_expectations
    import statsmodels.regression.mixed_linear_model

    del great_expectations, statsmodels


@dg.asset(
    key=EXPECTATIONS,
    deps=[dg.AssetKey(["quality", "completeness"]), dg.AssetKey(["quality", "finding"])],
    check_specs=suite_specs(EXPECTATIONS),
    required_resource_keys={"network"},
    group_name="quality",
    kinds={"great_expectations"},
)
def expectation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The suites, judged on network-wide frames with one row per unit and measure."""
    from checks.expectations.suites import judge_warehouse, write_expectations

    room: NetworkRoom = context.resources.network
    clocks = room.clocks(context.run.tags)
    build = room.target(clocks).build
    frame = judge_warehouse(build / "warehouse.duckdb", room.library, clocks.today)
    write_expectations(frame, build / "results")
    statuses = list(zip(frame["suite"], frame["status"], strict=True))
    return dg.MaterializeResult(metadata={"n_judged": len(statuses)}, check_results=list(suite_results(statuses)))


@dg.asset(
    key=RESULTS,
    deps=[dg.AssetKey(["harmonised", "working_alliance"]), dg.AssetKey(["harmonised", "outcome"])],
    required_resource_keys={"network"},
    group_name="results",
    kinds={"statsmodels"},
    check_specs=[
        dg.AssetCheckSpec(
            REFERENCE_CHECK,
            asset=RESULTS,
            description="statsmodels' log-likelihood of every published model, at our optimum and at its own, to 1e-6.",
        )
    ],
)
def analyses(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Every declared analysis; one that fails is a row with its reason."""
    import duckdb

    from assets.analysis.declared import run_analyses, write_results

    room: NetworkRoom = context.resources.network
    target = room.target(room.clocks(context.run.tags))
    with duckdb.connect(str(target.build / "warehouse.duckdb"), read_only=True) as connection:
        results = run_analyses(connection, room.library, context.log.info, earlier=target.warehouse)
    write_results(results, target.build / "results")
    fits = results.tables["results.fit"].column("reason")
    return dg.MaterializeResult(
        metadata={"n_fits": len(fits), "n_failed": len(fits) - fits.null_count},
        check_results=[_reference_result(results.tables["results.reference_check"].column("status").to_pylist())],
    )


def _reference_result(statuses: list[str]) -> dg.AssetCheckResult:
    """A model that statsmodels contradicts is kept from publication; the rest goes on."""
    counts = {f"n_{status}": statuses.count(status) for status in ("pass", "fail", "not_applicable")}
    return dg.AssetCheckResult(
        check_name=REFERENCE_CHECK, passed=not counts["n_fail"], severity=dg.AssetCheckSeverity.WARN, metadata=counts
    )


@dg.asset(
    key=CHANGES,
    deps=[dg.AssetKey(["quality", "expected_assessment"]), dg.AssetKey(["quality", "finding"])],
    required_resource_keys={"network"},
    group_name="quality",
    kinds={"polars"},
    op_tags=LAST,
)
def change(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Overdue due points and findings beside those of some days ago, recomputed from the deliveries known then."""
    room: NetworkRoom = context.resources.network
    clocks = room.clocks(context.run.tags)
    build, span = room.target(clocks).build, default_span(room.library, clocks)
    with folder_lock(room.root, is_exclusive=True, wait_seconds=WAIT_SECONDS) as descriptor:
        before = finish_ledgers(room.library, span.earlier, build / EARLIER, [descriptor])
    frame = changes(compare(before, build / "warehouse.duckdb"), span, delivered_by(room.library, span.earlier))
    shutil.rmtree(build / EARLIER, ignore_errors=True)
    write_changes(frame, build / "results")
    n = {name: int(frame[name].sum()) for name in frame.columns if name.startswith("n_")}
    return dg.MaterializeResult(metadata={**n, "compared_with": str(span.earlier.today), "is_first": before is None})


@dg.asset(
    key=SEALED,
    deps=[EXPECTATIONS, RESULTS, CHANGES],
    required_resource_keys={"network"},
    group_name="warehouse",
    kinds={"duckdb"},
)
def sealed(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The finished file under the name that readers open: one rename."""
    from assets.warehouse.seal import seal

    room: NetworkRoom = context.resources.network
    target = room.target(room.clocks(context.run.tags))
    with folder_lock(room.root, is_exclusive=True, wait_seconds=WAIT_SECONDS):
        seal(target.build, target.warehouse)
    return dg.MaterializeResult(metadata={"bytes": target.warehouse.stat().st_size})


ASSETS = [expectation, analyses, change, sealed]
