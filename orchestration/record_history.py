"""What every accepted delivery said of one record: its values, since when they hold, and each change of them.

What belongs here: reading the lake, since the warehouse holds only what counts now. What does not: rows that were held
back (they are no word on the record), and the way from a score to its row (`orchestration.trace`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.ingestion.ingest import known_receipts
from assets.ingestion.receipts import Receipt
from codebook.library import Library

if TYPE_CHECKING:
    import duckdb

Record = dict[str, object]

KEYS = {"a": "assessment_id", "e": "episode_id", "p": "patient_id"}
"""Letter of an id → column that holds it."""
ENTITY = {"e": "episode", "p": "patient"}
NOT_FACTS = {"source_file", "source_row", "content_hash", "site", "delivery"}


@dataclass(frozen=True)
class Said:
    """One delivery's word on a record; `row` None: it does not hold it, though it should hold everything."""

    receipt: Receipt
    row: Record | None


def record_history(
    library: Library, identifier: str, as_of: dt.date | None = None, instrument: str | None = None
) -> list[tuple[str, list[Record]]]:
    """Sections `values`, `history` and, where the export brought any, `audit` of a record.

    Args:
        library: the network; its lake is read.
        identifier: an id (a…, e…, p…); of any other kind there is no history.
        as_of: only deliveries of that day and before.
        instrument: where an assessment is known to lie; None: looked for in all.
    """
    key = KEYS.get(identifier[:1])
    if key is None:
        return []
    receipts = [receipt for receipt in known_receipts(library, as_of) if receipt.is_accepted]
    tables = [ENTITY[identifier[0]]] if identifier[0] in ENTITY else [instrument] if instrument else library.instruments
    values: list[Record] = []
    history: list[Record] = []
    audit: list[Record] = []
    for table in tables:
        rows = _rows(library.folder.lake, table, receipts, key, identifier)
        for site in sorted({str(row["site"]) for row in rows}):
            said = _words(library, site, receipts, [row for row in rows if row["site"] == site])
            values.extend(_values(said, key))
            history.extend(_changes(said, key))
            audit.extend(_audit(library.folder.lake, said, identifier))
        if rows:
            break
    sections = [("values", values), ("history", history)] if history else []
    return [*sections, ("audit", audit)] if audit else sections


def _rows(lake: Path, table: str, receipts: Sequence[Receipt], key: str, identifier: str) -> list[Record]:
    """Rows of a record in accepted deliveries, oldest first."""
    import duckdb

    paths = [_part(lake, table, receipt) for receipt in receipts]
    there = [str(path) for path in paths if path.is_file()]
    if not there:
        return []
    with duckdb.connect() as connection:
        found = connection.execute(
            "select * from read_parquet(?, hive_partitioning = true, hive_types_autocast = false, "
            f"union_by_name = true) where {key} = ? order by site, delivery, source_file, source_row",
            [there, identifier],
        )
        return _records(found)


def _part(lake: Path, table: str, receipt: Receipt) -> Path:
    return lake / "accepted" / table / f"site={receipt.site_id}" / f"delivery={receipt.delivery}" / "part.parquet"


def _records(found: duckdb.DuckDBPyConnection) -> list[Record]:
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _words(library: Library, site: str, receipts: Sequence[Receipt], rows: Sequence[Record]) -> list[Said]:
    """Deliveries that said something of the record, and later snapshots that did not."""
    by_delivery = {str(row["delivery"]): row for row in reversed(rows)}
    is_whole = site in library.sites and library.sites[site].delivery.mode == "snapshot"
    own = sorted((r for r in receipts if r.site_id == site), key=lambda r: r.delivery)
    first = min(by_delivery)
    return [
        Said(receipt, by_delivery.get(receipt.delivery))
        for receipt in own
        if receipt.delivery in by_delivery or (is_whole and receipt.delivery > first)
    ]


def _facts(row: Record, key: str) -> Record:
    return {name: value for name, value in row.items() if name not in NOT_FACTS | {key} and value is not None}


def _values(said: Sequence[Said], key: str) -> list[Record]:
    """Each value that the last word holds, with the delivery from which on it stood like that."""
    words = [(one.receipt, one.row) for one in said if one.row is not None]
    last = _facts(words[-1][1], key)
    found = []
    for name, value in last.items():
        since, where = words[-1]
        for receipt, row in reversed(words):
            if row.get(name) != value:
                break
            since, where = receipt, row
        found.append({"field": name, "value": value, **_place(since, where)})
    return found


def _place(receipt: Receipt, row: Record) -> Record:
    return {
        "delivery": receipt.delivery,
        "delivery_date": receipt.delivery_date,
        "source_file": row["source_file"],
        "source_row": row["source_row"],
    }


def _changes(said: Sequence[Said], key: str) -> list[Record]:
    """The first time, every change, and where a whole delivery was silent; deliveries without news are left out."""
    changes: list[Record] = []
    before: Mapping[str, object] | None = None
    is_gone = False
    for one in said:
        at: Record = {
            "site_id": one.receipt.site_id,
            "delivery": one.receipt.delivery,
            "delivery_date": one.receipt.delivery_date,
        }
        if one.row is None:
            if not is_gone:
                changes.append({**at, "what": "not delivered", "field": None, "from": None, "to": None})
            is_gone = True
            continue
        now = _facts(one.row, key)
        if before is None:
            changes.append({**at, "what": "first delivered", "field": None, "from": None, "to": None})
        elif is_gone:
            changes.append({**at, "what": "delivered again", "field": None, "from": None, "to": None})
        for name in sorted(now.keys() | before.keys()) if before is not None else ():
            old, new = (before or {}).get(name), now.get(name)
            if old != new:
                changes.append({**at, "what": "changed", "field": name, "from": old, "to": new})
        before, is_gone = now, False
    return changes


def _audit(lake: Path, said: Sequence[Said], identifier: str) -> list[Record]:
    """What the export itself recorded of the record's row (of a patient or a course: of the patient), as last sent."""
    import duckdb

    last = [one for one in said if one.row is not None][-1]
    path = _part(lake, "audit", last.receipt)
    row = last.row
    if row is None or not path.is_file():
        return []
    where, asked = "patient_id = ?", [row["patient_id"]]
    if identifier.startswith("a"):
        where, asked = (
            f"{where} and source_file = ? and source_row = ?",
            [
                *asked,
                row["source_file"],
                row["source_row"],
            ],
        )
    with duckdb.connect() as connection:
        found = connection.execute(
            'select changed_at, "column", value, user_id, reason, source_file, source_row from read_parquet(?) '
            f"where {where} order by all",
            [str(path), *asked],
        )
        return _records(found)
