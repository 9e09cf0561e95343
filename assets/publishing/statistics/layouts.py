"""A printed table for every results table that procedures write, and a plain one for those without a layout.

What belongs here: which result stands in which cell of a procedure's tables. What does not: groups side by side
(`group_table`), mixed models for each outcome (`model_table`), or reading the warehouse (`records`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from assets.publishing.formatting import count, listing, number, p_value, percent, plural, stars
from assets.publishing.statistics.group_table import DESCRIPTION, GROUP_TEST, group_table
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.sensitivity_table import sensitivity_table
from assets.publishing.statistics.table import (
    ABSENT,
    BLANK,
    HIDDEN,
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

Rows = Sequence[dict[str, Any]]
NO_READING = Reading((), "")


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
        notes.append(_sentence(procedure.method))
    if procedure.n_patients is not None:
        n = plural(procedure.n_patients, "patient")
        more = "" if procedure.n_observations is None else f", {plural(procedure.n_observations, 'observation')}"
        notes.append(f"N = {n}{more}.")
    if procedure.note:
        notes.append(_sentence(procedure.note))
    if procedure.reason and not table.problem:
        notes.append(_sentence(f"Not complete: {procedure.reason}"))
    if procedure.n_suppressed:
        notes.append("Cells that rest on too few patients, or would give such a cell away, are suppressed.")
    if table.has_stars:
        notes.append("* p < .05. ** p < .01. *** p < .001.")
    return PaperTable(
        key, table.title, table.stub, table.columns, table.rows, tuple(dict.fromkeys(notes)), table.data,
        table.reading, table.problem, table.folded_after,
    )  # fmt: skip


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _made(
    procedure: Procedure, name: str, stub: str, columns: Sequence[Column], rows: Sequence[Row], reading: Reading,
    *, notes: Sequence[str] = (), what: str = "",
) -> PaperTable:  # fmt: skip
    title = f"{procedure.title}: {what}" if what else procedure.title
    key = f"{procedure.name}_{name.removeprefix('results.')}"
    return PaperTable(key, title, stub, tuple(columns), tuple(rows), tuple(notes), procedure.tables[name], reading)


def _label(row: dict[str, Any]) -> str:
    text = str(row.get("label") or row.get("outcome") or row.get("measure") or row.get("variable") or "")
    return f"{text}: {row['group_level']}" if row.get("group_level") else text


def _reasons(rows: Rows, label: Callable[[dict[str, Any]], str] = _label) -> list[str]:
    found = [f"{label(row)}: {row['reason']}" for row in rows if row.get("reason")]
    return [_sentence(reason) for reason in dict.fromkeys(found)]


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
        label = _label(row)
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
    return _made(
        procedure, "results.effect_size", "Outcome", columns if has_means else columns[3:], rows, reading,
        notes=[*notes, *_reasons(found)],
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
    first = {_label(row): row for row in reversed(shown)}
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
            rows.append(Row(str(row["outcome"] or "")))
            seen = row["outcome"]
        decimals = decimals_by_error(by_outcome[row["outcome"]])
        when = "" if row["at_months"] is None else f", month {number(row['at_months'], 0)}"
        if row[MARK]:
            cells: tuple[Cell, ...] = (HIDDEN,) * len(columns)
        else:
            p = row["p_adjusted"] if row["p_adjusted"] is not None else row["p_value"]
            adjusted = (p_cell(row["p_adjusted"]),) if has_adjusted else ()
            cells = (
                estimate_cell(row["estimate"], row["std_error"], decimals, p),
                interval_cell(row["ci_low"], row["ci_high"], decimals),
                statistic_cell(row["statistic"], row["df"]), p_cell(row["p_value"]), *adjusted,
                count_cell(row["n_patients"]),
            )  # fmt: skip
        rows.append(Row(f"{row['contrast']}{when}", cells, is_indented=True))
    adjustments = list(dict.fromkeys(row["adjustment"] for row in found if row["adjustment"]))
    notes = [f"Adjusted for several comparisons: {listing(adjustments)}."] if adjustments else []
    reading = _p_reading(found, "contrast", lambda row: f"{row['contrast']} ({row['outcome']})")
    return _made(procedure, "results.contrast", "Contrast", columns, rows, reading, notes=notes, what="contrasts")


def _estimates(procedure: Procedure, term: Callable[[str], str]) -> PaperTable:
    """Every term of the procedure's own model, by outcome."""
    found = procedure.rows("results.estimate")
    columns = [Column("Estimate (SE)"), Column("95 % CI"), Column("Statistic (df)"), Column("p"), Column("Patients"),
               Column("Observations")]  # fmt: skip
    rows: list[Row] = []
    seen = ""
    for row in found:
        if row["outcome"] != seen:
            rows.append(Row(str(row["outcome"] or "")))
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
        [row for row in found if row["term"] != "intercept"], "term", lambda r: f"{term(r['term'])} ({r['outcome']})"
    )
    return _made(procedure, "results.estimate", "Term", columns, rows, reading,
                 notes=[_sentence(method) for method in methods], what="fixed effects")  # fmt: skip


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


