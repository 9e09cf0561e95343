"""Mediation: the product of coefficients against regressions written out, its bootstrap, and where it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from procedures import run

from assets.analysis.process.mediation import bootstrap_indirect, least_squares

DECLARED = {
    "kind": "mediation",
    "name": "carries",
    "title": "Mediation",
    "exposure": "arm",
    "mediator": {"measure": "alliance", "at": "m06", "since": "baseline"},
    "outcome": {"measure": "symptoms", "at": "m12"},
    "covariates": [{"measure": "symptoms", "at": "baseline"}],
    "resamples": 2000,
    "has_interaction": True,
}


def made(patients: int = 150, seed: int = 4) -> pd.DataFrame:
    """The arm lifts early alliance by 0.6, which lowers later symptoms by 2 a point: an indirect effect of −1.2."""
    random = np.random.default_rng(seed)
    arm = np.arange(patients) % 2
    start, alliance = random.normal(20, 4, patients), random.normal(5, 0.8, patients)
    change = 0.6 * arm + random.normal(0, 0.5, patients)
    late = 0.5 * start - 2 * change + random.normal(0, 2, patients)
    ids = [f"p{k:03d}" for k in range(patients)]
    parts = [
        pd.DataFrame(
            {"months": months, "occasion": occasion, "alliance": a, "symptoms": s, "arm": arm, "patient_id": ids}
        )
        for months, occasion, a, s in (
            (0.0, "baseline", alliance, start),
            (6.0, "m06", alliance + change, np.nan),
            (12.0, "m12", np.nan, late),
        )
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(episode_id="e" + frame["patient_id"], site_id="north")


def test_effects_are_those_of_two_regressions() -> None:
    row, rows = run(DECLARED, made())
    assert row.get("reason") is None and row["n_patients"] == 150
    frame = made()
    wide = frame.pivot(index="patient_id", columns="occasion")
    arm = wide[("arm", "baseline")].to_numpy(dtype=float)
    start, late = (wide[("symptoms", at)].to_numpy(dtype=float) for at in ("baseline", "m12"))
    change = (wide[("alliance", "m06")] - wide[("alliance", "baseline")]).to_numpy(dtype=float)
    import statsmodels.api as sm

    x = np.column_stack([np.ones(150), arm, start])
    first, second = sm.OLS(change, x).fit(), sm.OLS(late, np.column_stack([x, change])).fit()
    effects = {(r["effect"][0], r["ci_method"][:3]): r for r in rows["results.mediation"]}
    for key, result, place in (("a", first, 1), ("b", second, 3)):
        mine = effects[(key, "t, ")]
        assert mine["estimate"] == pytest.approx(result.params[place])
        assert mine["std_error"] == pytest.approx(result.bse[place])
        assert (mine["ci_low"], mine["ci_high"]) == pytest.approx(tuple(result.conf_int()[place]))
        assert mine["p_value"] == pytest.approx(result.pvalues[place])
    indirect = effects[("a", "per")]
    assert indirect["estimate"] == pytest.approx(first.params[1] * second.params[3])
    assert indirect["estimate"] == pytest.approx(-1.2, abs=0.5) and indirect["ci_high"] < 0
    assert (indirect["n_resamples"], indirect["seed"]) == (2000, 20201)
    named = {r["effect"].split(":")[0]: r["estimate"] for r in rows["results.mediation"]}
    assert named["c"] == pytest.approx(named["c'"] + named["a·b"])


def test_bootstrap_is_that_of_resampled_rows_and_of_its_seed() -> None:
    random = np.random.default_rng(1)
    n = 60
    x = np.column_stack([np.ones(n), random.normal(size=n), random.normal(size=n)])
    mediator = 0.5 * x[:, 1] + random.normal(size=n)
    outcome = 0.4 * mediator + random.normal(size=n)
    ours = bootstrap_indirect(x, mediator, outcome, 700, 9)
    counts = np.random.default_rng(9).multinomial(n, np.full(n, 1 / n), size=500)
    for number in (0, 17, 499):
        rows = np.repeat(np.arange(n), counts[number])
        a = least_squares(x[rows], mediator[rows]).coefficients[1]
        b = least_squares(np.column_stack([x, mediator])[rows], outcome[rows]).coefficients[-1]
        assert ours.effects[number] == pytest.approx(a * b, abs=1e-9)
    again, other = (bootstrap_indirect(x, mediator, outcome, 700, seed) for seed in (9, 10))
    assert again.percentile == ours.percentile and other.percentile != ours.percentile
    # delta method: the bootstrap's error is near Sobel's
    first, second = least_squares(x, mediator), least_squares(np.column_stack([x, mediator]), outcome)
    sobel = np.hypot(first.coefficients[1] * second.errors[-1], second.coefficients[-1] * first.errors[1])
    assert ours.std_error == pytest.approx(sobel, rel=0.25)
    assert ours.bias_corrected[0] < ours.bias_corrected[1]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda f: f[f["patient_id"] < "p020"], "20 of 20 patients have every variable; 30 are needed"),
        (lambda f: f.assign(arm=1), "arm is the same for every patient"),
        (lambda f: f.assign(alliance=np.nan), "0 of 150"),
        (lambda f: f.assign(arm=f["months"]), "changes within patients"),
        (lambda f: f.assign(arm="text"), "holds text"),
        (lambda f: f[f["occasion"] != "m12"], "no assessment at m12"),
        (lambda f: f.iloc[:0], "no assessment at"),
        (lambda f: f.assign(alliance=f["arm"] * (f["occasion"] == "m06")), "follows from the others"),
        (lambda f: f.assign(arm=(f["patient_id"] == "p003").astype(int)), "too rare"),
    ],
)
def test_refusals(change: Any, part: str) -> None:
    row, rows = run(DECLARED, change(made()))
    assert part in str(row.get("reason")), row
    assert not rows
