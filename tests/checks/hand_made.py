"""A small hand-made warehouse and its two units, for the tests of expectations."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from checks.expectations.counts import measures
from checks.expectations.judging import judge
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

TODAY = dt.date(2021, 3, 1)
TABLES = """
create schema harmonised; create schema quality;
create table harmonised.assessment (
    assessment_id varchar, episode_id varchar, site_id varchar, instrument varchar, version varchar, rater varchar,
    assessment_date date, months double, occasion varchar, sequence integer, n_answered integer);
create table harmonised.episode (episode_id varchar, schedule varchar);
create table quality.finding (site_id varchar, instrument varchar, rule varchar, status varchar);
create table quality.completeness (
    site_id varchar, instrument varchar, occasion varchar,
    n_expected bigint, n_received bigint, n_scorable bigint, n_items_expected bigint, n_items_answered bigint);
create table quality.expected_assessment (
    assessment_id varchar, site_id varchar, instrument varchar, status varchar, assessment_date date, due_date date);
create table quality.delivery (site_id varchar, delivery varchar, delivery_date date, mode varchar, gate varchar);
create table quality.delivery_volume (site_id varchar, delivery varchar, instrument varchar, n_assessments bigint);
create table quality.scale_drift (
    site_id varchar, instrument varchar, scale varchar, n_new bigint, n_new_compared bigint, n_earlier_compared bigint,
    standardised_difference double);
"""
SCHEDULE = {
    "name": "plan",
    "title": "Two forms, one after the other",
    "valid_from": "2015-01-01",
    "occasions": [
        {
            "key": key,
            "label": key,
            "anchor": "admission",
            "before_days": 30,
            "after_days": 30,
            "due": [{"instrument": "gaf", "until_date": "2020-06-01"}, {"instrument": "bsi_18"}],
        }
        for key in ("m03", "m06")
    ],
}


def site(name: str, *instruments: str) -> Site:
    source = {
        "name": "answers",
        "file": "answers.csv",
        "identity": {"columns": ["id"]},
        "assessments": [{"instrument": key, "version": "any", "items": "i{n}"} for key in instruments],
    }
    return Site.model_validate(
        {
            "site": name,
            "name": name,
            "format": {"reader": "delimited"},
            "mappings": [{"from_delivery": "2020-01-01", "sources": [source]}],
        }
    )


def two_units(folder: Path, **quality: Any) -> Library:
    """Two sites with the GAF, one of them with the BSI-18 too; the GAF's version is in use during 2020 only."""
    known = load_instruments()
    limits = {"key": "o'gaf", "valid_from": "2020-01-01", "valid_until": "2021-01-01"}
    version = known["gaf"].versions[0].model_copy(update=limits)
    gaf = known["gaf"].model_copy(update={"versions": (version,)})
    thresholds = {"max_out_of_range_rate": 0.05, "min_received_rate": 0.5} | quality
    network = Network.model_validate({"name": "test", "title": "Test", "quality": thresholds})
    return Library(
        folder=NetworkFolder(folder),
        network=network,
        instruments=known | {"gaf": gaf},
        sites={"north": site("north", "gaf"), "south": site("south", "gaf", "bsi_18")},
        schedules={"plan": Schedule.model_validate(SCHEDULE)},
        analyses={},
    )


def assess(connection: duckdb.DuckDBPyConnection, *rows: tuple[object, ...]) -> None:
    """Rows of (assessment_id, episode_id, site_id, date, occasion, n_answered), all GAF by the clinician."""
    for key, episode, where, date, occasion, n in rows:
        connection.execute(
            "insert into harmonised.assessment values (?, ?, ?, 'gaf', 'o''gaf', 'clinician', ?, 3, ?, null, ?)",
            [key, episode, where, date, occasion, n],
        )


def deliver(connection: duckdb.DuckDBPyConnection, mode: str, *volumes: tuple[str, dict[str, int]]) -> None:
    """Accepted deliveries of north: (name, which is its date; assessments by instrument)."""
    for name, held in volumes:
        connection.execute("insert into quality.delivery values ('north', ?, ?, ?, 'accepted')", [name, name, mode])
        for instrument, n in held.items():
            connection.execute("insert into quality.delivery_volume values ('north', ?, ?, ?)", [name, instrument, n])


def counts(
    connection: duckdb.DuckDBPyConnection, library: Library, measure: str
) -> dict[tuple[str, str | None], tuple[int, int]]:
    """(site, instrument) → (n_failed, n_checked)."""
    frame = measures(connection, library, TODAY).filter(pl.col("measure") == measure)
    return {(row["site_id"], row["instrument"]): (row["n_failed"], row["n_checked"]) for row in frame.to_dicts()}


def judged(connection: duckdb.DuckDBPyConnection, library: Library, today: dt.date = TODAY) -> pl.DataFrame:
    """Every expectation."""
    return judge(measures(connection, library, today))


def statuses(judged: pl.DataFrame, expectation: str) -> dict[str, str]:
    rows = judged.filter(pl.col("expectation") == expectation)
    return dict(zip(rows["site_id"], rows["status"], strict=True))


def row_of(judged: pl.DataFrame, expectation: str, site: str) -> dict[str, Any]:
    """The row of one expectation at one unit."""
    return judged.row(by_predicate=(pl.col("expectation") == expectation) & (pl.col("site_id") == site), named=True)


def said(judged: pl.DataFrame, expectation: str, site: str) -> str:
    """The sentence of one expectation at one unit."""
    return str(row_of(judged, expectation, site)["message"])
