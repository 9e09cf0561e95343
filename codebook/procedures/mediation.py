"""Declaration of mediation by change scores: whether what changes early carries an effect on what comes later.

What belongs here: exposure, mediator, outcome, and the bootstrap. What does not: estimation
(`assets.analysis.process.mediation`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class ScoreChange(Declared):
    """A measure at an occasion, or with `since` the change from another occasion to it."""

    measure: Name
    at: str
    since: str | None = None

    @property
    def label(self) -> str:
        """`alliance m09 − m03`."""
        return f"{self.measure} {self.at}" + (f" − {self.since}" if self.since else "")


class Mediation(ProcedureBase):
    """Exposure → mediator → outcome, patients as rows: product of coefficients with bootstrap intervals."""

    MINIMUM_PATIENTS: ClassVar[int] = 30

    kind: Literal["mediation"]
    exposure: Name | ScoreChange
    """A column that does not change within a course (arm), or a score or change."""
    mediator: ScoreChange
    outcome: ScoreChange
    covariates: tuple[Name | ScoreChange, ...] = ()
    """In both regressions: baseline scores, age."""
    has_interaction: bool = False
    """Whether exposure × mediator is tested for the outcome (told, not used for the effects)."""
    resamples: int = Field(default=5000, ge=500, le=100_000)
    seed: int = 20201
    minimum_patients: int = Field(default=MINIMUM_PATIENTS, ge=MINIMUM_PATIENTS)

    def columns(self) -> set[str]:
        """Measures and covariates."""
        parts = (self.exposure, self.mediator, self.outcome, *self.covariates)
        return {part.measure if isinstance(part, ScoreChange) else part for part in parts}

    @model_validator(mode="after")
    def _differ(self) -> Self:
        labels = [part.label if isinstance(part, ScoreChange) else part for part in (self.exposure, *self.covariates)]
        labels += [self.mediator.label, self.outcome.label]
        if len(set(labels)) < len(labels):
            raise ValueError("exposure, mediator, outcome and covariates must differ")
        return self
