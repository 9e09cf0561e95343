"""Findings by rule over all units, with the counts of each unit for the page's filter.

What belongs here: a line per rule and instrument, and what its change is. What does not: rules themselves
(`checks.catalogue`), or a unit's own list (`unit_page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from assets.publishing import words
from assets.publishing.units import Unit
from codebook.library import Library


@dataclass(frozen=True)
class Rule:
    """One rule about one instrument (or none), all units together."""

    rule: str
    what: str
    kind: str
    outcome: str
    instrument: str
    n_open: int
    n_new: int | None
    n_resolved: int | None
    n_closed: int
    oldest_days: int | None
    n_units: int


def rules(findings: pl.DataFrame, change: pl.DataFrame, library: Library) -> list[Rule]:
    """Most open findings first. `n_new`, `n_resolved`: None where there was no earlier day to compare with."""
    changed = _changes(change)
    keys = ["rule", "kind", "severity", "instrument"]
    grouped = findings.group_by(keys).agg(
        pl.col("n_open").sum(),
        pl.col("n_closed").sum(),
        pl.col("oldest_days").max(),
        (pl.col("n_open") > 0).sum().alias("n_units"),
        pl.col("site_id").min(),
    )
    is_compared = not change.is_empty()
    listed = []
    for row in grouped.sort(keys).iter_rows(named=True):
        new, resolved = changed.get((row["rule"], row["instrument"]), (0, 0))
        listed.append(
            Rule(
                row["rule"],
                words.rule_words(library, row["site_id"], row["rule"]),
                words.CLASSES.get(row["kind"], row["kind"]),
                words.SEVERITIES.get(row["severity"], row["severity"]),
                row["instrument"],
                row["n_open"],
                new if is_compared else None,
                resolved if is_compared else None,
                row["n_closed"],
                row["oldest_days"],
                row["n_units"],
            )
        )
    return sorted(listed, key=lambda rule: (-rule.n_open, -rule.n_closed, rule.what, rule.rule))


def _changes(change: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    grouped = (
        change.filter(pl.col("kind") == "finding")
        .group_by("label", pl.col("instrument").fill_null(""))
        .agg(pl.col("n_new").sum(), pl.col("n_resolved").sum())
    )
    return {(label, instrument): (new, resolved) for label, instrument, new, resolved in grouped.iter_rows()}


def rule_counts(
    listed: Sequence[Rule], findings: pl.DataFrame, change: pl.DataFrame, found: Sequence[Unit]
) -> dict[str, list[list[int]]]:
    """Per unit: lists of rule (its place in `listed`), open, new, resolved, closed, oldest in days (-1: none)."""
    places = {(rule.rule, rule.instrument): place for place, rule in enumerate(listed)}
    result: dict[str, dict[int, list[int]]] = {unit.site: {} for unit in found}
    sums = findings.group_by("site_id", "rule", "instrument").agg(
        pl.col("n_open").sum(), pl.col("n_closed").sum(), pl.col("oldest_days").max()
    )
    for site, rule, instrument, n_open, n_closed, oldest in sums.iter_rows():
        if site in result:
            result[site][places[rule, instrument]] = [n_open, 0, 0, n_closed, -1 if oldest is None else oldest]
    beside = (
        change.filter(pl.col("kind") == "finding")
        .group_by("site_id", "label", pl.col("instrument").fill_null(""))
        .agg(pl.col("n_new").sum(), pl.col("n_resolved").sum())
    )
    for site, label, instrument, new, resolved in beside.iter_rows():
        place = places.get((label, instrument))
        if site in result and place is not None and place in result[site]:
            result[site][place][1:3] = [new, resolved]
    return {site: [[place, *own[place]] for place in sorted(own)] for site, own in result.items()}
