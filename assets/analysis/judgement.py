"""What is said of a published model beside its estimates: the public reference, diagnostics and variance intervals.

What belongs here: which of these a model gets, as rows. What does not: any of the computations.
"""

from __future__ import annotations

from typing import Any

from assets.analysis.design_matrix import Design
from assets.analysis.diagnostics import diagnostics, rebuild
from assets.analysis.mixed_model import MixedModelFit, finite_or_none
from assets.analysis.profile_intervals import as_rows
from assets.analysis.reference import check
from assets.analysis.threads import single_threaded

Rows = dict[str, list[dict[str, Any]]]


def judge(fitted: MixedModelFit, design: Design) -> Rows:
    """Rows without their keys, by table: one of `results.reference_check`, and those of `results.diagnostic`."""
    with single_threaded():
        rows: Rows = {
            "results.reference_check": [check(fitted, design)],
            "results.diagnostic": [],
        }
        if fitted.reason is None:
            rows["results.diagnostic"] = [
                {key: finite_or_none(value) for key, value in row.items()}
                for row in diagnostics(rebuild(fitted, design))
            ]
    return rows


def variance_intervals(fitted: MixedModelFit) -> dict[str, dict[str, Any]]:
    """`ci_low`, `ci_high` and `ci_method` by component, from the profile likelihood; empty without a fit."""
    if fitted.reason is not None:
        return {}
    columns = ("ci_low", "ci_high", "ci_method")
    return {
        str(row["component"]): {column: finite_or_none(row[column]) for column in columns} for row in as_rows(fitted)
    }
