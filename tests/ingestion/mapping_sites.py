"""Declarations of one unit for the tests of the mapping, and a folder with deliveries of real files."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from tiny_network import NETWORK, SCHEDULE, TinyNetwork

from assets.ingestion import ingest
from assets.ingestion.ingest import StagedDelivery
from checks.keys import load_key, write_key
from codebook.library import load_library

HEAD = """\
site: unit
name: The unit
format: {reader: delimited, delimiter: ";", decimal: ","}
delivery: {mode: snapshot}
"""
START = """\
mappings:
  - from_delivery: "2013-01-01"
    date_format: "%d.%m.%Y"
    missing_codes: {"999": not answered}
    sources:
"""


def site_of(*sources: str, head: str = "", start: str = START) -> str:
    """A unit's YAML from its sources (`name`, `file` and so on, without the dash)."""
    body = ""
    for source in sources:
        lines = textwrap.dedent(source).strip().splitlines()
        body += f"      - {lines[0]}\n" + "".join(f"        {line}\n" for line in lines[1:])
    return HEAD + head + start + body


def one_file(rest: str) -> str:
    """A source that reads `data.csv`, whose patients are numbered in `nr`."""
    return "name: data\nfile: data.csv\nidentity: {columns: [nr], scope: site}\n" + textwrap.dedent(rest)


def network_of(root: Path, sites: Mapping[str, str], settings: str = "") -> TinyNetwork:
    """A network folder with these sites (key → YAML)."""
    for folder in ("sites", "schedules", "landing"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "network.yaml").write_text(NETWORK + settings)
    (root / "schedules" / "plan.yaml").write_text(SCHEDULE)
    for key, text in sites.items():
        (root / "sites" / f"{key}.yaml").write_text(text)
    write_key(root / "secrets" / "pseudonym.key")
    return TinyNetwork(root, load_key(root / "secrets" / "pseudonym.key"))


def take_all(tiny: TinyNetwork) -> dict[tuple[str, str], StagedDelivery]:
    """Take what is new of every unit; by unit and delivery."""
    library = load_library(tiny.root)
    taken = {}
    for key, site in library.sites.items():
        for planned in ingest.plan_site(library, site, tiny.pseudonyms):
            if planned.action == "skip":
                continue
            staged = ingest.stage_delivery(library, site, planned, tiny.pseudonyms)
            (ingest.hold if staged.failed else ingest.accept)(library, staged)
            taken[(key, planned.delivery.name)] = staged
    return taken


def counts(staged: StagedDelivery) -> tuple[int, int, int]:
    """Rows landed, accepted, quarantined; and the sum holds."""
    receipt = staged.receipt
    assert receipt.n_rows_landed == receipt.n_rows_accepted + receipt.n_rows_quarantined
    return receipt.n_rows_landed, receipt.n_rows_accepted, receipt.n_rows_quarantined


def rows_of(frame: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    """Rows of some columns, in order of file and row."""
    return frame.sort("source_file", "source_row").select(columns).rows()
