"""Delimited text, the fast way: cells cut out of lines whose delimiters are known, into columns of text.

What belongs here: the columns of lines that are whole records, from the places where their cells begin and end.
What does not: finding those places, and lines that are no whole records (`lines`).

A column of text keeps 16 bytes per cell (Arrow's string view): its length, and behind that its bytes where they are at
most twelve, else the first four, the number of a buffer and the cell's place in it. Writing these for all cells of some
lines at once is several times as fast as going from cell to cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.ingestion.readers.protocol import clean
from assets.ingestion.readers.records import Dialect

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]
Spots = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

_INLINE, _WORD = 12, 4
"""So many bytes of a text stand in its view; they are written in words of so many."""
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(_WORD + 1)], dtype=np.uint32)
"""What is kept of a word of which so many bytes belong to the cell."""
_LOWEST_BLANK, _HIGHEST_BLANK, _BEYOND_ASCII = 9, 32, 0x80
_CELLS_AT_ONCE = 1 << 15
"""What is noted of so many cells fits into a processor's own memory."""


@dataclass(frozen=True)
class Lines:
    """Lines in `data`, each with a line feed behind it: where each begins, ends, and where its cells are parted.

    `delimiters`: lines × (cells - 1). `has_quotes`: whether quotes stand around any cell.
    """

    data: Bytes
    starts: Places
    ends: Places
    delimiters: Places
    has_quotes: bool


@dataclass(frozen=True)
class _Columns:
    """Columns that are being written (columns × lines), and what has to be done about some when all are there.

    `is_there`: whether a cell holds anything. `holds_long`: cells that stand in the text itself; `is_quoted`: with
    quotes around them; `may_be_padded`: with what may be blanks at either end.
    """

    views: npt.NDArray[np.uint32]
    is_there: npt.NDArray[np.bool_]
    holds_long: npt.NDArray[np.bool_]
    is_quoted: npt.NDArray[np.bool_]
    may_be_padded: npt.NDArray[np.bool_]


