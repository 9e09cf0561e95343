"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.agreement import Agreement
from codebook.procedures.arms_by_time import ArmsByTime
from codebook.procedures.assessment_counts import AssessmentCounts
from codebook.procedures.counts import Counts
from codebook.procedures.delta_adjustment import DeltaAdjustment
from codebook.procedures.group_comparison import GroupComparison
from codebook.procedures.joint_scales import JointScales
from codebook.procedures.lagged import CrossLagged, Lagged
from codebook.procedures.linking import Linking
from codebook.procedures.mediation import Mediation
from codebook.procedures.multiverse import Multiverse
from codebook.procedures.observed_means import ObservedMeans
from codebook.procedures.overlap import Overlap
from codebook.procedures.pre_post import PrePost, PrePostArms
from codebook.procedures.process_codes import ProcessCodes
from codebook.procedures.reliability import InternalConsistency
from codebook.procedures.reliable_change import ReliableChange
from codebook.procedures.three_level import ThreeLevel
from codebook.procedures.within_between import WithinBetween

Procedure = Annotated[
    Agreement
    | ArmsByTime
    | AssessmentCounts
    | Counts
    | CrossLagged
    | DeltaAdjustment
    | GroupComparison
    | InternalConsistency
    | JointScales
    | Lagged
    | Linking
    | Mediation
    | Multiverse
    | ObservedMeans
    | Overlap
    | PrePost
    | PrePostArms
    | ProcessCodes
    | ReliableChange
    | ThreeLevel
    | WithinBetween,
    Field(discriminator="kind"),
]

__all__ = [
    "Agreement",
    "ArmsByTime",
    "AssessmentCounts",
    "Counts",
    "CrossLagged",
    "DeltaAdjustment",
    "GroupComparison",
    "InternalConsistency",
    "JointScales",
    "Lagged",
    "Linking",
    "Mediation",
    "Multiverse",
    "ObservedMeans",
    "Overlap",
    "PrePost",
    "PrePostArms",
    "Procedure",
    "ProcessCodes",
    "ReliableChange",
    "ThreeLevel",
    "WithinBetween",
]
