"""Heat maps of completeness: a map per instrument, units in rows, occasions in columns.

What belongs here: cells with their counts, shade and words. What does not: the query (`ledger`), or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import NOT_APPLICABLE, percent, share
from assets.publishing.quality.ledger import instrument_order
from assets.publishing.units import Unit
from codebook.library import Library

SHADES = 5
"""Steps of the heat map: 0 nothing missing, 1 … 5 more and more."""
COUNTS = ("n_expected", "n_received", "n_scorable", "n_items_expected", "n_items_answered")
NETWORK = "network"
"""Key of the row that sums every unit."""


@dataclass(frozen=True)
class HeatCell:
    """A unit's share of an instrument at an occasion; `shade` None: nothing was expected."""

    occasion: str
    text: str
    rate: str
    title: str
    shade: int | None


@dataclass(frozen=True)
class HeatMap:
    """One instrument: all units together, then units in rows; occasions in columns."""

    instrument: str
    name: str
    title: str
    occasions: tuple[words.OccasionWords, ...]
    total: tuple[HeatCell, ...]
    rows: tuple[tuple[Unit, tuple[HeatCell, ...]], ...]


def heat_maps(frame: pl.DataFrame, library: Library, found: Sequence[Unit]) -> list[HeatMap]:
    """One map per instrument that was due anywhere; units in the order given, occasions in the order of time."""
    cells = {(row["instrument"], row["site_id"], row["occasion"]): row for row in frame.to_dicts()}
    sums = frame.group_by("instrument", "occasion").agg(pl.col(name).sum() for name in COUNTS)
    totals = {(row["instrument"], row["occasion"]): row for row in sums.to_dicts()}
    known = words.occasions(library)
    maps = []
    for instrument in instrument_order(library, frame["instrument"].unique().to_list()):
        keys = {occasion for key, occasion in totals if key == instrument}
        order = [item for item in known.values() if item.key in keys]
        order += [words.OccasionWords(key, key, key, 0, 0) for key in sorted(keys - set(known))]
        total = tuple(heat_cell(totals[instrument, item.key], "All units", item) for item in order)
        rows = tuple(
            (unit, tuple(heat_cell(cells.get((instrument, unit.site, item.key)), unit.name, item) for item in order))
            for unit in found
        )
        name = words.short_name(instrument)
        title = words.instrument_title(library, instrument)
        maps.append(HeatMap(instrument, name, title, tuple(order), total, rows))
    return maps


def heat_cell(row: Mapping[str, Any] | None, who: str, occasion: words.OccasionWords) -> HeatCell:
    """The share received in words, in figures and as a shade."""
    expected = int(row["n_expected"] or 0) if row else 0
    place = f"{who}, {words.at_occasion(occasion.label).removeprefix('at ')}"
    if row is None or not expected:
        return HeatCell(occasion.key, NOT_APPLICABLE, NOT_APPLICABLE, f"{place}: nothing expected", None)
    received, scorable = int(row["n_received"] or 0), int(row["n_scorable"] or 0)
    answered = share(row["n_items_answered"], row["n_items_expected"])
    missing = 1 - min(1.0, received / expected)
    shade = 0 if missing == 0 else min(SHADES, 1 + int(missing * SHADES))
    title = f"{place}: received {share(received, expected)}, scorable {share(scorable, expected)}, answers {answered}"
    return HeatCell(occasion.key, f"{received}/{expected}", percent(received, expected), title, shade)


def by_year(frame: pl.DataFrame, maps: Sequence[HeatMap], found: Sequence[Unit]) -> dict[str, Any]:
    """The same counts for each calendar year, for the page's period filter: place in every list instead of names.

    `cells` holds, per unit, lists of map, occasion, year and the five counts.
    """
    years = sorted(frame["year"].unique().to_list())
    place = {(m.instrument, o.key): (i, j) for i, m in enumerate(maps) for j, o in enumerate(m.occasions)}
    cells: dict[str, list[list[int]]] = {unit.site: [] for unit in found}
    for site, instrument, occasion, year, *counts in frame.select(
        "site_id", "instrument", "occasion", "year", *COUNTS
    ).iter_rows():
        if site in cells and (instrument, occasion) in place and any(counts):
            cells[site].append([*place[instrument, occasion], years.index(year), *(n or 0 for n in counts)])
    return {"years": years, "cells": cells}
