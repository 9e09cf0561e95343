"""Declaration of lagged effects: by mixed models on the previous assessment, and by panel models of declared waves.

What belongs here: which measures, which gap or waves. What does not: estimation (`assets.analysis.process`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class Lagged(ProcedureBase):
    """The outcome on the predictor at the assessment before, split within and between patients; and back."""

    MINIMUM_WAVES: ClassVar[int] = 3

    kind: Literal["lagged"]
    predictor: Name
    outcome: Name
    max_gap_months: float = Field(gt=0)
    """The assessment before may lie so far back."""
    min_gap_months: float = Field(default=0.0, ge=0)
    """And must lie so far back: two forms of one visit are no lag."""
    direction: Literal["both", "forward", "backward"] = "both"
    """forward: predictor before outcome; backward: outcome before predictor."""
    adjusts_for_previous: bool = True
    """The dependent measure's own value at the assessment before is in the model."""
    terms: tuple[str, ...] = ("months",)
    random: Literal["intercept", "intercept_and_slope"] = "intercept"
    estimation: Literal["ML", "REML"] | None = None
    minimum_patients: int = Field(default=10, ge=2)
    """Patients who must have three waves or more."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.predictor == self.outcome:
            raise ValueError("outcome: a measure cannot be crossed with itself")
        if self.min_gap_months >= self.max_gap_months:
            raise ValueError("min_gap_months must be below max_gap_months")
        return self

    def columns(self) -> set[str]:
        """Both measures and the terms."""
        return {self.predictor, self.outcome, *(part for term in self.terms for part in term.split(":"))}


class CrossLagged(ProcedureBase):
    """Cross-lagged panel model, and with random intercepts, of two measures at declared occasions."""

    MINIMUM_WAVES: ClassVar[dict[str, int]] = {"clpm": 2, "ri_clpm": 3}

    kind: Literal["cross_lagged"]
    first: Name
    second: Name
    waves: tuple[str, ...] = Field(min_length=1)
    """Occasions in order."""
    models: tuple[Literal["clpm", "ri_clpm"], ...] = ("clpm", "ri_clpm")
    has_equal_paths: bool = False
    """Lagged paths are the same between all waves (sensible where waves are equally far apart)."""
    minimum_patients: int = Field(default=50, ge=10)

    @model_validator(mode="after")
    def _two_measures(self) -> Self:
        if self.first == self.second:
            raise ValueError("second: a measure cannot be crossed with itself")
        if len(set(self.waves)) < len(self.waves):
            raise ValueError("waves: an occasion is named twice")
        return self

    def columns(self) -> set[str]:
        """Both measures."""
        return {self.first, self.second}
