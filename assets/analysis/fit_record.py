"""A fit as one record, with the names that R's lme4 and lmerTest give.

What belongs here: what `concord fit --format json` says. What does not: estimation, or printing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from assets.analysis.design_matrix import INTERCEPT
from assets.analysis.kenward_roger import adjusted
from assets.analysis.mixed_model import MixedModelFit, Random, finite_or_none


def to_rows(result: MixedModelFit) -> list[dict[str, Any]]:
    """One dictionary for each term, null (None) where there is no number."""
    return [
        {str(key): finite_or_none(value) for key, value in row.items()} for row in result.estimates.to_dict("records")
    ]


def to_record(result: MixedModelFit, formula: str, patient: str, time: str, random: Random) -> dict[str, Any]:
    """The whole fit as values that `json.dumps` takes: `estimates` by our terms, the rest under lme4's names.

    Terms below `fixef`, `se`, `satterthwaite_df`, `satterthwaite_p` and `kenward_roger` are named as R names them:
    `(Intercept)`, `arm` + level. With a `reason` nothing was fitted, and there are no other numbers.
    """
    effects = f"{time} | {patient}" if random == "intercept_and_slope" else f"1 | {patient}"
    record: dict[str, Any] = {
        "formula": f"{formula.strip()} + ({effects})",
        "method": result.method,
        "reason": result.reason,
        "estimates": to_rows(result),
    }
    kernel = result.kernel
    if kernel is None or result.var_residual is None or result.theta is None:
        return record
    names = [r_term(term) for term in kernel.uncertainty.terms]
    covariance = _random_covariance(result)

    def by_name(column: str) -> dict[str, Any]:
        return dict(zip(names, (finite_or_none(float(v)) for v in result.estimates[column]), strict=True))

    return record | {
        "REML": kernel.likelihood.is_reml,
        "n_obs": result.n_observations,
        "n_groups": result.n_patients,
        "n_rows_dropped": result.n_rows_dropped,
        "fixef": by_name("estimate"),
        "se": by_name("std_error"),
        "vcov_fixef": kernel.uncertainty.covariance.tolist(),
        "satterthwaite_df": by_name("df"),
        "satterthwaite_p": by_name("p_value"),
        "kenward_roger": _kenward_roger(result, names),
        "re_names": ["(Intercept)", time][: len(covariance)],
        "re_cov": covariance.tolist(),
        "re_cor": _correlation(covariance),
        "sigma": math.sqrt(result.var_residual),
        "sigma2": result.var_residual,
        "theta": list(result.theta),
        "converged": result.is_converged,
        "singular": result.is_singular,
        "logLik": result.log_likelihood,
        "n_par": result.n_parameters,
        "AIC": result.aic,
        "BIC": result.bic,
        "AIC_SPSS_REML": result.aic_spss if kernel.likelihood.is_reml else None,
    }


def r_term(term: str) -> str:
    """Our name of a term as R writes it: `arm[usual]` is `armusual`."""
    return "(Intercept)" if term == INTERCEPT else term.replace("[", "").replace("]", "")


def _random_covariance(result: MixedModelFit) -> np.ndarray:
    if result.var_slope is None:
        return np.array([[result.var_intercept]], dtype=float)
    crossed = result.cov_intercept_slope
    return np.array([[result.var_intercept, crossed], [crossed, result.var_slope]], dtype=float)


def _correlation(covariance: np.ndarray) -> list[list[float | None]]:
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    found = np.divide(covariance, scale, out=np.full_like(covariance, np.nan), where=scale > 0)
    np.fill_diagonal(found, np.where(deviation > 0, 1.0, np.nan))
    return [[None if math.isnan(value) else float(value) for value in row] for row in found]


def _kenward_roger(result: MixedModelFit, names: list[str]) -> dict[str, dict[str, Any]] | None:
    if result.kernel is None or not result.kernel.likelihood.is_reml:
        return None
    tests = adjusted(result.kernel).tests
    columns = {"se": "std_error", "df": "df", "p": "p_value"}
    return {
        short: {name: finite_or_none(getattr(test, column)) for name, test in zip(names, tests, strict=True)}
        for short, column in columns.items()
    }
