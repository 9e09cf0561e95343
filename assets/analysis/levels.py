"""Text columns of a model as 0/1 columns, with the reference that their panel declares.

What belongs here: which level is compared with which, and which rows a stratum has. What does not: the matrices
(`design_matrix`, which codes text against its first level), or estimation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError, source_columns
from codebook.panel import Cells, Level, Panel

if TYPE_CHECKING:
    import pandas as pd


def coded(frame: pd.DataFrame, terms: Sequence[str], panel: Panel) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame with a column `name[level]` for each level but the reference, and the terms that name them.

    Only levels that occur in `frame` count: give the rows that the model uses.

    Raises:
        NotEstimableError: a text column has one level only, or none of the rows has its reference.
    """
    added: dict[str, NDArray[np.float64]] = {}
    names: dict[str, list[str]] = {}
    for column in source_columns(terms):
        if not panel.is_text(column) or frame.empty:
            names[column] = [column]
            continue
        levels, reference = _levels(frame, column, panel)
        values = frame[column].to_numpy()
        names[column] = [f"{column}[{level}]" for level in levels if level != reference]
        added |= {f"{column}[{level}]": (values == level).astype(float) for level in levels if level != reference}
    expanded = tuple(
        dict.fromkeys(
            ":".join(parts) for term in terms for parts in product(*(names[part] for part in term.split(":")))
        )
    )
    return (frame.assign(**added) if added else frame), expanded


def stratum(frame: pd.DataFrame, where: Mapping[str, Level]) -> NDArray[np.bool_]:
    """Rows on which every column of `where` has its value; an unknown value is in no stratum."""
    chosen = np.ones(len(frame), dtype=bool)
    for column, value in where.items():
        values = frame[column]
        is_text = values.dtype.kind not in "biuf"
        same = values.astype(object) == str(value) if is_text else values == float(value)
        chosen &= same.fillna(False).to_numpy(dtype=bool)
    return chosen


def in_words(where: Mapping[str, Level]) -> str:
    """`poor_outcome = 1, paranoid_pd = 0`."""
    return ", ".join(f"{column} = {value}" for column, value in where.items())


def _levels(frame: pd.DataFrame, column: str, panel: Panel) -> tuple[list[str], str]:
    found = set(frame[column].dropna())
    covariate = panel.covariates.get(column)
    order = list(covariate.cells) if isinstance(covariate, Cells) else sorted(found)
    levels = [level for level in order if level in found]
    reference = panel.reference_of(column) or (levels[0] if levels else "")
    if len(levels) < 2:
        raise NotEstimableError(f"'{column}' has the same value in every complete row")
    if reference not in levels:
        raise NotEstimableError(f"no complete row of '{column}' is '{reference}', which the others are compared with")
    return levels, reference
