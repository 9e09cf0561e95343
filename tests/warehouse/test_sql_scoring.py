"""The SQL agrees with every worked scoring case, through the lake and a real build."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import small_network as small

JUDGED = [case for case in small.CASES if case["expected_error"] is None]


@pytest.fixture(scope="session")
def scores(warehouse: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = warehouse.execute(
        "SELECT assessment_id, scale, score, status, n_answered, is_prorated FROM harmonised.scale_score"
    ).fetchall()
    return {(row[0], row[1]): row[2:] for row in rows}


def test_there_are_cases_for_every_instrument() -> None:
    assert len(JUDGED) >= 50
    assert {case["instrument"] for case in JUDGED} >= {"wai_s", "wai_sr", "gaf", "wsas", "bsi_18", "bdi_ii"}


@pytest.mark.parametrize("case", JUDGED, ids=[case["id"] for case in JUDGED])
def test_scoring_case(case: dict[str, Any], scores: dict[tuple[str, str], tuple[Any, ...]]) -> None:
    for scale, expected in case["expected"].items():
        score, status, n_answered, is_prorated = scores[case["id"], scale]
        if expected is None:
            assert score is None, scale
        else:
            assert score == pytest.approx(expected, abs=6e-5), scale
        if scale in case.get("expected_status", {}):
            assert status == case["expected_status"][scale], scale
        if scale in case.get("expected_n_answered", {}):
            assert n_answered == case["expected_n_answered"][scale], scale
        assert is_prorated == (status == "prorated")


def test_supplied_score_counts_only_where_no_item_came(scores: dict[tuple[str, str], tuple[Any, ...]]) -> None:
    assert scores["a8", "total"][:2] == (17.0, "supplied")


def test_alliance_cutoff_is_strict_and_belongs_to_its_version(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute(
        "SELECT assessment_id, scale_points, total, is_satisfactory, version_group FROM harmonised.working_alliance"
        " WHERE site_id = 'north' ORDER BY assessment_id"
    ).fetchall()
    assert rows == [
        ("a2", 7, 5.0, True, "wai_sr"),
        ("a3", 7, 5.0, True, "wai_sr"),
        ("a4", 7, None, None, "both"),
        ("a5", 7, 4.0, False, "both"),
        ("a6", 5, None, None, "wai_sr"),
        ("a7", 5, None, None, "wai_sr"),
    ]


def test_alliance_cases_meet_their_cutoffs(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = dict(warehouse.execute("SELECT assessment_id, is_satisfactory FROM harmonised.working_alliance").fetchall())
    cases = [c for c in JUDGED if "satisfactory" in c.get("expected_cutoffs", {}).get("total", {})]
    cases = [c for c in cases if c["instrument"].startswith("wai") and not c["accepts_proposed"]]
    assert cases
    for case in cases:
        assert found[case["id"]] == case["expected_cutoffs"]["total"]["satisfactory"], case["id"]


def test_outcome_holds_every_score_of_an_outcome_instrument(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT count(*) FROM harmonised.scale_score
        WHERE score IS NOT NULL AND regexp_replace(instrument, '_own$', '') IN ('gaf', 'wsas', 'bsi_18', 'bdi_ii')
    """
    (expected,) = warehouse.execute(sql).fetchall()[0]
    (found,) = warehouse.execute("SELECT count(*) FROM harmonised.outcome").fetchall()[0]
    assert found == expected > 100
    directions = warehouse.execute(
        "SELECT DISTINCT instrument, direction FROM harmonised.outcome WHERE instrument IN ('gaf', 'wsas') ORDER BY 1"
    ).fetchall()
    assert directions == [("gaf", "higher_is_better"), ("wsas", "higher_is_worse")]
