"""From a panel to the matrices of a model with declared parts.

What belongs here: complete rows, terms, and patients as codes. What does not: parts of the covariance, or any estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assets.analysis.design_matrix import MONTHS_PER_YEAR, build_design, complete_rows, source_columns
from assets.analysis.levels import coded
from assets.analysis.multilevel.blocks import Floats, Ints, codes
from codebook.panel import Panel

if TYPE_CHECKING:
    import pandas as pd

PATIENT, TIME = "patient_id", "months"


@dataclass(frozen=True)
class Matrices:
    """Complete rows and what a model needs of them."""

    rows: pd.DataFrame
    y: Floats
    x: Floats
    terms: tuple[str, ...]
    months_power: Ints
    patient: Ints
    years: Floats | None
    n_dropped: int


def matrices(
    frame: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    panel: Panel,
    *,
    also: Sequence[str] = (),
    has_slope: bool,
) -> Matrices:
    """The complete rows of `frame` in `outcome`, `terms` and the columns of `also`, as matrices (time in years).

    Text columns stand for a column for each level but the reference that `panel` declares.

    Raises:
        NotEstimableError: the reason why these rows cannot identify the fixed effects, or one random intercept (and
            slope, with `has_slope`) of the patient.
    """
    needed = [outcome, PATIENT, *source_columns(terms), *also, *([TIME] if has_slope else [])]
    used = frame.loc[complete_rows(frame, needed)].reset_index(drop=True)
    used, expanded = coded(used, terms, panel)
    design = build_design(used, outcome, expanded, PATIENT, TIME, has_slope=has_slope)
    return Matrices(
        rows=used,
        y=design.y,
        x=design.x,
        terms=design.terms,
        months_power=design.months_power.astype(np.int64),
        patient=codes(used[PATIENT].to_numpy()),
        years=used[TIME].to_numpy(dtype=float) / MONTHS_PER_YEAR if has_slope else None,
        n_dropped=len(frame) - len(used),
    )
