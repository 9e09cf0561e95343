"""A unit's report card, for the unit itself: how it stands beside the network, and what would help most.

What belongs here: comparing a unit's counts with the median of the other units, and ranking what to fix. What does not:
naming or counting any other unit: of the others the card holds rounded medians and nothing else (`wilson`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import count, percent, plural, share
from assets.publishing.quality.charts import QUARTERS
from assets.publishing.quality.judged import Judged, in_short
from assets.publishing.quality.ledger import AGE_STEPS, instrument_order
from assets.publishing.quality.series import quarters
from assets.publishing.quality.unit_page import Due, RuleCount
from assets.publishing.quality.week import Week
from assets.publishing.quality.wilson import SMALLEST, Beside, beside
from assets.publishing.units import Unit
from codebook.library import Library

TOP = 5
MEASURES = (
    ("Received of expected", "n_expected", "n_received"),
    ("Scorable of received", "n_received", "n_scorable"),
    ("Items answered of items asked", "n_items_expected", "n_items_answered"),
)
STANDINGS = {
    "above": "▲ above the others",
    "below": "▼ below the others",
    "like": "● no clear difference",
    "few": "– too few to compare",
    "alone": "– too few units to compare with",
}
"""What is said of a unit's interval beside the others' median; each has a mark of its own."""


@dataclass(frozen=True)
class Compared:
    """One measure of the unit: its share in words, its limits, the others' median, and what follows."""

    what: str
    value: Beside
    told: str
    standing: str


@dataclass(frozen=True)
class Fix:
    """One thing to do: what, how many assessments it concerns (`is_rows`: rows), and why."""

    what: str
    n: int
    why: str
    is_rows: bool = False


@dataclass(frozen=True)
class Card:
    """Everything that the unit's report says."""

    unit: Unit
    week: Week
    sentence: str
    measures: tuple[Compared, ...]
    instruments: tuple[Compared, ...]
    trend: tuple[Compared, ...]
    fixes: tuple[Fix, ...]
    n_other_fixes: int
    ages: tuple[tuple[str, int], ...]


class Cards:
    """Makes the card of one unit after the other from frames that hold every unit."""

    def __init__(self, frames: Mapping[str, pl.DataFrame], judged: Sequence[Judged], library: Library) -> None:
        self._library = library
        whole = frames["completeness"]
        self._whole = _pairs(whole, [])
        self._by_instrument = _pairs(whole, ["instrument"])
        self._instruments = instrument_order(library, whole["instrument"].unique().to_list())
        due = frames["due"].rename({"n_due": "n_expected"})
        self._spans = quarters(frames["due"])[-QUARTERS:]
        self._by_quarter = _pairs(due, ["quarter"], MEASURES[:1])
        self._ages = {(site, age): n for site, age, n in frames["ages"].iter_rows()}
        self._judged: dict[str, list[Judged]] = {}
        for item in judged:
            if item.status == "fail" and item.suite_key in ("volume", "drift"):
                self._judged.setdefault(item.unit.site, []).append(item)

    def card(self, week: Week, due: Sequence[Due], rules: Sequence[RuleCount]) -> Card:
        """The card of the week's unit; `due` and `rules` are its own."""
        unit = week.unit
        measures = tuple(self._compare(what, self._whole, (what,), unit) for what, _, _ in MEASURES)
        instruments = tuple(
            self._compare(words.short_name(key), self._by_instrument, (MEASURES[0][0], key), unit)
            for key in self._instruments
        )
        trend = tuple(self._compare(span, self._by_quarter, (MEASURES[0][0], span), unit) for span in self._spans)
        fixes = fix_first(unit, due, rules, self._judged.get(unit.site, ()))
        ages = tuple((text, self._ages.get((unit.site, text), 0)) for _, text in AGE_STEPS)
        return Card(
            unit,
            week,
            _sentence(unit, measures[0], fixes),
            measures,
            tuple(item for item in instruments if item.value.of),
            trend,
            tuple(fixes[:TOP]),
            len(fixes) - len(fixes[:TOP]),
            ages,
        )

    def _compare(
        self,
        what: str,
        pairs: Mapping[tuple[str, ...], Mapping[str, tuple[int, int]]],
        key: tuple[str, ...],
        unit: Unit,
    ) -> Compared:
        own = pairs.get(key, {})
        value = beside(own.get(unit.site, (0, 0)), [pair for site, pair in sorted(own.items()) if site != unit.site])
        standing = STANDINGS[value.standing] if value.of else "n/a"
        return Compared(what, value, share(value.n, value.of), standing)


