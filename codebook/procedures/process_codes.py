"""Declaration of process codes: how often a code is given in the coded moments of a session, and its trend.

What belongs here: instrument, codes, what a rate is by. What does not: estimation (`assets.analysis.counts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from codebook.instrument import Instrument, Rater
from codebook.panel import Panel
from codebook.procedures.base import ProcedureBase
from codebook.procedures.counts import CountModel


class ProcessCodes(ProcedureBase, CountModel):
    """Codes of an instrument whose assessment is one coded moment (clip) of a session.

    Rates per session and code; the trend is the declared count model of a session's counts on the session's number.
    """

    kind: Literal["process_codes"]
    instrument: str = "omi"
    codes: tuple[str, ...] = Field(min_length=1)
    """Scales that are counts (`focusing`, `total_positive`)."""
    rater: Rater = "observer"
    exposure: str | None = None
    """Scale that is the exposure (`minutes`); None: the number of coded moments."""
    sessions: Literal["dates", "order"] = "dates"
    """dates: the session held on the day of the assessment (`harmonised.session`). order: a course's days of assessment
    (else its months) are its sessions 1, 2, 3 …"""
    minimum_sessions: int = Field(default=3, ge=2)
    """Sessions that some patients must have for a trend."""

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """Instrument, scales and rater that the codebook lacks."""
        known = instruments.get(self.instrument)
        if known is None:
            yield f"the codebook has no instrument '{self.instrument}'"
            return
        for scale in (*self.codes, *((self.exposure,) if self.exposure else ())):
            if scale not in known.scale_keys:
                yield f"{known.key} has no scale '{scale}'; it has {', '.join(known.scale_keys)}"
        if self.rater not in known.raters:
            yield f"{known.key} is not answered by '{self.rater}'; it is by {', '.join(known.raters)}"

    @model_validator(mode="after")
    def _suits(self) -> Self:
        if self.exposure in self.codes:
            raise ValueError("exposure: a code cannot be its own exposure")
        return self
