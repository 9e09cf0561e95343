"""The mixed model against lme4 1.1-31, against a likelihood written out in full, and where nothing can be fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import GOLDEN, INTERCEPT_ONLY, formula, r_name, read, rows
from scipy import stats

from assets.analysis.formula import fit_formula
from assets.analysis.likelihood import ProfiledLikelihood, factor_of
from assets.analysis.maximum import maximise
from assets.analysis.mixed_model import MixedModelFit, contrast, fit
from assets.analysis.patient_sums import from_matrices


def assert_agrees(result: MixedModelFit, reference: dict[str, Any]) -> None:
    """Within what lme4's own optimiser can tell: log-likelihood 1e-8, effects 1e-6 SE, the rest relative."""
    assert result.reason is None
    estimates = result.estimates.set_index(result.estimates["term"].map(r_name))
    expected, errors, freedom = (by_term(reference[name]) for name in ("fixef", "se", "satterthwaite_df"))
    assert set(estimates.index) == set(expected)
    for term, value in expected.items():
        assert abs(estimates.loc[term, "estimate"] - value) < 1e-6 * errors[term], term
        assert estimates.loc[term, "std_error"] == pytest.approx(errors[term], rel=1e-5), term
    for term, value in freedom.items():
        assert estimates.loc[term, "df"] == pytest.approx(value, rel=1e-4), term
    for term, value in by_term(reference["satterthwaite_p"]).items():
        assert estimates.loc[term, "p_value"] == pytest.approx(value, rel=1e-3, abs=1e-9), term
    assert result.log_likelihood == pytest.approx(reference["logLik"], abs=1e-8)
    assert result.aic == pytest.approx(reference["AIC"], abs=1e-7)
    assert result.bic == pytest.approx(reference["BIC"], abs=1e-7)
    assert result.aic_spss == pytest.approx(reference["AIC_SPSS_REML"] or reference["AIC"], abs=1e-7)
    assert (result.n_observations, result.n_patients) == (reference["n_obs"], reference["n_groups"])
    assert result.is_singular is reference["singular"]
    assert result.is_converged is True
    covariance = np.array(reference["re_cov"])
    assert result.var_residual == pytest.approx(reference["sigma2"], rel=1e-5)
    assert result.var_intercept == pytest.approx(covariance[0, 0], rel=1e-5)
    if covariance.shape == (2, 2):
        assert result.var_slope == pytest.approx(covariance[1, 1], rel=1e-5)
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert result.cov_intercept_slope == pytest.approx(covariance[0, 1], abs=1e-5 * scale)
    else:
        assert result.var_slope is None


def by_term(values: Any) -> dict[str, float]:
    """Reference numbers by term; R writes a single one as a list, or none at all."""
    if isinstance(values, list):
        return {"(Intercept)": values[0]}
    return {":".join(sorted(name.split(":"))): value for name, value in (values or {}).items()}


SIMULATED = [
    *(("sim_wai", model) for model in ("means", "random_intercept", "growth", "predictor", "moderator")),
    *(("sim_wai", f"sens_{model}") for model in ("version", "version_predictor", "pattern_mixture")),
    ("sim_wai", "sens_pattern_mixture_predictor"),
    *(("sim_wai", f"stratum_{stratum}") for stratum in ("mild", "moderate", "severe")),
    *(("sim_schedule", model) for model in ("random_intercept", "growth", "predictor", "cells")),
    *(("sim_schedule", model) for model in ("pattern_mixture_predictor", "only_good", "only_poor")),
    *(("sim_singular", model) for model in ("random_intercept", "growth", "predictor", "moderator", "sens_version")),
    *(("sim_singular", f"stratum_{stratum}") for stratum in ("mild", "moderate", "severe")),
]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "model"), SIMULATED)
def test_agrees_with_lme4(name: str, model: str, method: str) -> None:
    frame, reference = read(GOLDEN, name)
    random = "intercept" if model in INTERCEPT_ONLY else "intercept_and_slope"
    result = fit_formula(formula(name, model, "month"), rows(frame, model), "id", "month", random=random, method=method)
    assert_agrees(result, reference[method][model])


