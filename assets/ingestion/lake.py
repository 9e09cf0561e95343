"""Staging, promoting and reading the lake: one delivery goes in whole, or not at all.

What belongs here: files and renames. What does not: what the tables hold, and whether they may go in.
A delivery is staged under `lake/.staging` with its receipt, renamed in one step to `lake/.promoting`, and from there
each table is moved to its place and the receipt is written; whoever finds something under `.promoting` finishes that
before anything else. What a held delivery found and rejected lies under `lake/held`, which no build counts as accepted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from assets.ingestion.context import KNOWN_EPISODE_COLUMNS
from assets.ingestion.receipts import Receipt, append_receipt, read_receipts, receipt_from_line, receipt_line
from checks.lake_schema import ENTITY_TABLES

UNTOUCHED = "untouched"
"""Lies in a staged delivery until its first table is moved: till then an earlier reading may still be in the lake."""
RECEIPT = "receipt"
"""The receipt of a staged delivery, written to state/ when its tables have been moved, and how many there were before:
so that it is written once, however often the end of a promotion is begun."""
HELD_TABLES = ("finding", "quarantine")
"""What is kept of a delivery that the gate holds: why, and of which rows."""
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
        # The lightest level packs as well as the others; ids are hashes, by whose bounds no reader could skip a row.
        frame.write_parquet(folder / name / "part.parquet", compression="zstd", compression_level=1, statistics=False)
    private = folder / PRIVATE
    private.mkdir(mode=0o700)
    (folder / UNTOUCHED).touch()
    handle = os.open(private / "part.parquet", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE)
    with os.fdopen(handle, "wb") as file:
        local_refs.write_parquet(file)
    return folder


def promote(lake: Path, state: Path, receipt: Receipt) -> None:
    """Take a staged delivery into the lake and write its receipt; what it left there before is replaced.

    All that could fail for want of room is done before the one rename that decides.

    Raises:
        OSError: it did not go in; or it did, and `finish_promotions` has to go on from there.
    """
    site, delivery = receipt.site_id, receipt.delivery
    staged = lake / ".staging" / site / delivery
    journal = lake / ".promoting" / site / delivery
    if journal.is_dir():
        _finish(lake, state, site, delivery)
    n_written = len(read_receipts(state, site))
    (staged / RECEIPT).write_text(f"{receipt_line(receipt)}{n_written}\n", encoding="utf-8")
    for table in _tables(staged):
        _target(lake, table.name, site, delivery).parent.mkdir(parents=True, exist_ok=True)
    journal.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(journal)
    _finish(lake, state, site, delivery)


def recover(lake: Path, state: Path) -> int:
    """Finish promotions that a killed run began and drop what it had only staged; returns how many were finished."""
    shutil.rmtree(lake / ".staging", ignore_errors=True)
    return finish_promotions(lake, state)


def finish_promotions(lake: Path, state: Path) -> int:
    """Finish every promotion that was begun; call it where nobody else promotes. Returns how many there were."""
    pending = list(_folders(lake / ".promoting"))
    for site, delivery in pending:
        _finish(lake, state, site, delivery)
    return len(pending)


def _folders(root: Path) -> Iterator[tuple[str, str]]:
    if not root.is_dir():
        return
    for site in sorted(root.iterdir()):
        for delivery in sorted(site.iterdir()):
            yield site.name, delivery.name


def _finish(lake: Path, state: Path, site: str, delivery: str) -> None:
    journal = lake / ".promoting" / site / delivery
    untouched = journal / UNTOUCHED
    if untouched.is_file():
        _take_out(lake, site, delivery)
        untouched.unlink()
    for table in _tables(journal):
        target = _target(lake, table.name, site, delivery)
        target.parent.mkdir(parents=True, exist_ok=True)
        if table.name == PRIVATE:
            (lake / PRIVATE).chmod(0o700)
        table.rename(target)
    note = journal / RECEIPT
    if note.is_file():
        line, n_written = note.read_text(encoding="utf-8").splitlines()
        if len(read_receipts(state, site)) == int(n_written):
            append_receipt(state, receipt_from_line(line))
        note.unlink()
    drop_held(lake, site, delivery)
    journal.rmdir()
    (lake / ".staging" / site / f"{delivery}.receipt").unlink(missing_ok=True)


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _target(lake: Path, table: str, site: str, delivery: str) -> Path:
    root = lake / PRIVATE if table == PRIVATE else lake / "accepted" / table
    return root / f"site={site}" / f"delivery={delivery}"


def _take_out(lake: Path, site: str, delivery: str) -> None:
    """Remove an earlier reading of the delivery whole, before anything of the new one is moved."""
    for table in (*(lake / "accepted").glob("*"), lake / PRIVATE):
        shutil.rmtree(table / f"site={site}" / f"delivery={delivery}", ignore_errors=True)


def discard(lake: Path, site: str, delivery: str) -> None:
    """Drop what was staged of a delivery that the gate holds."""
    shutil.rmtree(lake / ".staging" / site / delivery, ignore_errors=True)


def keep_held(lake: Path, site: str, delivery: str) -> None:
    """Keep the findings and the rejected rows of a staged delivery that the gate holds; the rest of it is dropped."""
    drop_held(lake, site, delivery)
    staged = lake / ".staging" / site / delivery
    for name in HELD_TABLES:
        if (staged / name).is_dir():
            target = _held(lake, name, site, delivery)
            target.parent.mkdir(parents=True, exist_ok=True)
            (staged / name).rename(target)
    discard(lake, site, delivery)


def drop_held(lake: Path, site: str, delivery: str) -> None:
    """Forget what an earlier reading that was held left."""
    for name in HELD_TABLES:
        shutil.rmtree(_held(lake, name, site, delivery), ignore_errors=True)


def _held(lake: Path, table: str, site: str, delivery: str) -> Path:
    return lake / "held" / table / f"site={site}" / f"delivery={delivery}"


def keeps_held(lake: Path, site: str, delivery: str) -> bool:
    """True where the findings of a held delivery are kept."""
    return all((_held(lake, name, site, delivery) / "part.parquet").is_file() for name in HELD_TABLES)


def holds(lake: Path, site: str, delivery: str) -> bool:
    """True where the delivery lies in the lake."""
    return (lake / "accepted" / "finding" / f"site={site}" / f"delivery={delivery}" / "part.parquet").is_file()


def known_episodes(lake: Path, site: str, deliveries: list[str]) -> pl.DataFrame:
    """Courses that earlier accepted deliveries of a site brought, the latest word on each."""
    root = lake / "accepted" / "episode" / f"site={site}"
    paths = [root / f"delivery={delivery}" / "part.parquet" for delivery in deliveries]
    there = [path for path in paths if path.is_file()]
    if not there:
        return pl.DataFrame(schema=KNOWN_EPISODE_COLUMNS)
    frame = pl.read_parquet(there, columns=list(KNOWN_EPISODE_COLUMNS), hive_partitioning=False)
    return frame.unique("episode_id", keep="last", maintain_order=True)
