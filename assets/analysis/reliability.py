"""Internal consistency as declared: a row for each coefficient of each scale at each occasion.

What belongs here: which forms and which items. What does not: formulas (`consistency`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.consistency import (
    alpha,
    feldt_interval,
    mean_correlation,
    omega,
    pairwise_covariance,
    standardised_alpha,
)
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.item_answers import first_forms, item_answers
from assets.analysis.procedure import Found, Room
from codebook.instrument import Instrument, Scale
from codebook.procedures.reliability import InternalConsistency

if TYPE_CHECKING:
    import pandas as pd

TABLE = "results.reliability"
SUMMED = ("mean", "sum")
_LEAST_FORMS = 3


def internal_consistency(declared: InternalConsistency, room: Room) -> Found:
    """Alpha of all forms (pairwise) and of the complete ones, alpha without each item, and omega, scale by scale."""
    found = Found(
        "first form of each patient; alpha with Feldt's interval; omega total of one factor by maximum likelihood on "
        f"complete forms, percentile bootstrap over forms ({declared.n_resamples} resamples, seed {declared.seed})"
    )
    seen: set[str] = set()
    for key, wanted in declared.instruments.items():
        try:
            instrument = _instrument(room, key)
            forms = item_answers(room.connection, instrument, declared.rater)
        except NotEstimableError as problem:
            found.add(TABLE, measure=key, reason=str(problem))
            continue
        seen.update(forms["patient_id"])
        for version, own in forms.groupby("version", sort=True):
            scales = _scales(instrument, str(version), wanted)
            known = {scale.key for scale in scales}
            for name in wanted:
                if name not in known:
                    found.add(TABLE, measure=f"{key}.{name}", reason=f"version {version} has no scale '{name}'")
            for scale in scales:
                label = f"{instrument.name}: {scale.label}"
                if len(instrument.versions) > 1:
                    label = f"{instrument.version(str(version)).label}: {scale.label}"
                for occasion in declared.occasions:
                    row = {"measure": f"{key}.{scale.key}", "label": label, "occasion": occasion}
                    _scale(found, row, first_forms(own, occasion), scale, declared)
    found.n_patients = len(seen)
    return found


def _instrument(room: Room, key: str) -> Instrument:
    if key not in room.library.instruments:
        raise NotEstimableError(f"the codebook has no instrument '{key}'")
    return room.library.instruments[key]


def _scales(instrument: Instrument, version: str, wanted: tuple[str, ...]) -> list[Scale]:
    scales = instrument.scales_of(version)
    if wanted:
        return [scale for scale in scales if scale.key in wanted]
    summed = [scale for scale in scales if scale.aggregate in SUMMED and len(scale.items) > 2]
    # a sum and a mean of the same items have the same alpha
    return [scale for place, scale in enumerate(summed) if scale.items not in [s.items for s in summed[:place]]]


def _scale(found: Found, row: dict[str, Any], forms: pd.DataFrame, scale: Scale, declared: InternalConsistency) -> None:
    row = row | {"n_items": len(scale.items)}
    if scale.aggregate not in SUMMED:
        found.add(TABLE, **row, reason=f"a scale that is no sum and no mean ({scale.aggregate}) has no alpha")
        return
    answers = forms.reindex(columns=list(scale.items)).to_numpy(dtype=float)
    answers = answers[~np.isnan(answers).all(axis=1)]
    complete = answers[~np.isnan(answers).any(axis=1)]
    _alphas(found, row, answers, "pairwise")
    _alphas(found, row, complete, "complete")
    if declared.if_dropped:
        _alphas_if_dropped(found, row, answers, scale.items)
    _omega(found, row, answers, declared)


def _covariance(answers: np.ndarray) -> np.ndarray:
    if len(answers) < _LEAST_FORMS:
        raise NotEstimableError(f"fewer than {_LEAST_FORMS} forms have answers")
    return pairwise_covariance(answers)


def _alphas(found: Found, row: dict[str, Any], answers: np.ndarray, cases: str) -> None:
    n, k = answers.shape
    method = "covariances of each two items over the forms that have both" if cases == "pairwise" else "complete forms"
    shared = row | {"n_subjects": n, "method": method}
    try:
        covariance = _covariance(answers)
        value = alpha(covariance)
    except NotEstimableError as problem:
        found.add(TABLE, **shared, coefficient=f"alpha_{cases}", reason=str(problem))
        return
    low, high = feldt_interval(value, n, k)
    found.add(
        TABLE,
        **shared,
        coefficient=f"alpha_{cases}",
        estimate=value,
        ci_low=low,
        ci_high=high,
        ci_method="Feldt (1965)",
    )
    found.add(TABLE, **shared, coefficient=f"alpha_standardised_{cases}", estimate=standardised_alpha(covariance))
    found.add(TABLE, **shared, coefficient=f"mean_correlation_{cases}", estimate=mean_correlation(covariance))


def _alphas_if_dropped(found: Found, row: dict[str, Any], answers: np.ndarray, items: tuple[int, ...]) -> None:
    shared = row | {"n_subjects": len(answers), "coefficient": "alpha_if_dropped"}
    shared |= {"method": "pairwise covariances, without the item"}
    try:
        covariance = _covariance(answers)
    except NotEstimableError as problem:
        found.add(TABLE, **shared, reason=str(problem))
        return
    for place, item in enumerate(items):
        rest = np.delete(np.delete(covariance, place, axis=0), place, axis=1)
        try:
            found.add(TABLE, **shared, item=item, estimate=alpha(rest))
        except NotEstimableError as problem:
            found.add(TABLE, **shared, item=item, reason=str(problem))


def _omega(found: Found, row: dict[str, Any], answers: np.ndarray, declared: InternalConsistency) -> None:
    shared = row | {"coefficient": "omega_total", "method": "one factor, maximum likelihood, complete forms"}
    try:
        fitted = omega(answers, declared.n_resamples, declared.seed, declared.minimum_for_omega)
    except NotEstimableError as problem:
        n = int((~np.isnan(answers).any(axis=1)).sum())
        found.add(TABLE, **shared, n_subjects=n, reason=str(problem))
        return
    if fitted.is_improper:
        shared["method"] += "; improper: an item's own variance is at its bound"
    found.add(
        TABLE,
        **shared,
        n_subjects=fitted.n,
        estimate=fitted.estimate,
        ci_low=fitted.ci_low,
        ci_high=fitted.ci_high,
        ci_method=f"percentile bootstrap, {fitted.n_resamples} resamples",
        n_resamples=fitted.n_resamples,
    )
