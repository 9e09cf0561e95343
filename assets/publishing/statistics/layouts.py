"""A printed table for every results table that procedures write, and a plain one for those without a layout.

What belongs here: which result stands in which cell of a procedure's tables. What does not: groups side by side
(`group_table`), mixed models for each outcome (`model_table`), or reading the warehouse (`records`).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from assets.publishing.formatting import plural
from assets.publishing.statistics.agreement_table import AGREEMENT, agreement_table
from assets.publishing.statistics.change_tables import EFFECT_SIZE, change_tables
from assets.publishing.statistics.effect_tables import contrasts, effects_table, mediation, paths, rates, terms
from assets.publishing.statistics.evidence import BEHIND, evidence_table
from assets.publishing.statistics.group_table import DESCRIPTION, GROUP_TEST, group_table
from assets.publishing.statistics.measure_tables import (
    LINKING,
    RELIABILITY,
    RELIABLE_CHANGE,
    linking_table,
    reliability_table,
    reliable_change_tables,
)
from assets.publishing.statistics.parts import NO_READING, made_table, sentence
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.sensitivity_table import sensitivity_table
from assets.publishing.statistics.table import (
    BLANK,
    HIDDEN,
    STARS_NOTE,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    plain_value,
)
from assets.publishing.statistics.withheld import MARK


def tables_of(procedure: Procedure, term: Callable[[str], str]) -> list[PaperTable]:
    """Every table of a procedure, at least one: without rows it says why.

    Args:
        procedure: its rows, suppressed.
        term: words for a model's term (`months:poor_outcome` → `Poor outcome × month`).
    """
    made: list[PaperTable] = []
    if DESCRIPTION in procedure.tables:
        made.append(group_table(procedure))
    for name in sorted(procedure.tables, key=_order):
        if name == DESCRIPTION or name in BEHIND or (name == GROUP_TEST and made):
            continue
        layout = LAYOUTS.get(name)
        made += layout(procedure, term) if layout else [_plain(procedure, name)]
    behind = evidence_table(procedure)
    made += [behind] if behind else []
    if not made:
        why = procedure.reason or "it wrote no row"
        made = [
            PaperTable(
                procedure.name, procedure.title, "", (), (), (), pl.DataFrame(),
                Reading((), ""), f"Not estimated: {why}.",
            )
        ]  # fmt: skip
    keys = [procedure.name] if len(made) == 1 else [procedure.name, *(table.key for table in made[1:])]
    return [_finished(table, key, procedure) for table, key in zip(made, keys, strict=True)]


def _order(name: str) -> tuple[int, str]:
    known = list(LAYOUTS)
    return (known.index(name) if name in LAYOUTS else len(known), name)


def _finished(table: PaperTable, key: str, procedure: Procedure) -> PaperTable:
    """The notes that every table ends with: method, patients, what the procedure says, suppression, stars."""
    notes = list(table.notes)
    if procedure.method:
        notes.append(sentence(procedure.method))
    if procedure.n_patients is not None:
        n = plural(procedure.n_patients, "patient")
        size = procedure.n_observations
        more = "" if size is None or size == procedure.n_patients else f", {plural(size, 'observation')}"
        notes.append(f"N\u00a0=\u00a0{n}{more}.")
    if procedure.note:
        notes.append(sentence(procedure.note))
    if procedure.reason and not table.problem:
        notes.append(sentence(f"Not complete: {procedure.reason}"))
    if procedure.n_suppressed:
        notes.append("Cells that rest on too few patients, or would give such a cell away, are suppressed.")
    if table.has_stars:
        notes.append(STARS_NOTE)
    return PaperTable(
        key, table.title, table.stub, table.columns, table.rows, tuple(dict.fromkeys(notes)), table.data,
        table.reading, table.problem, table.folded_after,
    )  # fmt: skip


def _plain(procedure: Procedure, name: str) -> PaperTable:
    """Every column that holds anything, as it is; rows of several outcomes under their names."""
    frame = procedure.tables[name]
    left_out = {"analysis", "procedure", "model", "outcome", MARK}
    shown = [c for c in frame.columns if c not in left_out and frame[c].null_count() < frame.height]
    stub = next((c for c in shown if frame[c].dtype == pl.String), shown[0] if shown else "")
    others = [c for c in shown if c != stub]
    records = frame.to_dicts() if shown else []
    has_outcomes = "outcome" in frame.columns and frame["outcome"].n_unique() > 1
    rows: list[Row] = []
    last = None
    for row in records:
        if has_outcomes and row["outcome"] != last:
            last = row["outcome"]
            rows.append(Row(procedure.outcome(last)))
        cells = tuple(HIDDEN if row[MARK] and row[c] is None else _plain_cell(row[c]) for c in others)
        label = plain_value(row[stub]).replace("_", " ")
        rows.append(Row(label, cells, is_indented=has_outcomes))
    columns = [Column(_words(c), is_number=frame[c].dtype.is_numeric()) for c in others]
    what = "" if len(procedure.tables) == 1 else _words(name.removeprefix("results.")).lower()
    return made_table(procedure, name, _words(stub), columns, rows, NO_READING, what=what)


def _plain_cell(value: object) -> Cell:
    return BLANK if value is None else Cell(plain_value(value))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


LAYOUTS: dict[str, Callable[[Procedure, Callable[[str], str]], list[PaperTable]]] = {
    AGREEMENT: lambda procedure, _: [agreement_table(procedure)],
    EFFECT_SIZE: lambda procedure, _: change_tables(procedure),
    "results.rate": lambda procedure, _: [effects_table(procedure, rates(procedure))],
    "results.estimate": lambda procedure, term: [effects_table(procedure, terms(procedure, term))],
    "results.contrast": lambda procedure, term: [effects_table(procedure, contrasts(procedure, term))],
    "results.mediation": lambda procedure, _: [effects_table(procedure, mediation(procedure))],
    "results.path": lambda procedure, _: [effects_table(procedure, paths(procedure))],
    RELIABILITY: lambda procedure, _: [reliability_table(procedure)],
    RELIABLE_CHANGE: lambda procedure, _: reliable_change_tables(procedure),
    LINKING: lambda procedure, _: [linking_table(procedure)],
    "results.sensitivity": lambda procedure, _: [sensitivity_table(procedure)],
}
"""Tables with a layout of their own, in the order in which a procedure's tables are printed."""
