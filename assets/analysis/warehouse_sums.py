"""A mixed model straight from the warehouse: one SQL query makes the sums over patients, whatever the number of rows.

What belongs here: the query, and the sums it gives. What does not: the likelihood, or which rows a model is fitted on.

The rows never leave the database: for a million patients seen on a common schedule a few thousand groups come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from assets.analysis.design_matrix import (
    INTERCEPT,
    MONTHS_PER_YEAR,
    Facts,
    NotEstimableError,
    check_identified,
    source_columns,
)
from assets.analysis.mixed_model import Method, MixedModelFit, Random, fit_sums, not_fitted
from assets.analysis.patient_sums import MANY_GROUPS, Floats, PatientSums, packing

if TYPE_CHECKING:
    import duckdb


def fit_table(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    outcome: str,
    terms: Sequence[str],
    patient: str = "patient_id",
    time: str = "months",
    *,
    random: Random = "intercept_and_slope",
    method: Method = "ML",
) -> MixedModelFit:
    """Fit a model to a table or view; the same numbers as `mixed_model.fit` on its rows.

    Terms are numeric columns and `a:b` products; a text column is refused (make it 0/1 columns in the panel). Rows with
    a missing value are dropped and counted. What cannot be estimated comes back with a `reason`.
    """
    try:
        sums, facts, variance, dropped = _query(
            connection, relation, outcome, tuple(dict.fromkeys(terms)), patient, time, has_slope=random != "intercept"
        )
        power = np.array([0.0, *(term.split(":").count(time) for term in facts.terms[1:])])
        return fit_sums(
            sums, facts.terms, power, random=random, method=method, n_rows_dropped=dropped, variance=variance
        )
    except NotEstimableError as problem:
        return not_fitted(terms, random, method, str(problem))


def sums_sql(relation: str, outcome: str, terms: Sequence[str], patient: str, time: str) -> str:
    """The query: a row for each group of patients with equal (n, Σt, Σt²), t in years and the outcome centred."""
    t = f"({_name(time)} / {MONTHS_PER_YEAR!r})"
    columns = ["1.0", *(" * ".join(t if part == time else _name(part) for part in term.split(":")) for term in terms)]
    columns.append(f"{_name(outcome)} - (select avg({_name(outcome)}) from used)")
    size = len(columns)
    used = " and ".join(f"{_finite(name)}" for name in dict.fromkeys([outcome, time, *source_columns(terms)]))
    places = list(zip(*packing(size), strict=True))
    row = ", ".join(f"cast({column} as double) as a{number}" for number, column in enumerate(columns))
    by_patient = [f"sum(a{i}) as u{i}, sum(a{i} * t) as v{i}" for i in range(size)]
    by_patient += [f"sum(a{i} * a{j}) as w{i}_{j}" for i, j in places]
    products = [f"sum(u{i} * u{j})" for i, j in places]
    products += [f"sum(u{i} * v{j} + v{i} * u{j}) / 2" for i, j in places]
    products += [f"sum(v{i} * v{j})" for i, j in places]
    totals = [f"sum(w{i}_{j})" for i, j in places]
    return f"""with used as (
    select * from {relation} where {used} and {_name(patient)} is not null
),

measured as (
    select {_name(patient)} as patient, cast({t} as double) as t, {row} from used
),

by_patient as (
    select count(*) as n, sum(t) as s, sum(t * t) as r, {", ".join(by_patient)} from measured group by patient
)

