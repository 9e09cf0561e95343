"""What the mapping of one delivery needs to know besides the rows themselves.

What belongs here: values handed down. What does not: anything read from the delivery.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from checks.keys import Pseudonymiser
from codebook.library import Library
from codebook.site import Mapping, Site

KNOWN_EPISODE_COLUMNS = {
    "patient_id": pl.String,
    "episode_id": pl.String,
    "admission_date": pl.Date,
    "treatment_start_date": pl.Date,
    "discharge_date": pl.Date,
}


@dataclass(frozen=True)
class Context:
    """`known_episodes`: courses that earlier deliveries of an incremental site brought (KNOWN_EPISODE_COLUMNS)."""

    library: Library
    site: Site
    mapping: Mapping
    pseudonyms: Pseudonymiser
    delivery_date: dt.date
    known_episodes: pl.DataFrame

    @property
    def decimal(self) -> str:
        """Decimal sign of the export."""
        return self.site.format.decimal
