"""The rows of a count model: counts, terms, exposure and patients as arrays, or the reason why there are none.

What belongs here: which rows enter and what they must be. What does not: estimation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import INTERCEPT, NotEstimableError, complete_rows, source_columns

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MAX_LEVELS = 20


@dataclass(frozen=True)
class CountData:
    """Complete rows sorted by patient and time; rows of a patient are neighbours."""

    y: Floats
    """Counts, whole and not negative."""
    x: Floats
    """n × p, the intercept first."""
    terms: tuple[str, ...]
    offset: Floats
    """Natural logarithm of the exposure; 0 where there is none."""
    time: Floats
    """Months (or sessions): the order of a patient's rows."""
    starts: NDArray[np.int64]
    """First row of each patient."""
    patient: NDArray[np.int64]
    """0 … N−1 by row."""
    n_dropped_missing: int
    """Rows without a value in a column of the model."""
    n_dropped_exposure: int
    """Rows whose exposure is 0 or less: no rate can be formed."""

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.starts)


def count_data(
    frame: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    patient: str,
    time: str,
    exposure: str | None = None,
) -> CountData:
    """Arrays for `outcome` on an intercept and `terms` (columns and `a:b` products) with log `exposure` as offset.

    A text column stands for one 0/1 column for each level but the first in sorted order.

    Raises:
        NotEstimableError: no complete row, a count that is none, one patient, a constant or collinear term.
    """
    needed = [outcome, patient, time, *source_columns(terms), *([exposure] if exposure else [])]
    rows = frame.loc[complete_rows(frame, needed)]
    n_missing = len(frame) - len(rows)
    n_exposure = 0
    if exposure is not None:
        exposed = rows[exposure].to_numpy(dtype=float) > 0
        n_exposure = int((~exposed).sum())
        rows = rows.loc[exposed]
    if rows.empty:
        raise NotEstimableError("no row has a count, an exposure above 0 and a value in every column of the model")
    rows = rows.sort_values([patient, time], kind="stable")
    y = _numbers(rows, outcome)
    if (y < 0).any() or (y != np.floor(y)).any():
        raise NotEstimableError(f"'{outcome}' holds values that are no counts (negative, or not whole)")
    if not y.any():
        raise NotEstimableError(f"every count of '{outcome}' is 0 ({len(y)} rows); a rate ratio has no estimate")
    codes = np.unique(rows[patient].to_numpy(), return_inverse=True)[1].astype(np.int64)
    names, columns = term_columns(rows, terms)
    x = np.column_stack(columns)
    _check(x, names, int(codes.max()) + 1)
    offset = np.log(_numbers(rows, exposure)) if exposure else np.zeros(len(y))
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    return CountData(y, x, tuple(names), offset, _numbers(rows, time), starts, codes, n_missing, n_exposure)


def term_columns(rows: pd.DataFrame, terms: Sequence[str]) -> tuple[list[str], list[Floats]]:
    """Names and columns of an intercept and `terms`; `column[level]` for a level of a text column.

    Raises:
        NotEstimableError: a text column has one level, or so many that it is a key rather than a group.
    """
    names, columns = [INTERCEPT], [np.ones(len(rows))]
    for term in dict.fromkeys(terms):
        expanded: list[tuple[str, Floats]] = [("", np.ones(len(rows)))]
        for part in term.split(":"):
            expanded = [
                (f"{name}:{label}" if name else label, values * factor)
                for name, values in expanded
                for label, factor in _factors(rows, part)
            ]
        names += [name for name, _ in expanded]
        columns += [values for _, values in expanded]
    return names, columns


def _factors(rows: pd.DataFrame, column: str) -> list[tuple[str, Floats]]:
    if rows[column].dtype.kind in "biuf":
        return [(column, _numbers(rows, column))]
    text = rows[column].astype(str).to_numpy()
    levels = sorted(set(text))
    if not 2 <= len(levels) <= MAX_LEVELS:
        raise NotEstimableError(
            f"'{column}' has {len(levels)} levels in the complete rows; 2 to {MAX_LEVELS} can be used"
        )
    return [(f"{column}[{level}]", (text == level).astype(float)) for level in levels[1:]]


def _numbers(rows: pd.DataFrame, column: str) -> Floats:
    if rows[column].dtype.kind not in "biuf":
        raise NotEstimableError(f"'{column}' holds text; a number is needed there")
    return rows[column].to_numpy(dtype=float)


def _check(x: Floats, names: Sequence[str], n_patients: int) -> None:
    if n_patients < 2:
        raise NotEstimableError("fewer than 2 patients have complete rows")
    if len(x) <= x.shape[1]:
        raise NotEstimableError(f"{len(x)} complete rows are too few for {x.shape[1]} coefficients")
    triangle, lengths = np.abs(np.diag(np.linalg.qr(x, mode="r"))), np.linalg.norm(x, axis=0)
    dependent = [name for name, own, length in zip(names, triangle, lengths, strict=True) if own <= 1e-7 * length]
    if dependent:
        raise NotEstimableError(f"collinear terms: {', '.join(dependent)} follow from the terms before")
