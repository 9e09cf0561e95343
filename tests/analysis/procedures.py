"""A declared procedure run on a frame, for the tests of this folder."""

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


def analysis(declared: dict[str, Any], columns: list[str]) -> Analysis:
    """An analysis with this one procedure, and each column a measure of its panel."""
    measure = {"instruments": ["self_harm"], "scale": "self_harm_acts"}
    measures = {column: measure for column in columns if column not in KEYS}
    panel = {"name": "made_panel", "grain": "one row per episode and occasion", "measures": measures}
    first = next(iter(measures))
    return Analysis.model_validate(
        {"name": "made", "title": "Made", "panel": panel, "outcomes": {first: first}, "procedures": [declared]}
    )


def run(
    declared: dict[str, Any], frame: pd.DataFrame, connection: duckdb.DuckDBPyConnection | None = None
) -> tuple[dict[str, Any], Rows]:
    """The row of `results.procedure`, and the rows of the other tables."""
    made = analysis(declared, list(frame.columns))
    library = Library(
        NetworkFolder(Path()), Network(name="t", title="T", is_synthetic=True), {}, {}, {}, {"made": made}
    )
    with connection or duckdb.connect() as open_connection:
        return run_procedure(made.procedures[0], Room(made, library, frame, open_connection))


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    """One column of rows."""
    return [row.get(name) for row in rows]
