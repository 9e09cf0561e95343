"""Assessments in patients in sites or therapists: random effects at both levels, and how the variance is divided.

What belongs here: the level above the patient, and when it is a fixed effect instead. What does not: estimation
(`model`), or comparisons of single sites or therapists: none of them is named in any row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import INTERCEPT, NotEstimableError
from assets.analysis.multilevel.blocks import Block, Floats, codes, random_effects, residual
from assets.analysis.multilevel.frames import Matrices, matrices
from assets.analysis.multilevel.model import MarginalFit, Method, fit_marginal
from assets.analysis.multilevel.report import ENGINE, Reporter, doubts_of, share
from assets.analysis.procedure import Found, Room
from codebook.panel import Panel
from codebook.procedures.three_level import ThreeLevel

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"site_id": "site", "therapist_id": "therapist"}
RANDOM = {"intercept": "random intercept", "intercept_and_slope": "random intercept and slope (unstructured)"}


def three_level(declared: ThreeLevel, room: Room) -> Found:
    """Each outcome's model; what cannot be fitted is a row of results.fit with its reason."""
    method: Method = declared.estimation or room.analysis.estimation
    frame = with_level(declared, room)
    found = Found(
        f"{method}, {RANDOM[declared.random_patient]} of the patient, {NAMES[declared.level]} above; {ENGINE}"
    )
    notes = []
    for outcome in declared.outcomes:
        label = room.analysis.outcomes.get(outcome, outcome)
        text, note = _one(found, declared, frame, outcome, label, room.analysis.panel, method)
        found.method = text
        notes.append(f"{label}: {note}")
    counts = {(row.get("n_patients"), row.get("n_observations")) for row in found.rows["results.fit"]}
    if len(counts) == 1:
        found.n_patients, found.n_observations = counts.pop()
    found.note = "; ".join(notes)
    return found


def with_level(declared: ThreeLevel, room: Room) -> pd.DataFrame:
    """The panel with the column of the level: `site_id` is there, `therapist_id` is that of the episode.

    Raises:
        NotEstimableError: no episode names a therapist.
    """
    if declared.level in room.panel.columns:
        return room.panel
    sql = "select episode_id, therapist_id from harmonised.episode where therapist_id is not null"
    known = room.connection.execute(sql).df()
    if known.empty:
        raise NotEstimableError("no episode names a therapist")
    return room.panel.merge(known, on="episode_id", how="left")


def _one(
    found: Found, declared: ThreeLevel, frame: pd.DataFrame, outcome: str, label: str, panel: Panel, method: Method
) -> tuple[str, str]:
    """Rows of one outcome; the method and the note."""
    name = NAMES[declared.level]
    base = f"{method}, {RANDOM[declared.random_patient]} of the patient"

    def report(text: str) -> Reporter:
        return Reporter(found, outcome, label, declared.name, declared.title, panel.name, text)

    text = f"{base}, {RANDOM[declared.random_level]} of the {name}; {ENGINE}"
    try:
        has_slope = "intercept_and_slope" in (declared.random_patient, declared.random_level)
        made = matrices(frame, outcome, declared.terms, panel, also=(declared.level,), has_slope=has_slope)
        group = codes(made.rows[declared.level].to_numpy())
        n_groups = int(group.max()) + 1
        if n_groups < 2:
            raise NotEstimableError(f"the complete rows come from one {name}; there is no level to model")
        is_fixed = n_groups < declared.minimum_groups
        if is_fixed:
            text = f"{base}, {name} as a fixed effect (deviations from the mean of the {n_groups}); {ENGINE}"
        fitted = fit_levels(made, declared, group, method, is_fixed=is_fixed)
        _report(report(text), fitted, made, declared, name, group, is_fixed, method)
    except NotEstimableError as problem:
        report(text).not_fitted(str(problem))
        return text, str(problem)
    without = int(frame[declared.level].isna().sum())
    note = f"{n_groups} {name}s"
    if is_fixed:
        note += f", fewer than {declared.minimum_groups}, so they are fixed effects and have no variance"
    if without:
        note += f"; {without} of {len(frame)} rows have no {name} and are left out"
    return text, "; ".join([note, *doubts_of(fitted)])


