"""Declaration of one estimate under every combination of defensible choices.

What belongs here: which choices, and which of each is the primary one. What does not: fitting.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase

PLACE = "{predictor}"


class Multiverse(ProcedureBase):
    """The estimate of `target` in every universe; the first of each list is the primary choice.

    `terms` and `target` name the predictor by its place, `{predictor}`, which the choice `predictors` fills.
    """

    kind: Literal["multiverse"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    terms: tuple[str, ...] = ("months", PLACE, f"months:{PLACE}")
    target: str = f"months:{PLACE}"
    predictors: tuple[Name, ...] = Field(min_length=1)
    """Columns that stand for the same idea, such as three definitions of a poor outcome."""
    adjusted_for: tuple[tuple[Name, ...], ...] = ((),)
    """Sets of covariates that are added, each with its product with months."""
    estimation: tuple[Literal["ML", "REML"], ...] = ("ML",)
    random: tuple[Literal["intercept", "intercept_and_slope"], ...] = ("intercept_and_slope",)
    discharge_at_months: tuple[float | None, ...] = ()
    """Where a discharge is placed; None: where it happened. Empty: as the panel does."""
    least_assessments: tuple[int, ...] = (1,)
    """Only patients with at least so many rows."""

    def columns(self) -> set[str]:
        """Outcomes, predictors, covariates and the terms' own columns."""
        named = {part for term in self.terms for part in term.split(":")} - {PLACE}
        return {*self.outcomes, *self.predictors, *named, *(name for some in self.adjusted_for for name in some)}

    @model_validator(mode="after")
    def _target_is_a_term(self) -> Self:
        if self.target not in self.terms:
            raise ValueError(f"the target '{self.target}' is not among the terms {', '.join(self.terms)}")
        return self
