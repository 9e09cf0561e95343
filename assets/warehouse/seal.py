"""The seal: results go into the built warehouse, and that file becomes the one that readers open, in one step.

What belongs here: loading `.build/results`, the checkpoint, the rename. What does not: computing any result.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb

_RESULT = re.compile(r"^(?P<schema>[a-z][a-z0-9_]*)\.(?P<table>[a-z][a-z0-9_]*)$")


def seal(build: Path, target: Path) -> None:
    """Load every `build`/results/<schema>.<table>.parquet as that table and rename the built warehouse to `target`.

    A reader that has the old file open goes on reading it; whoever opens `target` afterwards gets the whole new one.
    The same files give the same tables: a result replaces a table of its name.

    Raises:
        FileNotFoundError: nothing was built.
        ValueError: a result's name is not <schema>.<table>.parquet.
    """
    built = build / "warehouse.duckdb"
    if not built.is_file():
        raise FileNotFoundError(f"{built.name} was not built; look at what dbt said")
    with duckdb.connect(built) as connection:
        for path in sorted((build / "results").glob("*.parquet")):
            name = _RESULT.match(path.stem)
            if name is None:
                raise ValueError(f"{path.name} cannot be loaded; name it <schema>.<table>.parquet")
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{name["schema"]}"')
            connection.execute(
                f'CREATE OR REPLACE TABLE "{name["schema"]}"."{name["table"]}" AS SELECT * FROM read_parquet(?)',
                [str(path)],
            )
        connection.execute("FORCE CHECKPOINT")
    if built.with_name(f"{built.name}.wal").exists():
        raise RuntimeError(f"{built.name} still has a write-ahead log after the checkpoint; it is not sealed")
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(built)
    built.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Have the operating system write a file or a folder to disk, so that a power cut leaves the old or the new."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
