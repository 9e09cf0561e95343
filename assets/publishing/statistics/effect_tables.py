"""Estimates with an interval and a test: contrasts, terms of a procedure's model, mediation, paths, rates.

What belongs here: results tables whose rows are one estimate each. What does not: changes (`change_tables`), or models
that an analysis declares (`model_table`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assets.publishing.formatting import listing, number, p_value, plural, stars
from assets.publishing.statistics.parts import NO_READING, made_table, reasons, sentence
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
    decimals_by_error,
    estimate_cell,
    interval_cell,
    number_cell,
    p_cell,
    statistic_cell,
)
from assets.publishing.statistics.withheld import MARK

Record = dict[str, Any]
MOST_SAID = 4
_TERM = re.compile(r"[a-z_][\w\[\]:]*")
COMMON_TERMS = ("intercept", "months")
"""Terms of every growth model, which no reader asks about first."""


@dataclass(frozen=True)
class Effects:
    """How the rows of one results table are named: under which heading, by which label, as what in a sentence."""

    table: str
    stub: str
    heading: Callable[[Record], str]
    label: Callable[[Record], str]
    noun: str
    what: str = ""
    counts: Callable[[Record], bool] = lambda _: True
    """Whether a row's p is one of those that a reader wants counted."""


def effects_table(procedure: Procedure, layout: Effects) -> PaperTable:
    """Rows by heading: estimate (SE), interval, test, what else is known of any of them, patients."""
    found = procedure.rows(layout.table)

    def has(name: str) -> bool:
        return any(row.get(name) is not None for row in found)

    extra = [
        (name, heading)
        for name, heading in (("p_adjusted", "p adjusted"), ("standardised", "Standardised"))
        if has(name)
    ]
    counted = {"n_events": "Events", "exposure": "Exposure", "n_patients": "Patients", "n_observations": "Observations"}
    if not has("n_events"):
        del counted["exposure"]  # of a mediation, a column's name
    sizes = [(name, heading) for name, heading in counted.items() if has(name)]
    has_test, has_p = has("statistic"), has("p_value")
    columns = [Column("Estimate (SE)" if has("std_error") else "Estimate"), Column("95 % CI")]
    columns += [Column("Statistic (df)" if has("df") else "Statistic")] if has_test else []
    columns += [Column("p")] if has_p else []
    columns += [Column(heading) for _, heading in [*extra, *sizes]]
    by_heading: dict[str, list[float | None]] = {}
    for row in found:
        by_heading.setdefault(layout.heading(row), []).append(row.get("std_error"))
    rows: list[Row] = []
    last = ""
    for row in found:
        heading = layout.heading(row)
        if heading != last:
            rows.append(Row(heading))
            last = heading
        decimals = decimals_by_error(by_heading[heading] if layout.noun != "term" else [row.get("std_error")])
        cells = _cells(row, procedure, decimals, (has_test, has_p), [n for n, _ in extra], [n for n, _ in sizes])
        if len(cells) < len(columns):
            cells = (*cells, *(BLANK if not row[MARK] else HIDDEN for _ in range(len(columns) - len(cells))))
        rows.append(Row(layout.label(row), cells, is_indented=True))
    adjustments = dict.fromkeys(row["adjustment"] for row in found if row.get("adjustment") not in (None, "", "none"))
    notes = [f"Adjusted for several comparisons: {listing(list(adjustments))}."] if adjustments else []
    methods = dict.fromkeys(str(row[n]) for row in found for n in ("method", "ci_method") if row.get(n))
    notes += [sentence(method) for method in methods]
    return made_table(procedure, layout.table, layout.stub, columns, rows, _reading(found, layout),
                      notes=[*notes, *reasons(found, layout.label)], what=layout.what)  # fmt: skip


def _cells(
    row: Record,
    procedure: Procedure,
    decimals: int,
    shown: tuple[bool, bool],
    extra: Sequence[str],
    sizes: Sequence[str],
) -> tuple[Cell, ...]:
    if row[MARK]:
        return (HIDDEN,)
    if row["estimate"] is None and row.get("statistic") is None:
        return (Cell("n/a", row.get("reason") or "", is_muted=True),)
    p = row.get("p_adjusted") if row.get("p_adjusted") is not None else row.get("p_value")
    link = procedure.link(row["outcome"]) if "outcome" in row else ""
    interval = interval_cell(row["ci_low"], row["ci_high"], decimals)
    cells = [
        BLANK
        if row["estimate"] is None
        else replace(estimate_cell(row["estimate"], row.get("std_error"), decimals, p), link=link),
        BLANK if interval is ABSENT else interval,
    ]
    has_test, has_p = shown
    if has_test:
        cells.append(BLANK if row["statistic"] is None else statistic_cell(row["statistic"], row.get("df")))
    if has_p:
        cells.append(BLANK if row["p_value"] is None else p_cell(row["p_value"]))
    for name in extra:
        value = row.get(name)
        cells.append(BLANK if value is None else p_cell(value) if name.startswith("p_") else number_cell(value, 2))
    for name in sizes:
        value = row.get(name)
        cells.append(
            BLANK if value is None else number_cell(value, 0) if name == "exposure" else count_cell(int(value))
        )
    return tuple(cells)


