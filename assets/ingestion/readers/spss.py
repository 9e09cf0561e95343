"""SPSS files: codes as text, dates as ISO, with the missing values and labels that the file declares.

What belongs here: what is special about `.sav`. What does not: what a code means (labels are handed over, not applied).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from assets.ingestion.readers.protocol import ReadError, SourceFrame, header_names, text_frame
from codebook.formats import ReadingLimits, SpssFormat

Cell = float | int | str | dt.date | dt.time | None


def read(
    path: Path, relative: str, format: SpssFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read a `.sav` file (`assets.ingestion.readers.protocol.read_file` says what comes out).

    `source_row` is the record's number. `user_missing` holds those values of the data that lie in a range which the
    file declares missing, with their label where it has one; the values stay in the frame.

    Raises:
        ReadError: not an SPSS file, or its text is not in the declared encoding.
    """
    import pyreadstat

    try:
        columns, meta = pyreadstat.read_sav(
            str(path), user_missing=True, encoding=format.encoding, output_format="dict"
        )
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError):
        said = f"in encoding {format.encoding}" if format.encoding else "in the encoding that it names"
        raise ReadError(f"{relative}: is no SPSS file, is damaged, or is not {said}; have it exported again") from None
    header_names(list(columns), relative)
    texts = {name: [_text(value) for value in values] for name, values in columns.items()}
    labels = {
        name: {code: str(label) for value, label in known.items() if (code := _text(value)) is not None}
        for name, known in meta.variable_value_labels.items()
    }
    user_missing = {
        name: codes
        for name, ranges in meta.missing_ranges.items()
        if (codes := _declared_missing(columns[name], ranges, labels.get(name, {})))
    }
    frame = text_frame(texts, range(1, meta.number_rows + 1))
    return SourceFrame(relative, None, frame, user_missing=user_missing, labels=labels)


def _declared_missing(
    values: Sequence[Cell], ranges: Sequence[Mapping[str, float | str]], labels: Mapping[str, str]
) -> dict[str, str]:
    """Codes in the data that lie in a declared range (both ends included), with a label each."""
    found = sorted(
        {
            code
            for value in values
            if isinstance(value, float | int | str) and (code := _text(value)) is not None
            if any(_within(value, item["lo"], item["hi"]) for item in ranges)
        }
    )
    return {code: labels.get(code, "declared missing in the file") for code in found}


def _within(value: float | str, low: float | str, high: float | str) -> bool:
    if isinstance(value, str) or isinstance(low, str) or isinstance(high, str):
        return str(low).strip() <= str(value).strip() <= str(high).strip()
    return low <= value <= high


def _text(value: Cell) -> str | None:
    """A cell as text: `3` for 3.0, ISO for dates (the time of day only where there is one), None for nothing."""
    match value:
        case None:
            return None
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
        case dt.date():
            return value.isoformat()
        case dt.time():
            return value.isoformat("seconds")
        case _:
            return str(value).strip() or None
