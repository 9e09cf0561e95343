"""Real files: every record accounted for, and the model that a book prints comes out as printed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from flows import Flow

PRINTED = {"baseline_bdi": 0.63968, "months": -0.70476, "treatment": -2.32908}
"""Hothorn & Everitt, A Handbook of Statistical Analyses using R (HSAUR3): Beat the Blues, random intercept, ML."""


def test_every_record_is_accounted_for(trials: Flow, shared: Path) -> None:
    rows = trials.rows(
        "select site_id, n_rows_landed, n_rows_accepted, n_rows_quarantined from quality.delivery order by site_id"
    )
    counts = {}
    files = {
        "btheb": "trials/btheb.csv",
        "helpfull": "trials/HELPfull.csv",
        "redcap_longitudinal": "redcap/REDCapR/longitudinal/data.csv",
    }
    for site, file in files.items():
        with (shared / "samples" / file).open(encoding="utf-8", newline="") as handle:
            counts[site] = sum(1 for _ in csv.DictReader(handle))
    assert counts == {"btheb": 100, "helpfull": 1472, "redcap_longitudinal": 18}
    assert {str(site): landed for site, landed, _, _ in rows} == counts
    assert all(landed == accepted + quarantined for _, landed, accepted, quarantined in rows)


def test_missing_scores_are_as_in_the_trial(trials: Flow) -> None:
    rows = trials.rows(
        "select months, count(*) from harmonised.assessment where instrument = 'bdi_ii' group by 1 order by 1"
    )
    assert rows == [(0.0, 100), (2.0, 97), (3.0, 73), (5.0, 58), (8.0, 52)]


def test_the_printed_model(trials: Flow) -> None:
    of_model = "where analysis = 'btheb' and model = 'treatment'"
    estimates = dict(trials.rows(f"select term, estimate from results.estimate {of_model}"))
    for term, printed in PRINTED.items():
        assert estimates[term] == pytest.approx(printed, abs=5e-6)
    (fit,) = trials.rows(
        f"select aic, is_converged, is_singular, n_patients, n_observations from results.fit {of_model}"
    )
    assert fit[0] == pytest.approx(1887.5, abs=0.05)
    assert fit[1:] == (True, False, 97, 280)


@pytest.mark.parametrize(
    ("procedure", "model", "contrasts"),
    [
        ("arms_by_month", "post_random_intercept", "contrast_satterthwaite"),
        ("mmrm", "mmrm_gls_unstructured", "contrast_asymptotic"),
    ],
)
def test_the_arms_at_each_month_as_in_r(procedure: str, model: str, contrasts: str, trials: Flow, shared: Path) -> None:
    path = shared / "golden" / "btheb_two_arm.json"
    if not path.is_file():
        pytest.skip("needs the given reference results of Beat the Blues")
    expected = json.loads(path.read_text(encoding="utf-8"))[model]
    found = trials.rows(
        "select at_months, estimate, std_error from results.contrast "
        f"where procedure = '{procedure}' and contrast like 'BtheB - TAU, month %' order by at_months"
    )
    tolerance = 1e-3 if procedure == "mmrm" else 1e-4  # gls stopped 1.5e-5 short of the maximum
    for row, reference in zip(found, expected[contrasts].values(), strict=True):
        assert row[0] == float(reference["m"])
        assert row[1:] == pytest.approx((reference["estimate"], reference["SE"]), abs=tolerance)
    (fit,) = trials.rows(
        f"select log_likelihood, n_patients, n_observations from results.fit where model = '{procedure}'"
    )
    assert fit[0] == pytest.approx(expected["logLik"], abs=1e-4)
    assert fit[1:] == (97, 280)


def test_supplied_totals_are_marked(trials: Flow) -> None:
    sql = (
        "select distinct status, n_answered from harmonised.scale_score "
        "where instrument = 'bdi_ii' and score is not null"
    )
    assert trials.rows(sql) == [("supplied", 0)]


def test_our_total_is_the_stored_total_wherever_the_form_is_complete(trials: Flow) -> None:
    complete = trials.rows(
        "select count(*), count(*) filter (where score = score_supplied) from harmonised.scale_score "
        "where instrument = 'ces_d' and n_answered = n_items"
    )
    assert complete == [(1439, 1439)]


def test_a_stored_total_that_ignores_missing_items_is_a_finding(trials: Flow) -> None:
    found = trials.rows(
        "select rule, count(*), count(distinct assessment_id) from quality.finding group by rule order by 1"
    )
    assert found == [("straight-lining", 3, 3), ("supplied-ignores-missing", 24, 24)]
    ours = trials.rows(
        "select count(*), count(score), min(status), max(status) from harmonised.scale_score "
        "where instrument = 'ces_d' and n_answered between 1 and n_items - 1"
    )
    assert ours == [(24, 0, "no_accepted_rule", "no_accepted_rule")]


def test_the_dictionary_names_the_identifiers(trials: Flow) -> None:
    (row,) = trials.rows("select unmapped_columns from quality.delivery where site_id = 'redcap_longitudinal'")
    for identifying in ("last_name", "telephone_1", "email"):
        assert identifying not in str(row[0]), "identifying columns are dropped, not offered for mapping"
    assert "data.csv: height" in str(row[0])
