"""Declaration of linking: scores of one form of a questionnaire expressed on the scale of another.

What belongs here: which forms, scales and methods. Which items are the anchor stands in the codebook (identical_items).
What does not: formulas (`assets.analysis.linear_linking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from codebook.instrument import Instrument, Rater
from codebook.panel import Panel
from codebook.procedures.base import ProcedureBase

LinkMethod = Literal["tucker", "levine_observed", "chained_linear", "equivalent_groups"]


class Linking(ProcedureBase):
    """Linear observed-score linking of two forms that share items, taken by different or partly the same patients."""

    kind: Literal["linking"]
    from_instrument: str = "wai_s"
    to_instrument: str = "wai_sr"
    from_version: str | None = None
    to_version: str | None = None
    """None: the only version that was answered; needed where there are more."""
    scales: tuple[str, ...] = ("task", "goal", "bond", "total")
    methods: tuple[LinkMethod, ...] = Field(default=("tucker", "levine_observed", "chained_linear"), min_length=1)
    rater: Rater = "patient"
    occasion: str = "first"
    """The form taken of each patient: the first of all, or the first at an occasion."""
    at_scores: tuple[float, ...] = ()
    """Scores of the first form whose linked value is printed; none: every whole number of its range."""
    weight_from: float | None = Field(default=None, ge=0, le=1)
    """Weight of the first form's takers in the synthetic population (Tucker, Levine); None: by their number."""
    minimum_n: int = Field(default=50, ge=20)
    """Complete forms of either kind below which nothing is linked."""
    n_resamples: int = Field(default=1000, ge=100, le=20_000)
    seed: int = 20201

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """Forms or scales that the codebook lacks, and forms without items in common."""
        for key in (self.from_instrument, self.to_instrument):
            if key not in instruments:
                yield f"the codebook has no instrument '{key}'"
                return
            for scale in self.scales:
                if scale not in instruments[key].scale_keys:
                    yield f"{key} has no scale '{scale}'; it has {', '.join(instruments[key].scale_keys)}"
        if not anchor_items(instruments[self.from_instrument], instruments[self.to_instrument]):
            yield f"the codebook declares no items that {self.from_instrument} and {self.to_instrument} share"


def anchor_items(one: Instrument, other: Instrument) -> tuple[int, ...]:
    """Item numbers with the same wording in both, whichever of the two declarations says it."""
    return tuple(sorted({*one.identical_items.get(other.key, ()), *other.identical_items.get(one.key, ())}))
