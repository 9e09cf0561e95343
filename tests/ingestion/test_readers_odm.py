"""CDISC ODM: forms and groups as rows, transactions, audit records; on small files and on the given exports."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from odm_text import audit, first, form, odm, read_odm

from assets.ingestion.readers import redcap
from assets.ingestion.readers.protocol import ReadError, SourceFrame, read_file
from codebook.formats import OdmFormat, ReadingLimits, RedcapFormat

NAMESPACE = "{http://www.cdisc.org/ns/odm/v1.3}"
ODM = OdmFormat(reader="odm")
DRUG = (
    '<ItemGroupData ItemGroupOID="G.R" ItemGroupRepeatKey="{n}"><ItemData ItemOID="I.DRUG" Value="{n}"/>'
    "</ItemGroupData>"
)
WHEN = '<ItemGroupData ItemGroupOID="G.2"><ItemData ItemOID="I.DATE" Value="2026-01-05"/></ItemGroupData>'


def column(source: SourceFrame, *names: str) -> list[object]:
    rows = source.frame.select(names).rows()
    return [row[0] for row in rows] if len(names) == 1 else list(rows)


# Rows and columns


def test_groups_that_do_not_repeat_share_the_row_of_their_form_and_others_have_one_each(tmp_path: Path) -> None:
    source = read_odm(tmp_path, odm(form(first(1) + DRUG.format(n=1) + DRUG.format(n=2) + WHEN)))
    assert column(source, "first", "I.DATE", "drug", "group", "group_repeat", "source_row") == [
        ("1", "2026-01-05", None, None, None, 1),
        (None, None, "1", "G.R", "1", 2),
        (None, None, "2", "G.R", "2", 3),
    ]


def test_a_group_that_is_asked_for_gives_its_occurrences_and_names_what_else_there_is(tmp_path: Path) -> None:
    data = form(first(1) + WHEN + DRUG.format(n=1)) + form('<ItemGroupData ItemGroupOID="G.3"/>', "2", oid="F.2")
    source = read_odm(tmp_path, odm(data), sheet="answers")
    assert (source.sheet, source.frame.height, source.other_sheets) == ("G.1", 1, ("G.2", "G.R", "F.2"))
    assert read_odm(tmp_path, odm(data), sheet="Scale").other_sheets == ("F.2",)


def test_keys_names_labels_and_units_come_with_the_row(tmp_path: Path) -> None:
    inside = (
        '<ItemGroupData ItemGroupOID="G.1 "><ItemData ItemOID="I.1 " Value=" 1 "/><ItemData ItemOID="I.2" Value="180">'
        '<MeasurementUnitRef MeasurementUnitOID="MU.CM"/></ItemData></ItemGroupData>'
    )
    source = read_odm(tmp_path, odm(form(inside)))
    assert column(source, "subject_key", "site", "event", "form", "first", "second", "second.unit") == [
        ("1", "L.1", "E.1", "F.1", "1", "180", "MU.CM")
    ]
    assert source.labels["first"] == {"1": "never"}
    assert source.labels["second.unit"] == {"MU.CM": "cm"}
    assert (source.labels["site"], source.labels["event"]) == ({"L.1": "North"}, {"E.1": "Intake"})
    assert {"I.1", "I.2", "I.DATE", "I.DRUG"} < set(read_odm(tmp_path, odm(form(inside)), columns="oid").frame.columns)


def test_a_defined_column_is_there_before_anybody_answered(tmp_path: Path) -> None:
    source = read_odm(tmp_path, odm(""))
    assert {"first", "second", "I.DATE", "drug", "subject_key"} < set(source.frame.columns)
    assert source.frame.is_empty()
    assert source.notes == ("holds definitions only, no clinical data",)


def test_two_values_for_one_key_are_two_rows(tmp_path: Path) -> None:
    twice = '<ItemGroupData ItemGroupOID="G.1"><ItemData ItemOID="I.1" Value="1"/><ItemData ItemOID="I.1" Value="2"/>'
    in_one_group = read_odm(tmp_path, odm(form(twice + "</ItemGroupData>" + WHEN)))
    assert column(in_one_group, "first", "I.DATE") == [("1", "2026-01-05"), ("2", None)]
    assert column(read_odm(tmp_path, odm(form(first(1) + first(2)))), "first") == ["1", "2"]
    assert column(read_odm(tmp_path, odm(form(first(1)) + form(first(2)))), "first") == ["1", "2"]


def test_values_without_a_definition_are_kept_and_said(tmp_path: Path) -> None:
    inside = '<ItemGroupData ItemGroupOID="G.1"><ItemData ItemOID="I.NEW" Value="9"/></ItemGroupData>'
    source = read_odm(tmp_path, odm(form(inside)))
    assert column(source, "I.NEW") == ["9"]
    assert "items that it does not define for the form: I.NEW" in source.notes[0]


def test_declared_missing_codes_and_reasons_are_no_answers(tmp_path: Path) -> None:
    codes = "<redcap:MissingDataCodes>-99, Not asked | UNK, Unknown</redcap:MissingDataCodes>"
    nothing = '<ItemData ItemOID="I.1" IsNull="Yes" oc:ReasonForNull="NI"/>'
    source = read_odm(
        tmp_path, odm(form(f'<ItemGroupData ItemGroupOID="G.1">{nothing}</ItemGroupData>'), globals=codes)
    )
    assert column(source, "first") == ["NI"]
    assert source.user_missing["first"] == {"-99": "Not asked", "UNK": "Unknown", "NI": "NI"}
    assert source.user_missing["second"] == {"-99": "Not asked", "UNK": "Unknown"}


def test_line_breaks_inside_a_value_stay_line_breaks(tmp_path: Path) -> None:
    assert column(read_odm(tmp_path, odm(form(first("one\r\ntwo\nthree")))), "first") == ["one\ntwo\nthree"]


# Transactions


def test_the_last_transaction_counts_and_what_it_replaced_is_history(tmp_path: Path) -> None:
    data = (
        form(first(1) + WHEN, transaction="Insert", audit=audit("2026-01-05"))
        + form(first(2), transaction="Update", audit=audit("2026-01-06", "typed wrong"))
        + form(first(3), transaction="Upsert", audit=audit("2026-01-07"))
        + form(first(9), subject="2", transaction="Upsert")
    )
    source = read_odm(tmp_path, odm(data, "Transactional"))
    assert column(source, "subject_key", "first", "I.DATE") == [("1", "3", "2026-01-05"), ("2", "9", None)]
    assert source.history is not None
    assert source.history.rows() == [
        (1, "first", "1", "2026-01-05", "U.1", "edited"),
        (1, "first", "2", "2026-01-06", "U.1", "typed wrong"),
        (1, "first", "3", "2026-01-07", "U.1", "edited"),
    ]
    assert source.notes == ("has 2 item groups that change earlier ones; the last counts, what it replaced is history",)


@pytest.mark.parametrize("level", ["SubjectData", "StudyEventData", "FormData", "ItemGroupData"])
def test_what_is_removed_is_not_taken_but_said(tmp_path: Path, level: str) -> None:
    inserted = form(first(1), transaction="Insert") + form(first(5), "2", "Insert")
    removing = re.sub(f"<{level} ([^>]*?)( TransactionType=\"[A-Z][a-z]+\")?>",
                      rf'<{level} \1 TransactionType="Remove">', form(first(1)), count=1)  # fmt: skip
    source = read_odm(tmp_path, odm(inserted + removing, "Transactional"))
    assert column(source, "subject_key", "first") == [("2", "5")]
    assert any("removes again" in note for note in source.notes)


def test_a_removed_group_leaves_the_rest_of_its_form(tmp_path: Path) -> None:
    data = form(first(1) + WHEN, transaction="Insert") + form(first(1, "Remove"), transaction="Update")
    source = read_odm(tmp_path, odm(data, "Transactional"))
    assert column(source, "first", "I.DATE") == [(None, "2026-01-05")]


def test_a_record_can_be_inserted_again_after_its_removal(tmp_path: Path) -> None:
    data = form(first(1), transaction="Insert") + form(first(1, "Remove")) + form(first(2), transaction="Insert")
    assert column(read_odm(tmp_path, odm(data, "Transactional")), "first") == ["2"]


def test_an_update_finds_the_document_that_its_audit_record_names(tmp_path: Path) -> None:
    data = (
        form(first(1), transaction="Insert", audit=audit("1", source="mnpdid.7.mnpatdid.1"))
        + form(first(5), transaction="Insert", audit=audit("2", source="mnpdid.8"))
        + form(first(2), transaction="Update", audit=audit("3", source="mnpdid.7"))
        + form(first(9), transaction="Update", audit=audit("4", source="mnpdid.9"))
    )
    assert column(read_odm(tmp_path, odm(data, "Transactional")), "first") == ["2", "5", "9"]


def test_an_update_of_what_was_never_inserted_is_kept_and_said(tmp_path: Path) -> None:
    source = read_odm(tmp_path, odm(form(first(4), transaction="Update"), "Transactional"))
    assert column(source, "first") == ["4"]
    assert source.notes == ("changes or removes 1 item groups that it did not insert before",)


@pytest.mark.parametrize("attribute", ["Type", "AuditType"])
def test_audit_logs_of_either_style_become_history(tmp_path: Path, attribute: str) -> None:
    log = '<oc:AuditLog ID="A" UserID="U.9" DateTimeStamp="2026-02-01T10:00:00" {a}="{t}" NewValue="{v}"{r}/>'
    slip = ' ReasonForChange="slip"'
    item = (
        f'<ItemGroupData ItemGroupOID="G.1"><ItemData ItemOID="I.1" Value="2"><oc:AuditLogs EntityID="I.1">'
        f"{log.format(a=attribute, t='Item data value updated', v=2, r=slip)}"
        f"{log.format(a=attribute, t='Item data status changed', v='unavailable', r='')}</oc:AuditLogs></ItemData>"
        "</ItemGroupData>"
    )
    status = f"<oc:AuditLogs>{log.format(a=attribute, t='Event CRF marked complete', v='done', r='')}</oc:AuditLogs>"
    source = read_odm(tmp_path, odm(form(item + status)))
    assert source.history is not None
    assert source.history.drop("changed_at", "changed_by").rows() == [
        (1, "first", "2", "slip"),
        (1, "first.status", "unavailable", "Item data status changed"),
        (1, "form_status", "done", "Event CRF marked complete"),
    ]


# What is refused


def test_a_sheet_has_to_be_named_and_known(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"has 2 forms \(F\.1, F\.2\); name one as `sheet`"):
        read_odm(tmp_path, odm(""), sheet=None)
    with pytest.raises(ReadError, match="no form or item group called 'Scales'; did you mean 'Scale'"):
        read_odm(tmp_path, odm(""), sheet="Scales")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("<html><body/></html>", "is XML, but no CDISC ODM"),
        (odm("").replace('ODMVersion="1.3"', 'ODMVersion="2.0"'), "later ODM than 1.3"),
        (odm(form(first(1)))[:-40], "no well-formed XML at line"),
        (odm("", head='<!DOCTYPE ODM SYSTEM "file:///etc/hostname">'), "document type"),
        ("id;score\n1;2\n", "is no XML"),
    ],
)
def test_what_is_no_odm_is_refused_in_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(ReadError, match=sentence) as error:
        read_odm(tmp_path, content)
    assert str(error.value).startswith("export.xml: ")


def test_a_form_of_more_cells_than_the_limit_is_refused(tmp_path: Path) -> None:
    many = "".join(form(first(n), str(n)) for n in range(30))
    with pytest.raises(ReadError, match=r"more than 100 values .* limits\.max_sheet_cells"):
        read_odm(tmp_path, odm(many), limits=ReadingLimits(max_sheet_cells=100))


def test_a_file_that_invents_an_item_for_every_value_is_refused(tmp_path: Path) -> None:
    items = "".join(f'<ItemData ItemOID="X{n}" Value="1"/>' for n in range(20_001))
    with pytest.raises(ReadError, match="more than 20000 items in one form"):
        read_odm(tmp_path, odm(form(f'<ItemGroupData ItemGroupOID="G.1">{items}</ItemGroupData>')))


def test_a_zip_holds_exactly_one_odm(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xml", odm(form(first(1))))
        archive.writestr("a.xsd", "<schema/>")
    assert read_file(path, "export.zip", ODM, "F.1").frame.height == 1
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.xml", odm(""))
    with pytest.raises(ReadError, match="holds 2 XML files"):
        read_file(path, "export.zip", ODM, "F.1")


# The given exports, counted a second way


def plain_tree(path: Path) -> ElementTree.Element:
    if path.suffix != ".zip":
        return ElementTree.fromstring(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        return ElementTree.fromstring(archive.read(next(n for n in archive.namelist() if n.endswith(".xml"))))


def filled_forms(root: ElementTree.Element) -> list[tuple[ElementTree.Element, ElementTree.Element]]:
    return [
        (event, one) for event in root.iter(f"{NAMESPACE}StudyEventData") for one in event.iter(f"{NAMESPACE}FormData")
    ]


def values_of(element: ElementTree.Element) -> list[str]:
    items = (one for one in element.iter() if one.tag.startswith(f"{NAMESPACE}ItemData"))
    texts = ("x" if "Base64" in one.tag else one.get("Value") or one.text or "" for one in items)
    return [text.strip() for text in texts if text.strip()]


SNAPSHOTS = ["openclinica/dnotes_example_extract.xml", "redcap/REDCapR/longitudinal/project.xml",
             "redcap/iu/Visits.REDCap.xml"]  # fmt: skip


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_every_form_of_a_snapshot_comes_out_with_every_value(shared: Path, name: str) -> None:
    path = shared / "samples" / name
    root = plain_tree(path)
    repeating = {one.get("OID") for one in root.iter(f"{NAMESPACE}ItemGroupDef") if one.get("Repeating") == "Yes"}
    expected, values = Counter[str](), Counter[str]()
    for _, one in filled_forms(root):
        groups = [group.get("ItemGroupOID") for group in one.iter(f"{NAMESPACE}ItemGroupData")]
        own_rows = sum(group in repeating for group in groups)
        expected[one.get("FormOID", "")] += own_rows + (own_rows < len(groups))
        values[one.get("FormOID", "")] += len(values_of(one))
    assert expected.total() > 0
    for oid, n_rows in expected.items():
        source = read_file(path, path.name, ODM, oid)
        assert source.frame.height == n_rows, oid
        assert source.frame["source_row"].is_unique().all()
        assert set(source.other_sheets) == set(expected) - {oid}
        items = source.frame.select(list(source.form_of))
        assert sum(items.height - n for n in items.null_count().row(0)) == values[oid], oid


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_every_item_group_of_a_snapshot_comes_out_by_itself(shared: Path, name: str) -> None:
    path = shared / "samples" / name
    counted = Counter(one.get("ItemGroupOID", "") for one in plain_tree(path).iter(f"{NAMESPACE}ItemGroupData"))
    assert {oid: read_file(path, path.name, ODM, oid).frame.height for oid in counted} == dict(counted)


def test_openclinica_keeps_its_audit_records_and_units(shared: Path) -> None:
    path = shared / "samples" / SNAPSHOTS[0]
    root = plain_tree(path)
    logs = "{http://www.openclinica.org/ns/odm_ext_v130/v3.1}AuditLog"
    inside = [log for one in root.iter(f"{NAMESPACE}ItemData") for log in one.iter(logs)]
    on_forms = [log for _, one in filled_forms(root) for logs_of in one.findall(f"{logs}s") for log in logs_of]
    forms = {one.get("FormOID", "") for _, one in filled_forms(root)}
    sources = [read_file(path, path.name, ODM, oid) for oid in sorted(forms)]
    history = pl.concat([source.history for source in sources if source.history is not None])
    assert (len(inside), len(on_forms)) == (20, 55)
    assert history.filter(pl.col("column") == "form_status").height == len(on_forms)
    assert history.filter(pl.col("column") != "form_status").height == len(inside)
    assert history["changed_at"].null_count() == 0
    units = [source.frame[one] for source in sources for one in source.frame.columns if one.endswith(".unit")]
    assert sum(unit.len() - unit.null_count() for unit in units) == len(
        [one for one in root.iter(f"{NAMESPACE}ItemData") if one.find(f"{NAMESPACE}MeasurementUnitRef") is not None]
    )
    exam = next(source for source in sources if source.sheet == "F_PHYSICALEXAM_ENGLISH")
    assert set(exam.frame["site"]) <= {"S_R0112345_6657", "S_R0112345_7258", "S_R0112345_8478"}
    assert exam.frame["subject_id"].null_count() == 0


def test_the_other_name_of_the_audit_attribute_says_the_same(shared: Path, tmp_path: Path) -> None:
    """OpenClinica's next version calls `Type` `AuditType`; all else of the real file stays as it is."""
    path = shared / "samples" / SNAPSHOTS[0]
    other = tmp_path / path.name
    text, n_logs = re.subn(
        r'(<OpenClinica:AuditLog\b[^>]*) Type="', r'\1 AuditType="', path.read_text(encoding="utf-8")
    )
    assert n_logs == 179
    other.write_text(text, encoding="utf-8")
    before, after = (read_file(one, one.name, ODM, "F_PHYSICALEXAM_ENGLISH").history for one in (path, other))
    assert before is not None and after is not None
    assert after.equals(before)
    assert before["reason"].null_count() == 0


