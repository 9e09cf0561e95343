"""Counts with an exposure: against geepack, MASS and lme4, against integrals written out, and where there is no fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import GOLDEN
from procedures import column, run

from assets.analysis.counts.data import CountData, count_data
from assets.analysis.counts.dispersion import dispersion, likelihood_ratio
from assets.analysis.counts.fitted import CountFit
from assets.analysis.counts.marginal import estimating_equations, negative_binomial_glm, poisson_glm
from assets.analysis.counts.mixed import CountLikelihood, fit_mixed
from assets.analysis.counts.rates import observed_rate
from assets.analysis.design_matrix import NotEstimableError

TERMS = ["trt", "logbase", "age"]


@pytest.fixture(scope="module")
def epilepsy(shared: Path) -> tuple[CountData, dict[str, Any]]:
    folder = shared / "golden"
    if not (folder / "counts.json").is_file():
        pytest.skip("needs the reference results of counts, expected in golden/ of the given samples")
    frame = pd.read_csv(folder / "epilepsy.csv")
    frame["logbase"], frame["weeks"] = np.log(frame["base"]), 2.0
    return count_data(frame, "y", TERMS, "id", "period", "weeks"), json.loads((folder / "counts.json").read_text())


def agrees(fitted: CountFit, reference: dict[str, Any], names: tuple[str, str], tolerance: float) -> None:
    """Estimates within `tolerance` standard errors and in absolute terms, standard errors relatively."""
    numbers = (reference[name] for name in names)
    estimates, errors = (np.array(list(one.values()) if isinstance(one, dict) else one) for one in numbers)
    assert np.abs(fitted.coefficients - estimates).max() < tolerance
    assert np.abs((fitted.coefficients - estimates) / errors).max() < tolerance
    assert np.sqrt(np.diag(fitted.covariance)) == pytest.approx(errors, rel=tolerance)
    assert fitted.is_converged


@pytest.mark.parametrize("working", ["independence", "exchangeable", "ar1"])
def test_estimating_equations_are_those_of_geepack(epilepsy: tuple[CountData, dict[str, Any]], working: Any) -> None:
    data, golden = epilepsy
    fitted, reference = estimating_equations(data, working), golden["gee"][working]
    agrees(fitted, reference, ("coef", "robust_se"), 2e-5)
    assert fitted.scale == pytest.approx(reference["scale"]["Estimate"], abs=1e-5)
    if reference["corr"]:
        assert fitted.correlation == pytest.approx(reference["corr"]["Estimate"], abs=2e-6)
    wald = (fitted.coefficients / np.sqrt(np.diag(fitted.covariance))) ** 2
    assert wald == pytest.approx(list(reference["wald"].values()), rel=1e-4)


def test_regressions_are_those_of_r(epilepsy: tuple[CountData, dict[str, Any]]) -> None:
    data, golden = epilepsy
    poisson, binomial = poisson_glm(data), negative_binomial_glm(data)
    agrees(poisson, golden["glm_poisson"], ("coef", "se"), 1e-6)
    agrees(binomial, golden["glm_nb"], ("coef", "se"), 1e-6)
    assert poisson.log_likelihood == pytest.approx(golden["glm_poisson"]["logLik"], abs=1e-8)
    assert binomial.log_likelihood == pytest.approx(golden["glm_nb"]["logLik"], abs=1e-8)
    assert binomial.theta == pytest.approx(golden["glm_nb"]["theta"], rel=1e-6)
    tests = dispersion(data, poisson)
    # R: sum((y-mu)^2-y+h*mu)/sqrt(2*sum(mu^2)), Pearson chi² / 232
    assert tests.score == pytest.approx(48.12447127, abs=1e-7) and tests.ratio == pytest.approx(4.845841336, abs=1e-8)
    statistic, naive, mixture = likelihood_ratio(binomial, poisson)
    assert statistic == pytest.approx(2 * (golden["glm_nb"]["logLik"] - golden["glm_poisson"]["logLik"]), abs=1e-6)
    assert mixture == pytest.approx(naive / 2)


def test_quadrature_is_that_of_lme4(epilepsy: tuple[CountData, dict[str, Any]]) -> None:
    data, golden = epilepsy
    fitted, reference = fit_mixed(data, 25), golden["glmer_poisson_agq25"]
    agrees(fitted, reference, ("fixef", "se"), 5e-5)
    assert fitted.sd_intercept is not None and fitted.sd_intercept**2 == pytest.approx(reference["var_id"], rel=1e-5)
    from scipy.special import gammaln

    with np.errstate(divide="ignore"):
        saturated = np.where(data.y > 0, data.y * np.log(np.maximum(data.y, 1)), 0) - data.y - gammaln(data.y + 1)
    assert fitted.log_likelihood - saturated.sum() == pytest.approx(reference["logLik"], abs=1e-7)


def test_laplace_is_that_of_lme4(epilepsy: tuple[CountData, dict[str, Any]]) -> None:
    data, golden = epilepsy
    fitted, reference = fit_mixed(data, 1), golden["glmer_poisson_laplace"]
    # The reference stopped at lme4's default tolerance of its inner steps; its own values with tolPwrss = 1e-12 are:
    tight = {
        "fixef": {"(Intercept)": -2.4349830128, "trt": -0.3200596235, "logbase": 1.0253982034, "age": 0.0107279876},
        "se": {"(Intercept)": 0.5272072272, "trt": 0.1509196257, "logbase": 0.1013601729, "age": 0.0121925638},
    }
    agrees(fitted, tight, ("fixef", "se"), 1e-4)
    agrees(fitted, reference, ("fixef", "se"), 3e-3)
    assert fitted.log_likelihood == pytest.approx(-671.294070516, abs=1e-7)
    assert np.abs(fitted.coefficients - list(reference["fixef"].values())).max() < 1e-3
    assert fitted.sd_intercept is not None and fitted.sd_intercept**2 == pytest.approx(reference["var_id"], abs=1e-4)


def test_negative_binomial_mixed_is_that_of_lme4(epilepsy: tuple[CountData, dict[str, Any]]) -> None:
    data, golden = epilepsy
    fitted, reference = fit_mixed(data, 1, has_theta=True), golden["glmer_nb"]
    agrees(fitted, reference, ("fixef", "se"), 2e-4)
    assert fitted.theta == pytest.approx(reference["theta"], rel=1e-4)
    assert fitted.sd_intercept is not None and fitted.sd_intercept**2 == pytest.approx(reference["var_id"], rel=1e-4)
    assert fitted.log_likelihood == pytest.approx(reference["logLik"], abs=1e-5)
    assert fitted.aic == pytest.approx(reference["AIC"], abs=1e-4)


def made(seed: int = 3, patients: int = 60, theta: float | None = 2.0, sd: float = 0.6) -> pd.DataFrame:
    """Acts in windows of days: rate 0.03 a day, halved in arm 1, falling by 3 % a month."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), 4)
    months = np.tile([0.0, 6.0, 12.0, 18.0], patients)
    arm, days = patient % 2, random.integers(20, 180, len(patient))
    mean = days * 0.03 * 0.5**arm * np.exp(-0.03 * months + random.normal(0, sd, patients)[patient])
    acts = random.poisson(mean if theta is None else mean * random.gamma(theta, 1 / theta, len(mean)))
    frame = pd.DataFrame({"patient_id": patient, "months": months, "acts": acts.astype(float), "days": days * 1.0})
    return frame.assign(arm=arm, site_id=np.where(patient % 3 == 0, "north", "south"), episode_id=patient)


