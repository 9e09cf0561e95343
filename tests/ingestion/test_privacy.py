"""Nobody is named in what is stored: cells, held rows, names of files and columns, and reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import polars as pl
import pytest
from tiny_network import FORMS, PATIENTS, SITE, TinyNetwork

ONE_FORM = FORMS + "1;WSAS;3;01.05.2013;1;2;3;4;5\n"
ONE_PATIENT = PATIENTS + "1;Kari Nordmann;K;1980;01.02.2013;;\n"


def everything_stored(tiny: TinyNetwork) -> Iterator[str]:
    for file in sorted((tiny.root / "lake").rglob("*.parquet")):
        yield file.as_posix()
        frame = pl.read_parquet(file)
        yield ", ".join(frame.columns)
        yield frame.select(pl.col(pl.String)).write_csv()
    for file in sorted((tiny.root / "state").rglob("*.jsonl")):
        yield file.read_text(encoding="utf-8")


def assert_nobody(tiny: TinyNetwork, *people: str) -> None:
    text = "\n".join(everything_stored(tiny)).lower()
    assert text
    assert [person for person in people if person.lower() in text] == []


def findings(tiny: TinyNetwork) -> list[tuple[object, ...]]:
    return sorted(tiny.table("finding").select("rule", "item", "severity").rows(), key=str)


def test_a_word_that_is_also_a_name_is_flagged_and_kept(tiny: TinyNetwork) -> None:
    patients = PATIENTS + "1;Mai Nordmann;K;1980;01.02.2013;;better since Mai\n2;Ola Li;M;1980;01.02.2013;;Olas car\n"
    tiny.deliver("2014-01-01", patients=patients, forms=ONE_FORM)
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert findings(tiny) == [("text-identifier", "note", "void_value"), ("text-name-like", "note", "flag")]
    assert tiny.table("attribute")["value"].to_list() == ["better since Mai"]


def test_too_many_leaking_texts_hold_the_delivery(tiny: TinyNetwork) -> None:
    rows = [
        f"{n};Person{n:03d}x;K;1980;01.02.2013;;note {n} {'a@b.org' if n % 10 == 0 else ''}\n" for n in range(1, 41)
    ]
    tiny.deliver("2014-01-01", patients=PATIENTS + "".join(rows), forms=ONE_FORM)
    (staged,) = tiny.take()
    assert [check.name for check in staged.failed] == ["leak_scan"]
    assert "gate.max_leaking_share" in staged.receipt.gate
    assert "a@b.org" not in staged.receipt.gate


def test_the_network_says_how_many_may(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network(settings="gate: {max_leaking_share: 0.2}\n")
    rows = [
        f"{n};Person{n:03d}x;K;1980;01.02.2013;;note {n} {'a@b.org' if n % 10 == 0 else ''}\n" for n in range(1, 41)
    ]
    tiny.deliver("2014-01-01", patients=PATIENTS + "".join(rows), forms=ONE_FORM)
    (staged,) = tiny.take()
    assert staged.receipt.is_accepted
    assert tiny.table("attribute").height == 36
    assert tiny.rules() == ["text-identifier"] * 4


def test_a_held_row_keeps_its_answers_with_the_leaking_cell_masked(tiny: TinyNetwork) -> None:
    forms = ONE_FORM + "1;WSAS;;;1;2;3;4;ask Kari\n"
    tiny.deliver("2014-01-01", patients=ONE_PATIENT, forms=forms)
    tiny.take()
    (row,) = tiny.table("quarantine")["row_json"].to_list()
    assert json.loads(row) == {"form": "WSAS", "q1": "1", "q2": "2", "q3": "3", "q4": "4", "q5": "[masked]"}
    assert ("text-identifier", "q5", "void_value") in findings(tiny)
    assert_nobody(tiny, "kari", "nordmann")


def test_an_occasion_that_names_someone_is_not_stored(make_network: Callable[..., TinyNetwork]) -> None:
    codes = ', codes: {{"3": m03, "S": discharge, "X": unscheduled}}'
    assert codes in SITE
    tiny = make_network(site=SITE.replace(codes, "").format(mode="snapshot"))
    tiny.deliver("2014-01-01", patients=ONE_PATIENT, forms=FORMS + "1;WSAS;with Kari;01.05.2013;1;2;3;4;5\n")
    tiny.take()
    (occasion,) = tiny.table("wsas")["occasion"].to_list()
    assert occasion.startswith("masked-")
    assert_nobody(tiny, "kari", "nordmann")


@pytest.fixture
def with_names_in_names(make_network: Callable[..., TinyNetwork]) -> TinyNetwork:
    tiny = make_network(site=SITE.replace("file: forms.csv", "file: forms*.csv").format(mode="snapshot"))
    patients = "nr;name;sex;born;admitted;left;note;what Kari said\n1;Kari Nordmann;K;1980;01.02.2013;;;x\n"
    tiny.deliver("2014-01-01", patients=patients, forms_KariNordmann=ONE_FORM)
    folder = tiny.root / "landing" / "unit" / "2014-01-01"
    (folder / "to nordmann.txt").write_text("hello", encoding="utf-8")
    return tiny


def test_names_of_files_and_columns_are_masked(with_names_in_names: TinyNetwork) -> None:
    (staged,) = with_names_in_names.take()
    assert staged.receipt.is_accepted
    assert [rule for rule, _, _ in findings(with_names_in_names)] == ["file-name-identifier"] * 3
    (file,) = with_names_in_names.table("wsas")["source_file"].to_list()
    assert file.startswith("masked-") and file.endswith(".csv")
    assert staged.receipt.unmapped_columns.startswith("patients.csv: masked-")
    assert_nobody(with_names_in_names, "kari", "nordmann")


def test_a_mask_is_the_same_in_every_delivery(with_names_in_names: TinyNetwork) -> None:
    tiny = with_names_in_names
    tiny.deliver("2014-02-01", patients=ONE_PATIENT, forms_KariNordmann=ONE_FORM)
    tiny.take()
    assert tiny.table("wsas")["source_file"].n_unique() == 1


def test_a_delivery_that_cannot_be_read_is_held_for_a_reason_that_names_nobody(tiny: TinyNetwork) -> None:
    patients = "nr;Kari Nordmann;sex;born;admitted;left;note\n"
    tiny.deliver("2014-01-01", patients=patients + "1;x;K;1980;;;\n", forms_KariNordmann=ONE_FORM)
    tiny.deliver("2014-02-01", patients=ONE_PATIENT, forms_KariNordmann=ONE_FORM)
    tiny.deliver("2014-03-01", patients=ONE_PATIENT.replace("note", "notes of Kari"), forms=ONE_FORM)
    held = tiny.take()
    assert [staged.receipt.is_accepted for staged in held] == [False] * 3
    assert "asks for the file 'forms.csv'" in held[1].receipt.gate
    assert "masked-" in held[1].receipt.gate
    assert "column 'note'" in held[2].receipt.gate
    assert_nobody(tiny, "KariNordmann", "notes of Kari")


def test_a_study_number_that_is_a_name_is_not_kept_for_the_unit(make_network: Callable[..., TinyNetwork]) -> None:
    tiny = make_network(site=SITE.replace("local_ref: nr", "local_ref: name").format(mode="snapshot"))
    tiny.deliver("2014-01-01", patients=ONE_PATIENT, forms=ONE_FORM)
    tiny.take()
    assert findings(tiny) == [("text-identifier", "local_ref", "void_value")]
    assert_nobody(tiny, "kari", "nordmann")
