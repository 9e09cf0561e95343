"""What a build reads besides the lake: codebook, schedule, sites, deliveries and clocks as small Parquet files.

What belongs here: laying sites and deliveries out as tables for SQL, and the empty typed files that make lake globs
match.
What does not: the tables of instruments and of schedules (`inputs_codebook`, `inputs_schedule`), the lake's schema
(`checks.lake_schema`), any rule of scoring or matching (SQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assets.ingestion.acceptances import ACCEPTANCE_SCHEMA
from assets.ingestion.answers import ANSWER_SCHEMA, DUE_ANSWER_SCHEMA
from assets.ingestion.counts import TREATED_SCHEMA
from assets.ingestion.lake import HELD_TABLES
from assets.warehouse.inputs_codebook import CODEBOOK_INPUTS, codebook_rows
from assets.warehouse.inputs_schedule import SCHEDULE_INPUTS, schedule_rows
from checks.catalogue import rule_rows
from checks.identity import IDENTITY_SCHEMA
from checks.lake_schema import EMPTY_PARTITION, lake_schema
from codebook.library import Library

INPUTS: dict[str, dict[str, pl.DataType]] = {
    **CODEBOOK_INPUTS,
    **SCHEDULE_INPUTS,
    "context": {
        "network": pl.String(),
        "title": pl.String(),
        "is_synthetic": pl.Boolean(),
        "as_of": pl.Date(),
        "today": pl.Date(),
        "overdue_until_days": pl.Int32(),
        "minimum_cell_count": pl.Int32(),
    },
    "site": {
        "site_id": pl.String(),
        "name": pl.String(),
        "mode": pl.String(),
        "cadence_days": pl.Int32(),
        "schedule": pl.String(),
        "vanished": pl.String(),
    },
    "rule": {
        "rule": pl.String(),
        "pattern": pl.String(),
        "rule_order": pl.Int32(),
        "remedy": pl.String(),
    },
    "answer": ANSWER_SCHEMA,
    "due_answer": DUE_ANSWER_SCHEMA,
    "treated": TREATED_SCHEMA,
    "acceptance": ACCEPTANCE_SCHEMA,
    "identity": IDENTITY_SCHEMA,
    "delivery": {
        "site_id": pl.String(),
        "delivery": pl.String(),
        "delivery_date": pl.Date(),
        "data_through_date": pl.Date(),
        "is_data_through_estimated": pl.Boolean(),
        "n_files": pl.Int64(),
        "n_rows_landed": pl.Int64(),
        "n_rows_accepted": pl.Int64(),
        "n_rows_quarantined": pl.Int64(),
        "content_fingerprint": pl.String(),
        "recipe_fingerprint": pl.String(),
        "received_at": pl.Datetime("us"),
        "unmapped_columns": pl.String(),
        "gate": pl.String(),
        "n_rows_unused": pl.Int64(),
        "unused_files": pl.String(),
        "notes": pl.String(),
        "mode": pl.String(),
    },
}
"""Every input and the type of its columns; `.build/inputs/<name>.parquet`."""


def write_inputs(
    library: Library,
    deliveries: pl.DataFrame,
    as_of: dt.date | None,
    today: dt.date,
    folder: Path,
    *,
    answers: pl.DataFrame | None = None,
    due_answers: pl.DataFrame | None = None,
    treated: pl.DataFrame | None = None,
    acceptances: pl.DataFrame | None = None,
    identity: pl.DataFrame | None = None,
) -> None:
    """Write every input of a build to `folder`; the same declarations give the same bytes.

    `deliveries` has one row per known delivery with the columns of `quality.delivery`; `mode` is taken from the site's
    declaration where the column is absent. Deliveries later than `as_of` are left out: they are not known yet.
    `answers` and `acceptances` are what units and the network said about findings (ANSWER_SCHEMA, ACCEPTANCE_SCHEMA),
    `due_answers` what units said about due points (DUE_ANSWER_SCHEMA), `identity` who was merged and split off
    (IDENTITY_SCHEMA), `treated` how many patients units treated (TREATED_SCHEMA).

    Raises:
        ValueError: `deliveries` lacks a column.
    """
    network = library.network
    rows: dict[str, Iterable[Mapping[str, Any]]] = {
        "context": [
            {
                "network": network.name,
                "title": network.title,
                "is_synthetic": network.is_synthetic,
                "as_of": as_of,
                "today": today,
                "overdue_until_days": network.quality.overdue_until_days,
                "minimum_cell_count": network.privacy.minimum_cell_count,
            }
        ],
        **codebook_rows(library.instruments, library.accepted_rules()),
        "site": _site_rows(library),
        **schedule_rows(library),
    }
    rows["rule"] = rule_rows()
    spoken = {
        "answer": answers,
        "due_answer": due_answers,
        "acceptance": acceptances,
        "identity": identity,
        "treated": treated,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in INPUTS.items():
        if name == "delivery":
            frame = _delivery_frame(library, deliveries, as_of)
        elif name in spoken:
            given = spoken[name]
            frame = pl.DataFrame(schema=schema) if given is None else given.select(list(schema))
        else:
            frame = pl.DataFrame([{column: row.get(column) for column in schema} for row in rows[name]], schema=schema)
        frame.write_parquet(folder / f"{name}.parquet")


def ensure_empty_lake(lake: Path, library: Library) -> None:
    """Write the empty typed file of every table of the lake, so that a glob matches before the first delivery.

    A file is rewritten only when its schema is no longer the codebook's (an instrument got an item or a scale).
    """
    tables = lake_schema(library.instruments)
    places = [(lake / "accepted" / table, schema) for table, schema in tables.items()]
    places += [(lake / "held" / table, tables[table]) for table in HELD_TABLES]
    for root, schema in places:
        folder = root / f"site={EMPTY_PARTITION}" / f"delivery={EMPTY_PARTITION}"
        path = folder / "part.parquet"
        if path.is_file() and pl.read_parquet_schema(path) == pl.Schema(schema):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "part.parquet.partial"
        pl.DataFrame(schema=schema).write_parquet(partial)
        partial.replace(path)


def _site_rows(library: Library) -> Iterable[dict[str, Any]]:
    for key in sorted(library.sites):
        site = library.sites[key]
        schedule = library.schedule_of(site)
        yield {
            "site_id": key,
            "name": site.name,
            "mode": site.delivery.mode,
            "cadence_days": site.delivery.cadence_days,
            "schedule": schedule.name if schedule else None,
            "vanished": site.delivery.vanished,
        }


def _delivery_frame(library: Library, deliveries: pl.DataFrame, as_of: dt.date | None) -> pl.DataFrame:
    schema = INPUTS["delivery"]
    if "mode" not in deliveries.columns:
        modes = {key: site.delivery.mode for key, site in library.sites.items()}
        mode = pl.col("site_id").replace_strict(modes, default="snapshot", return_dtype=pl.String)
        deliveries = deliveries.with_columns(mode.alias("mode"))
    missing = sorted(set(schema) - set(deliveries.columns))
    if missing:
        raise ValueError(f"the table of deliveries has no column {', '.join(missing)}")
    frame = deliveries.select(_cast(deliveries.schema[name], name, dtype) for name, dtype in schema.items())
    if as_of is not None:
        frame = frame.filter(pl.col("delivery_date") <= as_of)
    return frame.sort("site_id", "delivery")


def _cast(given: pl.DataType, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(given, pl.List):
        return column.list.join(", ").alias(name)
    if isinstance(dtype, pl.Datetime):
        if given == pl.String():
            column = column.str.to_datetime(time_zone="UTC", time_unit="us")
        if (isinstance(given, pl.Datetime) and given.time_zone) or given == pl.String():
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(dtype)
