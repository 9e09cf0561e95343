"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from typing import Annotated

from pydantic import Field

from codebook.procedures.assessment_counts import AssessmentCounts
from codebook.procedures.group_comparison import GroupComparison
from codebook.procedures.observed_means import ObservedMeans
from codebook.procedures.overlap import Overlap
from codebook.procedures.pre_post import PrePost

Procedure = Annotated[
    AssessmentCounts | GroupComparison | ObservedMeans | Overlap | PrePost, Field(discriminator="kind")
]

__all__ = ["AssessmentCounts", "GroupComparison", "ObservedMeans", "Overlap", "PrePost", "Procedure"]
