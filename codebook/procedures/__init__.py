"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.agreement import Agreement
from codebook.procedures.linking import Linking
from codebook.procedures.pre_post import PrePost, PrePostArms
from codebook.procedures.reliability import InternalConsistency
from codebook.procedures.reliable_change import ReliableChange

Procedure = Annotated[
    Agreement | InternalConsistency | Linking | PrePost | PrePostArms | ReliableChange, Field(discriminator="kind")
]

__all__ = ["Agreement", "InternalConsistency", "Linking", "PrePost", "PrePostArms", "Procedure", "ReliableChange"]
