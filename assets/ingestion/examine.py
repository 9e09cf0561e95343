"""Reading one delivery to the end without keeping anything: rows mapped, people taken out, contracts and gate judged.

What belongs here: the order of these steps, for taking a delivery and for looking at one.
What does not: the lake and receipts (`assets.ingestion.ingest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assets.ingestion import lake
from assets.ingestion.context import Context
from assets.ingestion.flags import with_flags
from assets.ingestion.landing import Delivery
from assets.ingestion.mapping import MappedDelivery, map_delivery
from assets.ingestion.masks import nameless_reason
from assets.ingestion.privacy import without_people
from assets.ingestion.receipts import Receipt
from assets.ingestion.source import DeliveryError, land
from checks.contracts import enforce
from checks.gate import GateCheck, judge_delivery
from checks.keys import Pseudonymiser
from codebook.library import Library
from codebook.site import Site


@dataclass(frozen=True)
class Examined:
    """What a delivery holds, fit to be stored, and the checks that decide whether it may be."""

    mapped: MappedDelivery
    checks: tuple[GateCheck, ...]

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that hold the delivery back."""
        return tuple(check for check in self.checks if not check.is_passed)


def examine(
    library: Library, site: Site, delivery: Delivery, pseudonyms: Pseudonymiser, earlier: Sequence[Receipt]
) -> Examined:
    """Read, map and judge one delivery.

    Args:
        library: the network's declarations.
        site: the unit.
        delivery: what lies in landing/.
        pseudonyms: the network's key.
        earlier: receipts of the unit's accepted deliveries before this one, oldest first.

    Raises:
        DeliveryError: it cannot be read as declared; the sentence names nobody.
        LandingError: its files cannot be read.
        ContractError: what would be stored breaks its contract (a fault of Concord's, not of the unit).
    """
    is_incremental = site.delivery.mode == "increment"
    names = [receipt.delivery for receipt in earlier]
    mapping = site.mapping_for(delivery.name)
    try:
        try:
            landed = land(site, mapping, delivery, library)
        except OSError as error:
            raise delivery.unreadable(error) from error
        known = lake.known_episodes(library.folder.lake, site.site, names if is_incremental else [])
        context = Context(library, site, mapping, pseudonyms, delivery.date, known)
        mapped = with_flags(map_delivery(landed, context), library, site, names, known, pseudonyms)
    except DeliveryError as problem:
        reason = nameless_reason(str(problem), problem.people, delivery, library, site, pseudonyms)
        raise DeliveryError(reason) from None
    mapped, leaks = without_people(landed, mapped, context)
    enforce(mapped.tables, library.instruments)
    checks = judge_delivery(
        n_landed=mapped.n_judged,
        n_quarantined=mapped.n_quarantined,
        n_before=earlier[-1].n_rows_accepted if earlier and not is_incremental else None,
        leaks=leaks,
        thresholds=library.network.gate,
    )
    readable = GateCheck("readable", True, 0, mapped.n_files, f"{mapped.n_files} files were read as declared")
    return Examined(mapped, (readable, *checks))