REAL = [
    *(("btheb_long", model) for model in ("means", "random_intercept", "growth", "predictor")),
    *(("sleepstudy", model) for model in ("means", "random_intercept", "growth")),
    *((name, model) for name in ("orthodont", "chickweight") for model in ("means", "growth", "predictor")),
]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "model"), REAL)
def test_agrees_with_lme4_on_real_data(shared: Path, name: str, model: str, method: str) -> None:
    frame, reference = read(shared / "golden", name)
    random = "intercept" if model in INTERCEPT_ONLY else "intercept_and_slope"
    result = fit_formula(formula(name, model, "time"), frame, "id", "time", random=random, method=method)
    assert_agrees(result, reference[method][model])


def test_prints_what_hsaur3_prints(shared: Path) -> None:
    wide = pd.read_csv(shared / "samples" / "trials" / "btheb.csv")
    wide["patient"] = wide.index
    months = {"bdi.2m": 2, "bdi.3m": 3, "bdi.5m": 5, "bdi.8m": 8}
    covariates = ["patient", "drug", "length", "treatment", "bdi.pre"]
    long = wide.melt(covariates, list(months), "visit", "bdi").assign(
        months=lambda f: f["visit"].map(months),
        treatment=lambda f: (f["treatment"] == "BtheB").astype(int),
        drug=lambda f: (f["drug"] == "Yes").astype(int),
        length=lambda f: (f["length"] == ">6m").astype(int),
    )
    terms = ["bdi.pre", "months", "treatment", "drug", "length"]
    result = fit(long, "bdi", terms, "patient", random="intercept")
    estimate = result.estimates.set_index("term")["estimate"]
    assert estimate["bdi.pre"] == pytest.approx(0.63968, abs=5e-6)
    assert estimate["months"] == pytest.approx(-0.70476, abs=5e-6)
    assert estimate["treatment"] == pytest.approx(-2.32908, abs=5e-6)
    assert result.aic == pytest.approx(1887.5, abs=0.05)
    assert (result.n_patients, result.n_observations, result.n_rows_dropped) == (97, 280, 120)


def small() -> pd.DataFrame:
    random = np.random.default_rng(7)
    patient = np.repeat(np.arange(30), 4)
    months = np.tile([0.0, 3.0, 9.0, 15.0], 30) + random.uniform(-1, 1, 120)
    level, slope = random.normal(5, 1, 30), random.normal(0.03, 0.04, 30)
    y = level[patient] + slope[patient] * months + random.normal(0, 0.5, 120)
    return pd.DataFrame({"patient": patient, "months": months, "y": y, "group": patient % 2})


def likelihood_of(frame: pd.DataFrame, x: np.ndarray, *, is_reml: bool) -> ProfiledLikelihood:
    sums = from_matrices(frame["y"].to_numpy(), x, x[:, :2], frame["patient"].to_numpy())
    return ProfiledLikelihood(sums, is_reml=is_reml)


