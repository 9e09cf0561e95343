"""Declaration of a comparison of two arms over the occasions of a trial.

What belongs here: which arm, which time, which covariates, which covariance. What does not: estimation
(`assets.analysis.multilevel`).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class ArmsByTime(ProcedureBase):
    """Arm × time with covariates, and the difference between the arms at each occasion."""

    kind: Literal["arms_by_time"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    arm: Name
    """A column with two values: 0/1 (1 against 0), or text."""
    reference_arm: str | None = None
    """Of text values, the one that the other is compared with; none: the first in sorted order."""
    arm_labels: dict[int, str] = {}
    """What 0 and 1 are called, where the arm is 0/1."""
    time: Literal["occasion", "months_as_categories", "months"] = "occasion"
    """Categories by the panel's occasion or by its months, or a straight line over months."""
    occasions: tuple[str, ...] = ()
    """Only these, in this order (the first is the reference); none: all, by their mean months."""
    at_months: tuple[float, ...] = ()
    """Months at which the arms are compared where time is a straight line."""
    interaction: bool = True
    """False: one difference between the arms, the same at every time."""
    covariates: tuple[str, ...] = ()
    """Terms, `a` or `a:b`: the score before treatment, and what the allocation was stratified by."""
    baseline_score: Name | None = None
    """The column of the score before treatment, whose SD is one standardiser of the effect."""
    covariance: Literal["random_intercept", "random_intercept_and_slope", "unstructured"] = "random_intercept"
    """`unstructured`: any covariance between occasions (MMRM), for times that are categories."""
    estimation: Literal["ML", "REML"] = "REML"
    adjustment: Literal["holm", "bonferroni", "none"] = "holm"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.time == "months":
            if not self.at_months and self.interaction:
                raise ValueError("time: months needs at_months, the months at which the arms are compared")
            if self.covariance == "unstructured":
                raise ValueError("an unstructured covariance needs categories of time; choose another time")
            if self.occasions:
                raise ValueError("occasions belong to time: occasion or months_as_categories")
        elif self.at_months:
            raise ValueError("at_months belongs to time: months")
        if self.arm_labels and set(self.arm_labels) != {0, 1}:
            raise ValueError("arm_labels names 0 and 1")
        return self

    def columns(self) -> set[str]:
        """Outcomes, arm and covariates."""
        named = {*self.outcomes, self.arm, *(part for term in self.covariates for part in term.split(":"))}
        return named | ({self.baseline_score} if self.baseline_score else set())
