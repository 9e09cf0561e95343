"""A declared procedure run on a frame, for the tests of multilevel models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from assets.analysis.procedure import Room, Rows, run_procedure
from codebook.analysis import Analysis
from codebook.library import Library
from codebook.network import Network, NetworkFolder

KEYS = {"patient_id", "episode_id", "site_id", "months", "occasion", "assessment_id"}


def run(
    declared: dict[str, Any], frame: pd.DataFrame, connection: duckdb.DuckDBPyConnection | None = None
) -> tuple[dict[str, Any], Rows]:
    """The row of `results.procedure`, and the rows of the other tables; every column but the keys is a measure."""
    measure = {"instruments": ["wai_sr"], "scale": "task"}
    measures = {column: measure for column in frame.columns if column not in KEYS}
    made = Analysis.model_validate(
        {
            "name": "made",
            "title": "Made",
            "panel": {"name": "made_panel", "grain": "one row per assessment", "measures": measures},
            "outcomes": {next(iter(measures)): "First"},
            "procedures": [{"name": "asked", "title": "Asked", **declared}],
        }
    )
    network = Network(name="t", title="T", is_synthetic=True)
    library = Library(NetworkFolder(Path()), network, {}, {}, {}, {"made": made})
    with connection or duckdb.connect() as opened:
        return run_procedure(made.procedures[0], Room(made, library, frame, opened))


def panel(frame: pd.DataFrame, patient: str, months: str) -> pd.DataFrame:
    """A frame with the keys of a panel; one episode for each patient."""
    keyed = frame.rename(columns={patient: "patient_id", months: "months"})
    keyed["patient_id"] = keyed["patient_id"].astype(str)
    given = {"episode_id": "e" + keyed["patient_id"], "site_id": "north", "occasion": None}
    return keyed.assign(**{key: value for key, value in given.items() if key not in keyed.columns})


def by(rows: list[dict[str, Any]], column: str) -> dict[Any, dict[str, Any]]:
    """Rows by one of their columns."""
    assert len({row[column] for row in rows}) == len(rows), "the column does not tell the rows apart"
    return {row[column]: row for row in rows}
