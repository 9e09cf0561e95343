"""The rows of `quality.expectation`: of a whole network or of one unit, and as the file that the seal loads.

What belongs here: from a warehouse to judged rows. What does not: how (`counts`, `judging`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from checks.expectations.counts import measures
from checks.expectations.judging import SCHEMA, judge
from codebook.library import Library

FILE_NAME = "quality.expectation.parquet"


def judge_warehouse(database: Path, library: Library, today: dt.date, site: str | None = None) -> pl.DataFrame:
    """Rows of `quality.expectation` for a warehouse file, opened read-only; of one site where it is named.

    `today` decides which waivers hold. Thresholds are those declared now, whatever the file was built with.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        measured = measures(connection, library, today)
    return judge(measured if site is None else measured.filter(pl.col("site_id") == site))


def write_expectations(frame: pl.DataFrame, folder: Path) -> Path:
    """Write the rows to `<folder>/quality.expectation.parquet`, with every column typed even where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    pl.concat([pl.DataFrame(schema=SCHEMA), frame.select(list(SCHEMA))]).write_parquet(path)
    return path
