"""How far definitions of one thing agree: n of N, agreement, overlap, kappa.

What belongs here: pairs of 0/1 columns, one value per course. What does not: agreement of raters over a scale.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.groups import ALL, one_per_course
from assets.analysis.procedure import Found, Room
from codebook.procedures.overlap import Overlap

if TYPE_CHECKING:
    import pandas as pd

METHOD = "Cohen's kappa, asymptotic interval"


def overlap(declared: Overlap, room: Room) -> Found:
    """results.description: who meets each definition. results.agreement: every ordered pair.

    `pct_both` is the share of those who meet `definition` that meet `other_definition`, too; agreement and kappa are
    the same in both directions.
    """
    if room.panel.empty:
        raise NotEstimableError("the panel has no rows")
    courses = one_per_course(room.panel)
    found = Found(METHOD, n_patients=int(courses["patient_id"].nunique()), n_observations=len(courses))
    for name, label in declared.definitions.items():
        valid = courses[name].dropna()
        count = int(valid.sum())
        found.add(
            "results.description",
            variable=name,
            label=label,
            measure_type="binary",
            group_label=ALL,
            n_valid=len(valid),
            n_total=len(courses),
            count=count,
            pct=100 * count / len(valid) if len(valid) else None,
        )
    for name, other in permutations(declared.definitions, 2):
        names = {"definition": name, "label": declared.definitions[name]}
        names |= {"other_definition": other, "other_label": declared.definitions[other]}
        found.add("results.agreement", **names, **agreement(courses[name], courses[other]))
    return found


def agreement(first: pd.Series, second: pd.Series) -> dict[str, Any]:
    """Counts, percentages and Cohen's kappa (Cohen 1960; interval: Fleiss, Cohen and Everitt 1969) of two 0/1 columns.

    Only rows where both are known count; a share of nobody is null.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    known = first.notna() & second.notna()
    one, two = first[known].to_numpy(dtype=int), second[known].to_numpy(dtype=int)
    n = len(one)
    n_agree, n_positive, n_both = int((one == two).sum()), int(one.sum()), int((one & two).sum())
    row: dict[str, Any] = {"n": n, "n_agree": n_agree, "n_positive": n_positive, "n_both": n_both}
    if n == 0:
        return row | {"reason": "no course has a value of both"}
    row |= {"pct_agree": 100 * n_agree / n, "pct_both": 100 * n_both / n_positive if n_positive else None}
    if len(set(one)) < 2 or len(set(two)) < 2:
        return row | {"reason": "no kappa: one of the two has the same value for everyone"}
    table = np.array([[int(((one == i) & (two == j)).sum()) for j in (0, 1)] for i in (0, 1)])
    kappa = cohens_kappa(table)
    numbers = {
        "kappa": kappa.kappa,
        "std_error": kappa.std_kappa,
        "ci_low": kappa.kappa_low,
        "ci_high": kappa.kappa_upp,
    }
    return row | {name: float(value) for name, value in numbers.items()} | {"method": METHOD}
