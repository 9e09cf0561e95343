"""How well something is measured, who changed beyond its error, and one form on the scale of another.

What belongs here: rows of `results.reliability`, `results.reliable_change` and `results.linking` as tables. What does
not: other layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assets.publishing.formatting import count, listing, number, percent, plural
from assets.publishing.statistics.parts import NO_READING, label_of, made_table, reasons, sentence
from assets.publishing.statistics.records import Procedure
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
    interval_cell,
    number_cell,
    statistic_cell,
)
from assets.publishing.statistics.withheld import MARK

RELIABILITY, RELIABLE_CHANGE, LINKING = "results.reliability", "results.reliable_change", "results.linking"
INTERNAL = {
    "alpha_pairwise": "Alpha",
    "alpha_standardised_pairwise": "Alpha, standardised",
    "mean_correlation_pairwise": "Mean r",
    "alpha_complete": "Alpha, complete forms",
    "omega_total": "Omega, complete forms",
}
"""Coefficients of one scale that stand side by side → heading."""
IF_DROPPED = "alpha_if_dropped"
Rows = Sequence[dict[str, Any]]


def reliability_table(procedure: Procedure) -> PaperTable:
    """Internal consistency: one row for each scale; agreement of raters: one row for each coefficient."""
    found = procedure.rows(RELIABILITY)
    if any(row["coefficient"] in INTERNAL for row in found):
        return _internal(procedure, found)
    columns = [Column("Coefficient", is_number=False), Column("Estimate"), Column("95 % CI"), Column("F or z (df)"),
               Column("Raters"), Column("Subjects")]  # fmt: skip
    rows: list[Row] = []
    for row in found:
        name = Cell(str(row["coefficient"] or "").replace("_", " "))
        if row[MARK]:
            cells: tuple[Cell, ...] = (name, *(HIDDEN,) * 5)
        else:
            test = statistic_cell(row.get("statistic"), row.get("df")) if row.get("statistic") is not None else BLANK
            cells = (
                name, number_cell(row["estimate"], 2), _interval(row), test, count_cell(row["n_raters"]),
                count_cell(row["n_subjects"]),
            )  # fmt: skip
        rows.append(Row(_measure(procedure, row), cells))
    return made_table(procedure, RELIABILITY, "Measure", columns, rows, _range(procedure, found),
                      notes=_notes(found))  # fmt: skip


def _internal(procedure: Procedure, found: Rows) -> PaperTable:
    measures: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        measures.setdefault(_measure(procedure, row), []).append(row)
    shown = [name for name in INTERNAL if any(row["coefficient"] == name for row in found)]
    has_dropped = any(row["coefficient"] == IF_DROPPED for row in found)
    columns = [Column("Items"), Column("Patients"), *(Column(INTERNAL[name]) for name in shown)]
    columns += [Column("Alpha if an item is dropped")] if has_dropped else []
    rows = []
    for label, own in measures.items():
        by_name = {row["coefficient"]: row for row in own}
        first = next((by_name[name] for name in shown if name in by_name), own[0])
        sizes = (count_cell(first["n_items"]), HIDDEN if first[MARK] else count_cell(first["n_subjects"]))
        dropped = [row for row in own if row["coefficient"] == IF_DROPPED]
        cells = (*sizes, *(_shown(by_name.get(name), "estimate", _with_interval) for name in shown))
        rows.append(Row(label, (*cells, _dropped(dropped)) if has_dropped else cells))
    internal = [row for row in found if row["coefficient"] == "alpha_pairwise"]
    notes = ["Alpha and mean r from every pair of items that is there. Every coefficient is in the CSV."]
    return made_table(procedure, RELIABILITY, "Scale", columns, rows, _range(procedure, internal or found),
                      notes=[*notes, *_notes(found)])  # fmt: skip


def _measure(procedure: Procedure, row: dict[str, Any]) -> str:
    occasion = row["occasion"]
    when = "" if occasion in (None, "first") else f", {procedure.occasions.get(occasion, occasion)}"
    raters = f", {row['raters'].replace('_', ' ')}" if row.get("raters") else ""
    return f"{label_of(row)}{when}{raters}"


def _interval(row: dict[str, Any]) -> Cell:
    found = interval_cell(row["ci_low"], row["ci_high"], 2)
    return BLANK if found is ABSENT else found


def _shown(row: dict[str, Any] | None, column: str, show: Callable[[dict[str, Any]], Cell]) -> Cell:
    """The row's number as `show` prints it; else nothing, that it is held back, or that it is n/a and why."""
    if row is None:
        return BLANK
    if row[MARK]:
        return HIDDEN
    return Cell("n/a", row["reason"] or "", is_muted=True) if row[column] is None else show(row)


