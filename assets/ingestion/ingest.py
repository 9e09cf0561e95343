"""Taking deliveries: what is new, reading it into the staging area, and letting it in or holding it.

What belongs here: the plan of a site's deliveries and the steps of one delivery, as plain functions.
What does not: Dagster's wiring (`assets.ingestion.definitions`) and every rule (`checks`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from assets.ingestion import lake
from assets.ingestion.context import Context
from assets.ingestion.landing import Delivery, LandingError, deliveries_of, recipe_fingerprint
from assets.ingestion.mapping import MappedDelivery, map_delivery
from assets.ingestion.readers.protocol import READER_VERSION
from assets.ingestion.receipts import ACCEPTED, Receipt, append_receipt, latest_receipts, read_receipts
from assets.ingestion.source import DeliveryError, land
from checks.contracts import enforce
from checks.gate import GateCheck, judge_delivery
from checks.keys import Pseudonymiser
from codebook.library import Library
from codebook.site import Site

Action = Literal["ingest", "rework", "skip"]


@dataclass(frozen=True)
class PlannedDelivery:
    """One delivery and what is to be done with it; `last` is the last word on it so far."""

    delivery: Delivery
    action: Action
    content_fingerprint: str
    recipe_fingerprint: str
    last: Receipt | None


@dataclass(frozen=True)
class StagedDelivery:
    """What reading a delivery came to: the checks of the gate and the receipt that follows from them."""

    checks: tuple[GateCheck, ...]
    receipt: Receipt

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that hold the delivery back."""
        return tuple(check for check in self.checks if not check.is_passed)


def plan_site(
    library: Library, site: Site, pseudonyms: Pseudonymiser, as_of: dt.date | None = None
) -> list[PlannedDelivery]:
    """Every delivery of a site with what it needs: both fingerprints known means skip, a new recipe means rework.

    Raises:
        LandingError: a name that is no delivery, or new content under an old name.
    """
    receipts = read_receipts(library.folder.state, site.site)
    latest = latest_receipts(receipts)
    planned = []
    for delivery in deliveries_of(library.folder.landing, site.site, as_of):
        content = delivery.content_fingerprint()
        recipe = recipe_fingerprint(library, site, delivery, READER_VERSION, pseudonyms.key_id)
        last = latest.get(delivery.name)
        if last is not None and last.content_fingerprint != content:
            raise LandingError(
                f"landing/{site.site}/{delivery.name} has changed since it was taken on "
                f"{last.received_at:%Y-%m-%d}; put the old files back and land the new ones as a new delivery"
            )
        action: Action = "ingest"
        if last is not None:
            is_there = not last.is_accepted or lake.holds(library.folder.lake, site.site, delivery.name)
            action = "skip" if last.recipe_fingerprint == recipe and is_there else "rework"
        planned.append(PlannedDelivery(delivery, action, content, recipe, last))
    return planned


def stage_delivery(library: Library, site: Site, planned: PlannedDelivery, pseudonyms: Pseudonymiser) -> StagedDelivery:
    """Read, map, check and stage one delivery; the receipt is returned, not yet written.

    Raises:
        ContractError: what would be stored breaks its contract (a fault of Concord's, not of the unit).
    """
    delivery, folder = planned.delivery, library.folder
    earlier = [r for r in _accepted(library, site) if r.delivery < delivery.name]
    is_incremental = site.delivery.mode == "increment"
    try:
        mapping = site.mapping_for(delivery.name)
        landed = land(site, mapping, delivery, library)
        known = lake.known_episodes(folder.lake, site.site, [r.delivery for r in earlier] if is_incremental else [])
        mapped = map_delivery(landed, Context(library, site, mapping, pseudonyms, delivery.date, known))
    except DeliveryError as problem:
        return _held_unread(site, planned, str(problem))
    enforce(mapped.tables, library.instruments)
    checks = judge_delivery(
        mapped.tables,
        n_landed=mapped.n_landed,
        n_quarantined=mapped.n_quarantined,
        n_before=earlier[-1].n_rows_accepted if earlier and not is_incremental else None,
        identifiers=mapped.identifiers,
        patterns=library.network.privacy.identifier_patterns,
        thresholds=library.network.gate,
    )
    failed = [check.message for check in checks if not check.is_passed]
    gate = f"held: {'; '.join(failed)}" if failed else ACCEPTED
    lake.stage(folder.lake, site.site, delivery.name, mapped.tables, mapped.local_refs)
    readable = GateCheck("readable", True, 0, mapped.n_files, f"{mapped.n_files} files were read as declared")
    return StagedDelivery((readable, *checks), _receipt(site, planned, mapped, gate))


