"""What a declaration can say about people and courses: identity, dates, consents, kept columns, audit records."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
from mapping_sites import counts, network_of, one_file, rows_of, site_of
from tiny_network import TinyNetwork

from assets.ingestion.context import KNOWN_EPISODE_COLUMNS, Context
from assets.ingestion.landing import deliveries_of
from assets.ingestion.mapping import map_delivery
from assets.ingestion.readers.protocol import HISTORY_COLUMNS
from assets.ingestion.source import land
from codebook.library import load_library


def take(tiny: TinyNetwork, data: str, name: str = "2014-01-01") -> tuple[int, int, int]:
    tiny.deliver(name, data=data)
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    return counts(staged)


def made(tmp_path: Path, rest: str) -> TinyNetwork:
    return network_of(tmp_path / "network", {"unit": site_of(one_file(rest))})


# --- consents -----------------------------------------------------------------------------------

CONSENTS = """\
consents:
  - {purpose: research, status: {column: res, codes: {J: given, N: refused, T: withdrawn}}, date: on}
  - {purpose: register, status: {column: reg, codes: {J: given, N: refused}}}
"""


def test_consents_by_purpose(tmp_path: Path) -> None:
    tiny = made(tmp_path, CONSENTS)
    rows = "1;J;01.02.2013;N\n2;N;;\n3;?;01.02.2013;?\n4;;;999\n5;T;31.02.2013;J\n"
    assert take(tiny, "nr;res;on;reg\n" + rows) == (5, 5, 0)
    frame = tiny.table("consent")
    assert frame.sort("source_row", "purpose").select("source_row", "purpose", "status", "status_date").rows() == [
        (2, "register", "refused", None),
        (2, "research", "given", dt.date(2013, 2, 1)),
        (3, "research", "refused", None),
        (6, "register", "given", None),
        (6, "research", "withdrawn", None),
    ]
    assert tiny.rules() == ["consent-code", "consent-code", "date-unreadable"]
    assert set(frame["patient_id"]) <= set(tiny.table("patient")["patient_id"])


def test_the_latest_consent_counts_and_of_one_day_the_stricter(tmp_path: Path) -> None:
    tiny = made(tmp_path, CONSENTS)
    rows = "1;T;01.03.2013;\n1;J;01.02.2013;\n2;J;01.02.2013;\n2;N;01.02.2013;\n3;J;;\n3;J;01.02.2013;\n"
    take(tiny, "nr;res;on;reg\n" + rows)
    frame = tiny.table("consent").sort("source_row")
    assert frame["status"].to_list() == ["withdrawn", "refused", "given"]
    assert tiny.rules() == ["consent-conflict"]


# --- attributes, kept columns, numbers ----------------------------------------------------------


def test_kept_columns_are_attributes_and_scanned(tmp_path: Path) -> None:
    tiny = made(tmp_path, "kept: [ward, comment]\n")
    take(tiny, "nr;ward;comment\n1;B3;mail to a.b@example.org\n2;;calm\n3;999;\n")
    assert tiny.rules() == ["text-identifier"]
    assert tiny.table("attribute").sort("attribute").select("attribute", "value", "source_row").rows() == [
        ("comment", "calm", 3),
        ("ward", "B3", 2),
    ]


def test_numbers_in_another_unit(tmp_path: Path) -> None:
    tiny = made(tmp_path, "attributes: [{attribute: work_months, column: years, multiply_by: 12}]\n")
    take(tiny, "nr;years\n1;1,5\n2;0,1\n3;two\n4;\n")
    assert rows_of(tiny.table("attribute"), "source_row", "value") == [(2, "18"), (3, "1.2")]
    assert tiny.rules() == ["number-unreadable"]


def test_a_birth_year_is_a_whole_number(tmp_path: Path) -> None:
    tiny = made(tmp_path, "patient: {birth_year: born}\n")
    take(tiny, "nr;born\n1;1980\n2;1980,0\n3;1980,5\n")
    assert sorted(tiny.table("patient")["birth_year"].to_list(), key=str) == [1980, 1980, None]
    assert tiny.rules() == ["number-unreadable"]


def test_a_yes_that_is_none_leaves_a_finding(tmp_path: Path) -> None:
    rest = "sessions: {session_number: no_, is_attended: {column: came}}\n"
    tiny = made(tmp_path, rest)
    take(tiny, "nr;no_;came\n1;1;true\n1;2;perhaps\n1;x;false\n")
    assert rows_of(tiny.table("session"), "session_number", "is_attended") == [(1, True), (2, None)]
    assert tiny.rules() == ["is-attended-code", "number-unreadable"]


# --- dates --------------------------------------------------------------------------------------


def test_several_forms_of_a_date_in_the_order_given(tmp_path: Path) -> None:
    rest = "attributes: [{attribute: arm, column: arm, date: on}]\n"
    start_of = site_of(one_file(rest)).replace(
        'date_format: "%d.%m.%Y"', 'date_format: ["%d.%m.%Y", "%d.%m.%y", "%Y-%m-%d %H:%M:%S"]'
    )
    tiny = network_of(tmp_path / "network", {"unit": start_of})
    take(tiny, "nr;arm;on\n1;a;01.05.2013\n2;a;1.5.13\n3;a;2013-05-01 00:00:00\n4;a;05/01/2013\n")
    may = dt.date(2013, 5, 1)
    assert rows_of(tiny.table("attribute"), "value_date") == [(may,), (may,), (may,), (None,)]
    assert tiny.rules() == ["date-unreadable"]


def test_a_short_year_is_not_the_year_thirteen(tmp_path: Path) -> None:
    tiny = made(tmp_path, "attributes: [{attribute: arm, column: arm, date: on}]\n")
    take(tiny, "nr;arm;on\n1;a;01.05.13\n")
    assert tiny.rules() == ["date-unreadable"]
    assert tiny.table("attribute")["value_date"].to_list() == [None]


# --- identity -----------------------------------------------------------------------------------

NUMBERED = """\
name: data
file: data.csv
identity: {columns: [nr], scope: network, number: norwegian}
patient: {birth_year: born}
"""
NORWEGIAN = "15076500565"
"""A test number of the population register (month as it stands, check digits right)."""


def test_a_number_in_two_spellings_is_one_patient_and_a_wrong_one_nobody(tmp_path: Path) -> None:
    tiny = network_of(tmp_path / "network", {"unit": site_of(NUMBERED)})
    wrong = NORWEGIAN[:-1] + ("0" if NORWEGIAN[-1] != "0" else "1")
    rows = f"{NORWEGIAN};1965\n{NORWEGIAN[:6]} {NORWEGIAN[6:]};1965\n{wrong};1970\n;1971\n"
    assert take(tiny, "nr;born\n" + rows) == (4, 2, 2)
    assert tiny.rules() == ["row-identity-invalid", "row-identity-missing"]
    assert tiny.table("patient")["birth_year"].to_list() == [1965]
    for row in tiny.table("quarantine")["row_json"]:
        assert "nr" not in json.loads(row)


def test_courses_by_own_key_or_by_admission(tmp_path: Path) -> None:
    source = one_file("episode: {key: course, admission_date: admitted}\n")
    forms = """\
    name: forms
    file: forms.csv
    identity: {columns: [nr], scope: site}
    assessments: [{instrument: wsas, version: wsas, items: "q{n}", date: on}]
    """
    tiny = network_of(tmp_path / "network", {"unit": site_of(source, forms)})
    tiny.deliver(
        "2014-01-01",
        data="nr;course;admitted\n1;a;01.02.2012\n1;b;01.02.2013\n2;a;01.01.2013\n",
        forms="nr;on;q1;q2;q3;q4;q5\n1;01.03.2012;1;2;3;4;5\n1;01.05.2013;5;4;3;2;1\n2;01.05.2013;1;1;2;2;1\n",
    )
    (staged,) = tiny.take()
    assert counts(staged) == (6, 6, 0)
    joined = tiny.table("wsas").join(tiny.table("episode"), on="episode_id", suffix="_course")
    assert joined.sort("source_row").select("admission_date").to_series().dt.year().to_list() == [2012, 2013, 2013]


# --- audit records ------------------------------------------------------------------------------


def test_audit_records_of_mapped_columns_are_kept_without_people(tmp_path: Path) -> None:
    form = '{instrument: wsas, version: wsas, items: "q{n}", occasion: {constant: m03}}'
    rest = f"identifiers: [name]\nassessments: [{form}]\n"
    tiny = made(tmp_path, rest)
    tiny.deliver("2014-01-01", data="nr;name;q1;q2;q3;q4;q5\n1;Testperson 1;1;2;3;4;5\n;;1;2;3;4;5\n")
    library = load_library(tiny.root)
    site = library.sites["unit"]
    (delivery,) = deliveries_of(library.folder.landing, "unit")
    landed = land(site, site.mappings[0], delivery, library)
    lines = [
        (2, "q1", "1", "2013-05-01T12:30:00+02:00", "nurse", "typing error"),
        (2, "q1", "1", "2013-05-01T12:30:00+02:00", "nurse", "typing error"),
        (2, "q2", "2", "2013-05-02", None, None),
        (2, "q3", "2", "lately", "nurse", None),
        (3, "q1", "1", "2013-05-01T12:30:00", "nurse", None),
    ]
    history = pl.DataFrame(lines, schema=HISTORY_COLUMNS, orient="row").with_columns(
        pl.lit("data.csv").alias("source_file")
    )
    (source,) = landed.sources
    landed = replace(landed, sources=(replace(source, history=history),))
    empty = pl.DataFrame(schema=KNOWN_EPISODE_COLUMNS)
    mapped = map_delivery(landed, Context(library, site, site.mappings[0], tiny.pseudonyms, delivery.date, empty))
    audit = mapped.tables["audit"].sort("column", "changed_at")
    assert audit.select("column", "value", "changed_at", "reason").rows() == [
        ("q1", "1", dt.datetime(2013, 5, 1, 12, 30), "typing error"),
        ("q2", "2", dt.datetime(2013, 5, 2), None),
        ("q3", "2", None, None),
    ]
    assert [user and user[0] for user in audit["user_id"]] == ["u", None, "u"]
    assert set(audit["patient_id"]) == set(mapped.tables["wsas"]["patient_id"])
    rules = mapped.tables["finding"]["rule"].to_list()
    assert sorted(rules) == ["date-unreadable", "row-identity-missing"]


ODM = """<?xml version="1.0" encoding="UTF-8"?>
<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" FileOID="F" FileType="Transactional" ODMVersion="1.3"
 CreationDateTime="2014-01-01T00:00:00">
