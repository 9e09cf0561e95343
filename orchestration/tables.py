"""Rows on the screen: one plain table for every command.

What belongs here: layout. What does not: which rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

WIDE = 10_000
"""Width where the output goes into a file or a pipe: nothing is cut."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers to the right, the rest to the left; nothing is wrapped."""
    from rich.console import Console
    from rich.table import Table

    lines = list(rows)
    table = Table(show_edge=False, pad_edge=False)
    for nth, name in enumerate(columns):
        values = [line[nth] for line in lines if line[nth] is not None]
        is_number = bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(_cell(value) for value in line))
    console = Console(highlight=False, markup=False)  # `version[wai_s]` is a name and no mark-up
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)


def print_records(records: Sequence[Mapping[str, object]]) -> None:
    """Records as a table; a single one downwards."""
    if len(records) == 1:
        print_table(("", " "), [(name, str("" if value is None else value)) for name, value in records[0].items()])
    elif records:
        print_table(list(records[0]), [list(record.values()) for record in records])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
