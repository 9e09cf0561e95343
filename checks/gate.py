"""The gate: whether a staged delivery may enter the lake, and why not.

What belongs here: decisions about a whole delivery, from counts and staged tables.
What does not: rows and values (`checks.rules`), and moving files (`assets.ingestion.promote`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from checks.rules import holds_identifier
from codebook.network import GateThresholds

SMALLEST_JUDGED = 20
"""Below this many rows a share says nothing: neither the quarantined share nor a drop in volume holds a delivery."""
NOT_TEXT_OF_PEOPLE = {"source_file", "message", "rule", "row_json"}


@dataclass(frozen=True)
class GateCheck:
    """One blocking check with its numbers: counts only, never values."""

    name: str
    is_passed: bool
    n_failed: int
    n_checked: int
    message: str


def judge_delivery(
    tables: Mapping[str, pl.DataFrame],
    *,
    n_landed: int,
    n_quarantined: int,
    n_before: int | None,
    identifiers: list[str],
    patterns: Mapping[str, str],
    thresholds: GateThresholds,
) -> list[GateCheck]:
    """Every check of the gate, passed or not.

    Args:
        tables: what would enter the lake, by table.
        n_landed, n_quarantined: rows of this delivery.
        n_before: rows accepted from the last accepted snapshot; None where volumes cannot be compared.
        identifiers: direct identifiers that the delivery held.
        patterns: the network's own patterns of identifiers.
        thresholds: from network.yaml.
    """
    return [
        _quarantined_share(n_landed, n_quarantined, thresholds.max_quarantined_share),
        _volume(n_landed - n_quarantined, n_before, thresholds.max_volume_drop_share),
        _leaks(tables, identifiers, patterns),
    ]


def _quarantined_share(n_landed: int, n_quarantined: int, limit: float) -> GateCheck:
    is_judged = n_landed >= SMALLEST_JUDGED
    is_passed = n_quarantined < n_landed and (not is_judged or n_quarantined <= limit * n_landed)
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


def _leaks(tables: Mapping[str, pl.DataFrame], identifiers: list[str], patterns: Mapping[str, str]) -> GateCheck:
    """Looks for people in everything textual that would be stored."""
    n_checked, n_failed = 0, 0
    places: list[str] = []
    for name, frame in tables.items():
        if name == "finding":
            continue
        texts = [
            column
            for column, dtype in frame.schema.items()
            if dtype == pl.String and column not in NOT_TEXT_OF_PEOPLE and not column.endswith(("_id", "_hash"))
        ]
        if name == "quarantine":
            texts = ["row_json"]
        for column in texts:
            values = frame.select(pl.col(column).drop_nulls().unique())
            leaking = values.filter(holds_identifier(pl.col(column), identifiers, patterns)).height
            n_checked += values.height
            n_failed += leaking
            if leaking:
                places.append(f"{name}.{column}")
    message = (
        f"{n_failed} of {n_checked} stored texts hold an identifier ({', '.join(places)}); declare the column under "
        "identifiers, or as is_free_text"
        if n_failed
        else f"0 of {n_checked} stored texts hold an identifier"
    )
    return GateCheck("leak_scan", n_failed == 0, n_failed, n_checked, message)
