"""The SQL against the worked cases of every instrument, and against the reference scorer on random answers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from odd_instrument import odd_instrument

from assets.warehouse.score_cases import Form, run_sql, score_forms
from codebook.case import CaseResult
from codebook.cases import all_cases
from codebook.instrument import Instrument
from codebook.library import accepted_rules, load_instruments
from codebook.reference import Score, ScoreStatus, score

FORMS_PER_INSTRUMENT = 10_000
TOLERANCE = 1e-9
JUDGED = [case for case in all_cases() if case.is_form and case.expected_error is None]


@pytest.fixture(scope="module")
def instruments() -> dict[str, Instrument]:
    return load_instruments()


@pytest.fixture(scope="module")
def results(instruments: dict[str, Instrument]) -> dict[str, CaseResult]:
    return run_sql(all_cases(), instruments)


def test_every_case_was_scored(results: dict[str, CaseResult]) -> None:
    assert set(results) == {case.id for case in JUDGED}
    assert len(results) > 400


@pytest.mark.parametrize("identifier", [case.id for case in JUDGED])
def test_the_sql_gives_what_the_case_expects(identifier: str, results: dict[str, CaseResult]) -> None:
    result = results[identifier]
    assert result.passed, {name: (result.expected[name], result.got.get(name)) for name in result.differences}


def random_forms(instrument: Instrument, rng: np.random.Generator) -> list[Form]:
    """Answers all over the range; a third of the forms complete, a third with a few blanks, a third with many."""
    forms = []
    for place, version in enumerate(instrument.versions):
        numbers = range(place, FORMS_PER_INSTRUMENT, len(instrument.versions))
        shares = rng.choice([0.0, 0.04, 0.4], len(numbers))
        columns: list[list[float | None]] = []
        for item in range(1, instrument.n_items + 1):
            low, high = version.item_range(item)
            answers = low + version.step * rng.integers(0, round((high - low) / version.step) + 1, len(numbers))
            is_blank = rng.random(len(numbers)) < shares
            is_known = not version.items or item in version.items
            columns.append(np.where(is_blank | (not is_known), None, answers.astype(object)).tolist())
        answered = zip(numbers, zip(*columns, strict=True), strict=True)
        forms += [Form(f"{instrument.key}-{number}", instrument.key, version.key, row) for number, row in answered]
    return forms


def same(ours: Score, theirs: Score) -> bool:
    if (ours.status, ours.n_items, ours.n_answered, ours.is_prorated) != (
        theirs.status,
        theirs.n_items,
        theirs.n_answered,
        theirs.is_prorated,
    ):
        return False
    if ours.value is None or theirs.value is None:
        return ours.value is theirs.value
    return abs(ours.value - theirs.value) <= TOLERANCE * max(1.0, abs(ours.value))


def test_sql_and_reference_agree_on_random_answers(instruments: dict[str, Instrument]) -> None:
    chosen = {key: i for key, i in instruments.items() if i.n_items and i.scales} | {"odd": odd_instrument()}
    rules = [s.missing_rule.name for i in chosen.values() for s in i.scales if s.missing_rule]
    accepted = accepted_rules(chosen.values(), rules) - {"odd-refused"}
    rng = np.random.default_rng(20260101)
    forms = [form for instrument in chosen.values() for form in random_forms(instrument, rng)]
    scored = score_forms(chosen, forms, accepted)
    assert len(scored) == FORMS_PER_INSTRUMENT * len(chosen)
    statuses: set[str] = set()
    for form in forms:
        expected = score(chosen[form.instrument], form.version, form.answers, accepted)
        assert set(expected) == set(scored[form.id])
        for scale, reference in expected.items():
            statuses.add(reference.status)
            assert same(reference, scored[form.id][scale]), (form, scale, reference, scored[form.id][scale])
    assert statuses == set(get_args(ScoreStatus)) - {"supplied"}


def test_a_sum_may_outgrow_its_answers() -> None:
    """Alone in a network, answers are stored as small as they can be."""
    form = Form("f", "odd", "held_reversed", (0, 1, 0, 0, 30_000, -30_000, 30_000))
    scored = score_forms({"odd": odd_instrument()}, [form], ())
    assert scored["f"]["large"] == Score(90_000.0, 3, 3, False, "scored")
