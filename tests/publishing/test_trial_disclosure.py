"""A trial with a small arm: neither the difference nor what it is divided into leaves the network."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from assets.publishing.disclosure import Disclosure
from assets.publishing.statistics.records import procedures
from assets.publishing.statistics.withheld import MARK
from codebook.analysis import Analysis

ROW: dict[str, Any] = {"analysis": "trial", "procedure": "arms", "outcome": "bdi"}
ANALYSIS = Analysis.model_validate(
    {
        "name": "trial",
        "title": "Trial",
        "panel": {
            "name": "trial_panel",
            "grain": "one row per assessment",
            "measures": {"bdi": {"instruments": ["bdi_ii"], "scale": "total"}},
            "covariates": {"arm": {"kind": "episode", "column": "arm", "is_value": "active"}},
        },
        "outcomes": {"bdi": "BDI-II"},
        "procedures": [{"name": "arms", "title": "Arms", "kind": "arms_by_time", "outcomes": ["bdi"], "arm": "arm"}],
    }
)


@pytest.mark.parametrize(("n_active", "is_hidden"), [(3, True), (20, False)])
def test_effect_sizes_of_a_small_arm_are_held_back_with_its_contrasts(n_active: int, is_hidden: bool) -> None:
    n = 20 + n_active
    panel = pl.DataFrame({"patient_id": [f"p{k}" for k in range(n)], "arm": [1] * n_active + [0] * 20})
    named = ROW | {"contrast": "1 - 0", "estimate": -2.5}
    results = {
        "results.procedure": pl.DataFrame([ROW | {"kind": "arms_by_time", "title": "Arms", "n_patients": n}]),
        "results.contrast": pl.DataFrame([named | {"n_patients": n}]),
        "results.effect_size": pl.DataFrame([named | {"variant": "d_model_sd", "n": n}]),
    }
    (found,) = procedures(ANALYSIS, results, panel, Disclosure(5), {})
    for table in ("results.contrast", "results.effect_size"):
        (row,) = found.rows(table)
        assert row[MARK] is is_hidden, table
        assert row["estimate"] == (None if is_hidden else -2.5)
