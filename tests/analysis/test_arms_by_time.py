"""Two arms by occasion: against lmerTest, emmeans and gls on a real trial where it is given, and on simulated data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from multilevel_room import by, panel, run

from assets.analysis.procedure import Rows
from codebook.procedures.arms_by_time import ArmsByTime

DATA = Path(__file__).parent.parent / "data" / "multilevel"
BTHEB: dict[str, Any] = {
    "kind": "arms_by_time",
    "outcomes": ["y"],
    "arm": "btheb",
    "arm_labels": {0: "TAU", 1: "BtheB"},
    "covariates": ["pre", "drug", "long"],
    "baseline_score": "pre",
    "time": "months_as_categories",
}
LINEAR = {"time": "months", "at_months": [2, 3, 5, 8]}
VISITS: dict[str, Any] = {
    "kind": "arms_by_time",
    "outcomes": ["y"],
    "arm": "arm",
    "reference_arm": "usual",
    "covariates": ["pre"],
    "covariance": "unstructured",
}


@pytest.fixture(scope="module")
def trial(shared: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Beat the Blues after the start of treatment, and its reference results."""
    golden = shared / "golden"
    if not (golden / "btheb_two_arm.json").is_file():
        pytest.skip("needs the given reference results of Beat the Blues")
    frame = pd.read_csv(golden / "btheb_long.csv")
    return panel(frame[frame["time"] > 0], "id", "time"), json.loads((golden / "btheb_two_arm.json").read_text())


def visits() -> pd.DataFrame:
    frame = panel(pd.read_csv(DATA / "visits.csv"), "patient", "visit")
    return frame.assign(occasion="visit " + frame["months"].astype(str))


def r_name(term: str) -> str:
    renamed = {"intercept": "(Intercept)", "btheb": "armBtheB", "months": "time"}
    return ":".join(renamed.get(p, p.replace("months[", "m").rstrip("]")) for p in term.split(":"))


