"""Two arms of a trial over its occasions: the difference at each, by a random-intercept model or by MMRM.

What belongs here: dummy coding of arm and occasion, the contrasts, and the effect in units of a named SD. What does
not: estimation (`model`), or change within one arm (`effect_sizes`).

MMRM: no random effects, any covariance between the occasions of a patient (Mallinckrodt et al. 2008, Drug Inf. J. 42).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assets.analysis.design_matrix import INTERCEPT, NotEstimableError, complete_rows, source_columns
from assets.analysis.multilevel.blocks import Block, random_effects, residual, unstructured_residual
from assets.analysis.multilevel.frames import PATIENT, TIME, Matrices, matrices
from assets.analysis.multilevel.model import MarginalFit, fit_marginal
from assets.analysis.multilevel.report import ENGINE, Contrast, Reporter, doubts_of
from assets.analysis.procedure import Found, Room
from codebook.panel import Panel
from codebook.procedures.arms_by_time import ArmsByTime

if TYPE_CHECKING:
    import pandas as pd

COVARIANCE = {
    "random_intercept": "random intercept of the patient",
    "random_intercept_and_slope": "random intercept and slope of the patient (unstructured)",
    "unstructured": "residual unstructured over the occasions of a patient (MMRM)",
}
OCCASION = "_occasion"


@dataclass(frozen=True)
class Trial:
    """Rows with arm and time coded."""

    made: Matrices
    arm_term: str
    arm_values: np.ndarray
    """0/1 for each row."""
    arm_names: tuple[str, str]
    times: tuple[Time, ...]
    time_terms: dict[str, str]
    """Term of each occasion but the first; empty for a straight line."""
    n_dropped: int
    """Rows at the declared times that lack a value."""


@dataclass(frozen=True)
class Time:
    """A point at which the arms are compared."""

    label: str
    months: float
    weights: dict[str, float]
    """What multiplies the terms of time at this point (`months`: its number; an occasion's own term: 1)."""


def arms_by_time(declared: ArmsByTime, room: Room) -> Found:
    """Each outcome's model; what cannot be fitted is a row of results.fit with its reason."""
    text = f"{declared.estimation}, {COVARIANCE[declared.covariance]}; {ENGINE}"
    found = Found(text)
    patients, rows, doubts = [], [], []
    for outcome in declared.outcomes:
        label = room.analysis.outcomes.get(outcome, outcome)
        report = Reporter(found, outcome, label, declared.name, declared.title, room.analysis.panel.name, text)
        try:
            trial = code_trial(room.panel, outcome, declared, room.analysis.panel)
            fitted = fit_trial(trial, declared)
        except NotEstimableError as problem:
            report.not_fitted(str(problem))
            continue
        patients.append(fitted.n_clusters)
        rows.append(fitted.n_observations)
        doubts += [f"{label}: {doubt}" for doubt in doubts_of(fitted)]
        _report(report, trial, fitted, declared)
    found.note = "; ".join(doubts) or None
    if len(set(patients)) == 1 and len(set(rows)) == 1:
        found.n_patients, found.n_observations = patients[0], rows[0]
    return found


def code_trial(frame: pd.DataFrame, outcome: str, declared: ArmsByTime, panel: Panel) -> Trial:
    """Complete rows with 0/1 columns for the arm and for each occasion but the first, as matrices.

    Raises:
        NotEstimableError: not two arms, fewer than two occasions, or what `matrices` refuses.
    """
    frame, levels = _with_occasion(frame, declared)
    needed = [outcome, PATIENT, TIME, declared.arm, *source_columns(declared.covariates)]
    n_rows = len(frame)
    frame = frame.loc[complete_rows(frame, needed)].reset_index(drop=True)
    if frame.empty:
        raise NotEstimableError("no row has a value in every column of the model")
    arm_term, arm, names = _arm(frame, declared)
    frame = frame.assign(**{arm_term: arm})
    times: list[Time] = []
    time_terms: dict[str, str] = {}
    if declared.time == "months":
        terms = [arm_term, TIME]
        times = [Time(f"month {months:g}", months, {TIME: months}) for months in declared.at_months]
    else:
        occasion = frame[OCCASION].to_numpy()
        order = [level for level in levels if (occasion == level).any()] or _by_months(frame)
        if len(order) < 2:
            raise NotEstimableError("the complete rows lie on fewer than two occasions")
        for level in order:
            months = float(frame.loc[occasion == level, TIME].mean())
            term = f"{'months' if declared.time != 'occasion' else 'occasion'}[{level.replace(':', '.')}]"
            if level != order[0]:
                time_terms[level] = term
                frame = frame.assign(**{term: (occasion == level).astype(float)})
            label = level if declared.time == "occasion" else f"month {level}"
            times.append(Time(label, months, {term: 1.0} if level != order[0] else {}))
        terms = [arm_term, *time_terms.values()]
    if declared.interaction:
        terms += [f"{arm_term}:{term}" for term in terms[1:]]
    has_slope = declared.covariance == "random_intercept_and_slope"
    made = matrices(
        frame, outcome, (*declared.covariates, *terms), panel, also=(TIME, declared.arm), has_slope=has_slope
    )
    return Trial(made, arm_term, arm, names, tuple(times), time_terms, n_rows - len(made.y))


def fit_trial(trial: Trial, declared: ArmsByTime) -> MarginalFit:
    """The model with the declared covariance.

    Raises:
        NotEstimableError: two occasions that nobody has both, one that a patient has twice, or what the model refuses.
    """
    made = trial.made
    n = len(made.y)
    blocks: list[Block]
    if declared.covariance == "unstructured":
        category = made.rows[OCCASION].to_numpy().astype(str)
        blocks = [unstructured_residual(category, made.patient)]
    else:
        columns = [(INTERCEPT, np.ones(n), 0)]
        if made.years is not None:
            columns.append(("slope", made.years, 1))
        blocks = [random_effects("patient", made.patient, columns), residual(n)]
    return fit_marginal(made.y, made.x, made.terms, made.months_power, blocks, made.patient, method=declared.estimation)


def _report(report: Reporter, trial: Trial, fitted: MarginalFit, declared: ArmsByTime) -> None:
    report.fit(fitted, trial.n_dropped)
    report.estimates(fitted, {term: term for term in fitted.terms})
    report.components(fitted)
    both = f"{trial.arm_names[1]} - {trial.arm_names[0]}"
    contrasts = [Contrast(f"{both}, {time.label}", difference(trial, time), None, time.months) for time in trial.times]
    if not declared.interaction:
        contrasts = [Contrast(f"{both}, at every time", {trial.arm_term: 1.0})]
    tests = report.contrasts(fitted, contrasts, declared.adjustment)
    means = [
        Contrast(f"adjusted mean, {name}, {time.label}", mean(trial, time, arm), None, time.months, is_tested=False)
        for time in trial.times
        for arm, name in enumerate(trial.arm_names)
    ]
    report.contrasts(fitted, means, "none")
    if len(trial.time_terms) > 1 and declared.interaction:
        rows = [{f"{trial.arm_term}:{term}": 1.0} for term in trial.time_terms.values()]
        report.joint(fitted, "the arms differ alike at every time", rows)
    for place, time in enumerate(trial.times):
        test = tests[place if declared.interaction else 0]
        for variant, (sd, name) in standardisers(trial, fitted, time, declared).items():
            report.found.add(
                "results.effect_size",
                outcome=report.outcome,
                label=report.outcome_label,
                variant=variant,
                contrast=f"{both}, {time.label}",
                at_months=time.months,
                **{key: test[key] / sd for key in ("estimate", "std_error", "ci_low", "ci_high")},
                ci_method=f"interval of the difference divided by {name}, taken as known",
                statistic=test["statistic"],
                df=test["df"],
                p_value=test["p_value"],
                n=fitted.n_clusters,
            )


def difference(trial: Trial, time: Time) -> dict[str, float]:
    """Weights of the difference between the arms at a time, covariates as in `mean`."""
    without, given = (mean(trial, time, arm) for arm in (0, 1))
    return {term: given[term] - weight for term, weight in without.items() if given[term] != weight}


def mean(trial: Trial, time: Time, arm: int) -> dict[str, float]:
    """Weights of the adjusted mean of an arm at a time.

    Covariates stand at their mean over the rows of the model, those with two values midway between them, levels of text
    at equal weights: the reference grid of R's emmeans.
    """
    given = dict.fromkeys(trial.time_terms.values(), 0.0) | {TIME: time.months, trial.arm_term: float(arm)}
    given |= time.weights

    def value(part: str) -> float:
        return given[part] if part in given else _reference_value(trial.made.rows, part)

    return {
        term: 1.0 if term == INTERCEPT else math.prod(value(part) for part in term.split(":"))
        for term in trial.made.terms
    }


def _reference_value(rows: pd.DataFrame, column: str) -> float:
    source = column.partition("[")[0]
    if source != column and source in rows.columns:  # a level of a text column
        return 1 / rows[source].nunique()
    values = rows[column].to_numpy(dtype=float)
    return float(np.mean(np.unique(values)) if len(np.unique(values)) == 2 else values.mean())


def standardisers(trial: Trial, fitted: MarginalFit, time: Time, declared: ArmsByTime) -> dict[str, tuple[float, str]]:
    """SDs by which a difference is divided, by the name of the variant, with what each is in words."""
    found = {"d_model_sd": (_model_sd(fitted, trial, time), "the model's SD at that time, given the covariates")}
    rows, y = trial.made.rows, trial.made.y
    if declared.time != "months":
        chosen = rows[OCCASION].to_numpy() == _level_of(trial, time)
        found["d_occasion_sd"] = (_pooled_sd(y[chosen], trial.arm_values[chosen]), "the SD at that time within arms")
    if declared.baseline_score is not None:
        first = ~rows.duplicated(PATIENT).to_numpy()
        score = rows[declared.baseline_score].to_numpy(dtype=float)
        known = first & np.isfinite(score)
        found["d_baseline_sd"] = (_pooled_sd(score[known], trial.arm_values[known]), "the SD before treatment")
    return {variant: pair for variant, pair in found.items() if math.isfinite(pair[0]) and pair[0] > 0}


def _level_of(trial: Trial, time: Time) -> str:
    term = next(iter(time.weights), None)
    later = {value: key for key, value in trial.time_terms.items()}
    if term is not None:
        return later[term]
    return str(next(level for level in trial.made.rows[OCCASION].unique() if level not in trial.time_terms))


def _model_sd(fitted: MarginalFit, trial: Trial, time: Time) -> float:
    error = fitted.parts["residual"]
    if "patient" not in fitted.parts:
        place = fitted.columns["residual"].index(_level_of(trial, time))
        return math.sqrt(error[place, place])
    psi = fitted.parts["patient"]
    at = np.array([1.0, time.months])[: len(psi)]
    return math.sqrt(float(at @ psi @ at) + error[0, 0])


def _pooled_sd(values: np.ndarray, arm: np.ndarray) -> float:
    groups = [values[arm == level] for level in (0, 1)]
    freedom = sum(len(group) for group in groups) - 2
    if freedom < 1 or min(map(len, groups)) < 1:
        return math.nan
    return math.sqrt(sum(float(np.sum((group - group.mean()) ** 2)) for group in groups) / freedom)


def _arm(frame: pd.DataFrame, declared: ArmsByTime) -> tuple[str, np.ndarray, tuple[str, str]]:
    """The arm's term, its 0/1 values, and what the two arms are called."""
    values = frame[declared.arm]
    is_number = values.dtype.kind in "biuf"
    plain = values.to_numpy(dtype=float) if is_number else values.astype(str).to_numpy()
    levels = sorted(set(plain.tolist()))
    if len(levels) != 2:
        raise NotEstimableError(
            f"'{declared.arm}' has {len(levels)} value(s) in the complete rows; two arms are needed"
        )
    if is_number and levels != [0.0, 1.0]:
        raise NotEstimableError(f"'{declared.arm}' needs to be 0/1 or text")
    if is_number:
        shown = declared.arm_labels or {level: f"{declared.arm} = {level}" for level in (0, 1)}
        return declared.arm, (plain == 1.0).astype(float), (shown[0], shown[1])
    reference = declared.reference_arm or str(levels[0])
    if reference not in levels:
        raise NotEstimableError(f"no complete row of '{declared.arm}' is '{reference}', which is the reference")
    other = next(str(level) for level in levels if level != reference)
    return f"{declared.arm}[{other}]", (plain == other).astype(float), (reference, other)


def _with_occasion(panel: pd.DataFrame, declared: ArmsByTime) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The panel with a text column of occasions (none for a straight line), and the declared order."""
    if declared.time == "months":
        return panel, ()
    if declared.time == "occasion":
        frame = panel.loc[panel["occasion"].notna()]
        frame = frame.assign(**{OCCASION: frame["occasion"].astype(str)})
    else:
        frame = panel.loc[panel[TIME].notna()]
        frame = frame.assign(**{OCCASION: [f"{value:g}" for value in frame[TIME].to_numpy(dtype=float)]})
    if declared.occasions:
        frame = frame.loc[frame[OCCASION].isin(declared.occasions)]
        if frame.empty:
            raise NotEstimableError("no row lies on any of the declared occasions")
    return frame, declared.occasions


def _by_months(frame: pd.DataFrame) -> list[str]:
    return [str(level) for level in frame.groupby(OCCASION)[TIME].mean().sort_values(kind="stable").index]
