"""What the process models share: one course for each patient, waves counted, and rows of a mixed model's estimates.

What belongs here: helpers of more than one procedure of this folder. What does not: any statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.mixed_model import MixedModelFit
from assets.analysis.procedure import Found

if TYPE_CHECKING:
    import pandas as pd

PATIENT, EPISODE, TIME = "patient_id", "episode_id", "months"


def one_course(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of each patient's course with the most assessments (then the first by key), and how many are left out."""
    sizes = frame.groupby([PATIENT, EPISODE], sort=True).size().reset_index(name="n")
    kept = sizes.sort_values([PATIENT, "n", EPISODE], ascending=[True, False, True]).drop_duplicates(PATIENT)
    return frame.loc[frame[EPISODE].isin(kept[EPISODE])], len(sizes) - len(kept)


def by_wave(frame: pd.DataFrame, measures: Sequence[str], waves: Sequence[str]) -> pd.DataFrame:
    """One row for each patient and a column `(measure, wave)`; the first value at an occasion counts.

    Raises:
        NotEstimableError: the panel has no row at one of the occasions.
    """
    import pandas as pd

    absent = [wave for wave in waves if not (frame["occasion"] == wave).any()]
    if absent:
        raise NotEstimableError(f"no assessment at {', '.join(absent)}; the waves are {', '.join(waves)}")
    rows = frame.loc[frame["occasion"].isin(waves)].sort_values([PATIENT, TIME], kind="stable")
    columns = {}
    for measure in measures:
        for wave in waves:
            at = rows.loc[(rows["occasion"] == wave) & rows[measure].notna()]
            columns[(measure, wave)] = at.groupby(PATIENT)[measure].first()
    return pd.DataFrame(columns, index=pd.Index(sorted(frame[PATIENT].unique()), name=PATIENT), dtype=float)


def check_waves(rows: pd.DataFrame, waves: int, patients: int, what: str) -> int:
    """How many patients have at least `waves` of `rows`.

    Raises:
        NotEstimableError: fewer than `patients` do.
    """
    n = int((rows.groupby(PATIENT).size() >= waves).sum()) if len(rows) else 0
    if n < patients:
        raise NotEstimableError(f"{what} needs {waves} waves of at least {patients} patients; {n} have so many")
    return n


def add_fit(found: Found, outcome: str, model: str, fitted: MixedModelFit) -> None:
    """Rows of `results.estimate`, `variance_component` and `diagnostic` of a mixed model that was fitted."""
    sizes = {"n_patients": fitted.n_patients, "n_observations": fitted.n_observations}
    for row in fitted.estimates.to_dict("records"):
        plain: dict[str, Any] = {str(key): value for key, value in row.items()}
        found.add("results.estimate", outcome=outcome, model=model, **plain, method=fitted.method, **sizes)
    for component in ("var_intercept", "var_slope", "cov_intercept_slope", "var_residual"):
        value = getattr(fitted, component)
        if value is not None:
            found.add("results.variance_component", outcome=outcome, model=model, component=component, estimate=value)
    flags = {"converged": fitted.is_converged, "singular": fitted.is_singular}
    values = {"log-likelihood": fitted.log_likelihood, "AIC": fitted.aic, "BIC": fitted.bic}
    for diagnostic, number in (values | {name: float(bool(flag)) for name, flag in flags.items()}).items():
        found.add(
            "results.diagnostic", outcome=outcome, model=model, diagnostic=diagnostic, value=number,
            n=fitted.n_observations, note="1 yes, 0 no" if diagnostic in flags else None,
        )  # fmt: skip
