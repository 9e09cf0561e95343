"""Formulas that set a score against a norm or against its own error of measurement.

What belongs here: pure arithmetic with the source of its formula.
What does not: norms and reliabilities themselves; those stand with their instrument.
"""

from __future__ import annotations

import math


def t_score(value: float, mean: float, sd: float) -> float:
    """A score on the T metric of a norm group: mean 50, SD 10.

    Why: measures of one construct have different units; against one norm group they can be shown on one scale.
    Formula: 50 + 10 × (value − mean) / sd (the linear T-score of test manuals; stated for the SIPP in the facts).

    Args:
        value: the score, in the unit of `mean` and `sd`.
        mean: mean of the norm group.
        sd: standard deviation of the norm group, above 0.

    Raises:
        ValueError: `sd` is not above 0.
    """
    if sd <= 0:
        raise ValueError(f"a norm's SD must be above 0, but is {sd}")
    return 50 + 10 * (value - mean) / sd


def difference_error(sd: float, reliability: float) -> float:
    """Standard error of the difference between two measurements, in the unit of `sd`.

    Formula: sd × √(1 − reliability) × √2 (Jacobson & Truax 1991, Journal of Consulting and Clinical Psychology 59,
    12–19).

    Raises:
        ValueError: `sd` is negative, or `reliability` lies outside 0–1.
    """
    if sd < 0:
        raise ValueError(f"an SD cannot be negative, but is {sd}")
    if not 0 <= reliability <= 1:
        raise ValueError(f"a reliability lies between 0 and 1, but is {reliability}")
    return sd * math.sqrt(1 - reliability) * math.sqrt(2)


def reliable_change_threshold(sd: float, reliability: float, z: float = 1.96) -> float:
    """Smallest change that is more than error of measurement: a larger absolute change is reliable.

    Why: two measurements differ even where nothing changed; `z` says how often that may be mistaken for change (1.96:
    5 %; 1.645: 10 %, as in the published value of the CORE-10).
    Formula: z × `difference_error` (Jacobson & Truax 1991).

    Raises:
        ValueError: as `difference_error`.
    """
    return z * difference_error(sd, reliability)
