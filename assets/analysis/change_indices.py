"""Indices of reliable change, classes, and cut-offs between dysfunctional and functional.

What belongs here: formulas on arrays, with their sources. What does not: which patients, norms and reliabilities
(`reliable_change`).

M and S are mean and SD before of the clinical group, r the reliability, SE = S √(1 − r). Every index is positive where
the score rose; what is better is settled by whoever classifies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError
from codebook.norms import difference_error

Floats = NDArray[np.float64]
CHANGE_CLASSES = ("reliably_improved", "likely_improved", "unchanged", "likely_deteriorated", "reliably_deteriorated")
SIGNIFICANCE_CLASSES = (
    *("recovered", "reliably_improved", "crossed_not_reliably", "unchanged"),
    "reliably_deteriorated",
)


@dataclass(frozen=True)
class ErrorModel:
    """What indices rest on: mean and SD before of the clinical group, and the reliability."""

    mean: float
    sd: float
    reliability: float

    @property
    def measurement_error(self) -> float:
        """SE: standard error of measurement."""
        return self.sd * math.sqrt(1 - self.reliability)


def indices(method: str, before: Floats, after: Floats, model: ErrorModel) -> Floats:
    """One index for each patient.

    jacobson_truax: (x₂ − x₁) / (√2 SE) (Jacobson and Truax 1991).
    gulliksen_lord_novick: ((x₂ − M) − r (x₁ − M)) / (S √(1 − r²)), against the score that is predicted (Hsu 1989).
    hsu_linn_lord: the same with the mean after in place of the first M (Hsu 1999).
    edwards_nunnally: (x₂ − (r (x₁ − M) + M)) / SE, against the estimated true score (Speer 1992).
    hageman_arrindell: ((x₂ − x₁) ρ + (M₂ − M₁)(1 − ρ)) / (√ρ √2 SE), ρ being the reliability of the difference in these
    pairs (Hageman and Arrindell 1999); their own criterion is 1.65.

    Args:
        method: one of these.
        before: score before, of those with both.
        after: score after, in the same order.
        model: mean, SD and reliability.

    Raises:
        NotEstimableError: the SD is 0, or the method's error cannot be computed.
    """
    m, s, r, error = model.mean, model.sd, model.reliability, model.measurement_error
    if error <= 0:
        raise NotEstimableError(
            "without variance before, or with a reliability of 1, there is no error to compare with"
        )
    if method == "jacobson_truax":
        return (after - before) / difference_error(s, r)
    if method == "edwards_nunnally":
        return (after - (r * (before - m) + m)) / error
    if method == "hageman_arrindell":
        return _hageman_arrindell(before, after, error)
    centre = m if method == "gulliksen_lord_novick" else float(after.mean())
    return ((after - centre) - r * (before - m)) / (s * math.sqrt(1 - r**2))


def _hageman_arrindell(before: Floats, after: Floats, error: float) -> Floats:
    if len(before) < 2:
        raise NotEstimableError("the reliability of the difference needs 2 pairs")
    change = after - before
    spread = float(np.var(change, ddof=1))
    # S₁² r₁ + S₂² r₂ − 2 S₁₂ over S₁² + S₂² − 2 S₁₂, with S² r = S² − SE² on either occasion
    rho = (spread - 2 * error**2) / spread if spread > 0 else 0.0
    if rho <= 0:
        raise NotEstimableError("the differences vary no more than error alone would make them: their reliability is 0")
    return (change * rho + float(change.mean()) * (1 - rho)) / (math.sqrt(rho) * math.sqrt(2) * error)


def change_classes(improvement: Floats, criteria: tuple[float, float]) -> list[str]:
    """Five classes of change; `improvement` is the index with its sign turned so that positive is better.

    Beyond the larger criterion: reliably. Between the two: likely. The criteria themselves do not count as reached.
    """
    likely, reliable = criteria

    def name(value: float) -> str:
        side = "improved" if value > 0 else "deteriorated"
        size = abs(value)
        return "unchanged" if size <= likely else f"{'reliably' if size > reliable else 'likely'}_{side}"

    return [name(float(value)) for value in improvement]


def significance_classes(
    improvement: Floats,
    is_functional_before: NDArray[np.bool_],
    is_functional_after: NDArray[np.bool_],
    reliable: float,
) -> list[str]:
    """Five classes after Jacobson and Truax: reliable change together with the crossing of a cut-off.

    recovered: reliably improved, from dysfunctional to functional. reliably_improved: without that crossing.
    crossed_not_reliably: the crossing without reliable change. reliably_deteriorated, unchanged: the rest.
    """
    found = []
    for value, before, after in zip(improvement, is_functional_before, is_functional_after, strict=True):
        crossed = bool(after) and not before
        if value > reliable:
            found.append("recovered" if crossed else "reliably_improved")
        elif value < -reliable:
            found.append("reliably_deteriorated")
        else:
            found.append("crossed_not_reliably" if crossed else "unchanged")
    return found


def cutoff(
    kind: str, clinical: tuple[float, float], functional: tuple[float, float] | None, higher_is_better: bool
) -> float:
    """Cut-offs a, b and c of Jacobson and Truax (1991) from (mean, SD) of the clinical and the functional group.

    a: 2 SD beyond the clinical mean, towards function. b: 2 SD from the functional mean, towards dysfunction.
    c: (s_f m_c + s_c m_f) / (s_f + s_c), the point at equal distance from both in units of their SD.

    Raises:
        NotEstimableError: b or c without a functional group, or the groups lie the wrong way round.
    """
    side = 1.0 if higher_is_better else -1.0
    mean, sd = clinical
    if kind == "a":
        return mean + 2 * side * sd
    if functional is None:
        raise NotEstimableError(f"cut-off {kind} needs the functional group's mean and SD")
    if side * (functional[0] - mean) <= 0:
        raise NotEstimableError("the clinical group is not worse than the functional one, so no cut-off parts them")
    if kind == "b":
        return functional[0] - 2 * side * functional[1]
    return (functional[1] * mean + sd * functional[0]) / (functional[1] + sd)
