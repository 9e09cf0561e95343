"""Several scales of one assessment in one model: does a slope differ between them?

What belongs here: the long table, the covariance structures and which one is used, the contrasts between scales. What
does not: estimation (`model`), or separate models of each scale.

Separate models cannot compare their slopes: the scales are answered by the same patients on the same day, so estimates
are correlated. Here y_ijk = β_k'x_ij + u_ik + v_ik t_ij + e_ijk for scale k, with e correlated over the scales of an
assessment (MacCallum, Kim, Malarkey & Kiecolt-Glaser 1997, Multivar. Behav. Res. 32; Verbeke et al. 2014, Stat. Methods
Med. Res. 23).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from assets.analysis.design_matrix import INTERCEPT, NotEstimableError
from assets.analysis.multilevel.blocks import Block, Floats, Ints, codes, random_effects, unstructured_residual
from assets.analysis.multilevel.frames import TIME, matrices
from assets.analysis.multilevel.model import MarginalFit, Method, fit_marginal
from assets.analysis.multilevel.report import ENGINE, Contrast, Reporter
from assets.analysis.procedure import Found, Room
from codebook.panel import Panel
from codebook.procedures.joint_scales import JointScales

if TYPE_CHECKING:
    import pandas as pd

SCALE, SCORE, UNIT = "_scale", "_score", "_assessment"
LADDER = {
    "unstructured": "intercepts and slopes of every scale, any covariance",
    "common_slope": "intercepts of every scale and one slope common to them, any covariance; one more slope of each "
    "scale, of one variance",
    "independent_slope": "intercepts of every scale, any covariance; independent of them, one slope common to all "
    "and one more of each scale, of one variance",
    "own_slope": "intercepts of every scale, any covariance; independent of them and of each other, one slope of each "
    "scale, of one variance",
    "shared_slope": "intercepts of every scale and one slope common to them, any covariance",
    "intercepts": "intercepts of every scale, any covariance; no slopes",
}
"""Structures of the patient's effects from the richest to the simplest."""


@dataclass(frozen=True)
class Joint:
    """The rows of all scales, ready for any structure."""

    y: Floats
    x: Floats
    terms: tuple[str, ...]
    """`scale|term`"""
    base_terms: tuple[str, ...]
    months_power: Ints
    patient: Ints
    unit: Ints
    place: Ints
    """Which scale each row is of."""
    years: Floats
    scales: tuple[str, ...]
    n_dropped: int


def joint_scales(declared: JointScales, room: Room) -> Found:
    """One model over the declared scales: each scale's own slope difference, and every pair's difference of them."""
    method: Method = declared.estimation or room.analysis.estimation
    labels = [room.analysis.outcomes.get(scale, scale) for scale in declared.scales]
    product = f"{TIME}:{declared.moderator}"
    terms = (TIME, declared.moderator, product, *declared.covariates)
    joint = long_table(room.panel, declared.scales, terms, room.analysis.panel)
    if product not in joint.base_terms:
        raise NotEstimableError(f"'{declared.moderator}' holds text; the moderator needs to be a number or 0/1")
    fitted, structure, note = fit_structures(joint, declared.random, method)
    text = (
        f"{method}, random effects of the patient: {LADDER[structure]}; residual unstructured over the scales of an "
        f"assessment; {ENGINE}"
    )
    n_assessments = len(np.unique(joint.unit))
    note = f"{note}; {len(joint.y)} scores of {n_assessments} assessments"
    found = Found(text, fitted.n_clusters, fitted.n_observations, note)
    together = "+".join(declared.scales)
    report = Reporter(found, together, ", ".join(labels), declared.name, declared.title, room.analysis.panel.name, text)
    report.fit(fitted, joint.n_dropped)
    for scale in declared.scales:
        report.estimates(fitted, {f"{scale}|{term}": term for term in joint.base_terms}, outcome=scale)
    report.components(fitted)
    report.contrasts(fitted, slope_contrasts(declared.scales, product), declared.adjustment)
    first, *others = declared.scales
    rows = [{f"{first}|{product}": 1.0, f"{other}|{product}": -1.0} for other in others]
    report.joint(fitted, f"{product} the same on every scale", rows)
    return found


def slope_contrasts(scales: Sequence[str], term: str) -> list[Contrast]:
    """The term of each scale, and its difference for every pair (first minus second), which is one family of tests."""
    own = [Contrast(term, {f"{scale}|{term}": 1.0}, outcome=scale, is_adjusted=False) for scale in scales]
    pairs = [
        Contrast(term, {f"{a}|{term}": 1.0, f"{b}|{term}": -1.0}, outcome=f"{a} - {b}")
        for a, b in combinations(scales, 2)
    ]
    return own + pairs


