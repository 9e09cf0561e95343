"""Who is in the lake: patients, and whose each course is, over all deliveries.

What belongs here: reading ids. What does not: merges and splits (`checks.identity`).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl


def patients_of(lake: Path) -> list[str]:
    """Every patient that any delivery in the lake names."""
    return _read(lake, "patient", ["patient_id"])["patient_id"].to_list()


def owners_of(lake: Path) -> dict[str, str]:
    """Course → patient, as the deliveries have them."""
    return dict(_read(lake, "episode", ["episode_id", "patient_id"]).iter_rows())


def _read(lake: Path, table: str, columns: list[str]) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=dict.fromkeys(columns, pl.String))]
    files = sorted((lake / "accepted" / table).glob("*/*/part.parquet"))
    frames += [pl.read_parquet(file, columns=columns, hive_partitioning=False) for file in files]
    return pl.concat(frames).unique().sort(columns)
