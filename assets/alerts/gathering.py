"""What alerts go by: receipts, names in landing/, what quality.expectation says of volumes, how the last run ended.

What belongs here: reading. What does not: judging (`alert`). Only counts, dates and names of deliveries are taken.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

from assets.alerts.alert import FailedRun, Newest, UnitStand
from assets.ingestion.landing import LandingError, deliveries_of
from assets.ingestion.receipts import Receipt, latest_receipts, read_receipts
from codebook.library import Library
from codebook.site import Site

VOLUME_SUITE = "volume"
COMMAND = "concord run"


def unit_stands(library: Library) -> Iterator[UnitStand]:
    """Every unit that delivers files of its own; one whose rows come inside another's file is told through that one."""
    dropped = _dropped(library)
    for key, site in library.sites.items():
        if site.part_of is not None:
            continue
        receipts = sorted(
            latest_receipts(read_receipts(library.folder.state, key)).values(), key=lambda receipt: receipt.delivery
        )
        n_dropped, n_compared = dropped.get(key, (0, 0))
        yield UnitStand(
            site=key,
            name=site.name,
            cadence_days=None if site.delivery.mode == "frozen" else site.delivery.cadence_days,
            newest=_newest(receipts),
            last_arrived=_last_arrived(library, site),
            n_dropped=n_dropped,
            n_compared=n_compared,
        )


def _newest(receipts: Sequence[Receipt]) -> Newest | None:
    if not receipts:
        return None
    *earlier, last = receipts
    before = [receipt.n_rows_accepted for receipt in earlier if receipt.is_accepted]
    return Newest(
        last.delivery,
        last.delivery_date,
        not last.is_accepted,
        last.n_rows_landed,
        last.n_rows_quarantined,
        before[-1] if before else None,
    )


def _last_arrived(library: Library, site: Site) -> dt.date | None:
    """A delivery that lies there and was not read yet is not missing."""
    try:
        return max((one.date for one in deliveries_of(library.folder.landing, site.landing_name)), default=None)
    except LandingError:
        return None


def _dropped(library: Library) -> dict[str, tuple[int, int]]:
    """Site → counts that fell suddenly, of those that were compared, as the sealed warehouse judges."""
    from assets.publishing.sources import Warehouse

    if not library.folder.warehouse.is_file():
        return {}
    with Warehouse(library.folder.warehouse) as sealed:
        if not sealed.has("quality.expectation"):
            return {}
        found = sealed.frame(
            "select site_id, count(*) filter (where status = 'fail') as n_failed, count(*) as n "
            f"from quality.expectation where suite = '{VOLUME_SUITE}' and status in ('pass', 'fail') "
            "group by site_id order by site_id"
        )
    return {site: (int(n_failed), int(n)) for site, n_failed, n in found.iter_rows()}


def failed_commands(library: Library) -> list[FailedRun]:
    """The first and the last of the `concord run`s that failed one after the other; none where the last succeeded.

    Such a run is not one of Dagster's, and where it is started by the clock nobody sits before it.
    """
    path = library.folder.dagster_home / "last_run.json"
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        if row["failing_since"] is None:
            return []
        ends = [dt.datetime.fromisoformat(row[name]) for name in ("failing_since", "finished_at")]
    except (OSError, ValueError, KeyError):
        return []
    return [
        FailedRun(COMMAND, None, f"that ended {end:%Y-%m-%d %H:%M} UTC", end.date(), row["failing_since"])
        for end in ends
    ]
