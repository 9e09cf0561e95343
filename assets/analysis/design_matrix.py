"""From a table and the names of terms to the matrices of a mixed model, with time in years.

What belongs here: products, dummy coding of text columns, dropping incomplete rows, and every reason why the matrices
cannot identify a model. What does not: estimation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MONTHS_PER_YEAR = 12.0
INTERCEPT = "intercept"
COLLINEAR = 1e-7
"""A column of X with no more than this share of its length to itself follows from the columns before."""


class NotEstimableError(Exception):
    """The model cannot be estimated from these rows; the message is a sentence without any patient's value."""


@dataclass(frozen=True)
class Design:
    """Matrices of one model; rows are the complete ones, in the order of the table."""

    terms: tuple[str, ...]
    """Column names of `x`, the intercept first; `column[level]` for a level of a text column."""
    months_power: NDArray[np.int64]
    """How many times time is a factor of each term: estimates per month are those per year / 12^power."""
    y: Floats
    x: Floats
    z: Floats
    patient: NDArray[np.int64]
    n_patients: int
    n_rows_dropped: int


def source_columns(terms: Sequence[str]) -> tuple[str, ...]:
    """Columns that terms are made of, once each, in order of appearance."""
    return tuple(dict.fromkeys(part for term in terms for part in term.split(":")))


def complete_rows(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Rows without a missing (or infinite) value in any of `columns`.

    Raises:
        NotEstimableError: the table has no such column.
    """
    absent = [column for column in columns if column not in frame.columns]
    if absent:
        raise NotEstimableError(f"there is no column '{absent[0]}'; columns are {', '.join(map(str, frame.columns))}")
    complete = np.ones(len(frame), dtype=bool)
    for column in columns:
        values = frame[column]
        complete &= ~values.isna().to_numpy(dtype=bool)
        if values.dtype.kind == "f":
            complete &= ~np.isinf(values.to_numpy(dtype=float, na_value=np.nan))
    return complete


def build_design(
    frame: pd.DataFrame, outcome: str, terms: Sequence[str], patient: str, time: str, *, has_slope: bool
) -> Design:
    """Matrices for `outcome` on an intercept and `terms`, random effects by `patient`; `time` in months.

    A text or categorical column stands for one 0/1 column for each level but the first in sorted order.

    Raises:
        NotEstimableError: the reason why these rows cannot identify the model.
    """
    needed = [outcome, patient, *source_columns(terms), *([time] if has_slope else [])]
    used = complete_rows(frame, needed)
    rows = frame.loc[used]
    if rows.empty:
        raise NotEstimableError("no row has a value in every column of the model")
    codes, n_patients = _patient_codes(rows[patient])
    y = _numeric(rows, outcome)
    names, powers, columns = [INTERCEPT], [0], [np.ones(len(rows))]
    for term in dict.fromkeys(terms):
        for name, values in _expand(rows, term, time):
            names.append(name)
            powers.append(term.split(":").count(time))
            columns.append(values)
    x = np.column_stack(columns)
    z = np.ones((len(rows), 1))
    if has_slope:
        z = np.column_stack([z, _numeric(rows, time) / MONTHS_PER_YEAR])
    design = Design(tuple(names), np.array(powers), y, x, z, codes, n_patients, int(len(frame) - len(rows)))
    check_identified(_facts(design))
    return design


def _patient_codes(values: pd.Series) -> tuple[NDArray[np.int64], int]:
    levels, codes = np.unique(values.to_numpy(), return_inverse=True)
    return codes.astype(np.int64), len(levels)


def _is_text(values: pd.Series) -> bool:
    return values.dtype.kind not in "biuf"


def _numeric(rows: pd.DataFrame, column: str) -> Floats:
    values = rows[column]
    if _is_text(values):
        raise NotEstimableError(f"'{column}' holds text; a number is needed there")
    return values.to_numpy(dtype=float)


def _expand(rows: pd.DataFrame, term: str, time: str) -> list[tuple[str, Floats]]:
    """Columns of one term: the products over the levels of its text columns."""
    expanded: list[tuple[str, Floats]] = [("", np.ones(len(rows)))]
    for part in term.split(":"):
        values = rows[part]
        if part == time:
            factors = [(part, _numeric(rows, part) / MONTHS_PER_YEAR)]
        elif _is_text(values):
            text = values.astype(str).to_numpy()
            levels = sorted(set(text))
            if len(levels) < 2:
                raise NotEstimableError(f"'{part}' has the same value in every complete row")
            factors = [(f"{part}[{level}]", (text == level).astype(float)) for level in levels[1:]]
        else:
            factors = [(part, _numeric(rows, part))]
        expanded = [
            (f"{name}:{label}" if name else label, value * factor)
            for name, value in expanded
            for label, factor in factors
        ]
    return expanded


@dataclass(frozen=True)
class Facts:
    """What decides whether rows can identify a model."""

    terms: Sequence[str]
    n_rows: int
    n_patients: int
    n_random: int
    is_outcome_constant: bool
    is_time_constant: bool
    pivots: Floats
    """p: length of each column of X that the columns before do not explain, relative to its own length."""
    unexplained: float
    """Share of the outcome's variance that least squares leave."""


def check_identified(facts: Facts) -> None:
    """Refuse what the rows cannot tell.

    Raises:
        NotEstimableError: the reason.
    """
    n_rows, n_patients, n_random = facts.n_rows, facts.n_patients, facts.n_random
    if n_patients < 2:
        raise NotEstimableError("fewer than 2 patients have complete rows")
    n_parameters = len(facts.terms) + n_random * (n_random + 1) // 2 + 1
    if n_rows < n_parameters:
        raise NotEstimableError(f"{n_rows} complete rows are fewer than the model's {n_parameters} parameters")
    if facts.is_outcome_constant:
        raise NotEstimableError("the outcome has the same value in every complete row")
    # lme4 refuses the same: residual and random effects cannot be told apart (its check.nobs.vs.nRE)
    if n_rows <= n_random * n_patients:
        text = f"{n_rows} complete rows of {n_patients} patients cannot separate {n_random} random effect(s) from error"
        raise NotEstimableError(text)
    if n_random == 2 and facts.is_time_constant:
        raise NotEstimableError("time has the same value in every complete row")
    dependent = [name for name, own in zip(facts.terms, facts.pivots, strict=True) if not own > COLLINEAR]
    if dependent:
        raise NotEstimableError(f"collinear terms: {', '.join(dependent)} follow from the terms before")
    if facts.unexplained <= 1e-12:
        raise NotEstimableError("the terms predict the outcome without error; there is no variance left")


def _facts(design: Design) -> Facts:
    y, x, z = design.y, design.x, design.z
    if len(y) >= x.shape[1]:
        triangle = np.abs(np.diag(np.linalg.qr(x, mode="r")))
        lengths = np.linalg.norm(x, axis=0)
        pivots: Floats = np.divide(triangle, lengths, out=np.zeros_like(triangle), where=lengths > 0)
        left = float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2))
    else:
        pivots, left = np.ones(x.shape[1]), 1.0
    spread = float(np.sum((y - y.mean()) ** 2))
    return Facts(
        terms=design.terms,
        n_rows=len(y),
        n_patients=design.n_patients,
        n_random=z.shape[1],
        is_outcome_constant=bool(np.ptp(y) == 0),
        is_time_constant=z.shape[1] == 2 and bool(np.ptp(z[:, 1]) == 0),
        pivots=pivots,
        unexplained=left / spread if spread > 0 else 0.0,
    )
