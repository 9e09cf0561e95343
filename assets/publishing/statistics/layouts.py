"""A printed table for every results table that procedures write, and a plain one for those without a layout.

What belongs here: which result stands in which cell of a procedure's tables. What does not: groups side by side
(`group_table`), mixed models for each outcome (`model_table`), or reading the warehouse (`records`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from assets.publishing.formatting import listing, number, p_value, plural, stars
from assets.publishing.statistics.agreement_table import AGREEMENT, agreement_table
from assets.publishing.statistics.group_table import DESCRIPTION, GROUP_TEST, group_table
from assets.publishing.statistics.measure_tables import reliability_table, reliable_change_table
from assets.publishing.statistics.parts import NO_READING, Rows, label_of, made_table, reasons, sentence
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
    count_cell,
    decimals_by_error,
    decimals_of,
    estimate_cell,
    interval_cell,
    mean_cell,
    number_cell,
    p_cell,
    plain_value,
    statistic_cell,
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
        if name == DESCRIPTION or (name == GROUP_TEST and made):
            continue
        layout = LAYOUTS.get(name)
        made.append(layout(procedure, term) if layout else _plain(procedure, name))
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
        notes.append(f"N = {n}{more}.")
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


def _effect_sizes(procedure: Procedure, _: Callable[[str], str]) -> PaperTable:
    """Means before and after once for each outcome, then its effect sizes, one row for each standardiser."""
    found = procedure.rows("results.effect_size")
    columns = [
        Column("Before, M (SD)"), Column("After, M (SD)"), Column("Change, M (SD)"), Column("Estimate"),
        Column("95 % CI"), Column("Statistic (df)"), Column("p"), Column("n"),
    ]  # fmt: skip
    has_means = any(row["mean_before"] is not None for row in found)
    rows: list[Row] = []
    seen = ""
    for row in found:
        label = label_of(row)
        is_first = label != seen
        seen = label
        if row[MARK]:
            cells: tuple[Cell, ...] = (HIDDEN,) * 8
        elif row["estimate"] is None and row["reason"]:
            cells = (*(BLANK,) * 3, Cell("n/a", row["reason"], is_muted=True), *(BLANK,) * 3, count_cell(row["n"]))
        else:
            cells = (*_means(row, is_first=is_first), *_effect(row), count_cell(row["n"]))
        if is_first:
            rows.append(Row(label))
        rows.append(Row(_variant(row), cells if has_means else cells[3:], is_indented=True))
    reading = _effect_reading(found)
    methods = list(dict.fromkeys(str(row["ci_method"]) for row in found if row["ci_method"]))
    notes = [f"Intervals: {listing(methods)}."] if methods else []
    return made_table(
        procedure, "results.effect_size", "Outcome", columns if has_means else columns[3:], rows, reading,
        notes=[*notes, *reasons(found)],
    )  # fmt: skip


def _variant(row: dict[str, Any]) -> str:
    return str(row["variant"] or "effect size").replace("_", " ")


def _means(row: dict[str, Any], *, is_first: bool) -> tuple[Cell, ...]:
    if not is_first:
        return (BLANK,) * 3
    decimals = decimals_of([row["mean_before"], row["mean_after"]])
    return tuple(mean_cell(row[f"mean_{name}"], row[f"sd_{name}"], decimals) for name in ("before", "after", "change"))


def _effect(row: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        number_cell(row["estimate"], 2, stars_of=row["p_value"]),
        interval_cell(row["ci_low"], row["ci_high"], 2),
        statistic_cell(row["statistic"], row["df"]) if row["statistic"] is not None else BLANK,
        p_cell(row["p_value"]) if row["p_value"] is not None else BLANK,
    )


def _effect_reading(found: Rows) -> Reading:
    shown = [row for row in found if row["estimate"] is not None]
    if not shown:
        return NO_READING
    first = {label_of(row): row for row in reversed(shown)}
    parts = []
    for label, row in sorted(first.items(), key=lambda pair: -abs(pair[1]["estimate"])):
        change = ""
        if row["mean_change"] is not None:
            decimals = decimals_of([row["mean_change"]])
            verb = "rises" if row["mean_change"] > 0 else "falls"
            change = f" {verb} by {number(abs(row['mean_change']), decimals)} points,"
        parts.append(f"{label}{change} {_variant(row)} = {number(row['estimate'], 2)}")
    sizes = [row["n"] for row in shown if row["n"] is not None]
    variants = list(dict.fromkeys(_variant(row) for row in shown))
    doubt = ""
    if len(variants) > 1:
        doubt = f"The size depends on what it is divided by: {plural(len(variants), 'standardiser')} are shown"
    if sizes:
        least = f"the smallest row rests on {plural(min(sizes), 'patient')}"
        doubt = f"{doubt}; {least}." if doubt else f"{least[0].upper()}{least[1:]}."
    return Reading((f"{'; '.join(parts)}.",), doubt)


def _contrasts(procedure: Procedure, _: Callable[[str], str]) -> PaperTable:
    """Rows by outcome: each contrast with its interval and test."""
    found = procedure.rows("results.contrast")
    has_adjusted = any(row["p_adjusted"] is not None for row in found)
    columns = [Column("Estimate (SE)"), Column("95 % CI"), Column("Statistic (df)"), Column("p")]
    columns += [Column("p adjusted")] if has_adjusted else []
    columns += [Column("Patients")]
    rows: list[Row] = []
    seen = ""
    by_outcome: dict[str, list[float | None]] = {}
    for row in found:
        by_outcome.setdefault(row["outcome"], []).append(row["std_error"])
    for row in found:
        if row["outcome"] != seen:
            rows.append(Row(procedure.outcome(row["outcome"])))
            seen = row["outcome"]
        decimals = decimals_by_error(by_outcome[row["outcome"]])
        link = procedure.link(row["outcome"])
        when = "" if row["at_months"] is None else f", month {number(row['at_months'], 0)}"
        if row[MARK]:
            cells: tuple[Cell, ...] = (HIDDEN,) * len(columns)
        elif row["estimate"] is None:
            cells = (Cell("n/a", row.get("reason") or "", is_muted=True), *(BLANK,) * (len(columns) - 1))
        else:
            p = row["p_adjusted"] if row["p_adjusted"] is not None else row["p_value"]
            adjusted = (p_cell(row["p_adjusted"]),) if has_adjusted else ()
            cells = (
                replace(estimate_cell(row["estimate"], row["std_error"], decimals, p), link=link),
                interval_cell(row["ci_low"], row["ci_high"], decimals),
                statistic_cell(row["statistic"], row["df"]), p_cell(row["p_value"]), *adjusted,
                count_cell(row["n_patients"]),
            )  # fmt: skip
        rows.append(Row(f"{row['contrast']}{when}", cells, is_indented=True))
    adjustments = list(dict.fromkeys(row["adjustment"] for row in found if row["adjustment"]))
    notes = [f"Adjusted for several comparisons: {listing(adjustments)}."] if adjustments else []
    notes += reasons(found, lambda row: str(row["contrast"]))
    reading = _p_reading(found, "contrast", lambda row: f"{row['contrast']} ({procedure.outcome(row['outcome'])})")
    return made_table(procedure, "results.contrast", "Contrast", columns, rows, reading, notes=notes, what="contrasts")


def _estimates(procedure: Procedure, term: Callable[[str], str]) -> PaperTable:
    """Every term of the procedure's own model, by outcome."""
    found = procedure.rows("results.estimate")
    columns = [Column("Estimate (SE)"), Column("95 % CI"), Column("Statistic (df)"), Column("p"), Column("Patients"),
               Column("Observations")]  # fmt: skip
    rows: list[Row] = []
    seen = ""
    for row in found:
        if row["outcome"] != seen:
            rows.append(Row(procedure.outcome(row["outcome"])))
            seen = row["outcome"]
        decimals = decimals_by_error([row["std_error"]])
        cells: tuple[Cell, ...] = (HIDDEN,) * len(columns)
        if not row[MARK]:
            cells = (
                estimate_cell(row["estimate"], row["std_error"], decimals, row["p_value"]),
                interval_cell(row["ci_low"], row["ci_high"], decimals),
                statistic_cell(row["statistic"], row["df"]), p_cell(row["p_value"]),
                count_cell(row["n_patients"]), count_cell(row["n_observations"]),
            )  # fmt: skip
        rows.append(Row(term(row["term"]), cells, is_indented=True))
    methods = list(dict.fromkeys(row["method"] for row in found if row["method"]))
    reading = _p_reading(
        [row for row in found if row["term"] != "intercept"],
        "term",
        lambda r: f"{term(r['term'])} ({procedure.outcome(r['outcome'])})",
    )
    return made_table(procedure, "results.estimate", "Term", columns, rows, reading,
                 notes=[sentence(method) for method in methods], what="fixed effects")  # fmt: skip


