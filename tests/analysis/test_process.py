"""Effects within and between patients, lags and panel models: against lme4 and lavaan, and where they are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from procedures import column, run

from assets.analysis.mixed_model import fit
from assets.analysis.process.cross_lagged import clpm, ri_clpm
from assets.analysis.process.lagged import lag_pairs
from assets.analysis.process.path_model import Free, PathModel
from assets.analysis.process.within_between import share_between, split_predictors
from codebook.procedures.lagged import CrossLagged, Lagged
from codebook.procedures.within_between import WithinBetween

WAVES = ["baseline", "m06", "m12", "m18"]


def golden(shared: Path, name: str, data: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = shared / "golden"
    if not (folder / f"{name}.json").is_file():
        pytest.skip(f"needs the reference results of {name}, expected in golden/ of the given samples")
    return pd.read_csv(folder / f"{data}.csv"), json.loads((folder / f"{name}.json").read_text())


def made(seed: int = 5, patients: int = 120, waves: int = 4) -> pd.DataFrame:
    """Alliance and symptoms at occasions; better alliance lowers the symptoms of the next occasion, not the reverse."""
    random = np.random.default_rng(seed)
    level = random.multivariate_normal([5, 20], [[0.6, -0.8], [-0.8, 9]], patients)
    alliance, symptoms = np.zeros((patients, waves)), np.zeros((patients, waves))
    own = [random.normal(0, 0.7, patients), random.normal(0, 2, patients)]
    for wave in range(waves):
        if wave:
            before = own
            own = [0.3 * before[0], 0.3 * before[1] - 1.2 * before[0]]
            own = [own[0] + random.normal(0, 0.6, patients), own[1] + random.normal(0, 1.5, patients)]
        alliance[:, wave], symptoms[:, wave] = level[:, 0] + own[0], level[:, 1] + own[1] - 0.5 * wave
    patient = np.repeat([f"p{k:03d}" for k in range(patients)], waves)
    frame = pd.DataFrame({"patient_id": patient, "episode_id": "e" + pd.Series(patient), "site_id": "north"})
    return frame.assign(
        months=np.tile(np.arange(waves) * 6.0, patients),
        occasion=np.tile(WAVES[:waves], patients),
        alliance=alliance.ravel(),
        symptoms=symptoms.ravel(),
    )


@pytest.mark.parametrize(
    ("name", "form", "method"),
    [("wb_reml", "centred", "REML"), ("wb_ml", "centred", "ML"), ("mundlak_reml", "mundlak", "REML")],
)
def test_within_and_between_are_those_of_lme4(shared: Path, name: str, form: Any, method: Any) -> None:
    frame, reference = golden(shared, "within_between", "within_between")
    split, terms = split_predictors(frame, ["alliance"], "id", form)
    fitted = fit(split, "bsi", ["t", *terms], "id", "t", random="intercept", method=method)
    expected = pd.DataFrame(reference[name]["coef"].values())
    assert fitted.estimates["estimate"].to_numpy() == pytest.approx(expected["Estimate"].to_numpy(), abs=1e-6)
    assert fitted.estimates["std_error"].to_numpy() == pytest.approx(expected["Std..Error"].to_numpy(), rel=1e-5)
    assert fitted.var_intercept == pytest.approx(reference[name]["var_id"], abs=5e-6)
    assert fitted.var_residual == pytest.approx(reference[name]["sigma2"], abs=1e-6)
    assert fitted.log_likelihood == pytest.approx(reference[name]["logLik"], abs=1e-6)
    if fitted.estimates["df"].notna().all():
        assert fitted.estimates["df"].to_numpy() == pytest.approx(expected["df"].to_numpy(), rel=1e-3)
    assert share_between(frame, "alliance", "id", "t") == pytest.approx(reference["icc_alliance"], abs=1e-4)


@pytest.mark.parametrize(("name", "build"), [("clpm", clpm), ("ri_clpm", ri_clpm)])
def test_panel_models_are_those_of_lavaan(shared: Path, name: str, build: Any) -> None:
    frame, reference = golden(shared, "cross_lagged", "demo_growth")
    waves = ["1", "2", "3", "4"]
    data = frame[[f"{measure}{wave}" for measure in "tc" for wave in waves]].to_numpy(dtype=float)
    fitted = build("t", "c", waves, data).fit(data)

    def short(text: str) -> str:
        return text.replace("within_", "w").replace("intercept_", "RI").replace("_", "")

    mine = {
        (one.op, *sorted([short(one.lhs), short(one.rhs)])): numbers
        for one, *numbers in zip(fitted.free, fitted.estimates, fitted.errors, fitted.standardised, strict=True)
    }
    compared = 0
    for row in reference[name]["par"].values():
        if row["se"] == 0:
            continue
        estimate, error, standardised = mine[(row["op"], *sorted([row["lhs"], row["rhs"]]))]
        assert estimate == pytest.approx(row["est"], abs=5e-5)
        assert error == pytest.approx(row["se"], abs=2e-5)
        if name == "ri_clpm" and "RIt" in (row["lhs"], row["rhs"]):
            assert np.isnan(standardised)  # its variance is below 0: lavaan takes its absolute value for a covariance
        else:
            assert standardised == pytest.approx(row["std.all"], abs=1e-5)
        compared += 1
    assert compared == len(fitted.free)
    numbers = reference[name]["fit"]
    assert (fitted.chi_square, fitted.df) == (pytest.approx(numbers["chisq"], abs=1e-6), numbers["df"])
    assert fitted.log_likelihood == pytest.approx(numbers["logl"], abs=1e-6)
    assert (fitted.aic, fitted.bic) == (
        pytest.approx(numbers["aic"], abs=1e-5),
        pytest.approx(numbers["bic"], abs=1e-5),
    )
    for index in ("cfi", "rmsea", "srmr"):
        assert getattr(fitted, index) == pytest.approx(numbers[index], abs=1e-6)
    assert fitted.improper() == (["intercept_t ~~ intercept_t"] if name == "ri_clpm" else [])


def test_a_saturated_path_model_is_regression() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(80, 1))
    y = 0.5 * x + random.normal(size=(80, 1))
    free = [Free("y", "~", "x", (0.1,)), Free("x", "~~", "x", (1.0,)), Free("y", "~~", "y", (1.0,))]
    fitted = PathModel(["x", "y"], free).fit(np.hstack([x, y]))
    slope = np.polyfit(x[:, 0], y[:, 0], 1)[0]
    residual = y[:, 0] - np.polyval(np.polyfit(x[:, 0], y[:, 0], 1), x[:, 0])
    assert fitted.estimates[0] == pytest.approx(slope) and fitted.df == 0 and fitted.chi_square < 1e-8
    assert fitted.errors[0] == pytest.approx(np.sqrt(np.mean(residual**2) / np.sum((x - x.mean()) ** 2)), rel=1e-6)
    assert fitted.cfi is None and fitted.rmsea is None


def test_the_maximum_is_that_of_the_normal_density() -> None:
    from scipy.stats import multivariate_normal

    frame = made(patients=80, waves=3)
    wide = frame.pivot(index="patient_id", columns="occasion")[["alliance", "symptoms"]].to_numpy(dtype=float)
    model = clpm("alliance", "symptoms", WAVES[:3], wide)
    fitted = model.fit(wide)

    def log_likelihood(values: Any) -> float:
        return float(multivariate_normal(wide.mean(axis=0), model.implied(values)[0]).logpdf(wide).sum())

    assert fitted.log_likelihood == pytest.approx(log_likelihood(fitted.estimates), abs=1e-8)
    for k, error in enumerate(fitted.errors):
        step = np.eye(len(fitted.errors))[k] * 0.01 * error
        up, down = (log_likelihood(fitted.estimates + sign * step) for sign in (1, -1))
        assert max(up, down) < fitted.log_likelihood
        assert abs(up - down) < 1e-5


def test_slopes_of_the_implied_covariance_and_equal_paths() -> None:
    frame = made()
    wide = frame.pivot(index="patient_id", columns="occasion")[["alliance", "symptoms"]].to_numpy(dtype=float)
    model = ri_clpm("alliance", "symptoms", WAVES, wide, has_equal=True)
    assert model.n_parameters == 27 - 8
    values = np.random.default_rng(2).uniform(0.2, 0.9, model.n_parameters)
    slopes = model.implied(values)[1]
    for k in range(model.n_parameters):
        step = np.eye(model.n_parameters)[k] * 1e-6
        up, down = (model.implied(values + sign * step)[0][:8, :8] for sign in (1, -1))
        assert slopes[k] == pytest.approx((up - down) / 2e-6, abs=1e-6)
    equal, free = (ri_clpm("alliance", "symptoms", WAVES, wide, has_equal=flag).fit(wide) for flag in (True, False))
    assert equal.df == free.df + 8 and equal.chi_square >= free.chi_square
    paths = {(one.lhs[:10], one.rhs[:10]): value for one, value in zip(equal.free, equal.estimates, strict=True)}
    assert paths[("within_sym", "within_all")] == pytest.approx(-1.2, abs=0.6)


LAGGED = {
    "kind": "lagged",
    "name": "lags",
    "title": "Lags",
    "predictor": "alliance",
    "outcome": "symptoms",
    "max_gap_months": 8,
}
CROSSED = {"kind": "cross_lagged", "name": "panel", "title": "Panel", "first": "alliance", "second": "symptoms"}
SPLIT = {"kind": "within_between", "name": "wb", "title": "WB", "outcomes": ["symptoms"], "predictors": ["alliance"]}


def test_a_lag_is_the_last_assessment_within_the_gap() -> None:
    frame = pd.DataFrame(
        {
            "patient_id": "p",
            "episode_id": ["e", "e", "e", "e", "f"],
            "months": [0.0, 3.0, 9.0, 20.0, 4.0],
            "alliance": [4.0, np.nan, 5.0, 6.0, 3.0],
            "symptoms": [20.0, 18.0, 15.0, 12.0, 19.0],
        }
    )
    pairs = lag_pairs(frame, "alliance", "symptoms", (0, 9), has_previous=False)
    assert pairs[["months", "alliance_before", "gap_months"]].to_numpy().tolist() == [[3, 4, 3], [9, 4, 9]]
    assert len(lag_pairs(frame, "alliance", "symptoms", (0, 11), has_previous=True)) == 3
    far = lag_pairs(frame, "alliance", "symptoms", (4, 20), has_previous=False)
    assert far[["months", "alliance_before"]].to_numpy().tolist() == [[9, 4], [20, 5]]


def test_lagged_effects_both_ways() -> None:
    row, rows = run(LAGGED | {"estimation": "REML"}, made())
    assert row.get("reason") is None and "3 waves" in row["method"]
    assert (row["n_patients"], row["n_observations"]) == (120, 360)
    estimates = {(r["outcome"], r["term"]): r for r in rows["results.estimate"]}
    effect = estimates[("symptoms", "alliance_before_within")]
    assert effect["estimate"] < -0.5 and effect["ci_high"] < 0
    back = estimates[("alliance", "symptoms_before_within")]
    assert abs(back["estimate"]) < 0.2 and ("symptoms", "symptoms_before") in estimates


def test_within_and_between_from_a_declaration() -> None:
    row, rows = run(SPLIT, made())
    assert row.get("reason") is None and row["n_observations"] == 480
    terms = column(rows["results.estimate"], "term")
    assert terms == ["intercept", "months", "alliance_within", "alliance_between"]
    (contrast,) = rows["results.contrast"]
    estimates = {r["term"]: r["estimate"] for r in rows["results.estimate"]}
    assert contrast["estimate"] == pytest.approx(estimates["alliance_between"] - estimates["alliance_within"], abs=1e-4)
    _, other = run(SPLIT | {"form": "mundlak"}, made())
    assert column(other["results.estimate"], "term") == ["intercept", "months", "alliance", "alliance_mean"]


def test_panel_models_from_a_declaration() -> None:
    row, rows = run(CROSSED | {"waves": WAVES}, made())
    assert row.get("reason") is None and "120 of 120" in row["note"]
    assert {r["model"]: r["df"] for r in rows["results.path_fit"]} == {"clpm": 12, "ri_clpm": 9}
    assert len([r for r in rows["results.path"] if r["model"] == "ri_clpm" and r["op"] == "~"]) == 12


def test_each_refuses_below_its_waves() -> None:
    assert (WithinBetween.MINIMUM_WAVES, Lagged.MINIMUM_WAVES) == (2, 3)
    assert CrossLagged.MINIMUM_WAVES == {"clpm": 2, "ri_clpm": 3}
    assert "2 waves" in run(SPLIT, made(waves=1))[0]["reason"]
    assert "3 waves" in run(LAGGED, made(waves=2))[0]["reason"]
    assert run(LAGGED, made(waves=3))[0].get("reason") is None
    assert "needs 2 waves; 1 declared" in run(CROSSED | {"waves": WAVES[:1]}, made(waves=1))[0]["reason"]
    row, rows = run(CROSSED | {"waves": WAVES[:2]}, made(waves=2))
    assert row.get("reason") is None and "needs 3 waves; 2 declared" in row["note"]
    assert [r["df"] for r in rows["results.path_fit"] if r["model"] == "clpm"] == [0]
    row, rows = run(CROSSED | {"waves": WAVES[:3]}, made(waves=3))
    assert [r.get("reason") for r in rows["results.path_fit"]] == [None, None]


@pytest.mark.parametrize("declared", [LAGGED, SPLIT, CROSSED | {"waves": WAVES}], ids=["lagged", "split", "crossed"])
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f[f["patient_id"] == "p000"],
        lambda f: f.iloc[:0],
        lambda f: f.assign(alliance=np.nan),
        lambda f: f.assign(alliance=5.0),
        lambda f: f.assign(symptoms=3 * f["alliance"]),
        lambda f: f.assign(symptoms=7.0),
        lambda f: f.groupby("patient_id").head(1),
        lambda f: f.assign(alliance=f.groupby("patient_id")["alliance"].transform("mean")),
    ],
    ids=["one", "none", "missing", "constant", "collinear", "constant outcome", "one wave", "stable"],
)
def test_degenerate_input_has_a_reason(declared: dict[str, Any], change: Any) -> None:
    row, _ = run(declared, change(made(patients=60)))
    assert row["reason"] and "failed with" not in row["reason"], row
