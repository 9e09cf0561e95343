"""What to look at first: deliveries that are missing or held, sudden drops, drift, and where most is overdue.

What belongs here: choosing and wording the few lines at the head of the overview. What does not: judging (the gate,
great-expectations and the ledger did), or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import count, plural, short_date
from assets.publishing.quality.judged import Judged, in_short
from assets.publishing.quality.week import Week
from codebook.library import Library

SHOWN = 3
"""So many lines stand under each heading; the rest are counted."""


@dataclass(frozen=True)
class Line:
    """One unit under one heading."""

    site: str
    name: str
    text: str


@dataclass(frozen=True)
class Attention:
    """One heading with its mark, its lines, and where all of them are; `quiet` is said where there is none."""

    key: str
    heading: str
    mark: str
    n: int
    n_units: int
    lines: tuple[Line, ...]
    n_more: int
    page: str
    quiet: str


def attention(rows: Sequence[Week], due: pl.DataFrame, judged: Sequence[Judged], library: Library) -> list[Attention]:
    """Overdue, drop, drift, delivery: four headings, worst unit first under each."""
    drops = [item for item in judged if item.suite_key == "volume" and item.status == "fail"]
    drifts = [item for item in judged if item.suite_key == "drift" and item.status == "fail"]
    suites = {item.suite_key for item in judged}
    return [
        _heading("overdue", "Overdue", "●", _overdue(rows, due, library), "this-week.html", "Nothing is overdue."),
        _heading(
            "drop",
            "Sudden drop",
            "▼",
            _failed(drops),
            "expectations.html#suite-volume",
            "No unit sent suddenly less." if "volume" in suites else "Drops were not judged.",
        ),
        _heading(
            "drift",
            "Drift",
            "◆",
            _failed(drifts),
            "expectations.html#suite-drift",
            "No scale has shifted." if "drift" in suites else "Drift was not judged.",
        ),
        _heading(
            "delivery", "Deliveries", "■", _deliveries(rows), "deliveries.html", "None is missing, late or held back."
        ),
    ]


def _heading(key: str, heading: str, mark: str, lines: list[Line], page: str, quiet: str) -> Attention:
    shown = tuple(lines[:SHOWN])
    n_units = len({line.site for line in lines})
    return Attention(key, heading, mark, len(lines), n_units, shown, len(lines) - len(shown), page, quiet)


def _overdue(rows: Sequence[Week], due: pl.DataFrame, library: Library) -> list[Line]:
    known = words.occasions(library)
    most: dict[str, tuple[int, str, str]] = {}
    grouped = due.group_by("site_id", "instrument", "occasion").agg(pl.col("n_overdue").sum())
    for site, instrument, occasion, n in grouped.sort("site_id", "instrument", "occasion").iter_rows():
        if n and n > most.get(site, (0, "", ""))[0]:
            most[site] = (n, instrument, occasion)
    lines = []
    for row in sorted(rows, key=lambda row: (-row.unit.n_overdue, row.unit.name)):
        if not row.unit.n_overdue:
            continue
        text = f"{count(row.unit.n_overdue)} overdue"
        if row.overdue is not None and row.overdue.n_new:
            text += f", {count(row.overdue.n_new)} of them new"
        if row.unit.site in most:
            n, instrument, occasion = most[row.unit.site]
            label = known[occasion].label if occasion in known else occasion
            text += f"; most: {words.short_name(instrument)} {words.at_occasion(label)} ({count(n)})"
        lines.append(Line(row.unit.site, row.unit.name, text))
    return lines


def _failed(judged: Sequence[Judged]) -> list[Line]:
    return [Line(unit.site, unit.name, text) for unit, text in in_short(judged)]


def _deliveries(rows: Sequence[Week]) -> list[Line]:
    lines = []
    for row in rows:
        unit = row.unit
        if unit.state.is_good is not False:
            continue
        text = unit.state.word
        if unit.state.key == "late" and unit.last is not None:
            text += (
                f": last on {short_date(unit.last.delivery_date)}, agreed every {plural(unit.cadence_days or 0, 'day')}"
            )
        elif unit.is_held and unit.last is not None:
            text += f": {words.gate_words(unit.last.gate)}"
        lines.append(Line(unit.site, unit.name, text))
    return lines
