"""How many patients a unit says it treated in each year: counts/<site>.csv.

What belongs here: these numbers and their file. What does not: who the patients are (`simulation.population`).
"""

from __future__ import annotations

import math

import polars as pl

from simulation.export import SiteExport

NOT_REGISTERED = {"north": 0.04, "south": 0.3, "east": 0.12}
"""Share of the treated who were never registered; west keeps no count."""
FIRST_YEAR, LAST_YEAR = 2010, 2016


def treated_of(export: SiteExport) -> pl.DataFrame | None:
    """A row per calendar year: the registered who were in treatment, and as many more as were never registered."""
    share = NOT_REGISTERED.get(export.kind)
    if share is None:
        return None
    rows = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        start, end = pl.date(year, 1, 1), pl.date(year, 12, 31)
        is_treated = (pl.col("admission") <= end) & (pl.col("discharge").is_null() | (pl.col("discharge") >= start))
        n_registered = export.people.filter(is_treated).height
        rows.append((f"{year}-01-01", f"{year}-12-31", math.ceil(n_registered / (1 - share))))
    return pl.DataFrame(rows, schema=["period_start", "period_end", "n_treated"], orient="row")
