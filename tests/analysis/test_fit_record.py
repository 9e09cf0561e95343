"""`concord fit --format json` beside everything that lme4, lmerTest and pbkrtest say of the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import GOLDEN, INTERCEPT_ONLY, formula, read
from typer.testing import CliRunner

from orchestration.cli import app


def said(name: str, model: str, method: str) -> dict[str, Any]:
    options = ["--data", str(GOLDEN / f"{name}.csv"), "--patient", "id", "--time", "month", "--format", "json"]
    random = "intercept" if model in INTERCEPT_ONLY else "slope"
    result = CliRunner().invoke(
        app, ["fit", formula(name, model, "month"), *options, "--method", method, "--random", random]
    )
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def numbers(record: Any) -> list[float]:
    """All numbers of nested lists and dictionaries, by sorted key."""
    if isinstance(record, dict):
        return [value for key in sorted(record) for value in numbers(record[key])]
    if isinstance(record, list):
        return [value for entry in record for value in numbers(entry)]
    return [] if record is None else [float(record)]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("name", ["sim_wai", "sim_singular"])
@pytest.mark.parametrize("model", ["random_intercept", "growth", "predictor"])
def test_every_key_of_the_reference_is_there(name: str, model: str, method: str) -> None:
    reference = read(GOLDEN, name)[1][method][model]
    found = said(name, model, method)
    assert set(reference) <= set(found)
    assert found["REML"] is reference["REML"] and found["singular"] is reference["singular"]
    tolerances = {"kenward_roger": 1e-5, "satterthwaite_df": 1e-4, "satterthwaite_p": 1e-3, "theta": 1e-4}
    for key in set(reference) - {"formula", "REML", "singular", "re_names"}:
        expected = np.array(numbers(reference[key]))
        limit = tolerances.get(key, 1e-5)
        assert np.array(numbers(found[key])) == pytest.approx(expected, rel=limit, abs=1e-8), key


def test_the_table_says_it_in_words(tmp_path: Path) -> None:
    options = ["--data", str(GOLDEN / "sim_singular.csv"), "--patient", "id", "--time", "month"]
    result = CliRunner().invoke(app, ["fit", "y ~ month", *options])
    assert result.exit_code == 0
    assert "cannot all be told apart" in result.stdout and "Satterthwaite" in result.stdout
    few = tmp_path / "few.csv"
    few.write_text("id,month,y\n1,0,3\n1,3,4\n", encoding="utf-8")
    refused = CliRunner().invoke(app, ["fit", "y ~ month", "--data", str(few), "--patient", "id", "--time", "month"])
    assert refused.exit_code == 1 and "fewer than 2 patients" in refused.stdout
