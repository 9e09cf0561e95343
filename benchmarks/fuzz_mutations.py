"""How a valid file is spoilt: bytes, tokens of text, members of a zip.

What belongs here: mutations that know nothing of a format but whether it is text, or a zip. What does not: valid files
and files made to do harm (`fuzz_seeds`).
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable

_NUMBER = re.compile(rb"\d+")
_EXTREMES = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8)
_NUMBERS = (b"-1", b"0", b"4294967296", b"99999999999999999999", b"1e999999999", b"NaN", b"1" * 5000)
_SNIPPETS = (
    b'"', b"'", b"\x00", b"\n", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"<", b">", b"&", b"]]>", b"{", b"[", b"]", b"}",
    b"&lol;", b"<!DOCTYPE a>", b"\\ud800", b"\xed\xa0\x80", b"\t", b",", b";", b"../", b"null", b"[" * 5000,
    b"<a>" * 5000, b'"' * 501, b"=1+1", b"\xf4\x90\x80\x80", b"A" * 70_000,
)  # fmt: skip

Mutation = Callable[[bytes, random.Random, bytes], bytes]


def mutate(data: bytes, dice: random.Random, other: bytes) -> bytes:
    """One to three mutations of a file; `other` is a piece to splice in. A zip is mostly spoilt inside."""
    for _ in range(dice.choice((1, 1, 2, 3))):
        if data.startswith(b"PK\x03\x04") and dice.random() < 0.7:
            data = _inside_zip(data, dice, other)
        else:
            data = dice.choice(_MUTATIONS)(data, dice, other)
    return data


def _place(data: bytes, dice: random.Random) -> int:
    """A place in the file, its beginning (where formats keep their counts) taken often."""
    return dice.randrange(min(len(data), 400) if dice.random() < 0.4 else len(data)) if data else 0


def _truncate(data: bytes, dice: random.Random, other: bytes) -> bytes:
    return data[: _place(data, dice)]


def _flip(data: bytes, dice: random.Random, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 3, 20)) if changed else 0):
        changed[_place(data, dice)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, dice: random.Random, other: bytes) -> bytes:
    at, extreme = _place(data, dice), dice.choice(_EXTREMES)
    return data[:at] + extreme + data[at + len(extreme) :]


def _delete(data: bytes, dice: random.Random, other: bytes) -> bytes:
    at = _place(data, dice)
    return data[:at] + data[at + dice.randrange(1, 200) :]


def _repeat(data: bytes, dice: random.Random, other: bytes) -> bytes:
    at = _place(data, dice)
    piece = data[at : at + dice.randrange(1, 300)]
    return data[:at] + piece * dice.choice((2, 2, 50)) + data[at:]


def _insert(data: bytes, dice: random.Random, other: bytes) -> bytes:
    at = _place(data, dice)
    return data[:at] + dice.choice(_SNIPPETS) + data[at:]


def _splice(data: bytes, dice: random.Random, other: bytes) -> bytes:
    return data[: _place(data, dice)] + other[_place(other, dice) :]


def _renumber(data: bytes, dice: random.Random, other: bytes) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _flip(data, dice, other)
    place = dice.choice(found)
    return data[: place.start()] + dice.choice(_NUMBERS) + data[place.end() :]


def _shuffle_lines(data: bytes, dice: random.Random, other: bytes) -> bytes:
    lines = data.split(b"\n")
    first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


_MUTATIONS: tuple[Mutation, ...] = (
    _truncate,
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _delete,
    _repeat,
    _insert,
    _insert,
    _splice,
    _renumber,
    _shuffle_lines,
)


def _inside_zip(data: bytes, dice: random.Random, other: bytes) -> bytes:
    """Spoil one member and pack again, so that the checksums are right; or drop, double or rename a member."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = [(info.filename, package.read(info)) for info in package.infolist() if info.file_size < 1 << 22]
    except Exception:
        return _flip(data, dice, other)
    if not members:
        return data
    at = dice.randrange(len(members))
    name, content = members[at]
    match dice.randrange(10):
        case 0:
            del members[at]
        case 1:
            members.append((name, content))
        case 2:
            members[at] = (dice.choice(("../" + name, "/etc/x", name.upper(), "", "a/" * 50 + name)), content)
        case _:
            members[at] = (name, dice.choice(_MUTATIONS)(content, dice, other))
    return pack(members)


def pack(members: list[tuple[str, bytes]]) -> bytes:
    """A zip of these members, in this order."""
    import warnings

    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        warnings.simplefilter("ignore")
        for name, content in members:
            package.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
