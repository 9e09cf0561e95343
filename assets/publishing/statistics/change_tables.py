"""Change and its standardised sizes: means before and after, then every standardiser side by side for each sample.

What belongs here: rows of `results.effect_size` as tables. What does not: their forest (`plots`), or formulas
(`docs/measures.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assets.publishing.formatting import listing, number, plural
from assets.publishing.statistics.parts import NO_READING, made_table, reasons
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
    decimals_of,
    interval_cell,
    mean_cell,
    number_cell,
    p_cell,
    statistic_cell,
)
from assets.publishing.statistics.withheld import MARK

EFFECT_SIZE = "results.effect_size"
PLAIN = "mean_change"
"""A change in points, not in standard deviations."""
DIVISORS = {
    "z": "over the SD of the change",
    "av": "over the pooled SD of both occasions",
    "pre": "over the SD before",
    "rm": "over the SD of the change, in the scale’s metric",
    "post": "over the pooled SD of both groups at the end",
    "ppc2": "difference in change, over the pooled SD before",
}
SAMPLES = {
    "both_occasions": "Both occasions",
    "with_drop_outs": "With drop-outs",
    "all_after": "Everyone at the end",
}
EVERYONE = frozenset({"", "all"})


def variant_words(name: str) -> str:
    """`g_pre, over the SD before`: what a mean difference is divided by."""
    parts = name.split("_")
    if len(parts) < 2 or parts[1] not in DIVISORS:
        return name.replace("_", " ")
    approximate = ", approximate correction" if parts[-1] == "approx" else ""
    return f"{parts[0]}_{parts[1]}, {DIVISORS[parts[1]]}{approximate}"


def sample_words(name: str | None) -> str:
    """Whose values an effect size rests on."""
    return SAMPLES.get(name or "", str(name or "Everyone").replace("_", " "))


def subject(row: Mapping[str, Any]) -> str:
    """The outcome, with the group and the time that its row is about."""
    text = str(row["label"] or row["outcome"])
    group = str(row.get("contrast") or row["group_level"] or "")
    if group not in EVERYONE:
        text = f"{text}: {group.replace('_', ' ').replace('=', ' ').replace(' − ', ' minus ')}"
    return (
        text if row.get("at_months") is None or ", month " in text else f"{text}, month {number(row['at_months'], 0)}"
    )


def change_tables(procedure: Procedure) -> list[PaperTable]:
    """Means before and after, where the rows have them, and the sizes; one table where there is one kind of row."""
    found = procedure.rows(EFFECT_SIZE)
    has_means = any(row["mean_before"] is not None for row in found)
    made = [_means(procedure, found)] if has_means else []
    sizes = [row for row in found if row["variant"] != PLAIN]
    return [*made, _sizes(procedure, sizes, what="effect sizes" if made else "")] if sizes else made


def _means(procedure: Procedure, found: Sequence[dict[str, Any]]) -> PaperTable:
    heads = ("Before, M (SD)", "After, M (SD)", "Change, M (SD)", "t (df)", "p", "n")
    columns = [Column(heading) for heading in heads]
    seen: dict[tuple[str, str | None], dict[str, Any]] = {}
    for row in found:
        key = (subject(row), row.get("sample"))
        best = seen.get(key)
        if best is None or (best["mean_before"] is None and row["mean_before"] is not None):
            seen[key] = row
    several = len({sample for _, sample in seen}) > 1
    rows = []
    for (label, sample), row in seen.items():
        name = f"{label}, {sample_words(sample).lower()}" if several else label
        if row[MARK]:
            rows.append(Row(name, (HIDDEN,) * 6))
            continue
        decimals = decimals_of([row["mean_before"], row["mean_after"]])
        means = [mean_cell(row[f"mean_{part}"], row[f"sd_{part}"], decimals) for part in ("before", "after", "change")]
        p = p_cell(row["p_value"]) if row["p_value"] is not None else BLANK
        test = statistic_cell(row["statistic"], row["df"]) if row["statistic"] is not None else BLANK
        rows.append(Row(name, (*means, test, p, count_cell(row["n"]))))
    return made_table(procedure, EFFECT_SIZE, "Outcome", columns, rows, _reading(seen), key="")


def _reading(rows: Mapping[tuple[str, str | None], dict[str, Any]]) -> Reading:
    said: list[str] = []
    named: set[str] = set()
    sizes: list[int] = []
    for (label, _), row in rows.items():
        if row["mean_change"] is None or label in named:
            continue
        named.add(label)
        decimals = decimals_of([row["mean_before"], row["mean_after"]])
        verb = "rises" if row["mean_change"] > 0 else "falls"
        ends = f"from {number(row['mean_before'], decimals)} to {number(row['mean_after'], decimals)}"
        said.append(f"{label} {verb} by {number(abs(row['mean_change']), decimals)} points, {ends}")
        sizes += [row["n"]] if row["n"] is not None else []
    if not said:
        return NO_READING
    doubt = "Without a comparison group, change is not the effect of treatment"
    if sizes:
        doubt += f"; the smallest row rests on {plural(min(sizes), 'patient')}"
    return Reading((f"{'; '.join(said)}.",), f"{doubt}.")


def _sizes(procedure: Procedure, found: Sequence[dict[str, Any]], what: str) -> PaperTable:
    samples = list(dict.fromkeys(row.get("sample") for row in found))
    columns = [
        Column(heading, sample_words(sample) if len(samples) > 1 else "")
        for sample in samples
        for heading in ("Estimate", "95 % CI", "n")
    ]
    cells: dict[tuple[str, str], dict[str | None, dict[str, Any]]] = {}
    for row in found:
        cells.setdefault((subject(row), str(row["variant"])), {})[row.get("sample")] = row
    rows: list[Row] = []
    last = ""
    for (label, variant), own in cells.items():
        if label != last:
            rows.append(Row(label))
            last = label
        printed = [cell for sample in samples for cell in _size(own.get(sample))]
        rows.append(Row(variant_words(variant), tuple(printed), is_indented=True))
    methods = dict.fromkeys(str(row["ci_method"]) for row in found if row["ci_method"])
    notes = [f"d: uncorrected, g: corrected for small samples. Intervals: {listing(list(methods))}."]
    notes += reasons(found, subject)
    key = "effect_sizes" if what else ""
    reading = _size_reading(found)
    return made_table(procedure, EFFECT_SIZE, "Standardiser", columns, rows, reading, notes=notes, what=what, key=key)


def _size(row: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return BLANK, BLANK, BLANK
    if row[MARK]:
        return HIDDEN, HIDDEN, HIDDEN
    if row["estimate"] is None:
        return Cell("n/a", row["reason"] or "", is_muted=True), BLANK, count_cell(row["n"])
    interval = interval_cell(row["ci_low"], row["ci_high"], 2)
    return number_cell(row["estimate"], 2), interval if interval is not ABSENT else BLANK, count_cell(row["n"])


def _size_reading(found: Sequence[dict[str, Any]]) -> Reading:
    by_subject: dict[str, list[float]] = {}
    for row in found:
        if row["estimate"] is not None and row.get("is_primary") is not False:
            by_subject.setdefault(subject(row), []).append(float(row["estimate"]))
    if not by_subject:
        return NO_READING
    said = [
        f"{label} from {number(min(values, key=abs), 2)} to {number(max(values, key=abs), 2)}"
        if len(values) > 1
        else f"{label} {number(values[0], 2)}"
        for label, values in by_subject.items()
    ]
    return Reading(
        (f"By standardiser, {listing(said)}.",),
        "The same change looks larger or smaller by what it is divided by: compare sizes of one kind only.",
    )
