"""Declaration of effects within and between patients.

What belongs here: which outcome on which changing predictor. What does not: centring (`assets.analysis.process`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class WithinBetween(ProcedureBase):
    """Each predictor split into a patient's mean over the rows used and the deviation from it."""

    MINIMUM_WAVES: ClassVar[int] = 2

    kind: Literal["within_between"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    predictors: tuple[Name, ...] = Field(min_length=1)
    """Measures that change within patients."""
    terms: tuple[str, ...] = ("months",)
    """What else is in the model."""
    form: Literal["centred", "mundlak"] = "centred"
    """centred: deviation and mean. mundlak: the predictor itself and the mean, whose effect is then contextual."""
    random: Literal["intercept", "intercept_and_slope"] = "intercept"
    estimation: Literal["ML", "REML"] | None = None
    """None: as the analysis says."""
    minimum_patients: int = Field(default=10, ge=2)
    """Patients who must have two rows or more."""

    def columns(self) -> set[str]:
        """Outcomes, predictors and terms."""
        return {*self.outcomes, *self.predictors, *(part for term in self.terms for part in term.split(":"))}
