"""What is brought together: alliance over versions, supplied scores beside ours, measures of one construct, norms."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from assets.warehouse.inputs_codebook import rule_version
from codebook.library import accepted_rules, load_instruments
from codebook.norms import t_score

Rows = list[tuple[Any, ...]]


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    return warehouse.execute(sql).fetchall()


def test_five_point_means_are_rescaled_where_the_network_accepts_it(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT assessment_id, task, goal, bond, total, is_rescaled, alliance_status, is_satisfactory, scale_points,
            version
        FROM harmonised.working_alliance WHERE assessment_id IN ('a5', 'a6', 'w-five', 'w-high', 'w-none') ORDER BY 1
    """
    # answers 2 3 2 3 …: task (1 2 10 12) 2.75, goal (4 6 8 11) 2.75, bond (3 5 7 9) 2; each then 1 + (x - 1) * 1.5
    assert rows(warehouse, sql) == [
        ("a5", 4.0, 4.0, 4.0, 4.0, False, "as_scored", False, 7, "wai_sr_7"),
        ("a6", None, None, None, None, False, "no_accepted_rescaling", None, 5, "wai_sr_5"),
        ("w-five", 3.625, 3.625, 2.5, 3.25, True, "rescaled", None, 5, "wai_sr_5"),
        ("w-high", 7.0, 7.0, 7.0, 7.0, True, "rescaled", None, 5, "wai_sr_5"),
        ("w-none", None, None, None, None, True, "rescaled", None, 5, "wai_sr_5"),
    ]
    own = "SELECT score FROM harmonised.scale_score WHERE assessment_id = 'w-five' AND scale = 'total'"
    assert rows(warehouse, own) == [(2.5,)]  # the score itself stays on its five points


def test_a_rescaling_that_is_verified_needs_nobody_to_accept_it() -> None:
    instrument = load_instruments()["wai_sr"]
    name = "wai_sr-rescale-5-to-7"
    assert name not in accepted_rules([instrument], ())
    assert name in accepted_rules([instrument], (name,))
    data = instrument.model_dump(mode="json")
    for version in data["versions"]:
        if version["rescaled_to"]:
            version["rescaled_to"]["status"] = "verified"
    assert name in accepted_rules([type(instrument).model_validate(data)], ())


def test_supplied_scores_are_held_to_ours(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT assessment_id, item, rule, class, severity, status, first_delivery, last_delivery FROM quality.finding
        WHERE rule LIKE 'supplied-%' ORDER BY 1, 2
    """
    blind, differs = "supplied-ignores-missing", "supplied-differs"
    kind = ("plausibility", "flag", "open")
    assert rows(warehouse, sql) == [
        ("w-blind", "total", blind, *kind, "2026-10-01", "2026-10-01"),  # no score of ours, but a plain sum of theirs
        ("w-prorated", "gsi_mean", blind, *kind, "2026-10-01", "2026-10-01"),  # 16 / 18: the blank counted as 0
        ("w-prorated", "gsi_sum", blind, *kind, "2026-10-01", "2026-10-01"),
        ("w-wrong", "total", differs, *kind, "2026-09-01", "2026-10-01"),  # since the delivery that first said so
    ]
    scores = """
        SELECT assessment_id, scale, score, score_supplied, status FROM harmonised.scale_score
        WHERE site_id = 'west' AND score_supplied IS NOT NULL ORDER BY 1, 2
    """
    prorated = 16 * 18 / 17
    expected = [
        ("w-agreed", "gsi_mean", 16 / 17, 16 / 17, "prorated"),
        ("w-agreed", "gsi_sum", prorated, prorated, "prorated"),
        ("w-blind", "total", None, 20.0, "no_accepted_rule"),
        ("w-norm", "total", 42.0, 42.004, "scored"),
        ("w-prorated", "gsi_mean", 16 / 17, 16 / 18, "prorated"),
        ("w-prorated", "gsi_sum", prorated, 16.0, "prorated"),
        ("w-unknown", "total", None, 21.0, "no_accepted_rule"),
        ("w-wrong", "total", 21.0, 22.0, "scored"),
    ]
    for found, hoped in zip(rows(warehouse, scores), expected, strict=True):
        assert found[:2] + found[4:] == hoped[:2] + hoped[4:]
        assert found[2] == (hoped[2] if hoped[2] is None else pytest.approx(hoped[2], abs=1e-9))
        assert found[3] == pytest.approx(hoped[3], abs=1e-9)


def test_a_norm_gives_a_t_score_that_names_it(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT t_score, t_norm, construct FROM harmonised.outcome WHERE assessment_id = '{}' AND scale = 'total'"
    ((value, norm, construct),) = rows(warehouse, sql.format("w-norm"))
    assert value == pytest.approx(t_score(42, 22.45, 12.75), abs=1e-9) == pytest.approx(65.33333, abs=1e-5)
    assert (norm, construct) == ("outpatients", "depression")
    assert rows(warehouse, sql.format("w-wrong")) == [(None, None, "depression")]  # the norm is unverified there


def test_scales_say_what_they_measure_and_by_which_rules(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT scale_order, scale, items, reversed_items, construct, direction, status, key_access, missing_rule,
            is_rule_accepted, rule_version, norm_sample
        FROM harmonised.scale WHERE instrument = 'wai_s' ORDER BY 1
    """
    found = rows(warehouse, sql)
    assert [(order, scale, items, turned) for order, scale, items, turned, *_ in found] == [
        (1, "task", "1,2,8,12", None),
        (2, "goal", "4,6,10,11", "4,10"),
        (3, "bond", "3,5,7,9", None),
        (4, "total", "1,2,3,4,5,6,7,8,9,10,11,12", "4,10"),
    ]
    version = rule_version(load_instruments()["wai_s"])
    rest = ("alliance", "higher_is_better", "one_paper", "public", "wai_s-missing", False, version, None)
    assert {row[4:] for row in found} == {rest}
    norms = "SELECT norm_sample, norm_mean, norm_sd FROM harmonised.scale WHERE instrument = 'bdi_ii_own'"
    assert set(rows(warehouse, norms)) == {("outpatients", 22.45, 12.75)}


def test_items_are_pooled_within_a_family_with_their_answer_points(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT instrument, scale_points, string_agg(DISTINCT item, ',' ORDER BY item), count(*)
        FROM harmonised.pooled_item WHERE assessment_id IN ('a4', 'a5', 'a6', 'a8') GROUP BY ALL ORDER BY ALL
    """
    identical = "2,3,6,7,11,12"
    assert rows(warehouse, sql) == [
        ("wai_s", 7, identical, 6),
        ("wai_sr", 5, identical, 6),
        ("wai_sr", 7, identical, 6),
    ]
