"""One real build of the small network, for every test of this room."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
import small_network as small

from assets.warehouse.build import manifest, prepare_project, run_dbt
from assets.warehouse.inputs import ensure_empty_lake, write_inputs


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> small.Built:
    root = tmp_path_factory.mktemp("network")
    library = small.library(root)
    lake = small.Lake(library.instruments)
    small.fill(lake)
    lake.write(root / "lake")
    ensure_empty_lake(root / "lake", library)
    write_inputs(library, small.deliveries(), None, small.TODAY, root / ".build" / "inputs")
    manifest()
    lines: list[str] = []
    outcome = run_dbt(prepare_project(root / ".build"), on_line=lines.append, with_unit_tests=True)
    assert outcome.is_success, "\n".join([outcome.explain(), *lines[-60:]])
    return small.Built(root, outcome, lines)


@pytest.fixture(scope="session")
def warehouse(built: small.Built) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(built.root / ".build" / "warehouse.duckdb", read_only=True) as connection:
        yield connection