@pytest.mark.parametrize("is_reml", [False, True])
@pytest.mark.parametrize("covariance", [[[1.2, 0.1], [0.1, 0.3]], [[1.2, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
def test_likelihood_is_the_marginal_normal_density(is_reml: bool, covariance: list[list[float]]) -> None:
    frame = small()
    x = np.column_stack([np.ones(len(frame)), frame["months"] / 12, frame["group"]])
    z, y, patient = x[:, :2], frame["y"].to_numpy(), frame["patient"].to_numpy()
    relative = np.array(covariance)
    likelihood = likelihood_of(frame, x, is_reml=is_reml)
    scale = likelihood.sums.z_scale
    at = likelihood.evaluate(factor_of(relative * np.outer(scale, scale)))
    same_patient = patient[:, None] == patient[None, :]
    v = at.residual_variance * (np.eye(len(y)) + same_patient * (z @ relative @ z.T))
    information = x.T @ np.linalg.solve(v, x)
    effects = np.linalg.solve(information, x.T @ np.linalg.solve(v, y))
    residual = y - x @ effects
    freedom = len(y) - 3 if is_reml else len(y)
    twice = np.linalg.slogdet(v)[1] + residual @ np.linalg.solve(v, residual) + freedom * np.log(2 * np.pi)
    if is_reml:
        twice += np.linalg.slogdet(information)[1]
    back = np.linalg.inv(likelihood.sums.r)
    assert at.deviance == pytest.approx(twice, abs=1e-9)
    assert back @ (likelihood.sums.projection + at.coordinates) == pytest.approx(effects, abs=1e-9)
    assert at.residual_variance * back @ at.inverse @ back.T == pytest.approx(np.linalg.inv(information), rel=1e-8)


@pytest.mark.parametrize("is_reml", [False, True])
def test_derivatives_are_those_of_the_likelihood(is_reml: bool) -> None:
    frame = small()
    x = np.column_stack([np.ones(len(frame)), frame["months"] / 12])
    likelihood = likelihood_of(frame, x, is_reml=is_reml)
    theta, step = np.array([1.1, 0.2, 0.4]), 1e-5
    at = likelihood.evaluate(theta)
    slope = likelihood.slope(theta, at)
    information = likelihood.information_gradient(theta)
    chain = np.array([[2.2, 0.2, 0.0], [0.0, 1.1, 0.4], [0.0, 0.0, 0.8]])
    for place in range(3):
        change = np.zeros(3)
        change[place] = step
        up, down = likelihood.evaluate(theta + change), likelihood.evaluate(theta - change)
        assert slope[place] == pytest.approx((up.deviance - down.deviance) / (2 * step), rel=1e-5, abs=1e-6)
        moved = (np.linalg.inv(up.inverse) - np.linalg.inv(down.inverse)) / (2 * step)
        assert -np.einsum("k,kpq->pq", chain[place], information) == pytest.approx(moved, rel=1e-5, abs=1e-5)


def test_patients_with_equal_times_are_summed_together() -> None:
    frame = small()
    frame["months"] = np.tile([0.0, 3.0, 9.0, 15.0], 30)
    x = np.column_stack([np.ones(len(frame)), frame["months"] / 12])
    likelihood = likelihood_of(frame, x, is_reml=False)
    assert likelihood.sums.count.tolist() == [30.0]
    patient = frame["patient"].to_numpy()
    apart = from_matrices(frame["y"].to_numpy(), x, x + np.array([0.0, 1e-12]) * patient[:, None], patient)
    assert len(apart.count) > 1
    other = ProfiledLikelihood(apart, is_reml=False).evaluate(np.array([1.0, 0.1, 0.3]))
    assert likelihood.evaluate(np.array([1.0, 0.1, 0.3])).deviance == pytest.approx(other.deviance, abs=1e-7)


def test_is_optimum_sees_a_boundary_that_is_none() -> None:
    frame = small()
    x = np.column_stack([np.ones(len(frame)), frame["months"] / 12])
    likelihood = likelihood_of(frame, x, is_reml=False)
    found = maximise(likelihood)
    assert not likelihood.is_optimum(np.array([found.theta[0], 0.0, 0.0]))
    assert not likelihood.is_optimum(np.zeros(3))
    assert likelihood.is_optimum(maximise(likelihood, np.zeros(3)).theta)
    assert maximise(likelihood, np.zeros(3)).at.deviance == pytest.approx(found.at.deviance, abs=1e-9)


def test_boundary_is_reached_and_said() -> None:
    frame, reference = read(GOLDEN, "sim_singular")
    result = fit(frame, "y", ["month"], "id", "month")
    assert result.is_singular and result.is_converged
    assert abs(result.cor_intercept_slope or 0) == pytest.approx(1, abs=1e-8)
    assert result.theta == pytest.approx(reference["ML"]["growth"]["theta"], abs=1e-5)


def test_estimates_do_not_depend_on_the_unit_of_the_outcome() -> None:
    frame = small()
    one = fit(frame, "y", ["months"], "patient")
    thousand = fit(frame.assign(y=frame["y"] * 1000), "y", ["months"], "patient")
    assert thousand.estimates["estimate"].to_numpy() / 1000 == pytest.approx(one.estimates["estimate"], rel=1e-6)
    assert thousand.estimates["statistic"].to_numpy() == pytest.approx(one.estimates["statistic"], rel=1e-5)


def test_interval_and_p_are_those_of_t() -> None:
    result = fit(small(), "y", ["months", "group"], "patient")
    row = result.estimates.set_index("term").loc["months"]
    assert row["statistic"] == pytest.approx(row["estimate"] / row["std_error"])
    assert row["ci_high"] - row["estimate"] == pytest.approx(stats.t.ppf(0.975, row["df"]) * row["std_error"])
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(row["statistic"]), row["df"]))
    assert result.estimates["term"].tolist() == ["intercept", "months", "group"]
    assert result.method == (
        "ML, random intercept and slope (unstructured), profiled likelihood; Satterthwaite t, 95 % interval"
    )


def test_a_contrast_is_the_same_test_after_recoding() -> None:
    frame = small().assign(other=lambda f: 1 - f["group"])
    one = fit(frame, "y", ["months", "group", "months:group"], "patient", method="REML")
    two = fit(frame, "y", ["months", "other", "months:other"], "patient", method="REML")
    slope_in_group = contrast(one, {"months": 1, "months:group": 1})
    direct = two.estimates.set_index("term").loc["months"]
    for name in ("estimate", "std_error", "df", "p_value", "ci_low"):
        assert getattr(slope_in_group, name) == pytest.approx(direct[name], rel=1e-5), name
    with pytest.raises(KeyError, match="no term 'absent'"):
        contrast(one, {"absent": 1})


def test_incomplete_rows_are_dropped_and_counted() -> None:
    frame = small()
    frame.loc[[0, 5], "y"] = np.nan
    frame.loc[5, "months"] = np.nan
    frame.loc[9, "group"] = np.nan
    result = fit(frame, "y", ["months", "group"], "patient")
    assert (result.n_observations, result.n_rows_dropped) == (117, 3)
    without = fit(frame.dropna(), "y", ["months", "group"], "patient")
    assert result.log_likelihood == pytest.approx(without.log_likelihood)


def failing() -> dict[str, tuple[pd.DataFrame, list[str], str]]:
    frame = small()
    first = frame.groupby("patient").head(1)
    straight = frame.assign(y=frame["patient"] + 0.5 * frame["months"] * (frame["patient"] % 3))
    return {
        "no rows": (frame.iloc[:0], ["months"], "no row has a value"),
        "one patient": (frame[frame["patient"] == 0], ["months"], "fewer than 2 patients"),
        "few rows": (frame[frame["patient"] < 2].groupby("patient").head(2), ["months"], "fewer than the model's 6"),
        "no variance": (frame.assign(y=3.0), ["months"], "same value in every"),
        "one row each": (first, ["months"], "cannot separate"),
        "collinear": (
            frame.assign(other=2 * frame["group"] + 1),
            ["months", "group", "other"],
            "collinear terms: other",
        ),
        "no time": (frame.assign(months=3.0), ["group"], "time has the same value"),
        "no error": (frame.assign(y=1 + 2 * frame["months"]), ["months"], "without error"),
        "lines fit": (straight, ["months"], "residual variance tends to zero"),
        "one level": (frame.assign(version="wai_s"), ["months", "version"], "'version' has the same value"),
        "text outcome": (frame.assign(y="text"), ["months"], "'y' holds text"),
        "no column": (frame, ["months", "absent"], "there is no column 'absent'"),
    }


@pytest.mark.parametrize("case", list(failing()))
def test_what_cannot_be_fitted_has_a_reason(case: str) -> None:
    frame, terms, reason = failing()[case]
    result = fit(frame, "y", terms, "patient")
    assert result.reason is not None and reason in result.reason
    assert result.log_likelihood is None and result.is_converged is None
    assert result.estimates["term"].tolist() == ["intercept", *terms]
    assert result.estimates["estimate"].isna().all()
