"""The leak scan: people are found as whole words however they are written, and everyday words only flag."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from checks.leaks import EMAIL, NAME, NAME_LIKE, NATIONAL, PATTERN, TELEPHONE, scanner_for

DAY = dt.date(2024, 6, 1)
PEOPLE = [
    "Kari Nordmann",
    "Mai Berg",
    "O'Brien, Siobhán",
    "151086 95077",
    "Testperson 001",
    "Storgata 5 B, 0155 Oslo",
    "Øyvind-André Åsgård",
    "Bo Li",
    "4711",
]
SCANNER = scanner_for(PEOPLE, kinds=["norwegian"], is_any_national=False, patterns={"ward": r"W-\d{3}"}, as_of=DAY)
FOUND = [
    ("Kari was late", NAME),
    ("KARI", NAME),
    ("Karis mother called", NAME),
    ("Kari's mother called", NAME),
    ("with nordmann, kari", NAME),
    ("KariNordmann_2016.csv", NAME),
    ("kari2016", NAME),
    ("Mai Berg called", NAME),
    ("spoke to siobha\u0301n", NAME),
    ("øyvind", NAME),
    ("bo li", NAME),
    ("Testperson 001 wants a copy", NAME),
    ("lives at Storgata 5 B, 0155 Oslo", NAME),
    ("number 15108695077, mistyped as in the identity", NAME),
    ("15.10.86 95077", NAME),
    ("15108695088", NATIONAL),
    ("no. 151086-95088.", NATIONAL),
    ("write to a.b@post.example.org", EMAIL),
    ("å.ø@example.no", EMAIL),
    ("ring +47 22 85 50 50", TELEPHONE),
    ("22 85 50 50.", TELEPHONE),
    ("tlf: 91234567", TELEPHONE),
    ("070-123 45 67", TELEPHONE),
    ("(555) 010-1234", TELEPHONE),
    ("bed W-123", PATTERN),
    ("mai was warm", NAME_LIKE),
    ("up the berg", NAME_LIKE),
]
NOT_FOUND = [
    "Karin",
    "Testperson 002",
    "Storgata",
    "15108695089 is no national number",
    "12-10-2016",
    "2016-10-12 12:00:00",
    "01-701-1015",
    "10 20 30",
    "0.5 0.6 0.7",
    "91234567",
    "4711",
    "bolig",
    "",
]


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_people_are_found(text: str, kind: str) -> None:
    assert SCANNER.judge(pl.Series([text])).to_list() == [kind]
    assert SCANNER.leaks(text) == (kind != NAME_LIKE)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    assert SCANNER.judge(pl.Series([text])).to_list() == [None]


def test_without_a_declared_kind_the_form_of_a_number_is_enough() -> None:
    scanner = scanner_for([], as_of=DAY)
    texts = ["born 010180 12345", "881320-0016", "310252-308Y", "756.9217.0769.84"]
    assert scanner.judge(pl.Series(texts)).to_list() == [NATIONAL] * 4


def test_a_network_can_add_everyday_words() -> None:
    text = pl.Series(["the folmo questionnaire"])
    assert scanner_for(["Anne Folmo"], as_of=DAY).judge(text).to_list() == [NAME]
    assert scanner_for(["Anne Folmo"], common_words=["Folmo"], as_of=DAY).judge(text).to_list() == [NAME_LIKE]


def test_order_repeats_and_gaps_are_kept() -> None:
    texts = pl.Series(["kari", None, "fine", "kari", "mai"], dtype=pl.String)
    assert SCANNER.judge(texts).to_list() == [NAME, None, None, NAME, NAME_LIKE]


def test_nobody_to_look_for_finds_nobody() -> None:
    assert scanner_for([], as_of=DAY).judge(pl.Series(["kari nordmann"])).to_list() == [None]
