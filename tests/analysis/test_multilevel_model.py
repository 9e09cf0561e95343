"""The covariance engine against lme4, lmerTest and nlme, against the likelihood written out, and where it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.multilevel.blocks import (
    Block,
    codes,
    random_effects,
    residual,
    residual_by_category,
    unstructured_residual,
)
from assets.analysis.multilevel.likelihood import MarginalLikelihood
from assets.analysis.multilevel.model import MarginalFit, fit_marginal

DATA = Path(__file__).parent.parent / "data" / "multilevel"
LEVELS = {
    "site_intercept": ("site", False, False),
    "patient_slope": ("site", False, True),
    "both_slopes": ("site", True, True),
    "therapist_crossed": ("therapist", False, False),
}


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DATA / "reference.json").read_text())
    return read


@pytest.fixture(scope="module")
def levels() -> pd.DataFrame:
    return pd.read_csv(DATA / "three_level.csv")


def effects(frame: pd.DataFrame, name: str, has_slope: bool) -> Block:
    columns = [("intercept", np.ones(len(frame)), 0), ("months", frame["month"].to_numpy() / 12, 1)]
    return random_effects(name, codes(frame[name]), columns[: 1 + has_slope])


def fit_levels(frame: pd.DataFrame, model: str, method: Any) -> MarginalFit:
    upper, has_upper, has_slope = LEVELS[model]
    years, poor = frame["month"].to_numpy() / 12, frame["poor"].to_numpy(dtype=float)
    x = np.column_stack([np.ones(len(frame)), years, poor, years * poor])
    blocks = [effects(frame, upper, has_upper), effects(frame, "patient", has_slope), residual(len(frame))]
    terms = ["(Intercept)", "month", "poor", "month:poor"]
    return fit_marginal(frame["y"].to_numpy(), x, terms, [0, 1, 0, 1], blocks, codes(frame["patient"]), method=method)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("model", list(LEVELS))
def test_three_levels_as_lme4_and_lmertest(
    model: str, method: str, levels: pd.DataFrame, reference: dict[str, Any]
) -> None:
    """Nested and crossed, inside and on the boundary."""
    expected = reference["three_level"][model][method]
    fitted = fit_levels(levels, model, method)
    assert fitted.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    tests = [fitted.contrast({term: 1.0}) for term in expected["terms"]]
    for found, estimate, error, df, p in zip(
        tests, *(expected[key] for key in ("estimate", "std_error", "df", "p_value")), strict=True
    ):
        assert abs(found["estimate"] - estimate) < 1e-4 * error
        assert found["std_error"] == pytest.approx(error, rel=1e-4)
        assert found["df"] == pytest.approx(df, rel=1e-3)
        assert found["p_value"] == pytest.approx(p, rel=1e-3)
    years = np.array([1.0, 12.0])
    for name, covariance in expected["var_years"].items():
        ours = fitted.parts[name] * np.outer(years, years)[: len(covariance), : len(covariance)]
        assert ours == pytest.approx(np.array(covariance), rel=1e-3, abs=1e-6)
    assert fitted.parts["residual"][0, 0] == pytest.approx(expected["sigma2"], rel=1e-4)
    assert fitted.is_singular is expected["singular"]
    assert fitted.is_converged is True


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_unstructured_visits_as_gls(method: Any, reference: dict[str, Any]) -> None:
    frame = pd.read_csv(DATA / "visits.csv")
    expected = reference["visits"][method]
    arm = (frame["arm"] == "active").to_numpy(dtype=float)
    late = [(frame["visit"] == visit).to_numpy(dtype=float) for visit in (5, 8)]
    x = np.column_stack([np.ones(len(frame)), frame["pre"], arm, *late, arm * late[0], arm * late[1]])
    patient = codes(frame["patient"])
    part = unstructured_residual(frame["visit"], patient)
    fitted = fit_marginal(frame["y"].to_numpy(), x, expected["terms"], [0] * 7, [part], patient, method=method)
    assert fitted.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    assert np.abs(fitted.estimate - expected["estimate"]).max() < 1e-4 * np.max(expected["std_error"])
    # gls multiplies its ML covariance by n / (n − p)
    inflated = len(frame) / (len(frame) - 7) if method == "ML" else 1.0
    assert np.sqrt(np.diag(fitted.covariance) * inflated) == pytest.approx(np.array(expected["std_error"]), rel=1e-4)


def small_case(seed: int = 1) -> tuple[np.ndarray, np.ndarray, list[Block], np.ndarray]:
    """Sites above patients, therapists across them, residual by category: everything at once, 60 rows."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(15), 4)
    site, therapist = patient % 3, rng.integers(0, 5, 60)
    years, one = np.tile(np.arange(4) / 2, 15) + rng.random(60) / 10, np.ones(60)
    blocks = [
        random_effects("site", site, [("intercept", one, 0)]),
        random_effects("therapist", therapist, [("intercept", one, 0), ("months", years, 1)]),
        random_effects("patient", patient, [("intercept", one, 0), ("months", years, 1)]),
        residual_by_category(np.tile(["a", "b"], 30)),
    ]
    return rng.normal(size=60), np.column_stack([one, years]), blocks, patient


