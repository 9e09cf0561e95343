"""What the layouts of several results tables share: labels, reasons and the frame of a table.

What belongs here: small functions on rows of a procedure. What does not: any one layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import Column, PaperTable, Reading, Row

Rows = Sequence[dict[str, Any]]
NO_READING = Reading((), "")


def sentence(text: str) -> str:
    """With a capital in front and one full stop behind."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def made_table(
    procedure: Procedure,
    name: str,
    stub: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    reading: Reading,
    *,
    notes: Sequence[str] = (),
    what: str = "",
    key: str | None = None,
) -> PaperTable:
    """A table of one of the procedure's results tables.

    `what` follows its title where the procedure has several; `key` follows its name in files and addresses (empty: the
    name alone; None: that of the results table).
    """
    title = f"{procedure.title}: {what}" if what else procedure.title
    part = name.removeprefix("results.") if key is None else key
    place = f"{procedure.name}_{part}" if part else procedure.name
    return PaperTable(place, title, stub, tuple(columns), tuple(rows), tuple(notes), procedure.tables[name], reading)


def label_of(row: dict[str, Any]) -> str:
    """What a row is about, and the group it is of."""
    text = str(row.get("label") or row.get("outcome") or row.get("measure") or row.get("variable") or "")
    return f"{text}: {row['group_level']}" if row.get("group_level") else text


def reasons(rows: Rows, label: Callable[[dict[str, Any]], str] = label_of) -> list[str]:
    """Why rows have no number, each said once."""
    found = [f"{label(row)}: {row['reason']}" for row in rows if row.get("reason")]
    return [sentence(reason) for reason in dict.fromkeys(found)]