@pytest.mark.parametrize("inverse_theta", [0.0, 1e-9, 0.4])
def test_likelihood_is_the_integral_written_out(inverse_theta: float) -> None:
    from scipy.integrate import quad
    from scipy.stats import nbinom, norm, poisson

    data = count_data(made(patients=3), "acts", ["arm", "months"], "patient_id", "months", "days")
    coefficients, sd = np.array([-3.2, -0.5, -0.02]), 0.7
    expected = 0.0
    for patient in range(data.n_patients):
        rows = data.patient == patient
        fixed, y = (data.offset + data.x @ coefficients)[rows], data.y[rows]

        def density(u: float, fixed: Any = fixed, y: Any = y) -> float:
            mean = np.exp(fixed + sd * u)
            if inverse_theta == 0:
                return float(np.prod(poisson.pmf(y, mean)) * norm.pdf(u))
            size = 1 / inverse_theta
            return float(np.prod(nbinom.pmf(y, size, size / (size + mean))) * norm.pdf(u))

        expected += np.log(quad(density, -9, 9, epsabs=1e-14, limit=200)[0])
    value = CountLikelihood(data, 40).value(coefficients, sd, inverse_theta)
    assert value == pytest.approx(expected, abs=1e-6)
    assert CountLikelihood(data, 1).value(coefficients, sd, inverse_theta) == pytest.approx(expected, abs=0.1)