def accept(library: Library, staged: StagedDelivery) -> None:
    """Promote a staged delivery into the lake, then write its receipt."""
    receipt = staged.receipt
    lake.promote(library.folder.lake, receipt.site_id, receipt.delivery)
    append_receipt(library.folder.state, receipt)


def hold(library: Library, staged: StagedDelivery) -> None:
    """Drop what was staged and write the receipt that says why; an earlier reading in the lake stays."""
    receipt = staged.receipt
    lake.discard(library.folder.lake, receipt.site_id, receipt.delivery)
    append_receipt(library.folder.state, receipt)


def _accepted(library: Library, site: Site) -> list[Receipt]:
    latest = latest_receipts(read_receipts(library.folder.state, site.site))
    return sorted((r for r in latest.values() if r.is_accepted), key=lambda r: r.delivery)


def _held_unread(site: Site, planned: PlannedDelivery, reason: str) -> StagedDelivery:
    delivery = planned.delivery
    check = GateCheck("readable", False, 1, 1, reason)
    receipt = Receipt(
        site_id=site.site,
        delivery=delivery.name,
        delivery_date=delivery.date,
        data_through_date=None,
        is_data_through_estimated=False,
        n_files=len(delivery.files()),
        n_rows_landed=0,
        n_rows_accepted=0,
        n_rows_quarantined=0,
        content_fingerprint=planned.content_fingerprint,
        recipe_fingerprint=planned.recipe_fingerprint,
        received_at=_received_at(planned),
        unmapped_columns="",
        gate=f"held: {reason}",
    )
    return StagedDelivery((check,), receipt)


def _receipt(site: Site, planned: PlannedDelivery, mapped: MappedDelivery, gate: str) -> Receipt:
    delivery, lag = planned.delivery, site.delivery.data_through_lag_days
    through = mapped.last_date if lag is None else delivery.date - dt.timedelta(days=lag)
    return Receipt(
        site_id=site.site,
        delivery=delivery.name,
        delivery_date=delivery.date,
        data_through_date=through,
        is_data_through_estimated=lag is None,
        n_files=mapped.n_files,
        n_rows_landed=mapped.n_landed,
        n_rows_accepted=mapped.n_accepted,
        n_rows_quarantined=mapped.n_quarantined,
        content_fingerprint=planned.content_fingerprint,
        recipe_fingerprint=planned.recipe_fingerprint,
        received_at=_received_at(planned),
        unmapped_columns="; ".join(mapped.unmapped),
        gate=gate,
    )


def _received_at(planned: PlannedDelivery) -> dt.datetime:
    """When this content first came, whatever was done with it since."""
    if planned.last is not None:
        return planned.last.received_at
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)


def known_receipts(library: Library, as_of: dt.date | None = None) -> list[Receipt]:
    """The word on each delivery that a build goes by.

    A delivery whose new reading is held stays in with its last accepted reading, as long as that lies in the lake.
    """
    chosen = []
    for site in sorted(library.sites):
        readings: dict[str, list[Receipt]] = {}
        for receipt in read_receipts(library.folder.state, site):
            readings.setdefault(receipt.delivery, []).append(receipt)
        for delivery, receipts in sorted(readings.items()):
            last = receipts[-1]
            if as_of is not None and last.delivery_date > as_of:
                continue
            earlier = [r for r in receipts if r.is_accepted]
            stays = not last.is_accepted and earlier and lake.holds(library.folder.lake, site, delivery)
            chosen.append(earlier[-1] if stays else last)
    return chosen
