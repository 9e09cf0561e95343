"""Between staging and promotion: which delivery a run is about, and the receipt that waits beside what is staged.

What belongs here: the hand-over between two assets that may run in two processes.
What does not: receipts that count (`assets.ingestion.receipts`).
"""

from __future__ import annotations

from pathlib import Path

from assets.ingestion.ingest import PlannedDelivery, StagedDelivery, plan_site
from assets.ingestion.landing import LandingError
from assets.ingestion.receipts import receipt_from_line, receipt_line
from checks.keys import Pseudonymiser
from codebook.library import Library
from codebook.site import Site


def choose(library: Library, site: Site, pseudonyms: Pseudonymiser, delivery: str | None) -> PlannedDelivery:
    """The named delivery; without a name the oldest that is not yet taken.

    Raises:
        LandingError: there is no such delivery, or nothing is waiting.
    """
    planned = plan_site(library, site, pseudonyms)
    for item in planned:
        if item.delivery.name == delivery or (delivery is None and item.action != "skip"):
            return item
    if delivery is None:
        raise LandingError(f"nothing new lies in landing/{site.site}")
    names = ", ".join(item.delivery.name for item in planned) or "nothing"
    raise LandingError(f"landing/{site.site} holds no delivery '{delivery}'; it holds {names}")


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
