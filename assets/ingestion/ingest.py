"""Taking deliveries: what is new, reading it into the staging area, and letting it in or holding it.

What belongs here: the plan of a site's deliveries and the steps of one delivery, as plain functions.
What does not: Dagster's wiring (`assets.ingestion.definitions`) and every rule (`checks`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from assets.ingestion import lake
from assets.ingestion.examine import examine
from assets.ingestion.fingerprints import Look, is_at_rest
from assets.ingestion.landing import Delivery, LandingError, deliveries_of, known_files, recipe_fingerprint
from assets.ingestion.mapping import MappedDelivery
from assets.ingestion.readers.protocol import READER_VERSION
from assets.ingestion.receipts import ACCEPTED, Receipt, append_receipt, latest_receipts, read_receipts
from assets.ingestion.source import DeliveryError
from checks.gate import GateCheck
from checks.keys import Pseudonymiser
from codebook.declaration import fingerprint
from codebook.library import Library
from codebook.site import Site

Action = Literal["ingest", "rework", "skip"]


@dataclass(frozen=True)
class PlannedDelivery:
    """One delivery and what is to be done with it; `last` is the last word on it so far.

    `looks`: what could be seen of its files before they were hashed. `same_as`: an earlier delivery of the same files.
    """

    delivery: Delivery
    action: Action
    content_fingerprint: str
    recipe_fingerprint: str
    last: Receipt | None
    looks: Mapping[str, Look] = field(default_factory=dict)
    same_as: str | None = None


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
    library: Library,
    site: Site,
    pseudonyms: Pseudonymiser,
    as_of: dt.date | None = None,
    *,
    is_verified: bool = False,
    again_from: str | None = None,
) -> list[PlannedDelivery]:
    """Every delivery of a site with what it needs: both fingerprints known means skip, a new recipe means rework.

    What an increment comes to depends on the courses that earlier ones brought: its recipe names all that came before,
    so that one that arrives late has those after it read again.

    Args:
        as_of: only deliveries of that day and before.
        is_verified: hash every file, also those that look as they did.
        again_from: rework known deliveries of that name and later, whatever is known of them ("": all).

    Raises:
        LandingError: a name that is no delivery, files that cannot be read, or new content under an old name.
    """
    latest = latest_receipts(read_receipts(library.folder.state, site.site))
    known = known_files(library.folder.lake, site.landing_name, not is_verified)
    recipes: dict[str, str] = {}
    before = ""
    planned = []
    for delivery in deliveries_of(library.folder.landing, site.landing_name, as_of):
        looks = delivery.looks()
        content = delivery.content_fingerprint(known)
        start = site.mapping_for(delivery.name).from_delivery
        if start not in recipes:
            recipes[start] = recipe_fingerprint(library, site, delivery, READER_VERSION, pseudonyms.key_id)
        recipe = recipes[start]
        if site.delivery.mode == "increment":
            recipe = fingerprint(recipe, before)
            before = fingerprint(recipe, content)
        last = latest.get(delivery.name)
        if last is not None and last.content_fingerprint != content:
            raise LandingError(
                f"{delivery.place} has changed since it was taken on "
                f"{last.received_at:%Y-%m-%d}; put the old files back and land the new ones as a new delivery"
            )
        action: Action = "ingest"
        if last is not None:
            is_again = again_from is not None and delivery.name >= again_from
            is_known = last.recipe_fingerprint == recipe and _is_there(library, last)
            action = "skip" if is_known and not is_again else "rework"
        planned.append(PlannedDelivery(delivery, action, content, recipe, last, looks))
    if as_of is None:
        known.save()
    return [replace(item, same_as=_same_as(item, planned)) for item in planned]


def _is_there(library: Library, last: Receipt) -> bool:
    """Whether the lake still holds what a receipt says."""
    if last.is_accepted:
        return lake.holds(library.folder.lake, last.site_id, last.delivery)
    return not last.n_rows_landed or lake.keeps_held(library.folder.lake, last.site_id, last.delivery)


def _same_as(item: PlannedDelivery, planned: Iterable[PlannedDelivery]) -> str | None:
    """The first delivery that brought the same files; None for that one itself, and where nothing came twice."""

    def came(other: PlannedDelivery) -> tuple[dt.datetime, str]:
        return (other.last.received_at if other.last else dt.datetime.max), other.delivery.name

    twins = [other for other in planned if other.content_fingerprint == item.content_fingerprint and other.looks]
    first = min(twins, key=came, default=item)
    return None if first.delivery.name == item.delivery.name else first.delivery.name


def stage_delivery(library: Library, site: Site, planned: PlannedDelivery, pseudonyms: Pseudonymiser) -> StagedDelivery:
    """Read, map, check and stage one delivery; the receipt is returned, not yet written.

    Raises:
        ContractError: what would be stored breaks its contract (a fault of Concord's, not of the unit).
        LandingError: the files changed while they were read, or cannot be read any more.
        OSError: the lake cannot be written; nothing is staged then.
    """
    delivery, folder = planned.delivery, library.folder
    earlier = [r for r in _accepted(library, site) if r.delivery < delivery.name]
    try:
        examined = examine(library, site, delivery, pseudonyms, earlier)
    except DeliveryError as problem:
        _refuse_changed(planned)
        return _held_unread(site, planned, str(problem))
    _refuse_changed(planned)
    mapped = examined.mapped
    try:
        lake.stage(folder.lake, site.site, delivery.name, mapped.tables, mapped.local_refs)
    except BaseException:
        lake.discard(folder.lake, site.site, delivery.name)
        raise
    failed = "; ".join(check.message for check in examined.failed)
    return StagedDelivery(examined.checks, _receipt(site, planned, mapped, f"held: {failed}" if failed else ACCEPTED))


def _refuse_changed(planned: PlannedDelivery) -> None:
    """What was read must be what was fingerprinted: no receipt may speak of half a transfer."""
    delivery = planned.delivery
    looks = delivery.looks()
    is_same = looks == planned.looks and all(is_at_rest(look) for look in looks.values())
    if not is_same and delivery.content_fingerprint() != planned.content_fingerprint:
        raise LandingError(f"{delivery.place} changed while it was being read; run again when its transfer has ended")


def accept(library: Library, staged: StagedDelivery) -> None:
    """Promote a staged delivery into the lake together with its receipt."""
    lake.promote(library.folder.lake, library.folder.state, staged.receipt)


def hold(library: Library, staged: StagedDelivery) -> None:
    """Keep what was found and rejected apart, and write the receipt that says why; an earlier reading stays."""
    receipt = staged.receipt
    lake.keep_held(library.folder.lake, receipt.site_id, receipt.delivery)
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
        notes=" | ".join(_repeats(planned)),
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
        n_rows_unused=mapped.n_rows_unused,
        unused_files="; ".join(mapped.unused_files),
        notes=" | ".join([*_repeats(planned), *mapped.notes]),
    )


def _repeats(planned: PlannedDelivery) -> list[str]:
    return [f"the same files as delivery {planned.same_as}"] if planned.same_as else []


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
