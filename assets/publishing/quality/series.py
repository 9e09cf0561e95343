"""Counts that follow the page's filters: the overview's by quarter, the findings' by rule, the trends' by month.

What belongs here: the compact lists that a page carries for its script, and the charts drawn from the same numbers
before any filter. What does not: the script (`templates/quality.js`), or queries (`ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing.formatting import share
from assets.publishing.quality.charts import QUARTERS, Chart, medians, path
from assets.publishing.quality.ledger import COUNTS_OF_DUE, instrument_order
from assets.publishing.units import Unit
from codebook.library import Library

MONTH_COUNTS = (
    "n_due",
    "n_received",
    "n_received_on_time",
    "n_overdue",
    "n_assessments",
    "n_findings_opened",
    "n_findings_closed",
    "n_findings_open",
)


@dataclass(frozen=True)
class Multiple:
    """A unit's small chart with the counts of the whole span under it."""

    unit: Unit
    chart: Chart
    n_received: int
    n_due: int


def quarters(due: pl.DataFrame) -> list[str]:
    """Every quarter in which something was due and its fate is known, without gaps."""
    named = sorted(due.filter((pl.col("n_due") > 0) & (pl.col("quarter") != ""))["quarter"].unique().to_list())
    if not named:
        return []
    (first, begin), (last, end) = ((int(text[:4]), int(text[-1])) for text in (named[0], named[-1]))
    return [f"{n // 4}-Q{n % 4 + 1}" for n in range(first * 4 + begin - 1, last * 4 + end)]


def overview_counts(
    due: pl.DataFrame, findings: pl.DataFrame, change: pl.DataFrame, library: Library, found: Sequence[Unit]
) -> dict[str, Any]:
    """The overview's counts: places in `instruments` and `quarters` instead of names; `drawn`: first and last quarter
    of which a fate is known.

    `due` holds, per unit, lists of instrument, quarter (-1: no date) and COUNTS_OF_DUE; `findings` lists of instrument,
    open; `overdue` and `changes` lists of instrument, new, gone (resolved, or given up as missed).
    """
    instruments = instrument_order(
        library, sorted({*due["instrument"].to_list(), *(key for key in findings["instrument"].to_list() if key)})
    )
    drawn = quarters(due)
    spans = sorted({*drawn, *(text for text in due["quarter"].unique().to_list() if text)})
    at_instrument = {key: place for place, key in enumerate(instruments)}
    at_span = {key: place for place, key in enumerate(spans)}
    points: dict[str, list[list[int]]] = {unit.site: [] for unit in found}
    change = change.with_columns((pl.col("n_resolved") + pl.col("n_lapsed").fill_null(0)).alias("n_gone"))
    gone = ["n_new", "n_gone"]
    grouped = due.group_by("site_id", "instrument", "quarter").agg(pl.col(name).sum() for name in COUNTS_OF_DUE)
    for site, instrument, quarter, *counts in grouped.sort("site_id", "instrument", "quarter").iter_rows():
        if site in points and any(counts):
            points[site].append([at_instrument[instrument], at_span.get(quarter, -1), *counts])
    return {
        "instruments": instruments,
        "quarters": spans,
        "drawn": [spans.index(drawn[0]), spans.index(drawn[-1])] if drawn else [0, -1],
        "due": points,
        "findings": _by_instrument(findings, found, at_instrument, ["n_open"]),
        "overdue": _by_instrument(change.filter(pl.col("kind") == "overdue"), found, at_instrument, gone),
        "changes": _by_instrument(change.filter(pl.col("kind") == "finding"), found, at_instrument, gone),
        "isCompared": not change.is_empty(),
    }


def _by_instrument(
    frame: pl.DataFrame, found: Sequence[Unit], places: Mapping[str, int], names: Sequence[str]
) -> dict[str, list[list[int]]]:
    result: dict[str, list[list[int]]] = {unit.site: [] for unit in found}
    grouped = frame.group_by("site_id", pl.col("instrument").fill_null("")).agg(pl.col(name).sum() for name in names)
    for site, instrument, *counts in grouped.sort("site_id", "instrument").iter_rows():
        if site in result and any(counts):
            result[site].append([places.get(instrument, -1), *counts])
    return result


def multiples(due: pl.DataFrame, found: Sequence[Unit]) -> list[Multiple]:
    """Share received by quarter over the last QUARTERS quarters; units in the order given."""
    shown = quarters(due)[-QUARTERS:]
    counted: dict[str, dict[str, tuple[int, int]]] = {}
    grouped = due.group_by("site_id", "quarter").agg(pl.col("n_received").sum(), pl.col("n_due").sum())
    for site, quarter, received, n_due in grouped.iter_rows():
        counted.setdefault(site, {})[quarter] = (received, n_due)
    rates: dict[str, list[float | None]] = {
        unit.site: [_rate(counted.get(unit.site, {}).get(quarter)) for quarter in shown] for unit in found
    }
    middle = path(medians(rates, len(shown)))
    listed = []
    for unit in found:
        own = [(quarter, counted.get(unit.site, {}).get(quarter, (0, 0))) for quarter in shown]
        received, n_due = sum(pair[0] for _, pair in own), sum(pair[1] for _, pair in own)
        told = ", ".join(f"{quarter} {share(*pair)}" for quarter, pair in own if pair[1])
        chart = Chart(
            path(rates[unit.site]), middle, (), (), f"{unit.name}, share received by quarter: {told or 'n/a'}"
        )
        listed.append(Multiple(unit, chart, received, n_due))
    return listed


def _rate(pair: tuple[int, int] | None) -> float | None:
    return min(1.0, pair[0] / pair[1]) if pair and pair[1] else None


def month_counts(trend: pl.DataFrame, found: Sequence[Unit]) -> dict[str, Any]:
    """The trend's counts by month: `units` holds per unit a list of MONTH_COUNTS, or 0 where nothing is known."""
    months = [day.isoformat()[:7] for day in trend["month"].unique().sort().to_list()]
    places = {month: place for place, month in enumerate(months)}
    units: dict[str, list[Any]] = {unit.site: [0] * len(months) for unit in found}
    for site, month, *counts in trend.select("site_id", "month", *MONTH_COUNTS).iter_rows():
        if site in units:
            units[site][places[month.isoformat()[:7]]] = [n or 0 for n in counts]
    return {"months": months, "units": units}


def network_months(trend: pl.DataFrame) -> list[dict[str, Any]]:
    """All units together, month by month, latest first."""
    sums = trend.group_by("month").agg(pl.col(name).sum() for name in MONTH_COUNTS)
    return sums.sort("month", descending=True).to_dicts()