def fit_levels(
    made: Matrices, declared: ThreeLevel, group: np.ndarray, method: Method, *, is_fixed: bool, has_level: bool = True
) -> MarginalFit:
    """The model with the level as random effects, as fixed effects, or (`has_level` false) without it.

    Fixed effects are deviations from the unweighted mean of the groups, so that the intercept (and the slope, where the
    level has one) stays that mean.

    Raises:
        NotEstimableError: what the model refuses.
    """
    n = len(made.y)
    blocks: list[Block] = []
    x, terms, power = made.x, list(made.terms), list(made.months_power)
    if has_level and is_fixed:
        fixed = group_columns(declared, made, group)
        x = np.column_stack([x, *(values for _, values, _ in fixed)])
        terms += [term for term, _, _ in fixed]
        power += [times for _, _, times in fixed]
    elif has_level:
        blocks.append(random_effects(NAMES[declared.level], group, _columns(made, declared.random_level)))
    blocks += [random_effects("patient", made.patient, _columns(made, declared.random_patient)), residual(n)]
    return fit_marginal(made.y, x, terms, power, blocks, made.patient, method=method)


def group_columns(declared: ThreeLevel, made: Matrices, group: np.ndarray) -> list[tuple[str, Floats, int]]:
    """Fixed effects of the groups: a number instead of a name, values, and the power of time."""
    deviations = _deviations(group)
    columns = [(f"{declared.level}#{k + 1}", deviations[:, k], 0) for k in range(deviations.shape[1])]
    if declared.random_level == "intercept_and_slope" and made.years is not None:
        columns += [(f"{name}:months", values * made.years, 1) for name, values, _ in list(columns)]
    return columns


def _report(
    report: Reporter,
    fitted: MarginalFit,
    made: Matrices,
    declared: ThreeLevel,
    name: str,
    group: np.ndarray,
    is_fixed: bool,
    method: Method,
) -> None:
    report.fit(fitted, made.n_dropped)
    report.estimates(fitted, {term: term for term in made.terms})
    report.components(fitted)
    if is_fixed:
        rows = [{term: 1.0} for term, _, _ in group_columns(declared, made, group)]
        same = "mean" if declared.random_level == "intercept" else "mean and slope"
        report.joint(fitted, f"the {name}s have the same {same}", rows)
        report.component(fitted, "icc.patient", share(["patient"], ["patient", "residual"]), "logit")
        return
    parts = [name, "patient", "residual"]
    report.component(fitted, f"icc.{name}", share([name], parts), "logit")
    report.component(fitted, f"icc.patient_in_{name}", share([name, "patient"], parts), "logit")
    report.component(fitted, "share.patient", share(["patient"], parts), "logit")
    report.component(fitted, "share.residual", share(["residual"], parts), "logit")
    report.found.add("results.comparison", **_comparison(report, fitted, made, declared, name, group, method))


def _comparison(
    report: Reporter,
    fitted: MarginalFit,
    made: Matrices,
    declared: ThreeLevel,
    name: str,
    group: np.ndarray,
    method: Method,
) -> dict[str, Any]:
    """Likelihood ratio against the model without the level.

    A variance alone is tested on the boundary: 0.5 χ²(0) + 0.5 χ²(1) (Self & Liang 1987, JASA 82). For an intercept and
    a slope at once no simple mixture holds, and p is that of χ²(3), which is too large.
    """
    from scipy.stats import chi2

    row: dict[str, Any] = {
        "outcome": report.outcome,
        "model": report.model,
        "compared_with": f"the same model without the {name}",
        "n_patients": fitted.n_clusters,
        "n_observations": fitted.n_observations,
    }
    try:
        smaller = fit_levels(made, declared, group, method, is_fixed=False, has_level=False)
    except NotEstimableError as problem:
        return row | {"reason": f"the model compared with was not fitted: {problem}"}
    statistic = 2 * (fitted.log_likelihood - smaller.log_likelihood)
    statistic = statistic if statistic > 1e-6 else 0.0  # both are maximised numerically
    df = 1 if declared.random_level == "intercept" else 3
    p = float(chi2.sf(statistic, df))
    row |= {"chi_square": statistic, "df": df, "p_value": p, "method": f"likelihood ratio, {method}"}
    if df == 1:
        row["p_mixture"] = p / 2 if statistic > 0 else 1.0
        row["method"] += "; p_mixture: 0.5 chi-square(0) + 0.5 chi-square(1)"
    return row


def _columns(made: Matrices, random: str) -> list[tuple[str, Floats, int]]:
    columns = [(INTERCEPT, np.ones(len(made.y)), 0)]
    if random == "intercept_and_slope" and made.years is not None:
        columns.append(("slope", made.years, 1))
    return columns


def _deviations(group: np.ndarray) -> Floats:
    """One column for each group but the last: 1 there, −1 in the last group."""
    dummies = np.eye(int(group.max()) + 1)[group]
    deviations: Floats = dummies[:, :-1] - dummies[:, [-1]]
    return deviations
