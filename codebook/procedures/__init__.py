"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.agreement import Agreement
from codebook.procedures.assessment_counts import AssessmentCounts
from codebook.procedures.group_comparison import GroupComparison
from codebook.procedures.linking import Linking
from codebook.procedures.observed_means import ObservedMeans
from codebook.procedures.overlap import Overlap
from codebook.procedures.pre_post import PrePost, PrePostArms
from codebook.procedures.reliability import InternalConsistency
from codebook.procedures.reliable_change import ReliableChange

Procedure = Annotated[
    Agreement
    | AssessmentCounts
    | GroupComparison
    | InternalConsistency
    | Linking
    | ObservedMeans
    | Overlap
    | PrePost
    | PrePostArms
    | ReliableChange,
    Field(discriminator="kind"),
]

__all__ = [
    "Agreement",
    "AssessmentCounts",
    "GroupComparison",
    "InternalConsistency",
    "Linking",
    "ObservedMeans",
    "Overlap",
    "PrePost",
    "PrePostArms",
    "Procedure",
    "ReliableChange",
]
