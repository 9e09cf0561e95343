"""Findings that the network accepts as they are: state/findings/<site>.jsonl, append-only.

What belongs here: the record of an acceptance or of taking one back, writing and reading it. What does not: what a
finding's status is (SQL, quality.finding), and the command (`orchestration.findings_cli`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from assets.append_only import append_rows, read_rows

ACCEPTANCE_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "finding_id": pl.String(),
    "is_accepted": pl.Boolean(),
    "accepted_date": pl.Date(),
    "until_date": pl.Date(),
    "ended_date": pl.Date(),
}


@dataclass(frozen=True)
class Decision:
    """One word of the network on one finding. `accept` holds through `until_date`; `reopen` ends it on the day `at`."""

    finding_id: str
    action: Literal["accept", "reopen"]
    reason: str
    by: str
    at: dt.date
    until_date: dt.date | None = None


def decisions_file(state: Path, site: str) -> Path:
    """state/findings/<site>.jsonl"""
    return state / "findings" / f"{site}.jsonl"


def append_decision(state: Path, site: str, decision: Decision) -> None:
    """Add one decision, forced to disk."""
    append_rows(decisions_file(state, site), [asdict(decision)])


def read_decisions(state: Path, site: str, as_of: dt.date | None = None) -> list[Decision]:
    """Decisions about a site's findings, oldest first, those of `as_of` and before; a line cut off is passed over."""
    found = []
    for data in read_rows(decisions_file(state, site)):
        data["at"] = dt.date.fromisoformat(data["at"])
        data["until_date"] = dt.date.fromisoformat(data["until_date"]) if data["until_date"] else None
        found.append(Decision(**data))
    return [decision for decision in found if as_of is None or decision.at <= as_of]


def acceptance_frame(state: Path, sites: Iterable[str], as_of: dt.date | None = None) -> pl.DataFrame:
    """The last word on each finding: accepted since when and until when, or ended on which day."""
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for site in sites:
        for decision in read_decisions(state, site, as_of):
            is_accepted = decision.action == "accept"
            rows[site, decision.finding_id] = {
                "site_id": site,
                "finding_id": decision.finding_id,
                "is_accepted": is_accepted,
                "accepted_date": decision.at if is_accepted else None,
                "until_date": decision.until_date,
                "ended_date": None if is_accepted else decision.at,
            }
    ordered = [rows[key] for key in sorted(rows)]
    return pl.DataFrame(ordered, schema=ACCEPTANCE_SCHEMA, orient="row")