def _reading(found: Sequence[Record], layout: Effects) -> Reading:
    shown = [row for row in found if row.get("p_value") is not None and layout.counts(row)]
    if not shown:
        return NO_READING

    def p_of(row: Record) -> float:
        adjusted = row.get("p_adjusted")
        return float(row["p_value"] if adjusted is None else adjusted)

    def name(row: Record) -> str:
        heading = layout.heading(row)
        return f"{layout.label(row)}{f' ({heading})' if heading else ''}"

    sizes = [row["n_patients"] for row in shown if row.get("n_patients") is not None]
    doubt = f"The smallest rests on {plural(min(sizes), 'patient')}; read the interval before the p." if sizes else ""

    def said(rows: Sequence[Record], noun: str) -> str:
        clear = sorted((row for row in rows if stars(p_of(row))), key=p_of)
        if not clear:
            return f"None of {plural(len(rows), noun)} can be told from chance."
        most = [f"{name(row)}, {p_value(p_of(row))}" for row in clear[:MOST_SAID]]
        rest = f"; and {len(clear) - MOST_SAID} more" if len(clear) > MOST_SAID else ""
        lies = "lies" if len(clear) == 1 else "lie"
        return f"{len(clear)} of {plural(len(rows), noun)} {lies} beyond chance: {'; '.join(most)}{rest}."

    family = [row for row in shown if row.get("p_adjusted") is not None]
    alone = [row for row in shown if row.get("p_adjusted") is None]
    if not family or not alone:
        return Reading((said(shown, layout.noun),), doubt)
    # what was compared, and corrected for how often, is the question; each on its own comes after
    return Reading((said(family, "adjusted comparison"), said(alone, layout.noun)), doubt)


def contrasts(procedure: Procedure, words: Callable[[str], str]) -> Effects:
    """Linear combinations of a model's terms, by outcome, or by two outcomes that are compared."""

    def label(row: Record) -> str:
        text = str(row["contrast"])
        is_dated = row["at_months"] is None or ", month " in text
        when = "" if is_dated else f", month {number(row['at_months'], 0)}"
        return f"{words(text) if _TERM.fullmatch(text) else text}{when}"

    return Effects("results.contrast", "Contrast", lambda row: procedure.outcome(row["outcome"]), label, "contrast",
                   "contrasts")  # fmt: skip


def terms(procedure: Procedure, words: Callable[[str], str]) -> Effects:
    """Fixed effects of a procedure's own model, by outcome."""
    return Effects("results.estimate", "Term", lambda row: procedure.outcome(row["outcome"]),
                   lambda row: words(row["term"]), "term", "fixed effects",
                   lambda row: row["term"] not in COMMON_TERMS)  # fmt: skip


def mediation(_: Procedure) -> Effects:
    """Paths of a mediation, by exposure, mediator and outcome."""

    def heading(row: Record) -> str:
        return f"{_plain(row['exposure'])} → {_plain(row['mediator'])} → {_plain(row['outcome'])}"

    def label(row: Record) -> str:
        drawn = "" if row["n_resamples"] is None else f", {row['ci_method']}"
        return f"{row['effect']}{drawn}"

    return Effects("results.mediation", "Effect", heading, label, "effect")


def paths(_: Procedure) -> Effects:
    """Regressions and covariances of a path model, by model."""
    words = {"~": "on", "~~": "with", "=~": "measured by", "~1": "mean"}

    def label(row: Record) -> str:
        if row["op"] == "~~" and row["lhs"] == row["rhs"]:
            return f"Variance of {_plain(row['lhs'])}"
        return f"{_plain(row['lhs'])} {words.get(row['op'], row['op'])} {_plain(row['rhs'])}".strip()

    return Effects("results.path", "Path", lambda row: str(row["model"] or "").upper(), label, "path", "paths",
                   lambda row: row["op"] == "~")  # fmt: skip


def rates(procedure: Procedure) -> Effects:
    """Rates and rate ratios, by outcome and measure."""

    def heading(row: Record) -> str:
        return f"{procedure.outcome(row['outcome'])}: {_plain(row['measure'])}"

    def label(row: Record) -> str:
        unit = f" per {number(row['per'], 0)} {row['exposure_unit']}" if row["per"] and row["exposure_unit"] else ""
        return f"{_plain(row['group_level'] or row['term'] or 'all')}{unit}"

    return Effects("results.rate", "Group or term", heading, label, "rate")


def _plain(text: object) -> str:
    return str(text or "").replace("_", " ")
