"""What the coordinator's page says: whom to call, about what, and how complete the data are. Counts only.

What belongs here: the content of `published/network`. What does not: judging a unit (`units`), or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import NOT_APPLICABLE, count, listing, percent, plural, share
from assets.publishing.sources import Warehouse
from assets.publishing.units import CLOSED_STATES, OPEN_STATES, Unit
from codebook.library import Library

SHADES = 5
"""Steps of the heat map: 0 nothing missing, 1 … 5 more and more."""
MOST_OF = 0.6
"""A few units are named where they hold at least this share of what is overdue."""


@dataclass(frozen=True)
class Due:
    """Assessments of one instrument at one occasion that did not come, by what that means."""

    what: str
    instrument: str
    n_overdue: int
    n_missed: int
    n_awaiting: int


@dataclass(frozen=True)
class RuleCount:
    """One rule that findings or quarantined rows fell under: the sentence, what became of them, and how many."""

    sentence: str
    outcome: str
    kind: str
    instrument: str
    n_open: int
    n_new: int
    n_closed: int


@dataclass(frozen=True)
class HeatCell:
    """A unit's share of an instrument at an occasion; `shade` None: nothing was expected."""

    text: str
    rate: str
    title: str
    shade: int | None


@dataclass(frozen=True)
class HeatMap:
    """One instrument: units in rows, occasions in columns."""

    instrument: str
    name: str
    title: str
    occasions: tuple[words.OccasionWords, ...]
    rows: tuple[tuple[Unit, tuple[HeatCell, ...]], ...]


@dataclass(frozen=True)
class Profile:
    """The share received at each occasion, unit beside the network's median, as points of a small picture."""

    unit_points: str
    median_points: str
    dots: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str], ...]
    title: str


@dataclass(frozen=True)
class UnitDetail:
    """Everything said about one unit."""

    unit: Unit
    due: tuple[Due, ...]
    quarantined: tuple[str, ...]
    rules: tuple[RuleCount, ...]
    kinds: tuple[tuple[str, str, str], ...]
    profile: Profile | None


@dataclass(frozen=True)
class Expectation:
    """One expectation at one unit that did not simply pass."""

    suite: str
    sentence: str
    unit: Unit
    status: str
    word: str
    failed: str


def first_sentence(found: Sequence[Unit]) -> str:
    """`3 of 4 units are up to date; 12 assessments are overdue; …`"""
    judged = [unit for unit in found if unit.state.is_good is not None]
    good = sum(unit.state.is_good is True for unit in judged)
    if judged:
        parts = [f"{count(good)} of {plural(len(judged), 'unit')} {'is' if good == 1 else 'are'} up to date"]
    else:
        parts = [f"{plural(len(found), 'unit')}, none with an agreed rhythm of delivery"]
    overdue = sum(unit.n_overdue for unit in found)
    parts.append(
        f"{plural(overdue, 'assessment')} {'is' if overdue == 1 else 'are'} overdue{_concentration(found, overdue)}"
        if overdue
        else "no assessment is overdue"
    )
    open_findings, new = sum(unit.n_open for unit in found), sum(unit.n_new for unit in found)
    verb = "is" if open_findings == 1 else "are"
    parts.append(
        f"{plural(open_findings, 'finding')} {verb} open, {count(new) if new else 'none'} of them new"
        if open_findings
        else "no finding is open"
    )
    held = [unit.name for unit in found if unit.state.key == "held"]
    if held:
        parts.append(f"the last delivery of {listing(held)} is held back")
    return "; ".join(parts) + "."


def _concentration(found: Sequence[Unit], overdue: int) -> str:
    ranked = sorted(found, key=lambda unit: (-unit.n_overdue, unit.name))
    having = [unit for unit in ranked if unit.n_overdue]
    taken: list[Unit] = []
    for unit in having:
        taken.append(unit)
        if sum(item.n_overdue for item in taken) >= MOST_OF * overdue:
            break
    n = sum(item.n_overdue for item in taken)
    if len(having) > 1 and 2 * len(taken) > len(having):
        return ""
    if len(taken) == 1:
        return f", {'all' if n == overdue else f'{count(n)} of them'} at {taken[0].name}"
    return f", {count(n)} of them at {count(len(taken))} units"


def details(warehouse: Warehouse, library: Library, found: Sequence[Unit]) -> list[UnitDetail]:
    """One entry per unit, in the order given."""
    due = _due(warehouse, library)
    rules = _rules(warehouse, library, found)
    quarantined = _quarantined(warehouse, library, found)
    profiles = _profiles(warehouse, library)
    return [
        UnitDetail(
            unit,
            tuple(due.get(unit.site, ())),
            tuple(quarantined.get(unit.site, ())),
            tuple(rules.get(unit.site, ())),
            _kinds(rules.get(unit.site, ())),
            profiles.get(unit.site),
        )
        for unit in found
    ]


