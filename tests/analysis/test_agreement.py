"""Agreement against psych (R), against likelihoods written out in full, and where raters cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedure_room import INSTRUMENTS, analysis, run
from pydantic import ValidationError

from assets.analysis.agreement import _categories
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.intraclass import Intraclass, intraclass, mean_squares, mean_squares_of
from assets.analysis.kappa import pearson, weighted_kappa
from assets.analysis.rating_components import Components, RatingDesign

DECLARED = {
    "kind": "agreement",
    "ratings": [{"instrument": "mbt_acs", "scale": "global_adherence"}],
    "n_resamples": 100,
}
NAMES = {"ci_low": "lower bound", "ci_high": "upper bound", "f": "F", "df": "df1", "df_error": "df2", "p_value": "p"}


def assert_is_psychs(found: list[Intraclass], reference: dict[str, Any], tolerance: float) -> None:
    assert [form.form for form in found] == list(reference)
    for form in found:
        expected = reference[form.form]
        assert form.estimate == pytest.approx(expected["ICC"], abs=tolerance), form.form
        for own, name in NAMES.items():
            assert getattr(form, own) == pytest.approx(expected[name], abs=10 * tolerance), (form.form, own)


def golden(shared: Path, name: str) -> np.ndarray:
    return pd.read_csv(shared / "golden" / f"{name}.csv").to_numpy(dtype=float)


@pytest.mark.parametrize(
    ("data", "raters", "name"),
    [
        ("shrout_fleiss", 4, "shrout_fleiss_anova"),
        ("shrout_fleiss", 2, "shrout_fleiss_J1J2_anova"),
        ("two_raters", 2, "two_raters_anova"),
    ],
)
def test_intraclass_correlations_are_those_of_psych(shared: Path, data: str, raters: int, name: str) -> None:
    reference = json.loads((shared / "golden" / "icc.json").read_text())[name]
    assert_is_psychs(intraclass(mean_squares(golden(shared, data)[:, :raters])), reference, 1e-10)


def long(ratings: np.ndarray, is_nested: bool = False) -> tuple[RatingDesign, np.ndarray]:
    objects, raters = np.nonzero(~np.isnan(ratings))
    return RatingDesign(objects, raters, is_nested), ratings[objects, raters]


def test_variance_component_form_is_that_of_lme4(shared: Path) -> None:
    reference = json.loads((shared / "golden" / "icc.json").read_text())["two_raters_lmer"]
    ratings = golden(shared, "two_raters")
    design, values = long(ratings)
    fitted = design.fit(values)
    squares = mean_squares_of(fitted.objects, fitted.raters, fitted.residual, *ratings.shape)
    # lme4 stopped 1e-7 from its optimum; here it equals the analysis of variance
    assert_is_psychs(intraclass(squares), reference, 1e-6)
    assert squares.objects == pytest.approx(mean_squares(ratings).objects, rel=1e-5)


def unbalanced(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ratings = 4 + rng.normal(0, 1, (30, 1)) + rng.normal(0, 0.4, (1, 5)) + rng.normal(0, 0.7, (30, 5))
    ratings[rng.random(ratings.shape) < 0.4] = np.nan
    return ratings[~np.isnan(ratings).all(axis=1)]


def written_out(design: RatingDesign, values: np.ndarray, c: Components) -> float:
    objects, raters = np.eye(design.objects.max() + 1)[design.objects], np.eye(design.raters.max() + 1)[design.raters]
    v = c.objects * objects @ objects.T + c.raters * raters @ raters.T + c.residual * np.eye(design.n)
    inverse, one = np.linalg.inv(v), np.ones(design.n)
    information = one @ inverse @ one
    left = values - (one @ inverse @ values) / information
    constant = (design.n - 1) * np.log(2 * np.pi)
    return float(-(np.linalg.slogdet(v)[1] + np.log(information) + left @ inverse @ left + constant) / 2)


@pytest.mark.parametrize("is_nested", [False, True])
def test_components_of_unbalanced_ratings_are_at_the_reml_optimum(is_nested: bool) -> None:
    design, values = long(unbalanced(9), is_nested)
    fitted = design.fit(values)
    top = written_out(design, values, fitted)
    assert fitted.log_likelihood == pytest.approx(top, abs=1e-9)
    assert (fitted.raters == 0) == is_nested
    for factor in (0.97, 1.03):
        for name in ("objects", "raters", "residual"):
            if is_nested and name == "raters":
                continue
            parts = {part: getattr(fitted, part) for part in ("objects", "raters", "residual")}
            parts[name] *= factor
            assert written_out(design, values, Components(**parts, log_likelihood=0)) < top


def test_a_component_at_zero_is_found_there() -> None:
    rng = np.random.default_rng(10)
    design, values = long(rng.normal(0, 1, (20, 1)) + rng.normal(0, 0.5, (20, 3)))
    values = values - np.array([values[design.raters == rater].mean() for rater in range(3)])[design.raters]
    fitted = design.fit(values)
    assert fitted.raters == pytest.approx(0, abs=1e-8) and fitted.objects > 0.3
    assert fitted.relative(1) == pytest.approx(fitted.absolute(1), abs=1e-8)


def test_nested_components_are_the_one_way_intraclass_correlation() -> None:
    ratings = golden_free()
    design, values = long(ratings, is_nested=True)
    fitted, forms = design.fit(values), {form.form: form.estimate for form in intraclass(mean_squares(ratings))}
    assert fitted.absolute(1) == pytest.approx(forms["ICC1"], abs=1e-6)
    assert fitted.absolute(3) == pytest.approx(forms["ICC1k"], abs=1e-6)
    crossed = long(ratings)[0].fit(values)
    assert crossed.relative(1) == pytest.approx(forms["ICC3"], abs=1e-6)
    assert crossed.absolute(1) == pytest.approx(forms["ICC2"], abs=1e-6)
    assert crossed.absolute(3) == pytest.approx(forms["ICC2k"], abs=1e-6)


def golden_free() -> np.ndarray:
    rng = np.random.default_rng(11)
    return rng.normal(0, 1, (25, 1)) + np.array([0.0, 0.6, -0.5]) + rng.normal(0, 0.6, (25, 3))


def test_parametric_bootstrap_covers_what_was_drawn() -> None:
    design, values = long(unbalanced(12))
    drawn = design.resampled(design.fit(values), 100, 1)
    low, high = np.quantile([one.relative(1) for one in drawn], [0.025, 0.975])
    assert low < 1 / (1 + 0.49) < high and high - low > 0.1
    assert drawn == design.resampled(design.fit(values), 100, 1)


def test_kappa_is_what_its_definition_says() -> None:
    # the table of Fleiss, Cohen and Everitt (1969)
    counts = np.array([[44, 5, 1], [7, 20, 3], [9, 5, 6]])
    one, other = (np.repeat(place.ravel(), counts.ravel()) + 1.0 for place in np.indices((3, 3)))
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    distance = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    for weights, power in (("linear", 1), ("quadratic", 2)):
        expected = 1 - 100 * (distance**power * counts).sum() / (distance**power * np.outer(rows, columns)).sum()
        for categories in (np.arange(1.0, 4.0), np.arange(0.0, 8.0)):
            found = weighted_kappa(one, other, categories, weights)
            assert found["estimate"] == pytest.approx(expected, abs=1e-12)
            assert found["ci_low"] < expected < found["ci_high"]  # type: ignore[operator]


def test_kappas_error_is_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(13)
    one = rng.integers(1, 6, 200).astype(float)
    other = np.clip(one + rng.integers(-1, 2, 200), 1, 5)
    found = weighted_kappa(one, other, np.arange(1.0, 6.0), "quadratic")
    picks = rng.integers(0, 200, (200, 200))
    drawn = [weighted_kappa(one[p], other[p], np.arange(1.0, 6.0), "quadratic")["estimate"] for p in picks]
    assert found["ci_high"] - found["ci_low"] == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.2)  # type: ignore[operator]


def test_pearson_is_that_of_r(shared: Path) -> None:
    reference = json.loads((shared / "golden" / "pearson_rci.json").read_text())["pearson"]
    wide = pd.read_csv(shared / "golden" / "btheb_wide.csv").dropna(subset=["bdi.pre", "bdi.2m"])
    found = pearson(wide["bdi.pre"].to_numpy(float), wide["bdi.2m"].to_numpy(float))
    for own, name in (
        ("estimate", "r"),
        ("ci_low", "lo"),
        ("ci_high", "hi"),
        ("statistic", "t"),
        ("df", "df"),
        ("p_value", "p"),
    ):
        assert found[own] == pytest.approx(reference[name], rel=1e-9), own


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        (np.array([[1.0, 2.0]]), "fewer than 2 objects were rated"),
        (np.array([[1.0], [2.0]]), "only one rater"),
        (np.array([[1.0, np.nan], [np.nan, 2.0]]), "no object has two ratings"),
        (np.ones((5, 2)), "all ratings are the same"),
        (np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]), "no residual variance"),
    ],
)
def test_components_refuse_with_a_reason(ratings: np.ndarray, reason: str) -> None:
    design, values = long(ratings)
    with pytest.raises(NotEstimableError, match=reason):
        design.fit(values)


def test_two_raters_that_cannot_be_compared_have_a_reason() -> None:
    same, some = np.full(5, 3.0), np.array([1.0, 2.0, 3.0, 2.0, 1.5])
    with pytest.raises(NotEstimableError, match="same rating to all"):
        pearson(same, some)
    with pytest.raises(NotEstimableError, match="one category only"):
        weighted_kappa(same, same, np.arange(1.0, 8.0), "linear")
    with pytest.raises(NotEstimableError, match="between the scale's values"):
        weighted_kappa(some, some, np.arange(1.0, 8.0), "linear")
    with pytest.raises(NotEstimableError, match="all ratings are the same"):
        intraclass(mean_squares(np.ones((4, 2))))
    perfect = intraclass(mean_squares(np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])))
    assert [form.estimate for form in perfect] == [1.0] * 6 and perfect[0].ci_low is None


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Twenty sessions rated 1–7 by observers 1 and 2, ten by observer 3 too; the rater's number is `sequence`."""
    rng = np.random.default_rng(14)
    truth = rng.normal(4.5, 1.2, 20)
    lines = [
        (session, rater, float(np.clip(np.rint(truth[session] + rng.normal(0, 0.7)), 1, 7)))
        for session in range(20)
        for rater in (1, 2, 3)
        if rater < 3 or session < 10
    ]
    with duckdb.connect() as connection:
        connection.register("frame", pd.DataFrame(lines, columns=["session", "rater", "score"]))
        connection.execute("""
            create schema harmonised;
            create table harmonised.scale_score as select 'a' || session || '-' || rater as assessment_id,
                'e' || session as episode_id, 'p' || session as patient_id, 'north' as site_id,
                'mbt_acs' as instrument, 'mbt_acs' as version, 'observer' as rater, 'global_adherence' as scale,
                12.0 as months, 'm12' as occasion, score from frame;
            create table harmonised.assessment as select 'a' || session || '-' || rater as assessment_id,
                cast(rater as integer) as sequence, cast(null as date) as assessment_date from frame;
        """)
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, **more: Any) -> pd.DataFrame:
    said, found = run(analysis(DECLARED | more), connection=connection)
    assert said.get("reason") is None
    return pd.DataFrame(found["results.reliability"])


