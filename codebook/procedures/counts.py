"""Declaration of counts with an exposure: self-harm acts in a window of days, codes in the moments of a session.

What belongs here: which counts, which exposure, which model. What does not: estimation (`assets.analysis.counts`).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class CountModel(Declared):
    """How counts are modelled. Models with `_mixed` have a random intercept by patient."""

    model: Literal["gee", "poisson", "negative_binomial", "poisson_mixed", "negative_binomial_mixed"] = (
        "negative_binomial_mixed"
    )
    correlation: Literal["independence", "exchangeable", "ar1"] = "exchangeable"
    """gee: the working correlation of a patient's rows."""
    lag_months: float | None = Field(default=None, gt=0)
    """gee with ar1: months of one step; None: one row is one step."""
    is_bias_reduced: bool = False
    """gee: standard errors by Mancl and DeRouen, for few patients."""
    points: int = Field(default=25, ge=1, le=100)
    """Mixed models: points of the quadrature; 1 is the Laplace approximation."""
    per: float = Field(default=1.0, gt=0)
    """Rates are told per so much exposure (30 of days)."""
    exposure_unit: str | None = None


class Counts(ProcedureBase, CountModel):
    """Rates and rate ratios of counts; the logarithm of the exposure is an offset, never a covariate."""

    kind: Literal["counts"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    exposure: Name | None = None
    """Panel column: days of the window, sessions, minutes. None: every row counts the same."""
    terms: tuple[str, ...] = ()
    by: Name | None = None
    """Panel column with a few levels: observed rates for each."""

    def columns(self) -> set[str]:
        """Counts, exposure, terms and groups."""
        parts = {part for term in self.terms for part in term.split(":")}
        return {*self.outcomes, *parts, *(name for name in (self.exposure, self.by) if name)}

    @model_validator(mode="after")
    def _suits_the_model(self) -> Self:
        if self.exposure in self.outcomes:
            raise ValueError("exposure: a count cannot be its own exposure")
        if self.lag_months is not None and (self.model, self.correlation) != ("gee", "ar1"):
            raise ValueError("lag_months: only with the model gee and the correlation ar1")
        return self
