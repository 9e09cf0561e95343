"""Reliable change against R, against the formulas written out, and where a number or a norm is lacking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from procedure_room import INSTRUMENTS, analysis, library, panel, run, tables
from pydantic import ValidationError

from assets.analysis.change_indices import (
    ErrorModel,
    change_classes,
    cutoff,
    indices,
    significance_classes,
)
from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.result_schemas import patient_schemas
from codebook.library import _cross_check
from codebook.psychometrics import norm_ids, reliability_ids

STATED = {"value": 0.9, "source": "made up"}
DECLARED = {
    "kind": "reliable_change",
    "measures": {"score": {"reliability": STATED, "cutoffs": ["a"]}},
    "methods": ["jacobson_truax"],
}
FUNCTIONAL = {"mean": 6.0, "sd": 4.0, "source": "made up"}


def measure(**more: Any) -> dict[str, Any]:
    return DECLARED | {"measures": {"score": {"reliability": STATED} | more}}


def test_the_index_is_that_of_r(shared: Path) -> None:
    reference = json.loads((shared / "golden" / "pearson_rci.json").read_text())["rci"]
    wide = pd.read_csv(shared / "golden" / "btheb_wide.csv")
    said, found = run(analysis(DECLARED), panel(wide["bdi.pre"].tolist(), wide["bdi.2m"].tolist()))
    patients, counts = (pd.DataFrame(found[f"{schema}.reliable_change"]) for schema in ("analysis", "results"))
    assert said["n_patients"] == 97
    assert patients["index"].tolist() == pytest.approx(reference["rci"], abs=1e-10)
    # BDI-II: lower is better
    assert patients["improvement"].tolist() == pytest.approx((-np.array(reference["rci"])).tolist(), abs=1e-10)
    change = counts[counts["classification"] == "change"].set_index("category")
    assert change.loc["reliably_improved", "n"] == reference["n_reliable_improved"]
    assert change.loc["reliably_deteriorated", "n"] == reference["n_reliable_worse"]
    between = ["likely_improved", "unchanged", "likely_deteriorated"]
    assert change.loc[between, "n"].sum() == reference["n_unchanged"]
    row = change.loc["reliably_improved"]
    assert row["threshold"] == pytest.approx(reference["threshold"], abs=1e-10)
    assert row["sd"] == pytest.approx(reference["sd_pre_all"], abs=1e-10)
    assert (row["n_total"], row["reliability"], row["reliability_id"]) == (97, 0.9, "stated")
    assert row["pct"] == pytest.approx(100 * 30 / 97)


BEFORE, AFTER = np.array([30.0, 20, 10, 8, 6, 4, 2]), np.array([3.0, 2, 2, 2, 2, 2, 1])
MODEL = ErrorModel(mean=10, sd=5, reliability=0.8)


def test_each_method_is_its_formula() -> None:
    error = 5 * 0.2**0.5
    expected = {
        "jacobson_truax": (AFTER - BEFORE) / (2**0.5 * error),
        "gulliksen_lord_novick": ((AFTER - 10) - 0.8 * (BEFORE - 10)) / (5 * (1 - 0.64) ** 0.5),
        "hsu_linn_lord": ((AFTER - AFTER.mean()) - 0.8 * (BEFORE - 10)) / (5 * (1 - 0.64) ** 0.5),
        "edwards_nunnally": (AFTER - (0.8 * (BEFORE - 10) + 10)) / error,
    }
    for method, values in expected.items():
        assert indices(method, BEFORE, AFTER, MODEL) == pytest.approx(values), method


def test_hageman_and_arrindell_from_the_reliabilities_of_both_occasions() -> None:
    # their own route: reliability on each occasion from one SE, then the reliability of the difference
    error = 5 * 0.2**0.5
    v1, v2, r = BEFORE.var(ddof=1), AFTER.var(ddof=1), np.corrcoef(BEFORE, AFTER)[0, 1]
    reliability1, reliability2 = 1 - error**2 / v1, 1 - error**2 / v2
    joint = 2 * r * (v1 * v2) ** 0.5
    rho = (v1 * reliability1 + v2 * reliability2 - joint) / (v1 + v2 - joint)
    change = AFTER - BEFORE
    expected = (change * rho + change.mean() * (1 - rho)) / (rho**0.5 * 2**0.5 * error)
    assert indices("hageman_arrindell", BEFORE, AFTER, MODEL) == pytest.approx(expected)


def test_no_regression_to_the_mean_is_expected_of_the_mean() -> None:
    # at the mean the predicted score is the mean itself, and with r near 1 the methods come together
    at_mean = np.array([10.0, 10.0])
    after = np.array([4.0, 12.0])
    by = {m: indices(m, at_mean, after, MODEL) for m in ("gulliksen_lord_novick", "edwards_nunnally")}
    assert np.sign(by["gulliksen_lord_novick"]).tolist() == np.sign(by["edwards_nunnally"]).tolist() == [-1, 1]
    assert np.abs(by["edwards_nunnally"]).min() > np.abs(by["gulliksen_lord_novick"]).min()


def test_classes_lie_strictly_beyond_the_criteria() -> None:
    values = np.array([1.961, 1.96, 1.281, 1.28, 0, -1.28, -1.281, -1.96, -1.961])
    assert change_classes(values, (1.28, 1.96)) == [
        *("reliably_improved", "likely_improved", "likely_improved", "unchanged", "unchanged", "unchanged"),
        *("likely_deteriorated", "likely_deteriorated", "reliably_deteriorated"),
    ]
    before, after = np.array([False, False, True, False, False]), np.array([True, False, True, True, False])
    assert significance_classes(np.array([2.5, 2.5, 2.5, 1.0, -3.0]), before, after, 1.96) == [
        *("recovered", "reliably_improved", "reliably_improved", "crossed_not_reliably", "reliably_deteriorated"),
    ]


@pytest.mark.parametrize(
    ("higher_is_better", "clinical", "functional", "expected"),
    [
        (False, (20.0, 6.0), (6.0, 4.0), {"a": 8.0, "b": 14.0, "c": 11.6}),
        (True, (48.0, 6.0), (80.0, 10.0), {"a": 60.0, "b": 60.0, "c": 60.0}),
    ],
)
def test_cutoffs_are_those_of_jacobson_and_truax(
    higher_is_better: bool, clinical: tuple[float, float], functional: tuple[float, float], expected: dict[str, float]
) -> None:
    for kind, value in expected.items():
        assert cutoff(kind, clinical, functional, higher_is_better) == pytest.approx(value), kind
    with pytest.raises(NotEstimableError, match="not worse than the functional one"):
        cutoff("c", functional, clinical, higher_is_better)


def counts(declared: dict[str, Any], frame: pd.DataFrame, **more: Any) -> pd.DataFrame:
    _, found = run(analysis(declared, **more), frame)
    return pd.DataFrame(found["results.reliable_change"])


def test_the_side_of_a_codebook_cutoff_follows_its_operator() -> None:
    frame = panel([30.0, 12, 14, 30], [10.0, 13, 13, 14], **{})
    declared = measure(codebook_cutoff="minimal", functional=FUNCTIONAL, cutoffs=["c"])
    labels = [cut.label for scale in INSTRUMENTS["bdi_ii"].scales for cut in scale.cutoffs]
    chosen = next(cut for s in INSTRUMENTS["bdi_ii"].scales for cut in s.cutoffs if cut.operator in (">", ">="))
    declared["measures"]["score"]["codebook_cutoff"] = chosen.label
    found = counts(declared, frame)
    standing = found[found["cutoff_kind"] == f"codebook: {chosen.label}"].set_index("category")
    assert chosen.label in labels and standing.loc["dysfunctional_before", "n"] == (
        sum(value >= chosen.value for value in (30, 12, 14, 30))
    )


def test_gaf_runs_the_other_way() -> None:
    gaf = {"score": {"instruments": ["gaf"], "scale": "gaf_global", "rater": "clinician"}}
    frame = panel([45.0, 50, 55, 62], [65.0, 52, 40, 70])
    declared = measure(codebook_cutoff="good outcome")
    declared["measures"]["score"]["clinical"] = {"mean": 48, "sd": 6, "source": "made up"}
    _, found = run(analysis(declared, measures=gaf), frame)
    patients = pd.DataFrame(found["analysis.reliable_change"])
    assert patients["significance_class"].tolist() == [
        *("recovered", "unchanged", "reliably_deteriorated", "reliably_improved")
    ]
    assert patients["is_functional_before"].tolist() == [False, False, False, True]


def test_numbers_of_the_codebook_are_named_by_id() -> None:
    assert reliability_ids(INSTRUMENTS["bsi_18"])["bsi_18.gsi_sum.cronbachs_alpha"].value == 0.93
    assert norm_ids(INSTRUMENTS["bdi_ii"])["bdi_ii.total.outpatients"].mean == 22.45
    for instrument in INSTRUMENTS.values():
        assert len(norm_ids(instrument)) == len(instrument.norms)
        assert len(reliability_ids(instrument)) == len(instrument.reliability)
    declared = measure(cutoffs=["a", "c"], functional={"id": "bdi_ii.total.students"})
    declared["measures"]["score"]["reliability"] = {"id": "bdi_ii.total.cronbachs_alpha_outpatients"}
    frame = panel([30.0, 12, 14, 30], [10.0, 13, 13, 14])
    refused = counts(declared, frame)
    assert "'bdi_ii.total.students' is unverified; to use it" in refused["reason"].iloc[0]
    _, found = run(analysis(declared), frame, accepted=("bdi_ii.total.students",))
    used = pd.DataFrame(found["results.reliable_change"])
    assert set(used["norm_id"]) == {"bdi_ii.total.students"} and set(used["reliability"]) == {0.92}
    assert set(used["cutoff_kind"].dropna()) == {"a", "c"}


def test_what_the_codebook_lacks_is_a_problem_of_the_declaration() -> None:
    declared = measure(functional={"id": "bdi_ii.total.martians"}, codebook_cutoff="blue")
    declared["measures"]["score"]["reliability"] = {"id": "bdi_ii.nothing"}
    problems = [problem.message for problem in _cross_check(library(analysis(declared)))]
    assert [text.split(";")[0] for text in problems] == [
        "score: the codebook has no 'bdi_ii.nothing'",
        "score: the codebook has no 'bdi_ii.total.martians'",
        "score: no cut-off is called 'blue'",
    ]
    accepted = library(accepted=("bdi_ii.total.students",))
    assert [problem.message for problem in _cross_check(accepted)] == []


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (measure(cutoffs=["c"]), "cut-offs b and c need the functional group"),
        (measure(reliability={"value": 0.9}), "a value needs its source"),
        (measure(reliability={"value": 1.0, "source": "x"}), "less than 1"),
        (measure(reliability={}), "either the id of a reliability or its value"),
        (measure(functional={"mean": 1.0, "source": "x"}), "either the id of a norm, or mean and sd"),
        (DECLARED | {"criteria": [1.96, 1.28]}, "the smaller first"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        analysis(declared)


def test_what_cannot_be_judged_has_a_reason() -> None:
    nobody = counts(DECLARED, panel([1.0, 2.0], [None, None]))
    assert nobody["reason"].tolist() == ["nobody has 'score' at baseline and at discharge"]
    one = counts(DECLARED, panel([20.0], [4.0]))
    assert one["reason"].str.contains("fewer than 2 patients before").all()
    same = counts(DECLARED, panel([5.0, 5.0], [4.0, 3.0]))
    assert same["reason"].dropna().str.contains("without variance before").all()
    every = DECLARED | {"methods": ["hageman_arrindell", "jacobson_truax"]}
    steady = counts(every, panel([10.0, 20, 30], [9.0, 19, 29]))
    failed = steady[steady["method"] == "hageman_arrindell"]["reason"]
    assert failed.str.contains("no more than error alone").all() and len(failed) == 1
    assert (steady["method"] == "jacobson_truax").sum() == 10


def test_patients_rows_are_typed_even_where_there_are_none() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            create schema harmonised;
            create table harmonised.scale_score (assessment_id varchar, episode_id varchar, patient_id varchar,
                site_id varchar, instrument varchar, rater varchar, scale varchar, months double, occasion varchar,
                score double)
        """)
        bdi = {"bdi": {"instruments": ["bdi_ii"], "scale": "total"}}
        declared = DECLARED | {"measures": {"bdi": {"reliability": STATED}}}
        found = tables(analysis(declared, measures=bdi), connection)
        assert len(found["analysis.reliable_change"]) == 0
        assert list(found["analysis.reliable_change"].columns) == patient_schemas()["analysis.reliable_change"].names
        assert found["results.reliable_change"]["reason"].tolist() == ["nobody has 'bdi' at baseline and at discharge"]
