"""Who the patients are, by group: descriptions, tests of a difference and standardised differences.

What belongs here: one value per course, described and compared. What does not: change over time, or any model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.levels import stratum
from assets.analysis.procedure import Found, Room
from codebook.panel import Level
from codebook.procedures.group_comparison import GroupComparison, MeasureType, Variable

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
ALL = "All"
SPARSE = 5.0
"""An expected count below this: Fisher's exact test, not Pearson's chi-square (Cochran 1954)."""
Z_95 = 1.959963984540054


def group_comparison(declared: GroupComparison, room: Room) -> Found:
    """Rows of results.description (each group, and all) and of results.group_test (one for each variable)."""
    courses = one_per_course(room.panel)
    text = {"pooled": "Student's t (one variance)", "welch": "Welch's t"}[declared.t_test]
    found = Found(
        f"{text}; Pearson chi-square without correction, Fisher's exact test where an expected count is below 5; "
        "standardised difference: over the root of the mean of both variances, normal interval"
        if declared.group
        else "mean and SD, or n of N",
        n_patients=int(courses["patient_id"].nunique()),
        n_observations=len(courses),
    )
    groups = {level: courses.loc[stratum(courses, {declared.group or "": level})] for level in declared.labels}
    for name, variable in declared.variables.items():
        kind = variable.type or _kind(courses[name])
        shown = {"variable": name, "label": variable.label, "measure_type": kind}
        categories = _categories(courses[name], variable) if kind == "categorical" else {}
        parts: list[tuple[Level | None, str, pd.Series]] = [
            (level, declared.labels[level], rows[name]) for level, rows in groups.items()
        ]
        for level, label, values in [*parts, (None, ALL, courses[name])]:
            key = shown | {"group_level": None if level is None else str(level), "group_label": label}
            for entry in _described(values, kind, categories):
                found.add("results.description", **key, **entry)
        if declared.group is not None:
            tested = _tested({label: values for _, label, values in parts}, kind, categories, declared)
            found.add("results.group_test", variable=name, label=variable.label, **tested)
    return found


def one_per_course(panel: pd.DataFrame) -> pd.DataFrame:
    """A row for each course, each column's first known value in time; a table with no row has none."""
    ordered = panel.sort_values(["episode_id", "months"], kind="stable")
    return ordered.groupby("episode_id", sort=True).first().reset_index()


def standardised_difference(first: Floats, second: Floats, kind: MeasureType) -> tuple[float, float, float]:
    """Second minus first over √((s₁² + s₂²) / 2), with a 95 % interval; s² = p (1 − p) for 0/1 values (Austin 2009).

    Variance of d: (n₁ + n₂) / (n₁ n₂) + d² / (2 (n₁ + n₂)) (Hedges and Olkin 1985).

    Raises:
        NotEstimableError: neither group has any spread.
    """
    spreads = [
        float(v.var(ddof=1)) if kind == "continuous" else float(v.mean() * (1 - v.mean())) for v in (first, second)
    ]
    spread = math.sqrt(sum(spreads) / 2)
    if spread == 0:
        raise NotEstimableError("neither group has any spread")
    return _with_interval(float(second.mean() - first.mean()) / spread, len(first), len(second))


def categorical_difference(first: Floats, second: Floats) -> tuple[float, float, float]:
    """The standardised difference of a factor from its counts by category (Yang and Dalton 2012); never negative.

    Raises:
        NotEstimableError: its covariance cannot be inverted.
    """
    shares = [counts / counts.sum() for counts in (first, second)]
    change = (shares[1] - shares[0])[1:]
    covariances = [np.diag(share[1:]) - np.outer(share[1:], share[1:]) for share in shares]
    covariance = (covariances[0] + covariances[1]) / 2
    if np.linalg.matrix_rank(covariance) < len(change):
        raise NotEstimableError("a category holds nobody, or everybody")
    d = math.sqrt(max(float(change @ np.linalg.solve(covariance, change)), 0.0))
    return _with_interval(d, int(first.sum()), int(second.sum()))


def freeman_halton(table: NDArray[np.int64], n_tables: int, seed: int) -> float:
    """Fisher's exact test of r × c counts (Freeman and Halton 1951) over random tables with the same margins.

    p = (1 + tables that are as improbable or more) / (1 + tables), as Phipson and Smyth (2010) advise.
    """
    from scipy.stats import random_table

    law = random_table(table.sum(axis=1), table.sum(axis=0))
    drawn = law.rvs(n_tables, random_state=np.random.default_rng(seed))
    limit = float(law.logpmf(table)) + 1e-9
    return float((1 + int((law.logpmf(drawn) <= limit).sum())) / (1 + n_tables))


def _with_interval(d: float, n_first: int, n_second: int) -> tuple[float, float, float]:
    total = n_first + n_second
    error = math.sqrt(total / (n_first * n_second) + d**2 / (2 * total))
    return d, d - Z_95 * error, d + Z_95 * error


def _kind(values: pd.Series) -> MeasureType:
    if values.dtype.kind not in "biuf":
        return "categorical"
    return "binary" if set(values.dropna().unique()) <= {0, 1} else "continuous"


