"""Declaration of a table of who the patients are, by group: what papers print as their Table I or II.

What belongs here: which columns, of what kind, by which groups. What does not: tests (`assets.analysis.groups`).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared, PlacedError
from codebook.panel import Level, Name
from codebook.procedures.base import ProcedureBase

MeasureType = Literal["continuous", "binary", "categorical"]


class Variable(Declared):
    """A row of the table. Without `type` 0/1 columns are binary, text is categorical and other numbers continuous."""

    label: str
    type: MeasureType | None = None
    categories: dict[str, str] = {}
    """Category → what the table prints; others print as they are."""


class GroupComparison(ProcedureBase):
    """Mean and SD, or n of N and percent, by group and for all, with a test of the difference and its size.

    One row of the panel stands for a course: its first. Give columns that do not change within a course.
    """

    kind: Literal["group_comparison"]
    group: Name | None = None
    """The column of groups; None: everybody together, and no test."""
    labels: dict[Level, str] = {}
    """Groups in the order they are printed → their names. A difference is the second minus the first."""
    variables: dict[Name, Variable] = Field(min_length=1)
    t_test: Literal["pooled", "welch"] = "pooled"
    """Student's t with one variance, as SPSS prints first, or Welch's."""
    random_tables: int = Field(default=9999, ge=99)
    """Drawn for Fisher's exact test of more than 2 × 2 counts."""
    seed: int = 20201

    @model_validator(mode="after")
    def _labelled(self) -> Self:
        if self.group is not None and len(self.labels) < 2:
            raise PlacedError([(("labels",), "name the groups that are compared, two or more: {0: Good, 1: Poor}")])
        if self.group is None and self.labels:
            raise PlacedError([(("labels",), "labels of groups, but no group is declared")])
        return self

    def columns(self) -> set[str]:
        """The groups and the variables."""
        return {*self.variables, *([self.group] if self.group else [])}
