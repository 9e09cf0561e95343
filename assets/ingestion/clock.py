"""The clock of this machine, held against what was received before.

What belongs here: noticing that the clock was set back. What does not: the days that a build goes by
(`assets.run_context.Clocks`).
"""

from __future__ import annotations

import datetime as dt

from assets.ingestion.receipts import read_receipts
from codebook.library import Library

TOLERATED = dt.timedelta(days=1)
"""Clocks differ a little between machines, and so do their days."""


class ClockError(Exception):
    """The clock says that deliveries came which have not come yet."""


def check_clock(library: Library, now: dt.datetime | None = None) -> None:
    """Refuse to work by a clock that stands before the newest receipt: what it stamps would be out of order.

    A look back (`--as-of`) is refused too, since it takes what is new, and stamps it.

    Args:
        library: the network.
        now: UTC without a zone; None: this machine's clock.

    Raises:
        ClockError: it stands more than a day before a receipt.
    """
    now = now or dt.datetime.now(dt.UTC).replace(tzinfo=None)
    received = [(r.received_at, r.site_id) for site in library.sites for r in read_receipts(library.folder.state, site)]
    newest, site = max(received, default=(now, ""))
    if newest - now > TOLERATED:
        raise ClockError(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, but a delivery of {site} was received on "
            f"{newest:%Y-%m-%d %H:%M} UTC; set the clock right and run again"
        )