@pytest.mark.parametrize("model", ["post_random_intercept", "post_linear"])
def test_as_lmertest_and_emmeans(model: str, trial: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, golden = trial
    expected = golden[model]
    _, rows = run(BTHEB | (LINEAR if model == "post_linear" else {}), frame)
    assert rows["results.fit"][0]["log_likelihood"] == pytest.approx(expected["logLik"], abs=1e-6)
    ours = {r_name(row["term"]): row for row in rows["results.estimate"]}
    assert set(ours) == {row["term"] for row in expected["coef"].values()}
    for row in expected["coef"].values():
        assert_row(ours[row["term"]], row, "Estimate", "Std..Error", row["Pr...t.."])
    contrasts = by(rows["results.contrast"], "contrast")
    when = "time" if model == "post_linear" else "m"
    for row in expected["contrast_satterthwaite"].values():
        found = contrasts[f"BtheB - TAU, month {row[when]}"]
        assert_row(found, row, "estimate", "SE", row["p.value"])
        assert (found["ci_low"], found["ci_high"]) == pytest.approx((row["lower.CL"], row["upper.CL"]), abs=1e-4)
        assert found["at_months"] == float(row[when])
    for row in expected["emmeans"].values():
        found = contrasts[f"adjusted mean, {row['arm']}, month {row[when]}"]
        assert_row(found, row, "emmean", "SE", None)
    if model == "post_random_intercept":
        (test,), reference = rows["results.comparison"], expected["anova3"]["6"]
        assert (test["f_statistic"], test["p_value"]) == pytest.approx(
            (reference["F.value"], reference["Pr..F."]), abs=1e-5
        )
        assert (test["df"], test["df_error"]) == (3, pytest.approx(reference["DenDF"], abs=1e-3))


def assert_row(found: dict[str, Any], row: dict[str, Any], estimate: str, error: str, p: float | None) -> None:
    assert (found["estimate"], found["std_error"]) == pytest.approx((row[estimate], row[error]), abs=1e-4)
    assert found["df"] == pytest.approx(row["df"], abs=1e-3)
    assert found["p_value"] == (None if p is None else pytest.approx(p, abs=1e-6))


def test_mmrm_as_gls(trial: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    """The reference stopped 1.5e-5 short of the maximum, which is what its estimates differ by."""
    frame, golden = trial
    expected = golden["mmrm_gls_unstructured"]
    _, rows = run(BTHEB | {"covariance": "unstructured"}, frame)
    reached = rows["results.fit"][0]["log_likelihood"]
    assert reached == pytest.approx(expected["logLik"], abs=1e-4)
    assert reached >= expected["logLik"] - 1e-8
    for row in rows["results.estimate"]:
        term = r_name(row["term"])
        assert row["estimate"] == pytest.approx(expected["coef"][term], abs=1e-3)
        assert row["std_error"] == pytest.approx(expected["se"][term], abs=1e-3)
    contrasts = by(rows["results.contrast"], "contrast")
    for row in expected["contrast_asymptotic"].values():
        found = contrasts[f"BtheB - TAU, month {row['m']}"]
        assert (found["estimate"], found["std_error"]) == pytest.approx((row["estimate"], row["SE"]), abs=1e-3)


def test_pooled_investigators_as_sites(shared: Path) -> None:
    """The antidepressant trial: MMRM at four visits, with and without a random intercept of 17 pooled sites."""
    path = shared / "samples" / "trials" / "antidepressant_data.csv"
    if not path.is_file():
        pytest.skip("needs the antidepressant trial among the given samples")
    frame = pd.read_csv(path, dtype={"PATIENT": str, "POOLINV": str}).rename(
        columns={"CHANGE": "change", "BASVAL": "basval", "THERAPY": "therapy", "POOLINV": "site_id"}
    )
    frame = frame.assign(occasion="visit " + frame["VISIT"].astype(str), visit=frame["RELDAYS"] / 30.4375)
    frame["therapy"] = frame["therapy"].map({"PLACEBO": 0, "DRUG": 1})
    keyed = panel(frame, "PATIENT", "visit")[
        ["patient_id", "episode_id", "site_id", "months", "occasion", "change", "basval", "therapy"]
    ]
    declared = {"kind": "arms_by_time", "outcomes": ["change"], "arm": "therapy", "covariates": ["basval"]}
    row, rows = run(declared | {"covariance": "unstructured"}, keyed)
    assert (row["n_patients"], row["n_observations"]) == (172, 608)
    fitted = rows["results.fit"][0]
    assert (fitted["is_converged"], fitted["is_singular"]) == (True, False)
    contrasts = by(rows["results.contrast"], "contrast")
    for visit, estimate, error in (
        (4, 0.1143, 0.6825),
        (5, -1.4316, 0.9183),
        (6, -2.4145, 0.9943),
        (7, -2.8721, 1.1028),
    ):
        found = contrasts[f"therapy = 1 - therapy = 0, visit {visit}"]
        assert (found["estimate"], found["std_error"]) == pytest.approx((estimate, error), abs=1e-4), (
            "nlme 3.1-162, gls"
        )
    sites = {"kind": "three_level", "outcomes": ["change"], "terms": ["months", "basval", "therapy", "months:therapy"]}
    row, rows = run(sites | {"estimation": "REML"}, keyed)
    assert row["note"].startswith("First: 17 sites")
    assert rows["results.fit"][0]["log_likelihood"] == pytest.approx(-1752.718113, abs=1e-6), "lme4 1.1-31"
    components = by(rows["results.variance_component"], "component")
    assert components["site.var_intercept"]["estimate"] == pytest.approx(2.25939, abs=1e-4)
    assert components["residual.var"]["estimate"] == pytest.approx(9.52637, abs=1e-4)


def test_the_model_that_the_handbook_prints(trial: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    """Hothorn & Everitt, A Handbook of Statistical Analyses using R: no interaction, ML."""
    frame, _ = trial
    printed = {"pre": 0.63968, "months": -0.70476, "btheb": -2.32908}
    declared = BTHEB | {"time": "months", "interaction": False, "estimation": "ML"}
    _, rows = run(declared, frame)
    estimates = by(rows["results.estimate"], "term")
    for term, value in printed.items():
        assert estimates[term]["estimate"] == pytest.approx(value, abs=5e-6)
    assert rows["results.fit"][0]["aic"] == pytest.approx(1887.5, abs=0.05)
    (contrast,) = rows["results.contrast"]
    assert contrast["contrast"] == "BtheB - TAU, at every time"
    assert contrast["estimate"] == estimates["btheb"]["estimate"]


def test_covariates_that_change_with_time_or_arm_are_averaged_over() -> None:
    """The difference of two means is the difference that is tested, whatever the products."""
    declared = VISITS | {"time": "months", "at_months": [2, 6], "covariance": "random_intercept"}
    frame = visits()
    _, rows = run(declared | {"covariates": ["pre", "pre:months"]}, frame)
    found = by(rows["results.contrast"], "contrast")
    for month in (2, 6):
        means = [found[f"adjusted mean, {arm}, month {month}"]["estimate"] for arm in ("usual", "active")]
        assert found[f"active - usual, month {month}"]["estimate"] == pytest.approx(means[1] - means[0])
    estimates = by(rows["results.estimate"], "term")
    at = {"intercept": 1.0, "pre": frame["pre"].mean(), "pre:months": 6 * frame["pre"].mean(), "months": 6.0}
    by_hand = sum(weight * estimates[term]["estimate"] for term, weight in at.items())
    assert found["adjusted mean, usual, month 6"]["estimate"] == pytest.approx(by_hand)


def test_simulated_visits_as_gls_with_text_arms() -> None:
    expected = json.loads((DATA / "reference.json").read_text())["visits"]["REML"]
    row, rows = run(VISITS, visits())
    assert rows["results.fit"][0]["log_likelihood"] == pytest.approx(expected["logLik"], abs=1e-6)
    renamed = {
        "(Intercept)": "intercept",
        "armactive": "arm[active]",
        "m5": "occasion[visit 5]",
        "m8": "occasion[visit 8]",
    }
    names = [":".join(renamed.get(part, part) for part in term.split(":")) for term in expected["terms"]]
    ours = by(rows["results.estimate"], "term")
    assert set(ours) == set(names)
    for name, estimate, error in zip(names, expected["estimate"], expected["std_error"], strict=True):
        assert ours[name]["estimate"] == pytest.approx(estimate, abs=1e-4)
        assert ours[name]["std_error"] == pytest.approx(error, abs=1e-4)
    assert "MMRM" in row["method"]
    contrast = by(rows["results.contrast"], "contrast")["active - usual, visit 8"]
    assert contrast["estimate"] == pytest.approx(
        ours["arm[active]"]["estimate"] + ours["arm[active]:occasion[visit 8]"]["estimate"]
    )
    effects: dict[tuple[str, str], dict[str, Any]] = {
        (row["variant"], row["contrast"]): row for row in rows["results.effect_size"]
    }
    components = by(rows["results.variance_component"], "component")
    sd = components["residual.var_visit 8"]["estimate"] ** 0.5
    effect = effects["d_model_sd", "active - usual, visit 8"]
    assert effect["estimate"] == pytest.approx(contrast["estimate"] / sd)
    frame = visits()
    last = frame[frame["occasion"] == "visit 8"].groupby("arm")["y"]
    pooled = np.sqrt(((last.count() - 1) * last.var()).sum() / (last.count() - 1).sum())
    assert effects["d_occasion_sd", "active - usual, visit 8"]["estimate"] == pytest.approx(
        contrast["estimate"] / pooled
    )


def test_on_complete_data_mmrm_is_the_t_test_at_each_occasion() -> None:
    """Without covariates: difference, standard error, df = N − 2 and p of Student's test, exactly."""
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(8)
    patient = np.repeat(np.arange(34), 3)
    arm = np.where(patient < 15, "usual", "active")
    y = rng.normal(size=34)[patient] + rng.normal(size=102) * np.tile([1.0, 1.5, 2.0], 34)
    frame = pd.DataFrame({"patient": patient, "month": np.tile([2, 5, 8], 34), "arm": arm, "y": y})
    frame["occasion"] = "visit " + frame["month"].astype(str)
    _, rows = run(VISITS | {"covariates": []}, panel(frame, "patient", "month"))
    found = by(rows["results.contrast"], "contrast")
    for visit in (2, 5, 8):
        at = frame[frame["month"] == visit]
        test = ttest_ind(at.loc[at["arm"] == "active", "y"], at.loc[at["arm"] == "usual", "y"])
        ours = found[f"active - usual, visit {visit}"]
        assert ours["df"] == pytest.approx(32, rel=1e-5)
        assert (ours["statistic"], ours["p_value"]) == pytest.approx((test.statistic, test.pvalue), rel=1e-5)
        interval = test.confidence_interval()
        assert (ours["ci_low"], ours["ci_high"]) == pytest.approx((interval.low, interval.high), abs=1e-5)


def test_rows_left_out_are_counted() -> None:
    frame = visits()
    frame.loc[frame.index[:5], "y"] = np.nan
    _, rows = run(VISITS | {"occasions": ["visit 2", "visit 5"]}, frame)
    (fitted,) = rows["results.fit"]
    at = frame[frame["occasion"].isin(["visit 2", "visit 5"])]
    assert fitted["n_rows_dropped"] == int(at["y"].isna().sum()) > 0
    assert fitted["n_observations"] == len(at) - fitted["n_rows_dropped"]


def test_occasions_can_be_chosen_and_ordered() -> None:
    rows = run(VISITS | {"occasions": ["visit 8", "visit 2"]}, visits())[1]
    shown = [row["contrast"] for row in rows["results.contrast"]][:2]
    assert shown == ["active - usual, visit 8", "active - usual, visit 2"]


def test_an_outcome_that_cannot_be_fitted_leaves_the_others() -> None:
    frame = visits().assign(flat=1.0)
    row, rows = run(VISITS | {"outcomes": ["flat", "y"]}, frame)
    assert row.get("reason") is None
    fits = by(rows["results.fit"], "outcome")
    assert "same value" in fits["flat"]["reason"]
    assert fits["y"].get("reason") is None


def reason(rows: Rows) -> str:
    (row,) = rows["results.fit"]
    return str(row["reason"])


def test_degenerate_input_has_a_reason() -> None:
    frame = visits()
    intercept = VISITS | {"covariance": "random_intercept"}
    assert "two arms are needed" in reason(run(VISITS, frame[frame["arm"] == "usual"])[1])
    assert "which is the reference" in reason(run(VISITS | {"reference_arm": "other"}, frame)[1])
    assert "two arms are needed" in reason(run(VISITS, frame.assign(arm=frame["patient_id"]))[1])
    assert "needs to be 0/1 or text" in reason(
        run(VISITS, frame.assign(arm=np.where(frame["arm"] == "usual", 1, 2)))[1]
    )
    assert "fewer than two occasions" in reason(run(VISITS, frame[frame["occasion"] == "visit 2"])[1])
    assert "fewer than two occasions" in reason(run(intercept, frame.drop_duplicates("patient_id"))[1])
    assert "no row has a value" in reason(run(VISITS, frame.assign(y=np.nan))[1])
    assert "declared occasions" in reason(run(VISITS | {"occasions": ["visit 9"]}, frame)[1])
    assert "occurs twice" in reason(run(VISITS, pd.concat([frame, frame]))[1])
    first, last = frame["occasion"] == "visit 2", frame["occasion"] == "visit 8"
    even = frame["patient_id"].str[-1].astype(int) % 4 < 2
    alone = frame[(first & even) | (last & ~even)]
    assert "cannot separate" in reason(run(intercept, alone)[1]) or "cannot be estimated" in reason(
        run(VISITS, alone)[1]
    )
    assert "collinear" in reason(run(VISITS | {"covariates": ["pre", "pre:pre"]}, frame.assign(pre=1.0))[1])
    months = VISITS | {"time": "months", "covariance": "random_intercept", "at_months": [2]}
    assert "collinear" in reason(run(months, frame.assign(months=2.0))[1])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"time": "months"}, "needs at_months"),
        ({"time": "months", "at_months": [3], "covariance": "unstructured"}, "needs categories"),
        ({"at_months": [3]}, "belongs to time: months"),
        ({"arm_labels": {0: "a", 2: "b"}}, "names 0 and 1"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(more: dict[str, Any], text: str) -> None:
    base = {"name": "a", "title": "A", "kind": "arms_by_time", "outcomes": ["y"], "arm": "arm"}
    with pytest.raises(ValueError, match=text):
        ArmsByTime.model_validate(base | more)
