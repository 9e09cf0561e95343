"""What alerts go by: receipts, names in landing/, what quality.expectation says of volumes, how the last run ended.

What belongs here: reading. What does not: judging (`alert`). Only counts, dates and names of deliveries are taken.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

from assets.alerts.alert import Drop, FailedRun, Newest, UnitStand
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
        newest = _newest(receipts)
        yield UnitStand(
            site=key,
            name=site.name,
            cadence_days=None if site.delivery.mode == "frozen" else site.delivery.cadence_days,
            newest=newest,
            last_arrived=_last_arrived(library, site),
            drop=dropped.get((key, newest.name)) if newest else None,
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


def _dropped(library: Library) -> dict[tuple[str, str], Drop]:
    """Unit and newest accepted delivery of the sealed warehouse → how much less than expected it holds, if any."""
    from assets.publishing.sources import Warehouse

    if not library.folder.warehouse.is_file():
        return {}
    with Warehouse(library.folder.warehouse) as sealed:
        if not (sealed.has("quality.expectation") and sealed.has("quality.delivery")):
            return {}
        newest = sealed.frame(
            "select site_id, max(delivery) as delivery from quality.delivery where gate = 'accepted' group by site_id"
        )
        judged = sealed.frame(
            "select site_id, instrument is not null as is_instrument, count(*) as n, "
            "count(*) filter (where status = 'fail') as n_dropped, "
            "coalesce(sum(n_failed) filter (where status = 'fail'), 0) as n_fewer, "
            "coalesce(sum(n_checked) filter (where status = 'fail'), 0) as n_expected "
            f"from quality.expectation where suite = '{VOLUME_SUITE}' and status in ('pass', 'fail') "
            "group by all order by all"
        )
    deliveries = dict(newest.iter_rows())
    drops: dict[tuple[str, str], Drop] = {}
    for site, is_instrument, n, n_dropped, n_fewer, n_expected in judged.iter_rows():
        if n_dropped and site in deliveries:
            compared = (int(n_dropped), int(n)) if is_instrument else (0, 0)
            drops[site, deliveries[site]] = Drop(*compared, int(n_fewer), int(n_expected))
    return drops


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
