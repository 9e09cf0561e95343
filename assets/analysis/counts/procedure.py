"""The declared procedure `counts`: which model, and the rows of the results tables.

What belongs here: from a declaration to rows. What does not: estimation (`marginal`, `mixed`), tests (`dispersion`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.counts.data import CountData, count_data
from assets.analysis.counts.dispersion import dispersion, likelihood_ratio
from assets.analysis.counts.fitted import CountFit
from assets.analysis.counts.marginal import estimating_equations, negative_binomial_glm, poisson_glm
from assets.analysis.counts.mixed import fit_mixed
from assets.analysis.counts.rates import Z_95, observed_rate
from assets.analysis.design_matrix import NotEstimableError, complete_rows
from assets.analysis.procedure import Found, Room
from codebook.procedures.counts import CountModel, Counts

if TYPE_CHECKING:
    import pandas as pd

PATIENT, TIME = "patient_id", "months"
FEW_PATIENTS = 40
"""Below so many clusters the sandwich is told to be too small (Mancl and DeRouen 2001)."""
UNBOUNDED = 50.0
"""A standard error of a log rate ratio beyond this is that of a group without an event."""


def counts(declared: Counts, room: Room) -> Found:
    """Rates, rate ratios and tests of overdispersion for each outcome; see `docs/counts.md`."""
    found = Found("counts with log exposure as offset; rate ratio = exp(estimate)")
    rates_of_outcomes(declared, room, found)
    sizes: list[tuple[int, int]] = []
    for outcome in declared.outcomes:
        try:
            data = count_data(room.panel, outcome, declared.terms, PATIENT, TIME, declared.exposure)
            fitted = fit_count_model(data, declared)
            add_model(found, outcome, declared.name, data, fitted, declared)
            sizes.append((data.n_patients, len(data.y)))
        except NotEstimableError as problem:
            found.add("results.rate", outcome=outcome, measure="rate ratio", reason=str(problem))
            if len(declared.outcomes) == 1:
                found.note = str(problem)
    if sizes:
        found.n_patients, found.n_observations = max(sizes)
        is_plain = declared.model == "gee" and not declared.is_bias_reduced
        if is_plain and found.n_patients < FEW_PATIENTS:
            text = "robust standard errors are too small with so few patients: declare is_bias_reduced"
            found.note = "; ".join([*([found.note] if found.note else []), text])
    return found


def fit_count_model(data: CountData, declared: CountModel) -> CountFit:
    """The declared model on these rows.

    Raises:
        NotEstimableError: these rows cannot identify it, among others because a group has no event.
    """
    poisson = poisson_glm(data)
    errors = np.sqrt(np.diag(poisson.covariance))
    if not np.isfinite(errors).all() or errors.max() > UNBOUNDED:
        place = int(np.nanargmax(np.where(np.isfinite(errors), errors, np.inf)))
        raise NotEstimableError(f"the rate ratio of '{data.terms[place]}' has no bound: a group has no event")
    if declared.model == "poisson":
        return poisson
    if declared.model == "negative_binomial":
        return negative_binomial_glm(data)
    if declared.model == "gee":
        return estimating_equations(
            data, declared.correlation, is_bias_reduced=declared.is_bias_reduced, lag=declared.lag_months
        )
    return fit_mixed(
        data,
        declared.points,
        has_theta=declared.model == "negative_binomial_mixed",
        start=poisson.coefficients,
    )


def add_model(found: Found, outcome: str, model: str, data: CountData, fitted: CountFit, declared: CountModel) -> None:
    """Rows of one fitted model: estimates, rate ratios, variance, diagnostics and overdispersion."""
    sizes = {"n_patients": data.n_patients, "n_observations": len(data.y)}
    errors = np.sqrt(np.diag(fitted.covariance))
    of_whom = "" if fitted.sd_intercept is None else ", median patient"
    for term, estimate, error in zip(fitted.terms, fitted.coefficients, errors, strict=True):
        low, high = estimate - Z_95 * error, estimate + Z_95 * error
        statistic = estimate / error
        shared: dict[str, Any] = {"outcome": outcome, "term": term, "method": f"{fitted.method}; Wald z, 95 % interval"}
        shared |= sizes | {"p_value": math.erfc(abs(statistic) / math.sqrt(2))}
        found.add(
            "results.estimate", model=model, estimate=float(estimate), std_error=float(error),
            statistic=float(statistic), ci_low=float(low), ci_high=float(high), **shared,
        )  # fmt: skip
        is_rate = term == "intercept"
        per = declared.per if is_rate else 1.0
        found.add(
            "results.rate",
            measure=f"rate at 0 of every term{of_whom}" if is_rate else "rate ratio",
            estimate=per * math.exp(min(estimate, 700)),
            ci_low=per * math.exp(min(low, 700)),
            ci_high=per * math.exp(min(high, 700)),
            per=declared.per if is_rate else None,
            exposure_unit=declared.exposure_unit if is_rate else None,
            **(shared if not is_rate else shared | {"p_value": None}),
        )
    if fitted.sd_intercept is not None:
        found.add(
            "results.variance_component", outcome=outcome, model=model, component="var_intercept",
            estimate=fitted.sd_intercept**2, reason="on its boundary: 0" if fitted.is_singular else None,
        )  # fmt: skip
    _add_diagnostics(found, outcome, model, data, fitted)
    _add_overdispersion(found, outcome, model, data, fitted, declared)


def _add_diagnostics(found: Found, outcome: str, model: str, data: CountData, fitted: CountFit) -> None:
    dropped = "rows without a value in a column of the model"
    values: list[tuple[str, float | None, str | None]] = [
        ("log-likelihood", fitted.log_likelihood, "full, with log y!"),
        ("AIC", fitted.aic, None),
        ("theta", fitted.theta, "variance mu + mu²/theta"),
        ("standard error of log theta", fitted.se_log_theta, None),
        ("scale", fitted.scale, "mean squared Pearson residual"),
        ("working correlation", fitted.correlation, None),
        ("converged", float(fitted.is_converged), "1 yes, 0 no"),
        ("rows dropped", float(data.n_dropped_missing), dropped),
        ("rows without exposure", float(data.n_dropped_exposure), "exposure 0 or less"),
    ]
    for diagnostic, value, note in values:
        if value is not None:
            found.add(
                "results.diagnostic", outcome=outcome, model=model, diagnostic=diagnostic, value=float(value),
                n=len(data.y), note=note,
            )  # fmt: skip


def _add_overdispersion(
    found: Found, outcome: str, model: str, data: CountData, fitted: CountFit, declared: CountModel
) -> None:
    """Two tests on the Poisson regression, and the negative binomial against Poisson of the same kind of model."""
    poisson = poisson_glm(data)
    tests = dispersion(data, poisson)
    row: dict[str, Any] = {"outcome": outcome, "model": model, "compared_with": "Poisson"}
    row |= {"n_patients": data.n_patients, "n_observations": len(data.y)}
    found.add(
        "results.comparison", **row, chi_square=tests.chi_square, df=tests.df, p_value=tests.p_value,
        method="overdispersion: Pearson chi² of the Poisson regression, rows as independent",
    )  # fmt: skip
    found.add(
        "results.diagnostic", outcome=outcome, model=model, diagnostic="dispersion", value=tests.ratio, n=len(data.y),
        note="Pearson chi² / df of the Poisson regression; Poisson expects 1",
    )  # fmt: skip
    found.add(
        "results.comparison", **row, chi_square=tests.score**2, df=1, p_mixture=tests.score_p,
        method="overdispersion: Dean's score test P'_B, one-sided (in p_mixture), rows as independent",
    )  # fmt: skip
    is_mixed = declared.model.endswith("_mixed")
    text = "overdispersion: negative binomial against Poisson, likelihood ratio, boundary mixture in p_mixture"
    text += ", both with random intercept" if is_mixed else ", rows as independent"
    try:
        if is_mixed:
            start, has_theta = poisson.coefficients, declared.model == "negative_binomial_mixed"
            other = fit_mixed(data, declared.points, has_theta=not has_theta, start=start)
            wide, narrow = (fitted, other) if has_theta else (other, fitted)
        else:
            wide = fitted if declared.model == "negative_binomial" else negative_binomial_glm(data)
            narrow = poisson
        statistic, naive, mixture = likelihood_ratio(wide, narrow)
        found.add(
            "results.comparison", **row, chi_square=statistic, df=1, p_value=naive, p_mixture=mixture, method=text
        )
    except NotEstimableError as problem:
        found.add("results.comparison", **row, method=text, reason=str(problem))


def rates_of_outcomes(declared: Counts, room: Room, found: Found) -> None:
    """Observed rates of each outcome, over all rows and by the groups of `by`."""
    needed = [PATIENT, *([declared.exposure] if declared.exposure else []), *([declared.by] if declared.by else [])]
    for outcome in declared.outcomes:
        rows = room.panel.loc[complete_rows(room.panel, [outcome, *needed])]
        if declared.exposure:
            rows = rows.loc[rows[declared.exposure] > 0]
        groups: list[tuple[str | None, pd.DataFrame]] = [(None, rows)]
        if declared.by:
            levels = sorted(rows[declared.by].unique(), key=str)
            groups += [(_level(level), rows.loc[rows[declared.by] == level]) for level in levels]
        total = int(rows[outcome].sum())
        for level, part in groups:
            row: dict[str, Any] = {"outcome": outcome, "measure": "observed rate", "group_level": level}
            row |= {"per": declared.per, "exposure_unit": declared.exposure_unit}
            if part.empty:
                found.add("results.rate", **row, reason="no row has a count and an exposure above 0")
                continue
            exposure = part[declared.exposure].to_numpy(dtype=float) if declared.exposure else np.ones(len(part))
            rate = observed_rate(part[outcome].to_numpy(dtype=float), exposure, part[PATIENT].to_numpy())
            limits = [None if limit is None else declared.per * limit for limit in (rate.ci_low, rate.ci_high)]
            found.add(
                "results.rate", **row, n_events=rate.n_events, n_events_total=total, exposure=rate.exposure,
                estimate=declared.per * rate.rate, ci_low=limits[0], ci_high=limits[1],
                method=f"events / exposure; 95 % interval: {rate.ci_method}",
                n_patients=rate.n_patients, n_observations=rate.n_observations,
            )  # fmt: skip


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)
