"""Strata, cells, contrasts, likelihood ratios and explained variance of declared models, against lme4's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from golden import GOLDEN, read

from assets.analysis.model_work import ModelWork
from codebook.analysis import Analysis

GROWTH = {"name": "growth", "label": "Growth", "terms": ["months"]}
INTERCEPT = {"name": "intercept", "label": "Intercept", "terms": ["months"], "random": "intercept"}
POOR = {"name": "poor", "label": "Poor", "terms": ["months", "poor", "months:poor"], "reference": "growth"}
CELLS = {
    "name": "cells",
    "label": "Cells",
    "terms": ["months", "cell", "months:cell"],
    "reference": "growth",
    "contrasts": {"within poor": {"months:cell[poor_paranoid]": 1, "months:cell[poor_no_paranoid]": -1}},
}
NAMES = ("good_no_paranoid", "good_paranoid", "poor_no_paranoid", "poor_paranoid")


def declared(models: list[dict[str, Any]], **more: Any) -> Analysis:
    """An analysis of y on columns that a test puts into its frame itself."""
    attribute = {name: {"kind": "attribute", "attribute": name} for name in ("poor", "paranoid", "n", "flat")}
    cells = {name: [place // 2, place % 2] for place, name in enumerate(NAMES)}
    reference = more.pop("cell_reference", "good_no_paranoid")
    cell = {"kind": "cells", "of": ["poor", "paranoid"], "cells": cells, "reference": reference}
    version = {"kind": "version_group", "reference": more.pop("version_reference", None)}
    panel = {
        "name": "panel",
        "grain": "one row per visit",
        "measures": {"y": {"instruments": ["wai_s"], "scale": "task"}},
        "covariates": attribute | {"cell": cell, "version_group": version},
    }
    text = {"name": "a", "title": "A", "panel": panel, "outcomes": {"y": "Y"}, "models": models}
    return Analysis.model_validate(text | more)


def work(frame: pd.DataFrame, models: list[dict[str, Any]], **more: Any) -> dict[str, pd.DataFrame]:
    """Rows by table, without the schema's name."""
    analysis = declared(models, **more)
    done = ModelWork(analysis, frame, None)
    for model in analysis.models:
        done.run("y", model)
    return {name.removeprefix("results."): pd.DataFrame(rows) for name, rows in done.rows.items()}


@pytest.fixture(scope="module")
def schedule() -> tuple[pd.DataFrame, dict[str, Any]]:
    frame, reference = read(GOLDEN, "sim_schedule")
    return frame.rename(columns={"id": "patient_id", "month": "months", "nobs": "n"}).assign(flat=1.0), reference


def close(row: Mapping[str, Any], reference: Mapping[str, Any]) -> None:
    assert row["chi_square"] == pytest.approx(reference["chisq"], abs=2e-4)
    assert row["df"] == reference["df"]
    assert row["p_value"] == pytest.approx(reference["p"], rel=1e-3)


