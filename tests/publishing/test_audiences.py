"""Each published folder copied alone: no row of a patient outside the unit that it belongs to, in any byte."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest

from assets.publishing.publish import publish
from tests.publishing.conftest import RUN, Pages
from tests.publishing.small_library import ALLIANCE, SITES, make_library

REFS = {"north": "NORTHREF", "south": "SOUTHREF", "east": "EASTREF", "west": "WESTREF"}
PATIENT = re.compile(rb"\b[dpe]\d{3}\b|\bd(north|south|east|west)-")
"""Ids of patients, courses of treatment and due points in the fixture network."""


@pytest.fixture(scope="module")
def published(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture network with each unit's own numbers of its patients in its store."""
    root = tmp_path_factory.mktemp("audiences")
    for site, word in REFS.items():
        folder = root / "lake" / "local_ref" / f"site={site}" / "delivery=2026-01-15"
        folder.mkdir(parents=True)
        known = {"patient_id": [f"p{n:03d}" for n in range(60)], "local_ref": [f"{word}-{n}" for n in range(60)]}
        pl.DataFrame(known).write_parquet(folder / "part.parquet")
    publish(pages.warehouse, make_library(root, ALLIANCE), root / "published", RUN)
    return root / "published"


def contents(folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """Every file of a copy of the folder; packed ones unpacked, Parquet as text.

    PNG and PDF are pictures of the SVG beside them, which is searched; their compressed bytes say anything.
    """
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    found: dict[str, bytes] = {}
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        name = str(path.relative_to(copy))
        if path.suffix in (".png", ".pdf"):
            assert path.with_suffix(".svg").is_file()
        elif path.suffix in (".xlsx", ".docx"):
            packed = zipfile.ZipFile(path)
            found |= {f"{name}/{part}": packed.read(part) for part in packed.namelist() if not part.endswith(".png")}
        elif path.suffix == ".parquet":
            found[name] = pl.read_parquet(path).write_csv().encode()
        else:
            found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("audience", ["public", "network"])
def test_no_patient_is_in_a_folder_for_many(published: Path, tmp_path: Path, audience: str) -> None:
    found = contents(published / audience, tmp_path)
    assert len(found) > 5
    for name, content in found.items():
        assert not PATIENT.search(content), name
        assert b"SECRET" not in content, name
        assert not any(word.encode() in content for word in REFS.values()), name


@pytest.mark.parametrize("site", SITES)
def test_a_units_folder_holds_its_own_patients_only(published: Path, tmp_path: Path, site: str) -> None:
    found = contents(published / "sites" / site, tmp_path)
    assert {"report.html", "worklist.csv"} <= set(found)
    for name, content in found.items():
        assert not any(word.encode() in content for key, word in REFS.items() if key != site), name
        assert not re.search(rb"\b[pe]\d{3}\b", content.replace(b"SECRET-MESSAGE p", b"")), name
    own = b"".join(content for name, content in found.items() if name.startswith("worklist"))
    if site != "west":  # West has no finding
        assert (REFS[site].encode() in own) == (site in ("north", "south", "east"))


def test_no_link_leads_out_of_a_folder(published: Path) -> None:
    for audience in (published / "public", published / "network", *(published / "sites" / site for site in SITES)):
        for path in sorted(audience.rglob("*.html")):
            for link in re.findall(r'href="([^"#:]+)', path.read_text(encoding="utf-8")):
                assert (path.parent / link).resolve().is_relative_to(audience.resolve()), (path, link)