def cut(lines: Lines, names: Sequence[str], dialect: Dialect) -> pl.DataFrame:
    """The cells of lines that all have as many as there are `names`, without surrounding blanks, null where blank."""
    import pyarrow as pa

    width, height = len(names), lines.starts.size
    flags = np.zeros((3, width), dtype=np.bool_)
    views, is_there = np.zeros((width, height, 4), dtype="<u4"), np.zeros((width, height), dtype=np.bool_)
    columns = _Columns(views, is_there, *flags)
    step = max(1, _CELLS_AT_ONCE // width)
    for first in range(0, height, step):
        some = slice(first, first + step)
        delimiters = lines.delimiters[some]
        begins = np.concatenate([lines.starts[some, None], delimiters + np.int32(1)], axis=1, dtype=np.int64)
        stops = np.concatenate([delimiters, lines.ends[some, None]], axis=1, dtype=np.int64)
        _write(columns, first, lines, begins, stops, dialect)
    n_null = height - np.count_nonzero(is_there, axis=1)
    validity = np.packbits(is_there, axis=1, bitorder="little")
    text = pa.py_buffer(lines.data)
    arrays = []
    for column in range(width):
        buffers = [pa.py_buffer(validity[column]) if n_null[column] else None, pa.py_buffer(views[column])]
        buffers += [text] if columns.holds_long[column] else []
        arrays.append(pa.Array.from_buffers(pa.string_view(), height, buffers, null_count=int(n_null[column])))
    frame = pl.DataFrame(pa.RecordBatch.from_arrays(arrays, names=[str(column) for column in range(width)]))
    frame.columns = list(names)
    if columns.is_quoted.any():
        quoted, quote = [names[column] for column in np.flatnonzero(columns.is_quoted).tolist()], dialect.quote
        frame = frame.with_columns(pl.col(quoted).str.replace_all(quote * 2, quote, literal=True))
    padded = [names[column] for column in np.flatnonzero(columns.may_be_padded).tolist()]
    return frame.with_columns(clean(frame.select(padded))) if padded else frame


def _write(columns: _Columns, first: int, lines: Lines, begins: Spots, stops: Spots, dialect: Dialect) -> None:
    """Write the views of some lines' cells (lines × cells) from line `first` on."""
    origin, end = begins[0, 0], stops[-1, -1]
    data = lines.data[origin : end + 1]
    begins -= origin
    stops -= origin
    if lines.has_quotes:
        is_quoted = data.take(begins) == ord(dialect.quote)
        begins += is_quoted
        stops -= is_quoted
        columns.is_quoted[is_quoted.any(axis=0)] = True
    lengths = stops - begins
    some = slice(first, first + len(lengths))
    columns.is_there[:, some] = (lengths > 0).T
    parting = None if lines.has_quotes else ord(dialect.delimiter)
    columns.may_be_padded[_may_be_padded(data, parting, begins, stops)] = True
    words = _words(data)
    views = (words.take(begins) & _MASKS.take(lengths, mode="clip")).astype(np.uint64)
    views <<= np.uint64(32)
    views |= lengths.view(np.uint64)
    columns.views.view("<u8")[:, some, 0] = views.T
    cells = np.flatnonzero(lengths.ravel() > _WORD)
    if cells.size:
        line, column = np.divmod(cells, lengths.shape[1])
        places = (column * columns.views.shape[1] + first + line) * 4
        _write_rest(columns, places, column, words, begins.ravel()[cells], lengths.ravel()[cells], origin)


def _write_rest(
    columns: _Columns, places: Spots, column: Spots, words: Words, begins: Spots, lengths: Spots, origin: np.int64
) -> None:
    """Write what lies behind the first word of cells: the other two, or where the cell stands."""
    views = columns.views.reshape(-1)
    is_long = lengths > _INLINE
    columns.holds_long[column[is_long]] = True
    views[places[is_long] + 3] = begins[is_long] + origin
    is_short = ~is_long
    places, begins, lengths = places[is_short], begins[is_short], lengths[is_short]
    for nth in (1, 2):
        word = words.take(begins + nth * _WORD, mode="clip") & _MASKS.take(lengths - nth * _WORD, mode="clip")
        views[places + 1 + nth] = word


def _words(data: Bytes) -> Words:
    """The word that begins at each byte; behind the last are zeros."""
    wide = np.zeros(data.size + _WORD, dtype=np.uint16)
    wide[: data.size] = data
    pairs = wide[:-1] | wide[1:] << np.uint16(8)
    words = pairs[2 : 2 + data.size].astype(np.uint32)
    words <<= np.uint32(16)
    words |= pairs[: data.size]
    return words


def _may_be_padded(data: Bytes, delimiter: int | None, begins: Spots, stops: Spots) -> Spots:
    """The columns with a cell that may begin or end with a blank, told by its first and last byte.

    `delimiter`: a sign that stands in no cell; None where it may, between quotes.
    """
    is_blank = (data >= _LOWEST_BLANK) & (data <= _HIGHEST_BLANK) | (data >= _BEYOND_ASCII)
    is_blank &= data != ord("\n")
    if delimiter is not None:
        is_blank &= data != delimiter
    blanks = np.flatnonzero(is_blank)
    if not blanks.size:
        return blanks
    cells = np.searchsorted(begins.ravel(), blanks, side="right") - 1
    sign = data[blanks]
    may_lead = (sign <= _HIGHEST_BLANK) | (sign == 0xC2) | ((sign >= 0xE1) & (sign <= 0xE3))
    may_trail = (sign <= _HIGHEST_BLANK) | (sign < 0xC0)
    leads = may_lead & (begins.ravel()[cells] == blanks) & (stops.ravel()[cells] > blanks)
    trails = may_trail & (stops.ravel()[cells] == blanks + 1)
    return np.unique(cells[leads | trails] % begins.shape[1])
