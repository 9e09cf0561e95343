"""Two ledgers of different days held beside each other by id: what is new, what persists, what was resolved.

What belongs here: the comparison and the rows of `quality.change`. What does not: building a ledger
(`assets.warehouse.ledgers`), and what is overdue or open (SQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.run_context import Clocks
from codebook.library import Library

FILE_NAME = "quality.change.parquet"

CHANGE_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "kind": pl.String(),
    "instrument": pl.String(),
    "label": pl.String(),
    "n_new": pl.Int64(),
    "n_persisting": pl.Int64(),
    "n_resolved": pl.Int64(),
    "n_lapsed": pl.Int64(),
    "is_first": pl.Boolean(),
    "from_as_of": pl.Date(),
    "from_today": pl.Date(),
    "to_as_of": pl.Date(),
    "to_today": pl.Date(),
}
"""Columns of `quality.change`; one row per site, kind (`overdue`, `finding`), instrument and label (occasion or rule).

Of overdue points `n_resolved` counts those that came, were answered or are no longer expected, `n_lapsed` those that
stayed away until they were given up as missed. `is_first`: the unit had delivered nothing by `from_as_of`, so that
everything of it is new.
"""
FATES = ("new", "persisting", "resolved", "lapsed")

_PLACE = ("kind", "id", "site_id", "instrument", "label")
_LEDGER = {**dict.fromkeys(_PLACE, pl.String()), "is_lapsed": pl.Boolean()}
_LEDGER_SQL = """
select
    'overdue' as kind, due_point_id as id, site_id, instrument, occasion as label, status = 'missed' as is_lapsed
from quality.expected_assessment
where status = 'overdue' or (status = 'missed' and reason is null)
union all
select 'finding' as kind, finding_id as id, site_id, instrument, rule as label, false as is_lapsed
from quality.finding
where status in ('open', 'reopened')
"""


@dataclass(frozen=True)
class Span:
    """The clocks of the two ledgers."""

    earlier: Clocks
    later: Clocks

    @classmethod
    def until(cls, later: Clocks, days: int) -> Span:
        """The ledgers of `later` and of `days` before, with the deliveries known on that day."""
        day = later.today - dt.timedelta(days=days)
        return cls(Clocks(min(day, later.as_of or day), day), later)


def compare(before: Path | None, after: Path | None) -> pl.DataFrame:
    """What became of every overdue due point and open finding: kind, id, site_id, instrument, label, fate.

    Args:
        before, after: warehouses that hold the two ledgers; None where nothing had been delivered.
    """
    old, new = ledger(before), ledger(after)
    was, now = (frame.filter(~pl.col("is_lapsed")) for frame in (old, new))
    lapsed = new.filter("is_lapsed").select("kind", "id")
    gone = was.join(now, on=["kind", "id"], how="anti")
    fates = [
        now.join(was, on=["kind", "id"], how="anti").with_columns(fate=pl.lit("new")),
        now.join(was, on=["kind", "id"], how="semi").with_columns(fate=pl.lit("persisting")),
        gone.join(lapsed, on=["kind", "id"], how="anti").with_columns(fate=pl.lit("resolved")),
        gone.join(lapsed, on=["kind", "id"], how="semi").with_columns(fate=pl.lit("lapsed")),
    ]
    return pl.concat(fates).select(*_PLACE, "fate").sort("site_id", "kind", "instrument", "label", "fate", "id")


def ledger(warehouse: Path | None) -> pl.DataFrame:
    """What is overdue or open in a warehouse, and what was given up as missed (`is_lapsed`), which is not overdue."""
    import duckdb

    if warehouse is None:
        return pl.DataFrame(schema=_LEDGER)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(_LEDGER_SQL).pl().select(pl.col(name).cast(kind) for name, kind in _LEDGER.items())


def changes(compared: pl.DataFrame, span: Span, delivered: Collection[str]) -> pl.DataFrame:
    """Rows of `quality.change` from `compare`. `delivered`: units that had delivered by the earlier day."""
    later = span.later
    counted = compared.group_by("site_id", "kind", "instrument", "label").agg(
        (pl.col("fate") == fate).sum().cast(pl.Int64).alias(f"n_{fate}") for fate in FATES
    )
    return (
        counted.with_columns(
            is_first=~pl.col("site_id").is_in(sorted(delivered)),
            from_as_of=pl.lit(span.earlier.as_of, dtype=pl.Date),
            from_today=pl.lit(span.earlier.today, dtype=pl.Date),
            to_as_of=pl.lit(later.as_of or later.today, dtype=pl.Date),
            to_today=pl.lit(later.today, dtype=pl.Date),
        )
        .select(list(CHANGE_SCHEMA))
        .cast(CHANGE_SCHEMA)  # type: ignore[arg-type]
        .sort("site_id", "kind", "instrument", "label")
    )


def default_span(library: Library, later: Clocks) -> Span:
    """The span that every run compares: as many days as the network declares, up to the run's own clocks."""
    return Span.until(later, library.network.quality.compared_days)


def write_changes(frame: pl.DataFrame, folder: Path) -> Path:
    """Write the rows to `<folder>/quality.change.parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    frame.write_parquet(path)
    return path
