"""Delimited text, the fast way: lines are told apart by their bytes, and polars splits those that are whole records.

What belongs here: finding out, cheaply and for every line, that it is one record with as many cells as the header.
What does not: whatever is not; such lines go to the careful way (`records`), one by one.

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

from assets.ingestion.readers.protocol import (
    MAXIMUM_UNREADABLE,
    SOURCE_ROW,
    ReadError,
    UnreadableRow,
    clean,
    header_names,
    too_many_unreadable,
)
from assets.ingestion.readers.records import MAXIMUM_CELL, Dialect, Record, Split, collect, one_record

_BLOCK_BYTES = 1 << 24
"""So many bytes are looked at together: the masks over them take a few times as much memory."""
_NEWLINE = 10
_BLANKS = (9, 11, 12, 13, 32)
_HIGHEST_BLANK = max(_BLANKS)
_WIDE_BLANKS = (0xC285, 0xC2A0, 0xE19A, 0xE280, 0xE281, 0xE380)
"""How blanks beyond ASCII begin in UTF-8; so do a few other signs, such as dashes."""


def split_lines(text: str, dialect: Dialect, relative: str, title_rows: int = 0) -> Split | None:
    """Text with a header as a frame, or None where the careful way must do it (NUL bytes, bare carriage returns,
    delimiters beyond ASCII, a header over several lines). Arguments and errors as in `delimited.split_text`.
    """
    if "\0" in text or "\r" in text or not (dialect.delimiter + dialect.quote).isascii():
        return None
    lines = _Lines(text.encode(), dialect)
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
    split = _parse(lines, body[is_even], header, names, dialect)
    if split is None or not careful:
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


def _parse(
    lines: _Lines, chosen: npt.NDArray[np.int64], header: Sequence[str], names: Sequence[str], dialect: Dialect
) -> Split | None:
    """One row per chosen line, or None should polars see other rows or cells than were counted."""
    extra = [f"\0{position}" for position in range(len(header) - len(names))]
    columns = [*names, *extra]
    if not chosen.size:
        frame = pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in columns})
    else:
        data = lines.joined(chosen)
        frame = pl.read_csv(
            data,
            has_header=False,
            new_columns=columns,
            infer_schema=False,
            separator=dialect.delimiter,
            quote_char=dialect.quote,
        )
        if frame.shape != (chosen.size, len(columns)):
            return None
        if (is_padded := _is_padded(data, dialect)) or dialect.quote.encode() in data:
            frame = clean(frame, is_padded)  # else every cell stands as it is, and the blank ones are null already
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
    """Per line of a block: where it begins and ends (its `\\n` left out), whether it is whole, and how many cells."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    is_whole: npt.NDArray[np.bool_]
    n_cells: npt.NDArray[np.int64]


_NOWHERE: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
_NO_LINES = _Block(_NOWHERE, _NOWHERE, _NOWHERE.astype(np.bool_), _NOWHERE)


class _Lines(Sequence[str]):
    """The lines of a text as bytes; an item is a line as text, with its `\\n`."""

    def __init__(self, data: bytes, dialect: Dialect) -> None:
        self._data = data
        blocks = [_look(data, begin, end, dialect) for begin, end in _blocks(data)] if data else [_NO_LINES]
        self.starts = np.concatenate([block.starts for block in blocks])
        self.ends = np.concatenate([block.ends for block in blocks])
        self.is_whole = np.concatenate([block.is_whole for block in blocks])
        self.n_cells = np.concatenate([block.n_cells for block in blocks])

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

    def joined(self, chosen: npt.NDArray[np.int64]) -> bytes:
        """The chosen lines one behind the other."""
        gaps = np.flatnonzero(np.diff(chosen) != 1)
        firsts = chosen[np.concatenate([[0], gaps + 1])]
        lasts = chosen[np.concatenate([gaps, [chosen.size - 1]])]
        view = memoryview(self._data)
        return b"".join(view[self.starts[a] : self.ends[b] + 1] for a, b in zip(firsts, lasts, strict=True))


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
    """Tell the lines of one block apart."""
    block: npt.NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8, count=end - begin, offset=begin)
    ends = np.flatnonzero(block == _NEWLINE)
    if not ends.size or ends[-1] != block.size - 1:
        ends = np.append(ends, block.size)
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_delimiter = block == ord(dialect.delimiter)
    is_quote = block == ord(dialect.quote)
    is_whole = ends - starts <= MAXIMUM_CELL
    n_delimiters = np.add.reduceat(is_delimiter.view(np.int8), starts, dtype=np.int64)
    if is_quote.any():
        is_sound, n_quoted = _quoted(block, starts, is_quote, is_delimiter)
        is_whole &= is_sound
        n_delimiters -= n_quoted
    return _Block(starts + begin, ends + begin, is_whole, n_delimiters + 1)


