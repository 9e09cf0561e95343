"""A model fitted by one SQL query gives the numbers of the same model fitted to the rows."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest
from golden import GOLDEN

from assets.analysis import patient_sums, warehouse_sums
from assets.analysis.mixed_model import MixedModelFit, fit
from assets.analysis.warehouse_sums import fit_table


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for name in ("sim_wai", "sim_singular"):
            opened.execute(f"create table {name} as select * from '{GOLDEN / name}.csv'")
        yield opened


def assert_equal(one: MixedModelFit, two: MixedModelFit) -> None:
    assert one.reason is None and two.reason is None
    assert one.log_likelihood == pytest.approx(two.log_likelihood, abs=1e-9)
    errors = two.estimates["std_error"].to_numpy()
    assert np.abs(one.estimates["estimate"] - two.estimates["estimate"]).to_numpy() == pytest.approx(
        0, abs=1e-6 * errors.min()
    )
    for column in ("std_error", "df"):
        assert one.estimates[column].to_numpy() == pytest.approx(two.estimates[column].to_numpy(), rel=1e-5)
    assert (one.n_patients, one.n_observations, one.n_rows_dropped, one.is_singular) == (
        *(two.n_patients, two.n_observations, two.n_rows_dropped, two.is_singular),
    )


@pytest.mark.parametrize("random", ["intercept", "intercept_and_slope"])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("name", ["sim_wai", "sim_singular"])
def test_equals_the_fit_of_the_rows(connection: duckdb.DuckDBPyConnection, name: str, method: str, random: str) -> None:
    connection.execute(f"update {name} set y = null where rowid % 50 = 3")
    frame = connection.execute(f"select * from {name}").df()
    terms = ["month", "pred", "month:pred"]
    by_query = fit_table(connection, name, "y", terms, "id", "month", random=random, method=method)
    assert_equal(by_query, fit(frame, "y", terms, "id", "month", random=random, method=method))
    assert by_query.n_rows_dropped


def test_very_many_groups_begin_with_some(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = fit_table(connection, "sim_wai", "y", ["month"], "id", "month")
    for module in (patient_sums, warehouse_sums):
        monkeypatch.setattr(module, "MANY_GROUPS", 50)
    monkeypatch.setattr("assets.analysis.maximum.SAMPLE", 60)
    frame = connection.execute("select * from sim_wai").df()
    by_query = fit_table(connection, "sim_wai", "y", ["month"], "id", "month")
    assert by_query.kernel is not None and by_query.kernel.likelihood.sums.total_by_group is not None
    assert_equal(by_query, usual)
    assert_equal(fit(frame, "y", ["month"], "id", "month"), usual)


@pytest.mark.parametrize(
    ("change", "terms", "reason"),
    [
        ("select * from sim_wai where false", ["month"], "no row has a value"),
        ("select * from sim_wai where id = (select min(id) from sim_wai)", ["month"], "fewer than 2 patients"),
        ("select * replace (3.0 as y) from sim_wai", ["month"], "same value in every"),
        ("select * replace (3.0 as month) from sim_wai", ["pred"], "time has the same value"),
        ("select *, 2 * pred as twice from sim_wai", ["month", "pred", "twice"], "collinear terms: twice"),
        ("select * replace (month + 1 as y) from sim_wai", ["month"], "without error"),
        ("select * from sim_wai", ["severity"], "'severity' holds text"),
        ("select * from sim_wai", ["absent"], "there is no column 'absent'"),
        ("select id, min(month) as month, avg(y) as y from sim_wai group by id", ["month"], "cannot separate"),
    ],
)
def test_what_cannot_be_fitted_has_a_reason(
    connection: duckdb.DuckDBPyConnection, change: str, terms: list[str], reason: str
) -> None:
    result = fit_table(connection, f"({change})", "y", terms, "id", "month")
    assert result.reason is not None and reason in result.reason
