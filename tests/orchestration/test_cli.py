"""The command line's manners: help that teaches, one sentence on stderr, exit codes that scripts can rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["validate", "-n", "{tmp}"], 2, "not a network folder"),
        (["run", "-n", "{tmp}"], 2, "not a network folder"),
        (["status", "-n", "{tmp}"], 1, "no warehouse was sealed yet"),
        (["query", "select 1", "-n", "{tmp}"], 1, "no warehouse was sealed yet"),
        (["query", "select 1", "-n", "{tmp}", "--format", "xml"], 2, "choose table, csv, json or parquet"),
        (["run", "-n", "{tmp}", "--today", "tomorrow"], 2, "write it as"),
        (["fit", "y ~ x", "--data", "{tmp}/none.csv", "--patient", "id", "--time", "t"], 2, "does not exist"),
        (["run", "--nonsense"], 2, "No such option"),
    ],
)
def test_errors_are_one_sentence(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = RUNNER.invoke(app, [argument.format(tmp=tmp_path) for argument in arguments])
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_wrong_declaration_names_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text("name: x\ntitle: X\ntresholds: {}\n")
    done = RUNNER.invoke(app, ["validate", "-n", str(tmp_path)])
    assert done.exit_code == 2
    assert "network.yaml:3: tresholds: unknown key" in done.stderr


def test_a_missing_key_is_told_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text("name: x\ntitle: X\n")
    done = RUNNER.invoke(app, ["run", "-n", str(tmp_path)])
    assert done.exit_code == 2
    assert "concord key" in done.stderr
    made = RUNNER.invoke(app, ["key", "-n", str(tmp_path)])
    assert made.exit_code == 0
    again = RUNNER.invoke(app, ["key", "-n", str(tmp_path)])
    assert again.exit_code == 2
    assert "would change every id" in again.stderr


def test_the_demo_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = RUNNER.invoke(app, ["demo", str(tmp_path)])
    assert done.exit_code == 2
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_fit_prints_a_model_as_json(tmp_path: Path) -> None:
    import json

    data = Path(__file__).parents[1] / "data" / "golden" / "sim_wai.csv"
    arguments = ["fit", "y ~ month", "--data", str(data), "--patient", "id", "--time", "month", "--format", "json"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    golden = json.loads((data.parent / "sim_wai.json").read_text())["ML"]["growth"]
    fitted = json.loads(done.stdout)
    slope = next(row for row in fitted["estimates"] if row["term"] == "month")
    assert abs(slope["estimate"] - golden["fixef"]["month"]) < 1e-3 * golden["se"]["month"]
    assert abs(fitted["logLik"] - golden["logLik"]) < 1e-8
