"""What was overdue and open on another day: the ledgers of a pair of clocks, built from the deliveries known then.

What belongs here: the partial build of dbt that makes them, beside the run's own and never in its place.
What does not: comparing two of them (`assets.warehouse.comparison`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from assets.ingestion.ingest import known_receipts
from assets.run_context import Clocks
from assets.warehouse.build import prepare_project, run_dbt
from assets.warehouse.stage import write_build_inputs
from codebook.library import Library
from codebook.network import NetworkFolder

MODELS = "+expected_assessment +finding"

_under_way: dict[Path, Future[Path | None]] = {}


class LedgerError(Exception):
    """dbt could not build the ledgers of another day."""


def build_ledgers(library: Library, clocks: Clocks, place: Path, pass_fds: Sequence[int] = ()) -> Path | None:
    """Build `quality.expected_assessment` and `quality.finding` as `clocks` see them; the file that holds them.

    Everything is written under `place`, a folder of its own that is emptied first. None: no delivery was accepted by
    then, so that there is nothing to build. Call it under the exclusive lock; `pass_fds` are its descriptors.

    Raises:
        LedgerError: with what dbt said.
    """
    shutil.rmtree(place, ignore_errors=True)
    if not delivered_by(library, clocks):
        return None
    place.mkdir(parents=True)
    (place / "lake").symlink_to(os.path.relpath(library.folder.lake, place))
    folder = NetworkFolder(place)
    write_build_inputs(library, clocks, folder)
    outcome = run_dbt(prepare_project(folder.build), pass_fds=pass_fds, only=MODELS)
    if not outcome.is_success:
        raise LedgerError(f"the ledgers of {clocks.today} could not be built: {outcome.explain()}")
    return folder.build / "warehouse.duckdb"


def begin_ledgers(library: Library, clocks: Clocks, place: Path, pass_fds: Sequence[int]) -> None:
    """Start `build_ledgers` beside whatever the process does next: dbt is a process of its own, on a second core.

    The lock behind `pass_fds` is held until it has ended, also where the caller was killed meanwhile; what it left is
    swept by the next run.
    """
    wait_for_ledgers(place)
    descriptors = [os.dup(descriptor) for descriptor in pass_fds]

    def build() -> Path | None:
        try:
            return build_ledgers(library, clocks, place, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledgers")
    _under_way[place] = pool.submit(build)
    pool.shutdown(wait=False)


def finish_ledgers(library: Library, clocks: Clocks, place: Path, pass_fds: Sequence[int] = ()) -> Path | None:
    """What `begin_ledgers` was asked for, waited for; built now where another process had begun it.

    Raises:
        LedgerError: with what dbt said.
    """
    begun = _under_way.pop(place, None)
    return begun.result() if begun is not None else build_ledgers(library, clocks, place, pass_fds)


def wait_for_ledgers(place: Path) -> None:
    """Let ledgers end that nobody asked for any more, since the run that began them failed."""
    begun = _under_way.pop(place, None)
    if begun is not None:
        begun.exception()


def delivered_by(library: Library, clocks: Clocks) -> frozenset[str]:
    """Units of which a delivery had been accepted by the as-of date of `clocks`."""
    return frozenset(receipt.site_id for receipt in known_receipts(library, clocks.as_of) if receipt.is_accepted)