def _p_reading(found: Rows, what: str, name: Callable[[dict[str, Any]], str]) -> Reading:
    shown = [row for row in found if row.get("p_value") is not None]
    if not shown:
        return NO_READING

    def p_of(row: dict[str, Any]) -> float:
        adjusted = row.get("p_adjusted")
        return float(row["p_value"] if adjusted is None else adjusted)

    clear = sorted((row for row in shown if stars(p_of(row))), key=p_of)
    if not clear:
        return Reading((f"None of {plural(len(shown), what)} can be told from chance.",), _width(shown))
    most = [f"{name(row)} ({p_value(p_of(row))})" for row in clear[:4]]
    rest = f" and {len(clear) - 4} more" if len(clear) > 4 else ""
    return Reading(
        (f"{len(clear)} of {plural(len(shown), what)} lie beyond chance: {', '.join(most)}{rest}.",), _width(shown)
    )


def _width(shown: Rows) -> str:
    sizes = [row["n_patients"] for row in shown if row.get("n_patients") is not None]
    return f"The smallest rests on {plural(min(sizes), 'patient')}; read the interval before the p." if sizes else ""


def _plain(procedure: Procedure, name: str) -> PaperTable:
    """Every column that holds anything, as it is."""
    frame = procedure.tables[name]
    left_out = {"analysis", "procedure", "model", MARK}
    shown = [c for c in frame.columns if c not in left_out and frame[c].null_count() < frame.height]
    stub = next((c for c in shown if frame[c].dtype == pl.String), shown[0] if shown else "")
    others = [c for c in shown if c != stub]
    rows = [
        Row(plain_value(row[stub]), tuple(HIDDEN if row[MARK] and row[c] is None else Cell(plain_value(row[c]))
            for c in others))
        for row in (frame.to_dicts() if shown else ())
    ]  # fmt: skip
    columns = [Column(_words(c), is_number=frame[c].dtype.is_numeric()) for c in others]
    what = "" if len(procedure.tables) == 1 else _words(name.removeprefix("results."))
    return made_table(procedure, name, _words(stub), columns, rows, NO_READING, what=what)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


LAYOUTS: dict[str, Callable[[Procedure, Callable[[str], str]], PaperTable]] = {
    AGREEMENT: lambda procedure, _: agreement_table(procedure),
    "results.effect_size": _effect_sizes,
    "results.estimate": _estimates,
    "results.contrast": _contrasts,
    "results.reliability": lambda procedure, _: reliability_table(procedure),
    "results.reliable_change": lambda procedure, _: reliable_change_table(procedure),
    "results.sensitivity": lambda procedure, _: sensitivity_table(procedure),
}
