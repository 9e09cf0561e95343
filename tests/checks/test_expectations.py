"""Expectations on a small hand-made warehouse: what is counted, how it is judged, and what n/a and error mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from checks.expectations import (
    FILE_NAME,
    MEASURES,
    SCHEMA,
    judge,
    judge_warehouse,
    measure_sql,
    measures,
    thresholds,
    write_expectations,
)
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.site import Site

TABLES = """
create schema harmonised; create schema quality;
create table harmonised.assessment (
    assessment_id varchar, episode_id varchar, site_id varchar, instrument varchar, version varchar, rater varchar,
    assessment_date date, months double, occasion varchar, sequence integer, n_answered integer);
create table quality.finding (site_id varchar, instrument varchar, rule varchar, status varchar);
create table quality.completeness (
    site_id varchar, instrument varchar, occasion varchar,
    n_expected bigint, n_received bigint, n_items_expected bigint, n_items_answered bigint);
"""


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


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Two sites with the GAF, one of them with the BSI-18 too; the GAF's version is in use during 2020 only."""
    known = load_instruments()
    limits = {"key": "o'gaf", "valid_from": "2020-01-01", "valid_until": "2021-01-01"}
    version = known["gaf"].versions[0].model_copy(update=limits)
    gaf = known["gaf"].model_copy(update={"versions": (version,)})
    network = Network.model_validate(
        {"name": "test", "title": "Test", "quality": {"max_out_of_range_rate": 0.05, "min_received_rate": 0.5}}
    )
    return Library(
        folder=NetworkFolder(tmp_path),
        network=network,
        instruments=known | {"gaf": gaf},
        sites={"north": site("north", "gaf"), "south": site("south", "gaf", "bsi_18")},
        schedules={},
        analyses={},
    )


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection


def assess(connection: duckdb.DuckDBPyConnection, *rows: tuple[object, ...]) -> None:
    """Rows of (assessment_id, episode_id, site_id, date, occasion, n_answered), all GAF by the clinician."""
    for key, episode, where, date, occasion, n in rows:
        connection.execute(
            "insert into harmonised.assessment values (?, ?, ?, 'gaf', 'o''gaf', 'clinician', ?, 3, ?, null, ?)",
            [key, episode, where, date, occasion, n],
        )


def counts(
    connection: duckdb.DuckDBPyConnection, library: Library, measure: str
) -> dict[tuple[str, str], tuple[int, int]]:
    frame = measures(connection, library).filter(pl.col("measure") == measure)
    return {(row["site_id"], row["instrument"]): (row["n_failed"], row["n_checked"]) for row in frame.to_dicts()}


def statuses(judged: pl.DataFrame, expectation: str) -> dict[str, str]:
    rows = judged.filter(pl.col("expectation") == expectation)
    return dict(zip(rows["site_id"], rows["status"], strict=True))


def test_every_measure_has_its_sql_and_its_threshold(library: Library) -> None:
    names = {measure.name for measure in MEASURES}
    assert measure_sql(library).keys() == thresholds(library).keys() == names
    assert thresholds(library)["out_of_range_rate"] == 0.05
    assert thresholds(library)["answered_rate"] == library.network.quality.min_answered_rate


def test_voided_answers_count_among_the_checked_and_resolved_ones_do_not(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 18), ("a2", "e2", "south", "2020-05-01", "m03", 20))
    warehouse.execute(
        """insert into quality.finding values
        ('north', 'gaf', 'gaf-range-01', 'open'), ('north', 'gaf', 'gaf-range-02', 'reopened'),
        ('north', 'gaf', 'gaf-range-01', 'resolved'), ('north', 'gaf', 'gaf-range-01', 'accepted'),
        ('north', 'gaf', 'gaf-code-01', 'open'), ('south', 'gaf', 'gaf-range-01', 'answered')"""
    )
    found = counts(warehouse, library, "out_of_range_rate")
    assert found == {("north", "gaf"): (2, 20), ("south", "gaf"): (1, 21), ("south", "bsi_18"): (0, 0)}
    judged = judge(measures(warehouse, library))
    assert statuses(judged, "gaf_out_of_range_rate") == {"north": "fail", "south": "pass"}
    assert statuses(judged, "bsi_18_out_of_range_rate") == {"south": "not_applicable"}
    message = judged.filter(pl.col("expectation") == "gaf_out_of_range_rate")["message"][0]
    assert message == f"{library.instruments['gaf'].name}: 2 of 20 answers lie outside their range (10 %; at most 5 %)."


