"""Linear linking against a textbook's numbers, against forms whose relation is known, and below its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedure_room import INSTRUMENTS, analysis, answers, library, run
from pydantic import ValidationError

from assets.analysis.linear_linking import Moments, link, moments
from codebook.library import _cross_check
from codebook.procedures.linking import anchor_items

DECLARED = {"kind": "linking", "n_resamples": 100}


def given(score: float, sd: float, anchor: float, anchor_sd: float, covariance: float, n: float = 1.0) -> Moments:
    return Moments(*(np.array([value]) for value in (score, anchor, sd**2, anchor_sd**2, covariance, n)))


# Kolen and Brennan (2014), chapter 4: forms of 36 items with 12 in common, all weight on the first group
FIRST, SECOND = given(15.8205, 6.5278, 5.1063, 2.3760, 13.4088), given(18.6728, 6.8784, 5.8626, 2.4515, 14.7603)


@pytest.mark.parametrize(
    ("method", "slope", "intercept"), [("tucker", 1.0289, 0.5370), ("levine_observed", 1.0112, 0.2517)]
)
def test_linking_is_that_of_the_textbook(method: str, slope: float, intercept: float) -> None:
    found = link(method, FIRST, SECOND, weight=1.0)
    assert found[0][0] == pytest.approx(slope, abs=1e-4) and found[1][0] == pytest.approx(intercept, abs=1e-4)


def test_chaining_goes_over_the_anchor_of_each_group() -> None:
    slope, intercept = link("chained_linear", FIRST, SECOND)
    for x in (0.0, 15.8205, 36.0):
        anchor = 5.1063 + 2.3760 / 6.5278 * (x - 15.8205)
        expected = 18.6728 + 6.8784 / 2.4515 * (anchor - 5.8626)
        assert intercept[0] + slope[0] * x == pytest.approx(expected)


@pytest.mark.parametrize("method", ["tucker", "levine_observed", "chained_linear", "equivalent_groups"])
def test_a_form_is_linked_to_itself_by_the_identity(method: str) -> None:
    assert [value[0] for value in link(method, FIRST, FIRST, 0.4)] == pytest.approx([1.0, 0.0], abs=1e-12)


def test_moments_are_those_of_the_counted_forms() -> None:
    rng = np.random.default_rng(15)
    x, v, counts = rng.normal(5, 1, 12), rng.normal(4, 1, 12), rng.integers(0, 4, (2, 12))
    found = moments(x, v, counts.astype(float))
    for place, count in enumerate(counts):
        both = np.cov(np.repeat(x, count), np.repeat(v, count))
        assert found.score[place] == pytest.approx(np.repeat(x, count).mean())
        assert (found.score_variance[place], found.covariance[place]) == pytest.approx((both[0, 0], both[0, 1]))


def test_anchors_are_the_items_that_the_codebook_calls_identical() -> None:
    assert anchor_items(INSTRUMENTS["wai_s"], INSTRUMENTS["wai_sr"]) == (2, 3, 6, 7, 11, 12)
    assert anchor_items(INSTRUMENTS["wai_sr"], INSTRUMENTS["wai_s"]) == (2, 3, 6, 7, 11, 12)
    assert anchor_items(INSTRUMENTS["wai_s"], INSTRUMENTS["wsas"]) == ()


def forms(n: int, level: float, shift: float, seed: int) -> pd.DataFrame:
    """Twelve answers around a patient's level; items that are not in the anchor lie `shift` lower."""
    rng = np.random.default_rng(seed)
    values = level + rng.normal(0, 0.9, (n, 1)) + rng.normal(0, 0.4, (n, 12))
    values[:, [0, 3, 4, 7, 8, 9]] -= shift
    return pd.DataFrame(values, columns=range(1, 13))


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """WAI-S of 150 with its own items half a point harder, WAI-SR of 200 whose alliance is one point better."""
    with duckdb.connect() as connection:
        first = forms(150, 4.0, 0.5, 16)
        first[[4, 10]] = 8 - first[[4, 10]]
        first.iloc[:5, 0] = np.nan
        answers(connection, "wai_s", "wai_s_7", first)
        answers(connection, "wai_sr", "wai_sr_7", forms(200, 5.0, 0.0, 17))
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, **more: Any) -> pd.DataFrame:
    said, found = run(analysis(DECLARED | more), connection=connection)
    assert said.get("reason") is None, said
    return pd.DataFrame(found["results.linking"])


