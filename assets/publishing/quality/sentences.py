"""The first sentence of each page of the coordinator's folder but the overview's (`week.first_sentence`).

What belongs here: sentences made of numbers. What does not: counting (`ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.publishing.formatting import count, listing, month, percent, plural, share
from assets.publishing.quality.judged import Judged
from assets.publishing.quality.week import Week
from assets.publishing.units import Unit


def completeness(frame: pl.DataFrame) -> str:
    """The network as a whole: received, scorable, answered."""
    expected, received, scorable, asked, answered = (
        int(frame[name].sum() or 0)
        for name in ("n_expected", "n_received", "n_scorable", "n_items_expected", "n_items_answered")
    )
    if not expected:
        return "Nothing was expected yet, so completeness is n/a."
    return (
        f"{count(received)} of {plural(expected, 'expected assessment')} came ({percent(received, expected)}); "
        f"{count(scorable)} of {count(received)} that came could be scored ({percent(scorable, received)}); "
        f"{count(answered)} of {plural(asked, 'item')} were answered ({percent(answered, asked)})."
    )


def trends(months: Sequence[Mapping[str, Any]]) -> str:
    """The latest month, and findings beside the month before."""
    if not months:
        return "No month can be shown yet."
    last = months[0]
    parts = [f"In {month(last['month'])} {share(last['n_received'], last['n_due'])} of what was due came"]
    if not last["n_due"]:
        parts = [f"In {month(last['month'])} nothing was due whose fate is known"]
    parts.append(f"{plural(last['n_findings_open'], 'finding')} were open at its end")
    if len(months) > 1:
        parts[-1] += f", {count(months[1]['n_findings_open'])} a month before"
    return "; ".join(parts) + "."


def expectations(items: Sequence[Judged]) -> str:
    """How many of what could be checked are met."""
    checked = [item for item in items if item.status in ("pass", "fail")]
    if not items:
        return "No expectation was judged."
    failed = [item for item in checked if item.status == "fail"]
    errors = sum(item.status == "error" for item in items)
    n_units = len({item.unit.site for item in failed})
    text = f"{count(len(checked) - len(failed))} of {plural(len(checked), 'expectation')} that could be checked are met"
    if failed:
        text += f"; {count(len(failed))} at {plural(n_units, 'unit')} {'is' if len(failed) == 1 else 'are'} not"
    if errors:
        text += f"; {count(errors)} could not be checked"
    return text + "."


def findings(found: Sequence[Unit]) -> str:
    """How many are open, and where most are."""
    n_open, n_closed = sum(unit.n_open for unit in found), sum(unit.n_closed for unit in found)
    if not n_open + n_closed:
        return "Nothing was found that a rule speaks of."
    having = [unit for unit in found if unit.n_open]
    text = f"{count(n_open)} of {plural(n_open + n_closed, 'finding')} {'is' if n_open == 1 else 'are'} open"
    if not having:
        return text + "."
    most = max(having, key=lambda unit: (unit.n_open, unit.name))
    return f"{text}, at {plural(len(having), 'unit')}; most at {most.name} ({count(most.n_open)})."


def deliveries(found: Sequence[Unit]) -> str:
    """What arrived, what was quarantined, and who is held or late."""
    every = [delivery for unit in found for delivery in unit.deliveries]
    if not every:
        return "No delivery has arrived yet."
    landed, quarantined = sum(d.n_landed for d in every), sum(d.n_quarantined for d in every)
    text = f"{plural(len(every), 'delivery', 'deliveries')} of {plural(len(found), 'unit')}: "
    text += f"{plural(landed, 'row')} landed, {count(quarantined)} of them quarantined"
    held = [unit.name for unit in found if unit.is_held]
    late = [unit.name for unit in found if unit.state.key == "late"]
    if held:
        text += f"; held back: {listing(held) if len(held) <= 3 else count(len(held)) + ' units'}"
    if late:
        text += f"; late: {listing(late) if len(late) <= 3 else count(len(late)) + ' units'}"
    return text + "."


def unit(week: Week) -> str:
    """One unit: its state, what is overdue, what is open."""
    own = week.unit
    parts = [f"{own.name}: {own.state.word}"]
    parts.append(
        f"{plural(own.n_overdue, 'assessment')} {'is' if own.n_overdue == 1 else 'are'} overdue"
        if own.n_overdue
        else "no assessment is overdue"
    )
    parts.append(
        f"{plural(own.n_open, 'finding')} {'is' if own.n_open == 1 else 'are'} open"
        if own.n_open
        else "no finding is open"
    )
    return "; ".join(parts) + "."
