"""What may leave the network: no count, and no mean over a group, below the minimum cell count.

What belongs here: the rule, and what it does to counts, groups and models. What does not: layout, or words around it.
A cell is also held back where its neighbour could be found by subtraction from a total that is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import polars as pl

from codebook.analysis import Model

MOST_LEVELS = 2
"""A number with at most this many values is a grouping, as is every text: coefficients are differences of means."""


@dataclass(frozen=True)
class Disclosure:
    """The rule of one network; `minimum` is `privacy.minimum_cell_count`."""

    minimum: int

    def allows(self, n: int) -> bool:
        """Nought, or at least the minimum."""
        return n == 0 or n >= self.minimum

    def allows_part(self, n: int, of: int) -> bool:
        """Whether n of N may be printed: both n and what is left (N - n) must be nought or large enough."""
        return self.allows(n) and self.allows(of - n)

    def allows_all(self, counts: Iterable[int]) -> bool:
        """Whether every part of a whole may be printed; one small part holds all of them back."""
        return all(self.allows(n) for n in counts)

    @property
    def note(self) -> str:
        """One sentence for readers."""
        return f"Counts and means of fewer than {self.minimum} patients are held back and marked “suppressed”."

    def refuses_model(self, panel: pl.DataFrame, outcome: str, model: Model) -> str | None:
        """Why the estimates of a model may not be printed; None where they may.

        The rows are those the model used: outcome and every covariate present. A coefficient of a two-valued
        covariate is a difference of two group means, so both groups must be large enough.
        """
        covariates = covariates_of(model)
        used = panel.drop_nulls([outcome, *(name for name in covariates if name in panel.columns)])
        for name, value in model.where.items():
            if name in used.columns:
                is_number = used[name].dtype.is_numeric()
                used = used.filter(pl.col(name) == (float(value) if is_number else str(value)))
        if used["patient_id"].n_unique() < self.minimum:
            return f"suppressed: fewer than {self.minimum} patients"
        for name in covariates:
            if name not in used.columns:
                continue
            if used[name].dtype.is_numeric() and used[name].n_unique() > MOST_LEVELS:
                continue
            groups = used.group_by(name).agg(pl.col("patient_id").n_unique().alias("n"))
            if not self.allows_all(groups["n"].to_list()):
                return f"suppressed: fewer than {self.minimum} patients in one group"
        return None

    def refuses_cells(self, panel: pl.DataFrame, columns: Iterable[str]) -> str | None:
        """Why numbers of a statistic over groups may not be printed: a group, or a cell of two groupings, is small.

        `columns` are what the declaration names; those of the panel that group patients (at most two values, or text)
        are crossed. Measures and numbers with more values do not group.
        """
        groupings = [name for name in columns if name in panel.columns and _groups(panel[name])]
        for names in [*((name,) for name in groupings), *(p for p in product(groupings, groupings) if p[0] < p[1])]:
            cells = panel.drop_nulls(names).group_by(names).agg(pl.col("patient_id").n_unique().alias("n"))
            if not self.allows_all(cells["n"].to_list()):
                return f"suppressed: fewer than {self.minimum} patients in one group"
        return None


def _groups(column: pl.Series) -> bool:
    return not column.dtype.is_numeric() or column.n_unique() <= MOST_LEVELS + 1


def covariates_of(model: Model) -> tuple[str, ...]:
    """Panel columns that a model's terms name, time apart, in order."""
    parts = (part for term in model.terms for part in term.split(":"))
    return tuple(dict.fromkeys(part for part in parts if part != "months"))
