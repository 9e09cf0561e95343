"""The model of a declared analysis: its panel, its mixed models, its other procedures, and how they are laid out.

What belongs here: which rows, which terms, which estimation. What does not: numbers of any result, a panel or models
named instead of repeated (`analysis_files` puts them in), or checks that need the rest of the network
(`analysis_checks`).
Time is in months in every panel and every published term; models are fitted in years.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared, Location, PlacedError
from codebook.nearest import did_you_mean
from codebook.panel import Cells, Level, Name, Panel
from codebook.procedures import Procedure

Place = tuple[Location, str]


class Model(Declared):
    """One mixed model per outcome. Terms name panel columns; `a:b` is a product; none: the mean alone.

    A text column stands for a 0/1 column for each level but its reference: `cell[poor_with]`.
    """

    name: Name
    label: str
    terms: tuple[str, ...] = ()
    random: Literal["intercept", "intercept_and_slope"] = "intercept_and_slope"
    reference: Name | None = None
    """Refitted on this model's own rows, so that AIC, explained variance and the likelihood ratio compare the same."""
    compare_with: tuple[Name, ...] = ()
    """Further models that a likelihood-ratio test compares with, refitted in the same way."""
    where: dict[Name, Level] = {}
    """Only rows on which these columns have these values: a stratum."""
    contrasts: dict[str, dict[str, float]] = {}
    """Linear combinations of terms by their label: {"Poor, with against without": {"months:cell[a]": 1, ...}}."""

    def __hash__(self) -> int:
        """Models are kept in sets; a dictionary among the fields has no hash of its own."""
        return hash(self.name)


class Bootstrap(Declared):
    """Intervals of explained variance: both models refitted to resampled data.

    `patient` draws patients with replacement; `parametric` draws outcomes from the fitted model.
    """

    resamples: int = Field(default=200, ge=20, le=20_000)
    seed: int = 20201
    by: Literal["parametric", "patient"] = "patient"
    models: tuple[Name, ...] = ()
    """Models with a reference; none: all of them."""


class Figure(Declared):
    """Observed means and model lines by a group: two levels, or the cells of two groupings (four lines)."""

    name: Name = "trajectory"
    group: Name
    labels: dict[Level, str] = {}
    """Level → what the figure calls it; cells bring labels of their own."""
    outcomes: tuple[Name, ...] = ()
    """Empty: every outcome of the analysis."""
    title: str


