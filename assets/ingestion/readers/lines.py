"""Delimited text, the fast way: lines are told apart by their bytes, and those that are whole records are cut.

What belongs here: finding out, cheaply and for every line, that it is one record with as many cells as the header, and
where each of them ends. What does not: cutting the cells (`cuts`), and lines that are no whole records: those go to the
careful way (`records`), one by one.

A line is whole where its quotes come in pairs, each pair opens and closes a cell, and a quote inside is doubled. Then
no cell goes on in the next line, and a delimiter counts where it stands outside quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.ingestion.readers.cuts import Bytes, Lines, Places, cut
from assets.ingestion.readers.protocol import (
    MAXIMUM_UNREADABLE,
    SOURCE_ROW,
    ReadError,
    UnreadableRow,
    header_names,
    too_many_unreadable,
)
from assets.ingestion.readers.records import MAXIMUM_CELL, Dialect, Record, Split, collect, one_record

_BLOCK_BYTES = 1 << 22
"""So many bytes are looked at together: what is noted of them takes a few times as much memory."""
_LARGEST_BLOCK = (1 << 31) - 1
"""Places are noted in 32 bits; a block is larger than asked for where one line is."""
_NEWLINE = 10


def split_lines(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split | None:
    """Text with a header as a frame, or None where the careful way must do it (NUL bytes, bare carriage returns,
    delimiters beyond ASCII, a header over several lines, a line of gigabytes). Arguments and errors as in
    `delimited.split_text`.
    """
    if "\0" in text or "\r" in text or not (dialect.delimiter + dialect.quote).isascii():
        return None
    data = (text if text.endswith("\n") else text + "\n").encode()
    spans = list(_blocks(data))
    if max(end - begin for begin, end in spans) > _LARGEST_BLOCK:
        return None
    lines = _Lines(data, spans, dialect)
    occupied = np.flatnonzero(lines.ends > lines.starts)
    occupied = occupied[occupied >= title_rows]
    if not occupied.size:
        raise ReadError(f"{relative}: nothing stands below its {title_rows} title rows; correct title_rows")
    first = int(occupied[0])
    if not lines.is_whole[first]:
        return None
    header = one_record(lines, first, dialect)[0][1]
    names = header_names(header, relative)
    body = occupied[1:]
    careful, taken = _careful_records(lines, body[~lines.is_whole[body]], dialect)
    body = body[lines.is_whole[body] & ~taken[body]]
    is_even = lines.n_cells[body] == len(header)
    n_short = int((lines.n_cells[body] < len(names)).sum())
    if n_short > MAXIMUM_UNREADABLE:
        raise too_many_unreadable(relative)
    careful += [one_record(lines, int(line), dialect)[0] for line in body[~is_even]]
    split = _cut(lines, body[is_even], header, names)
    if not careful:
        return split
    other = collect(sorted(careful), names)
    frame = pl.concat([split.frame, other.frame]).sort(SOURCE_ROW) if other.frame.height else split.frame
    return Split(frame, tuple(sorted((*split.unreadable, *other.unreadable), key=lambda row: row.source_row)))


def _careful_records(
    lines: _Lines, torn: npt.NDArray[np.int64], dialect: Dialect
) -> tuple[list[Record], npt.NDArray[np.bool_]]:
    """The records that begin in lines that are not whole, and which lines they take up."""
    found: list[Record] = []
    taken = np.zeros(len(lines), dtype=np.bool_)
    behind = 0
    for line in map(int, torn):
        if line >= behind:
            record, behind = one_record(lines, line, dialect)
            taken[line:behind] = True
            found.append(record)
    return found, taken


def _cut(lines: _Lines, chosen: npt.NDArray[np.int64], header: Sequence[str], names: Sequence[str]) -> Split:
    """One row per chosen line, each of which has as many cells as the header; what it has beyond the names is told."""
    extra = [f"\0{position}" for position in range(len(header) - len(names))]
    columns = [*names, *extra]
    frame = pl.concat([pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), *lines.cut(chosen, columns)])
    frame = frame.with_columns(pl.Series(SOURCE_ROW, chosen + 1, dtype=pl.Int64))
    unreadable: list[UnreadableRow] = []
    if extra:
        is_spilled = pl.any_horizontal(pl.col(extra).is_not_null())
        reason = f"has {len(header)} cells, the header has {len(names)}"
        unreadable = [UnreadableRow(row, reason) for row in frame.filter(is_spilled)[SOURCE_ROW]]
        frame = frame.filter(~is_spilled).drop(extra)
    return Split(frame, tuple(unreadable))


@dataclass(frozen=True)
class _Block:
    """Some lines. Per line: where it begins and ends (its `\\n` left out), whether it is whole, how many cells it has.

    All places count from the block's own beginning; `delimiters` are those outside quotes, of one line after the other.
    """

    data: Bytes
    starts: Places
    ends: Places
    is_whole: npt.NDArray[np.bool_]
    n_cells: Places
    delimiters: Places
    has_quotes: bool


class _Lines(Sequence[str]):
    """The lines of a text as bytes; an item is a line as text, with its `\\n`."""

    def __init__(self, data: bytes, spans: Sequence[tuple[int, int]], dialect: Dialect) -> None:
        self._data, self._dialect = data, dialect
        self._blocks = [_look(data, begin, end, dialect) for begin, end in spans]
        begins = np.repeat([begin for begin, _ in spans], [block.starts.size for block in self._blocks])
        self.starts = np.concatenate([block.starts for block in self._blocks]) + begins
        self.ends = np.concatenate([block.ends for block in self._blocks]) + begins
        self.is_whole = np.concatenate([block.is_whole for block in self._blocks])
        self.n_cells = np.concatenate([block.n_cells for block in self._blocks])

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        return self._data[self.starts[index] : self.ends[index] + 1].decode()

    def cut(self, chosen: npt.NDArray[np.int64], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The cells of the chosen lines, which all have as many as there are columns, block by block."""
        is_chosen = np.zeros(len(self), dtype=np.bool_)
        is_chosen[chosen] = True
        begin = 0
        for block in self._blocks:
            own = is_chosen[begin : begin + block.starts.size]
            begin += block.starts.size
            if not own.any():
                continue
            kept = block.delimiters
            if not own.all():
                kept = kept[np.repeat(own, block.n_cells - 1)]
            delimiters = kept.reshape(np.count_nonzero(own), len(columns) - 1)
            lines = Lines(block.data, block.starts[own], block.ends[own], delimiters, block.has_quotes)
            yield cut(lines, columns, self._dialect)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Spans of whole lines that cover the data."""
    begin = 0
    while begin < len(data):
        end = begin + _BLOCK_BYTES
        if end < len(data):
            newline = data.rfind(b"\n", begin, end)
            newline = data.find(b"\n", end) if newline < 0 else newline
            end = len(data) if newline < 0 else newline + 1
        yield begin, min(end, len(data))
        begin = end


def _look(data: bytes, begin: int, end: int, dialect: Dialect) -> _Block:
    """Tell the lines of one block apart; it ends with a line feed."""
    block: Bytes = np.frombuffer(data, dtype=np.uint8, count=end - begin, offset=begin)
    ends = _places(block, _NEWLINE)
    starts = np.concatenate([np.zeros(1, dtype=np.int32), ends[:-1] + np.int32(1)])
    delimiters = _places(block, ord(dialect.delimiter))
    quotes = _places(block, ord(dialect.quote))
    is_whole = ends - starts <= MAXIMUM_CELL
    if quotes.size:
        delimiters = delimiters[~_are_quoted(delimiters, quotes, ends)]
        is_whole &= _are_sound(block, quotes, ends, ord(dialect.delimiter))
    n_cells = _per_line(delimiters, ends) + 1
    return _Block(block, starts, ends, is_whole, n_cells, delimiters, bool(quotes.size))


def _places(block: Bytes, sign: int) -> Places:
    return np.flatnonzero(block == sign).astype(np.int32)


def _per_line(places: Places, ends: Places) -> Places:
    """How many of the places each line holds."""
    return np.diff(np.searchsorted(places, ends), prepend=0).astype(np.int32)


def _spans(quotes: Places, ends: Places) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Per quote: whether it opens (the first, third … of its line), and the line it stands in."""
    n_quotes = _per_line(quotes, ends)
    line = np.repeat(np.arange(ends.size), n_quotes)
    before = np.cumsum(n_quotes) - n_quotes
    return (np.arange(quotes.size) - before[line]) % 2 == 0, line


