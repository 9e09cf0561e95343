"""Mixed models of every outcome as printed tables: level and slope with predictors, or term by term.

What belongs here: declared models as tables with links to what stands behind each number. What does not: which estimate
is whose (`result_tables`), or procedures (`layouts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assets.publishing.estimates import Fitted
from assets.publishing.formatting import plural
from assets.publishing.reading import read
from assets.publishing.result_tables import Block, journal_table, term_table, tidy_table
from assets.publishing.statistics.table import STARS_NOTE, Cell, Column, PaperTable, Reading, Row, anchor
from codebook.analysis import Analysis

EXPLAINED = "Variance explained, %"
MODELS = "models"
"""Key of the journal's table; its files are named by it."""


def model_tables(
    analysis: Analysis, fitted: list[Fitted], labels: Mapping[str, str], direction: str
) -> list[PaperTable]:
    """The journal's table first, where any model fits it, then each model with several predictors."""
    blocks = journal_table(fitted, labels)
    made = [_journal(analysis, fitted, blocks, direction)] if blocks else []
    several = term_table(fitted, labels, only_several=True)
    items = [item for item in fitted if len(item.predictors) > 1]
    for name in dict.fromkeys(item.model.name for item in items):
        own = [(item, table) for item, table in zip(items, several, strict=True) if item.model.name == name]
        model = own[0][0].model
        rows: list[Row] = []
        for item, table in own:
            rows.append(Row(item.outcome_label))
            if item.note and not table.rows:
                rows.append(Row("No estimate", (Cell(item.note, is_muted=True), *(Cell(),) * 4), is_indented=True))
            link = anchor(analysis.name, item.outcome, model.name)
            for term in table.rows:
                cells = (
                    Cell(f"{term.estimate} ({term.std_error})", stars=term.stars, link=link), Cell(term.interval),
                    Cell(term.p_value), Cell(table.n_patients), Cell(table.n_observations),
                )  # fmt: skip
                rows.append(Row(term.term, cells, is_indented=True))
        columns = (Column("Estimate (SE)"), Column("95 % CI"), Column("p"), Column("Patients"), Column("Observations"))
        notes = (_method(analysis), *_row_notes([item for item, _ in own]))
        only = [item for item, _ in own]
        made.append(
            PaperTable(
                f"{model.name}_terms", f"{model.label}: every fixed effect", "Term", columns, tuple(rows),
                (*notes, *_stars(rows)), tidy_table(only), read(analysis, only) if not blocks else Reading(),
            )
        )  # fmt: skip
    return made


def _journal(analysis: Analysis, fitted: list[Fitted], blocks: list[Block], direction: str) -> PaperTable:
    has_reference = any(item.model.reference for item in fitted)
    columns = [Column("Level at start (SE)"), Column("Slope per month (SE)")]
    if has_reference:
        columns += [Column("level", EXPLAINED), Column("slope", EXPLAINED)]
    columns += [Column("AIC")]
    if has_reference:
        columns += [Column("AIC without predictor, same rows")]
    columns += [Column("Patients"), Column("Observations")]
    rows: list[Row] = []
    for block in blocks:
        rows.append(Row(block.label if block.is_growth else f"{block.label}: effect on level and on slope"))
        for row in block.rows:
            link = anchor(analysis.name, row.outcome, block.name)
            cells = [replace(row.level, link=link), replace(row.slope, link=link)]
            if has_reference:
                cells += [Cell(row.explained_level), Cell(row.explained_slope)]
            cells += [Cell(row.aic, link=link if row.aic else "")]
            if has_reference:
                cells += [Cell(row.reference_aic)]
            cells += [Cell(row.n_patients), Cell(row.n_observations)]
            rows.append(Row(row.label, tuple(cells), is_indented=True))
    explained = (
        "Variance explained is the share of the reference’s variance of levels or slopes that is gone with the "
        "predictor; the reference is refitted on the same rows.",
    )
    notes = (
        f"{_method(analysis)} Level in points, slope in points per month. {direction}",
        *(explained if has_reference else ()),
        *_row_notes([item for item in fitted if len(item.predictors) <= 1]),
        *_ns(rows),
        *_stars(rows),
    )
    title = f"{analysis.title}: linear mixed models"
    return PaperTable(MODELS, title, "Outcome", tuple(columns), tuple(rows), notes, tidy_table(fitted),
                      read(analysis, fitted))  # fmt: skip


def _method(analysis: Analysis) -> str:
    how = "maximum likelihood" if analysis.estimation == "ML" else "restricted maximum likelihood"
    return f"Linear mixed models, {how}; estimate (standard error)."


def _row_notes(items: list[Fitted]) -> list[str]:
    """`Goal, Age: singular …`: what a reader has to know about single rows, rows with the same note together."""
    by_note: dict[str, list[str]] = {}
    for item in items:
        if item.note:
            by_note.setdefault(item.note, []).append(f"{item.outcome_label} ({item.model.label})")
    found = []
    for note, names in by_note.items():
        which = ", ".join(names) if len(names) <= 4 else plural(len(names), "model")
        found.append(f"{which}: {note}.")
    return found


def _ns(rows: list[Row]) -> list[str]:
    has = any(cell.text == "ns" for row in rows for cell in row.cells)
    return ["ns: p ≥ .05; the number stands under “Models one by one” and in the CSV."] if has else []


def _stars(rows: list[Row]) -> list[str]:
    has = any(cell.stars for row in rows for cell in row.cells)
    return [STARS_NOTE] if has else []
