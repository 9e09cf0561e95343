"""A small room for one procedure: a panel, or a warehouse of answers and scores, and the codebook's instruments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from assets.analysis.declared import run_analyses
from assets.analysis.procedure import Room, run_procedure
from codebook.analysis import Analysis
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder

INSTRUMENTS = load_instruments()
Row = dict[str, Any]


def library(*analyses: Analysis, accepted: tuple[str, ...] = ()) -> Library:
    network = Network(name="test", title="Test", is_synthetic=True, accepted_unverified=accepted)
    folder = NetworkFolder(Path())
    return Library(folder, network, INSTRUMENTS, {}, {}, {analysis.name: analysis for analysis in analyses})


def analysis(
    procedure: Row, measures: dict[str, Row] | None = None, covariates: dict[str, Row] | None = None
) -> Analysis:
    measures = measures or {"score": {"instruments": ["bdi_ii"], "scale": "total"}}
    panel = {"name": "panel", "grain": "one row", "measures": measures, "covariates": covariates or {}}
    return Analysis.model_validate(
        {
            "name": "measures",
            "title": "Measures",
            "panel": panel,
            "outcomes": {name: name.upper() for name in measures},
            "procedures": [{"name": "one", "title": "One"} | procedure],
        }
    )


def run(
    declared: Analysis,
    panel: pd.DataFrame | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    accepted: tuple[str, ...] = (),
) -> tuple[Row, dict[str, list[Row]]]:
    """The row of `results.procedure`, and the rows of every other table."""
    with duckdb.connect() as empty:
        frame = pd.DataFrame() if panel is None else panel
        room = Room(declared, library(declared, accepted=accepted), frame, connection or empty)
        return run_procedure(declared.procedures[0], room)


def tables(declared: Analysis, connection: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    """Every table that a run of the whole analysis seals."""
    results = run_analyses(connection, library(declared), lambda sentence: None)
    return {name: table.to_pandas() for name, table in results.tables.items()}


def panel(before: list[float], after: list[float | None], **columns: list[Any]) -> pd.DataFrame:
    """Two occasions of `score`, a course for each place of the lists."""
    parts = []
    for occasion, months, values in (("baseline", 0.0, before), ("discharge", 12.0, after)):
        part = pd.DataFrame({"score": values, "months": months, "occasion": occasion} | columns)
        part["patient_id"] = [f"p{place:03d}" for place in range(len(values))]
        part["episode_id"] = "e" + part["patient_id"].str[1:]
        parts.append(part.assign(site_id="north"))
    return pd.concat(parts, ignore_index=True).astype({"score": float})


def answers(
    connection: duckdb.DuckDBPyConnection,
    instrument: str,
    version: str,
    items: pd.DataFrame,
    occasion: str = "baseline",
    rater: str = "patient",
    months: float = 0.0,
    prefix: str = "p",
) -> None:
    """A form for each row of `items` (columns: item numbers, as exported), each of another patient."""
    connection.execute("create schema if not exists harmonised")
    connection.execute("""create table if not exists harmonised.assessment (assessment_id varchar, patient_id varchar,
        episode_id varchar, instrument varchar, version varchar, rater varchar, occasion varchar, months double,
        sequence integer, assessment_date date)""")
    connection.execute("""create table if not exists harmonised.item_response (assessment_id varchar,
        instrument varchar, item integer, value double, missing_code varchar)""")
    form = pd.DataFrame({"patient_id": [f"{prefix}{place:04d}" for place in range(len(items))]})
    form["assessment_id"] = [f"a-{instrument}-{occasion}-{patient}" for patient in form["patient_id"]]
    long = items.set_axis(form["assessment_id"]).stack().rename("value").reset_index()
    long.columns = pd.Index(["assessment_id", "item", "value"])
    connection.execute(
        "insert into harmonised.assessment select assessment_id, patient_id, 'e' || patient_id, ?, ?, ?, ?, ?, "
        "null, null from form",
        [instrument, version, rater, occasion, months],
    )
    connection.execute(
        "insert into harmonised.item_response select assessment_id, ?, item, value, null from long", [instrument]
    )
