"""Slopes of several scales compared in one model: against nlme, difference scores, known truth, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from multilevel_room import by, made, panel, run

from assets.analysis.mixed_model import fit
from assets.analysis.multilevel.joint_scales import LADDER, fit_structures, long_table, simpler
from codebook.procedures.joint_scales import JointScales

DATA = Path(__file__).parent.parent / "data" / "multilevel"
SCALES = ("task", "goal", "bond")
DECLARED = {"kind": "joint_scales", "scales": list(SCALES), "moderator": "poor", "estimation": "REML"}
TERMS = ("months", "poor", "months:poor")


def simulated(n: int, occasions: int, seed: int, *, is_balanced: bool = True) -> pd.DataFrame:
    """Slopes of the poor group lower by .05, .03 and .02 a month; effects and errors correlated over the scales."""
    rng = np.random.default_rng(seed)
    spread = np.array([0.8, 0.7, 0.75, 0.05, 0.045, 0.04])
    correlation = np.full((6, 6), -0.2)
    correlation[:3, :3] = correlation[3:, 3:] = 0.6
    np.fill_diagonal(correlation, 1.0)
    effects = rng.multivariate_normal(np.zeros(6), correlation * np.outer(spread, spread), n)
    rows = []
    for patient in range(n):
        poor = int(patient % 5 < 2)
        for visit in range(occasions):
            months = 3 + 6 * visit + (0 if is_balanced else rng.normal())
            slope = 0.03 - poor * np.array([0.05, 0.03, 0.02]) + effects[patient, 3:]
            error = rng.multivariate_normal(np.zeros(3), 0.1 * (0.5 + 0.5 * np.eye(3)))
            y = np.array([5.0, 4.9, 5.1]) + effects[patient, :3] + slope * months + error
            rows.append((f"p{patient:03d}", months, poor, *y))
    return pd.DataFrame(rows, columns=["patient", "month", "poor", *SCALES])


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_six_random_effects_and_correlated_errors_as_nlme(method: Any) -> None:
    expected = json.loads((DATA / "reference.json").read_text())["scales"][method]
    frame = panel(pd.read_csv(DATA / "scales.csv"), "patient", "month")
    joint = long_table(frame, SCALES, TERMS, made(DECLARED, frame).panel)
    fitted, structure, note = fit_structures(joint, "auto", method)
    assert (structure, note) == ("unstructured", "used: unstructured")
    assert fitted.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    ours = {"scale{0}": "intercept", "scale{0}:year": "months", "scale{0}:poor": "poor", "scale{0}:year:poor": TERMS[2]}
    order = [
        fitted.terms.index(f"{scale}|{next(name for key, name in ours.items() if key.format(scale) == term)}")
        for term in expected["terms"]
        for scale in SCALES
        if term.split(":")[0] == f"scale{scale}"
    ]
    covariance = np.array(expected["covariance"])
    error = np.sqrt(np.diag(covariance))
    assert np.abs(fitted.estimate[order] - expected["estimate"]).max() < 1e-4 * error.max()
    ours_scaled = fitted.covariance[np.ix_(order, order)] / np.outer(error, error)
    assert ours_scaled == pytest.approx(covariance / np.outer(error, error), abs=1e-4)


def test_on_balanced_data_the_contrast_is_that_of_the_difference_score() -> None:
    frame = panel(simulated(60, 4, 11), "patient", "month")
    _, rows = run(DECLARED | {"random": "unstructured"}, frame)
    assert rows["results.fit"][0]["is_singular"] is False
    contrasts = by(rows["results.contrast"], "outcome")
    for first, second in (("task", "goal"), ("task", "bond"), ("goal", "bond")):
        frame["difference"] = frame[first] - frame[second]
        alone = fit(frame, "difference", TERMS, "patient_id", method="REML")
        assert alone.is_singular is False
        row = alone.estimates.set_index("term").loc["months:poor"]
        joint = contrasts[f"{first} - {second}"]
        assert joint["estimate"] == pytest.approx(row["estimate"], abs=1e-8)
        assert joint["std_error"] == pytest.approx(row["std_error"], rel=1e-4)
    for scale in SCALES:  # and each scale's own is that of its own model
        row = fit(frame, scale, TERMS, "patient_id", method="REML").estimates.set_index("term").loc["months:poor"]
        assert contrasts[scale]["estimate"] == pytest.approx(row["estimate"], abs=1e-8)
        assert contrasts[scale]["std_error"] == pytest.approx(row["std_error"], rel=1e-4)


def test_simulated_slopes_come_back() -> None:
    _, rows = run(DECLARED, panel(simulated(260, 4, 12, is_balanced=False), "patient", "month"))
    contrasts = by(rows["results.contrast"], "outcome")
    truth = {"task": -0.05, "goal": -0.03, "bond": -0.02, "task - goal": -0.02, "task - bond": -0.03}
    for outcome, value in (truth | {"goal - bond": -0.01}).items():
        row = contrasts[outcome]
        assert abs(row["estimate"] - value) < 2.5 * row["std_error"], outcome
        assert row["std_error"] < 0.01
    components = by(rows["results.variance_component"], "component")
    assert components["patient.var_task_slope"]["estimate"] == pytest.approx(0.0025, rel=0.3)
    low, high = (components["residual.cov_task_goal"][name] for name in ("ci_low", "ci_high"))
    assert low < 0.05 < high
    pairs = [contrasts[outcome] for outcome in ("task - goal", "task - bond", "goal - bond")]
    smallest = min(row["p_value"] for row in pairs)
    assert min(row["p_adjusted"] for row in pairs) == pytest.approx(3 * smallest)
    assert {row["adjustment"] for row in pairs} == {"holm, 3 tests"}
    assert contrasts["task"]["p_adjusted"] is None
    (same,) = rows["results.comparison"]
    assert same["compared_with"] == "months:poor the same on every scale"
    assert same["df"] == 2
    assert same["p_value"] < max(row["p_value"] for row in pairs)
    estimates = [(row["outcome"], row["term"]) for row in rows["results.estimate"]]
    assert estimates == [(scale, term) for scale in SCALES for term in ("intercept", *TERMS)]


def test_a_structure_that_cannot_be_estimated_gives_way_by_name() -> None:
    """No patient differs in slope: structures with slopes lie on the boundary, or are refused."""
    rng = np.random.default_rng(4)
    frame = simulated(40, 3, 13)
    level = dict(zip(frame["patient"].unique(), rng.normal(size=40), strict=True))
    for scale in SCALES:
        frame[scale] = 5 + frame["patient"].map(level) + rng.normal(size=len(frame)) * 0.5
    row, _ = run(DECLARED, panel(frame, "patient", "month"))
    used = row["note"].partition("used: ")[2].partition(";")[0]
    assert used in list(LADDER)[1:]
    assert "unstructured: " in row["note"]
    assert row["method"].startswith(f"REML, random effects of the patient: {LADDER[used]}")
    forced, forced_rows = run(DECLARED | {"random": "unstructured"}, panel(frame, "patient", "month"))
    assert forced.get("reason") or forced_rows["results.fit"][0]["is_singular"] is True


def test_slopes_that_differ_between_scales_are_not_left_out() -> None:
    """Slopes of the scales are independent, so none is common to them; without them errors are too small."""
    rng = np.random.default_rng(21)
    frame = simulated(50, 3, 16)
    for scale in SCALES:
        slope = dict(zip(frame["patient"].unique(), rng.normal(0, 0.12, 50), strict=True))
        frame[scale] = 5 + frame["patient"].map(slope) * frame["month"] + rng.normal(size=len(frame)) * 0.5
    row, rows = run(DECLARED, panel(frame, "patient", "month"))
    assert "used: own_slope" in row["note"]
    slope = by(rows["results.variance_component"], "component")["patient_scale.var_slope"]
    assert slope["ci_low"] < 0.12**2 < slope["ci_high"]
    own = by(rows["results.contrast"], "outcome")["task - goal"]["std_error"]
    without = run(DECLARED | {"random": "intercepts"}, panel(frame, "patient", "month"))[1]
    assert own > 1.2 * by(without["results.contrast"], "outcome")["task - goal"]["std_error"]


@pytest.mark.parametrize(
    ("structure", "vanished", "then"),
    [
        ("unstructured", set(), "common_slope"),
        ("common_slope", set(), "independent_slope"),
        ("common_slope", {"patient_scale"}, "shared_slope"),
        ("independent_slope", set(), None),
        ("independent_slope", {"patient_slope"}, "own_slope"),
        ("independent_slope", {"patient_scale"}, "shared_slope"),
        ("independent_slope", {"patient_slope", "patient_scale"}, "intercepts"),
        ("own_slope", set(), None),
        ("own_slope", {"patient_scale"}, "intercepts"),
        ("shared_slope", set(), None),
        ("shared_slope", {"patient"}, "intercepts"),
        ("intercepts", set(), None),
    ],
)
def test_only_a_slope_without_variance_is_left_out(structure: str, vanished: set[str], then: str | None) -> None:
    fitted = SimpleNamespace(vanished=frozenset((part, "slope") for part in vanished))
    assert simpler(structure, fitted) == then  # type: ignore[arg-type]


def test_what_cannot_be_fitted_at_all_gives_way_to_the_next() -> None:
    names = list(LADDER)
    assert [simpler(name, None) for name in names] == [*names[1:], None]


def test_degenerate_input_has_a_reason() -> None:
    frame = panel(simulated(12, 3, 14), "patient", "month")

    def reason(changed: pd.DataFrame, **more: Any) -> str:
        row, rows = run(DECLARED | more, changed)
        assert rows == {}
        return str(row["reason"])

    assert "no row has a value" in reason(frame.assign(poor=np.nan))
    assert "collinear" in reason(frame.assign(poor=1))
    assert "no row has 'bond'" in reason(frame.assign(bond=np.nan))
    assert "fewer than 2 patients" in reason(frame[frame["patient_id"] == "p000"])
    assert "time has the same value" in reason(frame.assign(months=3.0))
    assert "cannot separate" in reason(frame.drop_duplicates("patient_id").assign(bond=np.nan, goal=np.nan))
    assert "same value in every" in reason(frame.assign(task=1.0, goal=1.0, bond=1.0))
    assert "holds text" in reason(frame.assign(poor=np.where(frame["poor"] == 1, "yes", "no")))
    apart = frame.assign(task=frame["task"].where(frame["months"] < 9), goal=frame["goal"].where(frame["months"] >= 9))
    assert "nobody has both task and goal" in reason(apart)


def test_a_declaration_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="names one measure twice"):
        JointScales.model_validate(DECLARED | {"name": "a", "title": "A", "scales": ["task", "task"]})
    frame = panel(simulated(4, 2, 15), "patient", "month")
    analysis = made(DECLARED, frame.assign(poor="yes"))
    (problem,) = analysis.procedures[0].problems(analysis.panel, {})
    assert "holds text" in problem
