"""The gate: whether a staged delivery may enter the lake, and why not.

What belongs here: decisions about a whole delivery, from counts and staged tables.
What does not: rows and values (`checks.rules`), and moving files (`assets.ingestion.promote`).
"""

from __future__ import annotations

from dataclasses import dataclass

from codebook.network import GateThresholds

SMALLEST_JUDGED = 20
"""Below this many rows a share says nothing: neither the quarantined share nor a drop in volume holds a delivery."""


@dataclass(frozen=True)
class LeakCount:
    """How many of the texts that would have been stored named somebody."""

    n_failed: int
    n_checked: int


@dataclass(frozen=True)
class GateCheck:
    """One blocking check with its numbers: counts only, never values."""

    name: str
    is_passed: bool
    n_failed: int
    n_checked: int
    message: str


def judge_delivery(
    *,
    n_landed: int,
    n_quarantined: int,
    n_before: int | None,
    leaks: LeakCount,
    thresholds: GateThresholds,
) -> list[GateCheck]:
    """Every check of the gate, passed or not.

    Args:
        n_landed, n_quarantined: rows of this delivery.
        n_before: rows accepted from the last accepted snapshot; None where volumes cannot be compared.
        leaks: how many of its texts named somebody before they were voided.
        thresholds: from network.yaml.
    """
    return [
        _quarantined_share(n_landed, n_quarantined, thresholds.max_quarantined_share),
        _volume(n_landed - n_quarantined, n_before, thresholds.max_volume_drop_share),
        _leaks(leaks, thresholds.max_leaking_share),
    ]


def _quarantined_share(n_landed: int, n_quarantined: int, limit: float) -> GateCheck:
    is_judged = n_landed >= SMALLEST_JUDGED
    is_few = n_quarantined < n_landed and (not is_judged or n_quarantined <= limit * n_landed)
    is_passed = not n_quarantined or is_few
    message = f"{n_quarantined} of {n_landed} rows would be held back (at most {limit:.0%} may be)"
    return GateCheck("quarantined_share", is_passed, n_quarantined, n_landed, message)


def _volume(n_accepted: int, n_before: int | None, limit: float) -> GateCheck:
    if n_before is None or n_before < SMALLEST_JUDGED:
        return GateCheck("volume", True, 0, n_accepted, "no earlier delivery to compare with")
    drop = max(0, n_before - n_accepted)
    message = (
        f"{n_accepted} rows against {n_before} in the last delivery (a drop of at most {limit:.0%} is let through)"
    )
    return GateCheck("volume", drop <= limit * n_before, drop, n_before, message)


def _leaks(leaks: LeakCount, limit: float) -> GateCheck:
    """Leaking texts are voided in any case; too many of them say that a column is not what it was declared to be."""
    is_judged = leaks.n_checked >= SMALLEST_JUDGED
    is_passed = not is_judged or leaks.n_failed <= limit * leaks.n_checked
    message = f"{leaks.n_failed} of {leaks.n_checked} texts name somebody (at most {limit:.0%} may)"
    if not is_passed:
        message += "; declare the columns that name people under identifiers, or raise gate.max_leaking_share"
    return GateCheck("leak_scan", is_passed, leaks.n_failed, leaks.n_checked, message)
