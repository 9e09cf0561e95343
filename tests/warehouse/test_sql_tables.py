"""What the SQL makes of a network that was worked out by hand (`small_network`)."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import small_network as small

from codebook.instrument import Instrument

Rows = list[tuple[Any, ...]]


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    return warehouse.execute(sql).fetchall()


def test_every_model_and_test_ran(built: small.Built) -> None:
    statuses = {node.status for node in built.outcome.nodes}
    assert statuses == {"success", "pass"}
    assert {node.resource_type for node in built.outcome.nodes} == {"model", "test", "unit_test"}
    assert any("stg_assessment" in line for line in built.lines)


def test_only_rows_that_count_now(warehouse: duckdb.DuckDBPyConnection) -> None:
    """North sends everything each time, south what changed; what the gate holds counts nowhere."""
    sql = "SELECT assessment_id, delivery FROM harmonised.assessment WHERE site_id IN ('north', 'south') ORDER BY 1"
    north = dict.fromkeys(("a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"), "2026-10-01")
    assert dict(rows(warehouse, sql)) == north | {"a10": "2026-08-01", "a11": "2026-07-01"}
    values = rows(warehouse, "SELECT episode_id, value FROM harmonised.attribute ORDER BY 1")
    assert values == [("e4", "5"), ("e5", "3")]


def test_a_patient_of_two_sites_is_one_patient(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse, "SELECT sex, birth_year, n_episodes FROM harmonised.patient WHERE patient_id = 'p1'")
    assert found == [("female", 1990, 1)]
    sites = rows(
        warehouse,
        "SELECT site_id, first_delivery, last_delivery FROM harmonised.patient_site WHERE patient_id = 'p1' ORDER BY 1",
    )
    assert sites == [("north", "2026-06-01", "2026-10-01"), ("south", "2026-07-01", "2026-07-01")]
    gone = rows(warehouse, "SELECT patient_id FROM harmonised.patient WHERE is_vanished")
    assert gone == [("p9",)]


def test_months_and_timing(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT assessment_id, months, months_anchor, timing FROM harmonised.assessment
        WHERE site_id IN ('north', 'south') ORDER BY 1
    """
    assert rows(warehouse, sql) == [
        ("a1", -0.6571, "treatment_start", "on_time"),  # 20 days before treatment starts
        ("a10", 0.0329, "admission", "on_time"),  # no treatment start: counted from admission
        ("a11", -1.0185, "admission", "early"),
        ("a2", 4.2382, "treatment_start", "late"),
        ("a3", 4.271, "treatment_start", "unscheduled"),  # the second of its occasion
        ("a4", 1.347, "treatment_start", "early"),
        ("a5", 6.0123, "treatment_start", "on_time"),
        ("a6", 3.5, "treatment_start", None),  # relative time, declared
        ("a7", 9.0, "treatment_start", None),  # only the occasion is known
        ("a8", 0.0, "treatment_start", "unscheduled"),
    ]


def test_treatment_months(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        warehouse, "SELECT treatment_months FROM harmonised.episode WHERE episode_id IN ('e1', 'e2') ORDER BY 1"
    )
    assert found == [(7.0,), (None,)] or found[0][0] == pytest.approx(213 / 30.4375, abs=1e-4)


