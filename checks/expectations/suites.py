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

_HELD_SQL = """
select site_id, delivery as held_delivery
from (
    select site_id, delivery, gate, row_number() over (partition by site_id order by delivery desc) as recency
    from quality.delivery
) as newest
where recency = 1 and gate <> 'accepted'
"""


def judge_warehouse(database: Path, library: Library, today: dt.date, site: str | None = None) -> pl.DataFrame:
    """Rows of `quality.expectation` for a warehouse file, opened read-only; of one site where it is named.

    `today` decides which waivers hold. Thresholds are those declared now, whatever the file was built with.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        measured = measures(connection, library, today)
        held = connection.execute(_HELD_SQL).pl().cast({"site_id": pl.String, "held_delivery": pl.String})
    judged = judge(measured if site is None else measured.filter(pl.col("site_id") == site))
    joined = judged.drop("held_delivery").join(held, on="site_id", how="left", maintain_order="left")
    return joined.select(list(SCHEMA))


def write_expectations(frame: pl.DataFrame, folder: Path) -> Path:
    """Write the rows to `<folder>/quality.expectation.parquet`, with every column typed even where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    pl.concat([pl.DataFrame(schema=SCHEMA), frame.select(list(SCHEMA))]).write_parquet(path)
    return path
