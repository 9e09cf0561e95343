"""SPSS and Stata files by pyreadstat: loaded within the limits, whatever is wrong with them.

What belongs here: the call of the library. What does not: what its cells mean (`spss`, `stata`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from assets.ingestion.readers.cells import Cell
from assets.ingestion.readers.native import damage_as
from assets.ingestion.readers.protocol import ReadError, header_names
from codebook.formats import ReadingLimits

Kind = Literal["sav", "dta"]
Columns = dict[str, list[Cell]]


def load(path: Path, relative: str, kind: Kind, encoding: str | None, limits: ReadingLimits) -> tuple[Columns, Any]:
    """Columns of a file and what pyreadstat says about them; user-defined missing values stay in the columns.

    Raises:
        ReadError: not such a file, damaged, not in that encoding, or larger than the limits.
    """
    import pyreadstat

    reading = {"sav": pyreadstat.read_sav, "dta": pyreadstat.read_dta}[kind]
    with damage_as(damage(relative, kind, encoding)):
        _, meta = reading(str(path), metadataonly=True, encoding=encoding, output_format="dict")
        n_columns = len(meta.column_names)
        most = limits.max_sheet_cells // max(n_columns, 1)
        columns, meta = reading(
            str(path), user_missing=True, encoding=encoding, output_format="dict", row_limit=most + 1
        )
        heights = {len(values) for values in columns.values()}
        if len(heights) > 1:
            raise ReadError(f"{relative}: ends early; have it exported again")
    header_names(list(columns), relative)
    if heights and max(heights) > most:
        raise ReadError(
            f"{relative}: spans more than {limits.max_sheet_cells} cells; have it exported in parts, "
            "or raise limits.max_sheet_cells in network.yaml"
        )
    return dict(columns), meta


def damage(relative: str, kind: Kind, encoding: str | None) -> str:
    """The sentence for a file that the library cannot read."""
    name = {"sav": "SPSS", "dta": "Stata"}[kind]
    said = f"in encoding {encoding}" if encoding else "in the encoding that it names"
    return f"{relative}: is no {name} file, is damaged, or is not {said}; have it exported again"


def height(columns: Columns) -> int:
    """Number of records."""
    return max((len(values) for values in columns.values()), default=0)
