"""`concord power`: a known power is found, nothing is found where there is nothing, and the answer can be repeated."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.power import PowerError, simulate, truth_like, wilson
from simulation.growth import Truth, Visits

COMPLETE = Visits((0.0, 6.0, 12.0), None, 1.0, 1.0, 0.0, 0.0)
RUNNER = CliRunner()


def test_power_is_that_of_theory() -> None:
    truth = Truth(group_slope=0.04, sd_slope=0.03, correlation=0.0, sd_residual=0.5)
    found = simulate(truth, COMPLETE, 60, simulations=150)
    spread = np.sum((np.array(COMPLETE.months) - 6) ** 2)
    error = np.sqrt(4 / 60 * (truth.sd_slope**2 + truth.sd_residual**2 / spread))
    expected = stats.nct.sf(stats.t.ppf(0.975, 58), 58, truth.group_slope / error)
    assert found.mean_std_error == pytest.approx(error, rel=0.05)
    assert abs((found.power or 0) - expected) < 4 * np.sqrt(expected * (1 - expected) / 150)
    assert found == simulate(truth, COMPLETE, 60, simulations=150)


def test_wilson_limits() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx(stats.binomtest(8, 10).proportion_ci(method="wilson"))
    assert wilson(0, 20)[0] == pytest.approx(0, abs=1e-12)


def test_a_design_that_cannot_be_fitted_says_why() -> None:
    with pytest.raises(PowerError, match=r"none of the 2 draws could be fitted: .*cannot separate"):
        simulate(Truth(), Visits((0.0,), None, 1.0, 1.0, 0.0, 0.0), 20, simulations=2)
    with pytest.raises(PowerError, match="at least 4 patients"):
        simulate(Truth(), COMPLETE, 2)


def test_command_says_power_with_its_limits() -> None:
    asked = ["power", "--patients", "30", "--effect", "0.05", "--simulations", "20", "--months", "0,6,12"]
    table = RUNNER.invoke(app, asked)
    assert table.exit_code == 0, table.output
    assert "of 20" in table.stdout and "two-sided alpha 0.05" in table.stdout
    said = json.loads(RUNNER.invoke(app, [*asked, "--format", "json"]).stdout)
    assert said["power"][0]["patients"] == 30 and said["truth"]["group_slope"] == 0.05
    wrong = RUNNER.invoke(app, ["power", "--patients", "30"])
    assert wrong.exit_code == 2 and "--effect" in wrong.output
    assert RUNNER.invoke(app, [*asked[:-1], "0,six"]).exit_code == 2


def test_a_trial_like_a_model_of_the_network(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("""
            create schema results;
            create table results.fit as select 'a' as analysis, 'task' as outcome, 'm' as model, 1e0 as var_intercept,
                4e-4 as var_slope, -4e-3 as cov_intercept_slope, 5e-1 as var_residual, null as reason;
            create table results.estimate as select 'a' as analysis, 'task' as outcome, 'm' as model, * from (values
                ('intercept', 5e0), ('months', 2e-2), ('poor', 1e-1), ('months:poor', -3e-2)) t(term, estimate);
        """)
    truth = truth_like(warehouse, "a/task/m", None)
    assert (truth.group_slope, truth.sd_slope) == pytest.approx((-0.03, 0.02))
    assert truth.correlation == pytest.approx(-0.2)
    assert truth_like(warehouse, "a/task/m", 0.01).group_slope == 0.01
    with pytest.raises(PowerError, match="there is no such model"):
        truth_like(warehouse, "a/task/other", None)
    with pytest.raises(PowerError, match="ANALYSIS/OUTCOME/MODEL"):
        truth_like(warehouse, "task", None)
    with pytest.raises(PowerError, match="no sealed warehouse"):
        truth_like(tmp_path / "none", "a/task/m", None)