def _quoted(
    block: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    is_quote: npt.NDArray[np.bool_],
    is_delimiter: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Per line: whether its quotes are those of a whole record, and how many delimiters stand between quotes."""
    quotes = np.flatnonzero(is_quote)
    line = np.searchsorted(starts, quotes, side="right") - 1
    before = np.concatenate([[0], np.cumsum(np.bincount(line, minlength=starts.size))])
    n_quotes = np.diff(before)
    opens = (np.arange(quotes.size) - before[line]) % 2 == 0
    edge = is_delimiter | (block == _NEWLINE)
    follows_edge = (quotes == 0) | edge[quotes - 1]
    follows_quote = (quotes > 0) & is_quote[quotes - 1]
    last = block.size - 1
    leads_to_edge = (quotes == last) | edge[np.minimum(quotes + 1, last)]
    leads_to_quote = (quotes < last) & is_quote[np.minimum(quotes + 1, last)]
    # An opening quote begins its cell, or is the second of a doubled one; a closing quote likewise.
    is_second = np.zeros(quotes.size, dtype=np.bool_)
    is_second[1:] = follows_quote[1:] & (line[1:] == line[:-1])
    is_sound = np.where(opens, follows_edge | is_second, leads_to_edge | leads_to_quote)
    n_unsound = np.bincount(line[~is_sound], minlength=starts.size)
    is_sound_line: npt.NDArray[np.bool_] = (n_quotes % 2 == 0) & (n_unsound == 0)
    spans = np.flatnonzero(opens[:-1] & ~opens[1:] & (line[:-1] == line[1:]) & (np.diff(quotes) > 1))
    n_quoted = np.zeros(starts.size, dtype=np.int64)
    if spans.size:
        edges = np.column_stack((quotes[spans], quotes[spans + 1])).ravel()
        within = np.add.reduceat(is_delimiter.view(np.int8), edges, dtype=np.int64)[::2]
        np.add.at(n_quoted, line[spans], within)
    return is_sound_line, n_quoted


def _is_padded(data: bytes, dialect: Dialect) -> bool:
    """False where surely no cell begins or ends with a blank."""
    whole: npt.NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8)
    is_blank, is_edge = np.zeros(256, dtype=np.bool_), np.zeros(256, dtype=np.bool_)
    is_edge[[_NEWLINE, ord(dialect.delimiter)]] = True
    is_blank[list(_BLANKS)] = True
    is_blank &= ~is_edge
    is_ascii, quote, last = data.isascii(), ord(dialect.quote), whole.size - 1
    if is_blank[whole[0]] or is_blank[whole[-1]]:
        return True
    for begin in range(0, whole.size, _BLOCK_BYTES):
        part = whole[begin : begin + _BLOCK_BYTES]
        if not is_ascii:
            leads = np.flatnonzero(part >= 0xC2) + begin
            if np.isin(whole[leads] * np.uint16(256) + whole[leads + 1], _WIDE_BLANKS).any():
                return True
        low = np.flatnonzero((part <= _HIGHEST_BLANK) & (part != _NEWLINE) & (part != ord(dialect.delimiter)))
        blanks = low[is_blank[part[low]]] + begin
        for step in (-1, 1):
            beside = whole[blanks + step]
            # A quote is the edge of a cell where it stands alone: a doubled one is part of the cell's text.
            beyond = blanks + 2 * step
            is_alone = (beyond < 0) | (beyond > last) | (whole[np.clip(beyond, 0, last)] != quote)
            if (is_edge[beside] | ((beside == quote) & is_alone)).any():
                return True
    return False
