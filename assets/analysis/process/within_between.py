"""Effects within and between patients: does a patient's better alliance go with fewer symptoms, or better patients?

What belongs here: centring by person means and what is reported of it. What does not: the mixed model.

A predictor that changes holds two things: how a patient differs from others on average, and how an assessment differs
from the patient's own average. Their effects need not agree, not even in sign (Curran and Bauer 2011, Annu. Rev.
Psychol. 62, 583–619). Means are over the rows used and are centred at the mean of patients' means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from assets.analysis.design_matrix import NotEstimableError, complete_rows, source_columns
from assets.analysis.mixed_model import MixedModelFit, fit
from assets.analysis.procedure import Found, Room
from assets.analysis.process.waves import PATIENT, TIME, add_fit, check_waves
from codebook.procedures.within_between import WithinBetween

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["centred", "mundlak"]


def within_between(declared: WithinBetween, room: Room) -> Found:
    """The model of each outcome in the declared form, the contextual effect, and each predictor's share between."""
    text = "mixed model with predictors split by person means into within and between"
    found = Found(f"{text}; at least {declared.MINIMUM_WAVES} waves")
    method = declared.estimation or room.analysis.estimation
    reasons = []
    for outcome in declared.outcomes:
        try:
            needed = [outcome, PATIENT, TIME, *declared.predictors, *source_columns(declared.terms)]
            rows = room.panel.loc[complete_rows(room.panel, needed)]
            check_waves(rows, declared.MINIMUM_WAVES, declared.minimum_patients, "an effect within patients")
            fits = {}
            for form in ("centred", "mundlak"):
                split, terms = split_predictors(rows, declared.predictors, PATIENT, form)
                fits[form] = fit(
                    split, outcome, [*declared.terms, *terms], PATIENT, TIME, random=declared.random, method=method
                )
            if fits[declared.form].reason is not None:
                raise NotEstimableError(str(fits[declared.form].reason))
            add_fit(found, outcome, declared.name, fits[declared.form])
            _add_contextual(found, outcome, declared.predictors, fits["mundlak"])
            for predictor in declared.predictors:
                share = share_between(rows, predictor, PATIENT, TIME)
                found.add(
                    "results.diagnostic", outcome=outcome, model=declared.name, value=share, n=len(rows),
                    diagnostic=f"share of the variance of {predictor} between patients",
                    note="intraclass correlation, REML, no predictor",
                )  # fmt: skip
            found.n_patients, found.n_observations = fits["centred"].n_patients, fits["centred"].n_observations
        except NotEstimableError as problem:
            reasons.append(f"{outcome}: {problem}")
    return said(found, reasons, len(declared.outcomes))


def said(found: Found, reasons: Sequence[str], n_parts: int) -> Found:
    """The findings, with what is missing in the note.

    Raises:
        NotEstimableError: no part has a result.
    """
    if len(reasons) == n_parts:
        raise NotEstimableError("; ".join(reasons))
    if reasons:
        found.note = "; ".join([*([found.note] if found.note else []), *reasons])
    return found


def split_predictors(
    rows: pd.DataFrame, predictors: Sequence[str], patient: str, form: Form
) -> tuple[pd.DataFrame, list[str]]:
    """`rows` with a predictor's parts, and the terms that the form has of them.

    Centred: `<predictor>_within` and `<predictor>_between`, the latter 0 at the mean of patients' means. Mundlak (1978,
    Econometrica 46, 69–85): the predictor as it is and `<predictor>_mean`, whose effect is then between − within.

    Raises:
        NotEstimableError: a predictor does not change within any patient, or not between them.
    """
    added: dict[str, pd.Series] = {}
    terms = []
    for predictor in predictors:
        values = rows[predictor].astype(float)
        means = values.groupby(rows[patient]).transform("mean")
        within = values - means
        if float(within.abs().max()) <= 1e-12 * max(float(values.abs().max()), 1.0):
            raise NotEstimableError(f"'{predictor}' does not change within any patient")
        if float(means.max() - means.min()) <= 1e-12 * max(float(values.abs().max()), 1.0):
            raise NotEstimableError(f"the mean of '{predictor}' is the same for every patient")
        if form == "mundlak":
            added[f"{predictor}_mean"] = means
            terms += [predictor, f"{predictor}_mean"]
        else:
            added[f"{predictor}_within"] = within
            of_patients = means.to_numpy(dtype=float)[~rows[patient].duplicated().to_numpy(dtype=bool)]
            added[f"{predictor}_between"] = means - of_patients.mean()
            terms += [f"{predictor}_within", f"{predictor}_between"]
    return rows.assign(**added), terms


def share_between(rows: pd.DataFrame, predictor: str, patient: str, time: str) -> float | None:
    """Intraclass correlation of a predictor: between-patient variance by all, REML of a random intercept."""
    fitted = fit(rows, predictor, [], patient, time, random="intercept", method="REML")
    if fitted.var_intercept is None or fitted.var_residual is None:
        return None
    return fitted.var_intercept / (fitted.var_intercept + fitted.var_residual)


def _add_contextual(found: Found, outcome: str, predictors: Sequence[str], mundlak: MixedModelFit) -> None:
    """The effect of the mean beside the predictor itself: whether within and between differ."""
    estimates = mundlak.estimates.set_index("term")
    for predictor in predictors:
        row: Any = estimates.loc[f"{predictor}_mean"]
        numbers = ("estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
        found.add(
            "results.contrast", outcome=outcome, contrast=f"{predictor}: between − within (contextual)",
            **{name: float(row[name]) for name in numbers},
            method=f"{mundlak.method}; Mundlak form", n_patients=mundlak.n_patients,
            n_observations=mundlak.n_observations,
        )  # fmt: skip
