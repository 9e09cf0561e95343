"""What lies in landing/: deliveries, their fingerprints, and the recipe by which each is read.

What belongs here: names, dates, fingerprints, and what may be taken as a file. What does not: the contents of a file.
Errors never quote a file's name: it may name a person.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assets.ingestion.fingerprints import KnownFiles, Look, look_at
from codebook.declaration import fingerprint
from codebook.library import Library
from codebook.site import Site

DELIVERY_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})(-[a-z0-9]+)?$")
MAPPING_VERSION = "2"
"""Part of every recipe: raised when the same files and declarations would be mapped differently than before."""


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

    @property
    def place(self) -> str:
        """How messages call it."""
        return f"landing/{self.site}/{self.name}"

    def files(self) -> list[Path]:
        """Every file of the delivery, in a fixed order; hidden files do not count.

        Raises:
            LandingError: something in it may not be read, is no file, or is a link that leads out of landing/<site>.
        """
        try:
            home = self.folder.parent.resolve(strict=True)
            if not self.folder.resolve(strict=True).is_relative_to(home):
                raise LandingError(f"{self.place} is a link that leads out of landing/{self.site}; put the files there")
            found = sorted(_files_below(self.folder))
            for nth, path in enumerate(found, start=1):
                self._admit(path, home, f"its file {nth} of {len(found)}, by name,")
        except OSError as error:
            raise self.unreadable(error) from error
        return found

    def _admit(self, path: Path, home: Path, which: str) -> None:
        if path.is_symlink():
            if not path.exists():
                raise LandingError(f"{self.place}: {which} is a link to nothing; put the file itself there")
            if not path.resolve(strict=True).is_relative_to(home) or path.is_dir():
                raise LandingError(
                    f"{self.place}: {which} is a link that leads out of landing/{self.site} or to a folder; "
                    "put the file itself there"
                )
        if not path.is_file():
            raise LandingError(f"{self.place}: {which} is neither a file nor a folder; take it out")

    def unreadable(self, error: OSError) -> LandingError:
        """The sentence for what the operating system said about one of the files."""
        if isinstance(error, FileNotFoundError):
            return LandingError(f"{self.place} changed while it was being read; run again when its transfer has ended")
        return LandingError(
            f"{self.place} cannot be read ({error.strerror or type(error).__name__}); "
            "give the user who runs Concord the right to read it"
        )

    def looks(self) -> dict[str, Look]:
        """What can be seen of its files without reading them.

        Raises:
            LandingError: as `files`.
        """
        try:
            return {path.relative_to(self.folder).as_posix(): look_at(path) for path in self.files()}
        except OSError as error:
            raise self.unreadable(error) from error

    def content_fingerprint(self, known: KnownFiles | None = None) -> str:
        """SHA-256 (hex) over the names and contents of the files; of `known` ones without reading them again.

        Raises:
            LandingError: as `files`.
        """
        known = known or KnownFiles(Path(os.devnull), is_believed=False)
        digest = hashlib.sha256()
        try:
            for path in self.files():
                name = path.relative_to(self.folder).as_posix()
                digest.update(name.encode() + b"\0")
                digest.update(bytes.fromhex(known.sha256(path, f"{self.name}/{name}")))
        except OSError as error:
            raise self.unreadable(error) from error
        return digest.hexdigest()


def _files_below(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is not itself a folder. Unlike `rglob` this says so where it may not look."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path))
            else:
                yield Path(entry.path)


def known_files(lake: Path, site: str, is_believed: bool = True) -> KnownFiles:
    """The files of landing/<site> that were hashed before; without `is_believed` all are hashed again."""
    return KnownFiles(lake / ".known" / f"{site}.json", is_believed)


def deliveries_of(landing: Path, site: str, as_of: dt.date | None = None) -> list[Delivery]:
    """Deliveries of one site, oldest first; with `as_of`, those of that day and before.

    Raises:
        LandingError: a folder whose name does not begin with a date, or a folder that may not be read.
    """
    folder = landing / site
    try:
        if not folder.is_dir():
            if folder.is_symlink():
                raise LandingError(f"landing/{site} is a link to nothing; mend the link, or make it a folder")
            return []
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        are_folders = [path.is_dir() for path in paths]
    except OSError as error:
        raise LandingError(
            f"landing/{site} cannot be read ({error.strerror}); give the user who runs Concord the right to read it"
        ) from error
    found = []
    for nth, (path, is_folder) in enumerate(zip(paths, are_folders, strict=True), start=1):
        which = f"landing/{site}: what stands at place {nth} of {len(paths)}, by name,"
        if not is_folder:
            raise LandingError(f"{which} is no folder; put files into a folder named by its date")
        match = DELIVERY_NAME.match(path.name)
        try:
            date = dt.date.fromisoformat(match.group(1)) if match else None
        except ValueError:
            date = None
        if date is None:
            raise LandingError(
                f"{which} is no delivery: its name must begin with its date, like 2026-11-01 or 2026-11-01-b"
            )
        if as_of is None or date <= as_of:
            found.append(Delivery(site, path.name, path))
    return found


def recipe_fingerprint(library: Library, site: Site, delivery: Delivery, reader_version: str, key_id: str) -> str:
    """Fingerprint of everything that decides how a delivery is read, checked and gated.

    Contacts do not count, nor what becomes of vanished records: that is the build's to decide.
    """
    schedule, followed = library.schedule_of(site), library.schedules_of(site)
    mapping = site.mapping_for(delivery.name)
    return fingerprint(
        site.format,
        f"mode {site.delivery.mode}, lag {site.delivery.data_through_lag_days}",
        mapping,
        library.network.gate,
        library.network.privacy,
        library.network.plausible,
        f"schedule {schedule.name if schedule else ''}",
        f"part {site.site} {site.part_codes or sorted(site.parts.sites)} of {site.parts.column}" if site.parts else "",
        *(f"{plan.name} from {plan.valid_from}" for plan in followed if mapping.asks_schedule),
        *(occasion for plan in followed if mapping.asks_schedule for occasion in plan.occasions),
        f"readers {reader_version}, mapping {MAPPING_VERSION}, key {key_id}",
        *(library.instruments[key] for key in mapping.instruments_used()),
    )
