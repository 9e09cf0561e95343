"""What kind of file a sample is: reader, encoding, delimiter, decimal sign, rows above the header.

What belongs here: looking at bytes and the first lines. What does not: what the columns mean
(`assets.ingestion.draft.questionnaires`, `assets.ingestion.draft.people`).
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

from assets.ingestion.readers.delimited import decode
from assets.ingestion.readers.protocol import ReadError
from codebook.formats import (
    DatasetJsonFormat,
    DelimitedFormat,
    ExcelFormat,
    FhirFormat,
    Format,
    OdmFormat,
    ParquetFormat,
    RedcapFormat,
    SecutrialFormat,
    SpssFormat,
    StataFormat,
)

HEAD_BYTES = 1 << 20
SAMPLE_LINES = 200
DELIMITERS = (";", "\t", ",", "|")
REDCAP_COLUMNS = {"redcap_event_name", "redcap_repeat_instrument", "redcap_data_access_group"}
DICTIONARY_HEADERS = ("variable / field name", "field_name")
_DECIMAL_COMMA = re.compile(r"^-?\d+,\d+$")
_DECIMAL_POINT = re.compile(r"^-?\d+\.\d+$")
_DEFINITION = re.compile(rb'"resourceType"\s*:\s*"(Questionnaire|ValueSet|CodeSystem)"')
_STATA_OLD = tuple(bytes([version]) for version in (0x69, 0x6C, 0x6E, 0x6F, 0x71, 0x72, 0x73))


def sniff(path: Path, dictionary: str | None = None) -> Format:
    """The format that a sample most probably has.

    Args:
        path: the sample.
        dictionary: name of a REDCap data dictionary that came with it.

    Raises:
        ReadError: no reader knows such a file.
    """
    if not path.is_file() or not path.stat().st_size:
        raise ReadError(f"{path.name}: is no file, or an empty one; name a sample of the unit's export")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    known = _by_magic(path, head)
    if known is not None:
        return known
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if text.startswith(b"<") and b"<ODM" in head:
        return OdmFormat(reader="odm")
    if text.startswith((b"{", b"[")):
        return _json_format(path, head)
    return _text_format(path, head, dictionary)


def _by_magic(path: Path, head: bytes) -> Format | None:
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return ExcelFormat(reader="excel")
    if head.startswith((b"$FL2", b"$FL3")):
        return SpssFormat(reader="spss")
    if head.startswith(b"PAR1"):
        return ParquetFormat(reader="parquet")
    if head.startswith(b"<stata_dta>") or (path.suffix.lower() == ".dta" and head.startswith(_STATA_OLD)):
        return StataFormat(reader="stata")
    return None


def _zip_format(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise ReadError(f"{path.name}: the archive is damaged; have it exported again") from None
    if any(name.startswith("xl/") for name in names):
        return ExcelFormat(reader="excel")
    if any(name.endswith(".xml") for name in names):
        return OdmFormat(reader="odm")
    tables = {Path(name).stem.lower() for name in names}
    if {"cn", "fs"} <= tables or any("exportoptions" in name.lower() for name in names):
        return SecutrialFormat(reader="secutrial")
    raise ReadError(f"{path.name}: is an archive that no reader knows; unpack it and name one of its files")


def _json_format(path: Path, head: bytes) -> Format:
    start = head[:20_000].decode("utf-8", "ignore")
    if "datasetJSONVersion" in start:
        return DatasetJsonFormat(reader="dataset_json")
    if '"resourceType"' in start:
        return FhirFormat(reader="fhir", definitions="*.json" if _has_definitions(path) else None)
    try:
        json.loads(path.read_bytes())
    except ValueError:
        raise ReadError(f"{path.name}: looks like JSON and is damaged; have it exported again") from None
    raise ReadError(f"{path.name}: is JSON, but neither Dataset-JSON nor FHIR; ask the unit for another export")


def _has_definitions(path: Path) -> bool:
    """True where a Questionnaire or a value set lies beside the sample."""
    beside = (other for other in path.parent.glob("*.json") if other != path and other.is_file())
    return any(_DEFINITION.search(other.read_bytes()[:20_000]) for other in beside)


def _text_format(path: Path, head: bytes, dictionary: str | None) -> Format:
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ReadError(f"{path.name}: no reader knows this kind of file; ask the unit for another export")
    encoding = _encoding(head)
    whole = head if len(head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    text, _ = decode(whole, encoding, path.name)
    lines = text.split("\n")[:SAMPLE_LINES]
    delimiter = _delimiter(lines)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    title_rows = _title_rows(rows)
    header = {cell.strip().lower() for cell in (rows[title_rows] if len(rows) > title_rows else [])}
    decimal = _decimal(rows[title_rows + 1 :])
    if dictionary is not None or header & REDCAP_COLUMNS:
        return RedcapFormat(
            reader="redcap", dictionary=dictionary or "*dictionary*.csv", delimiter=delimiter, encoding=encoding
        )
    return DelimitedFormat(
        reader="delimited",
        encoding=encoding,
        delimiter=delimiter,
        decimal="," if decimal == "," else ".",
        title_rows=title_rows,
    )


def _encoding(head: bytes) -> str:
    """By the mark, else strict UTF-8, else the code page of western Windows, which most units' programs write."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return name
    try:
        head[: -4 if len(head) == HEAD_BYTES else None].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(lines: list[str]) -> str:
    """The delimiter that gives most lines one and the same number of cells, and the more cells the better."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if any(row))
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        score = count / sum(widths.values()) * (width > 1) + min(width, 50) / 1000
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _title_rows(rows: list[list[str]]) -> int:
    """Rows above the first that is as wide as most rows are."""
    widths = Counter(len([cell for cell in row if cell.strip()]) for row in rows if any(row))
    usual = max((width for width, _ in widths.most_common(3)), default=1)
    for number, row in enumerate(rows):
        if len([cell for cell in row if cell.strip()]) >= max(2, usual // 2 + 1):
            return number
    return 0


def _decimal(rows: list[list[str]]) -> str:
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(bool(_DECIMAL_COMMA.match(cell)) for cell in cells)
    points = sum(bool(_DECIMAL_POINT.match(cell)) for cell in cells)
    return "," if commas > points else "."


def is_redcap_dictionary(path: Path) -> bool:
    """True for a REDCap data dictionary as CSV, under either header style."""
    try:
        first = path.read_bytes()[:2000].decode("utf-8-sig", "replace").lower().lstrip('"')
    except OSError:
        return False
    return first.startswith(DICTIONARY_HEADERS)