def test_finds_what_the_data_were_made_with() -> None:
    data = count_data(made(patients=600), "acts", ["arm", "months"], "patient_id", "months", "days")
    fitted = fit_mixed(data, 9, has_theta=True)
    truth, errors = np.array([np.log(0.03), np.log(0.5), -0.03]), np.sqrt(np.diag(fitted.covariance))
    assert np.abs((fitted.coefficients - truth) / errors).max() < 3
    assert fitted.theta == pytest.approx(2.0, rel=0.2) and fitted.sd_intercept == pytest.approx(0.6, abs=0.1)
    assert fitted.is_singular is False


def test_counts_that_are_poisson_end_on_the_boundary() -> None:
    frame = made(seed=8, theta=None, sd=0.0)
    data = count_data(frame, "acts", ["arm"], "patient_id", "months", "days")
    mixed, plain, poisson = fit_mixed(data, 9), negative_binomial_glm(data), poisson_glm(data)
    if mixed.is_singular:
        assert mixed.coefficients == pytest.approx(poisson.coefficients, abs=1e-5)
        assert mixed.log_likelihood == pytest.approx(poisson.log_likelihood, abs=1e-6)
    assert mixed.sd_intercept is not None and mixed.sd_intercept < 0.35
    assert plain.log_likelihood is not None and poisson.log_likelihood is not None
    assert plain.log_likelihood >= poisson.log_likelihood - 1e-6
    assert plain.theta is None or plain.theta > 5


def test_autoregressive_steps_may_be_months() -> None:
    data = count_data(made(), "acts", ["arm", "months"], "patient_id", "months", "days")
    by_row, by_months = estimating_equations(data, "ar1"), estimating_equations(data, "ar1", lag=6.0)
    assert by_row.correlation == pytest.approx(by_months.correlation, abs=1e-6)
    half = estimating_equations(data, "ar1", lag=3.0)
    assert half.correlation is not None and by_row.correlation == pytest.approx(half.correlation**2, abs=1e-4)
    reduced = estimating_equations(data, "ar1", is_bias_reduced=True)
    assert (np.diag(reduced.covariance) > np.diag(by_row.covariance)).all()


def test_observed_rates() -> None:
    events, exposure = np.array([2.0, 1.0, 0.0, 5.0]), np.array([30.0, 30.0, 60.0, 60.0])
    rate = observed_rate(events, exposure, np.array(["a", "a", "b", "c"]))
    assert (rate.n_events, rate.n_patients, rate.n_observations) == (8, 3, 4)
    assert rate.rate == pytest.approx(8 / 180)
    error = np.sqrt(1.5 * sum((y - 8 / 180 * 60) ** 2 for y in (3, 0, 5))) / 8
    assert rate.ci_high == pytest.approx(8 / 180 * np.exp(1.959964 * error), rel=1e-6)
    none = observed_rate(np.zeros(2), np.full(2, 50.0), np.array(["a", "b"]))
    assert (none.rate, none.ci_low) == (0, 0) and none.ci_high == pytest.approx(3.688879 / 100, rel=1e-6)


DECLARED = {
    "kind": "counts",
    "name": "acts",
    "title": "Self-harm",
    "outcomes": ["acts"],
    "exposure": "days",
    "terms": ["arm", "months"],
    "per": 30,
    "exposure_unit": "days",
    "by": "arm",
}


