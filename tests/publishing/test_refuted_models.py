"""A model that the reference estimator contradicts is kept from every table and figure, with the reason."""

from __future__ import annotations

import polars as pl
from small_library import ALLIANCE
from small_results import covariances, results

from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import Results, fitted_models
from codebook.analysis import Analysis


def test_a_refuted_model_is_kept_back() -> None:
    analysis = Analysis.model_validate(ALLIANCE)
    estimates, fits = results()
    keys = {"analysis": analysis.name, "outcome": next(iter(analysis.outcomes)), "model": analysis.models[0].name}
    checks = pl.DataFrame(
        [
            keys | {"status": "fail", "reason": "the log-likelihoods of the same model differ by 0.01"},
            keys | {"model": analysis.models[1].name, "status": "pass", "reason": None},
        ]
    )
    shown = fitted_models(analysis, Results(estimates, fits, covariances(estimates), checks), None, Disclosure(5))
    before = fitted_models(analysis, Results(estimates, fits, covariances(estimates)), None, Disclosure(5))
    by_key = {(item.outcome, item.model.name): item for item in shown}
    refuted = by_key.pop((keys["outcome"], keys["model"]))
    assert refuted.problem is not None and "differ by 0.01" in refuted.problem
    assert not refuted.estimates and not refuted.covariance and refuted.n_patients is None
    assert {key: item.problem for key, item in by_key.items()} == {
        (item.outcome, item.model.name): item.problem for item in before if (item.outcome, item.model.name) in by_key
    }