SECUTRIAL = "secutrial/s_export_XML_CTU05_20191115-092559_CDISC.zip"


def test_secutrials_transactions_end_in_the_rows_of_its_tables(shared: Path) -> None:
    """Documents, not keys, tell three visits of one kind from four versions of one form."""
    path = shared / "samples" / SECUTRIAL
    documents: dict[str, set[str]] = {}
    n_updates: Counter[str] = Counter()
    for _, one in filled_forms(plain_tree(path)):
        source_id = one.findtext(f"{NAMESPACE}AuditRecord/{NAMESPACE}SourceID") or ""
        if source_id.startswith("mnpdid"):
            documents.setdefault(one.get("FormOID", ""), set()).add(source_id.split(".")[1])
            n_updates[one.get("FormOID", "")] += one.get("TransactionType") == "Update"
    assert sum(n_updates.values()) == 8
    for oid, ids in documents.items():
        source = read_file(path, path.name, ODM, oid)
        in_forms = source.frame.filter(pl.col("group").is_null())
        assert in_forms.height == len(ids), oid
        assert in_forms["site"].null_count() == 0
        assert any("change earlier ones" in note for note in source.notes) == (n_updates[oid] > 0)
    visits = read_file(path, path.name, ODM, "Follow-up").frame
    three = visits.filter(pl.col("subject_id") == "RPACK-CBE-002").select("event_date", "follow_up")
    assert three.rows() == [("2019-05-02", "3"), ("2019-05-02", "98"), ("2019-05-02", "98")]


