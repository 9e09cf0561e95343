"""Ids are HMAC-SHA-256 as the standard library computes it, whichever way they are asked for."""

from __future__ import annotations

import hashlib
import hmac

import polars as pl
import pytest

from checks.keys import ID_HEX, Pseudonymiser, content_hashes


@pytest.mark.parametrize("key", [b"k" * 32, b"ab" * 32, b"longer than one block of SHA-256 " * 3])
def test_ids_are_hmac_sha256_of_kind_and_parts(key: bytes) -> None:
    expected = "p" + hmac.digest(key, b"patient\x1fsite\x1fN\xc3\xa5\x1f", "sha256").hex()[:ID_HEX]
    assert Pseudonymiser(key).id_of("patient", "site", "Nå", None) == expected


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "a", None, "", "b"], [None], []])
def test_a_column_of_ids_is_the_ids_one_by_one(names: list[str | None]) -> None:
    pseudonyms = Pseudonymiser(b"k" * 32)
    frame = pl.DataFrame({"name": names}, schema={"name": pl.String})
    ids = pseudonyms.ids("patient", frame, [pl.col("name")])
    assert ids.to_list() == [None if name is None else pseudonyms.id_of("patient", name) for name in names]
    assert ids.dtype == pl.String
    pairs = pseudonyms.ids("row", frame, [pl.lit("unit"), pl.col("name")])
    assert pairs.to_list() == [pseudonyms.id_of("row", "unit", name) for name in names]


def test_content_is_the_texts_and_where_they_stand() -> None:
    frame = pl.DataFrame({"a": ["1", None, "1", "12"], "b": [None, "1", "", "3"]})
    hashes = content_hashes(frame, ["a", "b"]).to_list()
    assert hashes[0] == hashlib.blake2b(b"1\x1f", digest_size=16).hexdigest()
    assert hashes[0] == hashes[2]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("odd", ['"', "\x1e", "a\nb", ",", "Å", ""])
def test_content_does_not_depend_on_what_stands_in_other_rows(odd: str) -> None:
    frame = pl.DataFrame({"a": ["1", odd, "2"], "b": ["x", None, "y"]})
    hashes = content_hashes(frame, ["a", "b"]).to_list()
    assert hashes == [content_hashes(frame.slice(row, 1), ["a", "b"])[0] for row in range(3)]
    assert hashes[0] == hashlib.blake2b(b"1\x1fx", digest_size=16).hexdigest()
    assert hashes[1] == hashlib.blake2b(f"{odd}\x1f".encode(), digest_size=16).hexdigest()
