"""National numbers that no real person bears: Norwegian in form, right in their check digits, the month raised by 80.

What belongs here: one number per patient, and how one is mistyped. What does not: who a patient is.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from stdnum.no import fodselsnummer

from simulation.population import Dates

RAISED_MONTH = 80
FOREIGNER_DAY = 40
"""Added to the day where the numbers of a birthday are used up, as it is for people without a permanent number."""


def national_numbers(birth: Dates) -> list[str]:
    """A number per person, all different; each person's depends only on those who stand before.

    Raises:
        ValueError: more people share a birthday than there are numbers (about eight hundred).
    """
    days = pl.Series(birth).cast(pl.Date)
    left: dict[tuple[int, int, int], Iterator[str]] = {}
    numbers = []
    for born in zip(days.dt.day(), days.dt.month(), days.dt.year(), strict=True):
        number = next(left.setdefault(born, _of_birthday(*born)), None)
        if number is None:
            raise ValueError("more patients share a birthday than there are national numbers; draw fewer patients")
        numbers.append(number)
    return numbers


def mistyped(number: str) -> str:
    """The number with its last digit typed wrong, so that its check digits are."""
    return f"{number[:-1]}{(int(number[-1]) + 1) % 10}"


def _of_birthday(day: int, month: int, year: int) -> Iterator[str]:
    individual = range(500) if year < 2000 else range(500, 1000)
    for raised in (0, FOREIGNER_DAY):
        for number in individual:
            start = f"{day + raised:02d}{month + RAISED_MONTH:02d}{year % 100:02d}{number:03d}"
            first = fodselsnummer.calc_check_digit1(start)
            second = fodselsnummer.calc_check_digit2(start + first)
            if len(first) == len(second) == 1:
                yield start + first + second