def _are_quoted(delimiters: Places, quotes: Places, ends: Places) -> npt.NDArray[np.bool_]:
    """Which delimiters stand between a quote that opens and the next one of the line."""
    opens, line = _spans(quotes, ends)
    pairs = np.flatnonzero(opens[:-1] & (line[:-1] == line[1:]))
    first, behind = np.searchsorted(delimiters, quotes[pairs]), np.searchsorted(delimiters, quotes[pairs + 1])
    holds_any = behind > first
    steps = np.zeros(delimiters.size + 1, dtype=np.int8)
    steps[first[holds_any]] += 1
    steps[behind[holds_any]] -= 1
    is_quoted: npt.NDArray[np.bool_] = np.cumsum(steps[:-1], dtype=np.int8) > 0
    return is_quoted


def _are_sound(block: Bytes, quotes: Places, ends: Places, delimiter: int) -> npt.NDArray[np.bool_]:
    """Per line: whether its quotes are those of a whole record."""
    opens, line = _spans(quotes, ends)
    before, behind = block[quotes - 1], block[quotes + 1]
    follows_edge = (quotes == 0) | (before == delimiter) | (before == _NEWLINE)
    leads_to_edge = (behind == delimiter) | (behind == _NEWLINE)
    # An opening quote begins its cell, or is the second of a doubled one; a closing quote likewise.
    is_doubled = np.zeros(quotes.size, dtype=np.bool_)
    is_doubled[:-1] = (np.diff(quotes) == 1) & (line[1:] == line[:-1])
    is_second = np.zeros(quotes.size, dtype=np.bool_)
    is_second[1:] = is_doubled[:-1]
    is_sound = np.where(opens, follows_edge | is_second, leads_to_edge | is_doubled)
    n_quotes = np.bincount(line, minlength=ends.size)
    n_unsound = np.bincount(line[~is_sound], minlength=ends.size)
    is_sound_line: npt.NDArray[np.bool_] = (n_quotes % 2 == 0) & (n_unsound == 0)
    return is_sound_line