def _pairs(
    frame: pl.DataFrame, by: list[str], measures: Sequence[tuple[str, str, str]] = MEASURES
) -> dict[tuple[str, ...], dict[str, tuple[int, int]]]:
    """(measure, then the values of `by`) → unit → (n, of)."""
    names = sorted({name for _, of, n in measures for name in (of, n)})
    sums = frame.group_by("site_id", *by).agg(pl.col(name).sum() for name in names)
    found: dict[tuple[str, ...], dict[str, tuple[int, int]]] = {}
    for row in sums.iter_rows(named=True):
        for what, of, n in measures:
            key = (what, *(row[name] for name in by))
            found.setdefault(key, {})[row["site_id"]] = (int(row[n] or 0), int(row[of] or 0))
    return found


def fix_first(unit: Unit, due: Sequence[Due], rules: Sequence[RuleCount], judged: Sequence[Judged]) -> list[Fix]:
    """What to fix, in order: what touches a whole delivery, then by how many assessments each concerns.

    A delivery that is held back comes first, then a sudden drop, then drift. After them everything counts the
    assessments that it would complete or mend: an overdue one counts one, an open finding the assessment that it is
    about. Equal counts: overdue first, since the time to ask runs out; then by name.
    """
    whole: list[Fix] = []
    if unit.is_held and unit.last:
        whole.append(
            Fix(
                "The last delivery is held back",
                unit.last.n_landed,
                f"{words.gate_words(unit.last.gate)}",
                is_rows=True,
            )
        )
    for suite, what in (("volume", "A sudden drop"), ("drift", "A scale has shifted")):
        whole += [
            Fix(f"{what}: {text}", 0, "check the export and how the answers are coded")
            for _, text in in_short([item for item in judged if item.suite_key == suite])
        ]
    counted = [
        (
            -item.n_overdue,
            0,
            item.what,
            Fix(f"{item.what} is overdue", item.n_overdue, "it can still be asked for; the worklist says of whom"),
        )
        for item in due
        if item.n_overdue
    ]
    counted += [
        (-rule.n_touched, 1, rule.sentence, Fix(rule.sentence, rule.n_touched, f"{rule.outcome}; see the worklist"))
        for rule in rules
        if rule.n_open
    ]
    return whole + [fix for *_, fix in sorted(counted, key=lambda item: item[:3])]


def _sentence(unit: Unit, received: Compared, fixes: Sequence[Fix]) -> str:
    """The card's first sentence."""
    value = received.value
    if not value.of:
        parts = ["Nothing was expected of this unit yet"]
    else:
        parts = [f"{count(value.n)} of {plural(value.of, 'expected assessment')} came ({percent(value.n, value.of)})"]
        if value.others is not None:
            parts[0] += f"; the median of the other units is {value.others_words}"
        elif value.of < SMALLEST:
            parts[0] += ", too few to compare"
    parts.append(f"{plural(unit.n_overdue, 'is', 'are')} overdue" if unit.n_overdue else "none is overdue")
    if unit.n_open:
        parts.append(f"{plural(unit.n_open, 'finding')} {'is' if unit.n_open == 1 else 'are'} open")
    elif not fixes:
        parts.append("there is nothing to fix")
    return "; ".join(parts) + "."
