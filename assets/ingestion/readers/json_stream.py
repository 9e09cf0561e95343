"""JSON documents read piece by piece, numbers as they stand, so that a large or hostile one cannot fill the memory.

What belongs here: a document's top level with one long list handed out element by element, and lines of JSON.
What does not: what any member means (`fhir`, `dataset_json`).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from assets.ingestion.readers.protocol import ReadError

_CHUNK = 1 << 20
MAXIMUM_PIECE = 4 << 20
"""Characters of one element or line; in memory JSON may take thirty times its length."""
_BLANK = re.compile(r"[ \t\n\r]*")
_EXPONENT = re.compile(r"^(-?\d+(?:\.\d+)?)[eE]([+-]?\d{1,2})$")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Number:
    """A number as the document writes it; no text, so that it is never taken for one."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Keep the digits."""
        self.text = text


class JsonError(ValueError):
    """Not JSON, or too deep or too long: which, in `str`."""


def _refused(token: str) -> Any:
    raise JsonError("holds NaN or Infinity, which are not JSON")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refused, strict=False)


@dataclass
class Text:
    """A file as decoded text of which a window is in memory.

    Raises (when reading on):
        JsonError: bytes that are not the encoding.
    """

    path: Path

    def __post_init__(self) -> None:
        self._file = self.path.open("rb")
        start = self._file.read(4)
        name = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
        self._decoder = codecs.getincrementaldecoder(name)()
        self._pending = start
        self.window = ""
        self.at = 0
        self.is_ended = False

    def more(self, size: int = _CHUNK) -> bool:
        """Read on; False at the end."""
        if self.is_ended:
            return False
        data = self._pending + self._file.read(size)
        self._pending = b""
        self.is_ended = not data or len(data) < size
        try:
            text = self._decoder.decode(data, self.is_ended)
        except UnicodeDecodeError:
            raise JsonError("holds bytes that are not UTF-8") from None
        self.window = self.window[self.at :] + text.replace("\ufeff", "")
        self.at = 0
        return True

    def peek(self) -> str:
        """The next character that is no blank, without taking it; '' at the end."""
        while True:
            found = _BLANK.match(self.window, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.window):
                return self.window[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> None:
        """Pass over one character.

        Raises:
            JsonError: another one stands there.
        """
        if self.peek() != expected:
            raise JsonError("ends early or is no JSON")
        self.at += 1

    def value(self) -> Any:
        """The next whole value.

        Raises:
            JsonError: none, or one beyond `MAXIMUM_PIECE`.
        """
        self.peek()
        size = _CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self.window, self.at)
            except RecursionError:
                raise JsonError("is nested too deeply") from None
            except JsonError:
                raise
            except ValueError:
                end = -1
            # a number at the window's end may go on behind it
            if end >= 0 and (end < len(self.window) or self.is_ended):
                self.at = end
                return value
            if len(self.window) - self.at > MAXIMUM_PIECE:
                raise JsonError(f"holds a single part of more than {MAXIMUM_PIECE >> 20} MB, or is no JSON")
            if not self.more(size):
                raise JsonError("ends early or is no JSON")
            size = MAXIMUM_PIECE

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Member:
    """A part of a document: a member of its top level, or (`position` from 1) one element of its long list."""

    name: str
    value: Any
    position: int = 0


def members(path: Path, long_list: str) -> Iterator[Member]:
    """Members of one JSON object in their order; those of the list `long_list` come one by one.

    Raises:
        JsonError: not one JSON object, a name given twice, or a part too large or too deep.
    """
    text = Text(path)
    try:
        yield from _members(text, long_list)
        if text.peek():
            raise JsonError("goes on behind the end of its object")
    finally:
        text.close()


def _members(text: Text, long_list: str) -> Iterator[Member]:
    seen: set[str] = set()
    text.take("{")
    while text.peek() != "}":
        if seen:
            text.take(",")
            text.peek()
        name = text.value()
        if not isinstance(name, str) or name in seen or len(seen) > 1000:
            raise JsonError("names a member twice or is no JSON")
        seen.add(name)
        text.take(":")
        if name == long_list and text.peek() == "[":
            yield from _elements(text, name)
        else:
            yield Member(name, text.value())
    text.take("}")


def _elements(text: Text, name: str) -> Iterator[Member]:
    text.take("[")
    position = 0
    while text.peek() != "]":
        if position:
            text.take(",")
        position += 1
        yield Member(name, text.value(), position)
    text.take("]")


def lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Lines of NDJSON as (line, value); a line that is no JSON gives a `JsonError` in place of its value.

    Raises:
        JsonError: bytes that are no UTF-8, or a line beyond `MAXIMUM_PIECE`.
    """
    text = Text(path)
    number = 0
    try:
        while True:
            end = text.window.find("\n", text.at)
            if end < 0:
                if len(text.window) - text.at > MAXIMUM_PIECE:
                    raise JsonError(f"holds a single line of more than {MAXIMUM_PIECE >> 20} MB")
                if text.more():
                    continue
                end = len(text.window)
                if text.at >= end:
                    return
            number += 1
            line = text.window[text.at : end].strip()
            text.at = end + 1
            if line:
                yield number, parsed(line)
    finally:
        text.close()


def parsed(line: str) -> Any:
    """One JSON value, or the `JsonError` that says why it is none."""
    try:
        value, end = _DECODER.raw_decode(line)
    except RecursionError:
        return JsonError("is nested too deeply")
    except JsonError as error:
        return error
    except ValueError:
        return JsonError("is no JSON")
    return value if end == len(line) else JsonError("goes on behind the end of its object")


def first_line(path: Path) -> Any:
    """The JSON value that the first line holds alone (NDJSON); None where a document goes on below, or is too long."""
    try:
        return next((None if isinstance(value, JsonError) else value for _, value in lines(path)), None)
    except JsonError:
        return None


def number_text(token: Number) -> str:
    """A number as text: an exponent written out, no decimals where they are all zero."""
    text = token.text
    if found := _EXPONENT.match(text):
        text = format(Decimal(text), "f") if abs(int(found[2])) <= 30 else text
    whole, point, decimals = text.partition(".")
    return whole if point and not decimals.strip("0") else text


def damaged(relative: str, error: JsonError) -> ReadError:
    """The sentence for a file that is no usable JSON."""
    return ReadError(f"{relative}: {error}; have it exported again")
