"""Staging, promoting and reading the lake: one delivery goes in whole, or not at all.

What belongs here: files and renames. What does not: what the tables hold, and whether they may go in.
A delivery is staged under `lake/.staging`, renamed in one step to `lake/.promoting`, and from there each table is
moved to its place; a run that finds something under `.promoting` finishes the moves before it does anything else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from assets.ingestion.context import KNOWN_EPISODE_COLUMNS
from checks.lake_schema import ENTITY_TABLES

UNTOUCHED = "untouched"
"""Lies in a staged delivery until its first table is moved: till then an earlier reading may still be in the lake."""
PRIVATE = "local_ref"
PRIVATE_MODE = 0o600


def stage(lake: Path, site: str, delivery: str, tables: Mapping[str, pl.DataFrame], local_refs: pl.DataFrame) -> Path:
    """Write a delivery's tables where no build looks; returns the folder."""
    folder = lake / ".staging" / site / delivery
    shutil.rmtree(folder, ignore_errors=True)
    for name, frame in tables.items():
        if not frame.height and name not in ENTITY_TABLES:
            continue  # a delivery leaves no files for instruments that it does not hold
        (folder / name).mkdir(parents=True)
        frame.write_parquet(folder / name / "part.parquet", compression="zstd", statistics=True)
    private = folder / PRIVATE
    private.mkdir(mode=0o700)
    (folder / UNTOUCHED).touch()
    handle = os.open(private / "part.parquet", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE)
    with os.fdopen(handle, "wb") as file:
        local_refs.write_parquet(file)
    return folder


def promote(lake: Path, site: str, delivery: str) -> None:
    """Take a staged delivery into the lake; what the same delivery left there before is replaced."""
    staged = lake / ".staging" / site / delivery
    journal = lake / ".promoting" / site / delivery
    journal.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(journal, ignore_errors=True)
    staged.rename(journal)
    _finish(lake, site, delivery)


def recover(lake: Path) -> int:
    """Finish promotions that a killed run began and drop what it had only staged; returns how many were finished."""
    shutil.rmtree(lake / ".staging", ignore_errors=True)
    pending = list(_folders(lake / ".promoting"))
    for site, delivery in pending:
        _finish(lake, site, delivery)
    return len(pending)


def recover_site(lake: Path, site: str) -> None:
    """`recover` for one site, for ingestion that runs beside that of other sites."""
    shutil.rmtree(lake / ".staging" / site, ignore_errors=True)
    for pending_site, delivery in list(_folders(lake / ".promoting")):
        if pending_site == site:
            _finish(lake, site, delivery)


def _folders(root: Path) -> Iterator[tuple[str, str]]:
    if not root.is_dir():
        return
    for site in sorted(root.iterdir()):
        for delivery in sorted(site.iterdir()):
            yield site.name, delivery.name


def _finish(lake: Path, site: str, delivery: str) -> None:
    journal = lake / ".promoting" / site / delivery
    untouched = journal / UNTOUCHED
    if untouched.is_file():
        _take_out(lake, site, delivery)
        untouched.unlink()
    for table in sorted(journal.iterdir()):
        root = lake / PRIVATE if table.name == PRIVATE else lake / "accepted" / table.name
        target = root / f"site={site}" / f"delivery={delivery}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if table.name == PRIVATE:
            root.chmod(0o700)
        table.rename(target)
    journal.rmdir()
    (lake / ".staging" / site / f"{delivery}.receipt").unlink(missing_ok=True)


def _take_out(lake: Path, site: str, delivery: str) -> None:
    """Remove an earlier reading of the delivery whole, before anything of the new one is moved."""
    for table in (*(lake / "accepted").glob("*"), lake / PRIVATE):
        shutil.rmtree(table / f"site={site}" / f"delivery={delivery}", ignore_errors=True)


def discard(lake: Path, site: str, delivery: str) -> None:
    """Drop what was staged of a delivery that the gate holds."""
    shutil.rmtree(lake / ".staging" / site / delivery, ignore_errors=True)


def holds(lake: Path, site: str, delivery: str) -> bool:
    """True where the delivery lies in the lake."""
    return (lake / "accepted" / "finding" / f"site={site}" / f"delivery={delivery}" / "part.parquet").is_file()


def known_episodes(lake: Path, site: str, deliveries: list[str]) -> pl.DataFrame:
    """Courses that earlier accepted deliveries of a site brought, the latest word on each."""
    frames = [pl.DataFrame(schema=KNOWN_EPISODE_COLUMNS)]
    for delivery in deliveries:
        path = lake / "accepted" / "episode" / f"site={site}" / f"delivery={delivery}" / "part.parquet"
        if path.is_file():
            frames.append(pl.read_parquet(path, columns=list(KNOWN_EPISODE_COLUMNS)))
    return pl.concat(frames).unique("episode_id", keep="last", maintain_order=True)
