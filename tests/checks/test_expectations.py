"""Expectations on a small hand-made warehouse: what is counted, how it is judged, and what n/a and error mean."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
from hand_made import TABLES, TODAY, assess, counts, deliver, judged, row_of, said, statuses

from checks.expectations.counts import measures
from checks.expectations.judging import SCHEMA, judge
from checks.expectations.measures import MEASURES
from checks.expectations.queries import measure_sql
from checks.expectations.suites import FILE_NAME, judge_warehouse, write_expectations
from codebook.library import Library
from codebook.quality import DIRECTIONS


def test_every_measure_has_its_sql_and_its_threshold(library: Library) -> None:
    names = {measure.name for measure in MEASURES}
    assert measure_sql(library).keys() == DIRECTIONS.keys() == names
    quality = library.network.quality
    assert quality.threshold("out_of_range_rate") == 0.05
    assert quality.threshold("scale_drift") == quality.max_scale_drift
    assert quality.threshold("repeated_occasion_rate") == 0
    declared = {name.partition("_")[2] for name in type(quality).model_fields if name.startswith(("max_", "min_"))}
    assert declared - names == {"volume", "drift_scores"}, "a threshold that no measure is judged by"


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
    counted = counts(warehouse, library, "out_of_range_rate")
    assert counted == {("north", "gaf"): (2, 20), ("south", "gaf"): (1, 21), ("south", "bsi_18"): (0, 0)}
    found = judged(warehouse, library)
    assert statuses(found, "gaf_out_of_range_rate") == {"north": "fail", "south": "pass"}
    assert statuses(found, "bsi_18_out_of_range_rate") == {"south": "not_applicable"}
    message = f"{library.instruments['gaf'].name}: 2 of 20 answers lie outside their range (10 %; at most 5 %)."
    assert said(found, "gaf_out_of_range_rate", "north") == message


def test_a_rate_on_its_threshold_passes(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    warehouse.execute(
        """insert into quality.completeness values
        ('north', 'gaf', 'm03', 1, 1, 1, 10, 9), ('north', 'gaf', 'm06', 1, 0, 0, 0, 0),
        ('south', 'gaf', 'm03', 3, 1, 0, 10, 8), ('south', 'gaf', 'm06', 0, 0, 0, 0, 0),
        ('south', 'wsas', 'm03', 2, 0, 0, 0, 0)"""
    )
    found = judged(warehouse, library)
    assert statuses(found, "gaf_received_rate") == {"north": "pass", "south": "fail"}
    assert statuses(found, "gaf_answered_rate") == {"north": "pass", "south": "fail"}
    assert statuses(found, "gaf_scorable_rate") == {"north": "pass", "south": "fail"}
    assert statuses(found, "wsas_received_rate") == {"south": "fail"}, "due, but in no mapping of the site"
    assert statuses(found, "wsas_answered_rate") == {"south": "not_applicable"}
    assert statuses(found, "bsi_18_received_rate") == {"south": "not_applicable"}
    rates = found.filter(pl.col("expectation") == "gaf_received_rate")
    assert rates["observed"].to_list() == [0.5, 1 / 3]
    assert rates["n_failed"].to_list() == [1, 2]


def test_the_last_day_of_a_version_is_the_one_before_valid_until(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    days = ("2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01", None)
    assess(warehouse, *((f"a{n}", f"e{n}", "north", day, "m03", 1) for n, day in enumerate(days)))
    assert counts(warehouse, library, "outside_version_period_rate")["north", "gaf"] == (2, 4)
    found = judged(warehouse, library)
    assert statuses(found, "gaf_outside_version_period_rate") == {"north": "fail", "south": "not_applicable"}


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
    found = judged(warehouse, library)
    assert statuses(found, "gaf_repeated_occasion_rate") == {"north": "fail", "south": "pass"}
    assert statuses(found, "gaf_repeated_assessment_id_rate") == {"north": "pass", "south": "fail"}


def test_only_what_the_schedule_no_longer_asks_for_and_no_due_point_takes_is_outside(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    days = ("2020-05-31", "2020-06-01", "2020-06-20", None)
    assess(warehouse, *((f"a{n}", f"e{n}", "north", day, "m03", 1) for n, day in enumerate(days)))
    assess(warehouse, ("a9", "e9", "north", "2020-07-01", "m03", 1))
    warehouse.execute("insert into harmonised.episode select 'e' || range, 'plan' from range(4)")
    warehouse.execute("insert into harmonised.episode values ('e9', null)")
    warehouse.execute(
        "insert into quality.expected_assessment "
        "values ('a2', 'north', 'gaf', 'received_late', date '2020-06-20', date '2020-05-15')"
    )
    assert counts(warehouse, library, "outside_schedule_period_rate")["north", "gaf"] == (1, 3)


def test_window_adherence_counts_dated_points_that_came(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    states = ["received_on_time"] * 7 + ["received_early", "received_late", "received_late", "overdue", "missed"]
    for nth, state in enumerate(states):
        day = "2020-05-01" if state.startswith("received") else None
        warehouse.execute(
            "insert into quality.expected_assessment values (?, 'north', 'gaf', ?, ?, '2020-05-01')",
            [f"a{nth}" if day else None, state, day],
        )
    warehouse.execute(
        "insert into quality.expected_assessment values ('b', 'south', 'gaf', 'received_on_time', null, '2020-05-01')"
    )
    found = judged(warehouse, library)
    assert counts(warehouse, library, "on_time_rate")["north", "gaf"] == (3, 10)
    assert statuses(found, "gaf_on_time_rate") == {"north": "pass", "south": "not_applicable"}
    assert "7 of 10 dated assessments that were due were filled in inside" in said(found, "gaf_on_time_rate", "north")


def test_one_row_for_each_expectation_and_site(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    found = judged(warehouse, library)
    n_scales = {key: len({scale.key for scale in library.instruments[key].scales}) for key in ("gaf", "bsi_18")}
    assert found.height == (len(MEASURES) - 1) * 3 + 2 + 2 * n_scales["gaf"] + n_scales["bsi_18"]
    assert found.select("expectation", "site_id").is_unique().all()
    assert set(found["status"]) == {"not_applicable"}
    assert found["observed"].null_count() == found.height


def test_a_measure_that_cannot_be_counted_is_an_error_and_the_others_go_on(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    warehouse.execute("drop table quality.completeness")
    found = judged(warehouse, library)
    assert statuses(found, "gaf_received_rate") == {"north": "error", "south": "error"}
    assert statuses(found, "gaf_repeated_occasion_rate") == {"north": "pass", "south": "not_applicable"}
    assert "could not be counted (CatalogException)" in found.filter(pl.col("status") == "error")["message"][0]


def test_a_suite_that_great_expectations_refuses_is_an_error_and_the_others_go_on(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    import great_expectations as gx

    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    context = gx.get_context(mode="ephemeral")
    context.data_sources.add_pandas("ranges_at_most")
    found = judge(measures(warehouse, library, TODAY), context)
    assert statuses(found, "gaf_out_of_range_rate") == {"north": "error", "south": "not_applicable"}
    assert statuses(found, "gaf_repeated_occasion_rate") == {"north": "pass", "south": "not_applicable"}


def test_a_problem_inside_great_expectations_is_not_taken_for_a_pass(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    assess(warehouse, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    measured = measures(warehouse, library, TODAY).with_columns(threshold=pl.lit("0"))
    found = judge(measured)
    assert statuses(found, "gaf_out_of_range_rate")["north"] == "error"


def test_a_warehouse_file_is_judged_read_only_and_written_with_types(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        assess(connection, ("a1", "e1", "north", "2020-05-01", "m03", 1))
    found = judge_warehouse(path, library, TODAY)
    written = write_expectations(found, tmp_path / "results")
    assert written.name == FILE_NAME
    assert pl.read_parquet(written).equals(found)
    empty = write_expectations(judge(pl.DataFrame(schema=measures_schema(path, library))), tmp_path / "none")
    assert pl.read_parquet(empty).schema == SCHEMA
    assert pl.read_parquet(empty).is_empty()


def test_what_is_judged_says_that_a_newer_delivery_is_held(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        deliver(connection, "snapshot", ("2020-01-01", {"gaf": 40}), ("2020-02-01", {"gaf": 40}))
        connection.execute(
            """insert into quality.delivery values
            ('north', '2020-03-01', '2020-03-01', 'snapshot', 'held: x'),
            ('south', '2020-02-01', '2020-02-01', 'snapshot', 'held: x'),
            ('south', '2020-03-01', '2020-03-01', 'snapshot', 'accepted')"""
        )
    found = judge_warehouse(path, library, TODAY)
    assert row_of(found, "gaf_volume_drop_rate", "north")["held_delivery"] == "2020-03-01"
    assert row_of(found, "gaf_volume_drop_rate", "north")["status"] == "pass", "of the last accepted delivery"
    assert (
        found.filter(pl.col("site_id") == "south")["held_delivery"].null_count() == found["site_id"].eq("south").sum()
    )
    only = judge_warehouse(path, library, TODAY, "south")
    assert only.equals(found.filter(pl.col("site_id") == "south"))


def measures_schema(path: Path, library: Library) -> pl.Schema:
    with duckdb.connect(str(path), read_only=True) as connection:
        return measures(connection, library, TODAY).schema