def test_every_coefficient_of_crossed_raters(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse)
    assert set(found["measure"]) == {"mbt_acs.global_adherence"}
    by_all = found[found["method"].str.startswith("analysis of variance")].set_index("coefficient")
    assert list(by_all.index) == ["ICC1", "ICC1k", "ICC2", "ICC2k", "ICC3", "ICC3k"]
    assert set(by_all["n_subjects"]) == {10} and set(by_all["n_raters"]) == {3}
    pairs = found[found["coefficient"] == "kappa_quadratic"].set_index("raters")["n_subjects"]
    assert pairs.to_dict() == {"1 and 2": 20, "1 and 3": 10, "2 and 3": 10}
    components = found[found["method"].str.startswith("variance components") & found["ci_low"].notna()]
    table = components.set_index(["coefficient", "n_raters"])["estimate"]
    assert set(components["n_ratings"]) == {50}
    assert table["g_relative", 2] > table["g_relative", 1] > table["g_absolute", 1] - 1e-9 > 0.3
    as_rated = components[components["coefficient"] == "g_absolute_as_rated"].iloc[0]
    assert "2.40" in as_rated["method"] and pd.isna(as_rated["n_raters"])


def test_unknown_raters_get_the_one_way_forms_only(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse, raters="unknown")
    named = set(found["coefficient"])
    assert {"ICC1", "ICC1k", "g_absolute", "variance_object"} <= named
    assert not named & {"ICC2", "ICC3", "pearson", "kappa_linear", "g_relative", "variance_rater"}


