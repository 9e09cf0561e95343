"""Groups described and compared, definitions held side by side, assessments counted: by hand and by scipy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assets.analysis.assessment_counts import assessment_counts
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.groups import categorical_difference, freeman_halton, group_comparison, standardised_difference
from assets.analysis.observed_means import observed_means
from assets.analysis.overlap import agreement, overlap
from assets.analysis.procedure import Found, Room
from codebook.procedures import AssessmentCounts, GroupComparison, ObservedMeans, Overlap

NAN = float("nan")
NAMED = {"name": "n", "title": "N"}


def room(panel: pd.DataFrame) -> Room:
    analysis = SimpleNamespace(name="a", outcomes={"y": "Y"})
    return Room(analysis, None, panel, None)  # type: ignore[arg-type]  # nothing else is read


def courses(**columns: list[Any]) -> pd.DataFrame:
    """One row for each course, in order."""
    n = len(next(iter(columns.values())))
    keys = {"patient_id": [f"p{i}" for i in range(n)], "episode_id": [f"e{i}" for i in range(n)], "months": [0.0] * n}
    return pd.DataFrame(keys | columns)


def compared(panel: pd.DataFrame, **more: Any) -> tuple[Found, pd.DataFrame, pd.DataFrame]:
    names = [name for name in panel if name not in {"patient_id", "episode_id", "months", "occasion", "group"}]
    variables = more.pop("variables", {name: {"label": str(name).upper()} for name in names})
    text = {"kind": "group_comparison", "name": "t", "title": "T", "group": "group", "labels": {0: "Good", 1: "Poor"}}
    found = group_comparison(GroupComparison.model_validate(text | {"variables": variables} | more), room(panel))
    tables = (pd.DataFrame(found.rows.get(f"results.{name}", [])) for name in ("description", "group_test"))
    return found, *tables


def test_means_and_the_t_test_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    y, group = rng.normal(20, 5, 40), [0, 1] * 20
    y[5] = NAN
    found, described, tested = compared(courses(group=group, y=y.tolist()))
    good, poor = y[::2], y[1::2][~np.isnan(y[1::2])]
    rows = described.set_index("group_label")
    assert rows.loc["Good", "mean"] == pytest.approx(good.mean()) and rows.loc["Good", "sd"] == pytest.approx(
        good.std(ddof=1)
    )
    assert rows.loc["Poor", ["n_valid", "n_total"]].tolist() == [19, 20]
    assert rows.loc["All", ["n_valid", "n_total"]].tolist() == [39, 40]
    reference = stats.ttest_ind(poor, good)
    [row] = tested.to_dict("records")
    assert row["test"] == "t_test" and row["df"] == 37 and row["n"] == 39
    assert row["statistic"] == pytest.approx(reference.statistic) and row["p_value"] == pytest.approx(reference.pvalue)
    assert row["estimate"] == pytest.approx(poor.mean() - good.mean())
    d = (poor.mean() - good.mean()) / np.sqrt((good.var(ddof=1) + poor.var(ddof=1)) / 2)
    error = np.sqrt(39 / (20 * 19) + d**2 / 78)
    assert [row["smd"], row["smd_ci_low"], row["smd_ci_high"]] == pytest.approx(
        [d, d - 1.959964 * error, d + 1.959964 * error]
    )
    assert found.n_patients == 40
    _, _, welch = compared(courses(group=group, y=y.tolist()), t_test="welch")
    assert welch["p_value"][0] == pytest.approx(stats.ttest_ind(poor, good, equal_var=False).pvalue)


def test_percentages_and_the_chi_square_are_by_hand() -> None:
    # 20 of 40 against 30 of 40: expected 25 and 15 in each group, off by 5 everywhere
    panel = courses(group=[0] * 40 + [1] * 40, yes=[1] * 20 + [0] * 20 + [1] * 30 + [0] * 10)
    _, described, tested = compared(panel)
    rows = described.set_index("group_label")
    assert rows["count"].tolist() == [20, 30, 50] and rows["pct"].tolist() == [50, 75, 62.5]
    [row] = tested.to_dict("records")
    assert (row["test"], row["df"], row["estimate"]) == ("chi_square", 1, 25)
    assert row["statistic"] == pytest.approx(2 * 25 / 25 + 2 * 25 / 15)
    assert row["smd"] == pytest.approx(0.25 / np.sqrt((0.25 + 0.1875) / 2))


def test_few_expected_counts_ask_for_fishers_test() -> None:
    panel = courses(group=[0] * 30 + [1] * 30, rare=[1] + [0] * 29 + [1] * 5 + [0] * 25)
    [row] = compared(panel)[2].to_dict("records")
    assert row["test"] == "fisher_exact"
    assert row["p_value"] == pytest.approx(stats.fisher_exact([[29, 1], [25, 5]]).pvalue)


def test_a_factor_is_described_by_category_and_tested_over_all_of_them() -> None:
    ends = ["done"] * 25 + ["left"] * 5 + ["done"] * 15 + ["left"] * 11 + ["sent"] * 4
    panel = courses(group=[0] * 30 + [1] * 30, end=ends)
    variables = {"end": {"label": "End", "categories": {"left": "Left early", "done": "As planned", "moved": "Moved"}}}
    _, described, tested = compared(panel, variables=variables)
    poor = described[described["group_label"] == "Poor"].set_index("category")
    assert poor["count"].to_dict() == {"Left early": 11, "As planned": 15, "Moved": 0, "sent": 4}
    assert poor.loc["sent", "pct"] == pytest.approx(100 * 4 / 30)
    [row] = tested.to_dict("records")
    table = np.array([[25, 5, 0], [15, 11, 4]])
    assert row["test"] == "fisher_exact, 9999 random tables, seed 20201"
    assert row["p_value"] == pytest.approx(
        stats.fisher_exact(table, method=stats.PermutationMethod(n_resamples=3000, rng=1)).pvalue, abs=0.02
    )
    assert row["p_value"] == compared(panel, variables=variables)[2]["p_value"][0]
    assert row["smd"] == pytest.approx(categorical_difference(table[0].astype(float), table[1].astype(float))[0])


def test_fishers_test_by_random_tables_comes_to_the_exact_one() -> None:
    table = np.array([[3, 9], [10, 4]])
    assert freeman_halton(table, 40_000, 1) == pytest.approx(stats.fisher_exact(table).pvalue, abs=0.004)


def test_a_factor_of_two_categories_differs_like_a_binary_variable() -> None:
    first, second = np.array([20.0, 20.0]), np.array([10.0, 30.0])
    binary = [np.repeat([0.0, 1.0], counts.astype(int)) for counts in (first, second)]
    assert categorical_difference(first, second) == pytest.approx(standardised_difference(*binary, "binary"))


def test_more_than_two_groups_and_none() -> None:
    panel = courses(group=[0, 1, 2] * 10, y=[float(i % 7) for i in range(30)], yes=[i % 2 for i in range(30)])
    found = compared(panel, labels={0: "A", 1: "B", 2: "C"})[2].set_index("variable")
    reference = stats.f_oneway(*(panel.loc[panel["group"] == one, "y"] for one in (0, 1, 2)))
    assert found.loc["y", "test"] == "anova" and found.loc["y", "p_value"] == pytest.approx(reference.pvalue)
    assert found.loc["yes", "df"] == 2
    together, described, tested = compared(panel, group=None, labels={})
    assert set(described["group_label"]) == {"All"} and tested.empty and together.method == "mean and SD, or n of N"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"group": [0] * 5 + [1] * 5, "y": [2.5] * 10}, "everyone has the same value"),
        ({"group": [0] * 5 + [1] * 5, "y": [2.5] * 5 + [3.5] * 5}, "no group has any spread"),
        (
            {"group": [0] * 5 + [1] * 5, "y": [1.5, 2.5, 3.5, 4.5, 5.5] + [NAN] * 5},
            "0 of the group 'Poor' have a value",
        ),
        (
            {"group": [0] * 10, "y": [float(i) + 0.5 for i in range(10)]},
            "0 of the group 'Poor' have a value; 2 are needed",
        ),
        ({"group": [0] * 5 + [1] * 5, "y": [1] * 10}, "everyone has the same value"),
        ({"group": [NAN] * 10, "y": [0, 1] * 5}, "0 of the group 'Good' have a value; 1 are needed"),
    ],
)
def test_what_cannot_be_tested_has_its_reason(columns: dict[str, list[Any]], reason: str) -> None:
    _, described, tested = compared(courses(**columns))
    assert tested["reason"][0].startswith(reason)
    assert len(described) == 3 and described["n_total"].iloc[-1] == 10


def test_nobody_at_all_is_no_error() -> None:
    empty = courses(group=[0], y=[1.5], yes=[1]).iloc[:0].assign(end=pd.Series([], dtype=object))
    _, described, tested = compared(empty)
    assert described["n_total"].tolist() == [0] * len(described)
    assert tested["reason"].notna().all()


def test_a_course_counts_once_with_its_first_known_value() -> None:
    panel = pd.DataFrame(
        {
            "patient_id": ["p1", "p1", "p2", "p2"],
            "episode_id": ["e1", "e1", "e2", "e2"],
            "months": [9.0, 3.0, 0.0, 3.0],
            "group": [0, 0, 1, 1],
            "y": [5.0, NAN, 1.0, 2.0],
        }
    )
    described = compared(panel)[1].set_index("group_label")
    assert described["mean"].to_dict() == {"Good": 5.0, "Poor": 1.0, "All": 3.0}


def test_agreement_is_by_hand() -> None:
    first = pd.Series([1.0] * 25 + [0.0] * 25 + [NAN])
    second = pd.Series([1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15 + [1.0])
    row = agreement(first, second)
    # observed 0.7; expected 0.5 · 0.6 + 0.5 · 0.4 = 0.5
    assert (row["n"], row["n_agree"], row["n_positive"], row["n_both"]) == (50, 35, 25, 20)
    assert row["pct_agree"] == 70 and row["pct_both"] == 80 and row["kappa"] == pytest.approx(0.4)
    assert row["ci_low"] < 0.4 < row["ci_high"]
    assert agreement(second, first)["pct_both"] == pytest.approx(100 * 20 / 30)
    assert agreement(first * 0, second)["reason"].startswith("no kappa")
    assert agreement(first * NAN, second)["reason"] == "no course has a value of both"


def test_overlap_names_every_ordered_pair() -> None:
    panel = courses(gaf=[1, 1, 0, 0], wsas=[1.0, 0.0, 0.0, NAN])
    declared = Overlap(kind="overlap", name="o", title="O", definitions={"gaf": "GAF", "wsas": "WSAS"})
    found = overlap(declared, room(panel))
    described = pd.DataFrame(found.rows["results.description"]).set_index("variable")
    assert described.loc["wsas", ["count", "n_valid", "n_total"]].tolist() == [1, 3, 4]
    pairs = [(row["definition"], row["other_definition"], row["n"]) for row in found.rows["results.agreement"]]
    assert pairs == [("gaf", "wsas", 3), ("wsas", "gaf", 3)]


def visits() -> pd.DataFrame:
    """e0 has three, the last at discharge; e1 one at month 3; e2 one at month 15; e3 none of y."""
    rows = [("e0", 3, "m03", 1), ("e0", 9, "m09", 2), ("e0", 36, "discharge", 3), ("e1", 3, "m03", 4)]
    rows += [("e2", 15, "m15", 5), ("e3", 0, "baseline", NAN), ("e0", 9.5, "m09", 4), ("e1", 4, "unscheduled", NAN)]
    frame = pd.DataFrame(rows, columns=["episode_id", "months", "occasion", "y"])
    return frame.assign(patient_id="p" + frame["episode_id"], poor=(frame["episode_id"] == "e0").astype(int))


def test_assessments_are_counted_for_each_course() -> None:
    counted = {"y": {"label": "Y", "columns": ["y"]}}
    declared = AssessmentCounts.model_validate(
        {"kind": "assessment_counts", "name": "c", "title": "C", "counted": counted}
    )
    rows = pd.DataFrame(assessment_counts(declared, room(visits())).rows["results.description"]).set_index("variable")
    assert rows.loc["y", ["mean", "minimum", "maximum", "n_valid", "n_total"]].tolist() == [2, 1, 4, 3, 4]
    shares = rows[["count", "n_valid"]].astype(object).apply(tuple, axis=1)
    assert shares["y_one"] == (2, 3) and shares["y_one_in_first_year"] == (1, 2)
    assert shares["y_at_least_3"] == (1, 3) and shares["y_at_least_4"] == (1, 3)
    assert shares["y_lacks_final"] == (3, 4)
    none = assessment_counts(declared, room(visits().assign(y=NAN))).rows["results.description"]
    assert none[0]["n_valid"] == 0 and none[1]["pct"] is None and none[-1]["count"] == 4


def test_a_panel_without_rows_is_a_reason() -> None:
    empty = room(visits().iloc[:0].assign(gaf=NAN, wsas=NAN))
    counted = {"y": {"label": "Y", "columns": ["y"]}}
    kinds: list[tuple[Any, Any]] = [
        (assessment_counts, AssessmentCounts.model_validate({"kind": "assessment_counts", "counted": counted} | NAMED)),
        (observed_means, ObservedMeans.model_validate({"kind": "observed_means", "outcomes": ["y"]} | NAMED)),
        (overlap, Overlap.model_validate({"kind": "overlap", "definitions": {"gaf": "GAF", "wsas": "WSAS"}} | NAMED)),
    ]
    for run, declared in kinds:
        with pytest.raises(NotEstimableError, match="no row"):
            run(declared, empty)


def test_means_by_occasion_count_a_course_once() -> None:
    text = {"kind": "observed_means", "name": "m", "title": "M", "outcomes": ["y"]}
    grouped = ObservedMeans.model_validate(
        text | {"group": "poor", "labels": {0: "Good", 1: "Poor"}, "model": "growth"}
    )
    found = observed_means(grouped, room(visits()))
    rows = pd.DataFrame(found.rows["results.description"]).set_index(["group_label", "occasion"])
    assert rows.loc[("Poor", "m09"), ["mean", "n_valid", "at_months"]].tolist() == [3, 1, 9.25]
    assert "sd" not in rows or pd.isna(rows.loc[("Poor", "m09"), "sd"])
    assert found.note == "lines: model growth"
    everyone = observed_means(ObservedMeans.model_validate(text), room(visits())).rows["results.description"]
    [third] = [row for row in everyone if row["occasion"] == "m03"]
    half = stats.t.ppf(0.975, 1) * third["sd"] / np.sqrt(2)
    assert third["n_valid"] == 2 and third["mean"] == 2.5
    assert [third["ci_low"], third["ci_high"]] == pytest.approx([2.5 - half, 2.5 + half])
    assert not any(row["occasion"] in {"unscheduled", "baseline"} for row in everyone)