def _reliability(procedure: Procedure, _: Callable[[str], str]) -> PaperTable:
    """One row for each measure, occasion and coefficient."""
    found = procedure.rows("results.reliability")
    columns = [Column("Coefficient", is_number=False), Column("Estimate"), Column("95 % CI"), Column("Items"),
               Column("Raters"), Column("Subjects")]  # fmt: skip
    rows: list[Row] = []
    for row in found:
        when = f", {row['occasion']}" if row["occasion"] else ""
        name = Cell(str(row["coefficient"] or "").replace("_", " "))
        if row[MARK]:
            cells: tuple[Cell, ...] = (name, *(HIDDEN,) * 5)
        else:
            cells = (
                name, number_cell(row["estimate"], 2), interval_cell(row["ci_low"], row["ci_high"], 2),
                count_cell(row["n_items"]), count_cell(row["n_raters"]), count_cell(row["n_subjects"]),
            )  # fmt: skip
        rows.append(Row(f"{_label(row)}{when}", cells))
    known = [row for row in found if row["estimate"] is not None]
    reading = NO_READING
    if known:
        low = min(known, key=lambda row: row["estimate"])
        high = max(known, key=lambda row: row["estimate"])
        sizes = [row["n_subjects"] for row in known if row["n_subjects"] is not None]
        reading = Reading(
            (f"{plural(len(known), 'coefficient')} from {number(low['estimate'], 2)} ({_label(low)}) to "
             f"{number(high['estimate'], 2)} ({_label(high)}).",),
            f"The smallest rests on {plural(min(sizes), 'subject')}." if sizes else "",
        )  # fmt: skip
    methods = list(dict.fromkeys(str(row["method"]) for row in found if row["method"]))
    return _made(procedure, "results.reliability", "Measure", columns, rows, reading,
                 notes=[*(_sentence(method) for method in methods), *_reasons(found)])  # fmt: skip


def _reliable_change(procedure: Procedure, _: Callable[[str], str]) -> PaperTable:
    """One row for each outcome and method, one column for each category: n (%)."""
    found = procedure.rows("results.reliable_change")
    categories = list(dict.fromkeys(row["category"] for row in found if row["category"]))
    columns = [Column(str(name).replace("_", " "), "Patients, n (%)") for name in categories]
    columns += [Column("n"), Column("Reliable from"), Column("Cut-off"), Column("Reliability")]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((_label(row), str(row["method"] or "")), []).append(row)
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
    return _made(procedure, "results.reliable_change", "Outcome and method", columns, rows,
                 _change_reading(groups), notes=[*notes, *_reasons(found)])  # fmt: skip


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
    return _made(procedure, name, _words(stub), columns, rows, NO_READING, what=what)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


LAYOUTS: dict[str, Callable[[Procedure, Callable[[str], str]], PaperTable]] = {
    "results.effect_size": _effect_sizes,
    "results.estimate": _estimates,
    "results.contrast": _contrasts,
    "results.reliability": _reliability,
    "results.reliable_change": _reliable_change,
    "results.sensitivity": lambda procedure, _: sensitivity_table(procedure),
}
