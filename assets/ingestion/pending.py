"""Between staging and promotion: which deliveries a run is about, and the receipt that waits beside what is staged.

What belongs here: the choice, and the hand-over between two assets that may run in two processes.
What does not: receipts that count (`assets.ingestion.receipts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from assets.ingestion.ingest import PlannedDelivery, StagedDelivery, accept, hold, plan_site, stage_delivery
from assets.ingestion.landing import LandingError
from assets.ingestion.receipts import receipt_from_line, receipt_line
from assets.run_context import BACKFILL_TAG, DELIVERY_TAG, REWORK_TAG
from checks.contracts import ContractError
from checks.keys import Pseudonymiser
from codebook.library import Library
from codebook.site import Site

ALL = "all"
"""Value of the rework tag that names no delivery to begin with."""


def choose(library: Library, site: Site, pseudonyms: Pseudonymiser, tags: Mapping[str, str]) -> list[PlannedDelivery]:
    """What a run is about: the delivery that its tags name; for a rework or a backfill all, oldest first; else the
    oldest that is not yet taken.

    Raises:
        LandingError: there is no such delivery, or nothing is waiting.
    """
    delivery = tags.get(DELIVERY_TAG)
    start = tags.get(REWORK_TAG, ALL if BACKFILL_TAG in tags else None)
    again_from = None if start is None or delivery else ("" if start == ALL else start)
    planned = plan_site(library, site, pseudonyms, again_from=again_from)
    if delivery is not None:
        named = [item for item in planned if item.delivery.name == delivery]
        if not named:
            names = ", ".join(item.delivery.name for item in planned) or "nothing"
            raise LandingError(f"landing/{site.landing_name} holds no delivery '{delivery}'; it holds {names}")
        return named
    waiting = [item for item in planned if item.action != "skip"]
    if not waiting:
        raise LandingError(f"nothing new lies in landing/{site.landing_name}")
    return waiting if again_from is not None else waiting[:1]


def take_all(
    library: Library, site: Site, pseudonyms: Pseudonymiser, planned: Iterable[PlannedDelivery]
) -> tuple[list[StagedDelivery], list[str]]:
    """Take deliveries one after the other, each through its own gate; one that is held or fails stops no other.

    Returns them, and a sentence for each that failed.
    """
    taken, problems = [], []
    for item in planned:
        try:
            staged = stage_delivery(library, site, item, pseudonyms)
            (hold if staged.failed else accept)(library, staged)
        except (LandingError, ContractError, OSError) as error:
            problems.append(f"delivery {item.delivery.name}: {error}")
        else:
            taken.append(staged)
    return taken, problems


def _waiting(library: Library, site: str) -> Path:
    return library.folder.lake / ".staging" / site


def remember(library: Library, staged: StagedDelivery) -> None:
    """Lay the receipt beside the staged tables."""
    receipt = staged.receipt
    path = _waiting(library, receipt.site_id) / f"{receipt.delivery}.receipt"
    path.write_text(receipt_line(receipt), encoding="utf-8")


def recall(library: Library, site: str, delivery: str | None) -> StagedDelivery:
    """The staged delivery that waits for promotion.

    Raises:
        LandingError: nothing is staged (a run that was killed is simply started again).
    """
    folder = _waiting(library, site)
    waiting = sorted(folder.glob(f"{delivery or '*'}.receipt"))
    if not waiting:
        raise LandingError(f"nothing of {site} is staged; start the ingestion of this site again")
    return StagedDelivery((), receipt_from_line(waiting[0].read_text(encoding="utf-8")))
