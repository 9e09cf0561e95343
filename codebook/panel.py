"""The panel of a declared analysis: which scores share a row, where it lies in time, and what stands beside it.

What belongs here: measures, covariates and the rows of a panel. What does not: models (`analysis`) or any result.
Time is in months.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared, Location, PlacedError
from codebook.instrument import Rater
from codebook.nearest import did_you_mean

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Level = int | str


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


class FinalScoreAtLeast(Declared):
    """1 where the episode's last score at `occasion` is `at_least` or more, 0 where not, null where there is none."""

    kind: Literal["final_score_at_least"]
    measure: Measure
    at_least: float
    occasion: str = "discharge"


class ScoreAt(Declared):
    """The score at one occasion: the first there (a baseline covariate), or the last (where treatment ended).

    `centred_at` is subtracted, so that the intercept of a model speaks of a score that exists.
    """

    kind: Literal["score_at"]
    measure: Measure
    occasion: str
    which: Literal["first", "last"] = "first"
    centred_at: float = 0


class AttributeCovariate(Declared):
    """An attribute of the episode: `is_value` of it as 1/0, whether its number is below `below` as 1/0, or its number.

    `centred_at` is subtracted from the number.
    """

    kind: Literal["attribute"]
    attribute: str
    is_value: str | None = None
    below: float | None = None
    centred_at: float = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.is_value is not None and self.below is not None:
            raise ValueError("is_value and below: give one of the two")
        return self


class EpisodeCovariate(Declared):
    """A column of the episode: 1 where it has the value (or is below `below`), else 0; or the column as it is."""

    kind: Literal["episode"]
    column: Literal["treatment", "arm", "termination_reason", "is_completed_as_planned", "treatment_months", "site_id"]
    is_value: str | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_value is not None and self.below is not None:
            raise ValueError("is_value and below: give one of the two")
        if self.below is not None and self.column != "treatment_months":
            raise ValueError(f"below: only with the column treatment_months; {self.column} is no number")
        return self

    @property
    def is_text(self) -> bool:
        """Whether the panel's column holds text."""
        is_other = self.column in {"treatment_months", "is_completed_as_planned"}
        return self.is_value is None and self.below is None and not is_other


class PatientCovariate(Declared):
    """1 where the patient's column has the value, 0 where it has another, null where it is not known."""

    kind: Literal["patient"]
    column: Literal["sex"]
    is_value: str


class Derived(Declared):
    """Computed: `age` (years at the anchor), `n_assessments`, `version_group` (one instrument, or both).

    `reference`: the version group that the others are compared with. `centred_at` is subtracted from age.
    """

    kind: Literal["age", "n_assessments", "version_group"]
    reference: str | None = None
    centred_at: float = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.reference is not None and self.kind != "version_group":
            raise ValueError(f"reference: only with kind version_group; {self.kind} is a number")
        if self.centred_at and self.kind != "age":
            raise ValueError(f"centred_at: only with kind age, not with {self.kind}")
        return self


class Cells(Declared):
    """A factor of the combinations of other covariates (`of`): each cell by the values that make it.

    A course with a combination that no cell names, or with an unknown value, has none. In a model the cells are
    compared with `reference`.
    """

    kind: Literal["cells"]
    of: tuple[Name, ...] = Field(min_length=1)
    cells: dict[Name, tuple[Level, ...]] = Field(min_length=2)
    reference: Name
    labels: dict[Name, str] = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        places: list[tuple[Location, str]] = []
        for cell, values in self.cells.items():
            if len(values) != len(self.of):
                places.append((("cells", cell), f"{len(values)} values for {len(self.of)} columns; give one for each"))
        if len(set(self.cells.values())) < len(self.cells):
            places.append((("cells",), "two cells are made of the same values"))
        if self.reference not in self.cells:
            text = f"'{self.reference}' is none of the cells{did_you_mean(self.reference, self.cells)}"
            places.append((("reference",), text))
        for name in self.labels:
            if name not in self.cells:
                places.append((("labels", name), f"there is no such cell{did_you_mean(name, self.cells)}"))
        if places:
            raise PlacedError(places)
        return self


Covariate = Annotated[
    FinalScore
    | FinalScoreAtLeast
    | ScoreAt
    | AttributeCovariate
    | EpisodeCovariate
    | PatientCovariate
    | Derived
    | Cells,
    Field(discriminator="kind"),
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

    @model_validator(mode="after")
    def _cells_of_covariates(self) -> Self:
        places: list[tuple[Location, str]] = []
        simple = {name: one for name, one in self.covariates.items() if not isinstance(one, Cells)}
        for name, one in self.covariates.items():
            for number, part in enumerate(one.of if isinstance(one, Cells) else ()):
                if part not in simple:
                    text = f"'{part}' is no covariate of the panel that cells can be made of"
                    places.append((("covariates", name, "of", number), text + did_you_mean(part, simple)))
        if places:
            raise PlacedError(places)
        return self

    @property
    def columns(self) -> set[str]:
        """Columns that a model or procedure may name."""
        return {"months", *self.measures, *self.covariates}

    def reference_of(self, column: str) -> str | None:
        """The level that a text covariate's others are compared with; None: the first in sorted order."""
        covariate = self.covariates.get(column)
        return covariate.reference if isinstance(covariate, Cells | Derived) else None

    def is_text(self, column: str) -> bool:
        """Whether a covariate holds text, and so stands for a column for each of its levels in a model."""
        covariate = self.covariates.get(column)
        if isinstance(covariate, Derived):
            return covariate.kind == "version_group"
        return isinstance(covariate, Cells) or (isinstance(covariate, EpisodeCovariate) and covariate.is_text)