def test_trailing_blanks_of_secutrial_are_gone(shared: Path) -> None:
    path = shared / "samples" / SECUTRIAL
    frame = read_file(path, path.name, ODM, "F.RANDOM").frame
    assert set(frame["rando_treatment"]) == {"Placebo", "Verum"}
    assert frame.height == sum(one.get("FormOID") == "F.RANDOM" for _, one in filled_forms(plain_tree(path)))


def test_redcaps_xml_agrees_with_its_csv(shared: Path) -> None:
    folder = shared / "samples/redcap/REDCapR/longitudinal"
    exported = redcap.read(folder / "data.csv", "data.csv", RedcapFormat(reader="redcap", dictionary="dictionary.csv"))
    rows = exported.frame.filter(pl.col("patient_morale_questionnaire_complete").is_not_null())
    source = read_file(folder / "project.xml", "project.xml", ODM, "Patient Morale Questionnaire")
    keys, answers = ["study_id", "redcap_event_name"], ["pmq1", "pmq2", "pmq3", "pmq4"]
    from_xml = source.frame.with_columns(
        pl.col("subject_key").alias("study_id"), pl.col("event").str.strip_prefix("Event.").alias("redcap_event_name")
    )
    assert from_xml.select(*keys, *answers).sort(keys).rows() == rows.select(*keys, *answers).sort(keys).rows()
    assert read_file(folder / "project.xml", "project.xml", ODM, "Demographics").identifiers == {
        "first_name", "last_name", "telephone_1", "email", "dob"
    }  # fmt: skip


