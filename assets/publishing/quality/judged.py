"""Expectations as the pages show them: what was not met in the judge's sentence, and counts of every status.

What belongs here: rows of `quality.expectation` with their words. What does not: judging (`checks.expectations`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import NOT_APPLICABLE, count, number, percent, plural
from assets.publishing.units import Unit
from codebook.library import Library


@dataclass(frozen=True)
class Judged:
    """One expectation at one unit."""

    suite_key: str
    suite: str
    sentence: str
    unit: Unit
    instrument: str
    about: str
    status: str
    word: str
    failed: str
    waiver: str | None
    n_failed: int | None
    n_checked: int
    observed: float | None


def judged(frame: pl.DataFrame, found: Sequence[Unit], library: Library) -> list[Judged]:
    """Every row about a known unit: errors, then failures, then the rest; units in the order given."""
    by_site = {unit.site: unit for unit in found}
    listed: list[Judged] = []
    for row in frame.iter_rows(named=True):
        unit = by_site.get(row["site_id"] or "")
        if unit is None:
            continue
        n_failed, n_checked, status = row["n_failed"], row["n_checked"], row["status"]
        listed.append(
            Judged(
                row["suite"],
                words.suite_words(row["suite"]),
                _sentence(row),
                unit,
                row["instrument"] or "",
                _about(row, library),
                status,
                words.EXPECTATION_STATES.get(status, status),
                _failed(n_failed, n_checked),
                row["waiver"],
                n_failed,
                n_checked or 0,
                row["observed"],
            )
        )
    order = {unit.site: place for place, unit in enumerate(found)}
    rank = {"error": 0, "fail": 1}
    listed.sort(key=lambda item: (rank.get(item.status, 2), order[item.unit.site], item.suite, item.sentence))
    return listed


def tally(items: Sequence[Judged], found: Sequence[Unit]) -> dict[str, dict[str, int]]:
    """Expectations of each unit by status."""
    counted = {unit.site: dict.fromkeys(words.EXPECTATION_STATES, 0) for unit in found}
    for item in items:
        counted[item.unit.site][item.status] = counted[item.unit.site].get(item.status, 0) + 1
    return counted


def not_met(items: Sequence[Judged]) -> list[Judged]:
    """What failed or could not be checked."""
    return [item for item in items if item.status in ("fail", "error")]


def _failed(n_failed: int | None, n_checked: int | None) -> str:
    """`3 of 40`; what judges a mean and counts no failures says on how many it rests."""
    if not n_checked:
        return NOT_APPLICABLE
    return f"{count(n_checked)} checked" if n_failed is None else f"{count(n_failed)} of {count(n_checked)}"


def in_short(items: Sequence[Judged]) -> list[tuple[Unit, str]]:
    """Failed drops and drifts in a few words, those of one unit and instrument in one line; order as given.

    `WAI-S: 30 of 50 expected, 40 % fewer`; `WSAS: 3 scales apart from before, by up to 1.68 SD`. The judge's whole
    sentences stand on the page of expectations.
    """
    grouped: dict[tuple[str, str, str], list[Judged]] = {}
    for item in items:
        grouped.setdefault((item.unit.site, item.suite_key, item.instrument), []).append(item)
    lines = []
    for own in grouped.values():
        first = own[0]
        name = words.short_name(first.instrument) if first.instrument else "All instruments"
        most = max((abs(item.observed) for item in own if item.observed is not None), default=None)
        if first.suite_key == "volume" and first.n_failed is not None and first.n_checked:
            kept = first.n_checked - first.n_failed
            less = percent(first.n_failed, first.n_checked)
            text = f"{name}: {count(kept)} of {plural(first.n_checked, 'expected assessment')}, {less} fewer"
        elif first.suite_key == "drift" and most is not None:
            scales = plural(len(own), "scale")
            text = f"{name}: {scales} apart from before, by {'up to ' if len(own) > 1 else ''}{number(most, 2)} SD"
        else:
            text = first.sentence
        lines.append((first.unit, text))
    return lines


def _sentence(row: Mapping[str, Any]) -> str:
    """The judge's own sentence where it was judged; an error's text stays inside, since it may quote values."""
    if row["status"] != "error" and row.get("message"):
        return str(row["message"])
    if row["instrument"]:
        rest = str(row["expectation"]).removeprefix(f"{row['instrument']}_").replace("_", " ")
        return f"{words.short_name(row['instrument'])}: {rest}"
    return words.expectation_words(row["expectation"])


def _about(row: Mapping[str, Any], library: Library) -> str:
    instrument, scale = row["instrument"], row["scale"]
    if not instrument:
        return ""
    label = words.scale_label(library, instrument, scale) if scale else ""
    return f"{words.short_name(instrument)}{', ' + label if label else ''}"
