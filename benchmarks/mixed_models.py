"""Growth models beside lme4 and statsmodels on the same data sets: the log-likelihood reached, and CPU seconds.

    python -m benchmarks.mixed_models [--sets N] [--sizes N …] [--warehouse N]

Every set is drawn on the schedule of Folmo et al. 2020 with another slope variance, from none at all (the optimum then
lies on the boundary as often as not) to a clear one, and fitted by ML and by REML: `y ~ month * group`, random
intercept and slope. lme4 and lmerTest run where R has them (Debian: r-cran-lme4, r-cran-lmertest); its best is the
better of two optimisers with restarts. One process each; statsmodels with time in years and its default optimisers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from assets.analysis.mixed_model import MixedModelFit, fit
from assets.analysis.threads import single_threaded
from assets.analysis.warehouse_sums import fit_table
from simulation.growth import Truth, Visits, draw_growth

TERMS = ["month", "group", "month:group"]
SLOPE_SDS = (0.0, 0.005, 0.01, 0.014, 0.02, 0.03)
WORSE = 1e-8


def main() -> None:
    """Compare; fail where our log-likelihood is lower than lme4's best by more than 1e-8."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[155, 1000, 10_000], help="patients, for the growth of cost"
    )
    parser.add_argument(
        "--warehouse", type=int, default=1_000_000, help="patients fitted straight from DuckDB; 0: none"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare_sets(Path(folder), chosen.sets)
        for patients in chosen.sizes:
            compare_size(Path(folder), patients)
    if chosen.warehouse:
        from_warehouse(chosen.warehouse)


def draw(seed: int, patients: int = 155) -> pd.DataFrame:
    """One data set; its slope variance goes with the seed."""
    truth = Truth(sd_slope=SLOPE_SDS[seed % len(SLOPE_SDS)])
    data = draw_growth(np.random.default_rng([seed, 6]), truth, Visits(), patients)
    columns = {"patient": data.patient, "month": data.month, "group": data.group, "y": data.y.round(3)}
    return pd.DataFrame(columns)


def fit_ours(frame: pd.DataFrame, *, is_reml: bool) -> tuple[MixedModelFit, float]:
    """Our fit, Satterthwaite's df and all, and its CPU seconds."""
    start = time.process_time()
    found = fit(frame, "y", TERMS, "patient", "month", method="REML" if is_reml else "ML")
    return found, time.process_time() - start


def fit_statsmodels(frame: pd.DataFrame, *, is_reml: bool) -> tuple[float, float]:
    """statsmodels' log-likelihood (NaN: it failed) and CPU seconds; time in years."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    start = time.process_time()
    years, group = frame["month"].to_numpy() / 12, frame["group"].to_numpy()
    x = np.column_stack([np.ones(len(frame)), years, group, years * group])
    with warnings.catch_warnings(), single_threaded():  # as ours: threads that wait would count as its CPU
        warnings.simplefilter("ignore")
        try:
            model = MixedLM(frame["y"].to_numpy(), x, groups=frame["patient"].to_numpy(), exog_re=x[:, :2])
            found = float(model.fit(reml=is_reml).llf)
        except (np.linalg.LinAlgError, ValueError):
            found = float("nan")
    return found - is_reml * 2 * np.log(12), time.process_time() - start


def in_r(folder: Path, frames: list[pd.DataFrame], *, is_fast: bool = False) -> list[dict[str, Any]] | None:
    """What R says of each frame, ML then REML; None where it has no lmerTest."""
    program = shutil.which("Rscript")
    has = (
        program
        and subprocess.run([program, "-e", "library(lmerTest)"], capture_output=True, check=False).returncode == 0
    )
    if not program or not has:
        return None
    paths = []
    for number, frame in enumerate(frames):
        paths.append(folder / f"{number}.csv")
        frame.to_csv(paths[-1], index=False)
    (folder / "list").write_text("\n".join(map(str, paths)) + "\n")
    script = Path(__file__).with_suffix(".R")
    fast = ["fast"] if is_fast else []
    subprocess.run([program, str(script), str(folder / "list"), str(folder / "out"), *fast], check=True)
    return [json.loads(line) for line in (folder / "out").read_text().splitlines()]


def compare_sets(folder: Path, sets: int) -> None:
    """The log-likelihood reached on every set, and how often each says singular."""
    frames = [draw(seed) for seed in range(sets)]
    fit_ours(frames[0], is_reml=False)  # imports are not part of a fit
    fit_statsmodels(frames[0], is_reml=False)
    theirs = in_r(folder, frames)
    rows = []
    for number, frame in enumerate(frames):
        for is_reml in (False, True):
            found, seconds = fit_ours(frame, is_reml=is_reml)
            reached, by_statsmodels = fit_statsmodels(frame, is_reml=is_reml)
            row: dict[str, Any] = {"ours": found.log_likelihood, "seconds": seconds, "is_singular": found.is_singular}
            row |= {"statsmodels": reached, "statsmodels_seconds": by_statsmodels, "df": found.estimates["df"].iloc[-1]}
            if theirs is not None:
                said = theirs[2 * number + is_reml]
                row |= {"best": said["best"], "default": said["default"], "r_singular": said["singular"]}
                row |= {"r_df": said["df"], "lme4": said["lme4"], "lmerTest": said["lmerTest"]}
            rows.append(row)
    table = pd.DataFrame(rows)
    n = len(table)
    print(
        f"{sets} data sets of 155 patients, ML and REML: {n} fits, {int(table['is_singular'].sum())} of them singular"
    )
    short = table["ours"] - table["statsmodels"]
    n_short = int((short > 1e-3).sum() + table["statsmodels"].isna().sum())
    print(f"statsmodels: failed or more than 0.001 below in {n_short} of {n}")
    ours, statsmodels = table["seconds"].sum(), table["statsmodels_seconds"].sum()
    ratio = f"{1000 * statsmodels / n:.1f} ({statsmodels / ours:.1f}×)"
    print(f"CPU ms a fit: ours {1000 * ours / n:.2f}, statsmodels {ratio}")
    if theirs is None:
        print("R has no lmerTest here: no comparison with lme4 (Debian: r-cran-lme4 r-cran-lmertest)")
        return
    worst = float((table["best"] - table["ours"]).max())
    print(
        f"lme4: ours lies at most {max(worst, 0):.1e} below its best of several starts, "
        f"{float((table['ours'] - table['best']).max()):.1e} above; its default lies more than 1e-4 below in "
        f"{int((table['best'] - table['default'] > 1e-4).sum())} of {n}"
    )
    differ = int((table["is_singular"] != table["r_singular"]).sum())
    print(f"singular flags differ in {differ} of {n}")
    for name in ("lme4", "lmerTest"):
        print(f"CPU ms a fit: {name} {1000 * table[name].sum() / n:.2f} ({table[name].sum() / ours:.1f}× ours)")
    if worst > WORSE:
        raise SystemExit(f"ours is worse by {worst:.2e}, more than {WORSE:g}")


def compare_size(folder: Path, patients: int) -> None:
    """CPU seconds of one REML fit at a size, the median of five sets."""
    frames = [draw(seed, patients) for seed in (2, 3, 4, 5, 10)]
    ours = float(np.median([fit_ours(frame, is_reml=True)[1] for frame in frames]))
    other = float(np.median([fit_statsmodels(frame, is_reml=True)[1] for frame in frames[:3]]))
    theirs = in_r(folder, frames, is_fast=True)
    text = (
        f"{patients:>6} patients, CPU ms: ours {1000 * ours:.1f}, statsmodels {1000 * other:.0f} ({other / ours:.0f}×)"
    )
    if theirs is not None:
        for name in ("lme4", "lmerTest"):
            spent = float(np.median([row[name] for row in theirs if row["reml"]]))
            text += f", {name} {1000 * spent:.0f} ({spent / ours:.1f}×)"
    print(text)


def from_warehouse(patients: int) -> None:
    """A model over rows that never leave DuckDB: on the schedule's months, and at months as they happened."""
    with duckdb.connect() as connection:
        data = draw_growth(np.random.default_rng(1), Truth(), Visits(), patients)
        columns = {"patient_id": data.patient, "months": data.month, "group": data.group, "y": data.y}
        frame = pd.DataFrame(columns)
        connection.execute("create table panel as select * from frame")
        connection.execute(
            "create table actual as select * replace "
            "(round(months + (hash(patient_id, months) % 900) / 300.0, 4) as months) from panel"
        )
        n_rows = len(frame)
        del frame, data
        for table, text in (("panel", "months of the schedule"), ("actual", "months as they happened")):
            start, cpu = time.perf_counter(), time.process_time()
            found = fit_table(connection, table, "y", ["months", "group", "months:group"], method="REML")
            wall, spent = time.perf_counter() - start, time.process_time() - cpu
            slope = found.estimates["estimate"].iloc[-1]
            print(
                f"{found.n_patients} patients, {n_rows} rows from the warehouse, {text}: {wall:.1f} s, "
                f"{spent:.1f} CPU s; months × group {slope:.5f}, converged {found.is_converged}"
            )


if __name__ == "__main__":
    main()
