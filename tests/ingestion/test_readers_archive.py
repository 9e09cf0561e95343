"""Zip archives and XML from outside: what is refused, in which words, and that memory stays small."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from assets.ingestion.readers import xml_safe
from assets.ingestion.readers.archive import MAX_MEMBERS, is_archive, open_archive
from assets.ingestion.readers.protocol import MEGABYTE, ReadError
from codebook.formats import ReadingLimits

ROOT = Path(__file__).parents[2]
LIMITS = ReadingLimits(max_unpacked_megabytes=2)


def packed(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def contents(path: Path, limits: ReadingLimits = LIMITS) -> dict[str, bytes]:
    with open_archive(path, "export.zip", limits) as archive:
        return {name: archive.read(name) for name in archive.names}


def refusal(path: Path, limits: ReadingLimits = LIMITS) -> str:
    with pytest.raises(ReadError) as error:
        contents(path, limits)
    said = str(error.value)
    assert said.startswith("export.zip: ")
    assert "; have" in said
    return said


# Archives


def test_members_are_read_and_folders_are_none(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.xls": b"x", "inner/": b"", "inner/b.xls": b"y" * 70_000})
    assert contents(path) == {"a.xls": b"x", "inner/b.xls": b"y" * 70_000}
    assert is_archive(path)


@pytest.mark.parametrize(
    "name", ["../../evil.sh", "/etc/cron.d/evil", "C:\\evil.exe", "a\\..\\..\\evil", "\\\\host\\x"]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    assert "points outside the archive" in refusal(packed(tmp_path, {"a.csv": b"1", name: b"2"}))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["export.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link or device" in refusal(path)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.csv": b"1"})
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= 1
    path.write_bytes(data)
    assert "is encrypted; have it sent without a password" in refusal(path)


@pytest.mark.parametrize("name", ["more.zip", "export.csv"])
def test_archives_inside_are_refused_by_name_or_by_content(tmp_path: Path, name: str) -> None:
    inner = packed(tmp_path, {"a.csv": b"1"}).read_bytes()
    assert "is an archive itself" in refusal(packed(tmp_path, {name: inner}))


@pytest.mark.parametrize(("declared", "sentence"), [(6 * MEGABYTE, "unpacks to more than 2 MB"), (10, "is damaged")])
def test_a_bomb_is_stopped_whatever_size_it_declares(tmp_path: Path, declared: int, sentence: str) -> None:
    path = packed(tmp_path, {"a.csv": os.urandom(1000) + b"0" * 5 * MEGABYTE})
    data, real = path.read_bytes(), struct.pack("<L", 5 * MEGABYTE + 1000)
    assert data.count(real) == 2
    path.write_bytes(data.replace(real, struct.pack("<L", declared)))
    tracemalloc.start()
    assert sentence in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    tracemalloc.stop()


def test_the_limit_counts_all_members_together(tmp_path: Path) -> None:
    members = {f"{n}.csv": os.urandom(700_000) for n in range(3)}
    path = packed(tmp_path, members)
    assert "limits.max_unpacked_megabytes in network.yaml" in refusal(path)
    assert contents(path, ReadingLimits(max_unpacked_megabytes=3)) == members


def test_a_ratio_that_no_export_has_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.csv": b"0" * 30 * MEGABYTE})
    assert "more than 300 times its size" in refusal(path, ReadingLimits())


def test_a_table_of_contents_that_never_ends_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 900 * MEGABYTE, 0, 0))
    assert f"more than {MAX_MEMBERS} members" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing_is_refused(tmp_path: Path, method: int) -> None:
    assert "packed in an unusual way" in refusal(packed(tmp_path, {"a.csv": b"1" * 50}, method))


def test_damage_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.csv": os.urandom(5000)})
    whole = path.read_bytes()
    path.write_bytes(whole[:2000])
    assert "is no zip archive or a damaged one" in refusal(path)
    path.write_bytes(whole[:600] + bytes([whole[600] ^ 255]) + whole[601:])
    assert "the member 'a.csv' is damaged" in refusal(path)
    assert zlib.crc32(whole) != zlib.crc32(path.read_bytes())


def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.csv": b"1"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.csv", b"2")
    assert "'a.csv' twice" in refusal(path)


# XML


def parsed(content: bytes) -> list[tuple[str, dict[str, str], str | None]]:
    found = xml_safe.events(io.BytesIO(content), "export.xml")
    return [(xml_safe.local(one), dict(one.attrib), one.text) for event, one in found if event == "end"]


def xml_refusal(content: bytes) -> str:
    with pytest.raises(ReadError) as error:
        parsed(content)
    assert str(error.value).startswith("export.xml: ")
    return str(error.value)


def test_line_breaks_in_attributes_survive_and_nothing_else_changes() -> None:
    content = (
        b'<?xml version="1.0"?>\n<!-- "a\n" <b> -->\n<a v="1\n2"\n w=\'x="\r\ny" > z\'><![CDATA[q="\n"]]> t="\n"</a>'
    )
    assert parsed(content) == [("a", {"v": "1\n2", "w": 'x="\ny" > z'}, 'q="\n" t="\n"')]


@pytest.mark.parametrize("size", [64, 65, 67, 71, 100, 1000])
def test_line_breaks_survive_wherever_a_chunk_ends(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(xml_safe, "_CHUNK", size)
    rows = "".join(f'<i n="{n}" v="line\none {n}"/><!-- <!DOCTYPE "\n --><![CDATA[<!\n"]]>' for n in range(50))
    found = parsed(f"<?xml version='1.0'?>\n<a>{rows}</a>".encode())
    assert found[:-1] == [("i", {"n": str(n), "v": f"line\none {n}"}, None) for n in range(50)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_declared_encodings_are_read(encoding: str) -> None:
    declared = {"utf-16": "UTF-16", "utf-8-sig": "UTF-8", "latin-1": "ISO-8859-1"}[encoding]
    content = f'<?xml version="1.0" encoding="{declared}"?>\n<a v="å\né"/>'.encode(encoding)
    assert parsed(content) == [("a", {"v": "å\né"}, None)]


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(10))


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE a [" + LAUGHS + b"]><a>&l9;</a>",
        b"<!DOCTYPE a [" + LAUGHS + b']><a v="&l9;"/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b'<?xml version="1.0"?>\n<!-- c -->\n  <!DOCTYPE a><a/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
    ],
)
def test_a_document_type_is_refused_before_it_is_read(content: bytes) -> None:
    assert "declares a document type" in xml_refusal(content)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<a>&undefined;</a>", "no well-formed XML"),
        (b"<a><b></a>", "no well-formed XML at line 1"),
        (b"<a>\n<b", "no well-formed XML"),
        (b"<a>" * 5000, "no well-formed XML"),
        (b"", "is no XML"),
        (b"patient,score\n1,2\n", "is no XML"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "encoding that is not read"),
        ('<?xml version="1.0"?><!DOCTYPE a><a/>'.encode("utf-16-le"), "null bytes"),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16")[:-1], "UTF-16|no well-formed XML"),
    ],
)
def test_hostile_or_broken_xml_ends_in_one_sentence(content: bytes, sentence: str) -> None:
    assert re.search(sentence, xml_refusal(content))


LARGE = """
import io, resource
from assets.ingestion.readers import xml_safe
row = b'<SubjectData K="1"><ItemData ItemOID="I.1" Value="3"/><ItemData ItemOID="I.2" Value="no\\nte"/></SubjectData>'
pieces = iter([b"<ODM>", *([row * 600] * 200), b"</ODM>"])
class Long(io.RawIOBase):
    def read(self, size=-1):
        return next(pieces, b"")
before, n_items = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
for event, element in xml_safe.events(Long(), "export.xml"):
    if event == "end":
        n_items += xml_safe.local(element) == "ItemData"
        xml_safe.release(element)
print(n_items, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_file_needs_little_memory() -> None:
    """12 MB through the parser; the tree it builds would be several times that."""
    done = subprocess.run([sys.executable, "-c", LARGE], cwd=ROOT, capture_output=True, text=True, check=True)
    n_items, kilobytes = map(int, done.stdout.split())
    assert n_items == 240_000
    assert kilobytes < 20_000
