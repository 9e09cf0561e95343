"""The declared truth rounds to what the paper prints, and a few seeds lie around it (200: `benchmarks.calibration`)."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from assets.analysis.mixed_model import fit
from simulation.growth_truth import GROWTH_TRUTH, growth_rows
from simulation.population import draw_population


@pytest.mark.parametrize("name", list(GROWTH_TRUTH))
def test_the_truth_rounds_to_what_is_printed(name: str) -> None:
    truth, printed = GROWTH_TRUTH[name]
    for value, text in zip(truth, printed, strict=True):
        assert Decimal(str(value)).quantize(Decimal(text)) == Decimal(text)


def test_samples_lie_around_the_truth() -> None:
    found: dict[str, list[np.ndarray]] = {name: [] for name in GROWTH_TRUTH}
    for seed in range(12):
        people = draw_population(155, 4, seed)
        for name, rows in ((name, growth_rows(people, name)) for name in GROWTH_TRUTH):
            frame = pd.DataFrame({"patient": rows.patient, "months": rows.months, "y": rows.y})
            found[name].append(fit(frame, "y", ["months"], "patient").estimates["estimate"].to_numpy())
    for name, estimates in found.items():
        values = np.array(estimates)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        assert (np.abs(values.mean(axis=0) - GROWTH_TRUTH[name][0]) < 4.5 * error).all(), name
