"""Declaration of agreement between raters of the same thing.

What belongs here: which ratings, what is rated, and what tells the raters apart. What does not: formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.declaration import Declared
from codebook.instrument import Instrument, Rater
from codebook.panel import Panel
from codebook.procedures.base import ProcedureBase

ObjectKey = Literal["patient_id", "episode_id", "site_id", "occasion", "assessment_date"]


class Ratings(Declared):
    """Scores that are compared: a scale of an instrument, by these kinds of rater."""

    instrument: str
    scale: str
    by: tuple[Rater, ...] = Field(default=("observer",), min_length=1)


class Agreement(ProcedureBase):
    """Intraclass correlations, Pearson, weighted kappa, and generalizability coefficients.

    `raters` says what tells raters apart. sequence: the number of the form among those of one occasion is the rater's
    number. rater: the kind of rater (patient, therapist). unknown: nothing does; then raters are nested in what they
    rate, and coefficients that need to know a rater again are not given.
    """

    kind: Literal["agreement"]
    ratings: tuple[Ratings, ...] = Field(min_length=1)
    objects: tuple[ObjectKey, ...] = Field(default=("episode_id", "occasion"), min_length=1)
    """What is rated: forms that share all of these rate the same thing."""
    raters: Literal["sequence", "rater", "unknown"] = "sequence"
    raters_in_use: tuple[int, ...] = Field(default=(1, 2), min_length=1)
    """Numbers of raters for which generalizability is predicted."""
    minimum_objects: int = Field(default=5, ge=3)
    n_resamples: int = Field(default=500, ge=100, le=5000)
    seed: int = 20201

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if min(self.raters_in_use) < 1:
            raise ValueError("raters_in_use counts raters: 1 or more")
        if self.raters == "rater" and any(len(set(each.by)) < 2 for each in self.ratings):
            raise ValueError("raters: rater needs two kinds of rater in `by`")
        return self

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """Instruments and scales that the codebook lacks, and raters that do not answer them."""
        for ratings in self.ratings:
            known = instruments.get(ratings.instrument)
            if known is None:
                yield f"the codebook has no instrument '{ratings.instrument}'"
                continue
            if ratings.scale not in known.scale_keys:
                yield f"{known.key} has no scale '{ratings.scale}'; it has {', '.join(known.scale_keys)}"
            for rater in ratings.by:
                if rater not in known.raters:
                    yield f"{known.key} is not answered by '{rater}'; it is by {', '.join(known.raters)}"
