"""The panel of a declared analysis: which scores share a row, where it lies in time, and what stands beside it.

What belongs here: measures, covariates and the rows of a panel. What does not: models (`analysis`) or any result.
Time is in months.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codebook.declaration import Declared
from codebook.instrument import Rater

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Measure(Declared):
    """A column of the panel taken from a scale. `instruments` are pooled (same scale key in each)."""

    instruments: tuple[str, ...] = Field(min_length=1)
    scale: str
    rater: Rater = "patient"


class FinalScore(Declared):
    """1 where the episode's last score at `occasion` is below `below`, 0 where not, null where there is none."""

    kind: Literal["final_score_below"]
    measure: Measure
    below: float
    occasion: str = "discharge"


class ScoreAt(Declared):
    """The score at one occasion (a baseline covariate)."""

    kind: Literal["score_at"]
    measure: Measure
    occasion: str


class AttributeCovariate(Declared):
    """An attribute of the episode: `is_value` of it as 1/0, or its number."""

    kind: Literal["attribute"]
    attribute: str
    is_value: str | None = None


class EpisodeCovariate(Declared):
    """1 where the episode's column has the value, else 0 (so the other level is the reference)."""

    kind: Literal["episode"]
    column: Literal["treatment", "arm", "termination_reason", "is_completed_as_planned"]
    is_value: str


class Derived(Declared):
    """Computed: `age` (years at the anchor), `n_assessments`, `version_group` (one instrument, or both)."""

    kind: Literal["age", "n_assessments", "version_group"]


Covariate = Annotated[
    FinalScore | ScoreAt | AttributeCovariate | EpisodeCovariate | Derived, Field(discriminator="kind")
]


class Panel(Declared):
    """`analysis.<name>`: one row per episode and assessment, measures in columns, covariates beside them."""

    name: Name
    grain: str
    measures: dict[Name, Measure] = Field(min_length=1)
    covariates: dict[Name, Covariate] = {}
    discharge_at_months: float | None = None
    """Months at which discharge assessments are placed (the paper: 36); None: where they happened."""
    after_months: float | None = None
    """Only assessments later than this many months."""
    max_months: float | None = None
