"""Keyed hashes: how an identity becomes an id that means nothing outside.

What belongs here: the key file, HMAC-SHA-256 and the letter in front of each id.
What does not: which columns make an identity (the site's declaration).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

Kind = Literal["patient", "episode", "assessment", "finding", "therapist", "row"]

LETTERS: dict[Kind, str] = {
    "patient": "p",
    "episode": "e",
    "assessment": "a",
    "finding": "f",
    "therapist": "t",
    "row": "r",
}
ID_HEX = 20
"""80 bits: ten million ids collide with a probability below 1e-10."""
SEPARATOR = "\x1f"
MINIMUM_KEY_BYTES = 32


class KeyFileError(Exception):
    """The pseudonym key is missing, readable by others, or too short."""


class Pseudonymiser:
    """Turns identities into ids with one secret key; the same key gives the same ids for ever."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def key_id(self) -> str:
        """Names the key without telling it: part of the recipe fingerprint."""
        return hmac.digest(self._key, b"concord key id", "sha256").hex()[:12]

    def id_of(self, kind: Kind, *parts: str | None) -> str:
        """Id of one entity from its parts, in order."""
        return self._digest(kind, SEPARATOR.join("" if part is None else part for part in parts))

    def _digest(self, kind: Kind, text: str) -> str:
        message = f"{kind}{SEPARATOR}{text}".encode()
        return LETTERS[kind] + hmac.digest(self._key, message, "sha256").hex()[:ID_HEX]

    def ids(self, kind: Kind, frame: pl.DataFrame, parts: Sequence[pl.Expr]) -> pl.Series:
        """One id per row of `frame`; a row whose parts are all null has none."""
        joined = frame.select(
            pl.when(pl.all_horizontal([part.is_null() for part in parts]))
            .then(None)
            .otherwise(pl.concat_str([part.cast(pl.String).fill_null("") for part in parts], separator=SEPARATOR))
            .alias("text")
        )["text"]
        digest = self._digest
        return pl.Series([None if text is None else digest(kind, text) for text in joined], dtype=pl.String)


def content_hashes(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Hash of the named columns per row (32 hex digits), to see that a record's content changed."""
    joined = frame.select(
        pl.concat_str([pl.col(c).cast(pl.String).fill_null("") for c in columns], separator=SEPARATOR).alias("text")
    )["text"]
    return pl.Series([hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in joined], dtype=pl.String)


def load_key(path: Path) -> Pseudonymiser:
    """Read the key file of a network.

    Raises:
        KeyFileError: it is missing, others may read it, or it holds fewer than 32 bytes.
    """
    if not path.is_file():
        raise KeyFileError(
            f"{path}: the pseudonym key is missing; restore it from your safe (without it every id changes), "
            "or for a new network make one with 'concord key'"
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileError(f"{path}: others may read the pseudonym key; run 'chmod 600 {path}'")
    key = path.read_bytes().strip()
    if len(key) < MINIMUM_KEY_BYTES:
        raise KeyFileError(f"{path}: the key has {len(key)} bytes, at least {MINIMUM_KEY_BYTES} are needed")
    return Pseudonymiser(key)


def write_key(path: Path) -> None:
    """Make a new random key file, mode 0600; never over an old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(os.urandom(32).hex() + "\n")
