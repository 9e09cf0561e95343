"""Numbers and words, by hand-worked cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.publishing import formatting, words
from assets.publishing.disclosure import Disclosure
from assets.publishing.units import Delivery, column_names, state_of
from tests.publishing.small_library import make_library


@pytest.mark.parametrize(
    ("n", "of", "text"),
    [(12, 15, "80 %"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 900, "<1 %"), (899, 900, ">99 %"), (0, 0, "n/a")],
)
def test_per_cent_is_exact_at_its_ends(n: int, of: int, text: str) -> None:
    assert formatting.percent(n, of).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "p < .001"), (0.004, "p = .004"), (0.041, "p = .04"), (0.41, "p = .41"), (0.999, "p > .99")],
)
def test_p_is_printed_as_journals_do(p: float, text: str) -> None:
    assert formatting.p_value(p) == text


@pytest.mark.parametrize(
    ("errors", "decimals"), [([0.1], 2), ([0.4], 1), ([0.03], 2), ([0.004], 3), ([0.0004], 3), ([], 2), ([1.6], 1)]
)
def test_decimals_follow_the_standard_error(errors: list[float | None], decimals: int) -> None:
    assert formatting.decimals_for(errors) == decimals


def test_minus_is_a_minus_and_nought_has_no_sign() -> None:
    assert formatting.number(-0.0283, 3) == "−0.028"
    assert formatting.number(-0.0001, 2) == "0.00"
    assert formatting.number(float("nan"), 2) == "n/a"


def test_a_part_is_held_back_where_the_rest_gives_it_away() -> None:
    rule = Disclosure(5)
    assert rule.allows_part(0, 40)
    assert rule.allows_part(20, 40)
    assert not rule.allows_part(4, 40)
    assert not rule.allows_part(37, 40)
    assert not rule.allows_all([30, 4])


@pytest.mark.parametrize(
    ("rule", "n", "sentence"),
    [
        ("wai_sr-range-05", 3, "3 answers outside 1–7 (WAI-SR item 5)"),
        ("gaf-code-01", 1, "1 answer with an unknown code (GAF item 1)"),
        ("row-duplicate", 2, "2 rows delivered twice (one copy of each kept)"),
        ("termination_reason-code", 2, "2 unknown codes in termination reason"),
        ("some_new-rule", 2, "2 × some new rule"),
    ],
)
def test_rules_read_as_sentences(tmp_path: Path, rule: str, n: int, sentence: str) -> None:
    assert words.rule_sentence(make_library(tmp_path), "north", rule, n).replace("\xa0", " ") == sentence


def test_a_rule_of_a_unit_that_declares_no_version_names_every_range(tmp_path: Path) -> None:
    sentence = words.rule_sentence(make_library(tmp_path), "elsewhere", "wai_sr-range-05", 3)
    assert "outside 1–7 or 1–5" in sentence


def _delivery(day: dt.date, gate: str = "accepted") -> Delivery:
    return Delivery(day.isoformat(), day, day, False, 1, 10, 10, 0, gate, ())


def test_a_units_state() -> None:
    today = dt.date(2026, 11, 1)
    recent, old = _delivery(dt.date(2026, 10, 15)), _delivery(dt.date(2026, 3, 1))
    assert state_of([], "snapshot", 35, today).key == "none"
    assert state_of([old, recent], "snapshot", 35, today).key == "current"
    assert state_of([old], "snapshot", 35, today).key == "late"
    assert state_of([old], "snapshot", None, today).key == "unscheduled"
    assert state_of([old], "frozen", None, today).key == "frozen"
    assert state_of([recent, _delivery(today, "held: volume")], "snapshot", 35, today).key == "held"


@pytest.mark.parametrize("value", ["a, b", '["a","b"]', ["a", "b"], "a; b"])
def test_unmapped_columns_come_in_any_form(value: object) -> None:
    assert column_names(value) == ("a", "b")


def test_no_unmapped_column_is_none() -> None:
    assert column_names(None) == column_names("") == column_names("[]") == ()
