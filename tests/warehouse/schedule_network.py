"""Networks of courses under schedules, one unit per schedule or case, written straight into the lake and built."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import small_network as small

from assets.ingestion.answers import DUE_ANSWER_SCHEMA
from assets.warehouse.build import manifest, prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

FIRST, SECOND = "2026-06-30", "2026-09-30"
THROUGH = {FIRST: dt.date(2026, 6, 25), SECOND: dt.date(2026, 9, 25)}
INSTRUMENTS = {key: i for key, i in load_instruments().items() if key in small.FIRST_SIX}
BUILT = "+completeness +assessment +episode +trend +coverage"
"""What these tests look at, and everything that it stands on."""


def library(root: Path, schedules: Mapping[str, Any], sites: Mapping[str, str]) -> Library:
    """A network of these schedules (each without name and title), and sites that name one each."""
    plans = {
        name: Schedule.model_validate({"name": name, "title": name.title(), **declared})
        for name, declared in schedules.items()
    }
    network = Network(name="plans", title="Schedules worked out by hand")
    known = {site: _site(site, schedule) for site, schedule in sites.items()}
    return Library(NetworkFolder(root), network, INSTRUMENTS, known, plans, {})


def _site(name: str, schedule: str) -> Site:
    mapping = {"from_delivery": "2000-01-01", "sources": [{"name": "s", "file": "*", "identity": {"columns": ["id"]}}]}
    return Site.model_validate(
        {
            "site": name,
            "name": name,
            "format": {"reader": "delimited"},
            "delivery": {"mode": "increment"},
            "schedule": schedule,
            "mappings": [mapping],
        }
    )


def delivery(site: str, name: str, through: dt.date | None) -> dict[str, Any]:
    return {
        "site_id": site,
        "delivery": name,
        "delivery_date": small.day(name),
        "data_through_date": through,
        "is_data_through_estimated": False,
        "n_files": 1,
        "n_rows_landed": 1,
        "n_rows_accepted": 1,
        "n_rows_quarantined": 0,
        "content_fingerprint": "c",
        "recipe_fingerprint": "r",
        "received_at": dt.datetime(2026, 10, 1, 12),
        "unmapped_columns": "",
        "gate": "accepted",
        "n_rows_unused": 0,
        "unused_files": "",
        "notes": "",
    }


def due_point_id(episode: str, instrument: str, rater: str, occasion: str) -> str:
    return "d" + hashlib.md5(f"{episode}|{instrument}|{rater}|{occasion}".encode()).hexdigest()


def build(
    whole: Library,
    deliveries: Iterable[Mapping[str, Any]],
    today: dt.date,
    as_of: dt.date | None = None,
    answers: pl.DataFrame | None = None,
    treated: pl.DataFrame | None = None,
) -> duckdb.DuckDBPyConnection:
    """Run dbt over the lake under these clocks; the warehouse, open for reading."""
    root = whole.folder.root
    ensure_empty_lake(root / "lake", whole)
    write_inputs(
        whole,
        pl.DataFrame(list(deliveries), schema_overrides={"data_through_date": pl.Date()}),
        as_of,
        today,
        root / ".build" / "inputs",
        due_answers=answers if answers is not None else pl.DataFrame(schema=DUE_ANSWER_SCHEMA),
        treated=treated,
    )
    manifest()
    lines: list[str] = []
    outcome = run_dbt(prepare_project(root / ".build"), on_line=lines.append, only=BUILT)
    assert outcome.is_success, "\n".join([outcome.explain(), *lines[-40:]])
    return duckdb.connect(str(root / ".build" / "warehouse.duckdb"), read_only=True)
