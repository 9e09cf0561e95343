"""National numbers: spellings that are one person, and mistyped ones that are nobody."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from checks.national_numbers import normalise
from codebook.site import NationalNumber

DAY = dt.date(2024, 6, 1)
ONE_PERSON: list[tuple[NationalNumber, str, list[str]]] = [
    ("norwegian", "15108695088", ["15108695088", "151086 95088", "151086-95088", "15.10.86.95088"]),
    ("swedish", "198112289841", ["811228-9841", "8112289841", "19811228-9841", "198112289841", "19811228 9841"]),
    ("danish", "2110625629", ["2110625629", "211062-5629", "211062 5629"]),
    ("finnish", "131052-308T", ["131052-308T", "131052-308t", " 131052-308T", "131052\u2013308T"]),
    ("british_nhs", "9434765870", ["943-476-5870", "943 476 5870", "9434765870"]),
    ("dutch", "111222333", ["111222333", "1112.22.333"]),
    ("swiss", "7569217076985", ["756.9217.0769.85", "7569217076985", "756 9217 0769 85"]),
]
MISTYPED: list[tuple[NationalNumber, str]] = [
    ("norwegian", "15108695077"),
    ("norwegian", "1510869508"),
    ("norwegian", "99999999999"),
    ("swedish", "880320-0018"),
    ("swedish", "881320-0016"),
    ("danish", "511362-5629"),
    ("danish", "21106256290"),
    ("finnish", "131052-308U"),
    ("finnish", "310252-308Y"),
    ("british_nhs", "9434765871"),
    ("dutch", "111252333"),
    ("swiss", "756.9217.0769.84"),
    ("swiss", "123.4567.8910.19"),
]


def _norwegian(start: str) -> str | None:
    """The number that begins with these nine digits; some have none."""
    first = (11 - sum(w * int(n) for w, n in zip((3, 7, 6, 1, 8, 9, 4, 5, 2), start, strict=True))) % 11
    second = (
        11 - sum(w * int(n) for w, n in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), f"{start}{first}", strict=False))
    ) % 11
    return f"{start}{first}{second}" if first < 10 and second < 10 else None


@pytest.mark.parametrize(("kind", "canonical", "spellings"), ONE_PERSON)
def test_spellings_of_one_number_are_one(kind: NationalNumber, canonical: str, spellings: list[str]) -> None:
    done = normalise(kind, pl.Series(spellings), DAY)
    assert done["number"].to_list() == [canonical] * len(spellings)
    assert done["is_valid"].to_list() == [True] * len(spellings)


@pytest.mark.parametrize(("kind", "number"), MISTYPED)
def test_mistyped_numbers_are_not_valid(kind: NationalNumber, number: str) -> None:
    assert normalise(kind, pl.Series([number]), DAY)["is_valid"].to_list() == [False]


@pytest.mark.parametrize(
    "birth",
    ["150186", "550186", "154186", "158186", "156686", "558186", "912345"],
    ids=["ordinary", "D-number", "month + 40", "month + 80", "month + 65", "D-number, month + 80", "help number"],
)
def test_numbers_of_foreigners_and_test_populations_are_valid(birth: str) -> None:
    found = [number for n in range(950, 999) if (number := _norwegian(f"{birth}{n}"))]
    assert len(found) > 30
    assert normalise("norwegian", pl.Series(found))["is_valid"].all()
    mistyped = [number[:8] + str((int(number[8]) + 1) % 10) + number[9:] for number in found]
    assert not normalise("norwegian", pl.Series(mistyped))["is_valid"].any()


def test_a_zero_lost_in_a_spreadsheet_comes_back() -> None:
    number = _norwegian("010186951")
    assert number is not None
    assert normalise("norwegian", pl.Series([number.removeprefix("0")]))["number"].to_list() == [number]


def test_a_plus_is_a_century() -> None:
    done = normalise("swedish", pl.Series(["201224-9846", "201224+9846"]), DAY)["number"].to_list()
    assert [number[:4] for number in done] == ["2020", "1920"]


def test_nothing_stays_nothing_and_order_is_kept() -> None:
    done = normalise("danish", pl.Series(["211062-5629", None, "x", "2110625629"], dtype=pl.String))
    assert done.rows() == [("2110625629", True), (None, None), ("x", False), ("2110625629", True)]
