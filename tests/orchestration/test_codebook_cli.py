"""`concord codebook` at the terminal: lists, sheets, checks that can fail, and a network's own instrument."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from codebook.library import load_instruments
from orchestration.cli import app
from orchestration.codebook_check import load_codebook

RUNNER = CliRunner()
OWN = Path(__file__).parent.parent / "data" / "instruments"
INSTRUMENTS = load_instruments()


def concord(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["codebook", *map(str, arguments)], env={"COLUMNS": "100"})


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network whose own instrument is the PCL-5."""
    (tmp_path / "network.yaml").write_text("name: own\ntitle: A network with an instrument of its own\n")
    shutil.copytree(OWN, tmp_path / "instruments")
    return tmp_path


def test_the_list_has_every_instrument() -> None:
    done = concord("list")
    assert done.exit_code == 0
    listed = [line.split()[0] for line in done.stdout.splitlines()[2:] if line.strip()]
    assert listed == list(INSTRUMENTS)


@pytest.mark.parametrize("key", INSTRUMENTS)
def test_a_sheet_says_everything_within_the_terminal(key: str) -> None:
    done = concord("show", key)
    assert done.exit_code == 0, done.output
    instrument = INSTRUMENTS[key]
    said = " ".join(done.stdout.split())
    for text in (instrument.name, *(scale.label for scale in instrument.scales), *instrument.conflicts):
        assert " ".join(text.split()) in said
    long = [line for line in done.stdout.splitlines() if len(line) > 100]
    assert all("http" in line or len(line.split()[-1]) > 40 for line in long)


def test_an_unknown_key_names_the_known_ones() -> None:
    done = concord("show", "nothing")
    assert done.exit_code == 2
    assert "wai_sr" in done.stderr


def test_every_shipped_case_passes_by_the_reference_scorer() -> None:
    done = concord("check", "--no-sql")
    assert done.exit_code == 0, done.output
    assert "All pass." in done.stdout


def test_the_given_vectors_pass_by_both_scorers(shared: Path) -> None:
    done = concord("check", "--cases", shared / "facts" / "scoring_vectors.json")
    assert done.exit_code == 0, done.output
    assert "256 cases: reference scorer 256 of 256" in done.stdout
    assert "All pass." in done.stdout


def test_a_wrong_case_fails_in_both_scorers_with_expected_and_got(tmp_path: Path) -> None:
    wrong = {"id": "wrong", "instrument": "wsas", "responses": [1, 2, 3, 4, 5], "expected": {"total": 14}}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"vectors": [wrong]}))
    done = concord("check", "--cases", file)
    assert done.exit_code == 1
    assert "total: expected 14, reference got 15" in done.stdout
    assert "total: expected 14, SQL got 15" in done.stdout


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([{"id": "a", "instrument": "nobody", "responses": [1], "expected": {"total": 1}}], "no instrument 'nobody'"),
        ([], "no case to check"),
        (
            [{"id": "a", "instrument": "wsas", "responses": [1] * 5, "expected": {"total": 5}}] * 2,
            "two cases have this id",
        ),
    ],
)
def test_cases_that_cannot_be_checked_are_told(tmp_path: Path, vectors: list[object], said: str) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"vectors": vectors}))
    done = concord("check", "--cases", file, "--no-sql")
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_network_adds_an_instrument_by_one_file_and_its_cases(network: Path) -> None:
    codebook = load_codebook(network)
    assert set(codebook.instruments) == {*INSTRUMENTS, "pcl_5"}
    assert len(codebook.cases["pcl_5"]) >= 6
    done = concord("check", "--network", network, "--instrument", "pcl_5")
    assert done.exit_code == 0, done.output
    assert "reference scorer 6 of 6, SQL 5 of 5" in done.stdout


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("items: [6, 7]", "items: [6, 8]"), ('operator: ">="', 'operator: ">"'), ("n_items: 20", "n_items: 21")],
)
def test_the_cases_of_the_added_instrument_bite(network: Path, was: str, becomes: str) -> None:
    declaration = network / "instruments" / "pcl_5.yaml"
    text = declaration.read_text(encoding="utf-8")
    assert was in text
    declaration.write_text(text.replace(was, becomes), encoding="utf-8")
    done = concord("check", "--network", network, "--instrument", "pcl_5", "--no-sql")
    assert done.exit_code == 1
    assert "FAIL pcl_5_" in done.stdout


def test_a_network_that_declares_an_instrument_itself_answers_for_its_cases(network: Path) -> None:
    own = (Path(__file__).parents[2] / "codebook" / "instruments" / "wsas.yaml").read_text(encoding="utf-8")
    (network / "instruments" / "wsas.yaml").write_text(own, encoding="utf-8")
    assert "wsas" not in load_codebook(network).cases
    done = concord("check", "--network", network, "--no-sql")
    assert "No cases: wsas" in done.stdout


def test_cases_of_no_instrument_are_an_error(network: Path) -> None:
    (network / "instruments" / "pcl_5.yaml").unlink()
    done = concord("check", "--network", network, "--no-sql")
    assert done.exit_code == 2
    assert "no instrument 'pcl_5'" in done.stderr
