"""`concord fit`: one mixed model over a file.

What belongs here: reading the file and printing the fit. What does not: estimation (`assets.analysis`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from assets.analysis.formula import fit_formula, to_json, to_rows
from assets.analysis.mixed_model import Method, MixedModelFit, Random
from orchestration.tables import print_records, print_table

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("term", "estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high")


class DataError(Exception):
    """The file cannot be used for this formula."""


def fit_file(formula: str, data: Path, patient: str, time: str, method: str, random: str) -> MixedModelFit:
    """Fit `formula` to the rows of a CSV or Parquet file.

    Raises:
        FormulaError: the formula cannot be read, or names a column that is not there.
        DataError: the file cannot be read.
    """
    return fit_formula(
        formula, _read(data), patient, time, random=cast("Random", random), method=cast("Method", method)
    )


def _read(data: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(data) if data.suffix == ".parquet" else pd.read_csv(data)
    except FileNotFoundError:
        raise DataError(f"{data}: the file does not exist") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{data}: cannot be read as {data.suffix or 'CSV'}: {error}") from None


def print_fit(fitted: MixedModelFit, output_format: str) -> None:
    """As a table for people, or as JSON."""
    if output_format == "json":
        print(json.dumps(to_json(fitted), indent=1))
        return
    rows = to_rows(fitted)
    print_table(SHOWN, [[row[name] for name in SHOWN] for row in rows])
    print()
    facts = {name: value for name, value in to_json(fitted).items() if not isinstance(value, list | dict)}
    print_records([facts])