@pytest.mark.parametrize("model", ["gee", "poisson", "negative_binomial", "poisson_mixed", "negative_binomial_mixed"])
def test_a_declared_procedure_writes_rates_ratios_and_tests(model: str) -> None:
    row, rows = run(DECLARED | {"model": model, "points": 7}, made())
    assert row.get("reason") is None and row["n_patients"] == 60
    estimates = rows["results.estimate"]
    assert column(estimates, "term") == ["intercept", "arm", "months"] and set(column(estimates, "model")) == {"acts"}
    rates = {(r["measure"], r.get("term"), r.get("group_level")): r for r in rows["results.rate"]}
    ratio = rates[("rate ratio", "arm", None)]
    assert ratio["estimate"] == pytest.approx(np.exp(estimates[1]["estimate"]))
    assert ratio["ci_low"] < ratio["estimate"] < ratio["ci_high"] < 1
    observed = [rates[("observed rate", None, level)] for level in (None, "0", "1")]
    assert observed[0]["n_events"] == observed[1]["n_events"] + observed[2]["n_events"]
    assert observed[1]["estimate"] == pytest.approx(30 * observed[1]["n_events"] / observed[1]["exposure"])
    compared = rows["results.comparison"]
    assert len(compared) == 3 and compared[2]["chi_square"] > 10 and compared[2]["p_mixture"] < 0.001


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda f: f.assign(acts=0.0), "every count"),
        (lambda f: f.assign(acts=f["acts"] + 0.5), "no counts"),
        (lambda f: f.assign(acts=np.nan), "no row has a count"),
        (lambda f: f.assign(days=0.0), "no row has a count"),
        (lambda f: f[f["patient_id"] == 0], "fewer than 2 patients"),
        (lambda f: f.assign(arm=1), "collinear"),
        (lambda f: f.assign(acts=np.where(f["arm"] == 1, 0.0, f["acts"])), "no bound"),
        (lambda f: f[f["months"] == 0].assign(months=f["months"] + f["patient_id"]), "one row"),
        (lambda f: f.iloc[:0], "no row has a count"),
    ],
)
def test_what_cannot_be_computed_has_a_reason(change: Any, part: str) -> None:
    row, rows = run(DECLARED, change(made()))
    reasons = [r["reason"] for r in rows.get("results.rate", []) if r.get("measure") == "rate ratio"]
    assert part in str(row.get("reason") or reasons[0])
    assert "results.estimate" not in rows


def test_one_patient_per_coefficient_is_refused() -> None:
    data = count_data(made(patients=3), "acts", ["arm", "months"], "patient_id", "months", "days")
    with pytest.raises(NotEstimableError, match="3 patients are too few"):
        estimating_equations(data)


def test_agrees_with_r_on_made_counts() -> None:
    """Patients with one to four rows; `made_counts.R` beside the data made the reference."""
    reference = json.loads((GOLDEN / "made_counts.json").read_text())
    frame = pd.read_csv(GOLDEN / "made_counts.csv")
    data = count_data(frame, "acts", ["arm", "months"], "patient_id", "months", "days")
    working = {name: estimating_equations(data, name) for name in ("independence", "exchangeable", "ar1")}
    for name, fitted in working.items():
        expected = reference["gee"][name]
        agrees(fitted, expected, ("coef", "se"), 1e-6)
        assert fitted.scale == pytest.approx(expected["scale"], abs=1e-7)
        assert fitted.correlation == (expected["corr"] and pytest.approx(expected["corr"], abs=1e-6))
    others = {
        "glm_poisson": (poisson_glm(data), 1e-4),
        "glm_nb": (negative_binomial_glm(data), 1e-6),
        "laplace": (fit_mixed(data, 1), 1e-5),
        "agq9": (fit_mixed(data, 9), 1e-5),
    }
    for name, (fitted, tolerance) in others.items():
        agrees(fitted, reference[name], ("coef", "se"), tolerance)
        if name != "agq9":  # lme4 leaves out what does not depend on the parameters there
            assert fitted.log_likelihood == pytest.approx(reference[name]["logLik"], abs=1e-6)
    binomial, expected = fit_mixed(data, 1, has_theta=True), reference["nb_laplace"]
    assert binomial.coefficients == pytest.approx(expected["coef"], abs=1e-5)
    assert binomial.theta == pytest.approx(expected["theta"], rel=1e-5)
    assert binomial.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    # lme4 takes theta as known; with its uncertainty the errors are a little larger, here by at most 1.3 %
    ratio = np.sqrt(np.diag(binomial.covariance)) / expected["se"]
    assert (ratio > 1 - 1e-4).all() and (ratio < 1.02).all()
