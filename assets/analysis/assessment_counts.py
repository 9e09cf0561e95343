"""How many assessments there are for each course, and how many courses lack the final one.

What belongs here: counts over a panel's rows. What does not: what was due (`quality.expected_assessment`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.groups import ALL
from assets.analysis.procedure import Found, Room
from codebook.procedures.assessment_counts import AssessmentCounts, Counted

if TYPE_CHECKING:
    import pandas as pd


def assessment_counts(declared: AssessmentCounts, room: Room) -> Found:
    """Rows of results.description for each thing counted; N is every course of the panel, also those with none.

    `<name>`: assessments per course, among courses with one or more. `<name>_one`, `<name>_at_least_<n>`: how many of
    those courses have so many. `<name>_one_in_first_year`: of those with one. `<name>_lacks_final`: of all courses.
    """
    panel = room.panel
    if panel.empty:
        raise NotEstimableError("the panel has no rows")
    found = Found(
        "a row of the panel with any of the columns is an assessment",
        n_patients=int(panel["patient_id"].nunique()),
        n_observations=len(panel),
    )
    n_courses = int(panel["episode_id"].nunique())
    for name, counted in declared.counted.items():
        for row in _counts(panel, name, counted, n_courses, declared):
            found.add("results.description", **row)
    return found


def _counts(
    panel: pd.DataFrame, name: str, counted: Counted, n_courses: int, declared: AssessmentCounts
) -> list[dict[str, Any]]:
    rows = panel.loc[panel[list(counted.columns)].notna().any(axis=1)]
    counts = rows.groupby("episode_id").size()
    single = rows.loc[rows["episode_id"].isin(counts.index[counts == 1])]
    final = rows.loc[rows["occasion"] == declared.final, "episode_id"].nunique()
    n = len(counts)

    def share(suffix: str, label: str, count: int, of: int) -> dict[str, Any]:
        said = {"variable": f"{name}_{suffix}", "label": f"{counted.label}: {label}", "measure_type": "binary"}
        numbers = {"n_valid": of, "n_total": n_courses, "count": count, "pct": 100 * count / of if of else None}
        return said | {"group_label": ALL} | numbers

    per_course: dict[str, Any] = {"variable": name, "label": f"{counted.label} per patient"}
    per_course |= {"measure_type": "continuous", "group_label": ALL, "n_valid": n, "n_total": n_courses}
    if n:
        per_course |= {"mean": float(counts.mean()), "sd": float(counts.std(ddof=1)) if n > 1 else None}
        per_course |= {"minimum": float(counts.min()), "maximum": float(counts.max())}
    first_year = int((single["months"] <= declared.first_year_months).sum())
    within = f"within {declared.first_year_months:g} months, of those with one"
    return [
        per_course,
        share("one", "one only", len(single), n),
        share("one_in_first_year", within, first_year, len(single)),
        *(share(f"at_least_{k}", f"{k} or more", int((counts >= k).sum()), n) for k in declared.at_least),
        share("lacks_final", f"none at {declared.final}", n_courses - int(final), n_courses),
    ]