def test_every_due_point_has_its_fate(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT episode_id, occasion, instrument, status, reason, assessment_id FROM quality.expected_assessment
        WHERE site_id IN ('north', 'south') ORDER BY episode_id, occasion_order
    """
    unknown, after = "no anchor date", "after discharge"
    assert rows(warehouse, sql) == [
        ("e1", "baseline", "gaf", "received_on_time", None, "a1"),
        ("e1", "m03", "wai_sr", "received_late", None, "a2"),
        ("e1", "m06", "wai_sr", "overdue", None, None),
        ("e1", "m07", "wai_sr", "awaiting_delivery", None, None),  # closed after what the unit's data reach
        ("e1", "m09", "wai_sr", "open", None, None),
        ("e1", "m12", "wai_sr", "upcoming", None, None),
        ("e2", "baseline", "gaf", "missed", None, None),
        ("e2", "m03", "wai_s", "received_early", None, "a4"),  # due before the change of instrument
        ("e2", "m06", "wai_sr", "received_on_time", None, "a5"),
        ("e2", "m07", "wai_sr", "missed", None, None),
        ("e2", "m09", "wai_sr", "not_expected", after, None),
        ("e2", "m12", "wai_sr", "not_expected", after, None),
        ("e2", "discharge", "gaf", "missed", None, None),
        ("e3", "baseline", "gaf", "not_expected", unknown, None),
        ("e3", "m03", "wai_sr", "received_on_time", None, "a6"),
        ("e3", "m06", "wai_sr", "not_expected", unknown, None),
        ("e3", "m07", "wai_sr", "not_expected", unknown, None),
        ("e3", "m09", "wai_sr", "received_on_time", None, "a7"),
        ("e3", "m12", "wai_sr", "not_expected", unknown, None),
        ("e4", "baseline", "gaf", "received_on_time", None, "a10"),
        ("e4", "m03", "wai_sr", "awaiting_delivery", None, None),
        ("e4", "m06", "wai_sr", "open", None, None),
        ("e4", "m07", "wai_sr", "upcoming", None, None),
        ("e4", "m09", "wai_sr", "upcoming", None, None),
        ("e4", "m12", "wai_sr", "upcoming", None, None),
        ("e5", "baseline", "gaf", "received_early", None, "a11"),
        *(("e5", f"m{m:02d}", "wai_sr", "withdrawn", "consent withdrawn", None) for m in (3, 6, 7, 9, 12)),
    ]


def test_dates_of_a_due_point(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT due_date, opens_date, closes_date FROM quality.expected_assessment
        WHERE episode_id = 'e1' AND occasion = 'm03'
    """
    assert rows(warehouse, sql) == [(small.day("2026-05-03"), small.day("2026-04-03"), small.day("2026-06-02"))]


def test_completeness_counts_only_what_is_decided(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT instrument, occasion, n_expected, n_received, n_scorable, n_items_expected, n_items_answered,
            received_rate, scorable_rate, answered_rate
        FROM quality.completeness WHERE site_id = 'north' ORDER BY instrument, occasion_order
    """
    assert rows(warehouse, sql) == [
        ("gaf", "baseline", 2, 1, 1, 2, 2, 0.5, 0.5, 1.0),
        ("gaf", "discharge", 1, 0, 0, 0, 0, 0.0, 0.0, None),
        ("wai_s", "m03", 1, 1, 0, 12, 11, 1.0, 0.0, 11 / 12),
        ("wai_sr", "m03", 2, 2, 2, 24, 24, 1.0, 1.0, 1.0),
        ("wai_sr", "m06", 2, 1, 1, 12, 12, 0.5, 0.5, 1.0),
        ("wai_sr", "m07", 1, 0, 0, 0, 0, 0.0, 0.0, None),
        ("wai_sr", "m09", 1, 1, 0, 12, 0, 1.0, 0.0, 0.0),
        ("wai_sr", "m12", 0, 0, 0, 0, 0, None, None, None),
    ]


def test_findings_over_deliveries(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT finding_id, site_id, status, first_delivery, last_delivery FROM quality.finding
        WHERE site_id <> 'west' AND class <> 'history' ORDER BY 1
    """
    assert rows(warehouse, sql) == [
        ("f-fixed", "south", "resolved", "2026-07-01", "2026-07-01"),
        ("f-gone", "north", "resolved", "2026-06-01", "2026-06-01"),
        ("f-open", "south", "open", "2026-07-01", "2026-07-01"),
        ("f-patient", "south", "open", "2026-07-01", "2026-07-01"),
        ("f-stays", "north", "open", "2026-06-01", "2026-10-01"),
    ]


def test_a_correction_is_a_finding_without_values(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT assessment_id, first_delivery, status, severity, class, instrument, finding_id = 'f' || md5(
            'assessment-corrected|' || site_id || '|' || assessment_id || '|'), message
        FROM quality.finding WHERE rule = 'assessment-corrected' ORDER BY 1
    """
    found = rows(warehouse, sql)
    assert [row[:7] for row in found] == [
        ("a1", "2026-10-01", "resolved", "flag", "history", "gaf", True),
        ("a10", "2026-08-01", "resolved", "flag", "history", "gaf", True),
    ]
    assert all(not any(sign.isdigit() for sign in row[7]) for row in found)


def test_quarantine_and_deliveries(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert rows(warehouse, "SELECT DISTINCT delivery FROM quality.quarantine ORDER BY 1") == [
        ("2026-06-01",),
        ("2026-10-01",),
    ]
    gates = rows(warehouse, "SELECT gate FROM quality.delivery WHERE site_id = 'north' ORDER BY delivery")
    assert [gate[:4] for (gate,) in gates] == ["acce", "acce", "held"]


def test_item_responses_are_raw_and_name_missing_codes(warehouse: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT item, value, missing_code FROM harmonised.item_response WHERE assessment_id = 'a1' ORDER BY item"
    assert rows(warehouse, sql) == [(1, 55, None), (2, 48, None)]
    sql = "SELECT count(*), count(value) FROM harmonised.item_response WHERE assessment_id = 'a4'"
    assert rows(warehouse, sql) == [(12, 11)]
    kind = "SELECT table_type FROM information_schema.tables WHERE table_name = 'item_response'"
    assert rows(warehouse, kind) == [("VIEW",)]


def test_models_keep_to_the_portable_set() -> None:
    from assets.warehouse.build import PROJECT

    banned = ("qualify", "unpivot", "distinct on", "unnest", "list_")
    for path in sorted((PROJECT / "models").rglob("*.sql")):
        text = path.read_text(encoding="utf-8").lower()
        assert [word for word in banned if f"{word}" in text] == [], path.name


def test_every_model_says_its_grain_beside_it() -> None:
    import yaml

    from assets.warehouse.build import PROJECT

    for path in sorted((PROJECT / "models").rglob("*.sql")):
        model = yaml.safe_load(path.with_suffix(".yml").read_text(encoding="utf-8"))["models"][0]
        assert model["name"] == path.stem
        assert model["config"]["meta"]["grain"]
        assert model["description"].startswith("One row per")


def test_an_instrument_may_not_take_a_table_of_the_lake() -> None:
    from checks.lake_schema import lake_schema
    from codebook.library import load_instruments

    gaf = load_instruments()["gaf"].model_dump(mode="json") | {"key": "patient"}
    with pytest.raises(ValueError, match="patient"):
        lake_schema({"patient": Instrument.model_validate(gaf)})
