"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.pre_post import PrePost, PrePostArms
from codebook.procedures.reliability import InternalConsistency

Procedure = Annotated[PrePost | PrePostArms | InternalConsistency, Field(discriminator="kind")]

__all__ = ["InternalConsistency", "PrePost", "PrePostArms", "Procedure"]
