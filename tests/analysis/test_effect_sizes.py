"""Standardised mean differences against metafor and statpsych (R), and where none can be given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedure_room import analysis, panel, run
from pydantic import ValidationError

from assets.analysis.standardised import approximate_correction, between_effects, exact_correction, paired_effects

PRE_POST = {"kind": "pre_post", "outcomes": ["score"]}
ARMS = {"kind": "pre_post_arms", "outcomes": ["score"], "arm": "arm", "treated": "BtheB"}
ARM = {"arm": {"kind": "episode", "column": "arm", "is_value": "BtheB"}}


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared / "golden" / "effect_sizes.json").read_text())
    return found


@pytest.fixture(scope="module")
def trial(shared: Path) -> pd.DataFrame:
    """BDI-II before and after two months, drop-outs with a first value only, and the arm."""
    wide = pd.read_csv(shared / "golden" / "btheb_wide.csv")
    return panel(wide["bdi.pre"].tolist(), wide["bdi.2m"].tolist(), arm=wide["treatment"].tolist())


def rows(frame: pd.DataFrame, declared: dict[str, Any], **more: Any) -> pd.DataFrame:
    covariates = ARM if "arm" in frame else None
    said, found = run(analysis(declared | more, covariates=covariates), frame)
    assert said.get("reason") is None
    return pd.DataFrame(found["results.effect_size"])


def both(frame: pd.DataFrame, **more: Any) -> pd.DataFrame:
    found = rows(frame, PRE_POST, **more)
    return found[found["sample"] == "both_occasions"].set_index("variant")


def test_pre_post_variants_are_those_of_r(trial: pd.DataFrame, reference: dict[str, Any]) -> None:
    found = both(trial)
    expected = {
        "d_av": reference["d_pooled_sd"],
        "d_pre": reference["d_pre_sd"],
        "d_z": reference["d_diff_sd_dz"],
        "d_rm": reference["d_rm"],
        "g_av": reference["g_av_exactJ"],
        "g_av_approx": reference["d_pooled_sd"] * reference["J_approx_n1"],
        "g_z": reference["metafor_SMCC_dz_g"]["est"],
        "g_pre": -reference["metafor_SMCR_pre_minus_post_over_sd_pre"]["est"],
        "mean_change": reference["md"],
    }
    for variant, value in expected.items():
        assert found.loc[variant, "estimate"] == pytest.approx(value, abs=1e-9), variant
    row = found.loc["d_z"]
    for column, name in (("statistic", "t"), ("df", "df"), ("p_value", "p"), ("n", "n"), ("correlation", "r")):
        assert row[column] == pytest.approx(reference[name], rel=1e-9), column
    for column in ("mean_before", "mean_after", "sd_before", "sd_after"):
        occasion = {"before": "pre", "after": "post"}[column.split("_")[1]]
        assert row[column] == pytest.approx(reference[f"{column.split('_')[0]}_{occasion}"], rel=1e-12)


def test_intervals_are_those_of_metafor(trial: pd.DataFrame, reference: dict[str, Any]) -> None:
    found, smcc = both(trial), reference["metafor_SMCC_dz_g"]
    smcr = reference["metafor_SMCR_pre_minus_post_over_sd_pre"]
    assert found.loc["g_z", ["ci_low", "ci_high"]].tolist() == pytest.approx([smcc["lo"], smcc["hi"]], abs=1e-9)
    # metafor has before − after
    assert found.loc["g_pre", ["ci_low", "ci_high"]].tolist() == pytest.approx([-smcr["hi"], -smcr["lo"]], abs=1e-9)
    assert found.loc["g_z", "std_error"] ** 2 == pytest.approx(smcc["var"], abs=1e-12)


def test_corrections_are_hedges(reference: dict[str, Any]) -> None:
    assert exact_correction(96) == pytest.approx(reference["J_exact_n1"], abs=1e-12)
    assert approximate_correction(96) == pytest.approx(reference["J_approx_n1"], abs=1e-12)


def test_two_arms_are_those_of_metafor_and_morris(trial: pd.DataFrame, reference: dict[str, Any]) -> None:
    found = rows(trial, ARMS)
    found = found[found["sample"] == "both_occasions"].set_index("variant")
    hedges, morris = reference["hedges_g_between_post"], reference["morris2008_dppc2"]
    assert found.loc["g_post", ["estimate", "ci_low", "ci_high"]].tolist() == pytest.approx(
        [hedges["est"], hedges["lo"], hedges["hi"]], abs=1e-9
    )
    assert found.loc["d_ppc2", "estimate"] == pytest.approx(morris["est"], abs=1e-12)
    assert found.loc["d_ppc2", "std_error"] ** 2 == pytest.approx(morris["var"], abs=1e-12)
    assert found.loc["d_ppc2", ["n_treated", "n_reference"]].tolist() == [morris["nT"], morris["nC"]]


def with_moments(mean: float, sd: float, values: np.ndarray) -> np.ndarray:
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def test_bonetts_interval_is_that_of_statpsych() -> None:
    # ci.stdmean.ps(.05, 110.4, 102.1, 15.3, 14.6, .75, 25): statpsych's own example, first − second
    one, other = np.random.default_rng(1).standard_normal((2, 25))
    first = with_moments(0, 1, one)
    rest = other - other.mean() - first * (other @ first) / (first @ first)
    second = 0.75 * first + np.sqrt(1 - 0.75**2) * with_moments(0, 1, rest)
    effects = {e.variant: e for e in paired_effects(102.1 + 14.6 * second, 110.4 + 15.3 * first)}
    av = effects["d_av"]
    assert (av.estimate, av.std_error, av.ci_low, av.ci_high) == pytest.approx(
        (0.5550319, 0.1609934, 0.2394905, 0.8705732), abs=5e-8
    )
    swapped = {e.variant: e for e in paired_effects(110.4 + 15.3 * first, 102.1 + 14.6 * second)}["d_pre"]
    assert (-swapped.estimate, swapped.std_error, -swapped.ci_high, -swapped.ci_low) == pytest.approx(  # type: ignore[operator]
        (0.5424837, 0.1615500, 0.2258515, 0.8591158), abs=5e-8
    )


def test_noncentral_limits_leave_the_tails_they_say() -> None:
    from scipy.stats import nct

    rng = np.random.default_rng(2)
    d_z = paired_effects(rng.normal(0, 1, 12), rng.normal(1, 1, 12))[1]
    assert d_z.estimate is not None and d_z.ci_low is not None and d_z.ci_high is not None
    t = d_z.estimate * 12**0.5
    assert nct.cdf(t, 11, d_z.ci_low * 12**0.5) == pytest.approx(0.975, abs=1e-8)
    assert nct.cdf(t, 11, d_z.ci_high * 12**0.5) == pytest.approx(0.025, abs=1e-8)
    far = between_effects(rng.normal(20, 1, 9), rng.normal(0, 1, 9))[0]
    assert far.ci_low is not None and far.ci_high is not None and far.estimate is not None
    assert far.ci_low < far.estimate < far.ci_high


def test_drop_outs_are_printed_out_and_in(trial: pd.DataFrame) -> None:
    for choice in ("excluded", "included"):
        found = rows(trial, PRE_POST, drop_outs=choice, n_resamples=200)
        out, inside = (found[found["sample"] == name] for name in ("both_occasions", "with_drop_outs"))
        assert set(out["n"]) == {97} and set(inside["n_before"]) == {100} and set(inside["n_after"]) == {97}
        assert out["is_primary"].all() == (choice == "excluded") and inside["is_primary"].all() == (
            choice == "included"
        )
    inside = inside.set_index("variant")
    first = trial[(trial["occasion"] == "baseline")]["score"]
    last = trial[(trial["occasion"] == "discharge")]["score"]
    assert inside.loc["d_pre", "estimate"] == pytest.approx((last.mean() - first.mean()) / first.std(), abs=1e-12)
    pooled = np.sqrt((first.var() + last.var()) / 2)
    assert inside.loc["d_av", "estimate"] == pytest.approx((last.mean() - first.mean()) / pooled, abs=1e-12)
    assert inside.loc["g_pre", "estimate"] == pytest.approx(exact_correction(99) * inside.loc["d_pre", "estimate"])
    assert "d_z" not in inside.index and inside["ci_method"].str.contains("200 resamples").all()


def test_drop_outs_that_may_be_in_treatment_are_told() -> None:
    frame = panel([1.0, 2.0, 4.0, 3.0], [2.0, 1.0, None, None])
    with duckdb.connect() as connection:
        connection.execute("""
            create schema harmonised;
            create table harmonised.episode as select 'e00' || n as episode_id,
                case when n < 3 then date '2020-01-01' end as discharge_date from range(4) as t(n)
        """)
        said, _ = run(analysis(PRE_POST), frame, connection)
    assert (
        said["note"] == "some courses without a value at the end have no discharge date and may be in treatment still"
    )
    assert run(analysis(PRE_POST), frame)[0]["note"] is None


def test_resampling_agrees_with_the_formula_where_both_hold() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(20, 8, 400)
    frame = panel(first.tolist(), (first - 5 + rng.normal(0, 6, 400)).tolist())
    found = rows(frame, PRE_POST, n_resamples=2000)
    table = found.set_index(["sample", "variant"])
    for limit in ("ci_low", "ci_high"):
        formula, resampled = (table.loc[(s, "d_pre"), limit] for s in ("both_occasions", "with_drop_outs"))
        assert resampled == pytest.approx(formula, abs=0.02)


def test_levels_stand_beside_everybody(trial: pd.DataFrame) -> None:
    found = rows(trial, PRE_POST, by="arm", n_resamples=100)
    counts = found[found["variant"] == "d_z"].set_index("group_level")["n"]
    assert counts.to_dict() == {"all": 97, "arm=BtheB": 52, "arm=TAU": 45}


def test_what_cannot_be_said_has_a_reason() -> None:
    few = rows(panel([1.0], [2.0]), PRE_POST)
    assert few["reason"].str.contains("fewer than 2 courses have 'score' at baseline and at discharge").all()
    none = rows(panel([1.0, 2.0], [None, None]), PRE_POST)
    assert none["reason"].str.contains("fewer than 2 courses").all()
    same = both(panel([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]))
    assert same.loc["d_z", "reason"] == "the change is the same for everyone" and pd.isna(same.loc["d_z", "estimate"])
    assert same.loc["d_av", "estimate"] == pytest.approx(1.0)
    constant = both(panel([2.0, 2.0, 2.0], [1.0, 2.0, 4.0]))
    assert "no variance before" in constant.loc["d_pre", "reason"] and constant.loc["d_z", "estimate"] > 0
    flat = both(panel([2.0, 2.0, 2.0], [2.0, 2.0, 2.0]))
    assert flat["reason"].notna().all()
    pair = both(panel([1.0, 2.0], [2.0, 5.0]))
    assert "degrees of freedom" in pair.loc["g_z", "reason"] and pair.loc["d_z", "estimate"] == pytest.approx(2**0.5)


def test_arms_that_cannot_be_compared_have_a_reason() -> None:
    one = panel([1.0, 2.0, 3.0], [2.0, 2.0, 5.0], arm=["BtheB", "BtheB", "TAU"])
    assert rows(one, ARMS)["reason"].str.contains("an arm has fewer than 2 courses").all()
    flat = panel([1.0] * 6, [2.0] * 6, arm=["BtheB", "TAU"] * 3)
    assert rows(flat, ARMS)["reason"].notna().all()
    nobody = rows(panel([1.0, 2.0], [2.0, 4.0], arm=["a", "b"]), ARMS)
    assert nobody["reason"].notna().all() and len(nobody) == 2


def test_a_group_that_the_panel_lacks_is_refused() -> None:
    with pytest.raises(ValidationError, match="names sort; the panel has no such column"):
        analysis(PRE_POST | {"by": "sort"})
