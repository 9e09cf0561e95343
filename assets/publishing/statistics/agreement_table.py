"""How far definitions of one thing agree: each pair once, with the share of those who meet one that meet the other.

What belongs here: rows of `results.agreement` as a table. What does not: how many meet each (`group_table`).
"""

from __future__ import annotations

from typing import Any

from assets.publishing.formatting import count, number, plural
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import (
    ABSENT,
    HIDDEN,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    interval_cell,
    number_cell,
)
from assets.publishing.statistics.withheld import MARK

AGREEMENT = "results.agreement"


def agreement_table(procedure: Procedure) -> PaperTable:
    """One row for each ordered pair: of those with the first, how many have the second; agreement; kappa."""
    found = procedure.rows(AGREEMENT)
    columns = (
        Column("n of N"), Column("%"), Column("Agree, %"), Column("Kappa"), Column("95 % CI"), Column("Both known, n"),
    )  # fmt: skip
    rows: list[Row] = []
    seen = ""
    for row in found:
        first = str(row["label"] or row["definition"])
        if first != seen:
            rows.append(Row(f"Of those with: {first}"))
            seen = first
        rows.append(Row(str(row["other_label"] or row["other_definition"]), _cells(row), is_indented=True))
    reasons = dict.fromkeys(
        f"{row['label']} and {row['other_label']}: {row['reason']}." for row in found if row["reason"]
    )
    return PaperTable(
        f"{procedure.name}_agreement", f"{procedure.title}: pairs", "Definition", columns, tuple(rows), tuple(reasons),
        procedure.tables[AGREEMENT], _reading(found),
    )  # fmt: skip


def _cells(row: dict[str, Any]) -> tuple[Cell, ...]:
    if row[MARK]:
        return (HIDDEN,) * 6
    share = ABSENT if row["n_positive"] is None else Cell(f"{count(row['n_both'])} of {count(row['n_positive'])}")
    return (
        share, number_cell(row["pct_both"], 0), number_cell(row["pct_agree"], 0), number_cell(row["kappa"], 2),
        interval_cell(row["ci_low"], row["ci_high"], 2), Cell(count(row["n"])),
    )  # fmt: skip


def _reading(found: list[dict[str, Any]]) -> Reading:
    known = [row for row in found if row["kappa"] is not None]
    if not known:
        return Reading()
    low, high = min(known, key=lambda row: row["kappa"]), max(known, key=lambda row: row["kappa"])
    text = (
        f"{high['label']} and {high['other_label']} agree most (kappa {number(high['kappa'], 2)}, "
        f"{number(high['pct_agree'], 0)} % of {plural(high['n'], 'patient')})"
    )
    if low is not high and low["kappa"] < high["kappa"]:
        text += f", {low['label']} and {low['other_label']} least (kappa {number(low['kappa'], 2)})"
    return Reading((f"{text}.",), "Kappa depends on how common the outcome is; read it beside the shares.")
