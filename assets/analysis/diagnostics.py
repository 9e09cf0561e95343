"""What a fit leaves unexplained, and who moves it: residuals, predicted random effects and influence.

What belongs here: numbers about one fit, computed from its rows. What does not: estimation. No row of a patient leaves:
results carry maxima, counts and moments; predicted random effects are for a caller inside the warehouse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import MONTHS_PER_YEAR, Design, NotEstimableError
from assets.analysis.mixed_model import MixedModelFit, relative_covariance
from assets.analysis.patient_sums import Floats

if TYPE_CHECKING:
    import pandas as pd

OUTLYING = 3.0


@dataclass(frozen=True)
class Fitted:
    """A fit beside its rows, time in years."""

    design: Design
    effects: Floats
    """p: fixed effects per year."""
    random_effects: Floats
    """N × q: best linear unbiased predictions, slope per year."""
    residual: Floats
    """n: y − Xb − Zu, divided by the residual SD."""
    covariance: Floats
    """p × p: of the fixed effects per year."""
    shrink: Floats
    """N × q × q: Ψ(I + Z'ZΨ)⁻¹ of each patient."""
    residual_variance: float


def rebuild(fitted: MixedModelFit, design: Design) -> Fitted:
    """Predictions and residuals of a fit; `design` holds the rows it was fitted to.

    Raises:
        NotEstimableError: nothing was fitted.
    """
    if fitted.kernel is None or fitted.theta is None or fitted.var_residual is None:
        raise NotEstimableError(fitted.reason or "nothing was fitted")
    unsure, power = fitted.kernel.uncertainty, fitted.kernel.months_power
    effects = unsure.estimate * MONTHS_PER_YEAR**power
    covariance = unsure.covariance * np.outer(MONTHS_PER_YEAR**power, MONTHS_PER_YEAR**power)
    psi = relative_covariance(fitted.theta)
    marginal = design.y - design.x @ effects
    zz = sums_by(design.patient, design.z, design.z, design.n_patients)
    shrink = psi @ np.linalg.inv(np.eye(len(psi)) + zz @ psi)
    zr = sums_by(design.patient, design.z, marginal[:, None], design.n_patients)
    predicted = (shrink @ zr)[:, :, 0]
    left = marginal - np.sum(design.z * predicted[design.patient], axis=1)
    return Fitted(
        design,
        effects,
        predicted,
        left / np.sqrt(fitted.var_residual),
        covariance,
        shrink,
        fitted.var_residual,
    )


def predicted_effects(fit: Fitted, patients: Sequence[Any]) -> pd.DataFrame:
    """BLUPs: patient, intercept, and slope per month where the model has one. `patients`: sorted levels of the fit."""
    import pandas as pd

    columns = {"patient": list(patients), "intercept": fit.random_effects[:, 0]}
    if fit.random_effects.shape[1] == 2:
        columns["slope"] = fit.random_effects[:, 1] / MONTHS_PER_YEAR
    return pd.DataFrame(columns)


def influence(fit: Fitted) -> tuple[Floats, Floats]:
    """Cook's distance of each patient (N), and by how many standard errors each term moves without them (N × p).

    Exact deletion of a patient with the variances held fixed: b − b₍ᵢ₎ = (X'V⁻¹X − XᵢVᵢ⁻¹Xᵢ)⁻¹ XᵢVᵢ⁻¹rᵢ; distance as in
    Cook (1977) for generalised least squares, divided by the number of terms. A patient without whom the terms could
    not be told apart has infinite influence.
    """
    design, n = fit.design, fit.design.n_patients
    marginal = (design.y - design.x @ fit.effects)[:, None]
    zx = sums_by(design.patient, design.z, design.x, n)
    zr = sums_by(design.patient, design.z, marginal, n)
    own = sums_by(design.patient, design.x, design.x, n) - zx.transpose(0, 2, 1) @ fit.shrink @ zx
    score = sums_by(design.patient, design.x, marginal, n) - zx.transpose(0, 2, 1) @ fit.shrink @ zr
    information = np.linalg.inv(fit.covariance) * fit.residual_variance
    without = information - own
    moved = np.full((n, len(fit.effects)), np.inf)
    possible = np.linalg.matrix_rank(without, tol=1e-9 * float(np.abs(information).max())) == len(fit.effects)
    if possible.any():
        moved[possible] = np.linalg.solve(without[possible], score[possible])[:, :, 0]
    distance = np.full(n, np.inf)
    distance[possible] = np.einsum("np,pq,nq->n", moved[possible], information, moved[possible])
    errors = np.sqrt(np.diag(fit.covariance))
    return distance / (len(fit.effects) * fit.residual_variance), moved / errors


def diagnostics(fit: Fitted) -> list[dict[str, Any]]:
    """Rows of `results.diagnostic`: what was looked at, its value, and of how many."""
    from scipy.stats import kurtosis, skew, spearmanr

    residual, design = fit.residual, fit.design
    n = len(residual)
    cook, moved = influence(fit)
    rows = [
        _row("residual_skewness", float(skew(residual)), n, "of the conditional residuals; 0 under normality"),
        _row("residual_excess_kurtosis", float(kurtosis(residual)), n, "0 under normality"),
        _row("n_outlying_residuals", int(np.sum(np.abs(residual) > OUTLYING)), n, f"beyond {OUTLYING:g} residual SDs"),
    ]
    predicted = design.x @ fit.effects
    if np.ptp(predicted) > 0:
        spread = float(spearmanr(np.abs(residual), predicted).statistic)
        rows.append(_row("spread_against_level", spread, n, "rank correlation of |residual| with the fitted mean"))
    rows.append(_autocorrelation(fit))
    finite = cook[np.isfinite(cook)]
    rows += [
        _row(
            "largest_cook_distance",
            float(finite.max()) if len(finite) else None,
            len(cook),
            "patients left out, one by one",
        ),
        _row("n_influential_patients", int(np.sum(cook > 4 / len(cook))), len(cook), "Cook's distance above 4 / n"),
    ]
    for place, term in enumerate(design.terms):
        own = moved[:, place][np.isfinite(moved[:, place])]
        largest = float(np.abs(own).max()) if len(own) else None
        rows.append(_row(f"largest_shift:{term}", largest, len(cook), "standard errors, by leaving one patient out"))
    for place, name in enumerate(("intercept", "slope")[: fit.random_effects.shape[1]]):
        values = fit.random_effects[:, place]
        rows.append(
            _row(f"{name}_prediction_skewness", float(skew(values)), len(values), "of the predicted random effects")
        )
    return rows


def sums_by(patient: np.ndarray, left: Floats, right: Floats, n: int) -> Floats:
    """Σ left' right within each patient: N × q × k."""
    sums = np.empty((n, left.shape[1], right.shape[1]))
    for i in range(left.shape[1]):
        for j in range(right.shape[1]):
            sums[:, i, j] = np.bincount(patient, left[:, i] * right[:, j], minlength=n)
    return sums


def _autocorrelation(fit: Fitted) -> dict[str, Any]:
    """Correlation of a residual with the same patient's one before, in order of time."""
    time = fit.design.z[:, -1] if fit.design.z.shape[1] == 2 else np.zeros(len(fit.residual))
    order = np.lexsort((time, fit.design.patient))
    patient, residual = fit.design.patient[order], fit.residual[order]
    pairs = patient[1:] == patient[:-1]
    one, two = residual[:-1][pairs], residual[1:][pairs]
    is_known = len(one) > 2 and np.ptp(one) > 0 and np.ptp(two) > 0
    value = float(np.corrcoef(one, two)[0, 1]) if is_known else None
    return _row("residual_autocorrelation", value, len(one), "with the patient's residual before; expected below 0")


def _row(name: str, value: float | int | None, n: int, note: str) -> dict[str, Any]:
    return {"diagnostic": name, "value": None if value is None else float(value), "n": n, "note": note}
