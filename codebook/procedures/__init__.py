"""Kinds of declared statistics beside mixed models: one file each, joined here."""

from codebook.procedures.pre_post import PrePost

Procedure = PrePost

__all__ = ["PrePost", "Procedure"]
