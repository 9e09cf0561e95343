"""What growth models find in the synthetic network: the truth it declares, beside what the paper prints.

What belongs here: intercept and slope of every outcome's growth model, as the law gives them, and the rows that a
network of these patients would fit. What does not: the law itself (`population`).

A growth model of these courses is not what they were drawn from: a discharge is placed at month 36 however long the
treatment was, levels end at the instruments' ends, and whoever has a poor outcome has fewer forms. The truth is
therefore what the model's estimates are on average over 500 samples of 155 patients (seeds 10001 to 10500);
`benchmarks.calibration` holds other samples against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codebook.schedule import DAYS_PER_MONTH
from simulation.population import DISCHARGE, END_MONTHS, SCALES, Population

Floats = NDArray[np.float64]

GROWTH_TRUTH: dict[str, tuple[tuple[float, float], tuple[str, str]]] = {
    "goal": ((4.980, 0.0202), ("4.98", "0.02")),
    "bond": ((5.141, 0.0186), ("5.14", "0.02")),
    "task": ((5.040, 0.0183), ("5.04", "0.02")),
    "wsas": ((25.332, -0.330), ("25.3", "-0.3")),
    "bsi": ((2.080, -0.0264), ("2.08", "-0.03")),
    "gaf": ((48.908, 0.3606), ("49", "0.4")),
}
"""Outcome → (intercept, slope per month), and the same as tables III and IV of Folmo et al. 2020 print them."""


@dataclass(frozen=True)
class GrowthRows:
    """Rows in long form."""

    patient: NDArray[np.int64]
    months: Floats
    y: Floats


def growth_rows(people: Population, outcome: str) -> GrowthRows:
    """What the forms of one outcome would say, with discharge at month 36.

    Raises:
        KeyError: no such outcome.
    """
    if outcome in SCALES:
        values, has = people.wai[:, :, SCALES.index(outcome)], people.has_wai
    else:
        values, has = {
            "gaf": (people.gaf, people.has_gaf),
            "wsas": (people.wsas, people.has_wsas),
            "bsi": (people.bsi, people.has_bsi),
        }[outcome]
    months = (people.dates - people.start[:, None]) / np.timedelta64(1, "D") / DAYS_PER_MONTH
    months[:, DISCHARGE] = END_MONTHS
    patient, occasion = np.nonzero(has)
    return GrowthRows(patient, months[patient, occasion], values[patient, occasion].astype(float))
