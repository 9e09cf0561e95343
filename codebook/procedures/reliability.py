"""Declaration of internal consistency: alpha and omega of scales at an occasion.

What belongs here: which instruments, scales and occasions. What does not: formulas (`assets.analysis.consistency`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from codebook.instrument import Instrument, Rater
from codebook.panel import Panel
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

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """Instruments and scales that the codebook lacks."""
        for key, scales in self.instruments.items():
            if key not in instruments:
                yield f"the codebook has no instrument '{key}'"
                continue
            known = instruments[key].scale_keys
            for scale in scales:
                if scale not in known:
                    yield f"{key} has no scale '{scale}'; it has {', '.join(known)}"
