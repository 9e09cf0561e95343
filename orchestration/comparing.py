"""Comparing two days of a network: both ledgers rebuilt beside whatever is sealed, and what came of it in words.

What belongs here: the order of steps and the sentences. What does not: the comparison (`assets.warehouse.comparison`),
arguments (`compare_cli`).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.lock import folder_lock
from assets.run_context import Clocks

if TYPE_CHECKING:
    import polars as pl

    from codebook.library import Library

WORDS = {"overdue": "overdue", "finding": "findings"}
PLACE = "compare"
"""Folder inside .build where the two ledgers are made; nothing of it stays."""


@dataclass(frozen=True)
class Compared:
    """`items`: every due point and finding with its fate; `changes`: rows of `quality.change`."""

    items: pl.DataFrame
    changes: pl.DataFrame
    earlier: dt.date
    later: dt.date
    first: tuple[str, ...]
    """Units that had delivered by the later day and nothing by the earlier one."""


def compare_days(library: Library, earlier: dt.date, later: dt.date, wait_seconds: float) -> Compared:
    """Build the ledgers of two days, each from the deliveries known on that day, and compare them.

    The network's warehouse and pages are not touched; a run has to wait meanwhile, since it would sweep the folder.

    Raises:
        FolderBusyError: another run works on the network.
        LedgerError: dbt could not build a ledger.
    """
    from assets.warehouse.comparison import Span, changes, compare
    from assets.warehouse.ledgers import build_ledgers, delivered_by

    span = Span(Clocks(earlier, earlier), Clocks(later, later))
    place = library.folder.build / PLACE
    with folder_lock(library.folder.root, is_exclusive=True, wait_seconds=wait_seconds) as descriptor:
        try:
            before, after = (
                build_ledgers(library, clocks, place / name, [descriptor])
                for name, clocks in (("from", span.earlier), ("to", span.later))
            )
            items = compare(before, after)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    delivered = delivered_by(library, span.earlier)
    first = tuple(sorted(delivered_by(library, span.later) - delivered))
    return Compared(items, changes(items, span, delivered), earlier, later, first)


def change_lines(rows: Iterable[Mapping[str, Any]], earlier: dt.date, first: Iterable[str]) -> list[str]:
    """`Since 2017-01-02: overdue 2 new, 5 persisting, 1 resolved, 0 lapsed; …`, and of which units all is new."""
    known = list(rows)
    parts = []
    for kind, words in WORDS.items():
        of_kind = [row for row in known if row["kind"] == kind]
        new, persisting, resolved, lapsed = (
            sum(row[f"n_{fate}"] for row in of_kind) for fate in ("new", "persisting", "resolved", "lapsed")
        )
        given_up = f", {lapsed} given up as missed" if lapsed else ""
        parts.append(f"{words} {new} new, {persisting} persisting, {resolved} resolved{given_up}")
    lines = [f"Since {earlier}: {'; '.join(parts)}."]
    units = sorted(first)
    if units:
        lines.append(f"Nothing of {', '.join(units)} had been delivered by {earlier}: all of theirs counts as new.")
    return lines


def sealed_change_lines(warehouse: Path) -> list[str]:
    """The same of what a run compared; nothing where there was nothing to compare."""
    from orchestration.warehouse_reader import open_warehouse

    with open_warehouse(warehouse) as connection:
        rows = connection.execute("select * from quality.change").pl().to_dicts()
    first = {row["site_id"] for row in rows if row["is_first"]}
    return change_lines(rows, rows[0]["from_today"], first) if rows else []