def test_a_known_relation_is_found_whatever_the_groups(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse)
    linked = found[found["quantity"] == "linked_score"].set_index(["scale", "method", "at_score"])
    # of the four items of a scale two are shared, so the same patient scores a quarter of a point more on the second
    for scale in ("task", "goal", "bond", "total"):
        for method in ("tucker", "levine_observed", "chained_linear"):
            row = linked.loc[(scale, method, 4.0)]
            assert row["estimate"] == pytest.approx(4.25, abs=0.15), (scale, method)
            assert row["ci_low"] < row["estimate"] < row["ci_high"] and 0 < row["std_error"] < 0.15
    assert set(found["n_from"]) == {145, 150} and set(found["n_to"]) == {200} and set(found["n_both"]) == {145, 150}
    anchors = found.drop_duplicates("scale").set_index("scale")["anchor_items"].to_dict()
    assert anchors == {"task": "2, 12", "goal": "6, 11", "bond": "3, 7", "total": "2, 3, 6, 7, 11, 12"}
    naive = rows(warehouse, methods=["equivalent_groups"], scales=["total"], at_scores=[4.0])
    value = naive[naive["quantity"] == "linked_score"]["estimate"].iloc[0]
    # without the anchor the better alliance of the second group passes for an easier form
    assert value == pytest.approx(5.25, abs=0.25)


def test_resampling_is_the_same_twice_and_follows_its_seed(warehouse: duckdb.DuckDBPyConnection) -> None:
    more = {"scales": ["task"], "methods": ["tucker"]}
    first, again, other = (rows(warehouse, **more, **seed) for seed in ({}, {}, {"seed": 3}))
    pd.testing.assert_frame_equal(first, again)
    assert (first["std_error"] != other["std_error"]).all() and (first["estimate"] == other["estimate"]).all()


def test_too_few_forms_are_not_linked(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(warehouse, minimum_n=160)
    assert found["reason"].str.contains("fewer than 160 complete forms of wai_s or of wai_sr").all() and len(found) == 4
    assert set(found["n_from"]) == {145, 150} and set(found["n_to"]) == {200}


def reason(connection: duckdb.DuckDBPyConnection, **more: Any) -> str:
    return str(run(analysis(DECLARED | more), connection=connection)[0]["reason"])


def test_what_cannot_be_linked_has_a_reason(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert reason(warehouse, to_instrument="wsas") == "the codebook declares no items that wai_s and wsas share"
    assert reason(warehouse, to_instrument="nothing") == "the codebook has no instrument 'nothing'"
    assert "no form of wai_s by the therapist" in reason(warehouse, rater="therapist")
    assert "none of version wai_sr_5" in reason(warehouse, to_version="wai_sr_5")
    with duckdb.connect() as connection:
        same = pd.DataFrame(4.0, index=range(60), columns=range(1, 13))
        answers(connection, "wai_s", "wai_s_7", same)
        answers(connection, "wai_sr", "wai_sr_7", same)
        flat = rows(connection, scales=["task"])
        assert flat["reason"].tolist() == ["the score of one form is the same for everyone"]
        answers(connection, "wai_sr", "wai_sr_5", same, occasion="m03", months=3.0)
        assert "of versions wai_sr_5, wai_sr_7; declare one" in reason(connection)
        assert "different answer points" in reason(connection, to_version="wai_sr_5")


def test_a_declaration_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 20"):
        analysis(DECLARED | {"minimum_n": 5})
    wrong = library(analysis(DECLARED | {"scales": ["task", "sum"]}))
    assert [p.message for p in _cross_check(wrong)] == [
        "wai_s has no scale 'sum'; it has task, goal, bond, total",
        "wai_sr has no scale 'sum'; it has task, goal, bond, total",
    ]
    assert [p.message for p in _cross_check(library(analysis(DECLARED | {"to_instrument": "wsas"})))][-1] == (
        "the codebook declares no items that wai_s and wsas share"
    )
