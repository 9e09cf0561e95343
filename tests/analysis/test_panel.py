"""A panel's SQL on a warehouse of a few hand-written rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.analysis.panel import panel_columns, panel_schema, panel_sql
from codebook.analysis import Analysis
from codebook.declaration import load
from codebook.panel import Panel

ROOT = Path(__file__).parent.parent.parent
ALLIANCE = load(ROOT / "simulation" / "network" / "analyses" / "alliance.yaml", Analysis).panel
OUTCOMES = load(ROOT / "simulation" / "network" / "analyses" / "outcomes.yaml", Analysis).panel

TABLES = """
create schema harmonised;
create table harmonised.patient (patient_id varchar, sex varchar, birth_year integer, n_episodes bigint);
create table harmonised.episode (episode_id varchar, patient_id varchar, site_id varchar, treatment varchar,
    arm varchar, admission_date date, treatment_start_date date, is_completed_as_planned boolean,
    termination_reason varchar, treatment_months double);
create table harmonised.attribute (episode_id varchar, patient_id varchar, attribute varchar, value varchar,
    value_date date);
create table harmonised.assessment (assessment_id varchar, episode_id varchar, patient_id varchar,
    months_anchor varchar);
create table harmonised.scale_score (assessment_id varchar, episode_id varchar, patient_id varchar, site_id varchar,
    instrument varchar, version varchar, rater varchar, scale varchar, months double, occasion varchar, score double,
    status varchar);
insert into harmonised.patient values ('p1', 'female', 1980, 1), ('p2', 'male', 1990, 1), ('p3', null, null, 1);
insert into harmonised.episode values
    ('e1', 'p1', 'north', 'MBT', 'a', '2009-12-20', '2010-01-05', true, 'completed', 20.5),
    ('e2', 'p2', 'north', 'MBT', 'b', '2012-05-01', null, false, 'drop_out', 5.0),
    ('e3', 'p3', 'south', 'MBT', null, null, null, null, null, null);
insert into harmonised.attribute values
    ('e1', 'p1', 'mood_disorder', 'no', '2010-01-01'), ('e1', 'p1', 'mood_disorder', 'yes', '2011-01-01'),
    ('e2', 'p2', 'mood_disorder', 'no', '2012-05-01'), ('e1', 'p1', 'paranoid_pd', 'no', null),
    ('e1', 'p1', 'work_months', '3', '2010-01-01'), ('e1', 'p1', 'work_months', '7', '2010-02-01'),
    ('e2', 'p2', 'work_months', 'some', '2012-05-01'), ('e3', 'p3', 'mood_disorder', null, null);
