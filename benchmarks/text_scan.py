"""DuckDB reads delimited files as text and counts every column, nothing else: the yardstick of `benchmarks.ingestion`.

    python -m benchmarks.text_scan JSON

`JSON` is a list of {files: glob, delimiter, columns, is_told}; with `is_told` DuckDB is given the names and types of
the columns and finds out nothing for itself. Only DuckDB is imported, so that the process costs what the scan does.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb


def scan(jobs: list[dict[str, Any]]) -> int:
    """Rows counted over all jobs, one query each."""
    n_rows = 0
    with duckdb.connect() as connection:
        for job in jobs:
            types = ", ".join(f"'{column}': 'VARCHAR'" for column in job["columns"])
            how = f"auto_detect = false, columns = {{{types}}}" if job["is_told"] else "all_varchar = true"
            counts = ", ".join(f"count({column})" for column in job["columns"])
            found = connection.execute(
                f"select count(*), {counts} from read_csv('{job['files']}', {how}, header = true, "
                f"delim = '{job['delimiter']}', quote = '\"', null_padding = true)"
            ).fetchone()
            assert found is not None
            n_rows += found[0]
    return n_rows


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"n_landed": scan(json.loads(sys.argv[1]))}) + "\n")