@pytest.mark.parametrize("is_reml", [False, True])
def test_likelihood_and_gradient_as_written_out(is_reml: bool) -> None:
    y, x, blocks, cluster = small_case()
    likelihood = MarginalLikelihood(y, x, blocks, cluster, is_reml=is_reml)
    assert (likelihood.layout.inner, likelihood.layout.outer) == ([2, 3], [0, 1])
    rng = np.random.default_rng(2)
    factors = [np.tril(rng.normal(size=(block.q, block.q))) for block in blocks[:3]] + [np.diag([0.7, 0.9])]
    factors[1][1, 1] = 0.0  # a singular Λ

    def written_out(psi: list[np.ndarray]) -> float:
        v = np.zeros((60, 60))
        for block, scale, one in zip(blocks, likelihood.z_scale, psi, strict=True):
            z = block.z / scale
            v += (block.group[:, None] == block.group[None, :]) * (z @ one @ z.T)
        outcome, basis = y / likelihood.y_scale, np.linalg.qr(x)[0]
        weighted = np.linalg.solve(v, basis)
        left = outcome - basis @ np.linalg.solve(basis.T @ weighted, weighted.T @ outcome)
        deviance = np.linalg.slogdet(v)[1] + left @ np.linalg.solve(v, left)
        if is_reml:
            deviance += np.linalg.slogdet(basis.T @ weighted)[1]
        return float(deviance + (60 - 2 * is_reml) * np.log(2 * np.pi))

    at = likelihood.evaluate(factors, is_profiled=False)
    psi = [factor @ factor.T for factor in factors]
    assert at.deviance == pytest.approx(written_out(psi), abs=1e-9)
    for number, block in enumerate(blocks):
        for i, j in zip(*block.cells(), strict=True):
            step = np.zeros((block.q, block.q))
            step[i, j] = step[j, i] = 1e-5
            moved = [[p + sign * step if k == number else p for k, p in enumerate(psi)] for sign in (1, -1)]
            slope = (written_out(moved[0]) - written_out(moved[1])) / 2e-5
            assert float(np.sum(at.gradients[number] * (step != 0))) == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_a_category_with_its_own_variance_is_found() -> None:
    rng = np.random.default_rng(3)
    category = np.tile(["calm", "noisy"], 400)
    y = rng.normal(size=800) * np.where(category == "noisy", 3.0, 1.0) + np.repeat(rng.normal(size=100), 8)
    patient = np.repeat(np.arange(100), 8)
    one = np.ones(800)
    blocks = [random_effects("patient", patient, [("intercept", one, 0)]), residual_by_category(category)]
    fitted = fit_marginal(y, one[:, None], ["intercept"], [0], blocks, patient)
    assert fitted.columns["residual"] == ("calm", "noisy")
    assert np.diag(fitted.parts["residual"]) == pytest.approx([1.0, 9.0], rel=0.15)
    assert fitted.parts["patient"][0, 0] == pytest.approx(1.0, rel=0.4)


