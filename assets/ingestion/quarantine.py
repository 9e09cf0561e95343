"""What is kept of a row that was held back: enough to find and mend it, and nothing that names a person.

What belongs here: the quarantine table. What does not: why rows are held back (`assets.ingestion.rows`).
"""

from __future__ import annotations

import json

import polars as pl

from assets.ingestion.columns import ROW_COLUMNS, is_exported, plain
from assets.ingestion.named import personal_columns
from assets.ingestion.source import LandedSource


def quarantine_frame(held: pl.DataFrame, sources: list[LandedSource]) -> pl.DataFrame:
    """`held` (source_file, source_row, rule) with `row_json`; null where the row could not be parsed."""
    contents: dict[tuple[str, int], str] = {}
    for source in sources:
        frame = source.arrived.join(held, on=list(ROW_COLUMNS), how="semi")
        hidden = personal_columns(source.mapping) | source.identifiers
        names = {c: plain(c) for c in frame.columns if is_exported(c) and plain(c) not in hidden}
        cells = frame.select(*names).iter_rows()
        for place, row in zip(frame.select(*ROW_COLUMNS).iter_rows(), cells, strict=True):
            content = {name: text for name, text in zip(names.values(), row, strict=True) if text is not None}
            contents.setdefault(place, json.dumps(content, ensure_ascii=False, sort_keys=True))
    texts = [contents.get((file, row)) for file, row in held.select(*ROW_COLUMNS).iter_rows()]
    return held.select(
        "rule", pl.Series("row_json", texts, dtype=pl.String), pl.col("source_file"), pl.col("source_row")
    )
