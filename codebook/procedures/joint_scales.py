"""Declaration of one model over several scales of an instrument, to test whether a slope differs between them.

What belongs here: which scales, which slope, which covariance. What does not: estimation
(`assets.analysis.multilevel`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.instrument import Instrument
from codebook.panel import Name, Panel
from codebook.procedures.base import ProcedureBase


class JointScales(ProcedureBase):
    """Each scale has its own intercept, months, moderator and months × moderator; the last is compared by pairs."""

    kind: Literal["joint_scales"]
    scales: tuple[Name, ...] = Field(min_length=2, max_length=6)
    """Measures of the panel, in the order in which differences are taken (first minus second)."""
    moderator: Name
    """Number (or 0/1) of the patient, whose product with months is tested; a text column cannot be."""
    covariates: tuple[str, ...] = ()
    """More terms, `a` or `a:b`, each with its own coefficient for each scale."""
    random: Literal[
        "auto", "unstructured", "common_slope", "independent_slope", "own_slope", "shared_slope", "intercepts"
    ] = "auto"
    """Random effects of the patient. `unstructured`: intercepts and slopes of all scales, any covariance;
    `common_slope`: intercepts and one common slope, any covariance, and one more slope of each scale; in
    `independent_slope` the slopes are independent of the intercepts; `own_slope`: intercepts and each scale's slope;
    `shared_slope`: intercepts and the common slope; `intercepts`: no slopes. `auto`: the first of these that the rows
    can estimate, never without a slope whose variance is not zero."""
    estimation: Literal["ML", "REML"] | None = None
    """None: that of the analysis."""
    adjustment: Literal["holm", "bonferroni", "none"] = "holm"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.scales)) < len(self.scales):
            raise ValueError("scales names one measure twice")
        return self

    def columns(self) -> set[str]:
        """Measures, moderator and covariates."""
        return {*self.scales, self.moderator, *(part for term in self.covariates for part in term.split(":"))}

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """A moderator that holds text."""
        if panel.is_text(self.moderator):
            yield f"the moderator '{self.moderator}' holds text; it needs to be a number or 0/1"