"""
# assessment, episode, instrument, rater, occasion, months, {scale: score}
ASSESSMENTS: list[tuple[str, str, str, str, str | None, float, dict[str, float | None]]] = [
    ("a1", "e1", "wai_s", "patient", "m03", 3.1, {"task": 5, "goal": 4, "bond": 6}),
    ("a2", "e1", "wai_s", "patient", "m09", 9.2, {"task": 5.5, "goal": None, "bond": 6}),
    ("a3", "e1", "wai_sr", "patient", "discharge", 20.4, {"task": 6, "goal": 5, "bond": 6}),
    ("a4", "e1", "wai_s", "therapist", "m03", 3.0, {"task": 2, "goal": 2, "bond": 2}),
    ("a5", "e2", "wai_sr", "patient", "m03", 2.9, {"task": 4, "goal": 4, "bond": 4}),
    ("a6", "e2", "wai_sr", "patient", "unscheduled", 5.5, {"task": 4, "goal": 4, "bond": 3}),
    ("a7", "e3", "wai_s", "patient", "m03", 3.0, {"task": 3, "goal": 3, "bond": 3}),
    ("a8", "e3", "wai_s", "patient", "m09", 9.0, {"task": None, "goal": None, "bond": None}),
    ("g0", "e1", "gaf", "clinician", "baseline", 0.0, {"gaf_global": 45}),
    ("g1", "e1", "gaf", "clinician", "discharge", 20.0, {"gaf_global": 59, "gaf_s": 61}),
    ("g2", "e1", "gaf", "clinician", "discharge", 20.6, {"gaf_global": 60, "gaf_s": 61}),
    ("g3", "e2", "gaf", "clinician", "discharge", 14.0, {"gaf_global": 59.9}),
    ("g4", "e2", "gaf", "clinician", None, 7.0, {"gaf_global": 50}),
    ("w0", "e1", "wsas", "patient", "baseline", 0.2, {"total": 30}),
    ("w4", "e2", "wsas", "patient", None, 7.0, {"total": 22}),
    ("b0", "e1", "bsi_18", "patient", "baseline", 0.1, {"gsi_mean": 2.0, "gsi_sum": 36}),
]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        patients = {"e1": ("p1", "north"), "e2": ("p2", "north"), "e3": ("p3", "south")}
        for key, episode, instrument, rater, occasion, months, scores in ASSESSMENTS:
            patient, site = patients[episode]
            anchor = "admission" if episode == "e1" else "treatment_start"
            connection.execute("insert into harmonised.assessment values (?, ?, ?, ?)", [key, episode, patient, anchor])
            for scale, score in scores.items():
                row = [key, episode, patient, site, instrument, "v", rater, scale, months, occasion, score, "scored"]
                connection.execute(f"insert into harmonised.scale_score values ({', '.join('?' * 12)})", row)
        yield connection


def build(connection: duckdb.DuckDBPyConnection, panel: Panel) -> list[dict[str, Any]]:
    table = connection.execute(panel_sql(panel)).to_arrow_table()
    assert table.schema.equals(panel_schema(panel)), "DuckDB's types are those that the empty table would have"
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_alliance_panel_has_its_contract(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert panel_columns(ALLIANCE)[:13] == (
        *("patient_id", "episode_id", "site_id", "months", "task", "goal", "bond", "poor_outcome", "age"),
        *("mood_disorder", "paranoid_pd", "n_assessments", "version_group"),
    )
    rows = build(warehouse, ALLIANCE)
    assert [row["assessment_id"] for row in rows] == ["a1", "a2", "a3", "a5", "a6", "a7"]
    by_id = {row["assessment_id"]: row for row in rows}
    assert by_id["a2"]["goal"] is None and by_id["a2"]["task"] == 5.5
    assert [by_id[key]["months"] for key in ("a1", "a3", "a6")] == [3.1, 36, 5.5]
    assert [by_id[key]["n_assessments"] for key in ("a1", "a5", "a7")] == [3, 2, 1]
    assert [by_id[key]["version_group"] for key in ("a1", "a5", "a7")] == ["both", "wai_sr", "wai_s"]


def test_covariates_are_unknown_not_nought_where_nothing_is_known(warehouse: duckdb.DuckDBPyConnection) -> None:
    first = {row["episode_id"]: row for row in reversed(build(warehouse, ALLIANCE))}
    names = ("poor_outcome", "age", "mood_disorder", "paranoid_pd")
    # the last GAF at discharge is 60 and so not below; months count from admission in 2009
    assert [first["e1"][name] for name in names] == [0, 29, 1, 0]
    assert [first["e2"][name] for name in names] == [1, 22, 0, None]
    assert [first["e3"][name] for name in names] == [None, None, None, None]


def test_measures_of_several_instruments_share_an_occasion(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = build(warehouse, OUTCOMES)
    values = [(r["episode_id"], r["occasion"], r["months"], r["gaf"], r["wsas"], r["bsi"]) for r in rows]
    assert values == [
        ("e1", "baseline", 0.1, 45, 30, 2.0),
        ("e1", "discharge", 36, 59, None, None),
        ("e1", "discharge", 36, 60, None, None),
        ("e2", None, 7.0, 50, None, None),
        ("e2", None, 7.0, None, 22, None),
        ("e2", "discharge", 36, 59.9, None, None),
    ]
    assert [row["assessment_id"] for row in rows] == [None, "g1", "g2", "g4", "w4", "g3"]


def test_limits_and_the_other_covariates(warehouse: duckdb.DuckDBPyConnection) -> None:
    panel = Panel.model_validate(
        {
            "name": "limited",
            "grain": "one row per episode and WAI",
            "measures": {"task": {"instruments": ["wai_s", "wai_sr"], "scale": "task"}},
            "after_months": 3.0,
            "max_months": 9.2,
            "covariates": {
                "first_gaf": {
                    "kind": "score_at",
                    "occasion": "discharge",
                    "measure": {"instruments": ["gaf"], "scale": "gaf_global", "rater": "clinician"},
                },
                "work": {"kind": "attribute", "attribute": "work_months"},
                "arm_b": {"kind": "episode", "column": "arm", "is_value": "b"},
                "planned": {"kind": "episode", "column": "is_completed_as_planned", "is_value": "true"},
                "n": {"kind": "n_assessments"},
            },
        }
    )
    rows = build(warehouse, panel)
    assert [(row["assessment_id"], row["n"]) for row in rows] == [("a1", 2), ("a2", 2), ("a6", 1)]
    names = ("first_gaf", "work", "arm_b", "planned")
    assert [rows[0][name] for name in names] == [59, 7, 0, 1]
    assert [rows[2][name] for name in names] == [59.9, None, 1, 0]


def test_columns_of_course_and_patient_limits_and_cells(warehouse: duckdb.DuckDBPyConnection) -> None:
    gaf = {"instruments": ["gaf"], "scale": "gaf_global", "rater": "clinician"}
    covariates: dict[str, dict[str, Any]] = {
        "good": {"kind": "final_score_at_least", "measure": gaf, "at_least": 60},
        "last_gaf": {"kind": "score_at", "measure": gaf, "occasion": "discharge", "which": "last", "centred_at": 60},
        "first_gaf": {"kind": "score_at", "measure": gaf, "occasion": "discharge"},
        "little_work": {"kind": "attribute", "attribute": "work_months", "below": 7.5},
        "more_work": {"kind": "attribute", "attribute": "work_months", "centred_at": 5},
        "months_treated": {"kind": "episode", "column": "treatment_months"},
        "early": {"kind": "episode", "column": "treatment_months", "below": 6},
        "reason": {"kind": "episode", "column": "termination_reason"},
        "planned": {"kind": "episode", "column": "is_completed_as_planned"},
        "female": {"kind": "patient", "column": "sex", "is_value": "female"},
        "older": {"kind": "age", "centred_at": 25},
        "cell": {
            "kind": "cells",
            "of": ["early", "reason"],
            "cells": {"stayed": [0, "completed"], "early_out": [1, "drop_out"]},
            "reference": "stayed",
        },
    }
    measures = {"task": {"instruments": ["wai_s", "wai_sr"], "scale": "task"}}
    panel = Panel.model_validate({"name": "all", "grain": "g", "measures": measures, "covariates": covariates})
    first = {row["episode_id"]: row for row in reversed(build(warehouse, panel))}
    found = {episode: [row[name] for name in covariates] for episode, row in first.items()}
    assert found["e1"] == [1, 0.0, 59.0, 1, 2.0, 20.5, 0, "completed", 1, 1, 4.0, "stayed"]
    assert found["e2"] == [0, pytest.approx(-0.1), 59.9, None, None, 5.0, 1, "drop_out", 0, 0, -3.0, "early_out"]
    assert found["e3"] == [None] * len(covariates)


def test_values_are_quoted_and_taken_names_refused(warehouse: duckdb.DuckDBPyConnection) -> None:
    measures = {"task": {"instruments": ["wai_s"], "scale": "task"}}
    odd = {"odd": {"kind": "attribute", "attribute": "o'brien", "is_value": "'; drop table harmonised.patient; --"}}
    panel = Panel.model_validate({"name": "odd", "grain": "g", "measures": measures, "covariates": odd})
    assert {row["odd"] for row in build(warehouse, panel)} == {None}
    for name in ("months", "score", "task"):
        covariates = {name: {"kind": "age"}}
        taken = Panel.model_validate({"name": "x", "grain": "g", "measures": measures, "covariates": covariates})
        with pytest.raises(ValueError, match=name):
            panel_sql(taken)


def test_row_order_does_not_depend_on_the_tables(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = build(warehouse, OUTCOMES)
    warehouse.execute(
        "create or replace table harmonised.scale_score as "
        "select * from harmonised.scale_score order by hash(assessment_id || scale)"
    )
    assert build(warehouse, OUTCOMES) == before
