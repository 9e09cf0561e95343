"""A model formula from the command line: `y ~ month * pred`.

What belongs here: reading a formula and fitting what it says. What does not: estimation, or any expression beyond names
joined by `+`, `:` and `*`. Nothing is ever evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from assets.analysis.mixed_model import Method, MixedModelFit, Random, fit

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[^\W\d][\w.]*")


class FormulaError(ValueError):
    """The formula cannot be used; the message says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Formula:
    """Outcome and terms (`a` or `a:b`), the intercept implied; main effects come before products, as in R."""

    outcome: str
    terms: tuple[str, ...]


def parse_formula(text: str) -> Formula:
    """Read `outcome ~ terms`: names, `a:b` a product, `a * b` both and their product; `1` alone is the intercept.

    Raises:
        FormulaError: anything else.
    """
    sides = text.split("~")
    if len(sides) != 2:
        raise FormulaError(f"'{text}' needs exactly one '~', as in 'y ~ month * group'")
    outcome = _name(sides[0], text)
    products: list[tuple[str, ...]] = []
    for part in sides[1].split("+"):
        if part.strip() == "1":
            continue
        factors = [tuple(dict.fromkeys(_name(name, text) for name in factor.split(":"))) for factor in part.split("*")]
        for size in range(1, len(factors) + 1):
            for chosen in combinations(factors, size):
                products.append(tuple(dict.fromkeys(name for factor in chosen for name in factor)))
    if outcome in {name for product in products for name in product}:
        raise FormulaError(f"'{outcome}' stands on both sides of '{text}'")
    unique = {frozenset(product): product for product in reversed(products)}
    ordered = [product for product in products if unique.get(frozenset(product)) is product]
    return Formula(outcome, tuple(":".join(product) for product in sorted(ordered, key=len)))


def fit_formula(
    formula: str, frame: pd.DataFrame, patient: str, time: str, *, random: Random, method: Method
) -> MixedModelFit:
    """Fit `formula` to `frame`, random effects by `patient`; `time` names the column of months.

    Raises:
        FormulaError: the formula cannot be read, or it, `patient` or `time` names a column that is not there.
    """
    parsed = parse_formula(formula)
    names = [parsed.outcome, *(part for term in parsed.terms for part in term.split(":")), patient, time]
    for name in names:
        if name not in frame.columns:
            raise FormulaError(f"there is no column '{name}'; columns are {', '.join(map(str, frame.columns))}")
    return fit(frame, parsed.outcome, parsed.terms, patient, time, random=random, method=method)


def _name(text: str, formula: str) -> str:
    name = text.strip()
    if not _NAME.fullmatch(name):
        shown = f"'{name}'" if name else "an empty place"
        raise FormulaError(f"{shown} in '{formula}' is not a column name; only names, '+', ':' and '*' are understood")
    return name
