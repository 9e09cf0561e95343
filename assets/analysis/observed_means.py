"""Observed means of outcomes by occasion and group: the points of a figure of trajectories.

What belongs here: means over patients at an occasion. What does not: a model's line, drawing, or what may be shown.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.groups import ALL
from assets.analysis.levels import stratum
from assets.analysis.procedure import Found, Room
from codebook.panel import Level
from codebook.procedures.observed_means import ObservedMeans

if TYPE_CHECKING:
    import pandas as pd

UNSCHEDULED = "unscheduled"


def observed_means(declared: ObservedMeans, room: Room) -> Found:
    """Rows of results.description: `variable` an outcome, `occasion` and `at_months`, a group; n_valid are courses.

    A course with two assessments at an occasion counts once, with their mean. Where it is not known at which occasion
    an assessment was made, or it was an extra one, it is in no mean. `at_months` is the median of the rows; 95 %
    interval: mean ± t(n − 1) · SD / √n.
    """
    panel = room.panel.loc[room.panel["occasion"].notna() & (room.panel["occasion"] != UNSCHEDULED)]
    if panel.empty:
        raise NotEstimableError("no row of the panel is of a known occasion")
    found = Found(
        "mean over courses at an occasion, interval by t; extra assessments are left out",
        n_patients=int(panel["patient_id"].nunique()),
        n_observations=len(panel),
    )
    if declared.model is not None:
        found.note = f"lines: model {declared.model}"
    groups: list[tuple[Level | None, str, pd.DataFrame]] = [(None, ALL, panel)]
    if declared.group is not None:
        groups = [
            (level, text, panel.loc[stratum(panel, {declared.group: level})]) for level, text in declared.labels.items()
        ]
    for outcome in declared.outcomes:
        label = room.analysis.outcomes.get(outcome, outcome)
        for level, group_label, rows in groups:
            key: dict[str, Any] = {
                "variable": outcome,
                "label": label,
                "measure_type": "continuous",
                "group_label": group_label,
            }
            key["group_level"] = None if level is None else str(level)
            for cell in _cells(rows, outcome):
                found.add("results.description", **key, **cell)
    return found


def _cells(rows: pd.DataFrame, outcome: str) -> list[dict[str, Any]]:
    from scipy.stats import t as student

    known = rows.loc[rows[outcome].notna()]
    n_total = int(rows["episode_id"].nunique())
    cells = []
    for occasion, part in known.groupby("occasion"):
        values = part.groupby("episode_id")[outcome].mean()
        n = len(values)
        cell: dict[str, Any] = {"occasion": occasion, "at_months": float(part["months"].median())}
        cell |= {"n_valid": n, "n_total": n_total, "mean": float(values.mean())}
        cell |= {"minimum": float(values.min()), "maximum": float(values.max())}
        if n > 1:
            sd = float(values.std(ddof=1))
            half = float(student.ppf(0.975, n - 1)) * sd / math.sqrt(n)
            cell |= {"sd": sd, "ci_low": cell["mean"] - half, "ci_high": cell["mean"] + half}
        cells.append(cell)
    return sorted(cells, key=lambda cell: cell["at_months"])
