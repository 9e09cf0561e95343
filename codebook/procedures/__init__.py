"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.counts import Counts
from codebook.procedures.delta_adjustment import DeltaAdjustment
from codebook.procedures.lagged import CrossLagged, Lagged
from codebook.procedures.mediation import Mediation
from codebook.procedures.pre_post import PrePost
from codebook.procedures.process_codes import ProcessCodes
from codebook.procedures.within_between import WithinBetween

Procedure = Annotated[
    Counts | CrossLagged | DeltaAdjustment | Lagged | Mediation | PrePost | ProcessCodes | WithinBetween,
    Field(discriminator="kind"),
]

__all__ = [
    "Counts",
    "CrossLagged",
    "DeltaAdjustment",
    "Lagged",
    "Mediation",
    "PrePost",
    "Procedure",
    "ProcessCodes",
    "WithinBetween",
]
