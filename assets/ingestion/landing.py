"""What lies in landing/: deliveries, their fingerprints, and the recipe by which each is read.

What belongs here: names, dates and fingerprints. What does not: the contents of a file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from codebook.declaration import fingerprint
from codebook.library import Library
from codebook.site import Site

DELIVERY_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})(-[a-z0-9]+)?$")
MAPPING_VERSION = "1"
"""Part of every recipe: raised when the same files and declarations would be mapped differently than before."""
CHUNK = 1 << 20


class LandingError(Exception):
    """Something in landing/ cannot be taken as a delivery."""


@dataclass(frozen=True)
class Delivery:
    """One folder that a unit delivered; `name` begins with its date."""

    site: str
    name: str
    folder: Path

    @property
    def date(self) -> dt.date:
        """The delivery's date, from its name."""
        return dt.date.fromisoformat(self.name[:10])

    def files(self) -> list[Path]:
        """Every file of the delivery, in a fixed order; hidden files do not count."""
        return sorted(
            path
            for path in self.folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self.folder).parts)
        )

    def content_fingerprint(self) -> str:
        """SHA-256 (hex) over the names and contents of the files."""
        digest = hashlib.sha256()
        for path in self.files():
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0")
            digest.update(_sha256(path))
        return digest.hexdigest()


def _sha256(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def deliveries_of(landing: Path, site: str, as_of: dt.date | None = None) -> list[Delivery]:
    """Deliveries of one site, oldest first; with `as_of`, those of that day and before.

    Raises:
        LandingError: a folder whose name does not begin with a date.
    """
    folder = landing / site
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            raise LandingError(
                f"landing/{site}/{path.name}: a file lies beside the deliveries; put it into a folder named by its date"
            )
        match = DELIVERY_NAME.match(path.name)
        try:
            date = dt.date.fromisoformat(match.group(1)) if match else None
        except ValueError:
            date = None
        if date is None:
            raise LandingError(
                f"landing/{site}/{path.name}: a delivery's name must begin with its date, "
                "like 2026-11-01 or 2026-11-01-b"
            )
        if as_of is None or date <= as_of:
            found.append(Delivery(site, path.name, path))
    return found


def recipe_fingerprint(library: Library, site: Site, delivery: Delivery, reader_version: str, key_id: str) -> str:
    """Fingerprint of everything that decides how a delivery is read, checked and gated; contacts do not count."""
    schedule = library.schedule_of(site)
    instruments = [library.instruments[key] for key in site.instruments_used()]
    return fingerprint(
        site.format,
        site.delivery,
        site.mapping_for(delivery.name),
        library.network.gate,
        library.network.privacy,
        library.network.plausible,
        f"schedule {schedule.name if schedule else ''}",
        f"readers {reader_version}, mapping {MAPPING_VERSION}, key {key_id}",
        *instruments,
    )
