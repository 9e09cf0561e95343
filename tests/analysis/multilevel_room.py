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


def made(declared: dict[str, Any], frame: pd.DataFrame) -> Analysis:
    """An analysis of this procedure; every column but the keys is a measure, but text is a covariate."""
    measure = {"instruments": ["wai_sr"], "scale": "task"}
    columns = [column for column in frame.columns if column not in KEYS]
    text = [column for column in columns if frame[column].dtype.kind not in "biuf"]
    return Analysis.model_validate(
        {
            "name": "made",
            "title": "Made",
            "panel": {
                "name": "made_panel",
                "grain": "one row per assessment",
                "measures": {column: measure for column in columns if column not in text},
                "covariates": {column: {"kind": "episode", "column": "arm"} for column in text},
            },
            "outcomes": {next(column for column in columns if column not in text): "First"},
            "procedures": [{"name": "asked", "title": "Asked", **declared}],
        }
    )


def run(
    declared: dict[str, Any], frame: pd.DataFrame, connection: duckdb.DuckDBPyConnection | None = None
) -> tuple[dict[str, Any], Rows]:
    """The row of `results.procedure`, and the rows of the other tables."""
    analysis = made(declared, frame)
    network = Network(name="t", title="T", is_synthetic=True)
    library = Library(NetworkFolder(Path()), network, {}, {}, {}, {"made": analysis})
    with connection or duckdb.connect() as opened:
        return run_procedure(analysis.procedures[0], Room(analysis, library, frame, opened))


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
