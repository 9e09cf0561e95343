"""Declaration of how far several definitions of one thing agree: good outcome by GAF, by WSAS, by BSI.

What belongs here: which 0/1 columns. What does not: formulas (`assets.analysis.overlap`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.panel import Name
from codebook.procedures.base import ProcedureBase


class Overlap(ProcedureBase):
    """For each definition n of N that meet it; for each pair agreement, overlap and kappa."""

    kind: Literal["overlap"]
    definitions: dict[Name, str] = Field(min_length=2)
    """0/1 columns → label."""

    def columns(self) -> set[str]:
        """The definitions."""
        return set(self.definitions)
