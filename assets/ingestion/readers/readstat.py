"""SPSS and Stata files by pyreadstat: loaded within the limits, whatever is wrong with them.

What belongs here: the call of the library. What does not: what its cells mean (`spss`, `stata`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assets.ingestion.readers.cells import Cell
from assets.ingestion.readers.native import damage_as
from assets.ingestion.readers.protocol import ReadError, header_names, text_frame
from codebook.formats import ReadingLimits

Kind = Literal["sav", "dta"]
_CELLS = 500_000
"""Of one part: Python keeps a number in a tenth of a kilobyte, a frame in sixteen bytes."""
Columns = dict[str, list[Cell]]


@dataclass(frozen=True)
class Part:
    """Some records of a file: their columns, what pyreadstat says about the file, and the number of the first."""

    columns: Columns
    meta: Any
    first_row: int

    def frame(self, texts: Mapping[str, list[str | None]]) -> pl.DataFrame:
        """The records as text under their numbers."""
        n_rows = max((len(values) for values in self.columns.values()), default=0)
        return text_frame(texts, range(self.first_row, self.first_row + n_rows))


def parts(path: Path, relative: str, kind: Kind, encoding: str | None, limits: ReadingLimits) -> Iterator[Part]:
    """All records of a file, some at a time; user-defined missing values stay in the columns.

    A file without records has one part without any.

    Raises:
        ReadError: not such a file, damaged, not in that encoding, or larger than the limits.
    """
    import pyreadstat

    reading = {"sav": pyreadstat.read_sav, "dta": pyreadstat.read_dta}[kind]
    with damage_as(damage(relative, kind, encoding)):
        _, meta = reading(str(path), metadataonly=True, encoding=encoding, output_format="dict")
    n_columns = max(len(header_names(list(meta.column_names), relative)), 1)
    rows, most = max(_CELLS // n_columns, 1), limits.max_sheet_cells // n_columns
    first = 1
    while True:
        with damage_as(damage(relative, kind, encoding)):
            columns, meta = reading(
                str(path),
                user_missing=True,
                encoding=encoding,
                output_format="dict",
                row_offset=first - 1,
                row_limit=rows,
            )
        heights = {len(values) for values in columns.values()} or {0}
        if len(heights) > 1:
            raise ReadError(f"{relative}: ends early; have it exported again")
        height = heights.pop()
        if first - 1 + height > most:
            raise ReadError(
                f"{relative}: spans more than {limits.max_sheet_cells} cells; have it exported in parts, "
                "or raise limits.max_sheet_cells in network.yaml"
            )
        if height or first == 1:
            yield Part(dict(columns), meta, first)
        if height < rows:
            return
        first += height


def damage(relative: str, kind: Kind, encoding: str | None) -> str:
    """The sentence for a file that the library cannot read."""
    name = {"sav": "SPSS", "dta": "Stata"}[kind]
    said = f"in encoding {encoding}" if encoding else "in the encoding that it names"
    return f"{relative}: is no {name} file, is damaged, or is not {said}; have it exported again"
