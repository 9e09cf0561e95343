"""How well something is measured, and who changed beyond its error: reliability and reliable change as tables.

What belongs here: rows of `results.reliability` and `results.reliable_change`. What does not: other layouts.
"""

from __future__ import annotations

from typing import Any

from assets.publishing.formatting import count, listing, number, percent, plural
from assets.publishing.statistics.parts import NO_READING, label_of, made_table, reasons, sentence
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import (
    ABSENT,
    HIDDEN,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    count_cell,
    interval_cell,
    number_cell,
)
from assets.publishing.statistics.withheld import MARK


def reliability_table(procedure: Procedure) -> PaperTable:
    """One row for each measure, occasion and coefficient."""
    found = procedure.rows("results.reliability")
    columns = [Column("Coefficient", is_number=False), Column("Estimate"), Column("95 % CI"), Column("Items"),
               Column("Raters"), Column("Subjects")]  # fmt: skip
    rows: list[Row] = []
    for row in found:
        when = f", {procedure.occasions.get(row['occasion'], row['occasion'])}" if row["occasion"] else ""
        name = Cell(str(row["coefficient"] or "").replace("_", " "))
        if row[MARK]:
            cells: tuple[Cell, ...] = (name, *(HIDDEN,) * 5)
        else:
            cells = (
                name, number_cell(row["estimate"], 2), interval_cell(row["ci_low"], row["ci_high"], 2),
                count_cell(row["n_items"]), count_cell(row["n_raters"]), count_cell(row["n_subjects"]),
            )  # fmt: skip
        rows.append(Row(f"{label_of(row)}{when}", cells))
    known = [row for row in found if row["estimate"] is not None]
    reading = NO_READING
    if known:
        low = min(known, key=lambda row: row["estimate"])
        high = max(known, key=lambda row: row["estimate"])
        sizes = [row["n_subjects"] for row in known if row["n_subjects"] is not None]
        reading = Reading(
            (f"{plural(len(known), 'coefficient')} from {number(low['estimate'], 2)} ({label_of(low)}) to "
             f"{number(high['estimate'], 2)} ({label_of(high)}).",),
            f"The smallest rests on {plural(min(sizes), 'subject')}." if sizes else "",
        )  # fmt: skip
    methods = list(dict.fromkeys(str(row["method"]) for row in found if row["method"]))
    return made_table(procedure, "results.reliability", "Measure", columns, rows, reading,
                 notes=[*(sentence(method) for method in methods), *reasons(found)])  # fmt: skip


def reliable_change_table(procedure: Procedure) -> PaperTable:
    """One row for each outcome and method, one column for each category: n (%)."""
    found = procedure.rows("results.reliable_change")
    categories = list(dict.fromkeys(row["category"] for row in found if row["category"]))
    columns = [Column(str(name).replace("_", " "), "Patients, n (%)") for name in categories]
    columns += [Column("n"), Column("Reliable from"), Column("Cut-off"), Column("Reliability")]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((label_of(row), str(row["method"] or "")), []).append(row)
    rows = []
    for (label, method), own in groups.items():
        by_category = {row["category"]: row for row in own}
        head = own[0]
        total = next((row["n_total"] for row in own if row["n_total"] is not None), None)
        rows.append(Row(f"{label}, {method}" if method else label, (
            *(_share(by_category.get(name)) for name in categories),
            count_cell(total), number_cell(head["threshold"], 1), number_cell(head["cutoff"], 1),
            number_cell(head["reliability"], 2),
        )))  # fmt: skip
    sources = list(dict.fromkeys(
        str(row[name]) for row in found for name in ("norm_id", "reliability_id") if row[name]
    ))  # fmt: skip
    notes = [f"Norms and reliabilities: {listing(sources)}."] if sources else []
    return made_table(procedure, "results.reliable_change", "Outcome and method", columns, rows,
                 _change_reading(groups), notes=[*notes, *reasons(found)])  # fmt: skip


def _share(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return ABSENT
    if row[MARK]:
        return HIDDEN
    if row["n"] is None:
        return Cell("n/a", row["reason"] or "", is_muted=True)
    return Cell(f"{count(row['n'])} ({percent(row['n'], row['n_total'])})")


def _change_reading(groups: dict[tuple[str, str], list[dict[str, Any]]]) -> Reading:
    parts = []
    for (label, method), own in groups.items():
        shown = [row for row in own if row["n"] is not None and row["category"]]
        if shown:
            most = max(shown, key=lambda row: row["n"])
            parts.append(f"{label} ({method}): most are {str(most['category']).replace('_', ' ')}, "
                         f"{count(most['n'])} of {count(most['n_total'])}")  # fmt: skip
    if not parts:
        return NO_READING
    methods = {method for _, method in groups}
    doubt = "Methods classify the same patients differently; compare within one method." if len(methods) > 1 else ""
    return Reading((f"{'; '.join(parts[:4])}.",), doubt)
