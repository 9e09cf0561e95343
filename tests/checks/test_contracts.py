"""The contract of an instrument's table lets sound tables through and names the column of every breach."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from checks.contracts import ContractError, enforce
from checks.lake_schema import lake_schema
from codebook.library import load_instruments

INSTRUMENTS = {"wai_sr": load_instruments()["wai_sr"]}
N = 12


def tables(**changed: pl.Expr) -> dict[str, pl.DataFrame]:
    """Every table without rows, but the instrument's with three sound ones, of which columns are `changed`."""
    schema = lake_schema(INSTRUMENTS)
    made = {name: pl.DataFrame(schema=columns) for name, columns in schema.items()}
    version = INSTRUMENTS["wai_sr"].versions[0]
    known = {
        "assessment_id": ["a1", "a2", "a3"],
        "episode_id": ["e1", "e1", "e2"],
        "patient_id": ["p1", "p1", "p2"],
        "version": [version.key] * 3,
        "rater": ["patient"] * 3,
        "assessment_date": [dt.date(2026, 1, 1), None, None],
        "content_hash": ["x"] * 3,
        **{f"item_{item:02d}": [version.minimum, None, version.maximum] for item in range(1, N + 1)},
        "source_file": ["f.csv"] * 3,
        "source_row": [2, 3, 4],
    }
    columns = schema["wai_sr"]
    frame = pl.DataFrame({c: pl.Series(known.get(c, [None] * 3), dtype=dtype) for c, dtype in columns.items()})
    made["wai_sr"] = frame.with_columns([value.alias(column) for column, value in changed.items()])
    return made


def test_a_sound_table_passes_and_empty_ones_are_not_checked() -> None:
    assert enforce(tables(), INSTRUMENTS) == 1


SECOND = pl.int_range(pl.len()) == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("item_12", pl.when(SECOND).then(99).otherwise(pl.col("item_12")).cast(pl.Int16), r"item_12: in_range.* 1 pla"),
        ("item_01", pl.lit(-1, dtype=pl.Int16), r"item_01: in_range.* 3 places"),
        ("item_01", pl.lit(1, dtype=pl.Int64), "item_01: dtype"),
        ("patient_id", pl.when(~SECOND).then(pl.col("patient_id")), "patient_id: not_nullable"),
        ("assessment_id", pl.lit("a1"), "assessment_id: field_uniqueness"),
        ("version", pl.lit("none"), "version: isin"),
        ("rater", pl.lit("nobody"), "rater: isin"),
        ("stranger", pl.lit("x"), "column_in_schema"),
    ],
)
def test_a_breach_is_told_by_its_column(column: str, value: pl.Expr, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        enforce(tables(**{column: value}), INSTRUMENTS)


def test_no_value_is_told() -> None:
    with pytest.raises(ContractError) as error:
        enforce(tables(version=pl.lit("Kari Nordmann")), INSTRUMENTS)
    assert "Kari" not in str(error.value)
