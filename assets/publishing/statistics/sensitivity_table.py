"""The same question asked in other ways: a table of specifications, the primary one first.

What belongs here: rows of `results.sensitivity` as a table, and what they say together. What does not: its figure
(`plots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assets.publishing.formatting import listing, number, p_value, plural, stars
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import (
    HIDDEN,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    count_cell,
    decimals_by_error,
    estimate_cell,
    interval_cell,
    p_cell,
)
from assets.publishing.statistics.withheld import MARK

SENSITIVITY = "results.sensitivity"
MOST_ROWS = 24
"""Specifications that a page shows before the fold."""


def sensitivity_table(procedure: Procedure) -> PaperTable:
    """One row for each specification, by outcome, the primary one first."""
    found = sorted(procedure.rows(SENSITIVITY), key=lambda row: not row["is_primary"])
    outcomes = list(dict.fromkeys(row["outcome"] for row in procedure.rows(SENSITIVITY)))
    columns = (Column("Estimate (SE)"), Column("95 % CI"), Column("p"), Column("Patients"), Column("Observations"),
               Column("Fit", is_number=False))  # fmt: skip
    rows: list[Row] = []
    sentences: list[str] = []
    for outcome in outcomes:
        own = [row for row in found if row["outcome"] == outcome]
        decimals = decimals_by_error([row["std_error"] for row in own])
        rows.append(Row(procedure.outcome(outcome)))
        rows += [Row(_choices(row), _cells(row, decimals, len(columns)), is_indented=True) for row in own]
        sentence = _sentence(procedure.outcome(outcome), own)
        sentences += [sentence] if sentence else []
    known = [row for row in found if row["estimate"] is not None]
    doubtful = sum(row["is_singular"] is True or row["is_converged"] is False for row in known)
    failed = sum(bool(row["reason"]) for row in found)
    doubt = "The specifications share patients, so they are no independent evidence"
    if doubtful or failed:
        doubt += f"; {doubtful} of {len(found)} are singular or did not converge, {failed} could not be estimated"
    reasons = dict.fromkeys(f"{_choices(row)}: {row['reason']}." for row in found if row["reason"])
    return PaperTable(
        procedure.name + "_sensitivity", procedure.title, "Specification", columns, tuple(rows), tuple(reasons),
        procedure.tables[SENSITIVITY], Reading(tuple(sentences), f"{doubt}."), "", MOST_ROWS,
    )  # fmt: skip


def _choices(row: dict[str, Any]) -> str:
    text = str(row["choices"] or f"specification {row['universe']}").replace("_", " ")
    return f"{text} (primary)" if row["is_primary"] else text


def _cells(row: dict[str, Any], decimals: int, n: int) -> tuple[Cell, ...]:
    if row[MARK]:
        return (HIDDEN,) * n
    if row["estimate"] is None:
        return (Cell("n/a", row["reason"] or "", is_muted=True), *(Cell(),) * (n - 1))
    said = [word for word, holds in (("singular", row["is_singular"] is True),
            ("not converged", row["is_converged"] is False)) if holds]  # fmt: skip
    return (
        estimate_cell(row["estimate"], row["std_error"], decimals, row["p_value"]),
        interval_cell(row["ci_low"], row["ci_high"], decimals),
        p_cell(row["p_value"]), count_cell(row["n_patients"]), count_cell(row["n_observations"]),
        Cell(listing(said) or "as it should be"),
    )  # fmt: skip


def _sentence(outcome: str, own: Sequence[dict[str, Any]]) -> str:
    known = [row for row in own if row["estimate"] is not None]
    if not known:
        return ""
    primary = next((row for row in known if row["is_primary"]), None)
    values = sorted(row["estimate"] for row in known)
    decimals = decimals_by_error([row["std_error"] for row in known])
    clear = sum(bool(stars(row["p_value"])) for row in known)
    text = (
        f"{outcome}: {plural(len(known), 'specification')} give {number(values[0], decimals)} to "
        f"{number(values[-1], decimals)}, {clear} of them with p < .05"
    )
    if primary is not None:
        side = sum((row["estimate"] > 0) == (primary["estimate"] > 0) for row in known)
        text += (
            f"; the primary one gives {number(primary['estimate'], decimals)} ({p_value(primary['p_value'])}), "
            f"and {side} of {len(known)} have its sign"
        )
    return f"{text}."