def _due(warehouse: Warehouse, library: Library) -> dict[str, list[Due]]:
    if not warehouse.has("quality.expected_assessment"):
        return {}
    frame = warehouse.frame(
        "select site_id, instrument, occasion, "
        "count(*) filter (status = 'overdue') as n_overdue, count(*) filter (status = 'missed') as n_missed, "
        "count(*) filter (status = 'awaiting_delivery') as n_awaiting "
        "from quality.expected_assessment group by all order by all"
    )
    known = words.occasions(library)
    found: dict[str, list[Due]] = {}
    for row in frame.to_dicts():
        if row["n_overdue"] + row["n_missed"] + row["n_awaiting"]:
            label = known[row["occasion"]].label if row["occasion"] in known else row["occasion"]
            what = f"{words.short_name(row['instrument'])} {words.at_occasion(label)}"
            found.setdefault(row["site_id"], []).append(
                Due(what, row["instrument"], row["n_overdue"], row["n_missed"], row["n_awaiting"])
            )
    for items in found.values():
        items.sort(key=lambda item: (-item.n_overdue, -item.n_missed, -item.n_awaiting, item.what))
    return found


def _rules(warehouse: Warehouse, library: Library, found: Sequence[Unit]) -> dict[str, list[RuleCount]]:
    if not warehouse.has("quality.finding"):
        return {}
    last = {unit.site: unit.last_accepted.name for unit in found if unit.last_accepted and len(unit.deliveries) > 1}
    frame = warehouse.frame(
        "select site_id, rule, class as kind, severity, coalesce(instrument, '') as instrument, first_delivery, "
        f"count(*) filter (status in {OPEN_STATES}) as n_open, count(*) filter (status in {CLOSED_STATES}) as n_closed "
        "from quality.finding group by all order by all"
    )
    grouped: dict[tuple[str, str, str, str, str], list[int]] = {}
    for row in frame.to_dicts():
        counts = grouped.setdefault(
            (row["site_id"], row["rule"], row["kind"], row["severity"], row["instrument"]), [0, 0, 0]
        )
        counts[0] += row["n_open"]
        counts[1] += row["n_open"] if last.get(row["site_id"]) == row["first_delivery"] else 0
        counts[2] += row["n_closed"]
    result: dict[str, list[RuleCount]] = {}
    for (site, rule, kind, severity, instrument), (n_open, n_new, n_closed) in grouped.items():
        result.setdefault(site, []).append(
            RuleCount(
                words.rule_sentence(library, site, rule, n_open or n_closed),
                words.SEVERITIES.get(severity, severity),
                kind,
                instrument,
                n_open,
                n_new,
                n_closed,
            )
        )
    for items in result.values():
        items.sort(key=lambda item: (-item.n_open, -item.n_closed, item.sentence))
    return result


def _kinds(rules: Sequence[RuleCount]) -> tuple[tuple[str, str, str], ...]:
    """Findings by kind: heading, open, closed; kinds without any are n/a-free noughts and left out."""
    found = []
    for kind, heading in words.CLASSES.items():
        own = [rule for rule in rules if rule.kind == kind]
        if own:
            found.append((heading, count(sum(r.n_open for r in own)), count(sum(r.n_closed for r in own))))
    return tuple(found)


def _quarantined(warehouse: Warehouse, library: Library, found: Sequence[Unit]) -> dict[str, list[str]]:
    """Rows of each unit's last delivery that were held back, in words, most frequent first."""
    if not warehouse.has("quality.quarantine"):
        return {}
    frame = warehouse.frame(
        "select site_id, delivery, rule, count(*) as n from quality.quarantine group by all order by all"
    )
    last = {unit.site: unit.last.name for unit in found if unit.last}
    result: dict[str, list[str]] = {}
    for row in sorted(frame.to_dicts(), key=lambda item: (-item["n"], item["rule"])):
        if last.get(row["site_id"]) == row["delivery"]:
            sentence = words.rule_sentence(library, row["site_id"], row["rule"], row["n"])
            result.setdefault(row["site_id"], []).append(sentence)
    return result


def completeness(warehouse: Warehouse) -> pl.DataFrame:
    """`quality.completeness` in a fixed order; empty with its columns where it was not built."""
    frame = warehouse.table("quality.completeness", "site_id, instrument, occasion")
    names = ("n_expected", "n_received", "n_scorable", "n_items_expected", "n_items_answered")
    empty = {name: pl.String() for name in ("site_id", "instrument", "occasion")} | {name: pl.Int64() for name in names}
    return frame if frame.width else pl.DataFrame(schema=empty)