def test_a_rate_on_its_threshold_passes(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    warehouse.execute(
        """insert into quality.completeness values
        ('north', 'gaf', 'm03', 1, 1, 10, 9), ('north', 'gaf', 'm06', 1, 0, 0, 0),
        ('south', 'gaf', 'm03', 3, 1, 10, 8), ('south', 'gaf', 'm06', 0, 0, 0, 0),
        ('south', 'wsas', 'm03', 2, 0, 0, 0)"""
    )
    judged = judge(measures(warehouse, library))
    assert statuses(judged, "gaf_received_rate") == {"north": "pass", "south": "fail"}
    assert statuses(judged, "gaf_answered_rate") == {"north": "pass", "south": "fail"}
    assert statuses(judged, "wsas_received_rate") == {"south": "fail"}, "due, but in no mapping of the site"
    assert statuses(judged, "wsas_answered_rate") == {"south": "not_applicable"}
    assert statuses(judged, "bsi_18_received_rate") == {"south": "not_applicable"}
    rates = judged.filter(pl.col("expectation") == "gaf_received_rate")
    assert rates["observed"].to_list() == [0.5, 1 / 3]
    assert rates["n_failed"].to_list() == [1, 2]


def test_the_last_day_of_a_version_is_the_one_before_valid_until(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    days = ("2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01", None)
    assess(warehouse, *((f"a{n}", f"e{n}", "north", day, "m03", 1) for n, day in enumerate(days)))
    assert counts(warehouse, library, "outside_version_period_rate")["north", "gaf"] == (2, 4)
    judged = judge(measures(warehouse, library))
    assert statuses(judged, "gaf_outside_version_period_rate") == {"north": "fail", "south": "not_applicable"}


def test_repeated_keys_and_occasions_are_counted_once_for_each_excess_row(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(
        warehouse,
        ("a1", "e1", "north", "2020-05-01", "m03", 1),
        ("a2", "e1", "north", "2020-05-02", "m03", 1),
        ("a3", "e1", "north", "2020-05-03", "m03", 1),
        ("a4", "e1", "north", "2020-06-01", None, 1),
        ("a5", "e1", "north", "2020-07-01", None, 1),
        ("a1", "e9", "south", "2020-05-01", "m03", 1),
    )
    assert counts(warehouse, library, "repeated_occasion_rate")["north", "gaf"] == (2, 5)
    assert counts(warehouse, library, "repeated_assessment_id_rate")["south", "gaf"] == (1, 1), "also across sites"
    judged = judge(measures(warehouse, library))
    assert statuses(judged, "gaf_repeated_occasion_rate") == {"north": "fail", "south": "pass"}
    assert statuses(judged, "gaf_repeated_assessment_id_rate") == {"north": "pass", "south": "fail"}


def test_one_row_for_each_expectation_and_site(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    judged = judge(measures(warehouse, library))
    assert judged.height == len(MEASURES) * 3
    assert judged.select("expectation", "site_id").is_unique().all()
    assert set(judged["status"]) == {"not_applicable"}
    assert judged["observed"].null_count() == judged.height


def test_a_measure_that_cannot_be_counted_is_an_error_and_the_others_go_on(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    warehouse.execute("drop table quality.completeness")
    judged = judge(measures(warehouse, library))
    assert statuses(judged, "gaf_received_rate") == {"north": "error", "south": "error"}
    assert statuses(judged, "gaf_repeated_occasion_rate") == {"north": "pass", "south": "not_applicable"}
    assert "could not be counted (CatalogException)" in judged.filter(pl.col("status") == "error")["message"][0]


def test_a_suite_that_great_expectations_refuses_is_an_error_and_the_others_go_on(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    import great_expectations as gx

    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    context = gx.get_context(mode="ephemeral")
    context.data_sources.add_pandas("ranges_at_most")
    judged = judge(measures(warehouse, library), context)
    assert statuses(judged, "gaf_out_of_range_rate") == {"north": "error", "south": "not_applicable"}
    assert statuses(judged, "gaf_repeated_occasion_rate") == {"north": "pass", "south": "not_applicable"}


def test_a_problem_inside_great_expectations_is_not_taken_for_a_pass(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    measured = measures(warehouse, library).with_columns(threshold=pl.lit("0"))
    judged = judge(measured)
    assert statuses(judged, "gaf_out_of_range_rate")["north"] == "error"


def test_a_warehouse_file_is_judged_read_only_and_written_with_types(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        assess(connection, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    judged = judge_warehouse(path, library)
    written = write_expectations(judged, tmp_path / "results")
    assert written.name == FILE_NAME
    assert pl.read_parquet(written).equals(judged)
    empty = write_expectations(judge(pl.DataFrame(schema=measures_schema(path, library))), tmp_path / "none")
    assert pl.read_parquet(empty).schema == SCHEMA
    assert pl.read_parquet(empty).is_empty()


def measures_schema(path: Path, library: Library) -> pl.Schema:
    with duckdb.connect(str(path), read_only=True) as connection:
        return measures(connection, library).schema
