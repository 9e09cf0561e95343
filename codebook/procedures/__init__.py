"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.counts import Counts
from codebook.procedures.lagged import CrossLagged, Lagged
from codebook.procedures.pre_post import PrePost
from codebook.procedures.within_between import WithinBetween

Procedure = Annotated[Counts | CrossLagged | Lagged | PrePost | WithinBetween, Field(discriminator="kind")]

__all__ = ["Counts", "CrossLagged", "Lagged", "PrePost", "Procedure", "WithinBetween"]
