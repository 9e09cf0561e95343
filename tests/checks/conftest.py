"""The hand-made warehouse as a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hand_made import TABLES, two_units

from codebook.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return two_units(tmp_path)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection
