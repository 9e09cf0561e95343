"""What an `.xlsx` holds before it is loaded: sheets, how large they are, merged cells, and on which calendar it counts.

What belongs here: the parts of the package, read as a stream, so that a sheet that would fill the machine's memory is
refused by a sentence. What does not: the cells themselves (`excel` loads them by calamine).
"""

from __future__ import annotations

import html
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from assets.ingestion.readers.protocol import MEGABYTE, ReadError
from codebook.formats import ReadingLimits

_CHUNK = 1 << 20
_WORKBOOK, _RELATIONS, _STRINGS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"
_MAXIMUM_MEMBERS = 10_000
_ROW_DIGITS, _LAST_COLUMN = 7, 16_384
"""Where Excel's sheets end."""
_SMALL_PART = 10 * MEGABYTE
"""Parts that name the sheets have some kilobytes; a larger one is no real workbook's."""

_CELL = re.compile(rb"<(?:\w+:)?c\s[^<>]*?\br\s*=\s*[\"']([A-Za-z]*)(\d*)([^\"']?)")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|t)[\s>]")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^<>]*?ref\s*=\s*[\"']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})[\"']")
_STRING_CELL = re.compile(rb"t=[\"']s[\"'][^<>]*>\s*<(?:\w+:)?v>\s*(\d{1,9})\s*<")
_STRING_START = re.compile(rb"<(?:\w+:)?si[\s/>]")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s([^<>]*)>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s([^<>]*)>")
_ATTRIBUTE = re.compile(rb"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_COUNTS_FROM_1904 = re.compile(rb"<(?:\w+:)?workbookPr\s[^<>]*date1904\s*=\s*[\"'](?:1|true)[\"']")


@dataclass(frozen=True)
class Merged:
    """A merged range: rows and columns from 0, ends included."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True)
class SheetFacts:
    """One sheet: its merged ranges, and whether any cell holds a value."""

    merged: tuple[Merged, ...]
    has_values: bool


@dataclass(frozen=True)
class WorkbookFacts:
    """A workbook: its worksheets by name in their order, and whether days are counted from 1904."""

    sheets: dict[str, SheetFacts]
    is_from_1904: bool


def examine(path: Path, relative: str, limits: ReadingLimits) -> WorkbookFacts:
    """Look through an `.xlsx` without loading it.

    Raises:
        ReadError: not such a file, damaged, or a sheet or the whole is larger than the limits.
    """
    try:
        with zipfile.ZipFile(path) as package:
            _check_members(package, relative, limits)
            return _examine(package, relative, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        raise ReadError(
            f"{relative}: the workbook is damaged or has a password; have it saved again without one"
        ) from None


def _check_members(package: zipfile.ZipFile, relative: str, limits: ReadingLimits) -> None:
    members = package.infolist()
    names = {member.filename for member in members}
    if len(members) > _MAXIMUM_MEMBERS or len(names) != len(members):
        raise zipfile.BadZipFile
    if _WORKBOOK not in names:
        kind = "an OpenDocument sheet" if "content.xml" in names else "no .xlsx workbook, whatever its name says"
        raise ReadError(f"{relative}: is {kind}; have it saved as .xlsx")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.max_unpacked_megabytes * MEGABYTE:
        raise ReadError(
            f"{relative}: unpacks to {unpacked // MEGABYTE} MB, {limits.max_unpacked_megabytes} are read; "
            "have it exported in parts, or raise limits.max_unpacked_megabytes in network.yaml"
        )


def _examine(package: zipfile.ZipFile, relative: str, limits: ReadingLimits) -> WorkbookFacts:
    workbook = _small(package, _WORKBOOK)
    targets = {_value(found, "Id"): found for found in _elements(_RELATION, _small(package, _RELATIONS))}
    lengths = _string_lengths(package, relative, limits)
    sheets: dict[str, SheetFacts] = {}
    for declared in _elements(_SHEET, workbook):
        relation = targets.get(next((value for key, value in declared.items() if key.endswith(":id")), ""), {})
        if not _value(relation, "Type").endswith("/worksheet"):
            continue
        target = _value(relation, "Target")
        part = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
        name = html.unescape(_value(declared, "name"))
        sheets[name] = _examine_sheet(package, part, f"{relative}, sheet '{name}'", lengths, limits)
    return WorkbookFacts(sheets, _COUNTS_FROM_1904.search(workbook) is not None)


def _examine_sheet(
    package: zipfile.ZipFile, part: str, place: str, lengths: list[int], limits: ReadingLimits
) -> SheetFacts:
    """Count cells as they will lie in memory: all of the rectangle around them, and the text that they point to."""
    merged: list[Merged] = []
    columns: set[bytes] = set()
    n_rows = n_cells = n_text = 0
    has_values = False
    longest = max(lengths, default=0)
    for chunk in _chunks(package, part):
        cells = _CELL.findall(chunk)
        n_cells += max(len(cells), chunk.count(b"<c"), chunk.count(b":c"))
        columns.update(column for column, _, _ in cells)
        rows = {row for _, row, _ in cells}
        if any(rest for _, _, rest in cells) or any(len(row) > _ROW_DIGITS or not row for row in rows):
            raise zipfile.BadZipFile
        n_rows = max(n_rows, max(map(int, rows), default=0))
        has_values = has_values or _VALUE.search(chunk) is not None
        merged.extend(_merged(found) for found in _MERGED.findall(chunk))
        if longest > 100 and len(cells) * longest > MEGABYTE:
            n_text += sum(
                lengths[index] for found in _STRING_CELL.findall(chunk) if (index := int(found)) < len(lengths)
            )
        width = max((column_number(column) for column in columns), default=0)
        if width > _LAST_COLUMN:
            raise zipfile.BadZipFile
        size = max(n_cells, n_rows * width)
        if size > limits.max_sheet_cells:
            raise ReadError(
                f"{place}: spans {size} cells, {limits.max_sheet_cells} are read; have it exported as text, "
                "or raise limits.max_sheet_cells in network.yaml"
            )
        if n_text > limits.max_unpacked_megabytes * MEGABYTE:
            raise ReadError(
                f"{place}: holds more than {limits.max_unpacked_megabytes} MB of text; have it exported as text, "
                "or raise limits.max_unpacked_megabytes in network.yaml"
            )
    return SheetFacts(tuple(merged), has_values)


def _string_lengths(package: zipfile.ZipFile, relative: str, limits: ReadingLimits) -> list[int]:
    """Bytes of each shared string (its markup counted too): one long text may stand in a million cells."""
    if _STRINGS not in package.namelist():
        return []
    lengths: list[int] = []
    for chunk in _chunks(package, _STRINGS):
        starts = [found.start() for found in _STRING_START.finditer(chunk)]
        if lengths:
            lengths[-1] += starts[0] if starts else len(chunk)
        lengths.extend(end - start for start, end in pairwise([*starts, len(chunk)]))
        if len(lengths) > limits.max_sheet_cells:
            raise ReadError(
                f"{relative}: holds more than {limits.max_sheet_cells} texts; have it exported as text, "
                "or raise limits.max_sheet_cells in network.yaml"
            )
    return lengths


def _chunks(package: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """A part in pieces that end before a tag begins, read to its end so that its checksum is tested."""
    try:
        stream = package.open(part)
    except KeyError:
        raise zipfile.BadZipFile from None
    with stream:
        rest = b""
        while piece := stream.read(_CHUNK):
            whole = rest + piece
            cut = whole.rfind(b"<")
            if len(whole) - max(cut, 0) > 16 * _CHUNK:
                raise zipfile.BadZipFile
            # a cell's start and its value stay together: cut where a cell begins, if one does
            start = max(whole.rfind(b"<c "), whole.rfind(b"<si>"))
            cut = start if start > 0 else cut
            if cut > 0:
                yield whole[:cut]
                rest = whole[cut:]
            else:
                rest = whole
        yield rest


def _small(package: zipfile.ZipFile, part: str) -> bytes:
    try:
        info = package.getinfo(part)
    except KeyError:
        raise zipfile.BadZipFile from None
    if info.file_size > _SMALL_PART:
        raise zipfile.BadZipFile
    return package.read(part)


def _elements(pattern: re.Pattern[bytes], data: bytes) -> Iterator[dict[str, str]]:
    for attributes in pattern.findall(data):
        yield {
            key.decode("utf-8", "replace"): (double or single).decode("utf-8", "replace")
            for key, double, single in _ATTRIBUTE.findall(attributes)
        }


def _value(attributes: dict[str, str], name: str) -> str:
    return attributes.get(name, "")


def _merged(found: tuple[bytes, bytes, bytes, bytes]) -> Merged:
    left, top, right, bottom = found
    return Merged(int(top) - 1, int(bottom) - 1, column_number(left) - 1, column_number(right) - 1)


def column_number(letters: bytes) -> int:
    """`A` → 1, `Z` → 26, `AA` → 27; of a long word only the first letters count."""
    number = 0
    for letter in letters[:5].upper():
        number = number * 26 + letter - 64
    return number
