"""Declaration of internal consistency: alpha and omega of scales at an occasion.

What belongs here: which instruments, scales and occasions. What does not: formulas (`assets.analysis.consistency`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codebook.instrument import Rater
from codebook.procedures.base import ProcedureBase


class InternalConsistency(ProcedureBase):
    """Cronbach's alpha and McDonald's omega from the answers to the items, reversed by the codebook's key."""

    kind: Literal["reliability"]
    instruments: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Instrument → its scales; none: every scale that is a mean or a sum of three items or more."""
    rater: Rater = "patient"
    occasions: tuple[str, ...] = ("first",)
    """`first`: the first form of each patient, whenever that was; else an occasion's key."""
    if_dropped: bool = True
    """Also alpha without each item."""
    minimum_for_omega: int = Field(default=30, ge=10)
    """Complete forms below which no factor is fitted."""
    n_resamples: int = Field(default=500, ge=100, le=20_000)
    """Bootstrap resamples for omega."""
    seed: int = 20201
