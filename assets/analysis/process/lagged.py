"""Lagged effects by mixed models: what a measure says of another at the next assessment, and back.

What belongs here: which assessment is the one before, and the two models. What does not: panel models of fixed waves
(`cross_lagged`).

The predictor is that of the assessment before, split by person means over the rows used. The dependent measure's own
previous value enters as it is, not centred within patients (Hamaker and Grasman 2015, Front. Psychol. 5:1492). Beside a
random intercept its coefficient is too small or too large in short series (Nickell 1981, Econometrica 49, 1417–1426).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.analysis.design_matrix import NotEstimableError, complete_rows, source_columns
from assets.analysis.mixed_model import fit
from assets.analysis.procedure import Found, Room
from assets.analysis.process.waves import EPISODE, PATIENT, TIME, add_fit, check_waves
from assets.analysis.process.within_between import said, split_predictors
from codebook.procedures.lagged import Lagged

if TYPE_CHECKING:
    import pandas as pd


def lagged(declared: Lagged, room: Room) -> Found:
    """Predictor before outcome, outcome before predictor, or both: one mixed model each."""
    forward, backward = (declared.predictor, declared.outcome), (declared.outcome, declared.predictor)
    chosen = {"forward": [forward], "backward": [backward], "both": [forward, backward]}[declared.direction]
    text = f"mixed model on the assessment before, at most {declared.max_gap_months:g} months back"
    found = Found(f"{text}, split by person means; at least {declared.MINIMUM_WAVES} waves")
    method = declared.estimation or room.analysis.estimation
    reasons = []
    for earlier, later in chosen:
        try:
            gaps = (declared.min_gap_months, declared.max_gap_months)
            rows = lag_pairs(room.panel, earlier, later, gaps, has_previous=declared.adjusts_for_previous)
            rows = rows.loc[complete_rows(rows, [later, PATIENT, TIME, *source_columns(declared.terms)])]
            # three waves are two pairs: with one a patient has no deviation from the own mean
            check_waves(rows, declared.MINIMUM_WAVES - 1, declared.minimum_patients, PAIRS)
            split, terms = split_predictors(rows, [f"{earlier}_before"], PATIENT, "centred")
            own = [f"{later}_before"] if declared.adjusts_for_previous else []
            fitted = fit(
                split, later, [*declared.terms, *own, *terms], PATIENT, TIME, random=declared.random, method=method
            )
            if fitted.reason is not None:
                raise NotEstimableError(fitted.reason)
            add_fit(found, later, declared.name, fitted)
            gap = rows["gap_months"]
            found.add(
                "results.diagnostic", outcome=later, model=declared.name, diagnostic="months to the assessment before",
                value=float(gap.mean()), n=len(rows), note=f"mean; range {gap.min():.1f} to {gap.max():.1f}",
            )  # fmt: skip
            found.n_patients = max(found.n_patients or 0, fitted.n_patients or 0)
            found.n_observations = max(found.n_observations or 0, fitted.n_observations or 0)
        except NotEstimableError as problem:
            reasons.append(f"{later} on {earlier}: {problem}")
    return said(found, reasons, len(chosen))


PAIRS = "a lagged effect within patients (2 assessments, each with one before it: 3 waves)"


def lag_pairs(
    panel: pd.DataFrame, earlier: str, later: str, gaps: tuple[float, float], *, has_previous: bool
) -> pd.DataFrame:
    """Rows with `later`, each with `<earlier>_before` (and `<later>_before`) of the course's latest row before it.

    `gaps` are the least and the greatest months back: of the rows that hold the value(s) and lie at least so far back,
    the latest, if it does not lie too far back. `gap_months` says how far.
    """
    import pandas as pd

    carried = [earlier, later] if has_previous else [earlier]
    before = panel.loc[complete_rows(panel, [*carried, EPISODE, TIME])]
    before = before[[EPISODE, TIME, *carried]].rename(columns={name: f"{name}_before" for name in carried})
    before = before.assign(months_before=before[TIME])
    before[TIME] += gaps[0]  # the earliest month at which it can be the one before
    rows = panel.loc[complete_rows(panel, [later, PATIENT, EPISODE, TIME])].sort_values(TIME, kind="stable")
    before = before.sort_values(TIME, kind="stable")
    joined = pd.merge_asof(rows, before, on=TIME, by=EPISODE, allow_exact_matches=gaps[0] > 0)
    joined = joined.loc[joined[TIME] - joined["months_before"] <= gaps[1]]
    return joined.assign(gap_months=joined[TIME] - joined["months_before"])