def test_what_was_not_rated_has_a_reason(warehouse: duckdb.DuckDBPyConnection) -> None:
    scales = [("mbt_acs", "global_competence"), ("mbt_acs", "made_up"), ("omi_2", "total")]
    found = rows(warehouse, ratings=[{"instrument": name, "scale": scale} for name, scale in scales])
    assert found["reason"].tolist() == [
        "there is no rating with a number (sequence) by observer",
        "the codebook has no scale 'mbt_acs.made_up'",
        "the codebook has no scale 'omi_2.total'",
    ]
    few = rows(warehouse, minimum_objects=30)
    assert few["reason"].tolist() == ["fewer than 30 objects have two ratings or more"]
    therapist = rows(warehouse, raters="rater", ratings=[DECLARED["ratings"][0] | {"by": ["observer", "therapist"]}])  # type: ignore[index]
    assert "fewer than 5 objects have two ratings" in therapist["reason"].iloc[0]


def test_a_rater_twice_counts_once_and_is_told(warehouse: duckdb.DuckDBPyConnection) -> None:
    said, _ = run(analysis(DECLARED | {"objects": ["site_id", "episode_id"]}), connection=warehouse)
    assert said["note"] is None and said["n_observations"] == 50
    warehouse.execute("update harmonised.assessment set sequence = 1 where sequence = 3")
    said, _ = run(analysis(DECLARED), connection=warehouse)
    assert said["note"] == "mbt_acs.global_adherence: 10 second ratings by one rater are left out"


def test_half_points_are_categories_up_to_twenty_one() -> None:
    mas_a, bsi = INSTRUMENTS["mas_a"], INSTRUMENTS["bsi_18"]
    halves = _categories(mas_a, "mas_a", "s_self_reflectivity")
    assert halves is not None and halves[:3].tolist() == [0, 0.5, 1] and halves[-1] == 9
    assert _categories(mas_a, "mas_a", "total") is None and _categories(bsi, "bsi_18", "gsi_sum") is None
    found = weighted_kappa(np.array([0.5, 1, 3, 9]), np.array([0.5, 1.5, 3, 8.5]), halves, "linear")
    assert 0.8 < float(found["estimate"]) < 1


def test_kinds_of_rater_need_two() -> None:
    with pytest.raises(ValidationError, match="two kinds of rater"):
        analysis(DECLARED | {"raters": "rater"})
