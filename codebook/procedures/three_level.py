"""Declaration of a model with sites or therapists above patients.

What belongs here: which level, which terms, which random effects. What does not: estimation
(`assets.analysis.multilevel`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase

Random = Literal["intercept", "intercept_and_slope"]


class ThreeLevel(ProcedureBase):
    """Assessments in patients in sites or therapists: random effects at both, and how the variance is divided."""

    kind: Literal["three_level"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    terms: tuple[str, ...] = Field(min_length=1)
    """`a` or `a:b`; `months` is time."""
    level: Literal["site_id", "therapist_id"] = "site_id"
    """`therapist_id` is that of the episode."""
    random_patient: Random = "intercept_and_slope"
    random_level: Random = "intercept"
    minimum_groups: int = Field(default=8, ge=2)
    """With fewer groups a variance between them says little: they become fixed effects."""
    estimation: Literal["ML", "REML"] | None = None
    """None: that of the analysis."""

    def columns(self) -> set[str]:
        """Outcomes and terms."""
        return {*self.outcomes, *(part for term in self.terms for part in term.split(":"))}
