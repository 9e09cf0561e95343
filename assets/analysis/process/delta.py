"""Sensitivity of an estimate to dropout that depends on what was not seen: delta adjustment and the tipping point.

What belongs here: what is missing after dropout, the shifts, and the estimates of completed data. What does not: the
sampler and Rubin's rules (`imputation`).

Scores missing at planned occasions are imputed from the growth model as if missing at random. Those after a patient's
last observed occasion are then shifted by delta (Carpenter and Kenward 2013, Multiple Imputation and its Application,
chapter 10; Ratitch, O'Kelly and Tosiello 2013, Pharm. Stat. 12, 337–347). The draws are the same for every delta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.counts.data import term_columns
from assets.analysis.design_matrix import NotEstimableError, complete_rows, source_columns
from assets.analysis.mixed_model import fit
from assets.analysis.procedure import Found, Room
from assets.analysis.process.imputation import Floats, GrowthSampler, Pooled, pool
from assets.analysis.process.mediation import variables
from assets.analysis.process.waves import EPISODE, PATIENT, TIME, one_course
from codebook.procedures.delta_adjustment import DeltaAdjustment

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

YEAR = 12.0
ALPHA = 0.05


@dataclass(frozen=True)
class Missing:
    """Rows to impute: one for each patient and planned occasion without a score."""

    rows: pd.DataFrame
    """As the panel, at the planned months; `missed` is the number of missed occasions since dropout, 0 within."""
    scores: Floats
    """m × rows: imputed as missing at random."""


def delta_adjustment(declared: DeltaAdjustment, room: Room) -> Found:
    """The estimate under each delta (`results.sensitivity`), and where it tips."""
    panel, n_open, n_courses = courses(declared, room)
    needed = [declared.outcome, PATIENT, TIME, *source_columns(declared.terms), *declared.predictors]
    needed += [declared.delta_applies_to] if declared.delta_applies_to else []
    observed = panel.loc[complete_rows(panel, needed)]
    check(declared, observed)
    missing = impute(declared, observed)
    sd = _first_sd(declared, observed)
    deltas = sorted({0.0, *declared.deltas})
    found = Found(
        f"multiple imputation from the growth model (Gibbs sampler, {declared.imputations} imputations, seed "
        f"{declared.seed}), shifted after dropout; Rubin's rules, Barnard–Rubin df; at least "
        f"{declared.MINIMUM_WAVES} waves",
        observed[PATIENT].nunique(),
        len(observed),
    )
    n_after = int((missing.rows["missed"] > 0).sum())
    parts = [f"{n_after} scores of {_n_dropped(missing)} patients missing after dropout, and "]
    parts[0] += f"{len(missing.rows) - n_after} between or before observed ones, were imputed"
    parts += [f"{n_open} open courses are left out"] if n_open else []
    parts += [f"{n_courses} further courses of the same patients are left out"] if n_courses else []
    found.note = "; ".join(parts)
    pooled: dict[float, dict[str, Pooled]] = {}
    for number, delta in enumerate(deltas):
        pooled[delta] = estimates(declared, observed, missing, delta * (sd if declared.unit == "sd" else 1.0))
        unit = " SD" if declared.unit == "sd" else ""
        for term, one in pooled[delta].items():
            found.add(
                "results.sensitivity", outcome=declared.outcome, universe=number, choices=f"delta={delta:g}{unit}",
                is_primary=delta == 0, term=term, **_inference(one), method=found.method,
                n_patients=found.n_patients, n_observations=len(observed) + len(missing.rows),
            )  # fmt: skip
            found.add(
                "results.diagnostic", outcome=declared.outcome, model=declared.name, value=one.fraction_missing,
                diagnostic=f"fraction of missing information: {term}, delta={delta:g}{unit}", n=found.n_patients,
            )  # fmt: skip
    for term in pooled[0.0]:
        value, note = tipping_point({delta: pooled[delta][term] for delta in deltas})
        found.add(
            "results.diagnostic", outcome=declared.outcome, model=declared.name, diagnostic=f"tipping point: {term}",
            value=value, n=found.n_patients, note=note,
        )  # fmt: skip
    return found


def courses(declared: DeltaAdjustment, room: Room) -> tuple[pd.DataFrame, int, int]:
    """One course a patient, without those still open; and how many of either are left out."""
    panel, n_courses = one_course(room.panel)
    if declared.includes_open_courses:
        return panel, 0, n_courses
    last = list(declared.occasions)[-1]
    reached = panel.loc[(panel["occasion"] == last) & panel[declared.outcome].notna(), EPISODE]
    is_open = panel[EPISODE].isin(_open_courses(room.connection)) & ~panel[EPISODE].isin(reached)
    return panel.loc[~is_open], panel.loc[is_open, EPISODE].nunique(), n_courses


def check(declared: DeltaAdjustment, observed: pd.DataFrame) -> None:
    """Refuse what the growth model or the estimand cannot be had from.

    Raises:
        NotEstimableError: too few patients with two waves, or an occasion nobody reached.
    """
    waves = observed.groupby(PATIENT).size()
    n = int((waves >= declared.MINIMUM_WAVES).sum())
    if n < declared.minimum_patients:
        text = f"the growth model needs {declared.MINIMUM_WAVES} waves of at least {declared.minimum_patients} patients"
        raise NotEstimableError(f"{text}; {n} have so many")
    for occasion in declared.occasions:
        if not (observed["occasion"] == occasion).any():
            raise NotEstimableError(f"nobody has '{declared.outcome}' at {occasion}")


def impute(declared: DeltaAdjustment, observed: pd.DataFrame) -> Missing:
    """Missing planned scores and their draws.

    Raises:
        NotEstimableError: the growth model cannot be fitted, or a term changes within patients other than with months.
    """
    import pandas as pd

    fixed = [name for name in source_columns(declared.terms) if name != TIME]
    keep = list(dict.fromkeys([*fixed, *declared.predictors, *filter(None, [declared.delta_applies_to])]))
    for name in keep:
        if (observed.groupby(PATIENT)[name].nunique() > 1).any():
            raise NotEstimableError(f"'{name}' changes within patients; what it is at a missed occasion is not known")
    terms = declared.terms
    if declared.means == "free":
        observed = observed.loc[observed["occasion"].isin(declared.occasions)]
        terms = tuple(":".join("occasion" if part == TIME else part for part in t.split(":")) for t in terms)
    fitted = fit(observed, declared.outcome, terms, PATIENT, TIME, method="ML")
    if fitted.reason is not None:
        raise NotEstimableError(f"the growth model that imputes: {fitted.reason}")
    assert fitted.var_intercept is not None and fitted.var_residual is not None
    slope, cross = (fitted.var_slope or 0.0) * YEAR**2, (fitted.cov_intercept_slope or 0.0) * YEAR
    covariance = np.array([[fitted.var_intercept, cross], [cross, slope]])
    places = {occasion: place for place, occasion in enumerate(declared.occasions)}
    patients = observed.drop_duplicates(PATIENT)[[PATIENT, EPISODE, *keep]]
    grid = patients.merge(
        pd.DataFrame({"occasion": list(places), TIME: list(declared.occasions.values())}), how="cross"
    )
    have = observed.loc[observed["occasion"].isin(places), [PATIENT, "occasion"]].drop_duplicates()
    last = have["occasion"].map(places).groupby(have[PATIENT]).max()
    grid = grid.merge(have.assign(is_observed=True), on=[PATIENT, "occasion"], how="left")
    rows = grid.loc[grid["is_observed"].isna()].drop(columns="is_observed").reset_index(drop=True)
    reached = rows[PATIENT].map(last).fillna(-1).to_numpy(dtype=float)
    place = rows["occasion"].map(places).to_numpy(dtype=float)
    rows = rows.assign(missed=np.maximum(place - reached, 0))
    stacked = pd.concat([observed, rows], ignore_index=True)
    _, columns = term_columns(stacked.assign(**{TIME: stacked[TIME] / YEAR}), terms)
    x = np.column_stack(columns)
    z = np.column_stack([np.ones(len(stacked)), stacked[TIME].to_numpy(dtype=float) / YEAR])
    codes = np.unique(stacked[PATIENT].to_numpy(), return_inverse=True)[1].astype(np.int64)
    n, own = len(observed), slice(len(observed), None)
    y = observed[declared.outcome].to_numpy(dtype=float)
    sampler = GrowthSampler(y, x[:n], z[:n], codes[:n], covariance, fitted.var_residual)
    random = np.random.default_rng(declared.seed)
    scores = np.empty((declared.imputations, len(rows)))
    for number, draw in enumerate(sampler.draws(declared.imputations, random)):
        mean = x[own] @ draw.fixed + np.sum(z[own] * draw.random[codes[own]], axis=1)
        scores[number] = mean + random.normal(0, math.sqrt(draw.residual_variance), len(rows))
    return Missing(rows, scores)


def estimates(declared: DeltaAdjustment, observed: pd.DataFrame, missing: Missing, delta: float) -> dict[str, Pooled]:
    """Pooled estimates by term after a shift of `delta` units of the outcome."""
    missed = missing.rows["missed"].to_numpy(dtype=float)
    times = missed if declared.shift == "cumulative" else (missed > 0).astype(float)
    if declared.delta_applies_to:
        times = times * (missing.rows[declared.delta_applies_to].to_numpy(dtype=float) == 1)
    shifted = missing.scores + delta * times
    estimate = _growth if declared.estimand == "growth" else _change
    names, values, variances, df = estimate(declared, observed, missing.rows, shifted)
    return {name: pool(values[:, k], variances[:, k], df) for k, name in enumerate(names)}


def tipping_point(pooled: dict[float, Pooled]) -> tuple[float | None, str]:
    """The delta nearest to 0 at which significance at 5 % changes, between two declared ones; and what it says."""
    deltas = sorted(pooled)
    margin = {delta: _margin(pooled[delta]) for delta in deltas}
    word = "significant" if margin[0.0] > 0 else "not significant"
    crossings = [
        low + (high - low) * margin[low] / (margin[low] - margin[high])
        for low, high in pairwise(deltas)
        if (margin[low] > 0) != (margin[high] > 0)
    ]
    if not crossings:
        return None, f"{word} at every delta from {deltas[0]:g} to {deltas[-1]:g}"
    return min(crossings, key=abs), f"{word} at delta 0; interpolated between declared deltas, 5 % level"


def _margin(one: Pooled) -> float:
    """How far |estimate| lies beyond the limit of significance; 0 at the tipping point."""
    from scipy.stats import t

    return abs(one.estimate) - float(t.ppf(1 - ALPHA / 2, one.df)) * one.std_error


def _inference(one: Pooled) -> dict[str, Any]:
    from scipy.stats import t

    width = float(t.ppf(1 - ALPHA / 2, one.df)) * one.std_error
    statistic = one.estimate / one.std_error if one.std_error > 0 else math.nan
    return {
        "estimate": one.estimate,
        "std_error": one.std_error,
        "df": one.df,
        "statistic": statistic,
        "p_value": float(2 * t.sf(abs(statistic), one.df)),
        "ci_low": one.estimate - width,
        "ci_high": one.estimate + width,
    }


def _change(
    declared: DeltaAdjustment, observed: pd.DataFrame, rows: pd.DataFrame, shifted: Floats
) -> tuple[list[str], Floats, Floats, float]:
    """Last minus first occasion on an intercept (and predictors), for all imputations at once."""
    patients = np.array(sorted(observed[PATIENT].unique()))
    ends = [list(declared.occasions)[place] for place in (0, -1)]
    values = np.empty((2, len(shifted), len(patients)))
    for side, occasion in enumerate(ends):
        at = observed.loc[observed["occasion"] == occasion].sort_values(TIME, kind="stable")
        seen = at.groupby(PATIENT)[declared.outcome].first()
        values[side] = seen.reindex(patients).to_numpy(dtype=float)
        own = (rows["occasion"] == occasion).to_numpy()
        values[side][:, np.searchsorted(patients, rows.loc[own, PATIENT].to_numpy())] = shifted[:, own]
    first, last = values
    names, columns = ["change" if not declared.predictors else "intercept"], [np.ones(len(patients))]
    if declared.predictors:
        names += list(declared.predictors)
        columns += list(variables(observed, declared.predictors).T)
    x = np.repeat(np.column_stack(columns)[None], len(shifted), axis=0)
    if declared.adjusts_for_first:
        names.append(f"{ends[0]} (centred)")
        x = np.concatenate([x, (first - first.mean(axis=1, keepdims=True))[:, :, None]], axis=2)
    df = float(len(patients) - x.shape[2])
    products = np.einsum("mni,mnj->mij", x, x)
    if df < 1 or np.linalg.cond(products).max() > 1e12:
        raise NotEstimableError("a predictor is constant, or follows from the others, in the patients used")
    inverse = np.linalg.inv(products)
    y = last - first
    coefficients = np.einsum("mij,mnj,mn->mi", inverse, x, y)
    residual = y - np.einsum("mni,mi->mn", x, coefficients)
    variance = np.sum(residual**2, axis=1) / df
    return names, coefficients, variance[:, None] * np.einsum("mii->mi", inverse), df


def _growth(
    declared: DeltaAdjustment, observed: pd.DataFrame, rows: pd.DataFrame, shifted: Floats
) -> tuple[list[str], Floats, Floats, float]:
    """The growth model on each completed panel; degrees of freedom those of patients."""
    import pandas as pd

    names: list[str] = []
    found: list[tuple[Floats, Floats]] = []
    for scores in shifted:
        completed = pd.concat([observed, rows.assign(**{declared.outcome: scores})], ignore_index=True)
        fitted = fit(completed, declared.outcome, declared.terms, PATIENT, TIME, method="REML")
        if fitted.reason is not None:
            raise NotEstimableError(f"the growth model of a completed panel: {fitted.reason}")
        names = list(fitted.estimates["term"])
        numbers = fitted.estimates[["estimate", "std_error"]].to_numpy(dtype=float)
        found.append((numbers[:, 0], numbers[:, 1] ** 2))
    values, variances = (np.array([pair[side] for pair in found]) for side in (0, 1))
    return names, values, variances, float(observed[PATIENT].nunique() - len(names))


def _open_courses(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Courses without a discharge; none where the warehouse has no episodes."""
    import duckdb

    try:
        rows = connection.execute("select episode_id from harmonised.episode where discharge_date is null").fetchall()
    except duckdb.CatalogException:
        return []
    return [row[0] for row in rows]


def _first_sd(declared: DeltaAdjustment, observed: pd.DataFrame) -> float:
    first = observed.loc[observed["occasion"] == next(iter(declared.occasions)), declared.outcome]
    sd = float(first.std(ddof=1))
    if declared.unit == "sd" and not sd > 0:
        raise NotEstimableError(
            f"'{declared.outcome}' has no variance at the first occasion; deltas in SD mean nothing"
        )
    return sd


def _n_dropped(missing: Missing) -> int:
    return int(missing.rows.loc[missing.rows["missed"] > 0, PATIENT].nunique())
