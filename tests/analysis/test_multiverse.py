"""Every universe is a fit of its own, the primary one is the declared model, and what fails says why."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from assets.analysis.mixed_model import fit
from assets.analysis.multiverse import multiverse
from assets.analysis.procedure import Found, Room, run_procedure
from codebook.analysis import Analysis
from codebook.procedures import Multiverse
from simulation.growth import Truth, Visits, draw_growth

PANEL = {
    "name": "small",
    "grain": "one row",
    "measures": {"task": {"instruments": ["wai_sr"], "scale": "task"}},
    "covariates": {
        "poor": {"kind": "final_score_below", "measure": {"instruments": ["gaf"], "scale": "gaf_global"}, "below": 60},
        "other": {"kind": "final_score_below", "measure": {"instruments": ["gaf"], "scale": "gaf_global"}, "below": 50},
        "age": {"kind": "age"},
    },
}
DECLARED = {"kind": "multiverse", "name": "choices", "title": "Choices", "outcomes": ["task"]}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = draw_growth(rng, Truth(), Visits(), 120)
    age = rng.normal(28, 6, 120)
    other = np.where(rng.random(120) < 0.8, (np.bincount(data.patient, data.group) > 0), 0).astype(int)
    columns = {"patient_id": data.patient, "months": data.month, "task": data.y, "poor": data.group}
    return pd.DataFrame(columns | {"other": other[data.patient], "age": age[data.patient]})


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def room(connection: duckdb.DuckDBPyConnection, panel: pd.DataFrame, declared: Multiverse) -> Room:
    analysis = Analysis.model_validate(
        {"name": "a", "title": "A", "panel": PANEL, "outcomes": {"task": "Task"}, "procedures": [declared]}
    )
    return Room(analysis, SimpleNamespace(), panel, connection)  # type: ignore[arg-type]


def rows(found: Found) -> list[dict[str, Any]]:
    return found.rows["results.sensitivity"]


def test_every_combination_once_and_the_primary_first(connection: duckdb.DuckDBPyConnection) -> None:
    choices = {"predictors": ["poor", "other"], "adjusted_for": [[], ["age"]], "estimation": ["ML", "REML"]}
    declared = Multiverse.model_validate(DECLARED | choices | {"least_assessments": [1, 2]})
    panel = frame()
    found = multiverse(declared, room(connection, panel, declared))
    assert len(rows(found)) == 16 == len({row["choices"] for row in rows(found)})
    assert [row["universe"] for row in rows(found) if row["is_primary"]] == [1]
    own = fit(panel, "task", ["months", "poor", "months:poor"], "patient_id", "months").estimates.set_index("term")
    assert rows(found)[0]["estimate"] == pytest.approx(own.loc["months:poor", "estimate"])
    last = rows(found)[-1]
    assert last["choices"] == "predictor=other; adjusted for=age; estimation=REML; assessments≥2"
    assert last["n_observations"] < rows(found)[0]["n_observations"] and last["method"].startswith("REML")
    assert found.note is not None and found.note.startswith("16 universes")


def test_what_fails_is_a_row_with_its_reason(connection: duckdb.DuckDBPyConnection) -> None:
    declared = Multiverse.model_validate(DECLARED | {"predictors": ["poor", "other"]})
    panel = frame().assign(other=1)
    found = multiverse(declared, room(connection, panel, declared))
    assert rows(found)[0].get("reason") is None and "collinear" in rows(found)[1]["reason"]
    row, tables = run_procedure(declared, room(connection, panel.iloc[:0], declared))
    assert row["reason"] == "the panel has no row" and tables == {}


def test_a_target_that_is_no_term_is_refused() -> None:
    with pytest.raises(ValueError, match="is not among the terms"):
        Multiverse.model_validate(DECLARED | {"predictors": ["poor"], "target": "age"})