def test_likelihood_ratios_are_those_of_lme4(schedule: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, reference = schedule
    tables = work(frame, [INTERCEPT, GROWTH | {"compare_with": ["intercept"]}, POOR, CELLS])
    tested = tables["comparison"].set_index("model")
    close(tested.loc["growth"], reference["ML"]["lrt_intercept_vs_slope"])
    close(tested.loc["poor"], reference["ML"]["lrt_growth_vs_predictor"])
    close(tested.loc["cells"], reference["ML"]["lrt_growth_vs_cells"])
    mixture = reference["ML"]["lrt_intercept_vs_slope"]["p_mixture"]
    assert tested.loc["growth", "p_mixture"] == pytest.approx(mixture, rel=1e-3)
    assert pd.isna(tested.loc["poor", "p_mixture"])


def test_reml_tests_fixed_effects_by_ml_and_random_effects_by_reml() -> None:
    frame, reference = read(GOLDEN, "sim_wai")
    frame = frame.rename(columns={"id": "patient_id", "month": "months", "pred": "poor"})
    models = [{"name": "means", "label": "Means", "random": "intercept"}, INTERCEPT]
    models += [GROWTH | {"compare_with": ["intercept", "means"]}, POOR]
    tested = work(frame, models, estimation="REML")["comparison"].set_index(["model", "compared_with"])
    close(tested.loc[("poor", "growth")], reference["ML"]["lrt_growth_vs_predictor"])
    assert tested.loc[("poor", "growth"), "method"] == "likelihood ratio, ML"
    close(tested.loc[("growth", "intercept")], reference["REML"]["lrt_intercept_vs_slope"])
    assert tested.loc[("growth", "intercept"), "method"].startswith("likelihood ratio, REML")
    close(tested.loc[("growth", "means")], reference["ML"]["lrt_means_vs_growth"])


def test_cells_are_compared_with_the_declared_reference(schedule: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, reference = schedule
    tables = work(frame, [GROWTH, CELLS])
    own = tables["estimate"][tables["estimate"]["model"] == "cells"].set_index("term")
    for term, value in reference["ML"]["cells"]["fixef"].items():
        ours = term.replace("(Intercept)", "intercept").replace("month", "months")
        ours = ours if ours == "months" else ours.replace("cell", "cell[") + ("]" if "cell" in ours else "")
        assert own.loc[ours, "estimate"] == pytest.approx(value, abs=1e-5), term
        assert own.loc[ours, "std_error"] == pytest.approx(reference["ML"]["cells"]["se"][term], rel=1e-4), term
    fits = tables["fit"].set_index("model")
    explained = reference["ML"]["cells_explained"]
    assert fits.loc["cells", "explained_slope_pct"] == pytest.approx(explained["slope_pct"], abs=0.1)
    assert fits.loc["cells", "explained_intercept_pct"] == pytest.approx(explained["intercept_pct"], abs=0.1)
    other = work(frame, [GROWTH, CELLS | {"contrasts": {}}], cell_reference="poor_no_paranoid")
    turned = other["estimate"][other["estimate"]["model"] == "cells"].set_index("term")
    found = tables["contrast"].iloc[0]
    same = turned.loc["months:cell[poor_paranoid]"]
    for column in ("estimate", "std_error", "df", "p_value"):
        assert found[column] == pytest.approx(same[column], rel=1e-4), column
    assert other["fit"].set_index("model").loc["cells", "aic"] == pytest.approx(fits.loc["cells", "aic"], abs=1e-6)


def test_strata_are_fitted_alone(schedule: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, reference = schedule
    strata = [GROWTH | {"name": name, "where": {"poor": value}} for name, value in (("only_good", 0), ("only_poor", 1))]
    nobody = GROWTH | {"name": "nobody", "where": {"poor": 1, "paranoid": 7}}
    in_text = GROWTH | {"name": "in_text", "where": {"cell": "poor_paranoid"}}
    fits = work(frame, [*strata, nobody, in_text])["fit"].set_index("model")
    for name in ("only_good", "only_poor"):
        assert fits.loc[name, "aic"] == pytest.approx(reference["ML"][name]["AIC"], abs=1e-3)
        assert fits.loc[name, "n_patients"] == reference["ML"][name]["n_groups"]
    assert fits.loc["nobody", "reason"] == "no complete row has poor = 1, paranoid = 7"
    assert fits.loc["in_text", "n_observations"] == (frame["cell"] == "poor_paranoid").sum()


def test_a_reference_in_a_stratum_is_fitted_in_it(schedule: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, reference = schedule
    paranoid = {"terms": ["months", "paranoid", "months:paranoid"], "where": {"poor": 1}, "reference": "growth"}
    fits = work(frame, [GROWTH, POOR | paranoid])["fit"].set_index("model")
    assert fits.loc["growth@poor", "aic"] == pytest.approx(reference["ML"]["only_poor"]["AIC"], abs=1e-3)
    assert fits.loc["poor", "n_observations"] == fits.loc["growth@poor", "n_observations"]


def test_a_text_column_without_its_reference_or_with_one_level_says_so(
    schedule: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    frame = schedule[0].assign(version_group="wai_s")
    model = {"name": "version", "label": "V", "terms": ["months", "version_group"]}
    [one] = work(frame, [model])["fit"]["reason"]
    assert one == "'version_group' has the same value in every complete row"
    two = frame.assign(version_group=["wai_s", "both"] * (len(frame) // 2))
    [none] = work(two, [model], version_reference="wai_sr")["fit"]["reason"]
    assert none == "no complete row of 'version_group' is 'wai_sr', which the others are compared with"
    found = work(two, [model], version_reference="wai_s")["estimate"]["term"].tolist()
    assert found == ["intercept", "months", "version_group[both]"]
    assert work(two, [model])["estimate"]["term"].tolist()[-1] == "version_group[wai_s]"


def test_what_cannot_be_compared_or_explained_has_its_reason(schedule: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, _ = schedule
    few = frame.assign(paranoid=frame["paranoid"].where(frame["patient_id"] <= 100))
    unlike = {"name": "unlike", "label": "U", "terms": ["months", "n"], "reference": "poor"}
    more_missing = {"name": "more", "label": "M", "terms": ["months", "poor"], "reference": "paranoid"}
    paranoid = {"name": "paranoid", "label": "P", "terms": ["months", "paranoid"]}
    sloped = INTERCEPT | {"name": "sloped", "terms": ["months", "poor"], "reference": "intercept"}
    flat = {"name": "flat", "label": "F", "terms": ["months", "flat"], "reference": "growth"}
    tables = work(few, [GROWTH, INTERCEPT, POOR, paranoid, unlike, more_missing, sloped, flat])
    reasons = tables["comparison"].set_index("model")["reason"]
    assert "not nested" in reasons["unlike"]
    assert "other columns with missing values" in reasons["more"]
    assert reasons["flat"].startswith("the model was not fitted: collinear")
    parts = tables["variance_component"].set_index(["model", "component"])
    assert "so other rows" in parts.loc[("more", "explained_slope_pct"), "reason"]
    assert parts.loc[("sloped", "explained_slope_pct"), "reason"] == "there is no random slope in both models"
    assert pd.isna(parts.loc[("sloped", "explained_slope_pct"), "estimate"])


def test_a_reference_without_slope_variance_leaves_nothing_to_explain() -> None:
    months = [0.0, 6.0, 12.0, 18.0] * 40
    patient = [number for number in range(40) for _ in range(4)]
    noise = [0.5, -0.5, -0.5, 0.5]  # orthogonal to time: every patient has the same slope
    y = [
        (one % 7) + 0.02 * month + noise[place % 4]
        for place, (one, month) in enumerate(zip(patient, months, strict=True))
    ]
    frame = pd.DataFrame({"patient_id": patient, "months": months, "y": y, "poor": [one % 2 for one in patient]})
    tables = work(frame, [GROWTH, POOR], bootstrap={"resamples": 20})
    fits = tables["fit"].set_index("model")
    assert fits.loc["growth", "is_singular"] and pd.isna(fits.loc["poor", "explained_slope_pct"])
    parts = tables["variance_component"].set_index(["model", "component"])
    reason = parts.loc[("poor", "explained_slope_pct"), "reason"]
    assert reason == "the reference has no variance of the slope that could be explained"


@pytest.mark.parametrize("by", ["patient", "parametric"])
def test_explained_variance_has_an_interval_that_says_how(
    schedule: tuple[pd.DataFrame, dict[str, Any]], by: str
) -> None:
    frame, _ = schedule
    few = frame[frame["patient_id"] <= 80]
    declared = {"resamples": 40, "by": by}
    first = work(few, [GROWTH, POOR], bootstrap=declared)["variance_component"]
    again = work(few, [GROWTH, POOR], bootstrap=declared)["variance_component"]
    pd.testing.assert_frame_equal(first, again)
    row = first.set_index(["model", "component"]).loc[("poor", "explained_slope_pct")]
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert row["n_resamples"] == 40
    kind = "of patients" if by == "patient" else "parametric"
    assert row["ci_method"] == f"bootstrap {kind}, percentiles, 40 of 40 resamples, seed 20201"
    other = work(few, [GROWTH, POOR], bootstrap=declared | {"seed": 1})["variance_component"]
    assert not first["ci_low"].equals(other["ci_low"])
