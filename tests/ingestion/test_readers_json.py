"""Dataset-JSON and FHIR: what JSON may hold, what its own definitions say, and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assets.ingestion.readers.protocol import SOURCE_ROW, ReadError, SourceFrame, UnreadableRow, read_file
from codebook.formats import DatasetJsonFormat, FhirFormat, ReadingLimits

# Dataset-JSON

COLUMNS = [
    {"name": "USUBJID", "dataType": "string"},
    {"name": "VISITNUM", "dataType": "float"},
    {"name": "QSSEQ", "dataType": "integer"},
    {"name": "QSSTRESC", "dataType": "decimal"},
    {"name": "QSBLFL", "dataType": "boolean"},
]
ROWS = '[["a", 8.01, 1, "1.50", true], ["", 3.0, 2.0, 2.50, false], [null, 1e2, 12345678901234567890, null, null]]'
TOLD = [("a", "8.01", "1", "1.50", "true", 1), (None, "3", "2", "2.50", "false", 2)]
TOLD_LAST = (None, "100", "12345678901234567890", None, None, 3)


def read_dataset(folder: Path, text: str, sheet: str | None = None, limits: ReadingLimits | None = None) -> SourceFrame:
    (folder / "qs.json").write_text(text, encoding="utf-8")
    return read_file(folder / "qs.json", "qs.json", DatasetJsonFormat(reader="dataset_json"), sheet, limits)


def document(rows: str = ROWS, **said: Any) -> str:
    head = {"datasetJSONVersion": "1.1.0", "records": 3, "name": "QS", "itemGroupOID": "IG.QS", "columns": COLUMNS}
    return json.dumps({**head, **said})[:-1] + f', "rows": {rows}}}'


def test_dataset_json_keeps_what_the_columns_declare(tmp_path: Path) -> None:
    source = read_dataset(tmp_path, document())
    assert source.frame.rows() == [*TOLD, TOLD_LAST]
    assert (source.unreadable, source.notes) == ((), ())


def test_its_lines_and_another_order_of_members_say_the_same(tmp_path: Path) -> None:
    head, _, rows = document().partition(', "rows": ')
    lines = "\n".join(
        [head + "}", *(json.dumps(json.loads(row)) for row in ROWS[1:-1].replace("], [", "]\n[").split("\n"))]
    )
    source = read_dataset(tmp_path, lines)
    assert [row[-1] for row in source.frame.rows()] == [2, 3, 4], "NDJSON counts lines"
    assert [row[0] for row in source.frame.rows()] == ["a", None, None]
    turned = f'{{"rows": {rows[:-1]}, {head[1:]}}}'
    assert read_dataset(tmp_path, turned).frame.rows() == [*TOLD, TOLD_LAST]


def test_records_that_do_not_fit_are_unreadable(tmp_path: Path) -> None:
    rows = '[["a", 1, 1, "1", true], ["b"], {"a": 1}, ["c", [1], 1, "1", true], ["\\ud800", 1, 1, "1", true]]'
    source = read_dataset(tmp_path, document(rows, records=5))
    assert source.frame[SOURCE_ROW].to_list() == [1]
    assert source.unreadable == (
        UnreadableRow(2, "has 1 cells, the columns are 5"),
        UnreadableRow(3, "is no list of cells"),
        UnreadableRow(4, "holds a cell with parts"),
        UnreadableRow(5, "holds half a character"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(records=4), "says that it has 4 records, but holds 3"),
        (document()[:-40], "ends early or is no JSON"),
        (document("[[NaN, 1, 1, 1, 1]]", records=1), "holds NaN or Infinity"),
        (document("[" * 100_000), "is nested too deeply"),
        (document(datasetJSONVersion="1.0.0"), "is not Dataset-JSON 1.1"),
        (document(columns=[{"name": "a", "dataType": "colour"}]), "a data type that Dataset-JSON 1.1 does not have"),
        (document(columns=[{"name": "a", "dataType": "string"}] * 2), "names a more than once"),
        (document() + "[]", "goes on behind the end"),
        ("[1, 2]", "is no JSON"),
    ],
)
def test_documents_that_cannot_be_used_say_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ReadError, match=said) as error:
        read_dataset(tmp_path, text)
    assert str(error.value).startswith("qs.json: ")
    assert "\n" not in str(error.value)


def test_another_data_set_or_too_large_a_one_is_refused(tmp_path: Path) -> None:
    assert read_dataset(tmp_path, document(), "IG.QS").sheet == "IG.QS"
    with pytest.raises(ReadError, match="does not hold the data set 'DM'"):
        read_dataset(tmp_path, document(), "DM")
    with pytest.raises(ReadError, match="spans more than 10 cells"):
        read_dataset(tmp_path, document(), None, ReadingLimits(max_sheet_cells=10))


@pytest.mark.parametrize(("name", "n"), [("qsph.json", 330), ("sv.json", 164)])
def test_every_cell_of_the_real_data_sets(shared: Path, name: str, n: int) -> None:
    path = shared / "samples" / "dataset_json" / name
    source = read_file(path, name, DatasetJsonFormat(reader="dataset_json"))
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert source.frame.height == raw["records"] == n
    for position, column in enumerate(raw["columns"]):
        cells = [row[position] for row in raw["rows"]]
        expected = [None if cell in (None, "") else f"{cell}".strip().removesuffix(".0") for cell in cells]
        assert source.frame[column["name"]].to_list() == expected, column["name"]
    if name == "sv.json":
        assert "8.01" in source.frame["VISITNUM"].to_list(), "inference would read VISITNUM as whole numbers"


# FHIR


def read_fhir(folder: Path, content: object, definitions: object = None, sheet: str | None = None) -> SourceFrame:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "responses.json").write_text(text, encoding="utf-8")
    if definitions is not None:
        (folder / "definitions.json").write_text(json.dumps(definitions), encoding="utf-8")
    format = FhirFormat(reader="fhir", definitions=None if definitions is None else "def*.json")
    return read_file(folder / "responses.json", "responses.json", format, sheet)


def response(*items: object, **said: object) -> dict[str, Any]:
    base = {"resourceType": "QuestionnaireResponse", "status": "completed", "item": list(items)}
    return {**base, **said}


def bundle(*resources: object) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def item(link_id: str, *values: dict[str, object], **more: object) -> dict[str, object]:
    return {"linkId": link_id, "answer": list(values), **more}


def test_every_kind_of_answer_becomes_text_as_it_stands(tmp_path: Path) -> None:
    text = json.dumps(
        response(
            item("decimal", {"valueDecimal": 0}),
            item("integer", {"valueInteger": -3}),
            item("boolean", {"valueBoolean": False}),
            item("date", {"valueDate": "2026-01"}),
            item("string", {"valueString": " NA "}, {"valueString": "second"}),
            item("coding", {"valueCoding": {"code": "LA1"}}),
            item("quantity", {"valueQuantity": {"value": 1, "unit": "points"}}),
            item("asked", {"extension": [{"url": "http://x/data-absent-reason", "valueCode": "asked-declined"}]}),
            {
                "linkId": "group",
                "item": [item("inner", {"valueInteger": 1, "item": [item("below", {"valueInteger": 2})]})],
            },
            {"linkId": "unanswered"},
            item("status", {"valueString": "x"}),
            id="r1",
            authored="2026-01-02T23:30:00+02:00",
            subject={"reference": "Patient/1", "display": "Åse"},
            source={"identifier": {"value": "42"}},
        )
    )
    source = read_fhir(tmp_path, text.replace('"valueDecimal": 0', '"valueDecimal": 1.50'))
    assert source.frame.row(0, named=True) == {
        "id": "r1",
        "status": "completed",
        "authored": "2026-01-02T23:30:00+02:00",
        "authored_date": "2026-01-02",
        "subject": "Patient/1",
        "source": "42",
        "author": None,
        "encounter": None,
        "questionnaire": None,
        "decimal": "1.50",
        "integer": "-3",
        "boolean": "false",
        "date": "2026-01",
        "string": "NA",
        "string#2": "second",
        "coding": "LA1",
        "quantity": "1",
        "asked": "asked-declined",
        "inner": "1",
        "below": "2",
        "unanswered": None,
        "item.status": "x",
        SOURCE_ROW: 1,
    }
    assert source.user_missing == {"asked": {"asked-declined": "absent in the file: asked-declined"}}


ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"


def option(code: str, value: float, *, inside: bool) -> dict[str, object]:
    extension = [{"url": ORDINAL, "valueDecimal": value}]
    coding = {"system": "s", "code": code}
    return (
        {"valueCoding": {**coding, "extension": extension}}
        if inside
        else {"valueCoding": coding, "extension": extension}
    )


def test_codes_become_what_their_own_question_says_they_are_worth(tmp_path: Path) -> None:
    questionnaire = {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "http://x/Questionnaire/q",
        "item": [
            {
                "linkId": "1",
                "type": "choice",
                "answerOption": [option("A", 0, inside=True), option("B", 1, inside=False)],
            },
            {"linkId": "2", "type": "choice", "answerOption": [option("A", 4, inside=True)]},
            {"linkId": "3", "type": "choice", "answerValueSet": "http://x/ValueSet/v|2"},
            {"linkId": "never", "type": "string"},
        ],
    }
    value_set = {
        "resourceType": "ValueSet",
        "url": "http://x/ValueSet/v",
        "expansion": {"contains": [{"system": "s", "code": "A", "extension": [{"url": ORDINAL, "valueDecimal": 2.5}]}]},
    }
    answers = [
        item(name, {"valueCoding": {"system": "s", "code": code}}) for name, code in ("1A", "2A", "3A", "4B", "5A")
    ]
    answers[0] = item("1", {"valueCoding": {"system": "s", "code": "B"}})
    answers[1] = item("2", {"valueCoding": {"code": "A"}})
    answers[2] = item("3", {"valueCoding": {"system": "s", "code": "A"}})
    source = read_fhir(
        tmp_path, response(*answers, questionnaire="http://x/Questionnaire/q|1"), bundle(questionnaire, value_set)
    )
    told = source.frame.row(0, named=True)
    assert [told[name] for name in ("1", "2", "3", "4", "5", "never")] == ["1", "4", "2.5", "1", "A", None]
    assert source.notes == (
        "answers 2 linkIds that the Questionnaire of its definitions does not have",
        "1 coded answers have no ordinal value in the definitions and stand as their code",
    )


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"status": "final"}, "has no status"),
        ({"status": None}, "has no status"),
        ({"authored": "02.01.2026"}, "has an authored time"),
        ({"item": {}}, "holds items that are no list"),
        ({"item": [{"text": "x"}]}, "holds an item without a usable linkId"),
        ({"item": [item("1", {"valueInteger": 1}), item("1", {"valueInteger": 2})]}, "answers one linkId twice"),
        ({"item": [item("1"), {"linkId": "g", "item": [item("1")]}]}, "holds one linkId in two places"),
        ({"item": [item("1", {"valueColour": "red"})]}, "of a type that FHIR R4 does not have"),
        ({"item": [item("1", {"valueInteger": 1, "valueString": "1"})]}, "holds an answer with several values"),
        ({"item": [item("1", {"valueInteger": "1"})]}, "whose value is not of its type"),
        ({"item": [item("1", {"valueInteger": 1.5})]}, "whose value is not of its type"),
        ({"item": [item("1", {"valueBoolean": "yes"})]}, "whose value is not of its type"),
        ({"item": [item("1", {})]}, "holds an answer without a value"),
        ({"item": [item("1", {"valueString": "\ud800"})]}, "holds half a character"),
        ({"subject": {"reference": 7}}, "holds a reference that is no text"),
    ],
)
def test_a_malformed_response_is_an_unreadable_row(tmp_path: Path, spoilt: dict[str, Any], reason: str) -> None:
    good = response(item("1", {"valueInteger": 1}), id="a")
    source = read_fhir(tmp_path, bundle(good, {**response(id="b"), **spoilt}, {**good, "id": "c"}))
    assert source.frame["id"].to_list() == ["a", "c"]
    assert source.frame[SOURCE_ROW].to_list() == [1, 3]
    assert [(row.source_row, reason in row.reason) for row in source.unreadable] == [(2, True)], source.unreadable


def test_repeated_groups_are_further_answers(tmp_path: Path) -> None:
    group = [{"linkId": "g", "item": [item("1", {"valueInteger": n})]} for n in (1, 2, 3)]
    told = read_fhir(tmp_path, response(*group)).frame.row(0, named=True)
    assert [told[name] for name in ("1", "1#2", "1#3")] == ["1", "2", "3"]


def test_lines_are_read_one_by_one_and_others_are_listed(tmp_path: Path) -> None:
    lines = [
        json.dumps(response(item("1", {"valueInteger": 1}), id="a", questionnaire="http://x/q1")),
        "",
        "{broken",
        json.dumps({"resourceType": "Patient", "id": "p"}),
        json.dumps(
            response(item("2", {"valueInteger": 2}), id="b", questionnaire="http://x/q2|3", status="entered-in-error")
        ),
        "[]",
    ]
    text = "\n".join(lines)
    source = read_fhir(tmp_path, text)
    assert source.frame.select("id", "1", "2", SOURCE_ROW).rows() == [("a", "1", None, 1), ("b", None, "2", 5)]
    assert source.unreadable == (UnreadableRow(3, "is no JSON"), UnreadableRow(6, "is no FHIR resource"))
    assert source.notes == (
        "holds other resources, which were not read: 1 Patient",
        "1 responses have the status entered-in-error",
    )
    only = read_fhir(tmp_path, text, sheet="q2")
    assert (only.frame["id"].to_list(), only.other_sheets) == (["b"], ("http://x/q1",))


@pytest.mark.parametrize(
    ("content", "definitions", "said"),
    [
        ("{}", None, "is no FHIR resource in JSON"),
        ("id,score\n1,2\n", None, "is no JSON"),
        (response(), {"resourceType": "Questionnaire", "item": [{"linkId": "1", "type": "colour"}]}, "of a type that"),
        (
            response(),
            {"resourceType": "Questionnaire", "item": [{"linkId": "1", "type": "string"}] * 2},
            "describes one linkId twice",
        ),
    ],
)
def test_files_that_are_no_fhir_say_so(tmp_path: Path, content: object, definitions: object, said: str) -> None:
    with pytest.raises(ReadError, match=said):
        read_fhir(tmp_path, content, definitions)


def test_declared_definitions_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(response()))
    with pytest.raises(ReadError, match="no definitions like 'Q\\*' in the delivery"):
        read_file(tmp_path / "r.json", "r.json", FhirFormat(reader="fhir", definitions="Q*"))


def test_the_real_response_scores_by_its_value_set(shared: Path) -> None:
    """The answers carry codes only, under other linkIds than the Questionnaire's, and the value set is a third file."""
    folder = shared / "samples" / "fhir"
    path = next(folder.glob("QuestionnaireResponse*.json"))
    coded = read_file(path, path.name, FhirFormat(reader="fhir")).frame.row(0, named=True)
    assert {coded[f"PHQ.{n}"] for n in range(1, 10)} == {"LA6571-9"}
    source = read_file(path, path.name, FhirFormat(reader="fhir", definitions="*.json"))
    told = source.frame.row(0, named=True)
    assert source.frame.height == 1
    assert sum(int(told[f"PHQ.{n}"]) for n in range(1, 10)) == int(told["PHQ.Score"]) == 27
    assert told["PHQ.10"] == "LA6574-3", "its value set is not among the files"
    assert told["authored_date"] == "2023-10-01"
