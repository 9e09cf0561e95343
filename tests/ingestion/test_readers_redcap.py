"""REDCap exports with their dictionary: forms, checkboxes, repeats, access groups, decimal signs."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from assets.ingestion.readers import redcap
from assets.ingestion.readers.protocol import ReadError, read_file
from codebook.formats import RedcapFormat


@pytest.mark.parametrize("style", ["designer", "api"])
def test_redcap_dictionary_tells_forms_identifiers_and_strangers(tmp_path: Path, style: str) -> None:
    header = {
        "designer": '"Variable / Field Name","Form Name","Field Type",Identifier?',
        "api": "field_name,form_name,field_type,identifier",
    }[style]
    fields = "record_id,base,text,\nmail,base,text,y\nkin,base,checkbox,y\nwai1,wai,radio,\nlead,base,descriptive,\n"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dictionary.csv").write_text(f"{header}\n{fields}")
    (tmp_path / "in" / "data.csv").write_text(
        "record_id,redcap_event_name,mail,kin___1,kin___2,base_complete,wai1,wai_timestamp,wai_complete,wai9,mail___1\n"
        '1,base_arm_1,a@example.org,0,1,2,7,,,"7\n7",\n'
    )
    format = RedcapFormat(reader="redcap", dictionary="in/dict*.csv")
    source = read_file(tmp_path / "in" / "data.csv", "in/data.csv", format)
    assert source.identifiers == {"mail", "kin___1", "kin___2"}
    assert source.form_of["kin___2"] == source.form_of["base_complete"] == "base"
    assert source.form_of["wai1"] == source.form_of["wai_timestamp"] == source.form_of["wai_complete"] == "wai"
    assert source.notes == ("has columns that its dictionary does not know: wai9, mail___1",)
    assert source.frame["wai9"].to_list() == ["7\n7"]


def test_redcap_needs_exactly_one_dictionary(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("record_id\n1\n")
    with pytest.raises(ReadError, match="no data dictionary like 'dict"):
        read_file(tmp_path / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dict*.csv"))
    (tmp_path / "dict.csv").write_text("name,meaning\nrecord_id,number\n")
    with pytest.raises(ReadError, match="is no REDCap data dictionary"):
        read_file(tmp_path / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dict*.csv"))


def test_every_record_of_real_redcap_exports_is_accounted_for(shared: Path) -> None:
    root = shared / "samples" / "redcap" / "REDCapR"
    exports = sorted(root.glob("*/data.csv"))
    assert len(exports) == 7
    for path in exports:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = [record for record in csv.reader(file) if record][1:]
        source = read_file(path, "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv"))
        assert source.frame.height + len(source.unreadable) == len(records), path.parent.name
        assert not source.unreadable, path.parent.name
        assert not source.notes, path.parent.name
        for column, cells in zip(source.frame.columns, zip(*records, strict=True), strict=False):
            expected = [cell.replace("\r\n", "\n").strip() or None for cell in cells]
            if path.parent.name == "blank-for-gray-status" and column.startswith("race___"):
                expected[5] = None
            if column.endswith("_comma"):
                expected = [cell and cell.replace(",", ".") for cell in expected]
            assert source.frame[column].to_list() == expected, (path.parent.name, column)


def test_real_redcap_details(shared: Path) -> None:
    root = shared / "samples" / "redcap" / "REDCapR"
    format = RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    longitudinal = read_file(root / "longitudinal" / "data.csv", "data.csv", format)
    assert longitudinal.frame.height == 18
    assert {"first_name", "telephone_1", "email"} <= longitudinal.identifiers
    assert longitudinal.form_of["gym___0"] == "demographics"
    decimal = read_file(root / "decimal-comma-and-dot" / "data.csv", "data.csv", format)
    assert decimal.frame["height_comma"].to_list() == decimal.frame["height_dot"].to_list()
    assert decimal.frame["height_dot"].to_list()[0] == "1.54"
    declared = RedcapFormat(reader="redcap", dictionary="dictionary.csv", decimal=",")
    kept = read_file(root / "decimal-comma-and-dot" / "data.csv", "data.csv", declared)
    assert kept.frame["height_comma"].to_list()[0] == "1,54"
    untouched = longitudinal.frame.filter(pl.col("demographics_complete").is_null())
    assert untouched.height == 15
    grey = read_file(root / "blank-for-gray-status" / "data.csv", "data.csv", format)
    assert grey.identifiers == {"name_first", "name_last", "address", "telephone", "email", "dob"}
    survey = read_file(root / "survey" / "data.csv", "data.csv", format)
    assert "redcap_survey_identifier" in survey.identifiers


def test_both_dictionary_styles_of_one_project_family(shared: Path) -> None:
    format = RedcapFormat(reader="redcap", dictionary="*.csv")
    folder = shared / "samples" / "redcap"
    api = redcap.read_dictionary(folder / "iu" / "longitudinal-metadata.csv", format)
    designer = redcap.read_dictionary(folder / "REDCapR" / "longitudinal" / "dictionary.csv", format)
    common = api.keys() & designer.keys()
    assert len(common) == 29
    assert all(api[name].form == designer[name].form for name in common)
    assert api["first_name"].is_identifier


def test_a_checkbox_of_a_form_nobody_opened_is_blank(tmp_path: Path) -> None:
    (tmp_path / "dictionary.csv").write_text(
        '"Variable / Field Name","Form Name","Field Type","Identifier?"\nid,main,text,\nmed,drugs,checkbox,\n'
    )
    (tmp_path / "data.csv").write_text("id,med___1,drugs_complete\n1,0,2\n2,0,\n3,1,0\n")
    format = RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    frame = read_file(tmp_path / "data.csv", "data.csv", format).frame
    assert frame["med___1"].to_list() == ["0", None, "1"]


def test_checkboxes_of_an_untouched_form_are_blank_though_its_status_is_exported_as_0(tmp_path: Path) -> None:
    (tmp_path / "dictionary.csv").write_text(
        "field_name,form_name,field_type\nid,drugs,text\nmed,drugs,checkbox\nnote,drugs,notes\ntotal,drugs,calc\n"
    )
    (tmp_path / "data.csv").write_text(
        "id,med___1,med___2,note,total,drugs_complete\n"
        "1,0,0,,0,0\n2,0,0,seen,,0\n3,0,1,,,0\n4,0,0,,,2\n5,0,0,,,\n6,0,1,,,\n"
    )
    frame = read_file(
        tmp_path / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    ).frame
    assert frame["med___1"].to_list() == [None, "0", "0", "0", None, "0"]
    assert frame["med___2"].to_list() == [None, "0", "1", "0", None, "1"]


def test_the_form_nobody_opened_in_a_real_export(shared: Path) -> None:
    """Unticked checkboxes come as 0 on untouched forms: record 6, whose grey status was exported as 0."""
    folder = shared / "samples" / "redcap" / "REDCapR" / "blank-for-gray-status"
    frame = read_file(folder / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv")).frame
    boxes = [column for column in frame.columns if column.startswith("race___")]
    assert frame.filter(pl.col("record_id") == "6").select(boxes).row(0) == (None,) * 6
    assert frame.filter(pl.col("record_id") == "2").select(boxes).row(0) == ("0", "0", "1", "0", "1", "0")


def test_repeats_and_access_groups_of_real_exports(shared: Path) -> None:
    root = shared / "samples" / "redcap" / "REDCapR"
    format = RedcapFormat(reader="redcap", dictionary="dictionary.csv")
    repeats = read_file(root / "repeating-instruments" / "data.csv", "data.csv", format)
    assert repeats.frame.group_by("redcap_repeat_instrument").len().sort("len").rows() == [(None, 2), ("bp", 4)]
    assert repeats.frame["redcap_repeat_instance"].to_list() == [None, "1", "2", "3", None, "1"]
    assert repeats.form_of["bp_systolic"] == repeats.form_of["bp_complete"] == "bp"
    groups = read_file(root / "dag" / "data.csv", "data.csv", format)
    assert groups.frame["redcap_data_access_group"].to_list() == ["daga", "daga", "dagb"]
    survey = read_file(root / "survey" / "data.csv", "data.csv", format)
    assert survey.frame["participant_info_survey_timestamp"].to_list() == [None, None]
    assert "[not completed]" in survey.frame["participant_morale_questionnaire_timestamp"].to_list()


def test_a_longitudinal_project_with_the_dictionary_of_the_api(shared: Path, tmp_path: Path) -> None:
    folder = shared / "samples" / "redcap" / "iu"
    path = folder / "longitudinal-data-import.csv"
    source = read_file(path, path.name, RedcapFormat(reader="redcap", dictionary="longitudinal-metadata.csv"))
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert source.frame.height + len(source.unreadable) == sum(1 for record in csv.reader(file) if record) - 1
    assert source.frame.n_unique("redcap_event_name") > 3
    assert {"first_name", "last_name"} <= source.identifiers


def test_the_project_xml_is_a_dictionary_too(shared: Path) -> None:
    folder = shared / "samples" / "redcap" / "REDCapR" / "longitudinal"
    by_csv = read_file(folder / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv"))
    by_xml = read_file(folder / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="project.xml"))
    assert by_xml.frame.equals(by_csv.frame)
    assert by_xml.form_of == by_csv.form_of
    assert by_xml.identifiers == by_csv.identifiers


def test_a_dictionary_outside_the_delivery_is_no_dictionary(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "dictionary.csv").write_text("field_name,form_name,field_type\nid,main,text\n")
    (tmp_path / "in" / "data.csv").write_text("id\n1\n")
    format = RedcapFormat(reader="redcap", dictionary="../dictionary.csv")
    with pytest.raises(ReadError, match="there must be one beside the export"):
        read_file(tmp_path / "in" / "data.csv", "data.csv", format)
