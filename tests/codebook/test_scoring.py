"""Every worked case of tests/data/scoring_cases.json, scored by the reference scorer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codebook.instrument import Instrument
from codebook.library import accepted_rules, load_instruments
from codebook.reference import AnswerOutOfRange, is_met, score

Case = dict[str, Any]

CASES: list[Case] = json.loads((Path(__file__).parents[1] / "data" / "scoring_cases.json").read_text("utf-8"))["cases"]
BY_ID = {case["id"]: case for case in CASES}
FIRST_SIX = ("wai_s", "wai_sr", "gaf", "wsas", "bsi_18", "bdi_ii")
TOLERANCE = 6e-5  # expected values are rounded to 4 decimals


@pytest.fixture(scope="module")
def instruments() -> dict[str, Instrument]:
    return load_instruments()


def rules_for(instrument: Instrument, accepts_proposed: bool) -> frozenset[str]:
    proposed = [scale.missing_rule.name for scale in instrument.scales if scale.missing_rule]
    return accepted_rules([instrument], proposed if accepts_proposed else [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: Case, instruments: dict[str, Instrument]) -> None:
    instrument = instruments[case["instrument"]]
    accepted = rules_for(instrument, case["accepts_proposed"])
    if "expected_error" in case:
        with pytest.raises(AnswerOutOfRange) as caught:
            score(instrument, case["version"], case["responses"], accepted)
        error = caught.value
        found = {"item": error.item, "value": error.value, "minimum": error.minimum, "maximum": error.maximum}
        assert found == case["expected_error"]
        return
    scores = score(instrument, case["version"], case["responses"], accepted)
    assert case["expected"], "a case without an error must expect a score"
    for scale, value in case["expected"].items():
        if value is None:
            assert scores[scale].value is None, scale
        else:
            assert scores[scale].value == pytest.approx(value, abs=TOLERANCE), scale
    for scale, status in case.get("expected_status", {}).items():
        assert scores[scale].status == status, scale
    for scale, n_answered in case.get("expected_n_answered", {}).items():
        assert scores[scale].n_answered == n_answered, scale
    declared = {scale.key: scale for scale in instrument.scales_of(case["version"])}
    for scale, labels in case.get("expected_cutoffs", {}).items():
        cutoffs = {cutoff.label: cutoff for cutoff in declared[scale].cutoffs}
        assert {label: is_met(cutoffs[label], scores[scale].value) for label in labels} == labels


@pytest.mark.parametrize("case", [case for case in CASES if "expected_error" not in case], ids=lambda case: case["id"])
def test_a_score_is_consistent_with_its_status(case: Case, instruments: dict[str, Instrument]) -> None:
    instrument = instruments[case["instrument"]]
    scores = score(instrument, case["version"], case["responses"], rules_for(instrument, case["accepts_proposed"]))
    for declared in instrument.scales_of(case["version"]):
        found = scores[declared.key]
        assert found.n_items == len(declared.items)
        assert (found.value is not None) == (found.status in {"scored", "prorated"})
        assert found.is_prorated == (found.status == "prorated")
        assert (found.n_answered == 0) == (found.status == "not_answered")
        if found.value is not None:
            assert declared.minimum <= found.value <= declared.maximum


def test_every_scale_of_every_version_has_a_worked_score(instruments: dict[str, Instrument]) -> None:
    worked = {
        (case["instrument"], case["version"], scale)
        for case in CASES
        for scale, value in case["expected"].items()
        if value is not None
    }
    for key in {case["instrument"] for case in CASES}:
        for version in instruments[key].versions:
            for scale in instruments[key].scales_of(version.key):
                assert (key, version.key, scale.key) in worked


def test_same_answers_differ_between_wai_s_and_wai_sr_in_task_and_goal_but_not_bond() -> None:
    short, revised = BY_ID["wai_s_E_version_check"], BY_ID["wai_sr_A_version_check"]
    assert short["responses"] == revised["responses"]
    assert short["expected"]["task"] != revised["expected"]["task"]
    assert short["expected"]["goal"] != revised["expected"]["goal"]
    assert short["expected"]["bond"] == revised["expected"]["bond"]


def test_a_five_point_alliance_has_no_cutoff(instruments: dict[str, Instrument]) -> None:
    assert all(not scale.cutoffs for scale in instruments["wai_sr"].scales_of("wai_sr_5"))
    assert all(scale.cutoffs for scale in instruments["wai_sr"].scales_of("wai_sr_7"))


def test_a_form_of_the_wrong_length_is_refused(instruments: dict[str, Instrument]) -> None:
    with pytest.raises(ValueError, match="wsas has 5 items, but 4 responses"):
        score(instruments["wsas"], "wsas", [1, 1, 1, 1], [])


def test_an_answer_to_an_item_that_the_version_lacks_is_refused(instruments: dict[str, Instrument]) -> None:
    with pytest.raises(ValueError, match="'gaf_split' has no item 3"):
        score(instruments["gaf"], "gaf_split", [60, 60, 60], [])


def test_an_unknown_version_is_named_with_those_declared(instruments: dict[str, Instrument]) -> None:
    with pytest.raises(KeyError, match="declared: bdi_ii, bdi_ii_0_6"):
        score(instruments["bdi_ii"], "bdi_i", [0] * 21, [])


GIVEN_FLAGS = {
    "above_0_8": ("gsi_mean", "clinical"),
    "satisfactory": ("total", "satisfactory"),
    "good_outcome": ("gaf_global", "good outcome"),
}
GIVEN_BANDS = {"<10 subclinical": "subclinical", ">20": "moderately severe or worse"}


def given_version(vector: Case) -> str:
    key = vector["instrument"]
    if "scale_points" in vector:
        return f"{key}_{vector['scale_points']}"
    if vector.get("encoding") == "raw_0_6_items_16_18":
        return "bdi_ii_0_6"
    return {"gaf": "gaf_split"}.get(key, key)


def test_the_given_cases_are_carried_over_unchanged(shared: Path, instruments: dict[str, Instrument]) -> None:
    vectors = json.loads((shared / "facts" / "scoring_vectors.json").read_text("utf-8"))["vectors"]
    given = [vector for vector in vectors if vector["instrument"] in FIRST_SIX]
    assert given
    for vector in given:
        ours = BY_ID[vector["id"]]
        n_items = instruments[vector["instrument"]].n_items
        padded = vector["responses"] + [None] * (n_items - len(vector["responses"]))
        assert (ours["instrument"], ours["version"]) == (vector["instrument"], given_version(vector))
        assert ours["responses"] == padded
        assert ours["accepts_proposed"] == (vector["rule"] == "proposed")
        assert ours["provenance"] == vector["provenance"]
        scores = {}
        for name, value in vector["expected"].items():
            if name == "error":
                error = ours["expected_error"]
                assert value == "item {item} value {value} outside {minimum}..{maximum}".format(**error)
            elif name in GIVEN_FLAGS:
                scale, label = GIVEN_FLAGS[name]
                assert ours["expected_cutoffs"][scale][label] == value
            elif name == "band":
                assert ours["expected_cutoffs"]["total"][GIVEN_BANDS[value]] is True
            elif name == "max_possible":
                assert ours["expected_n_answered"]["raw_sum"] * 8 == value
            elif name == "n_answered":
                assert ours["expected_n_answered"]["gsi_mean"] == value
            else:
                scores["prorated_40" if name == "prorated" else name] = value
        assert ours["expected"] == scores
