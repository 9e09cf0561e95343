"""Declaration of change between two occasions, with standardised mean differences.

What belongs here: which occasions and measures. What does not: formulas (`assets.analysis.effect_sizes`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class PrePost(ProcedureBase):
    """Means at two occasions, the paired test, and the change by every standardiser in use."""

    kind: Literal["pre_post"]
    outcomes: tuple[Name, ...] = Field(min_length=1)
    before: str = "baseline"
    after: str = "discharge"

    def columns(self) -> set[str]:
        """The measures that are compared."""
        return set(self.outcomes)
