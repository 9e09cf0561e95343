"""What every asset is handed: the network's declarations, its key, its two clocks, and where a build goes.

What belongs here: values of one run. What does not: any work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assets.ingestion.rotation_mark import is_cut
from checks.keys import KeyFileError, Pseudonymiser, load_key
from codebook.library import Library, load_library
from codebook.network import NetworkFolder

DELIVERY_TAG = "concord/delivery"
AS_OF_TAG = "concord/as_of"
TODAY_TAG = "concord/today"
RUN_TAG = "concord/run"
REWORK_TAG = "concord/rework"
"""Read a unit's deliveries again: from the one it names, or `all`."""
BACKFILL_TAG = "dagster/backfill"
"""Dagster's own: a backfill of a unit reads all its deliveries again."""


@dataclass(frozen=True)
class Clocks:
    """`as_of`: deliveries known up to that day (None: all); `today`: the day that decides what is overdue."""

    as_of: dt.date | None
    today: dt.date

    @classmethod
    def of(cls, as_of: dt.date | None, today: dt.date | None, fixed: dt.date | None) -> Clocks:
        """`today` defaults to as-of, then to the network's own fixed day, then to the current day."""
        return cls(as_of, today or as_of or fixed or dt.datetime.now(dt.UTC).date())

    def tags(self) -> dict[str, str]:
        """As run tags, so that Dagster's page shows them and a re-run has the same."""
        tags = {TODAY_TAG: self.today.isoformat()}
        return tags | ({AS_OF_TAG: self.as_of.isoformat()} if self.as_of else {})


class NetworkRoom:
    """One network folder as the assets see it; declarations and key are read when first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def library(self) -> Library:
        """Every declaration of the network."""
        return load_library(self.root)

    @cached_property
    def pseudonyms(self) -> Pseudonymiser:
        """The network's key.

        Raises:
            KeyFileError: it is missing or unsafe, or a key rotation was cut between two keys.
        """
        if is_cut(self.root):
            raise KeyFileError(f"{self.root}: a key rotation was cut; 'concord key rotate' finishes it")
        return load_key(self.root / self.library.network.privacy.key_file)

    def clocks(self, tags: Mapping[str, str]) -> Clocks:
        """The clocks that a run's tags name."""
        as_of, today = tags.get(AS_OF_TAG), tags.get(TODAY_TAG)
        return Clocks.of(
            dt.date.fromisoformat(as_of) if as_of else None,
            dt.date.fromisoformat(today) if today else None,
            self.library.network.today,
        )

    def target(self, clocks: Clocks) -> NetworkFolder:
        """Where a build writes: the network itself, or asof/<date>/ for a look back (which sees the same lake)."""
        if clocks.as_of is None:
            return self.library.folder
        root = self.root / "asof" / clocks.as_of.isoformat()
        root.mkdir(parents=True, exist_ok=True)
        link = root / "lake"
        if not link.is_symlink():
            link.symlink_to(Path("..") / ".." / "lake")
        return NetworkFolder(root)
