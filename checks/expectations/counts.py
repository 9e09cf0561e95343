"""The counts of every measure as one frame, with the threshold that each is judged against.

What belongs here: running the queries, and a row for everything that a site delivers or should deliver. What does not:
the queries (`queries`), judging (`judging`), words (`messages`).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from checks.expectations.limits import limit_for
from checks.expectations.measures import BY_NAME, Measure
from checks.expectations.queries import measure_sql
from codebook.library import Library

if TYPE_CHECKING:
    import duckdb

PLACE = ("site_id", "instrument", "scale")
_COUNTED: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "instrument": pl.String(),
    "scale": pl.String(),
    "n_checked": pl.Int64(),
    "n_failed": pl.Int64(),
    "n_told": pl.Int64(),
    "n_beside": pl.Int64(),
    "n_basis": pl.Int64(),
    "difference": pl.Float64(),
}
MEASURED: dict[str, pl.DataType] = {
    "suite": pl.String(),
    "measure": pl.String(),
    "direction": pl.String(),
    "label": pl.String(),
    **_COUNTED,
    "minimum": pl.Int64(),
    "threshold": pl.Float64(),
    "network_threshold": pl.Float64(),
    "waiver": pl.String(),
    "waived_until": pl.Date(),
    "waiver_ended": pl.Date(),
    "error": pl.String(),
}
"""Columns of `measures`. Of a drop, `n_checked` is what was expected and `n_told` what came, `n_beside` the number of
earlier deliveries; of a shift, `n_told` is the number of new scores, `n_checked` those compared, `n_beside` the earlier
ones, `difference` the standardised difference. `n_basis` is what has to reach `minimum`."""


def measures(connection: duckdb.DuckDBPyConnection, library: Library, today: dt.date) -> pl.DataFrame:
    """Counts of every measure, for each site with each instrument that it delivers or should deliver.

    Args:
        connection: to the build's warehouse (read-only is enough).
        library: the network's declarations, for sites, periods and thresholds.
        today: the day that decides which waivers hold.

    Returns:
        The columns of `MEASURED`: a measure that cannot be computed has rows with its reason in `error`.
    """
    import duckdb

    frames = [pl.DataFrame(schema=MEASURED)]
    for name, sql in measure_sql(library).items():
        error = None
        counted = pl.DataFrame(schema=_COUNTED)
        try:
            counted = _typed(connection.execute(sql).pl())
        except duckdb.Error as problem:
            error = f"could not be counted ({type(problem).__name__})"
        frames.append(_measured(BY_NAME[name], counted, error, library, today))
    return pl.concat(frames)


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a count; a plain share rests on all that it checks."""
    if "n_basis" not in frame.columns:
        frame = frame.with_columns(n_basis=pl.col("n_checked"))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in _COUNTED.items()
    )


def _measured(
    measure: Measure, counted: pl.DataFrame, error: str | None, library: Library, today: dt.date
) -> pl.DataFrame:
    grid = pl.DataFrame(_grid(measure, library), schema={name: _COUNTED[name] for name in PLACE}, orient="row")
    rows = (
        pl.concat([grid, counted.select(PLACE)])
        .unique()
        .sort(PLACE)
        .join(counted, on=PLACE, how="left", nulls_equal=True)
        .with_columns(pl.col("n_checked", "n_basis").fill_null(0))
    )
    if measure.form != "shift":
        rows = rows.with_columns(pl.col("n_failed").fill_null(0))
    limits = [
        limit_for(library.network.quality, measure.name, site, instrument, today)
        for site, instrument in rows.select("site_id", "instrument").iter_rows()
    ]
    told: dict[str, list[Any]] = {
        "threshold": [limit.threshold for limit in limits],
        "network_threshold": [limit.network for limit in limits],
        "waiver": [limit.waiver_words for limit in limits],
        "waived_until": [limit.waiver.until if limit.waiver else None for limit in limits],
        "waiver_ended": [limit.ended for limit in limits],
        "label": [_label(library, instrument, scale) for instrument, scale in rows.select(PLACE[1:]).iter_rows()],
    }
    return rows.with_columns(
        *(pl.Series(name, values, dtype=MEASURED[name]) for name, values in told.items()),
        suite=pl.lit(measure.suite),
        measure=pl.lit(measure.name),
        direction=pl.lit(measure.direction, dtype=pl.String),
        minimum=pl.lit(measure.minimum(library.network.quality), dtype=pl.Int64),
        error=pl.lit(error, dtype=pl.String),
    ).select(list(MEASURED))


def _grid(measure: Measure, library: Library) -> list[tuple[str, str | None, str | None]]:
    """What has a row even where nothing was counted."""
    used = sorted({(site.site, key) for site in library.sites.values() for key in site.instruments_used()})
    if measure.form == "shift":
        scales = {key: sorted({scale.key for scale in item.scales}) for key, item in library.instruments.items()}
        return [(site, key, scale) for site, key in used for scale in scales.get(key, [])]
    whole: list[tuple[str, str | None, str | None]] = [(site, key, None) for site, key in used]
    return whole + [(site, None, None) for site in sorted(library.sites) if measure.form == "drop"]


def _label(library: Library, instrument: str | None, scale: str | None) -> str:
    """How a sentence calls it: the instrument's name, with the scale's, or all instruments."""
    if instrument is None:
        return "All instruments"
    known = library.instruments.get(instrument)
    if known is None:
        return instrument
    named = next((item.label for item in known.scales if item.key == scale), None) if scale else None
    return f"{known.name}, {named or scale}" if scale else known.name
