"""The reference scorer, held to every worked case that Concord ships, and what it refuses."""

from __future__ import annotations

import pytest

from codebook.cases import Case, accepted_by, all_cases, run_reference
from codebook.instrument import Instrument
from codebook.library import load_instruments
from codebook.reference import score

CASES = all_cases()
BY_ID = {case.id: case for case in CASES}
FORMS = [case for case in CASES if case.is_form and case.expected_error is None]
COMPUTED = {"ratio", "linear"}


@pytest.fixture(scope="module")
def instruments() -> dict[str, Instrument]:
    return load_instruments()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, instruments: dict[str, Instrument]) -> None:
    result = run_reference(case, instruments)
    assert result.passed, {name: (result.expected[name], result.got.get(name)) for name in result.differences}


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)
def test_a_score_is_consistent_with_its_status(case: Case, instruments: dict[str, Instrument]) -> None:
    instrument = instruments[case.instrument]
    scores = score(instrument, case.version, case.responses, accepted_by(case, instrument))
    assert list(scores) == [scale.key for scale in instrument.scales_of(case.version)]
    for declared in instrument.scales_of(case.version):
        found = scores[declared.key]
        assert (found.value is not None) == (found.status in {"scored", "prorated"})
        assert found.is_prorated == (found.status == "prorated")
        if found.value is not None:
            assert declared.minimum - 1e-9 <= found.value <= declared.maximum + 1e-9
        if declared.aggregate in COMPUTED:
            continue
        assert found.n_items == len(declared.items)
        if declared.items:
            assert (found.n_answered == 0) == (found.status == "not_answered")
        else:
            assert (found.status, found.n_answered) == ("no_public_key", 0)


def test_every_scale_of_every_version_has_a_worked_score(instruments: dict[str, Instrument]) -> None:
    worked = {
        (case.instrument, case.version, scale)
        for case in CASES
        for scale, value in case.expected.items()
        if value is not None
    }
    missing = [
        (key, version.key, scale.key)
        for key, instrument in instruments.items()
        for version in instrument.versions
        for scale in instrument.scales_of(version.key)
        if instrument.key_access == "public" and (key, version.key, scale.key) not in worked
    ]
    assert not missing


def test_same_answers_differ_between_wai_s_and_wai_sr_in_task_and_goal_but_not_bond() -> None:
    short, revised = BY_ID["wai_s_E_version_check"], BY_ID["wai_sr_A_version_check"]
    assert short.responses == revised.responses
    assert short.expected["task"] != revised.expected["task"]
    assert short.expected["goal"] != revised.expected["goal"]
    assert short.expected["bond"] == revised.expected["bond"]


def test_the_same_core_10_answers_differ_where_the_export_is_reversed_already() -> None:
    raw, reversed_before = BY_ID["core_10_D_raw"], BY_ID["core_10_E_same_answers_reversed"]
    assert raw.responses == reversed_before.responses
    assert raw.expected["total"] != reversed_before.expected["total"]


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
