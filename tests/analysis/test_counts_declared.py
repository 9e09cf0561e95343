"""Counts and process codes from a warehouse to the tables that are sealed, and to what may be published of them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from test_count_models import made

from assets.analysis.declared import run_analyses
from assets.analysis.result_schemas import result_schemas
from assets.publishing.disclosure import Disclosure
from assets.publishing.statistics.withheld import withheld
from codebook.analysis import Analysis
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.procedures.process_codes import ProcessCodes

DECLARED = {
    "name": "self_harm",
    "title": "Self-harm",
    "panel": {
        "name": "self_harm_panel",
        "grain": "one row per episode and count",
        "measures": {
            "acts": {"instruments": ["self_harm"], "scale": "self_harm_acts"},
            "days": {"instruments": ["self_harm"], "scale": "window_days"},
        },
        "covariates": {"mbt": {"kind": "attribute", "attribute": "mbt", "is_value": "yes"}},
    },
    "outcomes": {"acts": "Self-harm acts"},
    "procedures": [
        {
            "kind": "counts",
            "name": "acts_by_treatment",
            "title": "Self-harm acts",
            "outcomes": ["acts"],
            "exposure": "days",
            "terms": ["months", "mbt"],
            "points": 7,
            "per": 30,
            "exposure_unit": "days",
            "by": "mbt",
        },
        {"kind": "process_codes", "name": "codes", "title": "Codes", "codes": ["focusing"], "sessions": "order"},
    ],
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Counts of 60 patients; one of 240 has no window; coded moments of 6 patients in 4 sessions."""
    frame = made().assign(place=lambda f: np.arange(len(f)))
    frame.loc[7, "days"] = np.nan
    with duckdb.connect() as connection:
        connection.execute("""
            create schema harmonised;
            create table harmonised.scale_score as
            with sent as (
                select *, 'self_harm' as instrument, 'patient' as rater, 'self_harm_acts' as scale, acts as score
                from frame
                union all
                select *, 'self_harm', 'patient', 'window_days', days from frame
                union all
                select *, 'omi', 'observer', 'focusing', place % 5 from frame where patient_id < 6
            )
            select instrument || place as assessment_id, 'e' || patient_id as episode_id,
                'p' || patient_id as patient_id, site_id, instrument, rater, scale, months,
                cast(null as varchar) as occasion, score
            from sent where not isnan(score);
            create table harmonised.assessment as
                select distinct assessment_id, cast(null as date) as assessment_date, months
                from harmonised.scale_score;
            create table harmonised.session (episode_id varchar, session_date date, session_number integer);
            create table harmonised.attribute as
                select distinct 'e' || patient_id as episode_id, 'mbt' as attribute,
                    case when arm = 1 then 'yes' else 'no' end as value, date '2015-01-01' as value_date
                from frame;
        """)
        analysis = Analysis.model_validate(DECLARED)
        network = Network(name="test", title="Test", is_synthetic=True)
        library = Library(NetworkFolder(Path()), network, {}, {}, {}, {"self_harm": analysis})
        results = run_analyses(connection, library, lambda sentence: None)
    assert results.failures == []
    return {name: table.to_pandas() for name, table in results.tables.items()}


def test_every_table_has_its_columns_and_rows(tables: dict[str, pd.DataFrame]) -> None:
    for name in ("results.rate", "results.estimate", "results.comparison", "results.diagnostic"):
        assert list(tables[name].columns) == result_schemas()[name].names
        assert len(tables[name]), name
    estimates = tables["results.estimate"].set_index(["model", "term"])
    assert estimates.loc[("acts_by_treatment", "mbt"), "n_observations"] == 239
    rates = tables["results.rate"]
    observed = rates[(rates["measure"] == "observed rate") & (rates["procedure"] == "acts_by_treatment")]
    assert observed["group_level"].fillna("all").tolist() == ["all", "0", "1"]
    assert set(observed["exposure_unit"]) == {"days"}
    assert observed["n_events"].iloc[0] == observed["n_events"].iloc[1:].sum() == observed["n_events_total"].iloc[0]
    diagnostics = tables["results.diagnostic"].set_index(["model", "diagnostic"])["value"]
    assert diagnostics["acts_by_treatment", "converged"] == 1
    assert len(tables["analysis.process_code_session"]) == 24 and len(tables["analysis.process_code_trend"]) == 6


def test_few_events_are_not_published() -> None:
    row = {"procedure": "acts", "outcome": "acts", "measure": "observed rate", "n_patients": 40}
    frame = pl.DataFrame(
        [
            row | {"group_level": None, "n_events": 60, "n_events_total": 60, "estimate": 1.0},
            row | {"group_level": "0", "n_events": 58, "n_events_total": 60, "estimate": 1.4},
            row | {"group_level": "1", "n_events": 2, "n_events_total": 60, "estimate": 0.1},
        ],
        schema_overrides={"group_level": pl.String},
    )
    hidden = withheld("results.rate", frame, Disclosure(5))
    assert hidden["is_suppressed"].all() and hidden["n_events"].is_null().all() and hidden["estimate"].is_null().all()
    enough = withheld("results.rate", frame.with_columns(n_events=pl.Series([60, 35, 25])), Disclosure(5))
    assert not enough["is_suppressed"].any()


def test_unknown_codes_are_found_before_the_run() -> None:
    declared = ProcessCodes.model_validate(
        {
            "kind": "process_codes",
            "name": "codes",
            "title": "Codes",
            "codes": ["focusing", "focussing"],
            "rater": "patient",
        }
    )
    panel = Analysis.model_validate(DECLARED).panel
    problems = list(declared.problems(panel, load_instruments()))
    assert problems[0].startswith("omi has no scale 'focussing'; it has focusing,")
    assert problems[1] == "omi is not answered by 'patient'; it is by observer"