class Analysis(Declared):
    """One declared analysis: `analyses/<name>.yaml`."""

    name: Name
    title: str
    sensitivity_of: Name | None = None
    """The analysis that this one repeats in another way: outcomes, models and panel are its own where not given."""
    panel: Panel
    outcomes: dict[Name, str] = Field(min_length=1)
    """Panel measures to model → label."""
    estimation: Literal["ML", "REML"] = "ML"
    models: tuple[Model, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    """Statistics other than a mixed model for each outcome, each with a kind of its own (`codebook/procedures`)."""
    bootstrap: Bootstrap | None = None
    figure: Figure | None = None
    more_figures: tuple[Figure, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        everything = [model.name for model in self.models] + [procedure.name for procedure in self.procedures]
        twice = sorted(name for name in set(everything) if everything.count(name) > 1)
        if twice:
            raise ValueError(f"{', '.join(twice)} names more than one model or procedure")
        if not everything:
            raise ValueError("an analysis needs models, procedures, or both")
        places = [*self._of_layout(), *self._of_models(), *self._of_procedures()]
        if places:
            raise PlacedError(places)
        return self

    def _of_layout(self) -> Iterator[Place]:
        for outcome in self.outcomes:
            if outcome not in self.panel.measures:
                hint = did_you_mean(outcome, self.panel.measures)
                yield ("outcomes", outcome), f"'{outcome}' is not a measure of the panel{hint}"
        seen: set[str] = set()
        for at, figure in self._placed_figures():
            if figure.group not in self.panel.covariates:
                hint = did_you_mean(figure.group, self.panel.covariates)
                yield (*at, "group"), f"'{figure.group}' is not a covariate of the panel{hint}"
            for nth, outcome in enumerate(figure.outcomes):
                if outcome not in self.outcomes:
                    hint = did_you_mean(outcome, self.outcomes)
                    yield (*at, "outcomes", nth), f"'{outcome}' is not an outcome of this analysis{hint}"
            if figure.name in seen:
                yield at, f"two figures are named '{figure.name}'; give each in more_figures a name of its own"
            seen.add(figure.name)
        with_reference = {model.name for model in self.models if model.reference is not None}
        for number, name in enumerate(self.bootstrap.models if self.bootstrap else ()):
            if name not in with_reference:
                text = f"'{name}' is not a model with a reference{did_you_mean(name, with_reference)}"
                yield ("bootstrap", "models", number), text

    def _placed_figures(self) -> Iterator[tuple[Location, Figure]]:
        if self.figure is not None:
            yield ("figure",), self.figure
        for nth, figure in enumerate(self.more_figures):
            yield ("more_figures", nth), figure

    def _of_models(self) -> Iterator[Place]:
        columns, names = self.panel.columns, {model.name for model in self.models}
        for nth, model in enumerate(self.models):
            at: Location = ("models", nth)
            others = [((*at, "reference"), model.reference)] if model.reference is not None else []
            others += [((*at, "compare_with", k), name) for k, name in enumerate(model.compare_with)]
            for place, other in others:
                if other not in names or other == model.name:
                    hint = did_you_mean(other, names - {model.name})
                    yield place, f"model '{model.name}' refers to '{other}', which is not declared{hint}"
            for k, term in enumerate(model.terms):
                unknown = sorted(set(term.split(":")) - columns)
                if unknown:
                    text = f"model '{model.name}' names {', '.join(unknown)}; the panel has no such column"
                    yield (*at, "terms", k), text + did_you_mean(unknown[0], columns)
            for column in model.where:
                if column not in columns:
                    text = f"model '{model.name}' names {column}; the panel has no such column"
                    yield (*at, "where", column), text + did_you_mean(column, columns)
            yield from self._of_contrasts(at, model)

    def _of_contrasts(self, at: Location, model: Model) -> Iterator[Place]:
        known = {"intercept", *(term for term in model.terms if not self._has_levels(term))}
        for label, weights in model.contrasts.items():
            for term in weights:
                declared = ":".join(part.partition("[")[0] for part in term.split(":"))
                absent = self._absent_level(term)
                if term not in known and (declared == term or declared not in model.terms):
                    hint = did_you_mean(term, known)
                    yield (*at, "contrasts", label, term), f"model '{model.name}' has no term '{term}'{hint}"
                elif absent is not None:
                    yield (*at, "contrasts", label, term), absent

    def _has_levels(self, term: str) -> bool:
        return any(self.panel.is_text(part) for part in term.split(":"))

    def _absent_level(self, term: str) -> str | None:
        """What is wrong with `cell[level]` in a contrast, where the levels are declared."""
        for part in term.split(":"):
            column, _, level = part.removesuffix("]").partition("[")
            covariate = self.panel.covariates.get(column)
            if isinstance(covariate, Cells) and level:
                if level == covariate.reference:
                    return f"'{level}' is the reference of '{column}' and has no term of its own; it is zero"
                if level not in covariate.cells:
                    return f"'{column}' has no cell '{level}'{did_you_mean(level, covariate.cells)}"
        return None

    def _of_procedures(self) -> Iterator[Place]:
        columns = self.panel.columns
        for nth, procedure in enumerate(self.procedures):
            for absent in sorted(procedure.columns() - columns):
                text = f"procedure '{procedure.name}' names {absent}; the panel has no such column"
                yield ("procedures", nth), text + did_you_mean(absent, columns)
