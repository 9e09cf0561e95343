"""Declaration of how many assessments there are for each course, and which final ones are lacking.

What belongs here: what is counted, and the counts that a paper prints. What does not: counting
(`assets.analysis.assessment_counts`), or what was due (`schedules/`, `quality.expected_assessment`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.declaration import Declared
from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class Counted(Declared):
    """What counts as an assessment: a row of the panel with a value in any of `columns`."""

    label: str
    columns: tuple[Name, ...] = Field(min_length=1)


class AssessmentCounts(ProcedureBase):
    """Mean, SD, least and most per course; how many have one, `at_least` so many, none at `final`."""

    kind: Literal["assessment_counts"]
    counted: dict[Name, Counted] = Field(min_length=1)
    at_least: tuple[int, ...] = (3, 4)
    final: str = "discharge"
    first_year_months: float = 12
    """Of those with one assessment: how many have it within so many months."""

    def columns(self) -> set[str]:
        """Every column that is counted."""
        return {column for one in self.counted.values() for column in one.columns}
