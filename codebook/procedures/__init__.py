"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.arms_by_time import ArmsByTime
from codebook.procedures.joint_scales import JointScales
from codebook.procedures.pre_post import PrePost
from codebook.procedures.three_level import ThreeLevel

Procedure = Annotated[ArmsByTime | JointScales | PrePost | ThreeLevel, Field(discriminator="kind")]

__all__ = ["ArmsByTime", "JointScales", "PrePost", "Procedure", "ThreeLevel"]
