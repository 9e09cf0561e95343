"""The model of a declared analysis: its panel, its models, and how they are laid out.

What belongs here: which rows, which terms, which estimation. What does not: numbers of any result.
Time is in months in every panel and every published term; models are fitted in years.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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


class Model(Declared):
    """One mixed model per outcome. Terms name panel columns; `a:b` is a product.

    `reference` is refitted on this model's own rows, so that AIC and explained variance compare the same data.
    """

    name: Name
    label: str
    terms: tuple[str, ...] = Field(min_length=1)
    random: Literal["intercept", "intercept_and_slope"] = "intercept_and_slope"
    reference: Name | None = None


class Figure(Declared):
    """Observed means and model lines by a two-level group."""

    group: Name
    labels: dict[int, str]
    title: str


class Analysis(Declared):
    """One declared analysis: `analyses/<name>.yaml`."""

    name: Name
    title: str
    panel: Panel
    outcomes: dict[Name, str] = Field(min_length=1)
    """Panel measures to model → label."""
    estimation: Literal["ML", "REML"] = "ML"
    models: tuple[Model, ...] = Field(min_length=1)
    figure: Figure | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        columns = {"months", *self.panel.measures, *self.panel.covariates}
        names = {model.name for model in self.models}
        for outcome in self.outcomes:
            if outcome not in self.panel.measures:
                raise ValueError(f"outcome '{outcome}' is not a measure of the panel")
        for model in self.models:
            if model.reference is not None and model.reference not in names:
                raise ValueError(f"model '{model.name}' refers to '{model.reference}', which is not declared")
            unknown = {part for term in model.terms for part in term.split(":")} - columns
            if unknown:
                raise ValueError(
                    f"model '{model.name}' names {', '.join(sorted(unknown))}; the panel has no such column"
                )
        return self