def long_table(frame: pd.DataFrame, scales: Sequence[str], terms: Sequence[str], panel: Panel) -> Joint:
    """One row for each assessment and scale with a score; each term once for each scale. Time in years.

    Raises:
        NotEstimableError: a scale has no complete row, or the terms cannot be told apart.
    """
    import pandas as pd

    numbered = frame.assign(**{UNIT: np.arange(len(frame))})
    shared = [column for column in numbered.columns if column not in scales]
    parts = []
    for number, scale in enumerate(scales):
        known = numbered.loc[numbered[scale].notna()]
        part = known[shared].copy()
        part[SCALE], part[SCORE] = number, known[scale].to_numpy(dtype=float)
        parts.append(part)
    long = pd.concat(parts, ignore_index=True).sort_values([UNIT, SCALE], kind="stable", ignore_index=True)
    made = matrices(long, SCORE, terms, panel, has_slope=True)
    place = made.rows[SCALE].to_numpy(dtype=np.int64)
    for number, scale in enumerate(scales):
        if not (place == number).any():
            raise NotEstimableError(f"no row has '{scale}' and a value in every column of the model")
    dummies = np.eye(len(scales))[place]
    assert made.years is not None
    return Joint(
        y=made.y,
        x=np.column_stack([made.x * dummies[:, [number]] for number in range(len(scales))]),
        terms=tuple(f"{scale}|{term}" for scale in scales for term in made.terms),
        base_terms=made.terms,
        months_power=np.tile(made.months_power, len(scales)),
        patient=made.patient,
        unit=codes(made.rows[UNIT].to_numpy()),
        place=place,
        years=made.years,
        scales=tuple(scales),
        n_dropped=made.n_dropped,
    )


def structure_blocks(joint: Joint, structure: str) -> list[Block]:
    """Parts of the covariance by the name of the structure (see `LADDER`).

    Raises:
        NotEstimableError: two scales are never answered together.
    """
    dummies = np.eye(len(joint.scales))[joint.place]
    intercepts = [(f"{scale}_{INTERCEPT}", dummies[:, k], 0) for k, scale in enumerate(joint.scales)]
    slopes = [(f"{scale}_slope", dummies[:, k] * joint.years, 1) for k, scale in enumerate(joint.scales)]
    common = [("slope", joint.years, 1)]
    each = random_effects("patient_scale", codes(joint.patient * len(joint.scales) + joint.place), common)
    patient = joint.patient
    by_structure = {
        "unstructured": [random_effects("patient", patient, intercepts + slopes)],
        "common_slope": [random_effects("patient", patient, intercepts + common), each],
        "independent_slope": [
            random_effects("patient", patient, intercepts),
            random_effects("patient_slope", patient, common),
            each,
        ],
        "own_slope": [random_effects("patient", patient, intercepts), each],
        "shared_slope": [random_effects("patient", patient, intercepts + common)],
        "intercepts": [random_effects("patient", patient, intercepts)],
    }
    return [*by_structure[structure], unstructured_residual(joint.place, joint.unit, joint.scales)]


def fit_structures(joint: Joint, wanted: str, method: Method) -> tuple[MarginalFit, str, str]:
    """The fit, the structure used, and a sentence on what was tried.

    `auto` begins with the richest structure and goes on to a simpler one (see `simpler`) while a fit does not converge
    or lies on the boundary; a structure that is named is used as it is.

    Raises:
        NotEstimableError: none can be estimated; the reason of the last.
    """
    tried: list[str] = []
    last: tuple[MarginalFit, str] | None = None
    problem: NotEstimableError | None = None
    structure: str | None = next(iter(LADDER)) if wanted == "auto" else wanted
    while structure is not None:
        fitted = None
        try:
            blocks = structure_blocks(joint, structure)
            fitted = fit_marginal(
                joint.y, joint.x, joint.terms, joint.months_power, blocks, joint.patient, method=method
            )
        except NotEstimableError as reason:
            tried.append(f"{structure}: {reason}")
            problem = reason
        if fitted is not None:
            last = fitted, structure
            if fitted.is_converged and not fitted.is_singular:
                break
            state = "on the boundary" if fitted.is_converged else "not converged"
            tried.append(f"{structure}: {state} (log-likelihood {fitted.log_likelihood:.2f})")
        structure = simpler(structure, fitted) if wanted == "auto" else None
    if last is None:
        raise problem or NotEstimableError("no structure of random effects could be fitted")
    return *last, "; ".join([*tried, f"used: {last[1]}"])


def simpler(structure: str, fitted: MarginalFit | None) -> str | None:
    """The structure to try after one that failed; None: stay with it.

    Where a slope's variance is zero, the structure without it is the same fit; any other would leave something out. So
    slopes that differ between scales go only where their variance is zero (or the structure could not be fitted at
    all): without them the differences would look surer than they are.
    """
    names = list(LADDER)
    if fitted is None:
        return names[names.index(structure) + 1] if structure != names[-1] else None
    has_own = ("patient_scale", "slope") not in fitted.vanished
    has_common = not fitted.vanished & {("patient_slope", "slope"), ("patient", "slope")}
    after_independent = {
        (True, True): None,
        (True, False): "own_slope",
        (False, True): "shared_slope",
        (False, False): "intercepts",
    }
    after: dict[str, str | None] = {
        "unstructured": "common_slope",
        "common_slope": "independent_slope" if has_own else "shared_slope",
        "independent_slope": after_independent[has_own, has_common],
        "own_slope": None if has_own else "intercepts",
        "shared_slope": None if has_common else "intercepts",
    }
    return after.get(structure)