def _with_interval(row: dict[str, Any]) -> Cell:
    interval = _interval(row).text
    return Cell(f"{number(row['estimate'], 2)}{f' {interval}' if interval else ''}", f"n = {count(row['n_subjects'])}")


def _dropped(rows: Rows) -> Cell:
    values = [row["estimate"] for row in rows if row["estimate"] is not None]
    if not values:
        return HIDDEN if any(row[MARK] for row in rows) else BLANK
    return Cell(f"{number(min(values), 2)} to {number(max(values), 2)}")


def _notes(found: Rows) -> list[str]:
    methods = dict.fromkeys(str(row["method"]) for row in found if row["method"])
    return [*(sentence(method) for method in methods), *reasons(found)]


def _range(procedure: Procedure, found: Rows) -> Reading:
    known = [row for row in found if row["estimate"] is not None]
    if not known:
        return NO_READING
    low, high = min(known, key=lambda row: row["estimate"]), max(known, key=lambda row: row["estimate"])
    sizes = [row["n_subjects"] for row in known if row["n_subjects"] is not None]
    what = plural(len(known), "coefficient")
    return Reading(
        (f"{what} from {number(low['estimate'], 2)} ({_measure(procedure, low)}) to {number(high['estimate'], 2)} "
         f"({_measure(procedure, high)}).",),
        f"The smallest rests on {plural(min(sizes), 'subject')}." if sizes else "",
    )  # fmt: skip


CLASSIFICATIONS = {
    "change": "beyond the error of measurement",
    "clinical_significance": "beyond error and across the cut-off",
    "standing": "on the dysfunctional side of the cut-off",
}
"""What reliable change is judged by → words in a title."""


METHODS = {
    "jacobson_truax": "Jacobson and Truax",
    "gulliksen_lord_novick": "Gulliksen, Lord and Novick",
    "hsu_linn_lord": "Hsu, Linn and Lord",
    "edwards_nunnally": "Edwards and Nunnally",
    "hageman_arrindell": "Hageman and Arrindell",
}
"""Method of reliable change → its authors."""


def _method(method: str, cutoff: str) -> str:
    """`Jacobson and Truax, cut-off a`."""
    named = METHODS.get(method, method.replace("_", " "))
    kind = cutoff.removeprefix("codebook:").strip().replace("_", " ")
    return ", ".join(part for part in (named, f"cut-off {kind}" if kind else "") if part)


def reliable_change_tables(procedure: Procedure) -> list[PaperTable]:
    """A table for each way of judging: one row for each outcome, method and cut-off, one column for each category."""
    found = procedure.rows(RELIABLE_CHANGE)
    kinds = list(dict.fromkeys(row.get("classification") for row in found))
    return [
        _classified(
            procedure, [row for row in found if row.get("classification") == kind], kind, is_only=len(kinds) == 1
        )
        for kind in sorted(kinds, key=lambda kind: [*CLASSIFICATIONS].index(kind) if kind in CLASSIFICATIONS else 9)
    ]


def _classified(procedure: Procedure, found: Rows, kind: str | None, *, is_only: bool) -> PaperTable:
    categories = list(dict.fromkeys(row["category"] for row in found if row["category"]))
    has_cutoff = any(row["cutoff"] is not None for row in found)
    has_threshold = any(row["threshold"] is not None for row in found)
    columns = [Column(str(name).replace("_", " "), "Patients, n (%)") for name in categories]
    columns += [Column("n")]
    columns += [Column("Reliable from, points")] if has_threshold else []
    columns += [Column("Cut-off")] if has_cutoff else []
    columns += [Column("Reliability")]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in found:
        key = (label_of(row), str(row.get("cutoff_kind") or ""), str(row["method"] or ""))
        groups.setdefault(key, []).append(row)
    rows: list[Row] = []
    last = ""
    for (label, cutoff, method), own in groups.items():
        if label != last:
            rows.append(Row(label))
            last = label
        by_category = {row["category"]: row for row in own}
        head = own[0]
        total = next((row["n_total"] for row in own if row["n_total"] is not None), None)
        numbers = (
            [number_cell(head["threshold"], 1) if head["threshold"] is not None else BLANK] if has_threshold else []
        )
        numbers += [number_cell(head["cutoff"], 1)] if has_cutoff else []
        name = _method(method, cutoff)
        cells = (*(_shown(by_category.get(one), "n", _share) for one in categories), count_cell(total), *numbers,
                 number_cell(head["reliability"], 2))  # fmt: skip
        rows.append(Row(name or label, cells, is_indented=True))
    sources = dict.fromkeys(
        str(row[name]) for row in found for name in ("norm_id", "reliability_id", "sources") if row.get(name)
    )
    notes = [f"Sources: {'; '.join(sources)}."] if sources else []
    what = "" if is_only else CLASSIFICATIONS.get(str(kind), str(kind).replace("_", " "))
    place = "" if is_only or kind == "change" else str(kind)
    return made_table(procedure, RELIABLE_CHANGE, "Method", columns, rows, _change_reading(groups),
                      notes=[*notes, *reasons(found)], what=what, key=place)  # fmt: skip