def test_the_joint_test_of_one_row_is_its_t_test(levels: pd.DataFrame) -> None:
    fitted = fit_levels(levels, "site_intercept", "REML")
    alone, joint = fitted.contrast({"month:poor": 1.0}), fitted.joint_test([{"month:poor": 1.0}])
    assert joint["statistic"] == pytest.approx(alone["statistic"] ** 2)
    assert (joint["df_error"], joint["p_value"]) == pytest.approx((alone["df"], alone["p_value"]))
    with pytest.raises(NotEstimableError, match="follow from each other"):
        fitted.joint_test([{"month": 1.0}, {"month": 2.0}])
    with pytest.raises(KeyError):
        fitted.contrast({"week": 1.0})


def refused(y: np.ndarray, x: np.ndarray, blocks: list[Block], cluster: np.ndarray) -> str:
    with pytest.raises(NotEstimableError) as problem:
        fit_marginal(y, x, [f"x{k}" for k in range(x.shape[1])], [0] * x.shape[1], blocks, cluster)
    return str(problem.value)


def test_degenerate_input_has_a_reason() -> None:
    y, x, blocks, cluster = small_case()
    one = np.ones(60)
    intercepts = random_effects("patient", cluster, [("intercept", one, 0)])
    assert "same value" in refused(one, x, blocks, cluster)
    assert "collinear" in refused(y, np.column_stack([x, x[:, 1]]), blocks, cluster)
    assert "without error" in refused(x @ [1.0, 2.0], x, blocks, cluster)
    assert "fewer than" in refused(y[:4], x[:4], [residual(4), residual_by_category(list("abcd"))], np.arange(4))
    alone = random_effects("patient", np.arange(60), [("intercept", one, 0)])
    assert "cannot separate" in refused(y, x, [alone, residual(60)], np.arange(60))
    everyone = random_effects("site", np.zeros(60, dtype=np.int64), [("intercept", one, 0)])
    assert "too few" in refused(y, x, [everyone, intercepts, residual(60)], cluster)
    twice = unstructured_residual(np.tile(["a", "b", "c", "d"], 15), cluster)
    assert "cannot tell parts of the covariance apart" in refused(y, x, [intercepts, twice], cluster)
    steps = np.repeat(np.random.default_rng(5).normal(size=15), 4)
    assert "residual variance tends to zero" in refused(steps, x, [intercepts, residual(60)], cluster)
    with pytest.raises(NotEstimableError, match="occurs twice"):
        unstructured_residual(["a", "a"], np.array([0, 0]))
    with pytest.raises(NotEstimableError, match="nobody has both a and b"):
        unstructured_residual(["a", "b"], np.array([0, 1]))


def test_an_effect_of_the_occasion_is_the_covariance_of_its_scales() -> None:
    """Two scales an assessment: an effect of the assessment is what a free residual covariance would be."""
    rng = np.random.default_rng(6)
    patient, assessment = np.repeat(np.arange(40), 8), np.repeat(np.arange(160), 2)
    one, scale = np.ones(320), np.tile(["bond", "task"], 160)
    y = rng.normal(size=40)[patient] + 0.6 * rng.normal(size=160)[assessment] + rng.normal(size=320)
    intercept = random_effects("patient", patient, [("intercept", one, 0)])
    occasion = random_effects("assessment", assessment, [("intercept", one, 0)])
    effects = fit_marginal(y, one[:, None], ["b"], [0], [intercept, occasion, residual_by_category(scale)], patient)
    free = fit_marginal(y, one[:, None], ["b"], [0], [intercept, unstructured_residual(scale, assessment)], patient)
    assert effects.log_likelihood == pytest.approx(free.log_likelihood, abs=1e-6)
    assert effects.parts["assessment"][0, 0] == pytest.approx(free.parts["residual"][0, 1], rel=1e-3)
    shared = effects.parts["assessment"][0, 0]
    assert np.diag(effects.parts["residual"]) + shared == pytest.approx(np.diag(free.parts["residual"]), rel=1e-3)
    assert effects.contrast({"b": 1.0})["df"] == pytest.approx(free.contrast({"b": 1.0})["df"], rel=1e-3)
