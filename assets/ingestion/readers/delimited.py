"""Delimited text: any encoding, delimiter and quote; every record ends in the frame or among the unreadable.

What belongs here: decoding, and splitting of text into cells. What does not: numbers (a decimal comma stays as it
stands), dates and codes, which the mapping reads.

Two ways lead to the same frame: Python's csv, one record after the other (`records`), and, several times as fast,
polars for the lines that are whole records (`lines`), which gives all others to the careful way.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from assets.ingestion.readers.lines import split_lines
from assets.ingestion.readers.protocol import MAXIMUM_UNREADABLE, ReadError, SourceFrame, too_many_unreadable
from assets.ingestion.readers.records import Dialect, Split, split_records
from codebook.formats import DelimitedFormat, ReadingLimits

FAST_FROM_CHARACTERS = 200_000
"""Below this size the careful way is as fast."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read(
    path: Path, relative: str, format: DelimitedFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read a delimited file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    Raises:
        ReadError: not decodable, or no usable header.
    """
    text, notes = decode(path.read_bytes(), format.encoding, relative)
    split = split_text(text, Dialect(format.delimiter, format.quote), relative, format.title_rows)
    return SourceFrame(relative, None, split.frame, split.unreadable, notes=notes)


def decode(data: bytes, encoding: str, relative: str) -> tuple[str, tuple[str, ...]]:
    """Bytes as text, line ends as `\\n`, marks gone; and a note where the declared encoding is not the file's.

    A mark at the beginning beats the declaration, and so does text that is strictly UTF-8 under a declared one-byte
    encoding: text in such an encoding is practically never valid UTF-8 by chance.

    Raises:
        ReadError: an unknown encoding, or bytes that it does not know, with the line they stand in.
    """
    try:
        declared = codecs.lookup(encoding).name
    except LookupError:
        raise ReadError(f"{relative}: the encoding '{encoding}' is unknown; correct the site's declaration") from None
    found = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if found is None and not declared.startswith("utf") and not data.isascii() and _is_utf8(data):
        found = "utf-8"
    used = found or declared
    try:
        text = data.decode(used)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(used, "ignore").count("\n") + 1
        raise ReadError(
            f"{relative}: line {line} holds bytes that are not {encoding}; declare the encoding it was exported in"
        ) from None
    except (LookupError, TypeError):
        raise ReadError(f"{relative}: '{encoding}' is no text encoding; correct the site's declaration") from None
    agrees = found is None or codecs.lookup(found).name.split("-")[:2] == declared.split("-")[:2]
    notes = () if agrees else (f"is {(found or '').removesuffix('-sig')}, not {encoding} as declared, and was read so",)
    text = text.replace("\ufeff", "").replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return text, notes


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def split_text(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split:
    """Text with a header as a frame. `title_rows` lines above the header are passed over, as are empty lines.

    Raises:
        ReadError: nothing in it, no usable header, or too many lines that fit none.
    """
    if not text.strip():
        raise ReadError(f"{relative}: the file is empty; have it exported again")
    split = split_lines(text, dialect, relative, title_rows) if len(text) >= FAST_FROM_CHARACTERS else None
    split = split or split_records(text, dialect, relative, title_rows)
    if len(split.unreadable) > MAXIMUM_UNREADABLE:
        raise too_many_unreadable(relative)
    return split
