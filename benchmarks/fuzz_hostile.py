"""Files made to do harm: bombs, entities, slips, counts that lie, depth without end.

What belongs here: one small file per known way to fill a reader's memory or time, or to reach outside. What does not:
random damage (`fuzz_mutations`).
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache

from benchmarks.fuzz_mutations import pack
from benchmarks.fuzz_seeds import ODM, Seed, one, seeds

_MEGABYTE = 1 << 20

Many = Callable[[int], int]
"""How many of something there are, at the scale asked for."""


def hostile(reader: str, scale: float = 1) -> Iterator[tuple[str, Seed]]:
    """(what it does, files) for a reader; the same bytes are tried on every reader where they fit no format.

    `scale` makes the large ones smaller, for a quick look.
    """

    def many(n: int) -> int:
        return max(2, int(n * scale))

    first = seeds(reader)[0]
    for name, content in _anywhere(many).items():
        yield name, first.having(first.main, content)
    made = {
        "excel": _excel,
        "odm": _odm,
        "secutrial": _secutrial,
        "parquet": _parquet,
        "spss": _spss,
        "stata": _stata,
        "dataset_json": _dataset_json,
        "fhir": _fhir,
        "delimited": _delimited,
        "redcap": _redcap,
    }[reader]
    yield from made(many)


def _anywhere(many: Many) -> dict[str, bytes]:
    return {
        "nothing": b"",
        "one byte": b"x",
        "only a mark": b"\xef\xbb\xbf",
        "zeros": bytes(many(100_000)),
        "one long line": b"a" * (3 * _MEGABYTE),
        "only quotes": b'"' * many(100_000),
        "only delimiters": b"," * many(200_000),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
        "an empty zip": pack([]),
        "a bomb": zip_bomb("a.xml", many(2000)),
    }


@cache
def zip_bomb(name: str, megabytes: int) -> bytes:
    """A zip of two megabytes that unpacks to a thousand times as much."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package,
        package.open(name, "w", force_zip64=True) as file,
    ):
        piece = b" " * _MEGABYTE
        for _ in range(megabytes):
            file.write(piece)
    return packed.getvalue()


