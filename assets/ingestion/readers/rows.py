"""Records that arrive one by one with columns of their own, gathered into one text frame in bounded memory.

What belongs here: batches, columns that appear late, the limit on cells, and text that no file can hold.
What does not: where the records come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from assets.ingestion.readers.protocol import (
    MAXIMUM_COLUMNS,
    MAXIMUM_UNREADABLE,
    SOURCE_ROW,
    ReadError,
    UnreadableRow,
    clean,
    too_many_unreadable,
)
from codebook.formats import ReadingLimits

_BATCH = 20_000


class RowCollector:
    """Gathers records (column → text) under all columns that any of them has, in order of appearance."""

    def __init__(self, columns: Iterable[str], place: str, limits: ReadingLimits) -> None:
        """`columns` are there even if no record has them; `place` begins the sentence of an error."""
        self._columns: dict[str, None] = dict.fromkeys(columns)
        self._place, self._limit = place, limits.max_sheet_cells
        self._rows: list[Mapping[str, str | None]] = []
        self._numbers: list[int] = []
        self._frames: list[pl.DataFrame] = []
        self._unreadable: list[UnreadableRow] = []
        self.height = 0

    def add(self, source_row: int, row: Mapping[str, str | None]) -> None:
        """Take one record.

        Raises:
            ReadError: more cells than the limit, or more columns than any table has.
        """
        self._rows.append(row)
        self._numbers.append(source_row)
        self._columns.update(dict.fromkeys(row))
        self.height += 1
        if len(self._columns) > MAXIMUM_COLUMNS:
            raise ReadError(
                f"{self._place}: has more than {MAXIMUM_COLUMNS} columns; correct the site's declaration, or have it "
                "exported in parts"
            )
        if self.height * len(self._columns) > self._limit:
            raise ReadError(
                f"{self._place}: spans more than {self._limit} cells; have it exported in parts, "
                "or raise limits.max_sheet_cells in network.yaml"
            )
        if len(self._rows) == _BATCH:
            self._flush()

    def refuse(self, source_row: int, reason: str) -> None:
        """Take one record that cannot be read.

        Raises:
            ReadError: so many of them that the file is not what it is declared to be.
        """
        self._unreadable.append(UnreadableRow(source_row, reason))
        if len(self._unreadable) > MAXIMUM_UNREADABLE:
            raise too_many_unreadable(self._place)

    @property
    def unreadable(self) -> tuple[UnreadableRow, ...]:
        """The records that could not be read."""
        return tuple(self._unreadable)

    def frame(self) -> pl.DataFrame:
        """All records, `source_row` last."""
        self._flush()
        frame = pl.concat(self._frames, how="diagonal")
        return frame.select(*self._columns, SOURCE_ROW)

    def _flush(self) -> None:
        series = [
            pl.Series(name, [row.get(name) for row in self._rows], dtype=pl.String, strict=True)
            for name in self._columns
        ]
        self._frames.append(clean(pl.DataFrame([*series, pl.Series(SOURCE_ROW, self._numbers, dtype=pl.Int64)])))
        self._rows, self._numbers = [], []


def is_storable(text: str) -> bool:
    """Whether text is Unicode that can be written; JSON may hold halves of characters."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
