"""Rows of every results table for an analysis of procedures, as they would be written; some rest on three patients."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from assets.analysis.result_schemas import result_schemas

TITLES = {
    "patients": "Patients by outcome",
    "rare": "A rare diagnosis",
    "change": "Change from admission to discharge",
    "scales": "Reliability of the scales",
    "reliable": "Reliable change",
    "definitions": "Definitions of outcome",
    "occasions": "Alliance by occasion",
    "slopes": "Slopes compared",
    "multiverse": "The same question in other ways",
    "oddity": "A statistic without a layout",
    "failed": "What could not be computed",
    "absent": "What was never run",
}
PROCEDURES: dict[str, Any] = {
    "name": "measures",
    "title": "Measures and change",
    "panel": {
        "name": "outcome_panel",
        "grain": "episode and occasion",
        "measures": {"gaf": {"instruments": ["gaf"], "scale": "total", "rater": "clinician"}},
    },
    "outcomes": {"gaf": "GAF"},
    "procedures": [
        {"kind": "pre_post", "name": name, "title": title, "outcomes": ["gaf"]} for name, title in TITLES.items()
    ],
}
SECRET = 27.125
"""A mean of three patients; no form of it may be found in anything published."""


def tables() -> dict[str, pl.DataFrame]:
    """Every results table that a procedure writes, complete by the contract, and one that it does not know."""
    rows: dict[str, list[dict[str, Any]]] = {
        "results.procedure": _said(),
        "results.description": [*_groups(), *_rare(), *_definitions(), *_occasions()],
        "results.group_test": [
            _of("patients", variable="age", label="Age", test="t_test", statistic=3.1, df=53.0, p_value=0.003, smd=0.8,
                smd_ci_low=0.25, smd_ci_high=1.35, n=55),
            _of("patients", variable="sex", label="Women", test="chi_square", statistic=0.4, df=1.0, p_value=0.53,
                smd=0.17, smd_ci_low=-0.36, smd_ci_high=0.7, n=55),
            _of("rare", variable="antisocial", label="Antisocial", test="fisher_exact", p_value=0.0777, smd=0.41,
                smd_ci_low=-0.1, smd_ci_high=0.9, n=55),
        ],
        "results.effect_size": [
            _of("change", outcome="gaf", label="GAF", variant="d_z", estimate=1.02, ci_low=0.7, ci_high=1.34,
                ci_method="noncentral t", mean_before=48.1, sd_before=5.5, mean_after=61.7, sd_after=11.7,
                mean_change=13.6, sd_change=12.9, statistic=12.8, df=54.0, p_value=1e-9, n=55),
            _of("change", outcome="gaf", label="GAF", variant="d_av", estimate=1.49, ci_low=1.1, ci_high=1.9, n=55),
            _of("change", outcome="wsas", label="WSAS", variant="d_z", estimate=0.9, mean_before=SECRET, n=3),
            _of("change", outcome="bsi", label="BSI-18", variant="d_z", reason="nobody has both occasions", n=0),
        ],
        "results.reliability": [
            _of("scales", measure="gaf", label="GAF", occasion="baseline", coefficient="alpha", estimate=0.81,
                ci_low=0.7, ci_high=0.9, n_items=9, n_subjects=55, method="Cronbach 1951"),
        ],
        "results.reliable_change": [
            _of("reliable", outcome="gaf", label="GAF", method="jacobson_truax", category=category, n=n, n_total=55,
                pct=100 * n / 55, threshold=8.0, cutoff=60.0, reliability=0.86, norm_id="gaf.norm")
            for category, n in (("recovered", 20), ("improved", 15), ("unchanged", 13), ("deteriorated", 7))
        ],
        "results.agreement": [
            _of("definitions", definition="a", label="GAF ≥ 60", other_definition="b", other_label="WSAS < 15", n=50,
                n_agree=40, pct_agree=80.0, n_positive=30, n_both=25, pct_both=83.3, kappa=0.58, ci_low=0.35,
                ci_high=0.81),
        ],
        "results.contrast": [
            _of("slopes", outcome="gaf", contrast="Poor minus good", estimate=-0.3, std_error=0.1, df=50.0,
                statistic=-3.0, p_value=0.004, p_adjusted=0.012, adjustment="holm", ci_low=-0.5, ci_high=-0.1,
                n_patients=55),
        ],
        "results.sensitivity": [
            _of("multiverse", outcome="gaf", universe=n, is_primary=n == 2, term="months", estimate=0.3 + n / 50,
                choices=f"cut-off: {55 + n}; time: {('as it was', '36')[n % 2]}", std_error=0.05, p_value=0.001,
                ci_low=0.2 + n / 50, ci_high=0.4 + n / 50, is_converged=True, is_singular=n == 4, n_patients=55)
            for n in range(5)
        ],
        "results.variance_component": [
            _model(component="var_intercept", estimate=0.51, ci_low=0.31, ci_high=0.8, ci_method="profile likelihood"),
            _model(component="cor_intercept_slope", estimate=0.07),
        ],
        "results.comparison": [
            _model(compared_with="growth", chi_square=17.3, df=2, p_value=0.0002, p_mixture=0.0001, method="ML"),
        ],
        "results.diagnostic": [
            _model(diagnostic="largest_cook_distance", value=0.21, n=55, note="no patient stands out"),
        ],
        "results.reference_check": [
            _model(reference="statsmodels", log_likelihood=-320.5, reference_log_likelihood=-320.5, status="agrees"),
        ],
    }  # fmt: skip
    schemas = result_schemas()
    frames = {name: pl.DataFrame(pa.Table.from_pylist(entries, schema=schemas[name])) for name, entries in rows.items()}
    odd = [_of("oddity", what="a", value=1.5, n_patients=55), _of("oddity", what="b", value=SECRET, n_patients=3)]
    return frames | {"results.oddity": pl.DataFrame(odd)}


def _of(procedure: str, **values: Any) -> dict[str, Any]:
    return {"analysis": "measures", "procedure": procedure, **values}


def _model(**values: Any) -> dict[str, Any]:
    return {"analysis": "alliance", "outcome": "task", "model": "outcome", **values}


def _said() -> list[dict[str, Any]]:
    rows = [
        _of(name, kind="pre_post", title=title, method=f"method of {name}", n_patients=55)
        for name, title in TITLES.items()
        if name not in ("failed", "absent")
    ]
    return [*rows, _of("failed", kind="pre_post", title=TITLES["failed"], reason="fewer than two patients have both")]


def _group(procedure: str, level: int | None, n: int, **values: Any) -> dict[str, Any]:
    labels = {None: "All", 0: "Good outcome", 1: "Poor outcome"}
    named = {"group_level": None if level is None else str(level), "group_label": labels[level]}
    return _of(procedure, **named, n_valid=n, n_total=n) | values


def _groups() -> list[dict[str, Any]]:
    age = {"variable": "age", "label": "Age", "measure_type": "continuous", "minimum": 18.5, "maximum": 63.5}
    sex = {"variable": "sex", "label": "Women", "measure_type": "binary"}
    return [
        _group("patients", 0, 31, **age, mean=26.2, sd=6.1, n_valid=29),
        _group("patients", 1, 24, **age, mean=30.3, sd=6.4),
        _group("patients", 0, 31, **sex, count=24, pct=77.4),
        _group("patients", 1, 24, **sex, count=17, pct=70.8),
    ]


def _rare() -> list[dict[str, Any]]:
    """Nobody in one group, three in the other, and everybody beside them."""
    own = {"variable": "antisocial", "label": "Antisocial", "measure_type": "binary"}
    return [
        _group("rare", 0, 31, **own, count=0, pct=0.0),
        _group("rare", 1, 24, **own, count=3, pct=12.5),
        _group("rare", None, 55, **own, count=3, pct=5.4545),
    ]


def _definitions() -> list[dict[str, Any]]:
    own = {"variable": "a", "label": "GAF ≥ 60", "measure_type": "binary"}
    return [_group("definitions", None, 55, **own, count=31, pct=56.4)]


def _occasions() -> list[dict[str, Any]]:
    own = {"variable": "gaf", "label": "GAF", "measure_type": "continuous"}
    return [
        _group("occasions", 0, 31, **own, occasion="m03", at_months=3.0, mean=50.5, sd=6.0),
        _group("occasions", 0, 31, **own, occasion="discharge", at_months=30.0, mean=66.4, sd=6.0, n_valid=22),
        _group("occasions", 1, 24, **own, occasion="m03", at_months=3.0, mean=48.5, sd=6.0),
        _group("occasions", 1, 24, **own, occasion="discharge", at_months=30.0, mean=SECRET, sd=6.0, n_valid=3),
    ]
