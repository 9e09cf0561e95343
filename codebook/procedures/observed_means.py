"""Declaration of observed means by occasion and group: the numbers behind a figure of trajectories.

What belongs here: which outcomes and groups. What does not: means (`assets.analysis.observed_means`), or drawing.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import PlacedError
from codebook.panel import Level, Name
from codebook.procedures.base import ProcedureBase


class ObservedMeans(ProcedureBase):
    """Mean, SD, n and 95 % interval of each outcome at each occasion, by group."""

    kind: Literal["observed_means"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    group: Name | None = None
    labels: dict[Level, str] = {}
    model: Name | None = None
    """The model whose lines go with these means in a figure."""

    @model_validator(mode="after")
    def _labelled(self) -> Self:
        if self.group is not None and not self.labels:
            raise PlacedError([(("labels",), "name the groups: {0: Good outcome, 1: Poor outcome}")])
        return self

    def columns(self) -> set[str]:
        """Outcomes and groups."""
        return {*self.outcomes, *([self.group] if self.group else [])}
