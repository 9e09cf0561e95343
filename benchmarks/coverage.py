"""Do the statistics keep what they promise? Intervals and tests on data whose truth is known.

    python -m benchmarks.coverage [--sets N] [--bootstrap N] [--resamples N]

Data sets of 155 patients on the schedule of Folmo et al. 2020. Coverage: how often the 95 % interval of group × month
holds the truth, by REML and by ML with Satterthwaite's degrees of freedom, and by lmerTest on the same sets where R has
it. Type I error: how often p is below .05 where there is no difference. Bootstrap: how often the 95 % percentile
interval of the explained slope variance holds the share that very large samples give.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from assets.analysis.bootstrap import Side, explained_intervals
from assets.analysis.comparison import explained
from assets.analysis.design_matrix import Design, build_design
from assets.analysis.mixed_model import MixedModelFit, fit
from benchmarks.mixed_models import TERMS, in_r
from codebook.analysis import Bootstrap
from orchestration.power import wilson
from simulation.growth import Truth, Visits, draw_growth

TRUTH = Truth()


def main() -> None:
    """Print each share with Wilson's 95 % limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--bootstrap", type=int, default=200, help="sets whose explained variance is bootstrapped")
    parser.add_argument("--resamples", type=int, default=200)
    chosen = parser.parse_args()
    frames = [draw(seed, TRUTH) for seed in range(chosen.sets)]
    for method in ("REML", "ML"):
        fits = [fit(frame, "y", TERMS, "patient", "month", method=method) for frame in frames]
        last = pd.DataFrame([one.estimates.iloc[-1] for one in fits if one.reason is None])
        inside = (last["ci_low"] <= TRUTH.group_slope) & (last["ci_high"] >= TRUTH.group_slope)
        n_singular = sum(bool(one.is_singular) for one in fits)
        said(f"coverage, {method} with Satterthwaite", int(inside.sum()), len(last), f"; {n_singular} fits singular")
    with tempfile.TemporaryDirectory() as folder:
        theirs = in_r(Path(folder), frames, is_fast=True)
    if theirs is None:
        print("R has no lmerTest here: no comparison (Debian: r-cran-lmertest)")
    else:
        for is_reml in (True, False):
            rows = pd.DataFrame([row for row in theirs if row["reml"] is is_reml]).dropna(subset=["df"])
            half = student.ppf(0.975, rows["df"]) * rows["std_error"]
            inside = (rows["estimate"] - TRUTH.group_slope).abs() <= half
            said(f"coverage, lmerTest, {'REML' if is_reml else 'ML'}", int(inside.sum()), len(rows))
    none = Truth(group_slope=0.0)
    empty = [draw(seed + 1_000_000, none) for seed in range(chosen.sets)]
    for method in ("REML", "ML"):
        p = [fit(frame, "y", TERMS, "patient", "month", method=method).estimates["p_value"].iloc[-1] for frame in empty]
        said(f"type I error, {method}", int(np.sum(np.array(p) < 0.05)), len(p))
    if chosen.bootstrap:
        bootstrap(chosen.bootstrap, chosen.resamples)


def draw(seed: int, truth: Truth, patients: int = 155) -> pd.DataFrame:
    """One data set on the paper's schedule."""
    data = draw_growth(np.random.default_rng([seed, 7]), truth, Visits(), patients)
    return pd.DataFrame({"patient": data.patient, "month": data.month, "group": data.group, "y": data.y})


def bootstrap(sets: int, resamples: int) -> None:
    """Coverage of the explained slope variance, by resampling patients."""
    large = draw(1, TRUTH, 200_000)
    truth, _ = explained(*pair(large), "var_slope")
    print(f"explained slope variance in 200,000 patients: {truth:.1f} %")
    inside = n = 0
    shares = []
    for seed in range(sets):
        frame = draw(seed + 2_000_000, TRUTH)
        own, reference = pair(frame)
        share, _ = explained(own, reference, "var_slope")
        if share is None or truth is None:
            continue
        shares.append(share)
        sides = (Side(side_design(frame, TERMS), own), Side(side_design(frame, ["month"]), reference))
        found = explained_intervals(*sides, Bootstrap(resamples=resamples, seed=seed))["var_slope"]
        if found.low is None or found.high is None:
            continue
        n += 1
        inside += found.low <= truth <= found.high
    low, high = np.percentile(shares, [2.5, 97.5])
    said("coverage, bootstrap of explained slope variance", inside, n, f"; {sets - n} of {sets} sets have no interval")
    print(f"the estimate itself: 95 % of {len(shares)} sets between {low:.0f} and {high:.0f} %")


def side_design(frame: pd.DataFrame, terms: list[str]) -> Design:
    """The matrices of a model of these rows."""
    return build_design(frame, "y", terms, "patient", "month", has_slope=True)


def pair(frame: pd.DataFrame) -> tuple[MixedModelFit, MixedModelFit]:
    """The model with the predictor, and growth alone, by ML."""
    return fit(frame, "y", TERMS, "patient", "month"), fit(frame, "y", ["month"], "patient", "month")


def said(what: str, count: int, n: int, more: str = "") -> None:
    """One line: the share, its limits, and how many of how many."""
    low, high = wilson(count, n)
    print(f"{what}: {100 * count / n:.1f} % ({count} of {n}; {100 * low:.1f} to {100 * high:.1f}){more}", flush=True)


if __name__ == "__main__":
    main()
