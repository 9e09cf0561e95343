"""Change between two occasions and standardised mean differences, each variant by its name.

What belongs here: formulas of differences between two occasions. What does not: models over all occasions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.procedure import Found, Room
from codebook.procedures.pre_post import PrePost

if TYPE_CHECKING:
    import pandas as pd


def pre_post(declared: PrePost, room: Room) -> Found:
    """Paired change of each outcome: patients with a value on both occasions."""
    found = Found("paired differences; d_z = mean change / SD of change")
    for outcome in declared.outcomes:
        label = room.analysis.outcomes.get(outcome, outcome)
        row = {"outcome": outcome, "label": label, "variant": "d_z"}
        try:
            before, after = pairs(room.panel, outcome, declared.before, declared.after)
            change = after - before
            found.add(
                "results.effect_size",
                **row,
                estimate=float(change.mean() / change.std(ddof=1)),
                mean_before=float(before.mean()),
                mean_after=float(after.mean()),
                mean_change=float(change.mean()),
                n=len(change),
            )
        except NotEstimableError as problem:
            found.add("results.effect_size", **row, reason=str(problem))
    return found


def pairs(panel: pd.DataFrame, outcome: str, before: str, after: str) -> tuple[np.ndarray, np.ndarray]:
    """First value at `before` and last value at `after`, by episode, where both are there.

    Raises:
        NotEstimableError: fewer than two pairs, or no variance.
    """
    rows = panel.loc[panel[outcome].notna()].sort_values(["episode_id", "months"], kind="stable")
    first = rows.loc[rows["occasion"] == before].groupby("episode_id")[outcome].first()
    last = rows.loc[rows["occasion"] == after].groupby("episode_id")[outcome].last()
    both = first.to_frame("before").join(last.to_frame("after"), how="inner")
    if len(both) < 2:
        raise NotEstimableError(f"{len(both)} courses have '{outcome}' at {before} and at {after}; 2 are needed")
    if float(np.ptp(both["after"] - both["before"])) == 0:
        raise NotEstimableError(f"the change of '{outcome}' is the same for everyone")
    return both["before"].to_numpy(dtype=float), both["after"].to_numpy(dtype=float)
