"""What a formula may say, and what comes back from it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from assets.analysis.fit_record import to_record, to_rows
from assets.analysis.formula import FormulaError, fit_formula, parse_formula


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ 1", ()),
        ("y ~ month", ("month",)),
        ("y~month*pred", ("month", "pred", "month:pred")),
        ("y ~ month + month:pred", ("month", "month:pred")),
        ("y ~ month * pred + month * nobs", ("month", "pred", "nobs", "month:pred", "month:nobs")),
        ("y ~ a * b * c", ("a", "b", "c", "a:b", "a:c", "b:c", "a:b:c")),
        ("y ~ a:b * c", ("c", "a:b", "a:b:c")),
        ("y ~ a + a + b:a + a:b", ("a", "b:a")),
        ("Größe ~ bdi.pre + månad", ("bdi.pre", "månad")),
    ],
)
def test_reads_as_r_does(text: str, terms: tuple[str, ...]) -> None:
    assert parse_formula(text).terms == terms


@pytest.mark.parametrize(
    "text",
    [
        "y",
        "y ~ a ~ b",
        "~ a",
        "y ~",
        "y ~ a +",
        "y ~ a - 1",
        "y ~ 0 + a",
        "y ~ log(a)",
        "y ~ I(a^2)",
        "y ~ a / b",
        "y ~ (1 | id)",
        "y ~ a b",
        "y ~ a:",
        "y ~ a**b",
        "y ~ y",
        "__import__('os') ~ a",
        "log(y) ~ a",
    ],
)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    person = np.repeat(np.arange(40), 4)
    month = np.tile([0, 6, 12, 18], 40)
    y = random.normal(0, 1, 40)[person] + 0.1 * month + random.normal(0, 0.5, 160)
    return pd.DataFrame({"person": person, "month": month, "y": y, "arm": np.where(person % 2, "usual", "new")})


def test_fits_a_text_column_as_levels() -> None:
    result = fit_formula("y ~ month * arm", frame(), "person", "month", random="intercept", method="REML")
    assert [row["term"] for row in to_rows(result)] == ["intercept", "month", "arm[usual]", "month:arm[usual]"]
    assert to_rows(result)[1]["estimate"] == pytest.approx(0.1, abs=0.03)
    assert result.method.startswith("REML, random intercept, profiled likelihood")


def test_json_has_nulls_not_nan() -> None:
    result = fit_formula("y ~ month * arm", frame(), "person", "month", random="intercept", method="ML")
    read = json.loads(json.dumps(to_record(result, "y ~ month * arm", "person", "month", "intercept"), allow_nan=False))
    assert read["formula"] == "y ~ month * arm + (1 | person)"
    assert list(read["fixef"]) == ["(Intercept)", "month", "armusual", "month:armusual"]
    assert read["kenward_roger"] is None and read["AIC_SPSS_REML"] is None and read["reason"] is None
    assert (read["n_obs"], read["n_groups"], read["re_cor"]) == (160, 40, [[1.0]])
    failed = fit_formula("y ~ month", frame().head(3), "person", "month", random="intercept", method="ML")
    record = to_record(failed, "y ~ month", "person", "month", "intercept")
    assert json.loads(json.dumps(record, allow_nan=False))["reason"]


@pytest.mark.parametrize("change", [{"formula": "y ~ days"}, {"patient": "id"}, {"time": "t"}])
def test_unknown_column_is_named(change: dict[str, str]) -> None:
    asked = {"formula": "y ~ month", "patient": "person", "time": "month"} | change
    with pytest.raises(FormulaError, match="columns are person, month, y, arm"):
        fit_formula(asked["formula"], frame(), asked["patient"], asked["time"], random="intercept", method="ML")
