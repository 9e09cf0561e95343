"""The schema of the lake: which tables it has, and the type of every column.

What belongs here: names and types that ingestion writes and SQL reads, all derived from the codebook.
What does not: writing or reading the files (`assets.ingestion`, `assets.warehouse`), and rules about values.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from codebook.instrument import Instrument, item_column

Columns = dict[str, pl.DataType]
"""Column → type, in the order in which the Parquet file holds them."""

INT16_MAXIMUM = 32767

EMPTY_PARTITION = "__none__"
"""Site and delivery of the empty typed file that every table has, so that a glob always matches."""

_SOURCE: dict[str, pl.DataType] = {"source_file": pl.String(), "source_row": pl.Int64()}

ENTITY_TABLES: dict[str, Columns] = {
    "patient": {"patient_id": pl.String(), "sex": pl.String(), "birth_year": pl.Int32()},
    "episode": {
        "episode_id": pl.String(),
        "patient_id": pl.String(),
        "treatment": pl.String(),
        "arm": pl.String(),
        "therapist_id": pl.String(),
        "admission_date": pl.Date(),
        "treatment_start_date": pl.Date(),
        "discharge_date": pl.Date(),
        "termination_reason": pl.String(),
        "is_completed_as_planned": pl.Boolean(),
        "schedule": pl.String(),
    },
    "attribute": {
        "episode_id": pl.String(),
        "patient_id": pl.String(),
        "attribute": pl.String(),
        "value": pl.String(),
        "value_date": pl.Date(),
    },
    "session": {
        "episode_id": pl.String(),
        "patient_id": pl.String(),
        "session_number": pl.Int32(),
        "session_date": pl.Date(),
        "is_attended": pl.Boolean(),
    },
    "consent": {
        "patient_id": pl.String(),
        "purpose": pl.String(),
        "status": pl.String(),
        "status_date": pl.Date(),
    },
    "audit": {
        "patient_id": pl.String(),
        "column": pl.String(),
        "value": pl.String(),
        "changed_at": pl.Datetime("us"),
        "user_id": pl.String(),
        "reason": pl.String(),
    },
    "missing_answer": {
        "assessment_id": pl.String(),
        "instrument": pl.String(),
        "item": pl.Int32(),
        "missing_code": pl.String(),
    },
    "finding": {
        "finding_id": pl.String(),
        "patient_id": pl.String(),
        "episode_id": pl.String(),
        "assessment_id": pl.String(),
        "instrument": pl.String(),
        "item": pl.String(),
        "rule": pl.String(),
        "class": pl.String(),
        "severity": pl.String(),
        "message": pl.String(),
    },
    "quarantine": {"rule": pl.String(), "row_json": pl.String()},
}
"""Tables that are the same in every network, without the two source columns that end each."""


def answer_type(instrument: Instrument) -> pl.DataType:
    """Type of an instrument's answers: small whole numbers, large ones (counts, minutes), or half points."""
    if any(version.step != 1 for version in instrument.versions):
        return pl.Float64()
    ranges = [v.item_range(item) for v in instrument.versions for item in range(1, instrument.n_items + 1)]
    return pl.Int16() if all(high <= INT16_MAXIMUM for _, high in ranges) else pl.Int32()


def instrument_columns(instrument: Instrument) -> Columns:
    """Columns of an instrument's own table: one row per assessment, one column per item and per supplied score."""
    columns: Columns = {
        "assessment_id": pl.String(),
        "episode_id": pl.String(),
        "patient_id": pl.String(),
        "version": pl.String(),
        "rater": pl.String(),
        "assessment_date": pl.Date(),
        "declared_months": pl.Float64(),
        "occasion": pl.String(),
        "sequence": pl.Int32(),
        "content_hash": pl.String(),
    }
    answer = answer_type(instrument)
    columns |= {item_column(item): answer for item in range(1, instrument.n_items + 1)}
    columns |= {f"supplied_{scale}": pl.Float64() for scale in instrument.scale_keys}
    return columns | _SOURCE


def lake_schema(instruments: Mapping[str, Instrument]) -> dict[str, Columns]:
    """Every table of the lake, `source_file` and `source_row` last in each.

    Partition columns (`site`, `delivery`, both text) stand in the path and not in the file.

    Raises:
        ValueError: an instrument's key is the name of a table that every network has.
    """
    taken = sorted(set(instruments) & set(ENTITY_TABLES))
    if taken:
        raise ValueError(f"an instrument cannot be called {', '.join(taken)}: the lake has a table of that name")
    schema = {name: columns | _SOURCE for name, columns in ENTITY_TABLES.items()}
    return schema | {key: instrument_columns(instrument) for key, instrument in sorted(instruments.items())}
