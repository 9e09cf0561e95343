"""Keyed hashes: how an identity becomes an id that means nothing outside.

What belongs here: the key file, HMAC-SHA-256 and the letter in front of each id.
What does not: which columns make an identity (the site's declaration).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

Kind = Literal["patient", "episode", "assessment", "finding", "therapist", "row", "user"]

LETTERS: dict[Kind, str] = {
    "patient": "p",
    "episode": "e",
    "assessment": "a",
    "finding": "f",
    "therapist": "t",
    "row": "r",
    "user": "u",
}
PEOPLE: tuple[Kind, ...] = ("patient", "therapist")
ID_HEX = 20
"""80 bits: ten million ids collide with a probability below 1e-10."""
CONTENT_BYTES = 16
BLOCK_BYTES = 64
"""SHA-256 works on blocks of this size; HMAC fills its key up to one."""
SEPARATOR = "\x1f"
ROW_SEPARATOR = "\x1e"
MINIMUM_KEY_BYTES = 32


class KeyFileError(Exception):
    """The pseudonym key is missing, readable by others, or too short."""


class Pseudonymiser:
    """Turns identities into ids with one secret key; the same key gives the same ids for ever."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        block = (key if len(key) <= BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(BLOCK_BYTES, b"\0")
        self._inner = bytes(byte ^ 0x36 for byte in block)
        self._outer = bytes(byte ^ 0x5C for byte in block)
        self._last: dict[tuple[Kind, str | None], pl.DataFrame] = {}

    @property
    def key_id(self) -> str:
        """Names the key without telling it: part of the recipe fingerprint."""
        return hmac.digest(self._key, b"concord key id", "sha256").hex()[:12]

    def id_of(self, kind: Kind, *parts: str | None) -> str:
        """Id of one entity from its parts, in order."""
        return self._digest(kind, SEPARATOR.join("" if part is None else part for part in parts))

    def _digest(self, kind: Kind, text: str) -> str:
        return self._digests(kind, [text])[0]

    def _digests(self, kind: Kind, texts: Sequence[str]) -> list[str]:
        """HMAC-SHA-256 as RFC 2104 says: hashing one block more of each text costs less than copying a hash begun."""
        sha256, outer, letter = hashlib.sha256, self._outer, LETTERS[kind]
        inner = self._inner + f"{kind}{SEPARATOR}".encode()
        return [letter + sha256(outer + sha256(inner + text.encode()).digest()).hexdigest()[:ID_HEX] for text in texts]

    def ids(self, kind: Kind, frame: pl.DataFrame, parts: Sequence[pl.Expr], of: str | None = None) -> pl.Series:
        """One id per row of `frame`; a row whose parts are all null has none. With `of` (a site) the id that this id
        has there: of the same parts another one in every site.
        """
        return self.ids_of(kind, identities(frame, parts), of)

    def ids_of(self, kind: Kind, texts: pl.Series, of: str | None = None) -> pl.Series:
        """One id per text of `identities`; none where there is none."""
        distinct = texts.drop_nulls().unique().alias("text").to_frame()
        known = self._known(kind, distinct, of)
        return texts.alias("text").to_frame().join(known, on="text", how="left", maintain_order="left")["id"]

    def ids_of_distinct(self, kind: Kind, texts: pl.Series) -> pl.Series:
        """`ids_of` for texts of which none is null and none stands there twice."""
        return pl.Series(self._digests(kind, texts.to_list()), dtype=pl.String)

    def _known(self, kind: Kind, distinct: pl.DataFrame, of: str | None) -> pl.DataFrame:
        """Ids of texts; the last ones of people are kept, since the next file names the same."""
        last = self._last.get((kind, of), pl.DataFrame(schema={"text": pl.String, "id": pl.String}))
        fresh = distinct.join(last, on="text", how="anti") if last.height else distinct
        digests = self._digests(kind, fresh["text"].to_list())
        if of is not None:
            digests = self._digests(kind, [f"{of}{SEPARATOR}{digest}" for digest in digests])
        known = fresh.with_columns(pl.Series("id", digests, dtype=pl.String))
        if last.height:
            known = pl.concat([last.join(distinct, on="text", how="semi"), known])
        if kind in PEOPLE:
            self._last[(kind, of)] = known
        return known


def identities(frame: pl.DataFrame, parts: Sequence[pl.Expr]) -> pl.Series:
    """The text per row that an id is made of: equal where the id will be, at a small part of its cost; not for storing.

    Null where all parts are.
    """
    if len(parts) == 1:
        return frame.select(parts[0].cast(pl.String).alias("identity"))["identity"]
    return frame.select(
        pl.when(pl.all_horizontal([part.is_null() for part in parts]))
        .then(None)
        .otherwise(pl.concat_str([part.cast(pl.String).fill_null("") for part in parts], separator=SEPARATOR))
        .alias("identity")
    )["identity"]


def content_hashes(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Hash of the named columns per row (32 hex digits), to see that a record's content changed."""
    blake = hashlib.blake2b
    texts = _joined_rows(frame.select(pl.col(columns).cast(pl.String)))
    return pl.Series([blake(text, digest_size=CONTENT_BYTES).hexdigest() for text in texts], dtype=pl.String)


def _joined_rows(texts: pl.DataFrame) -> list[bytes]:
    """The cells of each row with a separator between them; writing lines takes half as long as `concat_str`."""
    if not texts.width:
        return [b""] * texts.height
    file = io.BytesIO()
    texts.write_csv(file, include_header=False, separator=SEPARATOR, line_terminator=ROW_SEPARATOR, quote_style="never")
    rows = file.getvalue().split(ROW_SEPARATOR.encode())[:-1]
    if len(rows) == texts.height:
        return rows
    filled = [pl.col(column).fill_null("") for column in texts.columns]
    joined: list[str] = texts.select(pl.concat_str(filled, separator=SEPARATOR)).to_series().to_list()
    return [text.encode() for text in joined]


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
