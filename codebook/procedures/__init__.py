"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.agreement import Agreement
from codebook.procedures.pre_post import PrePost, PrePostArms
from codebook.procedures.reliability import InternalConsistency

Procedure = Annotated[Agreement | PrePost | PrePostArms | InternalConsistency, Field(discriminator="kind")]

__all__ = ["Agreement", "InternalConsistency", "PrePost", "PrePostArms", "Procedure"]
