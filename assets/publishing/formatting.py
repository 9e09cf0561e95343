"""Numbers as the pages print them: thin spaces, true minus signs, as few decimals as the error allows.

What belongs here: turning one number, or a pair, into text. What does not: which numbers are shown
(`public`, `network`), or whether they may be (`disclosure`).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence

NOT_APPLICABLE = "n/a"
THIN_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Below which p a number of stars is printed."""
STARS_MEAN = "* p < .05, ** p < .01, *** p < .001; ns: p ≥ .05"


def count(n: int | None) -> str:
    """A count, groups of three apart from 10 000 on; n/a where there is none."""
    if n is None:
        return NOT_APPLICABLE
    text = f"{n:,}".replace(",", THIN_SPACE) if abs(n) >= 10_000 else str(n)
    return text.replace("-", MINUS)


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 unit`, `4 units`; `many` where an s is not enough. The number stays with its noun."""
    return f"{count(n)}{NO_BREAK_SPACE}{one if n == 1 else many or one + 's'}"


def percent(n: int | None, of: int | None) -> str:
    """Share in whole per cent; 0 % and 100 % are printed only where they are exact, n/a where nothing was expected."""
    if n is None or not of:
        return NOT_APPLICABLE
    share = round(100 * n / of)
    if share == 0 and n > 0:
        return f"<1{THIN_SPACE}%"
    if share == 100 and n < of:
        return f">99{THIN_SPACE}%"
    return f"{share}{THIN_SPACE}%"


def share(n: int | None, of: int | None) -> str:
    """`80 % (12 of 15)`; n/a where nothing was expected."""
    if n is None or not of:
        return NOT_APPLICABLE
    return f"{percent(n, of)} ({count(n)} of {count(of)})"


def number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A number with a fixed count of decimals and a true minus sign; never a negative nought."""
    if value is None or not math.isfinite(value):
        return NOT_APPLICABLE
    rounded = round(value, decimals)
    text = f"{abs(rounded):.{decimals}f}"
    if rounded < 0:
        return MINUS + text
    return f"+{text}" if signed and rounded > 0 else text


def decimals_for(errors: Sequence[float | None], most: int = 3) -> int:
    """Decimals for one column: one significant figure of its median standard error, two where that begins with 1."""
    known = sorted(error for error in errors if error is not None and math.isfinite(error) and error > 0)
    if not known:
        return min(2, most)
    median = known[len(known) // 2]
    power = math.floor(math.log10(median))
    begins_with_one = median < 1.95 * math.pow(10, power)
    return max(1, min(most, 1 - power if begins_with_one else -power))


def p_value(p: float | None) -> str:
    """`p = .03` as journals print it; from .001 down `p < .001`."""
    if p is None or not math.isfinite(p):
        return "p not available"
    if p < 0.001:
        return "p < .001"
    digits = 3 if p < 0.01 else 2
    if round(p, digits) >= 1:
        return "p > .99"
    return f"p = {p:.{digits}f}".replace("0.", ".", 1)


def stars(p: float | None) -> str:
    """Stars for a p value; empty where there is none or it is .05 and above."""
    if p is None or not math.isfinite(p):
        return ""
    return next((text for level, text in LEVELS if p < level), "")


def date(day: dt.date | None) -> str:
    """`1 November 2026`; n/a where there is none."""
    return NOT_APPLICABLE if day is None else f"{day.day}{NO_BREAK_SPACE}{day:%B}{NO_BREAK_SPACE}{day.year}"


def short_date(day: dt.date | None) -> str:
    """`1 Nov 2026`, for tables; n/a where there is none."""
    return NOT_APPLICABLE if day is None else f"{day.day}{NO_BREAK_SPACE}{day:%b}{NO_BREAK_SPACE}{day.year}"


def listing(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def quarter(day: dt.date) -> str:
    """`2016-Q3`."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def month(day: dt.date) -> str:
    """`2016-09`, as columns of months sort."""
    return f"{day:%Y-%m}"


_TESTED = re.compile(r"\b([pnN]|df) ([<>=≥]) (?=[\d.])")


def unbroken(text: str) -> str:
    """`p < .001` and `n = 12` kept on one line."""
    return _TESTED.sub(f"\\1{NO_BREAK_SPACE}\\2{NO_BREAK_SPACE}", text)