def _share(row: dict[str, Any]) -> Cell:
    return Cell(f"{count(row['n'])} ({percent(row['n'], row['n_total'])})")


def _change_reading(groups: dict[tuple[str, str, str], list[dict[str, Any]]]) -> Reading:
    said: dict[str, str] = {}
    for (label, cutoff, method), own in groups.items():
        shown = [row for row in own if row["n"] is not None and row["category"]]
        if shown and label not in said:
            parts = [f"{count(row['n'])} {str(row['category']).replace('_', ' ')}" for row in shown]
            by = _method(method, cutoff)
            said[label] = f"{label}{f' ({by})' if by else ''}: of {count(shown[0]['n_total'])}, {listing(parts)}"
    if not said:
        return NO_READING
    methods = {method for _, _, method in groups if method}
    doubt = "Methods classify the same patients differently; compare within one method." if len(methods) > 1 else ""
    return Reading((f"{'; '.join([*said.values()][:3])}.",), doubt)


def linking_table(procedure: Procedure) -> PaperTable:
    """One row for each scale and method: the line, and what scores of the one form are on the other, with their SE."""
    found = procedure.rows(LINKING)
    scores = sorted({row["at_score"] for row in found if row["at_score"] is not None})
    names = [("slope", "Slope (SE)"), ("intercept", "Intercept (SE)")]
    known = [(name, heading) for name, heading in names if any(row["quantity"] == name for row in found)]
    columns = [Column(heading) for _, heading in known]
    columns += [
        Column(number(score, 0 if float(score).is_integer() else 1), "Linked score (SE) at") for score in scores
    ]
    columns += [Column("Took both, n")]
    groups: dict[tuple[str, str], dict[Any, dict[str, Any]]] = {}
    for row in found:
        place = row["at_score"] if row["at_score"] is not None else row["quantity"]
        groups.setdefault((str(row["label"] or row["scale"]), str(row["method"] or "")), {})[place] = row
    rows: list[Row] = []
    last = ""
    for (label, method), own in groups.items():
        if label != last:
            rows.append(Row(label))
            last = label
        cells = [_shown(own.get(place), "estimate", _linked) for place in [*(name for name, _ in known), *scores]]
        both = next((row["n_both"] for row in own.values() if row["n_both"] is not None), None)
        rows.append(Row(method.replace("_", " "), (*cells, count_cell(both)), is_indented=True))
    pair = next(((row["from_instrument"], row["to_instrument"]) for row in found), ("", ""))
    methods = dict.fromkeys(str(row["ci_method"]) for row in found if row["ci_method"])
    note = f"Scores of {_form(pair[0])} on the scale of {_form(pair[1])}. Standard errors: {listing(list(methods))}."
    return made_table(procedure, LINKING, "Scale and method", columns, rows, _link_reading(found, scores),
                      notes=[note, *reasons(found)])  # fmt: skip


def _form(instrument: object) -> str:
    return str(instrument).upper().replace("_", "-")


def _linked(row: dict[str, Any]) -> Cell:
    return Cell(f"{number(row['estimate'], 2)} ({number(row['std_error'], 2)})")


def _link_reading(found: Rows, scores: Sequence[float]) -> Reading:
    if not scores:
        return NO_READING
    middle = scores[len(scores) // 2]
    values = [row["estimate"] for row in found if row["at_score"] == middle and row["estimate"] is not None]
    if not values:
        return NO_READING
    text = (
        f"A score of {middle:g} is {number(min(values), 2)} to {number(max(values), 2)} on the other form, by scale "
        "and method."
    )
    return Reading(
        (text,), "Linking assumes that the forms measure the same; its error is largest at the ends of the scale."
    )
