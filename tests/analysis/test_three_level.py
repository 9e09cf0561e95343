"""Sites and therapists above patients: against lme4 and statsmodels, the division of variance, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from multilevel_room import by, panel, run

from assets.analysis.mixed_model import fit

DATA = Path(__file__).parent.parent / "data" / "multilevel"
DECLARED: dict[str, Any] = {
    "kind": "three_level",
    "outcomes": ["y"],
    "terms": ["months", "poor", "months:poor"],
    "random_patient": "intercept",
    "estimation": "REML",
}
COLUMNS = ["patient_id", "episode_id", "site_id", "occasion", "months", "y", "poor"]


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return pd.read_csv(DATA / "three_level.csv").rename(columns={"site": "site_id"})


@pytest.fixture(scope="module")
def frame(simulated: pd.DataFrame) -> pd.DataFrame:
    return panel(simulated, "patient", "month")[COLUMNS]


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ({}, "site_intercept"),
        ({"random_patient": "intercept_and_slope"}, "patient_slope"),
        ({"random_patient": "intercept_and_slope", "random_level": "intercept_and_slope"}, "both_slopes"),
    ],
)
def test_sites_as_lme4(more: dict[str, Any], model: str, frame: pd.DataFrame) -> None:
    expected = json.loads((DATA / "reference.json").read_text())["three_level"][model]["REML"]
    row, rows = run(DECLARED | more, frame)
    (fitted,) = rows["results.fit"]
    assert fitted["log_likelihood"] == pytest.approx(expected["logLik"], abs=1e-6)
    assert (fitted["n_patients"], fitted["n_observations"]) == (frame["patient_id"].nunique(), expected["n"])
    assert fitted["is_singular"] is expected["singular"]
    assert ("boundary" in row["note"]) is expected["singular"]
    for found, estimate, error, df in zip(
        rows["results.estimate"], *(expected[key] for key in ("estimate", "std_error", "df")), strict=True
    ):
        assert (found["estimate"], found["std_error"]) == pytest.approx((estimate, error), abs=1e-5)
        assert found["df"] == pytest.approx(df, rel=1e-3)
    variances = {name: np.array(value) for name, value in expected["var_years"].items()}
    components = by(rows["results.variance_component"], "component")
    for name, value in variances.items():
        assert components[f"{name}.var_intercept"]["estimate"] == pytest.approx(value[0, 0], rel=1e-3)
        if len(value) > 1:
            assert components[f"{name}.var_slope"]["estimate"] == pytest.approx(value[1, 1] / 144, rel=1e-3)
    assert fitted["var_intercept"] == components["patient.var_intercept"]["estimate"]
    assert fitted["var_residual"] == pytest.approx(expected["sigma2"], rel=1e-4)
    total = variances["site"][0, 0] + variances["patient"][0, 0] + expected["sigma2"]
    site = components["icc.site"]
    assert site["estimate"] == pytest.approx(variances["site"][0, 0] / total, rel=1e-3)
    assert 0 < site["ci_low"] < site["estimate"] < site["ci_high"] < 1
    shares = [components[name]["estimate"] for name in ("icc.site", "share.patient", "share.residual")]
    assert sum(shares) == pytest.approx(1.0)
    assert components["icc.patient_in_site"]["estimate"] == pytest.approx(shares[0] + shares[1])


def test_sites_as_statsmodels(simulated: pd.DataFrame, frame: pd.DataFrame) -> None:
    from statsmodels.formula.api import mixedlm

    few = simulated[simulated["site_id"] < "s06"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = mixedlm(
            "y ~ month * poor", few, groups="site_id", re_formula="1", vc_formula={"patient": "0 + C(patient)"}
        ).fit(reml=False)
    _, rows = run(DECLARED | {"estimation": "ML", "minimum_groups": 2}, frame[frame["site_id"] < "s06"])
    assert rows["results.fit"][0]["log_likelihood"] >= reference.llf - 1e-6
    assert rows["results.fit"][0]["log_likelihood"] == pytest.approx(reference.llf, abs=1e-3)
    for row, value in zip(rows["results.estimate"], reference.fe_params, strict=True):
        assert abs(row["estimate"] - value) < 0.02 * row["std_error"]


def test_a_level_is_compared_with_none(frame: pd.DataFrame) -> None:
    (row,) = run(DECLARED, frame)[1]["results.comparison"]
    assert row["chi_square"] > 0
    assert row["p_mixture"] == pytest.approx(row["p_value"] / 2)
    (row,) = run(DECLARED | {"random_level": "intercept_and_slope"}, frame)[1]["results.comparison"]
    assert (row["df"], row.get("p_mixture")) == (3, None)


def test_therapists_come_from_their_episodes(simulated: pd.DataFrame, frame: pd.DataFrame) -> None:
    """A patient with two therapists, one for each episode, is no obstacle."""
    expected = json.loads((DATA / "reference.json").read_text())["three_level"]["therapist_crossed"]["REML"]
    episode = simulated["patient"] + simulated["therapist"]
    crossed = frame.assign(episode_id=episode.to_numpy())
    known = pd.DataFrame({"episode_id": episode, "therapist_id": simulated["therapist"]}).drop_duplicates()
    with duckdb.connect() as connection:
        connection.register("known", known)
        connection.execute("create schema harmonised; create table harmonised.episode as select * from known")
        row, rows = run(DECLARED | {"level": "therapist_id"}, crossed, connection)
    assert rows["results.fit"][0]["log_likelihood"] == pytest.approx(expected["logLik"], abs=1e-6)
    assert row["note"] == f"First: {simulated['therapist'].nunique()} therapists"
    with duckdb.connect() as connection:
        connection.register("known", known[known["therapist_id"] > "t03"])
        connection.execute("create schema harmonised; create table harmonised.episode as select * from known")
        row, _ = run(DECLARED | {"level": "therapist_id"}, crossed, connection)
    without = int((simulated["therapist"] <= "t03").sum())
    assert f"{without} of {len(crossed)} rows have no therapist" in row["note"]
    with duckdb.connect() as connection:
        connection.execute("create schema harmonised")
        connection.execute("create table harmonised.episode (episode_id varchar, therapist_id varchar)")
        row, _ = run(DECLARED | {"level": "therapist_id"}, crossed, connection)
    assert row["reason"] == "no episode names a therapist"


def test_few_sites_are_fixed_effects_and_none_is_named(frame: pd.DataFrame) -> None:
    import statsmodels.api as sm

    few = frame[frame["site_id"] < "s04"]
    row, rows = run(DECLARED, few)
    assert "3 sites, fewer than 8, so they are fixed effects" in row["note"]
    assert "site as a fixed effect" in row["method"]
    assert [entry["term"] for entry in rows["results.estimate"]] == ["intercept", "months", "poor", "months:poor"]
    assert not any(site in str(rows) for site in few["site_id"].unique()), "a row names a site"
    (test,) = rows["results.comparison"]
    assert (test["compared_with"], test["df"]) == ("the sites have the same mean", 2)
    assert {entry["component"] for entry in rows["results.variance_component"]} == {
        "patient.var_intercept",
        "residual.var",
        "icc.patient",
    }
    dummies = pd.get_dummies(few["site_id"]).to_numpy(dtype=float)
    terms = np.column_stack([few["months"], few["poor"], few["months"] * few["poor"], dummies])
    own = sm.MixedLM(few["y"].to_numpy(), terms, groups=few["patient_id"].to_numpy()).fit(reml=True)
    intercept = rows["results.estimate"][0]
    assert intercept["estimate"] == pytest.approx(float(own.fe_params[3:].mean()), abs=1e-3), "the mean over the sites"


def test_degenerate_input_has_a_reason(frame: pd.DataFrame) -> None:
    def reason(changed: pd.DataFrame, **more: Any) -> str:
        (row,) = run(DECLARED | more, changed)[1]["results.fit"]
        return str(row["reason"])

    assert "come from one site" in reason(frame[frame["site_id"] == "s01"])
    assert "fewer than 2 patients" in reason(frame[frame["patient_id"] == "p001"])
    assert "cannot separate" in reason(frame.drop_duplicates("patient_id"), terms=["poor"])
    assert "no row has a value" in reason(frame.assign(y=np.nan))
    assert "same value" in reason(frame.assign(y=2.0))
    by_site = (frame["site_id"] < "s03").astype(int)
    assert "collinear" in reason(frame[frame["site_id"] < "s05"].assign(poor=by_site), terms=["poor"])
    alone = frame.assign(site_id=frame["patient_id"])
    assert "cannot tell parts of the covariance apart" in reason(alone)


def test_few_sites_with_slopes_have_fixed_slopes(frame: pd.DataFrame) -> None:
    """The slope is the unweighted mean of the sites' own."""
    few = frame[frame["site_id"] < "s04"]
    declared = DECLARED | {"terms": ["months"], "random_level": "intercept_and_slope", "estimation": "ML"}
    _, rows = run(declared, few)
    (test,) = rows["results.comparison"]
    assert (test["compared_with"], test["df"]) == ("the sites have the same mean and slope", 4)
    dummies = pd.get_dummies(few["site_id"]).to_numpy(dtype=float)
    own = fit(
        few.assign(**{f"s{k}": dummies[:, k] for k in range(3)}),
        "y",
        ["months", "s1", "s2", "months:s1", "months:s2"],
        "patient_id",
        random="intercept",
        method="ML",
    ).estimates.set_index("term")["estimate"]
    slopes = [own["months"], own["months"] + own["months:s1"], own["months"] + own["months:s2"]]
    found = by(rows["results.estimate"], "term")["months"]
    assert found["estimate"] == pytest.approx(float(np.mean(slopes)), abs=1e-6)
