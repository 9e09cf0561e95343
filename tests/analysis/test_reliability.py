"""Alpha against psych (R), omega against statsmodels' factor analysis, and scales that have neither."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedure_room import analysis, answers, run

from assets.analysis.consistency import (
    alpha,
    feldt_interval,
    mean_correlation,
    omega,
    one_factor,
    pairwise_covariance,
    standardised_alpha,
)
from assets.analysis.design_matrix import NotEstimableError

DECLARED = {"kind": "reliability", "n_resamples": 100}


def sample(rng: np.random.Generator, n: int, k: int, loading: float) -> np.ndarray:
    common = rng.standard_normal((n, 1))
    return loading * common + np.sqrt(1 - loading**2) * rng.standard_normal((n, k))


@pytest.mark.parametrize("scale", ["A", "C", "N"])
def test_alpha_is_that_of_psych(shared: Path, scale: str) -> None:
    reference = json.loads((shared / "golden" / "alpha.json").read_text())[scale]
    frame = pd.read_csv(shared / "golden" / "bfi600.csv")[reference["items"]]
    values = frame.to_numpy(dtype=float)
    turned = np.array(reference["keys"]) < 0
    values[:, turned] = 7 - values[:, turned]
    covariance, pairwise = pairwise_covariance(values), reference["pairwise"]
    assert alpha(covariance) == pytest.approx(pairwise["raw_alpha"], abs=1e-10)
    assert standardised_alpha(covariance) == pytest.approx(pairwise["std.alpha"], abs=1e-10)
    assert mean_correlation(covariance) == pytest.approx(pairwise["average_r"], abs=1e-10)
    interval = reference["feldt_ci_pairwise"]
    assert feldt_interval(alpha(covariance), 600, 5) == pytest.approx((interval["lo"], interval["hi"]), abs=1e-10)
    complete = values[~np.isnan(values).any(axis=1)]
    assert len(complete) == reference["n_complete"]
    assert alpha(pairwise_covariance(complete)) == pytest.approx(reference["complete_cases"]["raw_alpha"], abs=1e-10)
    for place, expected in enumerate(reference["alpha_if_dropped"].values()):
        rest = np.delete(np.delete(covariance, place, 0), place, 1)
        assert alpha(rest) == pytest.approx(expected, abs=1e-10)


def test_pairwise_covariances_are_those_of_pandas() -> None:
    rng = np.random.default_rng(4)
    values = sample(rng, 60, 4, 0.7)
    values[rng.random(values.shape) < 0.1] = np.nan
    assert pairwise_covariance(values) == pytest.approx(pd.DataFrame(values).cov().to_numpy(), abs=1e-12)


def test_one_factor_is_that_of_statsmodels() -> None:
    from statsmodels.multivariate.factor import Factor

    rng = np.random.default_rng(5)
    values = sample(rng, 300, 6, 0.7) * np.array([1, 2, 1, 3, 1, 1])
    values[:, 0] = 0.4 * values[:, 0] + rng.standard_normal(300)
    matrix = np.corrcoef(values.T)
    loading, unique = one_factor(matrix[None], 1e-10, 20_000)
    other = Factor(corr=matrix, n_factor=1, method="ml").fit().loadings[:, 0]
    assert loading[0] == pytest.approx(np.abs(other), abs=1e-4)
    assert unique[0] == pytest.approx(1 - loading[0] ** 2, abs=1e-6)


def test_omega_finds_what_was_drawn_and_says_how_sure_it_is() -> None:
    loading, k = 0.7, 6
    truth = (k * loading) ** 2 / ((k * loading) ** 2 + k * (1 - loading**2))
    values = sample(np.random.default_rng(6), 800, k, loading)
    values[::9, 2] = np.nan
    found = omega(values, 200, 1)
    assert found.n == 800 - 89 and found.n_resamples == 200 and not found.is_improper
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low < truth < found.ci_high and found.ci_high - found.ci_low < 0.08
    again, other = omega(values, 200, 1), omega(values, 200, 2)
    assert again == found and other.ci_low != found.ci_low
    # items of one loading and one variance: omega is alpha
    assert found.estimate == pytest.approx(alpha(np.cov(values[~np.isnan(values).any(axis=1)].T)), abs=5e-3)


def test_omega_is_in_the_metric_of_the_sum() -> None:
    values = sample(np.random.default_rng(7), 400, 4, 0.8)
    assert omega(10 * values, 100, 1).estimate == pytest.approx(omega(values, 100, 1).estimate, abs=1e-8)
    uneven = values * np.array([1.0, 1.0, 1.0, 20.0])
    # one item outweighs the rest, so the sum is about as reliable as that item
    assert omega(uneven, 100, 1).estimate == pytest.approx(0.64, abs=0.08)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones((50, 4)), "same answer on every complete form"),
        (np.arange(100.0).reshape(50, 2), "3 items or more"),
        (np.arange(40.0).reshape(10, 4), "fewer than 30 forms are complete"),
        (np.full((50, 4), np.nan), "fewer than 30 forms are complete"),
    ],
)
def test_omega_refuses_with_a_reason(values: np.ndarray, reason: str) -> None:
    with pytest.raises(NotEstimableError, match=reason):
        omega(values, 100, 1)


def test_alpha_refuses_with_a_reason() -> None:
    for values, reason in (
        (np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 3.0]]), "fewer than 2 forms"),
        (np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]]), "same answer on every form"),
    ):
        with pytest.raises(NotEstimableError, match=reason):
            pairwise_covariance(values)
    with pytest.raises(NotEstimableError, match="at least 2 items"):
        alpha(np.array([[1.0]]))
    with pytest.raises(NotEstimableError, match="no variance"):
        alpha(np.array([[1.0, -1.0], [-1.0, 1.0]]))


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """WAI-S of a hundred patients whose answers share one factor: items 4 and 10 are reversed in the export."""
    with duckdb.connect() as connection:
        values = np.clip(np.rint(4 + 1.5 * sample(np.random.default_rng(8), 100, 12, 0.8)), 1, 7)
        values[:, [3, 9]] = 8 - values[:, [3, 9]]
        frame = pd.DataFrame(values, columns=range(1, 13))
        frame.iloc[:3, 0] = np.nan
        answers(connection, "wai_s", "wai_s_7", frame)
        answers(connection, "wai_s", "wai_s_7", frame.iloc[:2], occasion="m03", months=3.0)
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, **more: Any) -> pd.DataFrame:
    declared = analysis(DECLARED | {"instruments": {"wai_s": ["goal", "total"]}} | more)
    said, found = run(declared, connection=connection)
    assert said.get("reason") is None
    return pd.DataFrame(found["results.reliability"])


def test_answers_are_turned_by_the_codebooks_key(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse).set_index(["measure", "coefficient"])
    # of the goal scale two items of four are reversed: unturned, alpha would be far below zero
    goal = found.loc[("wai_s.goal", "alpha_complete")]
    assert goal["estimate"] > 0.8 and goal["n_items"] == 4 and goal["n_subjects"] == 100
    total = found.loc[[("wai_s.total", "alpha_complete"), ("wai_s.total", "alpha_pairwise")]]
    assert total["n_subjects"].tolist() == [97, 100] and (total["estimate"] > 0.9).all()
    dropped = found.loc[("wai_s.goal", "alpha_if_dropped")]
    assert dropped["item"].tolist() == [4, 6, 10, 11]
    value = found.loc[("wai_s.total", "omega_total")]
    assert value["ci_low"] < value["estimate"] < value["ci_high"] and value["n_subjects"] == 97


def test_occasions_and_scales_without_enough_have_a_reason(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse, occasions=["m03", "m99"])
    assert "estimate" not in found
    assert "fewer than 3 forms have answers" in set(found.loc[found["occasion"] == "m03", "reason"])
    assert set(found.loc[found["occasion"] == "m99", "reason"]) == {
        "fewer than 3 forms have answers",
        "fewer than 30 forms are complete",
    }
    absent = rows(warehouse, instruments={"bsi_18": [], "made_up": [], "wai_s": ["nothing"]})
    assert absent["reason"].tolist() == [
        "no form of bsi_18 by the patient has any answer to an item",
        "the codebook has no instrument 'made_up'",
        "version wai_s_7 has no scale 'nothing'",
    ]


def test_a_scale_of_one_rating_has_no_alpha() -> None:
    with duckdb.connect() as connection:
        answers(connection, "gaf", "gaf_split", pd.DataFrame({1: [50, 60, 55.0], 2: [48, 61, 50.0]}), rater="clinician")
        declared = {"instruments": {"gaf": ["gaf_s", "gaf_global"]}, "rater": "clinician"}
        found = rows(connection, **declared).set_index(["measure", "coefficient"])["reason"]
    assert "alpha needs at least 2 items" in found.loc[("gaf.gaf_s", "alpha_complete")]
    assert "(min) has no alpha" in found.loc["gaf.gaf_global"].iloc[0]


def test_recoded_answers_count_as_scored() -> None:
    instrument_items = pd.DataFrame(np.tile(np.arange(4.0), (21, 1)).T, columns=range(1, 22))
    with duckdb.connect() as connection:
        # BDI-II items 16 and 18 have seven answers, which collapse to 0–3
        instrument_items[[16, 18]] = np.array([[0.0, 1, 3, 5], [0, 2, 4, 6]]).T
        answers(connection, "bdi_ii", "bdi_ii_0_6", instrument_items)
        said, found = run(analysis(DECLARED | {"instruments": {"bdi_ii": ["total"]}}), connection=connection)
    row = next(r for r in found["results.reliability"] if r["coefficient"] == "alpha_complete")
    assert said["n_patients"] == 4 and row["estimate"] == pytest.approx(1.0, abs=1e-12)
