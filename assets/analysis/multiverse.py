"""One estimate under all declared choices: how much of a finding is the data's, and how much the analyst's.

What belongs here: the universes, their fits and their rows. What does not: estimation, or drawing the curve.

After Steegen, Tuerlinckx, Gelman and Vanpaemel (2016), Perspect. Psychol. Sci. 11, 702–712. Universes are not
independent samples: the share of them below .05 is a description, not a test.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError, source_columns
from assets.analysis.levels import coded
from assets.analysis.mixed_model import MixedModelFit, finite_or_none, fit
from assets.analysis.panel import panel_sql
from assets.analysis.procedure import Found, Room
from codebook.procedures.multiverse import PLACE, Multiverse

if TYPE_CHECKING:
    import pandas as pd

PATIENT, TIME = "patient_id", "months"
NUMBERS = ("estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")


def multiverse(declared: Multiverse, room: Room) -> Found:
    """A row of `results.sensitivity` for every outcome and combination of choices, those that fail with a reason.

    Raises:
        NotEstimableError: the panel is empty.
    """
    if room.panel.empty:
        raise NotEstimableError("the panel has no row")
    panels = _panels(declared, room)
    found = Found(method="linear mixed models under every combination of the declared choices; Satterthwaite t")
    n_below = n_fitted = universe = 0
    for outcome in declared.outcomes:
        universe = 0
        for choice in _choices(declared):
            universe += 1
            row = _universe(declared, room, panels[choice["discharge_at_months"]], outcome, choice)
            is_primary = universe == 1
            found.add("results.sensitivity", outcome=outcome, universe=universe, is_primary=is_primary, **row)
            n_fitted += row.get("p_value") is not None
            n_below += (row.get("p_value") or 1.0) < 0.05
            if is_primary:
                found.n_patients, found.n_observations = row.get("n_patients"), row.get("n_observations")
    found.note = (
        f"{universe} universes for each outcome; {n_fitted} fits in all, {n_below} of them with p < .05. "
        "Universes share their patients: this is a description, not a test."
    )
    return found


def _choices(declared: Multiverse) -> list[dict[str, Any]]:
    """Every combination, the primary one first."""
    lists: dict[str, tuple[Any, ...]] = {
        "predictor": declared.predictors,
        "discharge_at_months": declared.discharge_at_months or ("as declared",),
        "adjusted_for": declared.adjusted_for,
        "estimation": declared.estimation,
        "random": declared.random,
        "least_assessments": declared.least_assessments,
    }
    return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]


def _panels(declared: Multiverse, room: Room) -> dict[Any, pd.DataFrame]:
    """The panel for every time coding; one that differs from the declared one is read again from the warehouse."""
    own = room.analysis.panel
    panels: dict[Any, pd.DataFrame] = {"as declared": room.panel}
    for months in declared.discharge_at_months:
        if months == own.discharge_at_months:
            panels[months] = room.panel
            continue
        other = own.model_copy(update={"discharge_at_months": months})
        panels[months] = room.connection.execute(panel_sql(other)).to_arrow_table().to_pandas()
    return panels


def _universe(
    declared: Multiverse, room: Room, panel: pd.DataFrame, outcome: str, choice: dict[str, Any]
) -> dict[str, Any]:
    terms = [term.replace(PLACE, choice["predictor"]) for term in declared.terms]
    target = declared.target.replace(PLACE, choice["predictor"])
    for covariate in choice["adjusted_for"]:
        terms += [covariate, f"months:{covariate}"]
    row: dict[str, Any] = {"term": target, "choices": _said(declared, choice)}
    try:
        rows = panel.dropna(subset=[outcome, TIME, *source_columns(terms)])
        size = rows.groupby(PATIENT)[outcome].transform("size")
        rows = rows.loc[size >= choice["least_assessments"]]
        frame, columns = coded(rows, tuple(terms), room.analysis.panel)
        fitted = fit(frame, outcome, columns, PATIENT, TIME, random=choice["random"], method=choice["estimation"])
    except NotEstimableError as problem:
        return row | {"reason": str(problem)}
    return row | _numbers(fitted, target)


def _numbers(fitted: MixedModelFit, target: str) -> dict[str, Any]:
    if fitted.reason is not None:
        return {"method": fitted.method, "reason": fitted.reason}
    term = fitted.estimates.loc[fitted.estimates["term"] == target]
    if term.empty:
        return {
            "method": fitted.method,
            "reason": f"'{target}' stands for more than one column; choose a 0/1 predictor",
        }
    return {name: finite_or_none(float(term[name].iloc[0])) for name in NUMBERS} | {
        "is_converged": fitted.is_converged,
        "is_singular": fitted.is_singular,
        "method": fitted.method,
        "n_patients": fitted.n_patients,
        "n_observations": fitted.n_observations,
    }


def _said(declared: Multiverse, choice: dict[str, Any]) -> str:
    """The choices in words, those that are no choice left out."""
    parts = [f"predictor={choice['predictor']}"]
    if len(declared.discharge_at_months) > 1:
        months = choice["discharge_at_months"]
        parts.append("discharge=as it happened" if months is None else f"discharge=month {months:g}")
    if len(declared.adjusted_for) > 1:
        parts.append(f"adjusted for={'+'.join(choice['adjusted_for']) or 'nothing'}")
    if len(declared.estimation) > 1:
        parts.append(f"estimation={choice['estimation']}")
    if len(declared.random) > 1:
        parts.append(f"random={choice['random'].replace('_', ' ')}")
    if len(declared.least_assessments) > 1:
        parts.append(f"assessments≥{choice['least_assessments']}")
    return "; ".join(parts)
