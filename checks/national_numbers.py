"""National numbers: one spelling for each, and whether its check digits are right.

What belongs here: how a number of each declared kind is written and tested.
What does not: looking for numbers inside texts (`checks.leaks`), and what becomes of a row whose number is wrong.
Numbers of test populations count as right where their check digits are: a Norwegian month raised by 40, 65 or 80, a
Finnish individual number from 900 on, a Danish or Swedish day raised by 60.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl
from stdnum import luhn
from stdnum.ch import ssn
from stdnum.dk import cpr
from stdnum.exceptions import ValidationError
from stdnum.fi import hetu
from stdnum.gb import nhs
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.util import clean

from codebook.site import NationalNumber

BETWEEN = " -.:/\t\u00a0\u202f"
"""Signs that people put between the digits of a number."""
RAISED_MONTHS = (80, 65, 40)
HELP_NUMBER_DAY = 80
"""From this day on a Norwegian number is a help number of the health service, which holds no date."""
RAISED_DAY = 60
CENTURY_SIGNS = "-+"


def normalise(kind: NationalNumber, numbers: pl.Series, as_of: dt.date | None = None) -> pl.DataFrame:
    """One spelling per number and whether it is right, a row each in the order given.

    Args:
        kind: whose numbers these are.
        numbers: as the export writes them.
        as_of: the day the numbers were written, which decides a Swedish number's century where it is left out
            (None: today).

    Returns:
        `number` (String, canonical; what cannot be read keeps its letters and digits) and `is_valid` (Boolean); both
        null where there is no number.
    """
    written = as_of or dt.date.today()
    unique = numbers.cast(pl.String).drop_nulls().unique()
    read = [_READERS[kind](text, written) for text in unique]
    table = pl.DataFrame(
        {"text": unique, "number": [number for number, _ in read], "is_valid": [valid for _, valid in read]},
        schema={"text": pl.String, "number": pl.String, "is_valid": pl.Boolean},
    )
    texts = pl.DataFrame({"text": numbers.cast(pl.String)})
    return texts.join(table, on="text", how="left", maintain_order="left").select("number", "is_valid")


def is_valid(kind: NationalNumber, text: str, as_of: dt.date) -> bool:
    """Whether one text is a right number of this kind."""
    return _READERS[kind](text, as_of)[1]


def _norwegian(text: str, as_of: dt.date) -> tuple[str, bool]:
    del as_of
    number = clean(text, BETWEEN)
    # Spreadsheets take the zero of a birthday before the tenth away; two check digits say whether it was one.
    for candidate in (number, number.zfill(11)) if len(number) == 10 else (number,):
        if _is_norwegian(candidate):
            return candidate, True
    return number, False


def _is_norwegian(number: str) -> bool:
    if len(number) != 11 or not _is_digits(number):
        return False
    if number[9] != fodselsnummer.calc_check_digit1(number) or number[10] != fodselsnummer.calc_check_digit2(number):
        return False
    if int(number[:2]) >= HELP_NUMBER_DAY:
        return True
    month = int(number[2:4])
    raised = next((by for by in RAISED_MONTHS if month > by), 0)
    return _holds(fodselsnummer.get_birth_date, f"{number[:2]}{month - raised:02d}{number[4:]}")


def _swedish(text: str, as_of: dt.date) -> tuple[str, bool]:
    """Twelve digits: the century is the last in which a person can be born by `as_of`, with a plus the one before."""
    compact = clean(text, " .:/\t\u00a0\u202f")
    digits = clean(compact, CENTURY_SIGNS)
    if not _is_digits(digits) or len(digits) not in (10, 12):
        return compact, False
    number = digits if len(digits) == 12 else _with_century(digits, as_of, is_over_hundred=compact[-5:-4] == "+")
    day = int(number[6:8])
    real = day - RAISED_DAY if day > RAISED_DAY else day
    return number, luhn.is_valid(digits[-10:]) and _is_date(int(number[:4]), int(number[4:6]), real)


def _with_century(digits: str, as_of: dt.date, is_over_hundred: bool) -> str:
    century = as_of.year // 100
    if f"{century:02d}{digits[:4]}" > f"{as_of:%Y%m}":
        century -= 1
    return f"{century - is_over_hundred:02d}{digits}"


def _danish(text: str, as_of: dt.date) -> tuple[str, bool]:
    """Form and date only: the check digit binds nobody since 2007."""
    del as_of
    number = clean(text, BETWEEN)
    if len(number) != 10 or not _is_digits(number):
        return number, False
    day = int(number[:2])
    real = day - RAISED_DAY if day > RAISED_DAY else day
    return number, _holds(cpr.get_birth_date, f"{real:02d}{number[2:]}")


def _finnish(text: str, as_of: dt.date) -> tuple[str, bool]:
    del as_of
    number = clean(text, " .:/\t\u00a0\u202f").upper()
    return number, hetu.is_valid(number, allow_temporary=True)


def _british(text: str, as_of: dt.date) -> tuple[str, bool]:
    del as_of
    number = clean(text, BETWEEN)
    return number, nhs.is_valid(number)


def _dutch(text: str, as_of: dt.date) -> tuple[str, bool]:
    del as_of
    number = clean(text, BETWEEN).zfill(9)
    return number, bsn.is_valid(number)


def _swiss(text: str, as_of: dt.date) -> tuple[str, bool]:
    del as_of
    number = clean(text, BETWEEN)
    return number, ssn.is_valid(number)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True


def _holds(birth_date: Callable[[str], dt.date], number: str) -> bool:
    try:
        birth_date(number)
    except ValidationError:
        return False
    return True


_READERS: dict[NationalNumber, Callable[[str, dt.date], tuple[str, bool]]] = {
    "norwegian": _norwegian,
    "swedish": _swedish,
    "danish": _danish,
    "finnish": _finnish,
    "british_nhs": _british,
    "dutch": _dutch,
    "swiss": _swiss,
}
