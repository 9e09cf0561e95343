"""The codebook as files: what REDCap and FHIR take in is what the codebook holds, and a site's form is told apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.questionnaire import Questionnaire
from typer.testing import CliRunner, Result

from assets.publishing.codebook.difference import compare_dictionary
from assets.publishing.codebook.export import FORMATS, export
from assets.publishing.codebook.fhir import questionnaire
from assets.publishing.codebook.forms import declared_form, editions
from assets.publishing.codebook.redcap import COLUMNS, data_dictionary, import_redcap
from codebook.instrument import Instrument, Version
from codebook.library import load_instruments
from orchestration.cli import app

INSTRUMENTS = load_instruments()
EDITIONS = list(editions(INSTRUMENTS.values()))
R4_ITEM_TYPES = {"integer", "decimal", "choice"}
NAMES = [version.key for _, version in EDITIONS]


def concord(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["codebook", *map(str, arguments)])


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("redcap") / "dictionary.csv"
    path.write_text(data_dictionary(INSTRUMENTS.values()), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_redcap_takes_the_dictionary(dictionary: Path) -> None:
    found = rows(dictionary)
    assert tuple(found[0]) == COLUMNS
    names = [row["Variable / Field Name"] for row in found]
    assert names[0] == "record_id"
    assert len(set(names)) == len(names)
    assert all(name.islower() and name.replace("_", "").isalnum() and len(name) <= 26 for name in names)
    forms = [row["Form Name"] for row in found]
    assert len(set(forms)) == sum(1 for place, form in enumerate(forms) if place == 0 or forms[place - 1] != form)
    for row in found:
        if row["Field Type"] == "radio":
            assert len(row["Choices, Calculations, OR Slider Labels"].split(" | ")) > 1
        else:
            assert row["Field Type"] == "text"


@pytest.mark.parametrize(("instrument", "version"), EDITIONS, ids=NAMES)
def test_what_redcap_holds_comes_back_as_the_codebook(
    dictionary: Path, instrument: Instrument, version: Version
) -> None:
    declared = declared_form(instrument, version)
    form = import_redcap(dictionary)[declared.name]
    assert form == declared
    for item in form.items:
        assert (item.minimum, item.maximum) == version.item_range(item.item)
        assert item.missing == tuple((code.code, code.label) for code in instrument.missing_codes)
    assert {item.item for item in form.items} == set(version.items or range(1, instrument.n_items + 1))


def test_the_own_dictionary_differs_in_nothing(dictionary: Path) -> None:
    found, unknown = compare_dictionary(dictionary, INSTRUMENTS)
    assert [(one.instrument.key, one.version.key) for one in found] == [(i.key, v.key) for i, v in EDITIONS]
    assert [one.differences for one in found if one.differences] == []
    assert unknown == ("patient",)


SITE_HEAD = (
    "field_name,form_name,field_type,select_choices_or_calculations,text_validation_type_or_show_slider_number,"
    "text_validation_min,text_validation_max\n"
)


def site_form(path: Path, lines: Iterable[str]) -> Path:
    path.write_text(SITE_HEAD + "\n".join(["record_id,start,text,,,,", *lines]) + "\n", encoding="utf-8")
    return path


PHQ = [f'phq9_{n},phq9,radio,"0, never | 1, some | 2, more | 3, most",,,' for n in range(1, 10)]


def test_a_form_with_other_names_only_needs_a_mapping(tmp_path: Path) -> None:
    done = concord("diff", "--redcap", site_form(tmp_path / "site.csv", PHQ))
    assert done.exit_code == 0, done.output
    assert "other name: items 1–9: phq9_1 … phq9_9 instead of phq_9_01" in done.stdout
    assert 'instrument: phq_9, version: phq_9, items: "phq9_{n}"' in done.stdout
    assert "missing item" not in done.stdout
    assert "other range" not in done.stdout


def test_a_form_with_other_answers_is_told_item_by_item(tmp_path: Path) -> None:
    lines = [
        *PHQ[:1],
        PHQ[1].replace("0, never | 1, some | 2, more | 3, most", "1, never | 2, some | 3, more | 4, most"),
        "phq9_3,phq9,text,,integer,0,4",
        "phq9_4,phq9,text,,integer,0,3",
        "phq9_5,phq9,text,,,,",
        *PHQ[5:8],
        "phq9_10,phq9,text,,integer,0,3",
        'phq9_sum,phq9,calc,"sum([phq9_1],[phq9_2])",,,',
    ]
    done = concord("diff", "--redcap", site_form(tmp_path / "site.csv", lines))
    assert done.exit_code == 1
    told = [line.strip() for line in done.stdout.splitlines()]
    assert "missing item: item 9" in told
    assert "other range: item 2: choices 1, 2, 3, 4, not 0–3" in told
    assert "other range: item 3: from 0 to 4, not 0–3" in told
    assert "other range: item 5: any text, nothing is checked, not 0–3" in told
    assert "extra field: phq9_10 (there is no item 10)" in told
    assert "extra field: phq9_sum" in told
    assert not any("item 4" in line for line in told)
    assert "No instrument resembles these forms: start." in told


def test_the_version_with_the_same_answers_is_taken(tmp_path: Path) -> None:
    choices = " | ".join(f"{n}, {n}" for n in range(1, 6))
    lines = [f'alliance_{n:02d},wai_sr,radio,"{choices}",,,' for n in range(1, 13)]
    (found,), _ = compare_dictionary(site_form(tmp_path / "site.csv", lines), INSTRUMENTS)
    assert (found.version.key, found.changes_answers, found.pattern) == ("wai_sr_5", False, "alliance_{n:02d}")


def test_a_form_under_any_name_is_compared_where_it_is_named(tmp_path: Path) -> None:
    lines = [line.replace("phq9", "mood") for line in PHQ]
    path = site_form(tmp_path / "site.csv", lines)
    assert concord("diff", "--redcap", path).exit_code == 2
    assert "no form resembles phq_9" in concord("diff", "--redcap", path, "--instrument", "phq_9").stderr
    done = concord("diff", "--redcap", path, "--instrument", "phq_9", "--form", "mood")
    assert done.exit_code == 0
    assert 'items: "mood_{n}"' in done.stdout


def test_files_that_are_no_dictionary_are_told(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("record_id,phq9_1\n1,2\n")
    done = concord("diff", "--redcap", path)
    assert done.exit_code == 2
    assert "is no REDCap data dictionary" in done.stderr
    assert "does not exist" in concord("diff", "--redcap", tmp_path / "none.csv").stderr


def test_real_dictionaries_are_read(shared: Path) -> None:
    found = sorted((shared / "samples" / "redcap" / "REDCapR").glob("*/dictionary.csv"))
    assert found
    for path in found:
        forms = import_redcap(path)
        assert sum(len(form.items) + len(form.other_fields) for form in forms.values()) > 0


@pytest.mark.parametrize(("instrument", "version"), EDITIONS, ids=NAMES)
def test_a_questionnaire_is_valid_r4(instrument: Instrument, version: Version) -> None:
    made: dict[str, Any] = json.loads(json.dumps(questionnaire(instrument, version)))
    model = Questionnaire.model_validate(made)
    assert json.loads(model.model_dump_json()) == made
    # What the model does not check (its codes and the invariants of R4).
    assert made["status"] in {"draft", "active", "retired", "unknown"}
    assert made["name"][0].isupper()
    assert made["name"].isalnum()
    assert len(made["id"]) <= 64
    assert set(made["id"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert {item["type"] for item in made["item"]} <= R4_ITEM_TYPES
    links = [item["linkId"] for item in made["item"]]
    assert len(set(links)) == len(links)
    assert links == [f"item_{item:02d}" for item in version.items or range(1, instrument.n_items + 1)]


@pytest.mark.parametrize(("instrument", "version"), EDITIONS, ids=NAMES)
def test_a_questionnaire_offers_exactly_the_answers(instrument: Instrument, version: Version) -> None:
    missing = {code.code for code in instrument.missing_codes}
    for item, number in zip(
        questionnaire(instrument, version)["item"], version.items or range(1, instrument.n_items + 1), strict=True
    ):
        minimum, maximum = version.item_range(number)
        options = item.get("answerOption")
        if options is None:
            limits = {extension["url"].rsplit("/")[-1]: extension for extension in item["extension"]}
            kind = "valueInteger" if item["type"] == "integer" else "valueDecimal"
            assert (limits["minValue"][kind], limits["maxValue"][kind]) == (minimum, maximum)
        elif item["type"] == "integer":
            assert [option["valueInteger"] for option in options] == list(range(minimum, maximum + 1))
        else:
            codings = [option["valueCoding"] for option in options]
            numbers = [coding["extension"][0]["valueDecimal"] for coding in codings if "extension" in coding]
            assert numbers == list(range(minimum, maximum + 1))
            assert {int(coding["code"]) for coding in codings if "extension" not in coding} == missing


def test_the_data_dictionary_has_a_row_per_item_and_scale(tmp_path: Path) -> None:
    (path,) = export(INSTRUMENTS, ["csv"], tmp_path, "0")
    found = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    for instrument in INSTRUMENTS.values():
        for version in instrument.versions:
            mine = [row for row in found if (row["instrument"], row["version"]) == (instrument.key, version.key)]
            items = [row for row in mine if row["row"] == "item"]
            scales = [row["key"] for row in mine if row["row"] == "scale"]
            assert scales == [scale.key for scale in instrument.scales_of(version.key)]
            assert [int(row["items"]) for row in items] == list(version.items or range(1, instrument.n_items + 1))
            turned = {int(row["items"]) for row in items if row["is_reversed"] != "no"}
            assert turned == set(instrument.reversed_items) & {int(row["items"]) for row in items}
    assert all(row["generated_by"] for row in found)
    assert not any(cell[:1] in set("=+-@") for row in found for cell in row.values() if not _is_number(cell))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_the_page_holds_everything_and_asks_nobody(tmp_path: Path) -> None:
    (path,) = export(INSTRUMENTS, ["html"], tmp_path, "0.1.0")
    text = path.read_text(encoding="utf-8")
    assert all(f'data-sheet="{key}"' in text and f'href="#{key}"' in text for key in INSTRUMENTS)
    assert "default-src 'none'" in text
    assert not any(outside in text for outside in ("src=", '<link rel="stylesheet"', "@import", "url("))
    assert "Generated by concord codebook export" in text


def test_the_command_writes_what_was_asked_for(tmp_path: Path) -> None:
    done = concord("export", "--instrument", "gaf", "--instrument", "mini", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "codebook.csv",
        "codebook.html",
        "fhir/Questionnaire-gaf-global.json",
        "fhir/Questionnaire-gaf-split.json",
        "redcap_data_dictionary.csv",
    ]
    assert "No form of mini: the number of items is not known." in done.stdout
    assert set(import_redcap(tmp_path / "redcap_data_dictionary.csv")) == {"patient", "gaf_split", "gaf_global"}


def test_a_format_that_there_is_not_writes_nothing(tmp_path: Path) -> None:
    done = concord("export", "--format", "csv,pdf", "--output", tmp_path / "out")
    assert done.exit_code == 2
    assert ", ".join(FORMATS) in done.stderr
    assert not (tmp_path / "out").exists()