<Study OID="S"><MetaDataVersion OID="M" Name="m">
<FormDef OID="F_W" Name="wsas" Repeating="No"><ItemGroupRef ItemGroupOID="G" Mandatory="No"/></FormDef>
<ItemGroupDef OID="G" Name="G" Repeating="No">{refs}</ItemGroupDef>{items}
</MetaDataVersion></Study>
<ClinicalData StudyOID="S" MetaDataVersionOID="M"><SubjectData SubjectKey="K1">
<StudyEventData StudyEventOID="E1"><FormData FormOID="F_W"><ItemGroupData ItemGroupOID="G">{data}</ItemGroupData>
</FormData></StudyEventData></SubjectData></ClinicalData></ODM>
"""


def audited(column: str, value: str, day: int, reason: str) -> str:
    stamp = f"<DateTimeStamp>2013-05-{day:02d}T12:30:00</DateTimeStamp>"
    record = f'<UserRef UserOID="U_nurse"/>{stamp}<ReasonForChange>{reason}</ReasonForChange>'
    return f'<ItemData ItemOID="{column}" Value="{value}"><AuditRecord>{record}</AuditRecord></ItemData>'


def test_audit_records_of_an_export_reach_the_lake(tmp_path: Path) -> None:
    form = '{instrument: wsas, version: wsas, items: "q{n}", occasion: {constant: m03}}'
    source = f"""\
    name: data
    file: export.xml
    sheet: wsas
    identity: {{columns: [subject_key], scope: site}}
    identifiers: [name]
    assessments: [{form}]
    """
    site = site_of(source).replace('{reader: delimited, delimiter: ";", decimal: ","}', "{reader: odm}")
    tiny = network_of(tmp_path / "network", {"unit": site})
    columns = ["q1", "q2", "q3", "q4", "q5", "name", "unread"]
    values = ["1", "2", "3", "4", "5", "Testperson", "x"]
    reasons = ["typing error", "asked a.b@example.org", *["entered"] * 5]
    told = zip(columns, values, reasons, strict=True)
    folder = tiny.root / "landing" / "unit" / "2014-01-01"
    folder.mkdir(parents=True)
    text = ODM.format(
        refs="".join(f'<ItemRef ItemOID="{c}" Mandatory="No"/>' for c in columns),
        items="".join(f'<ItemDef OID="{c}" Name="{c}" DataType="text"/>' for c in columns),
        data="".join(audited(c, v, day, r) for day, (c, v, r) in enumerate(told, start=1)),
    )
    (folder / "export.xml").write_text(text, encoding="utf-8")
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    audit = tiny.table("audit").sort("column")
    assert audit["column"].to_list() == ["q1", "q2", "q3", "q4", "q5"], "neither names nor what is not mapped"
    assert audit.select("value", "changed_at", "reason").rows()[:2] == [
        ("1", dt.datetime(2013, 5, 1, 12, 30), "typing error"),
        ("2", dt.datetime(2013, 5, 2, 12, 30), None),
    ]
    assert tiny.rules() == ["text-identifier"]
    assert audit["user_id"].n_unique() == 1
    assert "nurse" not in audit.select(pl.col(pl.String)).write_csv()
