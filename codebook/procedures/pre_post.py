"""Declarations of change between two occasions, with standardised mean differences: one group, and two arms.

What belongs here: which occasions, measures and arms. What does not: formulas (`assets.analysis.standardised`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class PrePost(ProcedureBase):
    """Means at two occasions, the paired test, and the change by every standardiser in use.

    A drop-out has the measure at `before` and not at `after`. Both samples are always printed; `drop_outs` says which
    of them is the analysis' own.
    """

    kind: Literal["pre_post"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    before: str = "baseline"
    after: str = "discharge"
    by: Name | None = None
    """A covariate: each of its levels apart, beside everybody."""
    drop_outs: Literal["excluded", "included"] = "excluded"
    n_resamples: int = Field(default=1000, ge=100, le=20_000)
    seed: int = 20201

    def columns(self) -> set[str]:
        """The measures that are compared, and what divides them."""
        return {*self.outcomes} | ({self.by} if self.by else set())


class PrePostArms(ProcedureBase):
    """Two arms before and after: the difference at the end, and the difference in change."""

    kind: Literal["pre_post_arms"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    arm: Name
    """A covariate of the panel."""
    treated: str | int = 1
    reference: str | int | None = None
    """The other arm's value; None: whoever has another value than `treated`."""
    before: str = "baseline"
    after: str = "discharge"

    def columns(self) -> set[str]:
        """The measures and the arm."""
        return {*self.outcomes, self.arm}
