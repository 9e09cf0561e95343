"""Everything said about one unit: what did not come, what was found, how complete, how it went month by month.

What belongs here: gathering it for the unit's page in the coordinator's folder. What does not: comparing the unit with
others for the unit itself (`report_card`), or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import count, share
from assets.publishing.quality.charts import Chart, across, median, path, up
from assets.publishing.units import Unit
from codebook.library import Library


@dataclass(frozen=True)
class Due:
    """Assessments of one instrument at one occasion that did not come, by what that means."""

    what: str
    instrument: str
    n_overdue: int
    n_missed: int
    n_awaiting: int
    n_soon: int


@dataclass(frozen=True)
class RuleCount:
    """One rule that findings fell under: the sentence, what became of them, and how many."""

    rule: str
    sentence: str
    outcome: str
    kind: str
    instrument: str
    n_open: int
    n_closed: int
    n_touched: int
    oldest_days: int | None


@dataclass(frozen=True)
class UnitDetail:
    """What the unit's page shows beside its week and its deliveries."""

    unit: Unit
    due: tuple[Due, ...]
    quarantined: tuple[str, ...]
    rules: tuple[RuleCount, ...]
    kinds: tuple[tuple[str, str, str], ...]
    profile: Chart | None
    months: tuple[Mapping[str, Any], ...]
    coverage: tuple[Mapping[str, Any], ...]


MONTHS = 24
"""So many months stand in a unit's table."""


def details(frames: Mapping[str, pl.DataFrame], library: Library, found: Sequence[Unit]) -> list[UnitDetail]:
    """One entry per unit, in the order given, from the frames `due`, `findings`, `quarantined`, `completeness`,
    `trend` and `coverage` of `ledger`."""
    points = due_by_unit(frames["due"], library)
    rules = rules_by_unit(frames["findings"], library)
    held = _quarantined(frames["quarantined"], library, found)
    profiles = _profiles(frames["completeness"], library)
    months = _rows(frames["trend"])
    treated = _rows(frames["coverage"])
    return [
        UnitDetail(
            unit,
            tuple(points.get(unit.site, ())),
            tuple(held.get(unit.site, ())),
            tuple(rules.get(unit.site, ())),
            _kinds(rules.get(unit.site, ())),
            profiles.get(unit.site),
            tuple(reversed(months.get(unit.site, ())[-MONTHS:])),
            tuple(treated.get(unit.site, ())),
        )
        for unit in found
    ]


def _rows(frame: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        found.setdefault(row["site_id"], []).append(row)
    return found


def due_by_unit(frame: pl.DataFrame, library: Library) -> dict[str, list[Due]]:
    """By unit, instrument and occasion: what is overdue, missed, awaited or due soon; most overdue first."""
    known = words.occasions(library)
    found: dict[str, list[Due]] = {}
    names = ("n_overdue", "n_missed", "n_awaiting", "n_soon")
    grouped = frame.group_by("site_id", "instrument", "occasion").agg(pl.col(name).sum() for name in names)
    for site, instrument, occasion, *counts in grouped.iter_rows():
        if any(counts):
            label = known[occasion].label if occasion in known else occasion
            what = f"{words.short_name(instrument)} {words.at_occasion(label)}"
            found.setdefault(site, []).append(Due(what, instrument, *counts))
    for items in found.values():
        items.sort(key=lambda item: (-item.n_overdue, -item.n_missed, -item.n_awaiting, -item.n_soon, item.what))
    return found


def rules_by_unit(frame: pl.DataFrame, library: Library) -> dict[str, list[RuleCount]]:
    """By unit: a line per rule and instrument, most open findings first."""
    result: dict[str, list[RuleCount]] = {}
    for row in frame.iter_rows(named=True):
        site, n_open, n_closed = row["site_id"], row["n_open"], row["n_closed"]
        result.setdefault(site, []).append(
            RuleCount(
                row["rule"],
                words.rule_sentence(library, site, row["rule"], n_open or n_closed),
                words.SEVERITIES.get(row["severity"], row["severity"]),
                row["kind"],
                row["instrument"],
                n_open,
                n_closed,
                row["n_touched"],
                row["oldest_days"],
            )
        )
    for items in result.values():
        items.sort(key=lambda item: (-item.n_open, -item.n_closed, item.sentence))
    return result


def _kinds(rules: Sequence[RuleCount]) -> tuple[tuple[str, str, str], ...]:
    """Findings by kind: heading, open, closed; kinds without any are left out."""
    found = []
    for kind, heading in words.CLASSES.items():
        own = [rule for rule in rules if rule.kind == kind]
        if own:
            found.append((heading, count(sum(r.n_open for r in own)), count(sum(r.n_closed for r in own))))
    return tuple(found)


def _quarantined(frame: pl.DataFrame, library: Library, found: Sequence[Unit]) -> dict[str, list[str]]:
    """Rows of each unit's last delivery that were held back, in words, most frequent first."""
    last = {unit.site: unit.last.name for unit in found if unit.last}
    result: dict[str, list[str]] = {}
    for row in frame.iter_rows(named=True):
        if last.get(row["site_id"]) == row["delivery"]:
            sentence = words.rule_sentence(library, row["site_id"], row["rule"], row["n"])
            result.setdefault(row["site_id"], []).append(sentence)
    return result


def _profiles(frame: pl.DataFrame, library: Library) -> dict[str, Chart]:
    """All instruments together, share received by occasion; the median is over the units that expected any."""
    known = words.occasions(library)
    sums = frame.group_by("site_id", "occasion").agg(pl.col("n_expected").sum(), pl.col("n_received").sum())
    rates: dict[str, dict[str, tuple[float, int, int]]] = {}
    for row in sums.sort("site_id", "occasion").to_dicts():
        if row["n_expected"] and row["occasion"] in known:
            value = min(1.0, row["n_received"] / row["n_expected"])
            rates.setdefault(row["occasion"], {})[row["site_id"]] = (value, row["n_received"], row["n_expected"])
    order = [key for key in known if key in rates]
    if len(order) < 2:
        return {}
    middles = [median([value for value, _, _ in rates[key].values()]) for key in order]
    ticks = tuple((across(place, len(order)), known[key].heading) for place, key in enumerate(order))
    found: dict[str, Chart] = {}
    for site in sorted({site for own in rates.values() for site in own}):
        values = [rates[key][site][0] if site in rates[key] else None for key in order]
        parts = [
            f"{known[key].label} {share(*rates[key][site][1:])}, network median {round(100 * middle)} %"
            for key, middle in zip(order, middles, strict=True)
            if site in rates[key]
        ]
        dots = tuple((across(place, len(order)), up(v)) for place, v in enumerate(values) if v is not None)
        title = f"Share of expected assessments received: {'; '.join(parts)}"
        found[site] = Chart(path(values), path(middles), dots, ticks, title)
    return found
