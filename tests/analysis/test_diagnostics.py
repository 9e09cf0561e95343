"""Influence against leaving a patient out, predictions against the normal equations, intervals against lme4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from golden import GOLDEN, INTERCEPT_ONLY, formula, read, rows

from assets.analysis import reference
from assets.analysis.design_matrix import Design, build_design
from assets.analysis.diagnostics import diagnostics, influence, predicted_effects, rebuild
from assets.analysis.formula import parse_formula
from assets.analysis.mixed_model import MixedModelFit, fit
from assets.analysis.profile_intervals import profile_intervals

TERMS = ["month", "pred", "month:pred"]


def data() -> pd.DataFrame:
    return read(GOLDEN, "sim_wai")[0]


def design_of(frame: pd.DataFrame, terms: Sequence[str], *, has_slope: bool = True) -> Design:
    return build_design(frame, "y", terms, "id", "month", has_slope=has_slope)


def test_influence_is_what_leaving_one_out_does() -> None:
    frame = data()
    fitted = fit(frame, "y", TERMS, "id", "month")
    again = rebuild(fitted, design_of(frame, TERMS))
    distance, moved = influence(again)
    patients = np.unique(frame["id"])
    one = int(np.argmax(distance))
    kept = frame["id"].to_numpy() != patients[one]
    design, x, y = again.design, again.design.x, again.design.y
    psi = again.random_effects.shape[1]
    assert psi == 2 and len(patients) == len(distance)
    v = np.eye(len(y)) * again.residual_variance
    relative = np.linalg.inv(np.linalg.inv(again.shrink[one]) - design.z[~kept].T @ design.z[~kept])
    same = design.patient[:, None] == design.patient[None, :]
    v += same * (design.z @ relative @ design.z.T) * again.residual_variance
    weights = np.linalg.inv(v[np.ix_(kept, kept)])
    without = np.linalg.solve(x[kept].T @ weights @ x[kept], x[kept].T @ weights @ y[kept])
    errors = np.sqrt(np.diag(again.covariance))
    assert moved[one] == pytest.approx((again.effects - without) / errors, abs=1e-8)
    marginal = y - x @ again.effects
    predicted = relative @ design.z[~kept].T @ np.linalg.solve(v[np.ix_(~kept, ~kept)], marginal[~kept])
    assert again.random_effects[one] == pytest.approx(predicted * again.residual_variance, abs=1e-9)
    table = predicted_effects(again, list(patients))
    assert table["slope"].iloc[one] == pytest.approx(again.random_effects[one, 1] / 12)


def test_diagnostics_count_and_name() -> None:
    frame = data()
    frame.loc[frame.index[5], "y"] = 40.0
    fitted = fit(frame, "y", TERMS, "id", "month")
    found = rebuild(fitted, design_of(frame, TERMS))
    said = {row["diagnostic"]: row for row in diagnostics(found)}
    assert said["n_outlying_residuals"]["value"] >= 1 and said["n_outlying_residuals"]["n"] == len(frame)
    assert said["residual_excess_kurtosis"]["value"] > 5
    assert said["n_influential_patients"]["n"] == 155
    assert said["largest_shift:month:pred"]["value"] > 0.1
    assert not any(str(patient) in str(said) for patient in ("p001", "p155"))


LME4_SD = {  # R 4.2.2, lme4 1.1-31: confint(lmer(y ~ month + (month | id) or (1 | id), REML = FALSE), parm = "theta_")
    ("sim_wai", "intercept_and_slope"): [(0.8401534, 1.1810627), (0.0, 0.0424537), (0.7231598, 0.8515853), (-1.0, 1.0)],
    ("sim_wai", "intercept"): [(0.8500883, 1.1236666), (0.7415132, 0.8597255)],
    ("sim_schedule", "intercept"): [(0.9481696, 1.242288), (0.7488472, 0.870317)],
    ("sim_singular", "intercept_and_slope"): [
        *((0.9697117, 1.3025952), (0.0, 0.0282485), (0.6606978, 0.7660556), (-1.0, 1.0)),
    ],
}


@pytest.mark.parametrize(("name", "random"), list(LME4_SD))
def test_profile_intervals_are_those_of_lme4(name: str, random: str) -> None:
    fitted = fit(read(GOLDEN, name)[0], "y", ["month"], "id", "month", random=random)
    for found, (low, high) in zip(profile_intervals(fitted), LME4_SD[name, random], strict=True):
        is_variance = found.component.startswith("var")
        ends = np.sqrt([found.low, found.high]) if is_variance else np.array([found.low, found.high])
        assert ends == pytest.approx([low, high], rel=3e-4), found.component


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("model", ["random_intercept", "predictor", "stratum_moderate"])
def test_the_public_reference_agrees(model: str, method: str) -> None:
    frame = rows(data(), model)
    terms = parse_formula(formula("sim_wai", model, "month")).terms
    random = "intercept" if model in INTERCEPT_ONLY else "intercept_and_slope"
    fitted = fit(frame, "y", terms, "id", "month", random=random, method=method)
    row = reference.check(fitted, design_of(frame, terms, has_slope=random == "intercept_and_slope"))
    assert row["status"] == "pass" and row["is_interior"], row
    assert row["reference_log_likelihood"] == pytest.approx(fitted.log_likelihood, abs=1e-6)
    assert row["refit_log_likelihood"] == pytest.approx(fitted.log_likelihood, abs=1e-6)


def changed(fitted: MixedModelFit, **values: float) -> MixedModelFit:
    return MixedModelFit(**({name: getattr(fitted, name) for name in fitted.__dataclass_fields__} | values))


def test_a_disagreement_with_the_reference_is_said() -> None:
    frame = data()
    fitted = fit(frame, "y", ["month"], "id", "month")
    wrong = changed(fitted, log_likelihood=(fitted.log_likelihood or 0) + 0.01)
    row = reference.check(wrong, design_of(frame, ["month"]))
    assert row["status"] == "fail" and "differ by 0.01" in row["reason"]
    theta = fitted.theta or (1.0, 0.0, 0.0)
    short = changed(fitted, theta=(theta[0] * 1.1, *theta[1:]))
    row = reference.check(short, design_of(frame, ["month"]))
    assert row["status"] == "fail"


def test_on_the_boundary_the_reference_says_nothing() -> None:
    frame = read(GOLDEN, "sim_singular")[0]
    fitted = fit(frame, "y", ["month"], "id", "month")
    row = reference.check(fitted, design_of(frame, ["month"]))
    assert row["status"] == "not_applicable" and "boundary" in row["reason"]
    nothing = fit(frame.iloc[:0], "y", ["month"], "id", "month")
    row = reference.check(nothing, design_of(frame, ["month"]))
    assert row["status"] == "not_applicable" and row["reason"] == "nothing was fitted"
