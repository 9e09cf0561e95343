"""What every procedure gets and gives back, and which function runs which kind.

What belongs here: the frame around procedures: their input, their rows, and the reason where there are none.
What does not: any statistic, or any table's columns (`result_schemas`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError
from codebook.analysis import Analysis
from codebook.library import Library
from codebook.procedures.base import ProcedureBase

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Room:
    """What a procedure may read."""

    analysis: Analysis
    library: Library
    panel: pd.DataFrame
    """Columns as `panel.panel_columns` says: patient_id, episode_id, site_id, months, measures, covariates, occasion,
    assessment_id; one row for each assessment."""
    connection: duckdb.DuckDBPyConnection
    """The warehouse being built, read-only: `harmonised.*`."""


@dataclass
class Found:
    """What a procedure says of itself, and its rows by table (`results.effect_size` …, or `analysis.<table>`).

    Rows need no `analysis` and no `procedure`: both are added. A part that cannot be computed is a row with a `reason`.
    """

    method: str
    n_patients: int | None = None
    n_observations: int | None = None
    note: str | None = None
    rows: Rows = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> None:
        """Append one row; NaN and infinite become null."""
        self.rows.setdefault(table, []).append(values)


_RUNNERS = {
    "multiverse": "assets.analysis.multiverse:multiverse",
    "assessment_counts": "assets.analysis.assessment_counts:assessment_counts",
    "group_comparison": "assets.analysis.groups:group_comparison",
    "observed_means": "assets.analysis.observed_means:observed_means",
    "overlap": "assets.analysis.overlap:overlap",
    "counts": "assets.analysis.counts.procedure:counts",
    "cross_lagged": "assets.analysis.process.cross_lagged:cross_lagged",
    "delta_adjustment": "assets.analysis.process.delta:delta_adjustment",
    "lagged": "assets.analysis.process.lagged:lagged",
    "mediation": "assets.analysis.process.mediation:mediation",
    "process_codes": "assets.analysis.counts.process_codes:process_codes",
    "within_between": "assets.analysis.process.within_between:within_between",
    "pre_post": "assets.analysis.effect_sizes:pre_post",
    "pre_post_arms": "assets.analysis.effect_sizes:pre_post_arms",
    "agreement": "assets.analysis.agreement:agreement",
    "linking": "assets.analysis.linking:linking",
    "reliable_change": "assets.analysis.reliable_change:reliable_change",
    "reliability": "assets.analysis.reliability:internal_consistency",
    "joint_scales": "assets.analysis.multilevel.joint_scales:joint_scales",
    "arms_by_time": "assets.analysis.multilevel.arms_by_time:arms_by_time",
    "three_level": "assets.analysis.multilevel.three_level:three_level",
}
"""`module:function` by kind: a function of the declaration and a `Room` to `Found`, imported when it is needed."""


def run_procedure(procedure: ProcedureBase, room: Room, refused: str | None = None) -> tuple[dict[str, Any], Rows]:
    """The row of `results.procedure`, and the rows of the other tables; a failure is a reason without any value.

    `refused`: why there is no panel to compute from; nothing is computed then.
    """
    kind = str(getattr(procedure, "kind"))  # noqa: B009  every subclass has one, the base has none
    row: dict[str, Any] = {"analysis": room.analysis.name, "procedure": procedure.name, "kind": kind}
    row["title"] = procedure.title
    if refused is not None:
        return row | {"reason": refused}, {}
    try:
        found = _runner(kind)(procedure, room)
    except NotEstimableError as problem:
        return row | {"reason": str(problem)}, {}
    except Exception as problem:  # one procedure never stops the rest; its message could hold a value
        return row | {"reason": f"the computation failed with {type(problem).__name__}"}, {}
    said = {name: getattr(found, name) for name in ("method", "n_patients", "n_observations", "note")}
    keys = {"analysis": room.analysis.name, "procedure": procedure.name}
    rows = {table: [keys | values for values in entries] for table, entries in found.rows.items()}
    return row | said, rows


def _runner(kind: str) -> Callable[[Any, Room], Found]:
    module, _, name = _RUNNERS[kind].partition(":")
    found: Callable[[Any, Room], Found] = getattr(import_module(module), name)
    return found