def test_blanks_around_real_values_are_gone(shared: Path) -> None:
    """Notes of REDCap's project XML end in blanks; secuTrial breaks a line before `Placebo`."""
    path = shared / "samples/redcap/REDCapR/longitudinal/project.xml"
    padded = [one.get("Value", "") for one in plain_tree(path).iter(f"{NAMESPACE}ItemData")]
    assert sum(value != value.strip() for value in padded) > 5
    forms = {one.get("FormOID", "") for _, one in filled_forms(plain_tree(path))}
    for frame in (read_file(path, path.name, ODM, oid).frame.drop("source_row") for oid in forms):
        for values in frame.iter_columns():
            assert not values.str.contains(r"^\s|\s$").any(), values.name


def test_redcaps_notes_keep_their_line_breaks(shared: Path) -> None:
    path = shared / "samples/redcap/REDCapR/longitudinal/project.xml"
    frame = read_file(path, path.name, ODM, "Demographics").frame
    assert frame["comments"].str.contains("\n\n").any()


def test_a_projects_xml_is_the_same_dictionary_as_its_csv(shared: Path) -> None:
    folder = shared / "samples/redcap/REDCapR/longitudinal"
    format = RedcapFormat(reader="redcap", dictionary="*")
    fields = redcap.read_dictionary(folder / "project.xml", format)
    assert fields == redcap.read_dictionary(folder / "dictionary.csv", format)
    assert len(fields) == 95


def test_an_xml_that_is_no_project_is_no_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "project.xml"
    path.write_text(odm(""))
    with pytest.raises(ReadError, match=r"project\.xml: is no REDCap project"):
        redcap.read_dictionary(path, RedcapFormat(reader="redcap", dictionary="*"))