def heat_maps(frame: pl.DataFrame, library: Library, found: Sequence[Unit]) -> list[HeatMap]:
    """One map per instrument that was due anywhere; units in the order given, occasions in the order of time."""
    cells = {(row["instrument"], row["site_id"], row["occasion"]): row for row in frame.to_dicts()}
    known = words.occasions(library)
    maps = []
    for instrument in instrument_order(library, frame["instrument"].unique().to_list()):
        keys = {occasion for key, _, occasion in cells if key == instrument}
        order = [item for item in known.values() if item.key in keys]
        order += [words.OccasionWords(key, key, key, 0, 0) for key in sorted(keys - set(known))]
        rows = tuple(
            (unit, tuple(_heat_cell(cells.get((instrument, unit.site, item.key)), unit, item) for item in order))
            for unit in found
        )
        name = words.short_name(instrument)
        maps.append(HeatMap(instrument, name, words.instrument_title(library, instrument), tuple(order), rows))
    return maps


def _heat_cell(row: Mapping[str, Any] | None, unit: Unit, occasion: words.OccasionWords) -> HeatCell:
    expected = int(row["n_expected"] or 0) if row else 0
    place = f"{unit.name}, {words.at_occasion(occasion.label).removeprefix('at ')}"
    if row is None or not expected:
        return HeatCell(NOT_APPLICABLE, NOT_APPLICABLE, f"{place}: nothing expected", None)
    received, scorable = int(row["n_received"] or 0), int(row["n_scorable"] or 0)
    answered = share(row["n_items_answered"], row["n_items_expected"])
    missing = 1 - min(1.0, received / expected)
    shade = 0 if missing == 0 else min(SHADES, 1 + int(missing * SHADES))
    title = f"{place}: received {share(received, expected)}, scorable {share(scorable, expected)}, answers {answered}"
    return HeatCell(f"{received}/{expected}", percent(received, expected), title, shade)


def instrument_order(library: Library, instruments: Sequence[str]) -> list[str]:
    """Instruments as the schedules first name them; others after, by key."""
    named = [
        due.instrument
        for schedule in library.schedules.values()
        for occasion in schedule.occasions
        for due in occasion.due
    ]
    rank = {key: place for place, key in enumerate(dict.fromkeys(named))}
    return sorted(instruments, key=lambda key: (rank.get(key, len(rank)), key))


PROFILE_WIDTH, PROFILE_HEIGHT = 240, 64


def _profiles(warehouse: Warehouse, library: Library) -> dict[str, Profile]:
    """All instruments together, share received by occasion; the median is over the units that expected any."""
    frame = completeness(warehouse)
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
    places = {key: round(4 + place * (PROFILE_WIDTH - 8) / (len(order) - 1), 1) for place, key in enumerate(order)}
    medians = {key: _median([value for value, _, _ in rates[key].values()]) for key in order}
    found: dict[str, Profile] = {}
    for site in sorted({site for own in rates.values() for site in own}):
        own = [key for key in order if site in rates[key]]
        dots = tuple((places[key], _height(rates[key][site][0])) for key in own)
        parts = [
            f"{known[key].label} {share(*rates[key][site][1:])}, network median {round(100 * medians[key])} %"
            for key in own
        ]
        found[site] = Profile(
            _polyline(dots),
            _polyline([(places[key], _height(medians[key])) for key in order]),
            dots,
            tuple((places[key], known[key].heading) for key in order),
            f"Share of expected assessments received: {'; '.join(parts)}",
        )
    return found


def _height(rate: float) -> float:
    return round(4 + (1 - rate) * (PROFILE_HEIGHT - 8), 1)


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _median(values: Sequence[float]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def expectations(warehouse: Warehouse, found: Sequence[Unit]) -> tuple[list[Expectation], dict[str, dict[str, int]]]:
    """Failed and unchecked expectations in detail, worst first; and counts of every status by unit."""
    by_site = {unit.site: unit for unit in found}
    tally = {unit.site: dict.fromkeys(words.EXPECTATION_STATES, 0) for unit in found}
    listed: list[Expectation] = []
    for row in warehouse.table("quality.expectation", "suite, expectation, site_id").to_dicts():
        unit = by_site.get(row["site_id"] or "")
        if unit is None:
            continue
        status = row["status"]
        tally[unit.site][status] = tally[unit.site].get(status, 0) + 1
        if status not in {"fail", "error"}:
            continue
        n_failed, n_checked = row["n_failed"], row["n_checked"]
        failed = f"{count(n_failed)} of {count(n_checked)}" if n_checked else NOT_APPLICABLE
        suite = words.expectation_words(row["suite"])
        word = words.EXPECTATION_STATES.get(status, status)
        listed.append(Expectation(suite, _expectation_sentence(row), unit, status, word, failed))
    order = {unit.site: place for place, unit in enumerate(found)}
    listed.sort(key=lambda item: (item.status != "error", order[item.unit.site], item.suite, item.sentence))
    return listed, tally


def _expectation_sentence(row: Mapping[str, Any]) -> str:
    """The judge's own sentence where something failed; an error's text stays inside, since it may quote values."""
    if row["status"] == "fail" and row.get("message"):
        return str(row["message"])
    return words.expectation_words(row["expectation"])
