"""The cases themselves: how many, that the given ones are all there, how other files are read, and the formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codebook.cases import BUILT_IN_CASES, Case, all_cases, load_cases, load_vectors, run_reference
from codebook.declaration import DeclarationError
from codebook.instrument import Instrument
from codebook.library import load_instruments
from codebook.norms import difference_error, reliable_change_threshold, t_score

SHIPPED = load_cases()
BY_ID = {case.id: case for case in all_cases()}
WITHOUT_KEY = {"sipp_sf", "mini", "qut_mit"}


@pytest.fixture(scope="module")
def instruments() -> dict[str, Instrument]:
    return load_instruments()


# --- what is shipped ----------------------------------------------------------------------------


def test_every_instrument_has_its_cases(instruments: dict[str, Instrument]) -> None:
    assert set(SHIPPED) == {*instruments, "formulas"}
    assert {key for key, instrument in instruments.items() if instrument.key_access != "public"} == WITHOUT_KEY
    for key, cases in SHIPPED.items():
        if key not in {"formulas", *WITHOUT_KEY}:
            assert len(cases) >= 6, key


def test_every_instrument_with_a_key_has_cases_with_missing_reversed_and_refused_answers(
    instruments: dict[str, Instrument],
) -> None:
    for key, instrument in instruments.items():
        if instrument.key_access != "public":
            continue
        cases = [case for case in SHIPPED[key] if case.is_form]
        scored = {item for scale in instrument.scales for item in scale.items}
        nothing = {None, *(code.code for code in instrument.missing_codes)}
        answered = [
            {item for item in scored if case.responses[item - 1] not in nothing}
            for case in cases
            if case.expected_error is None
        ]
        assert any(0 < len(items) < len(scored) for items in answered), f"{key}: no form with a missing item"
        assert any(not items for items in answered), f"{key}: no empty form"
        assert any(case.expected_error for case in cases), f"{key}: no answer out of range"
        assert all(any(item in items for items in answered) for item in instrument.reversed_items), key


def test_an_instrument_without_a_key_stores_and_refuses() -> None:
    for key in WITHOUT_KEY:
        cases = SHIPPED[key]
        assert any(case.is_form and not any(case.expected.values()) for case in cases), f"{key}: nothing stored"
        assert any(case.expected_refusal or case.expected_error for case in cases), f"{key}: nothing refused"


def test_no_two_cases_have_one_id() -> None:
    assert len(BY_ID) == len(all_cases())


def test_the_given_cases_are_carried_over_and_pass(shared: Path, instruments: dict[str, Instrument]) -> None:
    path = shared / "facts" / "scoring_vectors.json"
    given = load_vectors(path)
    assert len(given) == len(json.loads(path.read_text("utf-8"))["vectors"]) == 256
    for case in given:
        result = run_reference(case, instruments)
        assert result.passed, (case.id, result.differences)
        ours = BY_ID[case.id]
        assert ours.instrument == {"_generic": "formulas"}.get(case.instrument, case.instrument)
        for part in ("version", "kind", "accepts_proposed", "responses", "formula", "expected_error", "provenance"):
            assert getattr(ours, part) == getattr(case, part), (case.id, part)
        assert case.expected.items() <= ours.expected.items(), case.id
        assert case.expected_status.items() <= ours.expected_status.items(), case.id
        assert case.expected_n_answered.items() <= ours.expected_n_answered.items(), case.id
        for scale, labels in case.expected_cutoffs.items():
            told = ours.expected_cutoffs[scale]
            assert told
            assert all(labels.get(label, met) == met for label, met in told.items()), case.id


# --- reading other files ------------------------------------------------------------------------


def vectors(tmp_path: Path, *given: dict[str, Any]) -> tuple[Case, ...]:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"vectors": [{"id": f"v{n}"} | vector for n, vector in enumerate(given)]}), "utf-8")
    return load_vectors(path)


def test_a_wrong_expectation_is_told_with_what_came(tmp_path: Path, instruments: dict[str, Instrument]) -> None:
    (case,) = vectors(
        tmp_path, {"instrument": "wsas", "responses": [1, 1, 1, 1, 1], "expected": {"total": 6, "band": ">20"}}
    )
    result = run_reference(case, instruments)
    assert not result.passed
    assert set(result.differences) == {
        "total",
        "total: moderately severe or worse",
        "total: significant impairment",
    } | {name for name in result.expected if name in {"total: subclinical", "total: mild"}}
    assert (result.expected["total"], result.got["total"]) == (6, 5.0)


def test_an_error_that_does_not_come_is_a_failure(tmp_path: Path, instruments: dict[str, Instrument]) -> None:
    legal, other = vectors(
        tmp_path,
        {"instrument": "wsas", "responses": [8, 1, 1, 1, 1], "expected": {"error": "item 1 value 8 outside 0..8"}},
        {"instrument": "wsas", "responses": [9, 1, 1, 1, 1], "expected": {"error": "item 2 value 9 outside 0..8"}},
    )
    assert not run_reference(legal, instruments).passed
    assert not run_reference(other, instruments).passed
    assert run_reference(other, instruments).got == {"error": "item 1 value 9 outside 0..8"}


def test_an_unexpected_error_is_a_failure(tmp_path: Path, instruments: dict[str, Instrument]) -> None:
    (case,) = vectors(tmp_path, {"instrument": "wsas", "responses": [9, 1, 1, 1, 1], "expected": {"total": 13}})
    result = run_reference(case, instruments)
    assert not result.passed
    assert result.got == {"error": "item 1 value 9 outside 0..8"}


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        ({"instrument": "wai", "responses": [1], "expected": {"total": 1}}, "no instrument 'wai'; known: bdi_ii, "),
        ({"instrument": "wsas", "responses": [1] * 6, "expected": {"total": 6}}, "wsas has 5 items, but 6 responses"),
        ({"instrument": "wsas", "responses": [1] * 5, "expected": {"task": 6}}, "neither a scale 'task' nor a cut-off"),
        ({"instrument": "wsas", "responses": [1] * 5, "expected": {"band": "low"}}, "cannot read the band 'low'"),
        ({"instrument": "wsas", "responses": [1] * 5, "expected": {"error": "bad"}}, "cannot read the error 'bad'"),
        (
            {"instrument": "gad_7", "responses": [1] * 7, "expected": {"band": "0-4 mild"}},
            "not where the cut-off 'mild'",
        ),
        ({"instrument": "wai_sr", "scale_points": 9, "responses": [1] * 12, "expected": {}}, "no version of 9 points"),
        (
            {"instrument": "wsas", "encoding": "x", "responses": [1] * 5, "expected": {}},
            "no version holds the encoding",
        ),
        ({"instrument": "wsas", "responses": [1] * 5}, "expected"),
    ],
)
def test_a_vector_that_cannot_be_mapped_is_an_error(tmp_path: Path, vector: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        vectors(tmp_path, vector)
    assert says in str(caught.value)
    assert ": v0: " in str(caught.value)


def test_every_bad_vector_of_a_file_is_told(tmp_path: Path) -> None:
    bad = {"instrument": "nothing", "responses": [], "expected": {}}
    with pytest.raises(DeclarationError) as caught:
        vectors(tmp_path, bad, bad)
    assert [problem.key for problem in caught.value.problems] == ["v0", "v1"]


@pytest.mark.parametrize("text", ["{", "3", '{"vectors": 1}', '["a"]'])
def test_a_file_that_holds_no_vectors_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DeclarationError):
        load_vectors(path)


def test_a_file_of_concord_s_own_cases_is_read_too() -> None:
    assert load_vectors(BUILT_IN_CASES / "wsas.yaml") == SHIPPED["wsas"]


def test_a_case_file_under_a_wrong_name_or_with_one_id_twice_is_refused(tmp_path: Path) -> None:
    case = "  - {id: a, version: wsas, responses: [1, 1, 1, 1, 1], expected: {total: 5}, provenance: here}\n"
    path = tmp_path / "own.yaml"
    path.write_text(f"instrument: wsas\ncases:\n{case}", "utf-8")
    with pytest.raises(DeclarationError, match=r"name the file wsas\.yaml"):
        load_cases(tmp_path)
    (tmp_path / "wsas.yaml").write_text(f"instrument: wsas\ncases:\n{case}{case}", "utf-8")
    path.unlink()
    with pytest.raises(DeclarationError, match="two cases have one id: a"):
        load_cases(tmp_path)


# --- formulas -----------------------------------------------------------------------------------


def test_t_is_50_at_the_norm_mean_and_10_per_sd() -> None:
    assert t_score(3.2, mean=3.2, sd=0.5) == 50
    assert t_score(2.7, mean=3.2, sd=0.5) == pytest.approx(40)
    with pytest.raises(ValueError, match="above 0"):
        t_score(1, mean=1, sd=0)


def test_reliable_change_as_worked_by_hand() -> None:
    assert difference_error(7.5, 0.84) == pytest.approx(4.242641, abs=1e-6)
    assert reliable_change_threshold(7.5, 0.84) == pytest.approx(8.315576, abs=1e-6)
    assert reliable_change_threshold(7.5, 0.84, z=1.645) == pytest.approx(6.979144, abs=1e-6)
    assert reliable_change_threshold(7.5, 1) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliable_change_threshold(7.5, 1.1)
    with pytest.raises(ValueError, match="cannot be negative"):
        difference_error(-1, 0.5)
