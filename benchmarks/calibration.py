"""Is the simulator calibrated? Growth models over many seeds of the demo's patients, beside the truth it declares.

    python -m benchmarks.calibration [--seeds N]

For each seed 155 patients are drawn and every outcome's growth model is fitted by ML to what their forms would say,
with assessments at discharge placed at month 36, as the demo's analyses do. The mean over seeds is compared with
`simulation.growth_truth`: within three standard errors of that mean, for intercept and slope each.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from assets.analysis.mixed_model import fit
from simulation.growth_truth import GROWTH_TRUTH, growth_rows
from simulation.population import draw_population


def main() -> None:
    """Print mean, standard error and truth of each; fail where one lies more than three standard errors off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--patients", type=int, default=155)
    chosen = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in GROWTH_TRUTH}
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        people = draw_population(chosen.patients, 4, seed)
        for name in GROWTH_TRUTH:
            rows = growth_rows(people, name)
            frame = pd.DataFrame({"patient": rows.patient, "months": rows.months, "y": rows.y})
            estimate = fit(frame, "y", ["months"], "patient").estimates["estimate"]
            found[name].append((float(estimate.iloc[0]), float(estimate.iloc[1])))
    off = []
    print(f"{chosen.seeds} seeds of {chosen.patients} patients; slopes per month")
    for name, (truth, _) in GROWTH_TRUTH.items():
        values = np.array(found[name])
        for place, quantity in enumerate(("intercept", "slope")):
            mean = values[:, place].mean()
            error = values[:, place].std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            distance = (mean - truth[place]) / error
            text = f"{name:<5} {quantity:<9} mean {mean:9.5f}  SE {error:.5f}  truth {truth[place]:9.5f}"
            print(f"{text}  off {distance:+.2f} SE")
            if abs(distance) > 3:
                off.append(f"{name} {quantity}")
    if off:
        raise SystemExit(f"not calibrated: {', '.join(off)}")


if __name__ == "__main__":
    main()