def _categories(values: pd.Series, variable: Variable) -> dict[str, str]:
    """Category → what is printed: those declared, in their order, then the others that occur."""
    seen = sorted(_words(values.dropna()).unique())
    return dict(variable.categories) | {one: one for one in seen if one not in variable.categories}


def _words(values: pd.Series) -> pd.Series:
    """Categories as text; numbers that are whole without a point."""
    if values.dtype.kind == "f":
        return values.map(lambda value: f"{value:g}")
    return values.astype(str)


def _described(values: pd.Series, kind: MeasureType, categories: Mapping[str, str]) -> list[dict[str, Any]]:
    valid = values.dropna()
    counts = {"n_valid": len(valid), "n_total": len(values)}
    if kind == "continuous":
        numbers = valid.to_numpy(dtype=float)
        if not len(numbers):
            return [counts]
        spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
        limits = {"minimum": float(numbers.min()), "maximum": float(numbers.max())}
        return [counts | {"mean": float(numbers.mean()), "sd": spread} | limits]
    if kind == "binary":
        return [counts | _share(int(valid.sum()), len(valid))]
    found = _words(valid).value_counts()
    return [
        counts | {"category": label} | _share(int(found.get(category, 0)), len(valid))
        for category, label in categories.items()
    ]


def _share(count: int, n: int) -> dict[str, Any]:
    return {"count": count, "pct": 100 * count / n if n else None}


def _tested(
    parts: Mapping[str, pd.Series], kind: MeasureType, categories: Mapping[str, str], declared: GroupComparison
) -> dict[str, Any]:
    known = {label: values.dropna() for label, values in parts.items()}
    n = sum(map(len, known.values()))
    try:
        _require(known, kind)
        if kind == "continuous":
            tested = _continuous([values.to_numpy(dtype=float) for values in known.values()], declared)
        else:
            tested = _counted(_table(known, kind, categories), kind, declared)
    except NotEstimableError as problem:
        return {"n": n, "reason": str(problem)}
    return {"n": n} | tested


def _require(known: Mapping[str, pd.Series], kind: MeasureType) -> None:
    least = 2 if kind == "continuous" else 1
    for label, values in known.items():
        if len(values) < least:
            raise NotEstimableError(f"{len(values)} of the group '{label}' have a value; {least} are needed")
    if len({value for values in known.values() for value in values.unique()}) < 2:
        raise NotEstimableError("everyone has the same value")


def _continuous(values: Sequence[Floats], declared: GroupComparison) -> dict[str, Any]:
    from scipy import stats

    if all(float(np.ptp(one)) == 0 for one in values):
        raise NotEstimableError("no group has any spread")
    if len(values) > 2:
        tested = stats.f_oneway(*values, equal_var=declared.t_test == "pooled")
        df = float(len(values) - 1)
        return {"test": "anova", "statistic": float(tested.statistic), "df": df, "p_value": float(tested.pvalue)}
    first, second = values
    tested = stats.ttest_ind(second, first, equal_var=declared.t_test == "pooled")
    d, low, high = standardised_difference(first, second, "continuous")
    return {
        "test": "t_test" if declared.t_test == "pooled" else "welch_t_test",
        "estimate": float(second.mean() - first.mean()),
        "statistic": float(tested.statistic),
        "df": float(tested.df),
        "p_value": float(tested.pvalue),
        "smd": d,
        "smd_ci_low": low,
        "smd_ci_high": high,
    }


def _table(known: Mapping[str, pd.Series], kind: MeasureType, categories: Mapping[str, str]) -> Floats:
    """Counts, groups by categories; a category that nobody has is left out."""
    if kind == "binary":
        return np.array([[float((v == 0).sum()), float((v == 1).sum())] for v in known.values()])
    words = [_words(values) for values in known.values()]
    table = np.array([[float((one == category).sum()) for category in categories] for one in words])
    return table[:, table.sum(axis=0) > 0]


def _counted(table: Floats, kind: MeasureType, declared: GroupComparison) -> dict[str, Any]:
    from scipy import stats

    whole = table.astype(np.int64)
    expected = stats.contingency.expected_freq(table)
    found: dict[str, Any]
    if expected.min() >= SPARSE:
        tested = stats.chi2_contingency(table, correction=False)
        found = {"test": "chi_square", "statistic": float(tested.statistic), "df": float(tested.dof)}
        found["p_value"] = float(tested.pvalue)
    elif table.shape == (2, 2):
        found = {"test": "fisher_exact", "p_value": float(stats.fisher_exact(whole).pvalue)}
    else:
        name = f"fisher_exact, {declared.random_tables} random tables, seed {declared.seed}"
        found = {"test": name, "p_value": freeman_halton(whole, declared.random_tables, declared.seed)}
    if len(table) > 2:
        return found
    if kind == "binary":
        shares = table[:, 1] / table.sum(axis=1)
        found["estimate"] = float(100 * (shares[1] - shares[0]))
        columns = [np.repeat([0.0, 1.0], row.astype(int)) for row in table]
        d, low, high = standardised_difference(columns[0], columns[1], "binary")
    else:
        try:
            d, low, high = categorical_difference(table[0], table[1])
        except NotEstimableError as problem:
            return found | {"reason": f"no standardised difference: {problem}"}
    return found | {"smd": d, "smd_ci_low": low, "smd_ci_high": high}
