"""XML from outside, read piece by piece: no entity, no document type, no network, and little memory for large files.

What belongs here: opening, what is refused, and keeping line breaks inside attribute values. What does not: what the
elements mean (`odm`, `redcap_xml`).

A parser turns a line break inside `Value="…"` into a blank, as the XML standard asks; REDCap writes its notes so.
`_Prepared` therefore replaces such line breaks by `&#10;` on the way to the parser. It has to know for this where a tag
begins and ends, so it is also the place that sees a document type before any parser does.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any

from lxml import etree

from assets.ingestion.readers.protocol import ReadError

_CHUNK = 1 << 16
_LONGEST_TAG = 4_000_000
"""Bytes; a longer tag means a quotation mark that was never closed."""

_MOST_ATTRIBUTES = 1000
"""Of one tag; the parser takes minutes to see that a hundred thousand differ."""
_CROWDED = 10_000
"""Bytes of a tag from which its attributes are counted."""

_ENCODINGS = re.compile(r"utf-?8|us-ascii|ascii|iso-?8859-\d+|latin-?1|windows-125\d|cp125\d|utf-16(le|be)?", re.I)
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_TAG = re.compile(rb"""<[^<>"']*+(?:"[^"<]*+"[^<>"']*+|'[^'<]*+'[^<>"']*+)*+>""")
_BROKEN_VALUE = re.compile(rb"""=\s*+(?:"[^"<\r\n]*+[\r\n][^"<]*+"|'[^'<\r\n]*+[\r\n][^'<]*+')""")
_VALUE = re.compile(rb""""[^"]*+"|'[^']*+'""")
_BREAK = re.compile(rb"\r\n|\r|\n")
_SPECIAL = re.compile(rb"<[!?]")
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}


def events(stream: IO[bytes], relative: str) -> Iterator[tuple[str, Any]]:
    """`start` and `end` of every element, as lxml's iterparse gives them; the caller lets go of what it has read.

    Raises:
        ReadError: not well-formed, a document type, or an encoding that hides what stands in the file.
    """
    prepared = _Prepared(stream, relative)
    parsed = etree.iterparse(
        prepared,
        events=("start", "end"),
        encoding=prepared.encoding,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    try:
        for event, element in parsed:
            if prepared.is_first:
                prepared.is_first = False
                if element.getroottree().docinfo.doctype:
                    raise prepared.doctype()
            yield event, element
    except etree.XMLSyntaxError as error:
        line = f"line {error.lineno}" if error.lineno else "the beginning"
        raise ReadError(
            f"{relative}: is no well-formed XML at {line}; it may be cut off or edited by hand: have it exported again"
        ) from None


def local(element: Any) -> str:
    """An element's name without its namespace."""
    return _local(element.tag)


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def attribute(element: Any, name: str) -> str | None:
    """An attribute of the element's own standard, without surrounding blanks; None where it is absent or blank."""
    value = element.get(name)
    return (value.strip() or None) if value is not None else None


def foreign(element: Any, name: str) -> str | None:
    """An attribute by its name in any namespace, as a system adds it to a standard; otherwise as `attribute`."""
    value = element.get(name)
    if value is None:
        value = next((text for key, text in element.items() if key.endswith("}" + name)), None)
    return (value.strip() or None) if value is not None else None


def text_of(element: Any) -> str | None:
    """The text directly inside an element, without surrounding blanks."""
    return (element.text or "").strip() or None


def release(element: Any) -> None:
    """Let go of an element that has been read, and of what stood before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


class _Prepared:
    """A stream for the parser; see the module."""

    def __init__(self, stream: IO[bytes], relative: str) -> None:
        self._stream = stream
        self._relative = relative
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = b""
        """The beginning of a tag that the last chunk ended in."""
        self._until = b""
        """What ends the comment, CDATA section or instruction that the last chunk ended in."""
        self._ended = False
        self.is_first = True
        head = stream.read(_CHUNK)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._decoder = codecs.getincrementaldecoder("utf-16")("strict")
        self.encoding = "utf-8" if self._decoder else None
        self._ready = self._prepare(self._begin(self._decode(head.removeprefix(codecs.BOM_UTF8))))

    def read(self, size: int = -1) -> bytes:
        """Some bytes more, as many as there happen to be; none at the end."""
        while not self._ready and not self._ended:
            data = self._stream.read(_CHUNK)
            self._ended = not data
            self._ready = self._prepare(self._decode(data)) if data else self._held
        ready, self._ready = self._ready, b""
        return ready

    def doctype(self) -> ReadError:
        """What is said of a file with a document type."""
        return ReadError(
            f"{self._relative}: declares a document type (DOCTYPE), through which a file can reach other files; no "
            "export needs one: have it exported again"
        )

    def _begin(self, head: bytes) -> bytes:
        head = head.lstrip()
        if not head.startswith(b"<"):
            raise ReadError(f"{self._relative}: is no XML, whatever its name says; have it exported again")
        declared = _DECLARED.match(head)
        if declared and not _ENCODINGS.fullmatch(declared[1].decode("latin-1")):
            raise ReadError(f"{self._relative}: is in an encoding that is not read; have it exported as UTF-8")
        return head

    def _decode(self, data: bytes) -> bytes:
        """Bytes in which markup is ASCII."""
        if self._decoder is not None:
            try:
                data = self._decoder.decode(data).encode()
            except UnicodeError:
                raise ReadError(f"{self._relative}: is damaged UTF-16; have it exported again as UTF-8") from None
        if b"\0" in data:
            raise ReadError(f"{self._relative}: holds null bytes, which no XML has; have it exported again as UTF-8")
        return data

    def _prepare(self, data: bytes) -> bytes:
        """The bytes that can be passed on; an unfinished tag at the end waits for the next chunk."""
        buffer, self._held = self._held + data, b""
        passed: list[bytes] = []
        position = 0
        while position < len(buffer):
            if self._until:
                position = self._through(buffer, position, passed)
                continue
            special = _SPECIAL.search(buffer, position)
            stop = special.start() if special else self._complete(buffer, position)
            self._count_attributes(buffer[position:stop])
            passed.append(_mended(buffer[position:stop]))
            position = stop
            if special is None:
                break
            opening = next((mark for mark in _ENDS if buffer.startswith(mark, position)), None)
            if opening is None:
                if any(mark.startswith(buffer[position:]) for mark in _ENDS):
                    break
                raise self.doctype()
            passed.append(opening)
            self._until = _ENDS[opening]
            position += len(opening)
        self._held += buffer[position:]
        if len(self._held) > _LONGEST_TAG:
            raise ReadError(f"{self._relative}: has a tag of more than {_LONGEST_TAG} bytes; have it exported again")
        return b"".join(passed)

    def _through(self, buffer: bytes, position: int, passed: list[bytes]) -> int:
        """Pass on a comment or the like as it is, to its end if that has come."""
        end = buffer.find(self._until, position)
        if end < 0:
            end = max(position, len(buffer) - len(self._until) + 1)
            passed.append(buffer[position:end])
            self._held = buffer[end:]
            return len(buffer)
        end += len(self._until)
        self._until = b""
        passed.append(buffer[position:end])
        return end

    def _count_attributes(self, piece: bytes) -> None:
        """Refuse a tag with more attributes than any export has."""
        for part in piece.split(b"<") if piece.count(b"=") > _MOST_ATTRIBUTES else ():
            tag = _TAG.match(b"<" + part) if len(part) > _CROWDED else None
            if tag and len(_VALUE.findall(tag[0])) > _MOST_ATTRIBUTES:
                raise ReadError(
                    f"{self._relative}: has a tag of more than {_MOST_ATTRIBUTES} attributes, as no export has; "
                    "have it exported again"
                )

    @staticmethod
    def _complete(buffer: bytes, position: int) -> int:
        """Where the last tag of the buffer begins if it is unfinished, else the buffer's end."""
        last = buffer.rfind(b"<", position)
        return len(buffer) if last < 0 or _TAG.match(buffer, last) else last


def _mended(piece: bytes) -> bytes:
    """Tags and text with the line breaks inside attribute values written out."""
    if not _BROKEN_VALUE.search(piece):
        return piece
    return _TAG.sub(_mended_tag, piece)


def _mended_tag(tag: re.Match[bytes]) -> bytes:
    if b"\n" not in tag[0] and b"\r" not in tag[0]:
        return tag[0]
    return _VALUE.sub(lambda value: _BREAK.sub(b"&#10;", value[0]), tag[0])
