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
        "analysis outcome model method log_likelihood:f n_parameters:i aic:f aic_spss:f bic:f "
        "is_converged:b is_singular:b var_intercept:f var_slope:f cov_intercept_slope:f var_residual:f "
        "explained_intercept_pct:f explained_slope_pct:f reason label outcome_label panel "
        "reference reference_aic:f n_patients:i n_observations:i n_rows_dropped:i"
    ),
    "results.fixed_covariance": "analysis outcome model term other_term covariance:f",
    "results.variance_component": (
        "analysis outcome model component estimate:f ci_low:f ci_high:f ci_method n_resamples:i reason"
    ),
    "results.comparison": (
        "analysis outcome model compared_with chi_square:f df:i p_value:f p_mixture:f method "
        "reason n_patients:i n_observations:i f_statistic:f df_error:f"
    ),
    "results.diagnostic": "analysis outcome model diagnostic value:f n:i note",
    "results.reference_check": (
        "analysis outcome model reference log_likelihood:f reference_log_likelihood:f "
        "refit_log_likelihood:f is_interior:b status reason"
    ),
    "results.model_fingerprint": "analysis fingerprint",
    "results.procedure": "analysis procedure kind title method note reason n_patients:i n_observations:i",
    "results.description": (
        "analysis procedure variable label measure_type category group_level group_label "
        "n_valid:i n_total:i count:i pct:f mean:f sd:f minimum:f maximum:f occasion at_months:f "
        "ci_low:f ci_high:f"
    ),
    "results.group_test": (
        "analysis procedure variable label test estimate:f statistic:f df:f p_value:f smd:f "
        "smd_ci_low:f smd_ci_high:f n:i reason"
    ),
    "results.agreement": (
        "analysis procedure definition label other_definition other_label n:i n_agree:i pct_agree:f n_positive:i "
        "n_both:i pct_both:f kappa:f std_error:f ci_low:f ci_high:f method reason"
    ),
    "results.effect_size": (
        "analysis procedure outcome label variant group_level contrast at_months:f estimate:f std_error:f ci_low:f "
        "ci_high:f ci_method mean_before:f sd_before:f mean_after:f sd_after:f mean_change:f "
        "sd_change:f statistic:f df:f p_value:f n:i reason "
        "sample is_primary:b n_before:i n_after:i n_treated:i n_reference:i correlation:f"
    ),
    "results.reliability": (
        "analysis procedure measure label occasion coefficient estimate:f ci_low:f ci_high:f "
        "ci_method n_items:i n_subjects:i n_raters:i method reason "
        "item:i raters n_ratings:i statistic:f df:f df_error:f p_value:f n_resamples:i"
    ),
    "results.reliable_change": (
        "analysis procedure outcome label method category n:i n_total:i pct:f reliability:f sd:f "
        "threshold:f cutoff:f cutoff_kind norm_id reliability_id reason "
        "classification criterion:f mean:f sources"
    ),
    "results.linking": (
        "analysis procedure scale label from_instrument to_instrument method quantity at_score:f "
        "estimate:f std_error:f ci_low:f ci_high:f ci_method n_from:i n_to:i n_both:i "
        "anchor_items anchor_correlation_from:f anchor_correlation_to:f n_resamples:i reason"
    ),
    "results.contrast": (
        "analysis procedure outcome contrast at_months:f estimate:f std_error:f df:f statistic:f "
        "p_value:f p_adjusted:f adjustment ci_low:f ci_high:f method n_patients:i "
        "n_observations:i reason"
    ),
    "results.rate": (
        "analysis procedure outcome measure term group_level n_events:i n_events_total:i exposure:f per:f "
        "exposure_unit estimate:f ci_low:f ci_high:f p_value:f method n_patients:i n_observations:i reason"
    ),
    "results.mediation": (
        "analysis procedure exposure mediator outcome effect estimate:f std_error:f df:f statistic:f p_value:f "
        "ci_low:f ci_high:f ci_method n_resamples:i seed:i n_patients:i"
    ),
    "results.path": (
        "analysis procedure model lhs op rhs estimate:f std_error:f statistic:f p_value:f ci_low:f ci_high:f "
        "standardised:f method n_patients:i"
    ),
    "results.path_fit": (
        "analysis procedure model chi_square:f df:i p_value:f cfi:f rmsea:f srmr:f log_likelihood:f aic:f bic:f "
        "is_converged:b is_improper:b n_parameters:i method n_patients:i note reason"
    ),
    "results.sensitivity": (
        "analysis procedure outcome universe:i choices is_primary:b term estimate:f std_error:f "
        "df:f statistic:f p_value:f ci_low:f ci_high:f is_converged:b is_singular:b method "
        "n_patients:i n_observations:i reason"
    ),
}

_PATIENT_COLUMNS = {
    "analysis.reliable_change": (
        "analysis procedure outcome patient_id episode_id site_id before:f after:f change:f method "
        "index:f improvement:f change_class cutoff_kind cutoff:f is_functional_before:b "
        "is_functional_after:b significance_class"
    ),
    "analysis.process_code_session": (
        "analysis procedure code patient_id episode_id session:f n_moments:i count:f exposure:f exposure_unit"
    ),
    "analysis.process_code_trend": (
        "analysis procedure code patient_id n_sessions:i count:f exposure:f exposure_unit "
        "log_rate_per_session:f std_error:f reason"
    ),
}


def result_schemas() -> dict[str, pa.Schema]:
    """Arrow schema of each `results.<table>`."""
    return _schemas(_COLUMNS)


def patient_schemas() -> dict[str, pa.Schema]:
    """Arrow schema of each `analysis.<table>` of patients' rows that a procedure writes; there only where one does."""
    return _schemas(_PATIENT_COLUMNS)


def _schemas(declared: dict[str, str]) -> dict[str, pa.Schema]:
    import pyarrow as pa

    kinds = {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_(), "": pa.string()}

    def schema(columns: str) -> pa.Schema:
        parts = [column.partition(":") for column in columns.split()]
        return pa.schema([(name, kinds[kind]) for name, _, kind in parts])

    return {table: schema(columns) for table, columns in declared.items()}
