"""`concord analyse`: what is declared, computed from a sealed file and printed."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from orchestration.cli import app

ANALYSIS = """\
name: alliance
title: Alliance
panel:
  name: alliance_panel
  grain: one row per episode and WAI
  measures: {task: {instruments: [wai_s], scale: task}}
  covariates:
    n_assessments: {kind: n_assessments}
    arm_b: {kind: episode, column: arm, is_value: b}
outcomes: {task: Task}
models:
  - {name: growth, label: Growth, terms: [months]}
  - {name: arms, label: Arms, terms: [months, arm_b, "months:arm_b"], reference: growth}
procedures:
  - name: table
    kind: group_comparison
    title: Arms at the start
    group: arm_b
    labels: {0: Arm a, 1: Arm b}
    variables: {n_assessments: {label: Number of assessments, type: continuous}, arm_b: {label: Arm b}}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("analyse")
    (root / "analyses").mkdir()
    (root / "network.yaml").write_text("name: tiny\ntitle: Tiny\nis_synthetic: true\n", encoding="utf-8")
    (root / "analyses" / "alliance.yaml").write_text(ANALYSIS, encoding="utf-8")
    rng = np.random.default_rng(1)
    level, slope = rng.normal(5, 1, 30), rng.normal(0.02, 0.02, 30)
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        connection.execute(
            "create schema harmonised; create table harmonised.episode (episode_id varchar, arm varchar);"
            "create table harmonised.scale_score (assessment_id varchar, episode_id varchar, patient_id varchar, "
            "site_id varchar, instrument varchar, rater varchar, scale varchar, months double, occasion varchar, "
            "score double)"
        )
        for one in range(30):
            connection.execute("insert into harmonised.episode values (?, ?)", [f"e{one}", "ab"[one % 2]])
            for month in range(3, 21 + 6 * (one % 3), 6):
                score = level[one] + slope[one] * month + rng.normal(0, 0.3)
                row = [f"{one}-{month}", f"e{one}", f"p{one}", "north", "wai_s", "patient", "task", month, "m", score]
                connection.execute("insert into harmonised.scale_score values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return root


def concord(network: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["analyse", "--network", str(network), *arguments])


def test_everything_is_printed_for_reading(network: Path) -> None:
    before = (network / "warehouse.duckdb").stat()
    done = concord(network)
    assert done.exit_code == 0, done.output
    for text in ("Alliance (alliance)", "Task: Arms (task/arms)", "months:arm_b", "Arms at the start (table)"):
        assert text in done.stdout
    assert "patients: 30" in done.stdout and "AIC of the reference on these rows" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("Number of assessments"))
    assert "t_test" in line and line.count("(") == 3
    share = next(line for line in done.stdout.splitlines() if line.startswith("Arm b"))
    assert "15 of 15 (100 %)" in share and "0 of 15 (0 %)" in share
    after = (network / "warehouse.duckdb").stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert {path.name for path in network.iterdir()} == {"analyses", "network.yaml", "warehouse.duckdb"}


def test_json_holds_every_table_with_rows(network: Path) -> None:
    done = concord(network, "alliance", "--format", "json")
    tables = json.loads(done.stdout)
    assert {"results.estimate", "results.fit", "results.comparison", "results.group_test"} <= set(tables)
    assert not [name for name in tables if name.startswith("analysis.")]
    terms = [row["term"] for row in tables["results.estimate"] if row["model"] == "arms"]
    assert terms == ["intercept", "months", "arm_b", "months:arm_b"]


def test_a_wrong_name_says_the_nearest_one(network: Path) -> None:
    done = concord(network, "aliance")
    assert done.exit_code == 2
    assert done.stderr == "no analysis is called aliance; did you mean 'alliance'?\n"
    assert concord(network, "--format", "xml").exit_code == 2


def test_a_typo_in_the_file_says_file_and_line(network: Path, tmp_path: Path) -> None:
    (tmp_path / "analyses").mkdir()
    (tmp_path / "network.yaml").write_text((network / "network.yaml").read_text("utf-8"), encoding="utf-8")
    path = tmp_path / "analyses" / "alliance.yaml"
    path.write_text(ANALYSIS.replace("terms: [months]", "terms: [month]"), encoding="utf-8")
    done = concord(tmp_path)
    assert done.exit_code == 2
    said = "model 'growth' names month; the panel has no such column; did you mean 'months'?"
    assert done.stderr == f"{path}:12: models.0.terms.0: {said}\n"
    told = CliRunner().invoke(app, ["validate", "--network", str(tmp_path)])
    assert told.exit_code == 2 and told.stderr == done.stderr


def test_without_a_warehouse_it_says_what_to_do(network: Path, tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text((network / "network.yaml").read_text("utf-8"), encoding="utf-8")
    done = concord(tmp_path)
    assert done.exit_code == 1 and "run 'concord run' first" in done.stderr


def test_a_model_that_cannot_be_fitted_fails_and_the_rest_is_printed(network: Path, tmp_path: Path) -> None:
    (tmp_path / "analyses").mkdir()
    for name in ("network.yaml", "warehouse.duckdb"):
        (tmp_path / name).write_bytes((network / name).read_bytes())
    text = ANALYSIS.replace("column: arm, is_value: b", "column: arm, is_value: c")
    (tmp_path / "analyses" / "alliance.yaml").write_text(text, encoding="utf-8")
    done = concord(tmp_path)
    assert done.exit_code == 1
    assert "alliance, task, arms: collinear terms" in done.stderr
    assert "not fitted: collinear terms" in done.stdout and "Task: Growth" in done.stdout
