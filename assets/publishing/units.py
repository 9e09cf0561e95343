"""How each unit stands: one definition of up to date, late, overdue and worst, for every page and the command line.

What belongs here: judging units from deliveries, due points and findings. What does not: drawing or wording them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.publishing.formatting import quarter
from assets.publishing.sources import Warehouse
from assets.publishing.words import STATES, State, site_name
from codebook.library import Library

ACCEPTED = "accepted"
OPEN_STATES = ("open", "reopened")
CLOSED_STATES = ("resolved", "accepted", "answered")


@dataclass(frozen=True)
class Delivery:
    """One delivery of one unit: `is_exact` says that landed = accepted + quarantined."""

    name: str
    delivery_date: dt.date | None
    data_through: dt.date | None
    is_estimated: bool
    n_files: int
    n_landed: int
    n_accepted: int
    n_quarantined: int
    gate: str
    unmapped: tuple[str, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether the gate let it through."""
        return self.gate == ACCEPTED

    @property
    def quarter(self) -> str:
        """Calendar quarter of the delivery's date; empty where it has none."""
        return quarter(self.delivery_date) if self.delivery_date else ""

    @property
    def is_exact(self) -> bool:
        """No row is unaccounted for."""
        return self.n_landed == self.n_accepted + self.n_quarantined


@dataclass(frozen=True)
class Unit:
    """One unit with the counts that decide whether it is called. `reach`: the contact's e-mail and telephone."""

    site: str
    name: str
    mode: str
    cadence_days: int | None
    contact: str | None
    reach: tuple[str, ...]
    state: State
    deliveries: tuple[Delivery, ...]
    n_overdue: int
    n_missed: int
    n_awaiting: int
    n_open: int
    n_new: int
    n_closed: int

    @property
    def last(self) -> Delivery | None:
        """The latest delivery, held or not."""
        return self.deliveries[-1] if self.deliveries else None

    @property
    def last_accepted(self) -> Delivery | None:
        """The latest delivery that the warehouse rests on."""
        return next((item for item in reversed(self.deliveries) if item.is_accepted), None)

    @property
    def is_held(self) -> bool:
        """The gate holds the latest delivery, so that every number rests on an earlier one, or on none."""
        return self.state.key == "held"

    @property
    def recent(self) -> tuple[Delivery, ...]:
        """The last eight deliveries, oldest first."""
        return self.deliveries[-8:]


def units(warehouse: Warehouse, library: Library, today: dt.date) -> list[Unit]:
    """Every declared unit, and every other one in the warehouse, worst first.

    Worst: nothing delivered or held back, then late, then most assessments overdue, then most open findings.
    """
    deliveries = deliveries_by_site(warehouse)
    due = _counts(warehouse, "quality.expected_assessment", "status")
    findings = _counts(warehouse, "quality.finding", "status")
    new = _counts(warehouse, "quality.finding", "first_delivery", f"status in {OPEN_STATES}")
    found = []
    for site in sorted({*library.sites, *deliveries, *(site for site, _ in due)}):
        declared = library.sites.get(site)
        own = deliveries.get(site, ())
        accepted = [item.name for item in own if item.is_accepted]
        contact = declared.contact if declared else None
        mode = declared.delivery.mode if declared else "snapshot"
        cadence = declared.delivery.cadence_days if declared else None
        found.append(
            Unit(
                site,
                site_name(library, site),
                mode,
                cadence,
                contact.name if contact else None,
                tuple(way for way in (contact.email, contact.phone) if way) if contact else (),
                state_of(own, mode, cadence, today),
                own,
                due.get((site, "overdue"), 0),
                due.get((site, "missed"), 0),
                due.get((site, "awaiting_delivery"), 0),
                sum(findings.get((site, status), 0) for status in OPEN_STATES),
                new.get((site, accepted[-1]), 0) if len(accepted) > 1 else 0,
                sum(findings.get((site, status), 0) for status in CLOSED_STATES),
            )
        )
    return sorted(found, key=worst_first)


def worst_first(unit: Unit) -> tuple[int, int, int, str]:
    """Sort key: delivery trouble, then overdue, then open findings, then name."""
    trouble = unit.state.rank if unit.state.is_good is False else len(STATES)
    return trouble, -unit.n_overdue, -unit.n_open, unit.name


def state_of(deliveries: Sequence[Delivery], mode: str, cadence_days: int | None, today: dt.date) -> State:
    """How a unit's deliveries stand on a day.

    held: the gate held the last one; late: more than `cadence_days` since the last accepted one; frozen: it
    delivered once and for ever; unscheduled: no cadence is declared, so that nothing can be late.
    """
    if not deliveries:
        return STATES["none"]
    if not deliveries[-1].is_accepted:
        return STATES["held"]
    if mode == "frozen":
        return STATES["frozen"]
    day = deliveries[-1].delivery_date
    if cadence_days is None or day is None:
        return STATES["unscheduled"]
    return STATES["late"] if (today - day).days > cadence_days else STATES["current"]


def deliveries_by_site(warehouse: Warehouse) -> dict[str, tuple[Delivery, ...]]:
    """Deliveries of each unit, oldest first."""
    found: dict[str, list[Delivery]] = {}
    for row in warehouse.table("quality.delivery", "site_id, delivery").to_dicts():
        found.setdefault(row["site_id"], []).append(
            Delivery(
                row["delivery"],
                _day(row["delivery_date"]),
                _day(row["data_through_date"]),
                bool(row["is_data_through_estimated"]),
                int(row["n_files"] or 0),
                int(row["n_rows_landed"] or 0),
                int(row["n_rows_accepted"] or 0),
                int(row["n_rows_quarantined"] or 0),
                row["gate"] or ACCEPTED,
                column_names(row["unmapped_columns"]),
            )
        )
    return {site: tuple(items) for site, items in found.items()}


def column_names(value: Any) -> tuple[str, ...]:
    """Names of unmapped columns, however the warehouse keeps them: a list, JSON, or text with separators."""
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip().removeprefix("[").removesuffix("]").replace(";", ",")
        value = [part.strip().strip("\"'") for part in text.split(",")]
    return tuple(str(part) for part in value if str(part))


def _day(value: Any) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else None


def _counts(warehouse: Warehouse, table: str, column: str, where: str = "true") -> dict[tuple[str, str], int]:
    if not warehouse.has(table):
        return {}
    rows = warehouse.frame(
        f"select site_id, {column} as state, count(*) as n from {table} where {where} group by all order by all"
    )
    return {(row["site_id"], row["state"]): int(row["n"]) for row in rows.to_dicts()}
