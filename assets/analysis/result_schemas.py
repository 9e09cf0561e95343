"""Columns and types of every results table.

What belongs here: the contract with those who read `results.*`. What does not: how any number is made.

A declared mixed model writes `estimate`, `fit`, `fixed_covariance`, `variance_component`, `comparison`, `diagnostic`
and `reference_check`. Every declared procedure writes one row of `procedure`, and the tables that suit its kind; where
it estimates a model of its own, its `estimate` and `contrast` rows carry the procedure's name in `model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# name:f is a number, name:i a count, name:b true or false, anything else text
_COLUMNS = {
    "results.estimate": (
        "analysis outcome model term estimate:f std_error:f df:f statistic:f p_value:f ci_low:f "
        "ci_high:f method n_patients:i n_observations:i"
    ),
    "results.fit": (
        "analysis outcome model method log_likelihood:f aic:f bic:f is_converged:b is_singular:b "
        "var_intercept:f var_slope:f cov_intercept_slope:f var_residual:f "
        "explained_intercept_pct:f explained_slope_pct:f reason label outcome_label panel "
        "reference reference_aic:f n_patients:i n_observations:i n_rows_dropped:i"
    ),
    "results.fixed_covariance": "analysis outcome model term other_term covariance:f",
    "results.variance_component": (
        "analysis outcome model component estimate:f ci_low:f ci_high:f ci_method n_resamples:i reason"
    ),
    "results.comparison": (
        "analysis outcome model compared_with chi_square:f df:i p_value:f p_mixture:f method "
        "reason n_patients:i n_observations:i"
    ),
    "results.diagnostic": "analysis outcome model diagnostic value:f n:i note",
    "results.reference_check": (
        "analysis outcome model reference log_likelihood:f reference_log_likelihood:f "
        "refit_log_likelihood:f is_interior:b status reason"
    ),
    "results.procedure": "analysis procedure kind title method note reason n_patients:i n_observations:i",
    "results.description": (
        "analysis procedure variable label measure_type category group_level group_label "
        "n_valid:i n_total:i count:i pct:f mean:f sd:f minimum:f maximum:f"
    ),
    "results.group_test": (
        "analysis procedure variable label test estimate:f statistic:f df:f p_value:f smd:f "
        "smd_ci_low:f smd_ci_high:f n:i reason"
    ),
    "results.effect_size": (
        "analysis procedure outcome label variant group_level contrast at_months:f estimate:f std_error:f ci_low:f "
        "ci_high:f ci_method mean_before:f sd_before:f mean_after:f sd_after:f mean_change:f "
        "sd_change:f statistic:f df:f p_value:f n:i reason"
    ),
    "results.reliability": (
        "analysis procedure measure label occasion coefficient estimate:f ci_low:f ci_high:f "
        "ci_method n_items:i n_subjects:i n_raters:i method reason"
    ),
    "results.reliable_change": (
        "analysis procedure outcome label method category n:i n_total:i pct:f reliability:f sd:f "
        "threshold:f cutoff:f cutoff_kind norm_id reliability_id reason"
    ),
    "results.contrast": (
        "analysis procedure outcome contrast at_months:f estimate:f std_error:f df:f statistic:f "
        "p_value:f p_adjusted:f adjustment ci_low:f ci_high:f method n_patients:i "
        "n_observations:i"
    ),
    "results.sensitivity": (
        "analysis procedure outcome universe:i choices is_primary:b term estimate:f std_error:f "
        "df:f statistic:f p_value:f ci_low:f ci_high:f is_converged:b is_singular:b method "
        "n_patients:i n_observations:i reason"
    ),
}


def result_schemas() -> dict[str, pa.Schema]:
    """Arrow schema of each `results.<table>`."""
    import pyarrow as pa

    kinds = {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_(), "": pa.string()}

    def schema(columns: str) -> pa.Schema:
        parts = [column.partition(":") for column in columns.split()]
        return pa.schema([(name, kinds[kind]) for name, _, kind in parts])

    return {table: schema(columns) for table, columns in _COLUMNS.items()}
