"""A small sealed warehouse with plausible synthetic numbers: 60 patients, 4 units, results as the design names them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.publishing.publish import RunSummary, publish
from codebook.library import Library
from tests.publishing import small_ledger as ledger
from tests.publishing.small_ledger import TODAY
from tests.publishing.small_library import ALLIANCE, OUTCOMES, TRIAL, make_library
from tests.publishing.small_procedures import PROCEDURES
from tests.publishing.small_procedures import tables as procedure_tables
from tests.publishing.small_results import alliance_panel, covariances, results

RUN = RunSummary(as_of=TODAY, today=TODAY, code_version="0.1.0", n_sites=4, n_ingested=4, seconds={"publish": 1.0})


def make_warehouse(path: Path, *, n_poor: int = 24, has_results: bool = True) -> Path:
    """Write the sealed file."""
    panel = alliance_panel(n_poor)
    estimates, fits = results()
    points = ledger.expected()
    patients = panel.select("patient_id").unique(maintain_order=True)
    gaf = panel.select("patient_id", "episode_id", "site_id", "months", "age", pl.lit(50.0).alias("gaf")).with_columns(
        pl.lit(20.0).alias("wsas"), (pl.col("age") % 2).alias("treated")
    )
    assessment = panel.select("patient_id", "episode_id", "site_id", "months").with_columns(
        pl.lit("wai_sr").alias("instrument"),
        pl.lit("wai_sr_7").alias("version"),
        pl.int_range(pl.len()).cast(pl.String).str.zfill(4).alias("assessment_id"),
        pl.lit("m09").alias("occasion"),
        pl.lit("patient").alias("rater"),
        pl.lit(TODAY).alias("assessment_date"),
    )
    quarantine = pl.DataFrame(
        [("north", "2026-08-15", "row-time-missing", '{"name": "SECRET-ROW"}')] * 5
        + [("north", "2026-08-15", "row-duplicate", None)],
        orient="row",
        schema=["site_id", "delivery", "rule", "row_json"],
    )
    tables = {
        "harmonised.patient": patients,
        "harmonised.episode": panel.select(
            "episode_id", "patient_id", "site_id", pl.lit(dt.date(2023, 5, 2)).alias("admission_date")
        ).unique(maintain_order=True),
        "harmonised.assessment": assessment,
        "quality.delivery": ledger.deliveries(),
        "quality.finding": ledger.findings(),
        "quality.quarantine": quarantine,
        "quality.expected_assessment": points,
        "quality.completeness": ledger.completeness(points),
        "quality.completeness_quarter": ledger.completeness_by_quarter(points),
        "quality.trend": ledger.trend(points),
        "quality.change": ledger.change(),
        "quality.coverage": ledger.coverage(),
        "quality.expectation": ledger.expectations(),
    }
    if has_results:
        tables |= {
            "analysis.alliance_panel": panel,
            "analysis.outcome_panel": gaf,
            "analysis.trial_panel": gaf,
            "results.estimate": estimates,
            "results.fit": fits,
            "results.fixed_covariance": covariances(estimates),
        } | procedure_tables()
    with duckdb.connect(str(path)) as connection:
        for schema_name in ("harmonised", "quality", "analysis", "results"):
            connection.execute(f"create schema {schema_name}")
        for name, frame in tables.items():
            connection.register("frame_in", frame)
            connection.execute(f"create table {name} as select * from frame_in")
            connection.unregister("frame_in")
    return path


@dataclass(frozen=True)
class Pages:
    """What a test gets: the published folder, and how to publish again elsewhere."""

    published: Path
    warehouse: Path
    library: Library


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """The fixture network, published once."""
    root = tmp_path_factory.mktemp("network")
    warehouse = make_warehouse(root / "warehouse.duckdb")
    library = make_library(root, ALLIANCE, OUTCOMES, TRIAL, PROCEDURES)
    publish(warehouse, library, root / "published", RUN)
    return Pages(root / "published", warehouse, library)


@pytest.fixture
def published_with(tmp_path: Path) -> Callable[..., Path]:
    """Publish a variant of the network: `n_poor`, `has_results`, analyses, `minimum`, `has_schedule`."""

    def make(*analyses: dict[str, Any], n_poor: int = 24, has_results: bool = True, **options: Any) -> Path:
        warehouse = make_warehouse(tmp_path / "warehouse.duckdb", n_poor=n_poor, has_results=has_results)
        publish(warehouse, make_library(tmp_path, *analyses, **options), tmp_path / "published", RUN)
        return tmp_path / "published"

    return make