def _replaced(data: bytes, name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        members = [(info.filename, package.read(info)) for info in package.infolist()]
    return pack([(known, content if known == name else old) for known, old in members])


def _lying(data: bytes, name: str) -> bytes:
    """The same zip with sizes of one member that are far too small in its central directory."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        package.getinfo(name)
    changed = bytearray(data)
    at = 0
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        if changed[at + 46 : at + 46 + len(name)] == name.encode():
            struct.pack_into("<I", changed, at + 24, 100)
        at += 4
    return bytes(changed)


def _excel(many: Many) -> Iterator[tuple[str, Seed]]:
    first = seeds("excel")[0]
    data = first.files["a.xlsx"]
    sheet, texts = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    tail = b"</sheetData></worksheet>"

    def with_sheet(body: bytes) -> Seed:
        return first.having("a.xlsx", _replaced(data, sheet, head + body + tail))

    far = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    yield "two cells far apart", with_sheet(far)
    backwards = b'<row r="9"><c r="C9"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row>'
    yield "rows backwards", with_sheet(backwards)
    yield "cells without places", with_sheet(b"<row>" + b"<c><v>1</v></c>" * many(20_000) + b"</row>")
    yield "cells beyond Excel", with_sheet(b'<row r="1"><c r="ZZZZZ99999999999"><v>1</v></c></row>')
    yield "many cells", with_sheet(b'<row r="1"><c r="A1"><v>1</v></c></row>' * many(4_000_000))
    yield "cells without values", with_sheet(b'<row r="1">' + b'<c r="A1"/>' * many(12_000_000) + b"</row>")
    long_text = b"<sst><si><t>" + b"a" * many(30_000) + b"</t></si></sst>"
    body = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (n, n) for n in range(1, many(200_000)))
    yield (
        "one long text in every cell",
        first.having("a.xlsx", _replaced(_replaced(data, texts, long_text), sheet, head + body + tail)),
    )
    yield (
        "millions of empty texts",
        first.having("a.xlsx", _replaced(data, texts, b"<sst>" + b"<si/>" * many(30_000_000) + b"</sst>")),
    )
    yield (
        "one cell of text without end",
        with_sheet(b'<row r="1"><c r="A1" t="str"><v>' + b"a" * many(400_000_000) + b"</v></c></row>"),
    )
    yield "a sheet that is a bomb", first.having("a.xlsx", _replaced(data, sheet, b" " * many(900_000_000)))
    yield "sizes that lie", first.having("a.xlsx", _lying(_replaced(data, sheet, b" " * many(90_000_000)), sheet))
    entities = b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 1000 + b'">]>' + head + b"&b;" * many(100_000) + tail
    yield "entities", first.having("a.xlsx", _replaced(data, sheet, entities))
    yield "depth", with_sheet(b"<a>" * many(1_000_000))
    yield "many members", first.having("a.xlsx", pack([(f"xl/{n}.xml", b"") for n in range(many(30_000))]))


_LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY lol 'lol'>"
    + "".join(f"<!ENTITY lol{n} '{f'&lol{n - 1 if n > 1 else str()};' * 10}'>" for n in range(1, 10))
    + "]>"
)


def _xml_documents(many: Many) -> Iterator[tuple[str, bytes]]:
    valid = seeds("odm")[0].files["a.xml"].decode()
    start = valid.index("<ODM")
    yield "laughs", (valid[:start] + _LAUGHS + valid[start:].replace("P1", "&lol9;")).encode()
    outside = "<!DOCTYPE ODM [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    yield "an entity from outside", (valid[:start] + outside + valid[start:].replace("P1", "&x;")).encode()
    yield (
        "a parameter entity",
        (valid[:start] + "<!DOCTYPE ODM SYSTEM 'http://127.0.0.1:9/x.dtd'>" + valid[start:]).encode(),
    )
    yield (
        "a DOCTYPE late in UTF-16",
        (valid[:start] + outside + valid[start:]).replace("UTF-8", "UTF-16").encode("utf-16"),
    )
    yield "depth", valid[:start].encode() + b"<a>" * many(500_000)
    yield "depth inside", ODM.replace("@@SUBJECTS@@", "<SubjectData SubjectKey='1'>" * many(100_000)).encode()
    yield (
        "attributes",
        valid.replace(
            "<SubjectData ", "<SubjectData " + "".join(f"a{n}='1' " for n in range(many(100_000))), 1
        ).encode(),
    )
    yield "one huge attribute", valid.replace("P1", "P" * many(30_000_000)).encode()
    yield "names without end", valid.replace("ItemData", "I" * many(1_000_000)).encode()
    subjects = "".join(f"<SubjectData SubjectKey='{n}'/>" for n in range(many(1_000_000)))
    yield "many subjects", ODM.replace("@@SUBJECTS@@", subjects).encode()
    spread = "".join(
        f"<SubjectData SubjectKey='{n}'><StudyEventData StudyEventOID='SE1'><FormData FormOID='F1'><ItemGroupData "
        f"ItemGroupOID='IG1'><ItemData ItemOID='X{n}' Value='1'/></ItemGroupData></FormData></StudyEventData>"
        "</SubjectData>"
        for n in range(many(20_000))
    )
    yield "a column for every row", ODM.replace("@@SUBJECTS@@", spread).encode()


def _odm(many: Many) -> Iterator[tuple[str, Seed]]:
    plain, zipped = seeds("odm")[:2]
    for name, content in _xml_documents(many):
        yield name, plain.having("a.xml", content)
    yield "a bomb of XML", zipped.having("a.zip", zip_bomb("a.xml", many(2000)))
    yield from _archives(zipped, "a.xml", many)


def _archives(seed: Seed, member: str, many: Many) -> Iterator[tuple[str, Seed]]:
    data = seed.files[seed.main]
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        content = package.read(member)
    nested = data
    for _ in range(20):
        nested = pack([("a.zip", nested)])
    yield "zips in zips", seed.having(seed.main, nested)
    for name in ("../../" + member, "/" + member, "C:\\" + member, "..\\" + member):
        yield "a member that leads out", seed.having(seed.main, pack([(name, content)]))
    yield "the same member twice", seed.having(seed.main, pack([(member, content), (member, content)]))
    yield "many members", seed.having(seed.main, pack([(f"{n}.xml", b"") for n in range(many(30_000))]))
    yield (
        "sizes that lie",
        seed.having(seed.main, _lying(_replaced(data, member, content + b" " * many(90_000_000)), member)),
    )
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as package:
        info = zipfile.ZipInfo(member)
        info.external_attr = 0o120777 << 16
        package.writestr(info, "/etc/passwd")
    yield "a link", seed.having(seed.main, link.getvalue())


def _secutrial(many: Many) -> Iterator[tuple[str, Seed]]:
    first = seeds("secutrial")[0]
    yield "a bomb of a table", first.having("export.zip", zip_bomb("wai.xls", many(2000)))
    wide = ("\t".join(f'"c{n}"' for n in range(many(20_000))) + "\n" + "\t" * (many(20_000) - 1) + "\n").encode()
    yield "a wide table", first.having("export.zip", _replaced(first.files["export.zip"], "wai.xls", wide))
    yield from _archives(first, "wai.xls", many)


def _parquet(many: Many) -> Iterator[tuple[str, Seed]]:
    import polars as pl

    first = seeds("parquet")[0]
    file = io.BytesIO()
    pl.select(pl.repeat(1, many(30_000_000), dtype=pl.Int8).alias("a")).write_parquet(file)
    yield "many equal rows", first.having("a.parquet", file.getvalue())
    file = io.BytesIO()
    pl.select(pl.repeat("x" * many(10_000), many(300_000)).alias("a")).write_parquet(file)
    yield "one long text in every row", first.having("a.parquet", file.getvalue())
    file = io.BytesIO()
    pl.DataFrame({f"c{n}": [1] for n in range(5000)}).write_parquet(file)
    yield "many columns", first.having("a.parquet", file.getvalue())


def _spss(many: Many) -> Iterator[tuple[str, Seed]]:
    for seed in seeds("spss"):
        data = bytearray(seed.files["a.sav"])
        for count in (0x7FFFFFFF, 0x10000000, -5):
            struct.pack_into("<i", data, 80, count)
            yield "a count of cases that lies", seed.having("a.sav", bytes(data))


def _stata(many: Many) -> Iterator[tuple[str, Seed]]:
    for seed in seeds("stata"):
        data = seed.files["a.dta"]
        at = data.find(b"<N>")
        if at >= 0:
            for count in (b"\xff" * 8, b"\xff\xff\xff\x7f\x00\x00\x00\x00"):
                yield "a count of rows that lies", seed.having("a.dta", data[: at + 3] + count + data[at + 11 :])
            at = data.find(b"<K>")
            yield "a count of columns that lies", seed.having("a.dta", data[: at + 3] + b"\xff\xff" + data[at + 5 :])
        else:
            yield "a count of rows that lies", seed.having("a.dta", data[:6] + b"\xff\xff\xff\x7f" + data[10:])


def _dataset_json(many: Many) -> Iterator[tuple[str, Seed]]:
    first = seeds("dataset_json")[0]
    valid = first.files["a.json"].decode()
    head, _, _ = valid.partition('"rows"')
    for name, rows in (
        ("deep", "[" * many(1_000_000)),
        ("deep cells", "[[" + "[" * many(100_000)),
        ("numbers without end", "[[" + "1" * many(5_000_000) + "]]"),
        ("an exponent", '[["a",1e999999999,1e-999999999,null]]'),
        ("half a character", '[["\\ud800",1,1,null]]'),
        ("many empty rows", "[" + "[]," * many(3_000_000) + "[]]"),
        ("one row of many cells", "[[" + "1," * many(3_000_000) + "1]]"),
        ("many empty objects", "[" + "{}," * many(9_000_000) + "{}]"),
        ("one row of many lists", "[[" + "[]," * many(9_000_000) + "[]]]"),
        ("NaN", "[[NaN,Infinity,-Infinity,null]]"),
    ):
        yield name, first.having("a.json", f'{head}"rows":{rows}}}'.encode())
    wide = {
        "datasetJSONVersion": "1.1.0",
        "records": 1,
        "columns": [{"name": f"c{n}", "dataType": "string"} for n in range(many(50_000))],
    }
    yield "many columns", first.having("a.json", json.dumps({**wide, "rows": [["x"] * many(50_000)]}).encode())


def _fhir(many: Many) -> Iterator[tuple[str, Seed]]:
    bundle, lines, single = seeds("fhir")
    response = json.loads(single.files["one.json"])
    items = '{"linkId":"x","item":[' * 300 + "]}" * 300
    yield (
        "deep items",
        single.having("one.json", json.dumps({**response, "item": [0]}).replace("[0]", f"[{items}]").encode()),
    )
    yield "depth", bundle.having("bundle.json", b'{"resourceType":"Bundle","entry":[' + b'{"resource":' * many(300_000))
    spread = "\n".join(
        json.dumps({**response, "item": [{"linkId": f"q{n}", "answer": [{"valueInteger": 1}]}]})
        for n in range(many(20_000))
    )
    yield "a column for every row", lines.having("a.ndjson", spread.encode())
    answers = [{"linkId": "q", "answer": [{"valueInteger": 1}] * many(100_000)}]
    yield "many answers", single.having("one.json", json.dumps({**response, "item": answers}).encode())
    yield (
        "many empty entries",
        bundle.having("bundle.json", b'{"resourceType":"Bundle","entry":[' + b"{}," * many(3_000_000) + b"{}]}"),
    )
    yield (
        "deep definitions",
        single.having(
            "Questionnaire-q.json", b'{"resourceType":"Questionnaire","item":' + b'[{"item":' * many(300_000)
        ),
    )
    yield "definitions that are no JSON", single.having("Questionnaire-q.json", b"\xff\xfe\x00")


def _delimited(many: Many) -> Iterator[tuple[str, Seed]]:
    first = seeds("delimited")[0]
    header = ";".join(f"c{n}" for n in range(many(100_000)))
    yield "many columns", first.having("a.csv", f"{header}\n{';' * (many(100_000) - 1)}\n".encode())
    yield "open quotes", first.having("a.csv", b"a;b\n" + b'1;"open\n' * many(50_000))
    yield "one open quote", first.having("a.csv", b'a;b\n1;"' + b"x\n" * many(2_000_000))
    yield "empty lines", first.having("a.csv", b"a;b\n" + b"\n" * many(5_000_000))
    yield "short lines", first.having("a.csv", b"a;b\n" + b"1\n" * many(1_000_000))
    yield "UTF-32", one("a.csv", "a;b\n1;2\n".encode("utf-32"), reader="delimited", delimiter=";")
    yield "UTF-7", one("a.csv", b"+ADw-a", reader="delimited", delimiter=";", encoding="utf-7")
    yield "no text encoding", one("a.csv", b"a", reader="delimited", delimiter=";", encoding="base64")


def _redcap(many: Many) -> Iterator[tuple[str, Seed]]:
    first = seeds("redcap")[0]
    yield "no dictionary", Seed("data.csv", {"data.csv": first.files["data.csv"]}, first.format)
    forms = "".join(f"f{n},form{n},checkbox,,,,\n" for n in range(3000))
    header = first.files["dictionary.csv"].decode().partition("\n")[0]
    yield "many forms", first.having("dictionary.csv", f"{header}\n{forms}".encode())
    ticks = "record_id," + ",".join(f"kin___{n}" for n in range(3000)) + "\n" + "1" + ",0" * 3000 + "\n"
    yield "many ticks", first.having("data.csv", ticks.encode())
    xml = Seed(
        "data.csv",
        {**first.files, "project.xml": b"<a>" * many(100_000)},
        {**first.format, "dictionary": "project.xml"},
    )
    yield "a project that is no XML", xml
