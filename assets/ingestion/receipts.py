"""Receipts: the append-only record of every delivery that was taken or held, one file per site in state/.

What belongs here: the receipt, writing and reading it. What does not: deciding (`checks.gate`).
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Receipt:
    """What became of one delivery read by one recipe; `gate` is 'accepted' or 'held: <reason>'."""

    site_id: str
    delivery: str
    delivery_date: dt.date
    data_through_date: dt.date | None
    is_data_through_estimated: bool
    n_files: int
    n_rows_landed: int
    n_rows_accepted: int
    n_rows_quarantined: int
    content_fingerprint: str
    recipe_fingerprint: str
    received_at: dt.datetime
    unmapped_columns: str
    gate: str
    n_rows_unused: int | None = None
    """Rows accepted of which no mapping took anything; None: a receipt of before this was counted, or a held file."""
    unused_files: str = ""
    notes: str = ""

    @property
    def is_accepted(self) -> bool:
        """True where the delivery lies in the lake."""
        return self.gate == ACCEPTED


RECEIPT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "site_id": pl.String,
    "delivery": pl.String,
    "delivery_date": pl.Date,
    "data_through_date": pl.Date,
    "is_data_through_estimated": pl.Boolean,
    "n_files": pl.Int64,
    "n_rows_landed": pl.Int64,
    "n_rows_accepted": pl.Int64,
    "n_rows_quarantined": pl.Int64,
    "content_fingerprint": pl.String,
    "recipe_fingerprint": pl.String,
    "received_at": pl.Datetime("us"),
    "unmapped_columns": pl.String,
    "gate": pl.String,
    "n_rows_unused": pl.Int64,
    "unused_files": pl.String,
    "notes": pl.String,
}


def receipts_file(state: Path, site: str) -> Path:
    """state/deliveries/<site>.jsonl"""
    return state / "deliveries" / f"{site}.jsonl"


def append_receipt(state: Path, receipt: Receipt) -> None:
    """Add one receipt, forced to disk before anything relies on it."""
    path = receipts_file(state, receipt.site_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = receipt_line(receipt)
    with path.open("a+b") as file:
        if file.tell() and not _ends_with_newline(file.name):
            file.write(b"\n")
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def receipt_line(receipt: Receipt) -> str:
    """One receipt as one line of JSON."""
    return json.dumps(asdict(receipt), default=_as_text, sort_keys=True) + "\n"


def receipt_from_line(line: str) -> Receipt:
    """The receipt that `receipt_line` wrote.

    Raises:
        json.JSONDecodeError: the line is cut off.
    """
    data = json.loads(line)
    data["delivery_date"] = dt.date.fromisoformat(data["delivery_date"])
    through = data["data_through_date"]
    data["data_through_date"] = dt.date.fromisoformat(through) if through else None
    data["received_at"] = dt.datetime.fromisoformat(data["received_at"])
    return Receipt(**data)


def _ends_with_newline(name: str) -> bool:
    with Path(name).open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _as_text(value: object) -> str:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    raise TypeError(f"a receipt cannot hold {type(value).__name__}")


def read_receipts(state: Path, site: str) -> list[Receipt]:
    """Receipts of a site, oldest first; a line cut off by a crash is passed over (its delivery is read again)."""
    path = receipts_file(state, site)
    if not path.is_file():
        return []
    receipts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            receipts.append(receipt_from_line(line))
        except json.JSONDecodeError:
            continue
    return receipts


def latest_receipts(receipts: Iterable[Receipt]) -> dict[str, Receipt]:
    """The last word on each delivery, by its name."""
    return {receipt.delivery: receipt for receipt in receipts}


def receipt_frame(receipts: Iterable[Receipt]) -> pl.DataFrame:
    """Receipts as a typed frame, ordered by site and delivery."""
    rows = [asdict(receipt) for receipt in receipts]
    return pl.DataFrame(rows, schema=RECEIPT_SCHEMA, orient="row").sort("site_id", "delivery")
