"""Delta adjustment: the sampler against the model, Rubin's rules by hand, shifts, tipping point and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedures import run

from assets.analysis.process.delta import tipping_point
from assets.analysis.process.imputation import GrowthSampler, Pooled, inverse_wishart, pool

OCCASIONS = {"baseline": 0.0, "m06": 6.0, "m12": 12.0, "m18": 18.0}
DECLARED = {
    "kind": "delta_adjustment",
    "name": "dropout",
    "title": "Dropout",
    "outcome": "symptoms",
    "occasions": OCCASIONS,
    "deltas": [-2, 2, 4, 8],
    "terms": ["months", "arm", "months:arm"],
    "predictors": ["arm"],
    "imputations": 10,
}


def made(patients: int = 160, seed: int = 6, drops: bool = True) -> pd.DataFrame:
    """Symptoms fall by 0.2 a month, in arm 1 by 0.4; who is worse drops out sooner (missing at random)."""
    random = np.random.default_rng(seed)
    arm = np.arange(patients) % 2
    level, slope = random.normal(20, 3, patients), random.normal(0, 0.1, patients) - 0.2 - 0.2 * arm
    rows = []
    for patient in range(patients):
        for occasion, months in OCCASIONS.items():
            score = level[patient] + slope[patient] * months + random.normal(0, 1.5)
            rows.append((f"p{patient:03d}", occasion, months, score, arm[patient]))
            if drops and score > 22 and random.uniform() < 0.5:
                break
    frame = pd.DataFrame(rows, columns=["patient_id", "occasion", "months", "symptoms", "arm"])
    return frame.assign(episode_id="e" + frame["patient_id"], site_id="north")


def test_rubins_rules_by_hand() -> None:
    one = pool(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5, 0.8]), 50.0)
    total = 0.6 + 4 / 3
    share = (4 / 3) / total
    observed = 51 / 53 * 50 * (1 - share)
    assert one.estimate == 2 and one.std_error == pytest.approx(np.sqrt(total))
    assert one.df == pytest.approx(1 / (share**2 / 2 + 1 / observed))
    same = pool(np.array([1.0, 1.0]), np.array([0.5, 0.5]), 50.0)
    assert same.df == pytest.approx(51 / 53 * 50) and same.fraction_missing == 0


def test_tipping_point_lies_between_declared_deltas() -> None:
    pooled = {float(d): Pooled(-3.0 + d, 1.0, 1e9, 0.1) for d in (0, 1, 2)}
    value, note = tipping_point(pooled)
    assert value == pytest.approx(3 - 1.959964, abs=1e-5) and note.startswith("significant at delta 0")
    assert tipping_point({0.0: Pooled(-3.0, 1.0, 100.0, 0.1)})[0] is None


def test_inverse_wishart_has_its_mean() -> None:
    random, scale = np.random.default_rng(1), np.array([[2.0, 0.5], [0.5, 1.0]])
    mean = np.mean([inverse_wishart(scale, 12, random) for _ in range(4000)], axis=0)
    assert mean == pytest.approx(scale / (12 - 2 - 1), abs=0.01)


def test_sampler_draws_around_the_model() -> None:
    from assets.analysis.mixed_model import fit

    frame = made(drops=False)
    fitted = fit(frame, "symptoms", ["months"], "patient_id", method="REML")
    years = frame["months"].to_numpy() / 12
    x = np.column_stack([np.ones(len(frame)), years])
    codes = np.unique(frame["patient_id"], return_inverse=True)[1]
    cross = fitted.cov_intercept_slope * 12
    covariance = np.array([[fitted.var_intercept, cross], [cross, fitted.var_slope * 144]])
    sampler = GrowthSampler(frame["symptoms"].to_numpy(), x, x, codes, covariance, fitted.var_residual)
    draws = list(sampler.draws(60, np.random.default_rng(3)))
    fixed = np.array([draw.fixed for draw in draws]) / [1, 12]
    estimates = fitted.estimates
    assert np.abs(fixed.mean(axis=0) - estimates["estimate"]).max() < 0.5 * estimates["std_error"].max()
    assert fixed.std(axis=0, ddof=1) == pytest.approx(estimates["std_error"].to_numpy(), rel=0.3)
    assert np.mean([draw.residual_variance for draw in draws]) == pytest.approx(fitted.var_residual, rel=0.1)
    assert np.mean([draw.covariance[0, 0] for draw in draws]) == pytest.approx(fitted.var_intercept, rel=0.2)


def sensitivity(rows: dict[str, list[dict[str, Any]]], term: str) -> dict[str, dict[str, Any]]:
    return {r["choices"]: r for r in rows["results.sensitivity"] if r["term"] == term}


def test_deltas_shift_the_estimate_and_only_those_declared() -> None:
    row, rows = run(DECLARED | {"delta_applies_to": "arm"}, made())
    assert row.get("reason") is None and "were imputed" in row["note"]
    found = sensitivity(rows, "arm")
    assert [r["is_primary"] for r in found.values()] == [False, True, False, False, False]
    at = {choices: r["estimate"] for choices, r in found.items()}
    assert at["delta=0"] == pytest.approx(-3.6, abs=1.5)
    assert at["delta=2"] - at["delta=0"] == pytest.approx((at["delta=8"] - at["delta=0"]) / 4, abs=1e-9)
    frame = made()
    last = frame[frame["occasion"] == "m18"]
    share = 1 - last["arm"].sum() / 80  # of arm 1 without the last occasion
    assert at["delta=8"] - at["delta=0"] == pytest.approx(8 * share)
    assert all(r["std_error"] > 0 and r["df"] < 158 for r in found.values())
    tipping = [r for r in rows["results.diagnostic"] if r["diagnostic"] == "tipping point: arm"]
    assert len(tipping) == 1 and tipping[0]["note"]


def test_same_seed_same_numbers_and_units_of_sd() -> None:
    one, two, other = (
        run(DECLARED | {"seed": seed, "imputations": 3}, made())[1]["results.sensitivity"] for seed in (1, 1, 2)
    )
    assert one == two and one != other
    frame = made()
    sd = frame.loc[frame["occasion"] == "baseline", "symptoms"].std()
    in_sd = sensitivity(run(DECLARED | {"deltas": [1.0], "unit": "sd", "imputations": 3}, frame)[1], "arm")[
        "delta=1 SD"
    ]
    in_units = sensitivity(run(DECLARED | {"deltas": [sd], "imputations": 3}, frame)[1], "arm")[f"delta={sd:g}"]
    assert in_sd["estimate"] == pytest.approx(in_units["estimate"])


def test_cumulative_shifts_grow_with_the_missed_occasions() -> None:
    frame = made()
    frame = frame[~((frame["patient_id"] < "p040") & (frame["months"] > 6))]
    plain = {"deltas": [1.0], "predictors": [], "terms": ["months"], "imputations": 3}
    constant = sensitivity(run(DECLARED | plain, frame)[1], "change")
    cumulative = sensitivity(run(DECLARED | plain | {"shift": "cumulative"}, frame)[1], "change")
    assert cumulative["delta=0"]["estimate"] == constant["delta=0"]["estimate"]
    assert cumulative["delta=1"]["estimate"] > constant["delta=1"]["estimate"] > constant["delta=0"]["estimate"]


def test_nothing_missing_is_the_plain_analysis() -> None:
    frame = made(patients=60, drops=False)
    _, rows = run(DECLARED | {"terms": ["months"], "predictors": []}, frame)
    found = sensitivity(rows, "change")
    wide = frame.pivot(index="patient_id", columns="occasion", values="symptoms")
    change = (wide["m18"] - wide["baseline"]).to_numpy()
    for one in found.values():
        assert one["estimate"] == pytest.approx(change.mean())
        assert one["std_error"] == pytest.approx(change.std(ddof=1) / np.sqrt(60))


def test_the_growth_model_refitted() -> None:
    declared = {"estimand": "growth", "predictors": [], "imputations": 2, "deltas": [4], "terms": ["months"]}
    found = sensitivity(run(DECLARED | declared, made(patients=60))[1], "months")
    assert found["delta=4"]["estimate"] > found["delta=0"]["estimate"]


def test_open_courses_are_left_out() -> None:
    connection = duckdb.connect()
    connection.execute("""
        create schema harmonised;
        create table harmonised.episode as
        select 'ep' || lpad(cast(i as varchar), 3, '0') as episode_id,
            case when i >= 40 then date '2015-01-01' end as discharge_date
        from range(160) as numbers(i)
    """)
    row, _ = run(DECLARED, made(), connection)
    frame = made()
    reached = set(frame.loc[frame["occasion"] == "m18", "patient_id"])
    n_open = sum(f"p{k:03d}" not in reached for k in range(40))
    assert n_open and row["n_patients"] == 160 - n_open and f"{n_open} open courses are left out" in row["note"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda f: f[f["patient_id"] == "p000"], "2 waves of at least 20 patients"),
        (lambda f: f[f["occasion"] == "baseline"], "2 waves of at least 20 patients"),
        (lambda f: f.iloc[:0], "2 waves of at least 20 patients"),
        (lambda f: f[f["occasion"] != "m18"], "nobody has 'symptoms' at m18"),
        (lambda f: f.assign(symptoms=3.0), "the outcome has the same value"),
        (lambda f: f.assign(symptoms=np.nan), "2 waves of at least 20 patients"),
        (lambda f: f.assign(arm=0), "collinear"),
        (lambda f: f.assign(arm=f["months"] % 5), "changes within patients"),
    ],
)
def test_refusals(change: Any, part: str) -> None:
    row, rows = run(DECLARED, change(made()))
    assert part in str(row.get("reason")), row
    assert not rows


def test_a_drug_effect_is_near_what_others_printed(shared: Path) -> None:
    """The reference-based package of the pharmaceutical statisticians prints about −2.8 under missing at random."""
    path = shared / "samples" / "trials" / "antidepressant_data.csv"
    if not path.is_file():
        pytest.skip("needs the trial of antidepressants among the given samples")
    trial = pd.read_csv(path)
    visits = trial.assign(
        patient_id=trial["PATIENT"].astype(str),
        months=trial["RELDAYS"] / 30.4375,
        occasion="v" + trial["VISIT"].astype(str),
        arm=(trial["THERAPY"] == "DRUG").astype(int),
        change=trial["CHANGE"].astype(float),
        first=trial["BASVAL"].astype(float),
    )[["patient_id", "months", "occasion", "arm", "change", "first"]]
    start = visits.drop_duplicates("patient_id").assign(months=0.0, occasion="v0", change=0.0)
    frame = pd.concat([start, visits], ignore_index=True)
    frame = frame.assign(symptoms=frame["change"] + frame["first"]).drop(columns=["change", "first"])
    frame = frame.assign(episode_id=frame["patient_id"], site_id="x")
    declared = {
        "occasions": {"v0": 0.0, "v4": 0.25, "v5": 0.5, "v6": 0.95, "v7": 1.4},
        "adjusts_for_first": True,
        "deltas": [1.0],
        "delta_applies_to": "arm",
    }
    row, rows = run(DECLARED | declared, frame)
    assert row.get("reason") is None and row["n_patients"] == 172
    found = sensitivity(rows, "arm")["delta=0"]
    assert found["estimate"] == pytest.approx(-2.8, abs=0.4) and found["std_error"] == pytest.approx(1.12, abs=0.1)
    _, rows = run(DECLARED | declared | {"means": "free"}, frame)
    assert sensitivity(rows, "arm")["delta=0"]["estimate"] == pytest.approx(-2.8, abs=0.25)
