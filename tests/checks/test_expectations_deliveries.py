"""What the newest delivery is held beside: a drop in its volume, and scores that are not what they were."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hand_made import counts, deliver, judged, row_of, said, statuses, two_units

from codebook.library import Library


def test_a_snapshot_that_lost_a_form_drops_and_one_that_grew_does_not(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    deliver(
        warehouse,
        "snapshot",
        ("2020-01-01", {"gaf": 40, "bsi_18": 100}),
        ("2020-02-01", {"gaf": 50, "bsi_18": 100}),
        ("2020-03-01", {"gaf": 54}),
    )
    found = judged(warehouse, library)
    assert statuses(found, "gaf_volume_drop_rate") == {"north": "pass", "south": "not_applicable"}
    assert statuses(found, "bsi_18_volume_drop_rate") == {"north": "fail", "south": "not_applicable"}
    assert counts(warehouse, library, "volume_drop_rate")["north", "bsi_18"] == (100, 100)
    assert statuses(found, "volume_drop_rate") == {"north": "fail", "south": "not_applicable"}
    assert said(found, "volume_drop_rate", "north") == (
        "All instruments: the newest delivery holds 54 of 145 assessments expected from the 2 deliveries before it "
        "(62.8 % fewer; at most 30 %)."
    )
    assert said(found, "volume_drop_rate", "south") == (
        "All instruments: no earlier delivery to compare the newest with."
    )


def test_a_drop_on_the_limit_passes_and_one_more_fails(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    deliver(warehouse, "snapshot", ("2020-01-01", {"gaf": 100}), ("2020-02-01", {"gaf": 70}))
    assert statuses(judged(warehouse, library), "gaf_volume_drop_rate")["north"] == "pass"
    warehouse.execute("update quality.delivery_volume set n_assessments = 69 where delivery = '2020-02-01'")
    assert statuses(judged(warehouse, library), "gaf_volume_drop_rate")["north"] == "fail"


def test_increments_are_compared_by_day_and_without_the_first(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    """60 in 30 days, 62 in 31 and 60 in 30 are two a day; 29 days at that pace let expect 58."""
    deliver(
        warehouse,
        "increment",
        ("2020-01-01", {"gaf": 900}),
        ("2020-01-31", {"gaf": 60}),
        ("2020-03-02", {"gaf": 62}),
        ("2020-04-01", {"gaf": 60}),
        ("2020-04-30", {"gaf": 29}),
    )
    assert counts(warehouse, library, "volume_drop_rate")["north", "gaf"] == (29, 58)
    assert statuses(judged(warehouse, library), "gaf_volume_drop_rate")["north"] == "fail"


def test_one_increment_after_the_first_says_nothing(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    deliver(warehouse, "increment", ("2020-01-01", {"gaf": 900}), ("2020-02-01", {"gaf": 3}))
    assert statuses(judged(warehouse, library), "gaf_volume_drop_rate")["north"] == "not_applicable"


def test_few_expected_say_nothing_and_held_deliveries_do_not_count(
    warehouse: duckdb.DuckDBPyConnection, library: Library
) -> None:
    deliver(warehouse, "snapshot", ("2020-01-01", {"gaf": 19}), ("2020-02-01", {"gaf": 1}))
    found = judged(warehouse, library)
    assert statuses(found, "gaf_volume_drop_rate")["north"] == "not_applicable"
    assert "19 assessments expected in the newest delivery" in said(found, "gaf_volume_drop_rate", "north")
    warehouse.execute("update quality.delivery set gate = 'held: volume' where delivery = '2020-02-01'")
    assert "no earlier delivery" in said(judged(warehouse, library), "gaf_volume_drop_rate", "north")


def test_only_the_declared_number_of_deliveries_is_looked_back_to(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    deliver(warehouse, "snapshot", *((f"2020-0{n}-01", {"gaf": size}) for n, size in enumerate((90, 90, 50, 50), 1)))
    assert counts(warehouse, two_units(tmp_path), "volume_drop_rate")["north", "gaf"] == (40, 90)
    assert counts(warehouse, two_units(tmp_path, volume_deliveries=1), "volume_drop_rate")["north", "gaf"] == (0, 50)


@pytest.mark.parametrize(
    ("difference", "status"), [(-0.81, "fail"), (0.81, "fail"), (0.8, "pass"), (0.0, "pass"), (None, "not_applicable")]
)
def test_scores_that_moved_either_way_fail(
    warehouse: duckdb.DuckDBPyConnection, library: Library, difference: float | None, status: str
) -> None:
    warehouse.execute(
        "insert into quality.scale_drift values ('south', 'bsi_18', 'gsi_mean', 26, 24, 310, ?)", [difference]
    )
    assert statuses(judged(warehouse, library), "bsi_18_gsi_mean_scale_drift") == {"south": status}


def test_a_drift_says_how_far_and_on_how_many(warehouse: duckdb.DuckDBPyConnection, library: Library) -> None:
    warehouse.execute("insert into quality.scale_drift values ('south', 'bsi_18', 'somatization', 26, 24, 310, -1.234)")
    found = judged(warehouse, library)
    assert said(found, "bsi_18_somatization_scale_drift", "south") == (
        "Brief Symptom Inventory 18, Somatisation: 24 of 26 new scores compared with 310 earlier ones of the "
        "same occasions, on average 1.23 SD lower (at most 0.8 SD)."
    )
    row = row_of(found, "bsi_18_somatization_scale_drift", "south")
    assert (row["n_failed"], row["n_checked"], row["scale"], row["observed"]) == (None, 24, "somatization", 1.234)


@pytest.mark.parametrize(("n_new", "n_earlier"), [(19, 300), (300, 19)])
def test_few_scores_on_either_side_say_nothing(
    warehouse: duckdb.DuckDBPyConnection, library: Library, n_new: int, n_earlier: int
) -> None:
    warehouse.execute(
        "insert into quality.scale_drift values ('south', 'bsi_18', 'somatization', ?, ?, ?, 3)",
        [n_new, n_new, n_earlier],
    )
    found = judged(warehouse, library)
    assert statuses(found, "bsi_18_somatization_scale_drift") == {"south": "not_applicable"}
    assert "fewer than 20 say nothing" in said(found, "bsi_18_somatization_scale_drift", "south")
