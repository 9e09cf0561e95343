"""Models of an analysis that need not be fitted again: same rows, same declaration, same code.

What belongs here: the fingerprint of what a model's numbers depend on, and reading them from the sealed warehouse.
What does not: fitting. Procedures are computed every time: they may read more of the warehouse than their panel.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codebook.analysis import Analysis

if TYPE_CHECKING:
    import pyarrow as pa

MODEL_TABLES = (
    *("results.estimate", "results.fit", "results.fixed_covariance", "results.variance_component"),
    *("results.comparison", "results.diagnostic", "results.reference_check", "results.contrast"),
)
LIBRARIES = ("numpy", "scipy", "statsmodels", "pandas")

Rows = dict[str, list[dict[str, Any]]]


def fingerprint(analysis: Analysis, panel: pa.Table) -> str:
    """SHA-256 of the panel's rows, the declaration, the code of this package and the libraries under it."""
    digest = hashlib.sha256(_code().encode())
    declared = analysis.model_dump_json(exclude={"procedures", "figure", "more_figures"})
    digest.update(declared.encode())
    digest.update(_bytes(panel))
    return digest.hexdigest()


def sealed_rows(warehouse: Path | None, analysis: Analysis, wanted: str) -> Rows | None:
    """The models' rows by table from a sealed warehouse, where it has them for the same fingerprint; else None."""
    import duckdb

    if warehouse is None or not warehouse.is_file():
        return None
    names = {model.name for model in analysis.models}
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            found = connection.execute(
                "select fingerprint from results.model_fingerprint where analysis = ?", [analysis.name]
            ).fetchall()
            if found != [(wanted,)]:
                return None
            rows: Rows = {}
            for table in MODEL_TABLES:
                entries = connection.execute(
                    f"select * from {table} where analysis = ?", [analysis.name]
                ).to_arrow_table()
                key = "procedure" if table == "results.contrast" else "model"
                rows[table] = [entry for entry in entries.to_pylist() if str(entry[key]).rpartition("@")[2] in names]
            return rows
    except duckdb.Error:
        return None  # sealed by an earlier version, or not readable: fit


def _bytes(panel: pa.Table) -> bytes:
    """The rows as text: Arrow's own buffers hold whatever lay in memory where a value is null."""
    import pyarrow as pa
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(panel, sink)
    found: bytes = sink.getvalue().to_pybytes()
    return found


@cache
def _code() -> str:
    """Fingerprint of the sources of this package, and the versions of what they stand on."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest() + " ".join(f"{name} {version(name)}" for name in LIBRARIES)
