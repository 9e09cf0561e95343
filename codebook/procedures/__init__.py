"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.counts import Counts
from codebook.procedures.pre_post import PrePost

Procedure = Annotated[Counts | PrePost, Field(discriminator="kind")]

__all__ = ["Counts", "PrePost", "Procedure"]
