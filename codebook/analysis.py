"""The model of a declared analysis: its panel, its mixed models, its other procedures, and how they are laid out.

What belongs here: which rows, which terms, which estimation. What does not: numbers of any result.
Time is in months in every panel and every published term; models are fitted in years.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.panel import Name, Panel
from codebook.procedures import Procedure


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
    """Observed means and model lines by a two-level group, or by two of them crossed (four lines)."""

    name: Name = "trajectory"
    group: Name
    labels: dict[int, str]
    second_group: Name | None = None
    second_labels: dict[int, str] = {}
    outcomes: tuple[Name, ...] = ()
    """Empty: every outcome of the analysis."""
    title: str

    @property
    def groups(self) -> tuple[Name, ...]:
        """The grouping columns, one or two."""
        return (self.group,) if self.second_group is None else (self.group, self.second_group)


class Analysis(Declared):
    """One declared analysis: `analyses/<name>.yaml`."""

    name: Name
    title: str
    panel: Panel
    outcomes: dict[Name, str] = Field(min_length=1)
    """Panel measures to model → label."""
    estimation: Literal["ML", "REML"] = "ML"
    models: tuple[Model, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    """Statistics other than a mixed model for each outcome, each with a kind of its own (`codebook/procedures`)."""
    figure: Figure | None = None
    more_figures: tuple[Figure, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        columns = {"months", *self.panel.measures, *self.panel.covariates}
        names = {model.name for model in self.models}
        everything = [model.name for model in self.models] + [procedure.name for procedure in self.procedures]
        twice = sorted(name for name in set(everything) if everything.count(name) > 1)
        if twice:
            raise ValueError(f"{', '.join(twice)} names more than one model or procedure")
        if not everything:
            raise ValueError("an analysis needs models, procedures, or both")
        for outcome in self.outcomes:
            if outcome not in self.panel.measures:
                raise ValueError(f"outcome '{outcome}' is not a measure of the panel")
        figures = (*((self.figure,) if self.figure is not None else ()), *self.more_figures)
        if len({figure.name for figure in figures}) < len(figures):
            raise ValueError("two figures have the same name; give each in more_figures a name of its own")
        for figure in figures:
            absent = {*figure.groups, *figure.outcomes} - {*self.panel.covariates, *self.outcomes}
            if absent:
                raise ValueError(
                    f"figure '{figure.name}' names {', '.join(sorted(absent))}; the panel has no such column"
                )
        for model in self.models:
            if model.reference is not None and model.reference not in names:
                raise ValueError(f"model '{model.name}' refers to '{model.reference}', which is not declared")
            unknown = {part for term in model.terms for part in term.split(":")} - columns
            if unknown:
                raise ValueError(
                    f"model '{model.name}' names {', '.join(sorted(unknown))}; the panel has no such column"
                )
        for procedure in self.procedures:
            absent = procedure.columns() - columns
            if absent:
                raise ValueError(
                    f"procedure '{procedure.name}' names {', '.join(sorted(absent))}; the panel has no such column"
                )
        return self
