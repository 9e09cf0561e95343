"""Declaration of a sensitivity analysis to dropout that depends on what was not seen (delta adjustment).

What belongs here: planned occasions, the imputation model, the shifts, what is estimated. What does not: imputation
(`assets.analysis.process.imputation`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class DeltaAdjustment(ProcedureBase):
    """Scores missing after dropout, imputed as if missing at random and then shifted by each delta."""

    MINIMUM_WAVES: ClassVar[int] = 2

    kind: Literal["delta_adjustment"]
    outcome: Name
    occasions: dict[str, float] = Field(min_length=2)
    """Planned occasions in order, with the months at which a missing score is imputed."""
    deltas: tuple[float, ...] = Field(default=(0.0,), min_length=1)
    """Shifts; 0 (missing at random) is always among them."""
    unit: Literal["outcome", "sd"] = "outcome"
    """Units of the outcome, or observed SDs of it at the first occasion."""
    shift: Literal["constant", "cumulative"] = "constant"
    """constant: every score after dropout by delta. cumulative: the k-th missed occasion by k deltas."""
    terms: tuple[str, ...] = ("months",)
    """Fixed effects of the growth model that imputes (random intercept and slope beside them)."""
    means: Literal["linear", "free"] = "linear"
    """free: in the model that imputes, `months` stands for the planned occasions, each with a mean of its own."""
    estimand: Literal["change", "growth"] = "change"
    """change: last minus first occasion by least squares on `predictors`. growth: the growth model refitted."""
    predictors: tuple[Name, ...] = ()
    """change: columns that do not change within a patient (arm)."""
    adjusts_for_first: bool = False
    """change: the first occasion's score, centred, is a predictor too."""
    delta_applies_to: Name | None = None
    """A 1/0 column: only these patients' scores are shifted (an arm); None: everyone's."""
    imputations: int = Field(default=20, ge=2, le=1000)
    seed: int = 20201
    includes_open_courses: bool = False
    """Whether courses without discharge and last occasion count as dropped out; otherwise they are left out."""
    minimum_patients: int = Field(default=20, ge=5)

    def columns(self) -> set[str]:
        """Outcome, terms and predictors."""
        parts = {part for term in self.terms for part in term.split(":")}
        return {self.outcome, *parts, *self.predictors, *([self.delta_applies_to] if self.delta_applies_to else [])}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        months = list(self.occasions.values())
        if sorted(set(months)) != months:
            raise ValueError("occasions: months must rise from one occasion to the next")
        if "months" not in self.terms:
            raise ValueError("terms: the growth model needs months")
        if self.estimand == "growth" and (self.predictors or self.adjusts_for_first):
            raise ValueError("predictors, adjusts_for_first: only with the estimand change; growth has its terms")
        return self
