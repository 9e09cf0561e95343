"""Zip archives from outside: opened member by member in memory, never unpacked to disk.

What belongs here: what makes an archive refused: members that point elsewhere, links, encryption, archives inside the
archive, and members that unpack to far more than they should. What does not: what the members hold.

Sizes that an archive declares are hints of whoever made it. The limit is enforced on the bytes that really come out,
while they come out, and over all members together.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from assets.ingestion.readers.protocol import MEGABYTE, ReadError
from codebook.formats import ReadingLimits

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 4 * MEGABYTE
"""Of the archive's table of contents, which is read as a whole."""
MAX_RATIO = 300
"""Unpacked to packed bytes. Repetitive XML reaches about 100; a bomb reaches deflate's end, about 1000."""
RATIO_FROM_BYTES = 10 * MEGABYTE
"""Below this a high ratio does no harm: a short table of zeros has one, too."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
_PACKED_NAMES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".jar", ".zst")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END, _END64_LOCATOR, _END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_END_BYTES, _LOCATOR_BYTES, _END64_BYTES = 22, 20, 56
_LONGEST_COMMENT = 65_536


def is_archive(path: Path) -> bool:
    """Whether a file begins as zip archives do."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


class Archive:
    """An opened archive whose members have harmless names; see `open_archive`."""

    def __init__(self, file: zipfile.ZipFile, relative: str, limits: ReadingLimits) -> None:
        self.relative = relative
        self._file = file
        self._limits = limits
        self._left = limits.max_unpacked_megabytes * MEGABYTE
        self._members = {info.filename: info for info in file.infolist() if not info.filename.endswith("/")}

    @property
    def names(self) -> tuple[str, ...]:
        """Members that are files, in the archive's order."""
        return tuple(self._members)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One member as a stream of bytes.

        Raises:
            ReadError: while reading: damaged, an archive itself, or larger than the limits.
        """
        info = self._members[name]
        with _damage(self.relative, name):
            member = self._file.open(info)
        with member:
            yield io.BufferedReader(_Counted(member, info, self))

    def read(self, name: str) -> bytes:
        """One member as a whole; errors as in `open`."""
        with self.open(name) as member:
            return member.read()

    def _spend(self, n_bytes: int, n_unpacked: int, info: zipfile.ZipInfo) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise ReadError(
                f"{self.relative}: unpacks to more than {self._limits.max_unpacked_megabytes} MB; have it exported in "
                "parts, or raise limits.max_unpacked_megabytes in network.yaml"
            )
        if n_unpacked > RATIO_FROM_BYTES and n_unpacked > MAX_RATIO * max(info.compress_size, 1):
            raise ReadError(
                f"{self.relative}: the member {_shown(info.filename)} unpacks to more than {MAX_RATIO} times its size, "
                "as no export does; have it sent unpacked"
            )


class _Counted(io.RawIOBase):
    """A member's bytes, counted as they come out."""

    def __init__(self, member: IO[bytes], info: zipfile.ZipInfo, archive: Archive) -> None:
        self._member = member
        self._info = info
        self._archive = archive
        self._n_unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        with _damage(self._archive.relative, self._info.filename):
            data = self._member.read(len(buffer))
        if not self._n_unpacked and data.startswith(_PACKED):
            raise _nested(self._archive.relative, self._info.filename)
        self._n_unpacked += len(data)
        self._archive._spend(len(data), self._n_unpacked, self._info)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _damage(relative: str, name: str) -> Iterator[None]:
    """What Python's zip and deflate raise on a damaged member, as one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, ValueError, RuntimeError):
        raise ReadError(f"{relative}: the member {_shown(name)} is damaged; have the export made again") from None


@contextmanager
def open_archive(path: Path, relative: str, limits: ReadingLimits | None = None) -> Iterator[Archive]:
    """Open an archive after a look at its table of contents.

    Raises:
        ReadError: damaged, encrypted, too many members, or a member that is a link, another archive, or named so that
            it would be written outside the folder it is unpacked to.
    """
    _check_directory(path, relative)
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, EOFError, NotImplementedError):
        raise _damaged(relative) from None
    with file:
        infos = file.infolist()
        if len(infos) > MAX_MEMBERS:
            raise ReadError(f"{relative}: has more than {MAX_MEMBERS} members, as no export does; have it sent again")
        names: set[str] = set()
        for info in infos:
            _check(info, relative)
            if info.filename in names:
                raise ReadError(f"{relative}: has the member {_shown(info.filename)} twice; have it exported again")
            names.add(info.filename)
        yield Archive(file, relative, limits or ReadingLimits())


def _check(info: zipfile.ZipInfo, relative: str) -> None:
    name, mode = info.filename, info.external_attr >> 16
    named = f"{relative}: the member {_shown(name)}"
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise ReadError(f"{named} points outside the archive; have it packed again from the export's folder")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ReadError(f"{named} is a link or device, not a file; have it packed again with the files themselves")
    if info.flag_bits & 0x1:
        raise ReadError(f"{named} is encrypted; have it sent without a password, over a protected way")
    if name.lower().endswith(_PACKED_NAMES):
        raise _nested(relative, name)
    if info.compress_type not in _METHODS:
        raise ReadError(f"{named} is packed in an unusual way; have it packed again as an ordinary zip")


def _check_directory(path: Path, relative: str) -> None:
    """Refuse a table of contents that is too large to be read; it is measured as `zipfile` will measure it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _LONGEST_COMMENT - _END_BYTES - _LOCATOR_BYTES - _END64_BYTES))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_BYTES:
        raise _damaged(relative)
    n_members, n_bytes = struct.unpack("<HL", tail[end + 10 : end + 16])
    locator = end - _LOCATOR_BYTES
    longer = locator - _END64_BYTES
    if longer >= 0 and tail[locator : locator + 4] == _END64_LOCATOR and tail[longer : longer + 4] == _END64:
        n_members, n_bytes = struct.unpack("<QQ", tail[longer + 32 : longer + 48])
    if n_members > MAX_MEMBERS or n_bytes > MAX_DIRECTORY_BYTES:
        raise ReadError(f"{relative}: has more than {MAX_MEMBERS} members, as no export does; have it sent again")


def _shown(name: str) -> str:
    """A member's name as it may stand in a message: short, on one line."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"'{printable if len(printable) <= 60 else printable[:57] + '…'}'"


def _nested(relative: str, name: str) -> ReadError:
    return ReadError(f"{relative}: the member {_shown(name)} is an archive itself; have it unpacked and sent by itself")


def _damaged(relative: str) -> ReadError:
    return ReadError(f"{relative}: is no zip archive or a damaged one; have the export made and sent again")
