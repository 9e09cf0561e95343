"""`concord fit`: one mixed model over a file.

What belongs here: reading the file and printing the fit. What does not: estimation (`assets.analysis`).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from assets.analysis.fit_record import to_record, to_rows
from assets.analysis.formula import fit_formula
from assets.analysis.mixed_model import Method, MixedModelFit, Random
from orchestration.tables import print_records, print_table

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("term", "estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")


RANDOM: dict[str, Random] = {"intercept": "intercept", "slope": "intercept_and_slope"}
"""What `--random` takes."""


class DataError(Exception):
    """The file cannot be used for this formula."""


def fit_file(
    formula: str, data: Path, patient: str, time: str, method: str, random: str
) -> tuple[MixedModelFit, dict[str, Any]]:
    """Fit `formula` to the rows of a CSV or Parquet file; the fit, and its record for JSON.

    Raises:
        FormulaError: the formula cannot be read, or names a column that is not there.
        DataError: the file cannot be read.
    """
    fitted = fit_formula(formula, _read(data), patient, time, random=RANDOM[random], method=cast("Method", method))
    return fitted, to_record(fitted, formula, patient, time, RANDOM[random])


def _read(data: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(data) if data.suffix == ".parquet" else pd.read_csv(data)
    except FileNotFoundError:
        raise DataError(f"{data}: the file does not exist") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{data}: cannot be read as {data.suffix or 'CSV'}: {error}") from None


def print_fit(fitted: MixedModelFit, record: dict[str, Any], output_format: str) -> None:
    """As a table for people, or as JSON."""
    if output_format == "json":
        print(json.dumps(record, indent=1, allow_nan=False))
        return
    if fitted.reason:
        print(f"Nothing was fitted: {fitted.reason}.")
        return
    print_table(SHOWN, [[row[name] for name in SHOWN] for row in to_rows(fitted)])
    print()
    print_records([_facts(fitted)])


def _facts(fitted: MixedModelFit) -> dict[str, Any]:
    """What holds for the model as a whole, in the words of the field."""
    names = ("method", "n_patients", "n_observations", "n_rows_dropped", "log_likelihood", "aic", "aic_spss", "bic")
    facts = {name: getattr(fitted, name) for name in names}
    variances = ("var_intercept", "var_slope", "cov_intercept_slope", "cor_intercept_slope", "var_residual")
    facts |= {name: getattr(fitted, name) for name in variances if getattr(fitted, name) is not None}
    facts["sd_residual"] = math.sqrt(fitted.var_residual or 0.0)
    facts = {name: f"{value:.7g}" if isinstance(value, float) else value for name, value in facts.items()}
    facts["converged"] = "yes" if fitted.is_converged else "no: do not use these estimates"
    singular = "yes: the random effects cannot all be told apart in these data"
    facts["singular"] = singular if fitted.is_singular else "no"
    return facts
