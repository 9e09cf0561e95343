"""This week, a row per unit: whom to call, about what, and whether last week's call helped.

What belongs here: the row, and the sentence that sums all of them. What does not: queries (`ledger`), the workbook
(`workbook`), or HTML.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from assets.publishing.formatting import count, date, listing, plural
from assets.publishing.units import Unit
from assets.publishing.worklist_life import WorklistLife

MOST_OF = 0.6
"""A few units are named where they hold at least this share of what is overdue."""


@dataclass(frozen=True)
class Change:
    """What became of a unit's overdue assessments or findings since the day compared with.

    `n_lapsed`: stayed away until they were given up as missed. `is_first`: the unit had delivered nothing by then.
    """

    n_new: int
    n_persisting: int
    n_resolved: int
    n_lapsed: int = 0
    is_first: bool = False

    @property
    def net(self) -> int:
        """How many more there are now."""
        return self.n_new - self.n_resolved - self.n_lapsed


@dataclass(frozen=True)
class Week:
    """One unit's week. None: there was no earlier day to compare with, or no worklist was sent."""

    unit: Unit
    n_soon: int
    overdue: Change | None
    findings: Change | None
    oldest_days: int | None
    sent: WorklistLife | None

    @property
    def is_first(self) -> bool:
        """Whether all is new because the unit had delivered nothing by the day compared with."""
        return any(change is not None and change.is_first for change in (self.overdue, self.findings))


@dataclass(frozen=True)
class Compared:
    """The two days that `quality.change` compares; None where it was not built."""

    since: dt.date | None
    until: dt.date | None

    @property
    def words(self) -> str:
        """`a week before` where they are seven days apart, else the earlier day."""
        if self.since is None or self.until is None:
            return ""
        return "a week before" if (self.until - self.since).days == 7 else f"on {date(self.since)}"


def weeks(
    found: Sequence[Unit],
    due: pl.DataFrame,
    change: pl.DataFrame,
    findings: pl.DataFrame,
    sent: Mapping[str, WorklistLife],
) -> list[Week]:
    """A row per unit in the order given, from the frames of `ledger`."""
    soon = _sums(due, "n_soon")
    oldest = {
        site: days
        for site, days in findings.group_by("site_id").agg(pl.col("oldest_days").max()).iter_rows()
        if days is not None
    }
    is_compared = not change.is_empty()
    changed = {
        (site, kind): Change(new, persisting, resolved, lapsed, bool(is_first))
        for site, kind, new, persisting, resolved, lapsed, is_first in change.group_by("site_id", "kind")
        .agg(
            pl.col("n_new", "n_persisting", "n_resolved", "n_lapsed").sum(),
            pl.col("is_first").any(),
        )
        .iter_rows()
    }
    none = Change(0, 0, 0)
    return [
        Week(
            unit,
            soon.get(unit.site, 0),
            changed.get((unit.site, "overdue"), none) if is_compared else None,
            changed.get((unit.site, "finding"), none) if is_compared else None,
            oldest.get(unit.site),
            sent.get(unit.site),
        )
        for unit in found
    ]


def compared(change: pl.DataFrame) -> Compared:
    """The days that the change is about."""
    if change.is_empty():
        return Compared(None, None)
    return Compared(change["from_today"].min(), change["to_today"].max())  # type: ignore[arg-type]


def _sums(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return {site: int(n or 0) for site, n in frame.group_by("site_id").agg(pl.col(column).sum()).iter_rows()}


def first_sentence(rows: Sequence[Week], days: Compared) -> str:
    """`3 of 4 units are up to date; 12 assessments are overdue, 2 more than a week before; …`"""
    found = [row.unit for row in rows]
    judged = [unit for unit in found if unit.state.is_good is not None]
    good = sum(unit.state.is_good is True for unit in judged)
    if judged:
        parts = [f"{count(good)} of {plural(len(judged), 'unit')} {'is' if good == 1 else 'are'} up to date"]
    else:
        parts = [f"{plural(len(found), 'unit')}, none with an agreed rhythm of delivery"]
    overdue = sum(unit.n_overdue for unit in found)
    beside = _more_or_less([row.overdue for row in rows], days)
    parts.append(
        f"{plural(overdue, 'assessment')} {'is' if overdue == 1 else 'are'} overdue{beside}"
        if overdue
        else f"no assessment is overdue{beside}"
    )
    where = _concentration(found, overdue)
    if where:
        parts.append(where)
    open_findings = sum(unit.n_open for unit in found)
    verb = "is" if open_findings == 1 else "are"
    more = _more_or_less([row.findings for row in rows], days)
    parts.append(f"{plural(open_findings, 'finding')} {verb} open{more}" if open_findings else "no finding is open")
    held = [unit.name for unit in found if unit.is_held]
    if held:
        named = listing(held) if len(held) <= 3 else f"{count(len(held))} units"
        parts.append(f"the last delivery of {named} is held back")
    return "; ".join(parts) + "."


def _more_or_less(changes: Sequence[Change | None], days: Compared) -> str:
    known = [change.net for change in changes if change is not None]
    if not known:
        return ""
    net = sum(known)
    if net == 0:
        return f", as many as {days.words}"
    return f", {count(abs(net))} {'more' if net > 0 else 'fewer'} than {days.words}"


def _concentration(found: Sequence[Unit], overdue: int) -> str:
    having = [unit for unit in sorted(found, key=lambda unit: (-unit.n_overdue, unit.name)) if unit.n_overdue]
    taken: list[Unit] = []
    for unit in having:
        taken.append(unit)
        if sum(item.n_overdue for item in taken) >= MOST_OF * overdue:
            break
    n = sum(item.n_overdue for item in taken)
    if not taken or (len(having) > 1 and 2 * len(taken) > len(having)):
        return ""
    those = "all" if n == overdue else count(n)
    if len(taken) == 1:
        return f"{taken[0].name} explains {those} of them"
    return f"{count(len(taken))} units explain {those} of them"
