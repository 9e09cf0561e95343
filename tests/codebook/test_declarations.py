"""What a declaration may not be: the loader, the library and the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from codebook.declaration import DeclarationError, fingerprint, load
from codebook.instrument import Instrument, item_column
from codebook.library import BUILT_IN, load_instruments, load_library
from codebook.network import Network


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)


def problems_of(path: Path, model: type[Any] = Network) -> str:
    with pytest.raises(DeclarationError) as caught:
        load(path, model)
    return str(caught.value)


# --- the loader ---------------------------------------------------------------------------------


def test_an_unknown_key_is_refused_with_file_line_and_key(tmp_path: Path) -> None:
    path = written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\ntimezon: UTC\n")
    message = problems_of(path)
    assert message.startswith(f"{path}:3: timezon: unknown key; known here: ")
    assert "timezone" in message


def test_an_unknown_nested_key_is_found_on_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\nprivacy:\n  key_file: k\n  min_cells: 3\n")
    assert problems_of(path).startswith(f"{path}:5: privacy.min_cells: unknown key")


def test_an_unknown_key_inside_an_instrument_names_the_scale(tmp_path: Path) -> None:
    text = (BUILT_IN / "wsas.yaml").read_text("utf-8").replace("    is_primary: true", "    primary: true")
    path = written(tmp_path / "wsas.yaml", text)
    line = line_of(path, "    primary: true")
    assert problems_of(path, Instrument).startswith(f"{path}:{line}: scales.0.primary: unknown key")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\nname: other\n")
    assert problems_of(path) == f"{path}:3: not valid YAML: the key 'name' is given twice; keep one"


def test_a_nested_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\nprivacy:\n  key_file: a\n  key_file: b\n")
    assert f"{path}:5: " in problems_of(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    assert problems_of(path) == f"{path}: the file does not exist; create it"


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path / "network.yaml", "name: demo\nnightly_at: half past two\nprivacy:\n  minimum_cell_count: 0\n"
    )
    with pytest.raises(DeclarationError) as caught:
        load(path, Network)
    assert {(problem.line, problem.key) for problem in caught.value.problems} == {
        (1, "title"),
        (2, "nightly_at"),
        (4, "privacy.minimum_cell_count"),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [unclosed\n", "not valid YAML"),
        ("- a list\n", "expected 'key: value' lines at the top level"),
        ("", "expected 'key: value' lines at the top level"),
    ],
)
def test_text_that_is_no_declaration_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in problems_of(written(tmp_path / "network.yaml", text))


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_bytes("name: Malmö\n".encode("latin-1"))
    assert "not UTF-8 text" in problems_of(path)


def test_a_fingerprint_ignores_comments_and_key_order_but_not_content(tmp_path: Path) -> None:
    first = load(written(tmp_path / "a.yaml", "name: demo\ntitle: Demo\n"), Network)
    same = load(written(tmp_path / "b.yaml", "# a comment\ntitle: Demo\nname: demo\n"), Network)
    other = load(written(tmp_path / "c.yaml", "name: demo\ntitle: Demo 2\n"), Network)
    assert fingerprint(first) == fingerprint(same)
    assert fingerprint(first) != fingerprint(other)


# --- the library --------------------------------------------------------------------------------


def test_an_instrument_under_a_wrong_file_name_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "wai.yaml", (BUILT_IN / "wai_s.yaml").read_text("utf-8"))
    with pytest.raises(DeclarationError) as caught:
        load_instruments(tmp_path)
    assert str(caught.value) == f"{path}:1: declares 'wai_s'; name the file wai_s.yaml"


def test_a_network_that_accepts_a_rule_nobody_declared_is_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path / "network.yaml", "name: demo\ntitle: Demo\naccepted_unverified: [wai_s-missing, wai-missin]\n"
    )
    with pytest.raises(DeclarationError) as caught:
        load_library(tmp_path)
    assert str(caught.value) == f"{path}: accepted_unverified: no rule, norm or reliability is called 'wai-missin'"


def test_a_network_sees_what_is_wrong_in_all_its_files(tmp_path: Path) -> None:
    written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\ncolour: red\n")
    written(tmp_path / "instruments" / "own.yaml", "key: own\n")
    with pytest.raises(DeclarationError) as caught:
        load_library(tmp_path)
    assert {problem.file.name for problem in caught.value.problems} == {"network.yaml", "own.yaml"}


def test_a_folder_without_a_network_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="not a network folder"):
        load_library(tmp_path)


def test_a_network_overlays_an_instrument_and_accepts_by_name(tmp_path: Path) -> None:
    written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\naccepted_unverified: [bsi_18-missing]\n")
    text = (BUILT_IN / "wsas.yaml").read_text("utf-8").replace("name: Work and Social", "name: Our Work and Social")
    written(tmp_path / "instruments" / "wsas.yaml", text)
    library = load_library(tmp_path)
    assert library.instruments["wsas"].name.startswith("Our ")
    assert {"bsi_18-missing", "wsas-retired"} <= library.accepted_rules()
    assert not {"wai_s-missing", "wai_sr-missing", "wsas-prorated"} & library.accepted_rules()


# --- the model ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reversed_items": [6]}, "reversed_items must lie in 1–5"),
        ({"n_items": 4}, "names an item outside 1–4"),
        ({"key": "WSAS"}, "String should match pattern"),
        ({"versions": []}, "at least 1 item"),
        ({"direction": "better"}, "higher_is_better"),
    ],
)
def test_an_instrument_that_contradicts_itself_is_refused(change: dict[str, Any], says: str) -> None:
    data = yaml.safe_load((BUILT_IN / "wsas.yaml").read_text("utf-8"))
    Instrument.model_validate(data)
    with pytest.raises(ValidationError, match=says):
        Instrument.model_validate(data | change)


def test_two_rules_for_one_scale_of_a_version_are_refused() -> None:
    data = yaml.safe_load((BUILT_IN / "gaf.yaml").read_text("utf-8"))
    del data["scales"][2]["versions"]
    with pytest.raises(ValidationError, match="version 'gaf_global' has two rules for one scale"):
        Instrument.model_validate(data)


def test_a_recode_must_cover_its_range() -> None:
    data = yaml.safe_load((BUILT_IN / "bdi_ii.yaml").read_text("utf-8"))
    data["versions"][1]["exceptions"][0]["recode"].pop()
    with pytest.raises(ValidationError, match="one scored value for every value"):
        Instrument.model_validate(data)


def test_item_columns_sort_as_items_do() -> None:
    assert [item_column(item) for item in (1, 10, 118)] == ["item_01", "item_10", "item_118"]