select n, s, r, count(*), {", ".join(products + totals)}
from by_patient
group by n, s, r
order by n, s, r"""


def _query(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    outcome: str,
    terms: tuple[str, ...],
    patient: str,
    time: str,
    *,
    has_slope: bool,
) -> tuple[PatientSums, Facts, float, int]:
    """Sums, what decides whether they identify a model, variance of the outcome, and rows dropped."""
    described = {row[0]: str(row[1]) for row in connection.execute(f"describe select * from {relation}").fetchall()}
    for name in (outcome, patient, time, *source_columns(terms)):
        if name not in described:
            raise NotEstimableError(f"there is no column '{name}'; columns are {', '.join(described)}")
        if name != patient and described[name] in {"VARCHAR", "BLOB", "DATE", "TIMESTAMP"}:
            raise NotEstimableError(f"'{name}' holds text; a number is needed there")
    found = connection.execute(sums_sql(relation, outcome, terms, patient, time)).fetchnumpy()
    table = np.array([np.asarray(column, dtype=float) for column in found.values()])
    if table.shape[1] == 0:
        raise NotEstimableError("no row has a value in every column of the model")
    n_all = connection.execute(f"select count(*) from {relation}").fetchall()[0][0]
    zz, count = table[:3], table[3]
    n_rows, n_patients = int(zz[0] @ count), int(count.sum())
    size = len(terms) + 2
    k = size * (size + 1) // 2
    products, totals = table[4 : 4 + 3 * k].reshape(3, k, -1), table[4 + 3 * k :]
    rows, columns = packing(size)
    joint = np.empty((size, size))
    joint[rows, columns] = joint[columns, rows] = totals.sum(axis=1)
    names = (INTERCEPT, *terms)
    variance = float(joint[-1, -1]) / n_rows
    r, pivots = _triangle(joint[:-1, :-1])
    squared = float(zz[2] @ count)
    spread_of_time = squared - float(zz[1] @ count) ** 2 / n_rows
    projection = np.zeros(size - 1)
    if pivots.min() > 0:
        projection = np.linalg.solve(r.T, joint[:-1, -1]).astype(float)
    left = float(joint[-1, -1] - projection @ projection)
    facts = Facts(
        terms=names,
        n_rows=n_rows,
        n_patients=n_patients,
        n_random=2 if has_slope else 1,
        is_outcome_constant=variance <= 0,
        is_time_constant=spread_of_time <= 1e-12 * max(squared, 1.0),
        pivots=pivots,
        unexplained=left / float(joint[-1, -1]) if variance > 0 else 0.0,
    )
    check_identified(facts)
    sums = _sums(zz, count, products, totals, r, projection, has_slope=has_slope)
    mean = float(connection.execute(_mean_sql(relation, outcome, terms, patient, time)).fetchall()[0][0])
    # the outcome was centred: its mean goes back to the intercept
    return replace(sums, projection=projection + r[:, 0] * mean), facts, variance, int(n_all) - n_rows


def _triangle(cross: Floats) -> tuple[Floats, Floats]:
    """R (upper triangular) with R'R = `cross`, and each pivot relative to its column's length; zero where dependent."""
    lengths = np.sqrt(np.diag(cross))
    scale = np.where(lengths > 0, lengths, 1.0)
    size = len(cross)
    lower, left = np.zeros((size, size)), cross / np.outer(scale, scale)
    pivots = np.zeros(size)
    for j in range(size):
        own = left[j, j] - lower[j, :j] @ lower[j, :j]
        if own > 1e-13:  # its root is the relative pivot; sums of squares cannot tell less
            pivots[j] = np.sqrt(own)
            lower[j, j] = pivots[j]
            lower[j + 1 :, j] = (left[j + 1 :, j] - lower[j + 1 :, :j] @ lower[j, :j]) / pivots[j]
    return (lower * scale[:, None]).T, pivots


def _sums(
    zz: Floats, count: Floats, products: Floats, totals: Floats, r: Floats, projection: Floats, *, has_slope: bool
) -> PatientSums:
    """From raw columns to an orthonormal basis, the residual and scaled time."""
    size = len(r) + 1
    rows, columns = packing(size)
    back = np.linalg.inv(r)
    turn = np.zeros((size, size))
    turn[:-1, :-1], turn[:-1, -1], turn[-1, -1] = back, -back @ projection, 1.0
    scale = np.array([1.0, np.sqrt(float(zz[2] @ count) / float(zz[0] @ count)) if has_slope else 1.0])
    groups = zz.shape[1]
    # a packed symmetric matrix M becomes that of turn' M turn by one product with a K × K matrix
    change = np.empty((len(rows), len(rows)))
    for place, (i, j) in enumerate(zip(rows, columns, strict=True)):
        unit = np.zeros((size, size))
        unit[i, j] = unit[j, i] = 1.0
        change[place] = (turn.T @ unit @ turn)[rows, columns]
    turned = products.transpose(0, 2, 1) @ change
    by_group = totals.T @ change
    by_time = np.array([1.0, 1 / scale[1], 1 / scale[1] ** 2]) if has_slope else np.array([1.0, 0.0, 0.0])
    return PatientSums(
        n_rows=int(zz[0] @ count),
        n_patients=int(count.sum()),
        n_fixed=size - 1,
        n_random=2 if has_slope else 1,
        count=count,
        zz=zz * by_time[:, None],
        products=(turned * by_time[:, None, None]).reshape(3 * groups, -1),
        total=by_group.sum(axis=0),
        z_scale=scale,
        r=r,
        projection=projection,
        total_by_group=by_group if groups > MANY_GROUPS else None,
    )


def _mean_sql(relation: str, outcome: str, terms: Sequence[str], patient: str, time: str) -> str:
    used = " and ".join(_finite(name) for name in dict.fromkeys([outcome, time, *source_columns(terms)]))
    return f"select avg({_name(outcome)}) from {relation} where {used} and {_name(patient)} is not null"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _finite(column: str) -> str:
    name = _name(column)
    return f"{name} is not null and isfinite(cast({name} as double))"
