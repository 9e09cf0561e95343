"""Small valid files of every format, made here, from which the fuzzing starts.

What belongs here: one or a few files per reader that it reads without complaint. What does not: how they are spoilt
(`fuzz_mutations`), and files made to do harm (`fuzz_hostile`).
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from benchmarks.fuzz_mutations import pack


@dataclass(frozen=True)
class Seed:
    """Files of one delivery, and how the main one is declared and asked for."""

    main: str
    files: Mapping[str, bytes]
    format: Mapping[str, object] = field(hash=False)
    sheet: str | None = None

    def having(self, name: str, content: bytes) -> Seed:
        """The same with another content of one file."""
        return replace(self, files={**self.files, name: content})

    def write(self, folder: Path) -> None:
        """Write all files into a folder."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def one(name: str, content: bytes, sheet: str | None = None, **format: object) -> Seed:
    """A delivery of one file."""
    return Seed(name, {name: content}, format, sheet)


@cache
def seeds(reader: str) -> list[Seed]:
    """Valid files for a reader."""
    return {
        "delimited": _delimited,
        "excel": _excel,
        "spss": _spss,
        "stata": _stata,
        "parquet": _parquet,
        "redcap": _redcap,
        "odm": _odm,
        "secutrial": _secutrial,
        "dataset_json": _dataset_json,
        "fhir": _fhir,
    }[reader]()


def sample_seeds(reader: str, samples: Path) -> list[Seed]:
    """Files that other software wrote, as far as this reader reads them."""
    small = 300_000
    found: list[Seed] = []
    if reader == "spss":
        found = [one(path.name, path.read_bytes(), reader=reader) for path in sorted((samples / "spss").glob("*.sav"))]
    if reader == "dataset_json":
        paths = sorted((samples / "dataset_json").glob("*.json"))
        found = [one(path.name, path.read_bytes(), reader=reader) for path in paths]
    if reader == "fhir":
        files = {path.name: path.read_bytes() for path in sorted((samples / "fhir").glob("*.json"))}
        main = next((name for name in files if name.startswith("QuestionnaireResponse")), "")
        found = [Seed(main, files, {"reader": reader, "definitions": "*.json"})] if main else []
    if reader == "redcap":
        for folder in sorted((samples / "redcap" / "REDCapR").glob("*/")):
            files = {name: (folder / name).read_bytes() for name in ("data.csv", "dictionary.csv")}
            found.append(Seed("data.csv", files, {"reader": reader, "dictionary": "dictionary.csv"}))
    if reader == "odm":
        asked = {
            samples / "openclinica" / "dnotes_example_extract.xml": None,
            samples / "redcap" / "iu" / "Visits.REDCap.xml": "Form.visit",
        }
        found = [one(path.name, path.read_bytes(), sheet, reader=reader) for path, sheet in asked.items()]
    if reader == "secutrial":
        path = samples / "secutrial" / "s_export_CSV-xls_CTU05_short_ref_miss_fr_utf8bom.zip"
        found = [one("export.zip", path.read_bytes(), "baseline", reader=reader)] if path.is_file() else []
    return [seed for seed in found if sum(map(len, seed.files.values())) < small]


_TABLE = "id;seen;wai_1;wai_2;note\n" + "".join(
    f'00{n};2026-01-0{n};{n % 5};"{n},5";"Åse; said ""no"""\n' for n in range(1, 8)
)


def _delimited() -> list[Seed]:
    marked = "\ufeff" + _TABLE.replace(";", "\t\ufeff").replace('"', "")
    return [
        one("a.csv", _TABLE.encode(), reader="delimited", delimiter=";"),
        one("a.csv", _TABLE.encode("cp1252"), reader="delimited", delimiter=";", encoding="cp1252"),
        one("a.csv", b"Unit A\n\n" + _TABLE.encode(), reader="delimited", delimiter=";", title_rows=1),
        one("a.csv", (_TABLE * 1).encode("utf-16"), reader="delimited", delimiter=";", encoding="utf-16"),
        one("a.xls", marked.encode("utf-16-be"), reader="delimited", delimiter="\t", encoding="utf-16-be"),
        one("a.csv", (_TABLE + _TABLE.partition("\n")[2] * 900).encode(), reader="delimited", delimiter=";"),
    ]


def _excel() -> list[Seed]:
    import xlsxwriter

    packed = io.BytesIO()
    with xlsxwriter.Workbook(packed, {"in_memory": True}) as book:
        date = book.add_format({"num_format": "dd.mm.yyyy"})
        sheet = book.add_worksheet("Data")
        sheet.merge_range(0, 1, 0, 3, "WAI")
        for column, name in enumerate(("id", "1", "2", "seen", "share")):
            sheet.write_string(1, column, name)
        for row in range(2, 12):
            sheet.write_string(row, 0, f"00{row}")
            sheet.write_number(row, 1, row % 5)
            sheet.write_number(row, 2, 1.5)
            sheet.write_datetime(row, 3, dt.datetime(2026, 1, row), date)
            sheet.write_formula(row, 4, "=1/0", None, "#DIV/0!")
        book.add_worksheet("Hidden").write_string(0, 0, "a")
    old = zlib.decompress(base64.b85decode(OLD_WORKBOOK))
    return [
        one("a.xlsx", packed.getvalue(), "Data", reader="excel", header_rows=2),
        one("a.xlsx", packed.getvalue(), "Data", reader="excel", title_rows=1),
        one("a.xls", old, "Data", reader="excel"),
    ]


OLD_WORKBOOK = (
    "c-rk)Pe@cj82`<@-M8ze>uMTkAf{wxBAS;jx)qv1Di%Z;fvxQx7HgGFFguiGdklh3MHj&i5m;UNLj`r~5Eyv~f<WsOoq~c6>g${D"
    "&C}IZa3Q6Q_gm(hnQvx(GxN<ifA+nbDw-L8R6dIpXn}zRD-ULxPEg2mG9gg8WvQeS`zcs1ate8VT1eB2=LK(lY7NzT&qCs%=QT;-"
    "Glf$aMAtwfR=I&Vz+;FAHHKzklJ80K$U7v1DC3b8vpmCcGs_2D`vuE=thvsznd;7nlb8y3)$Y}vd_q=nS&*c_6K?a7HH|368|BHD"
    "ZwR}t7yFa($k`k#sPN=t0<@^@u|zDX@`bpI0MOc6-`QE;LzqDcE%*d}T9v>LXJ@~vboCpn7a;ww<$B*LdOt1VO8rgg0Y+h+7Rs4Z"
    "$VZPym3Yt^8H%LH$?u!WGfW(cN29Ss3I(WEr#1OX+quD^kvSa3Cd#TndmtY50>hDbZzIv1kHr!c4G$!v2GG#ZNEH%aIk|^etGkYM"
    "bZp~n6FJ}o3Xy=iDEMFrEjw5Wc(dh`jG~a!MZD!gG^@FL-`{ukb%%RdGs>5VedTOdvx9{zss%L;!k(KWYq`a4mRFf|E2qm@me3q2"
    "uIVn-iGyQY=NgyRP(MwK>F|!U^iE2rz8!g5k@^zeMd``**^4EUAHw6PqAM^;?bUA#b)rt(zNPRi?8HJJO`lkn{c%kBWk`?R()Vg1"
    "=GDd|6tT2($~s~(C$+8YoIyE5bBPRGg1MA+Ueag;bD4Z-R!vFbvFj)nuV#@MSR}KUn#EqP0JGFAvPfp}X%-^`i@_{@&0;W1kabIA"
    "F_=X?E?Q(U9;=S&2w%cRc$8c$&sC2S89geH<|pYjE=k8vOvmn6Kf7a9yDuTv?7q6qT)1%I!i9@}8bUvO4E>n)>I>edzw69XSa3g+"
    "{I@uY0s0NmAIdf)C{AJ|EC1O7uW-1;8rwME3l)x2?@9EdkH^uUwg1usO{C9f%?(3;ZwqDH|3Wt7T<89O0}%;6kN"
)
"""A small `.xls` of Excel 97 (compressed, base 85), since nothing here can write one: the sheets Data (id, wai_1, seen
with a day number among dates, word), Hidden, and Empty."""


def _written(suffix: str, write: Callable[[str], object]) -> bytes:
    """What a library writes that can write to a path only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        write(str(path))
        return path.read_bytes()


def _statistics() -> dict[str, list[object]]:
    return {
        "item": [1.0, 2.5, 98.0, 99.0, -9.0, None] * 4,
        "seen": [dt.date(2026, 1, 2), None, None, dt.date(2025, 2, 3), None, dt.date(1899, 12, 31)] * 4,
        "word": ["yes", "NA", "", "no", "Åse", "a longer text that says more than eight"] * 4,
    }


def _spss() -> list[Seed]:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(_statistics())
    said = {"missing_ranges": {"item": [{"lo": 98, "hi": 100}, -9]}, "variable_value_labels": {"item": {1.0: "rarely"}}}
    return [
        one("a.sav", _written("sav", partial(pyreadstat.write_sav, frame, **said, **how)), reader="spss")
        for how in ({}, {"row_compress": True}, {"compress": True})
    ]


def _stata() -> list[Seed]:
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(_statistics())
    frame["code"] = pd.Series([1.0, 2.0, "a", "b", 3.0, 4.0] * 4, dtype=object)
    old = frame.drop(columns=["code", "seen"])
    return [
        one(
            "a.dta",
            _written("dta", lambda path: pyreadstat.write_dta(frame, path, missing_user_values={"code": ["a", "b"]})),
            reader="stata",
        ),
        one("a.dta", _written("dta", lambda path: old.to_stata(path, version=114, write_index=False)), reader="stata"),
        one("a.dta", _written("dta", lambda path: old.to_stata(path, version=118, write_index=False)), reader="stata"),
    ]


def _parquet() -> list[Seed]:
    import polars as pl

    frame = pl.DataFrame({**_statistics(), "n": list(range(24)), "is_in": [True, None] * 12}, strict=False)

    def packed(compression: str, *, arrow: bool) -> bytes:
        file = io.BytesIO()
        frame.write_parquet(file, compression=compression, use_pyarrow=arrow)  # type: ignore[arg-type]
        return file.getvalue()

    return [
        one("a.parquet", packed(compression, arrow=arrow), reader="parquet")
        for compression, arrow in (("zstd", False), ("snappy", True), ("uncompressed", False))
    ]


_DICTIONARY = (
    '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels",'
    '"Text Validation Type OR Show Slider Number",Identifier?\n'
    'record_id,base,text,,,,\nmail,base,text,,,email,y\nkin,base,checkbox,,"1, a | 2, b",,\n'
    'height,base,text,,,number_comma_decimal,\nwai1,wai,radio,,"1, x | 2, y",,\n'
)
_RECORDS = (
    "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,mail,kin___1,kin___2,height,"
    'base_complete,wai1,wai_complete\n1,base_arm_1,,,a@example.org,0,1,"1,54",2,,\n1,base_arm_1,wai,1,,,,,,2,2\n'
    "2,base_arm_1,,,,0,0,,0,,\n"
)


def _redcap() -> list[Seed]:
    files = {"data.csv": _RECORDS.encode(), "dictionary.csv": _DICTIONARY.encode()}
    return [Seed("data.csv", files, {"reader": "redcap", "dictionary": "dictionary.csv"})]


ODM = """<?xml version="1.0" encoding="UTF-8"?>
<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" ODMVersion="1.3" FileType="Snapshot" FileOID="f"
  CreationDateTime="2026-01-31T08:34:49">
<Study OID="S1"><GlobalVariables><StudyName>s</StudyName><StudyDescription>s</StudyDescription>
<ProtocolName>s</ProtocolName></GlobalVariables>
<MetaDataVersion OID="v1" Name="v1"><Protocol><StudyEventRef StudyEventOID="SE1" OrderNumber="1" Mandatory="Yes"/>
</Protocol><StudyEventDef OID="SE1" Name="Visit" Repeating="No" Type="Scheduled"><FormRef FormOID="F1" Mandatory="Yes"/>
</StudyEventDef><FormDef OID="F1" Name="WAI" Repeating="No"><ItemGroupRef ItemGroupOID="IG1" Mandatory="Yes"/></FormDef>
<ItemGroupDef OID="IG1" Name="answers" Repeating="No"><ItemRef ItemOID="I1" Mandatory="No"/>
<ItemRef ItemOID="I2" Mandatory="No"/></ItemGroupDef>
<ItemDef OID="I1" Name="wai_1" DataType="integer"><CodeListRef CodeListOID="C1"/></ItemDef>
<ItemDef OID="I2" Name="note" DataType="text"/><CodeList OID="C1" Name="c" DataType="integer">
<CodeListItem CodedValue="1"><Decode><TranslatedText>rarely</TranslatedText></Decode></CodeListItem></CodeList>
</MetaDataVersion></Study>
<ClinicalData StudyOID="S1" MetaDataVersionOID="v1">@@SUBJECTS@@</ClinicalData></ODM>"""
_SUBJECT = """<SubjectData SubjectKey="@@"><StudyEventData StudyEventOID="SE1"><FormData FormOID="F1">
<ItemGroupData ItemGroupOID="IG1" ItemGroupRepeatKey="1" TransactionType="Insert"><ItemData ItemOID="I1" Value="1">
<AuditRecord><UserRef UserOID="U1"/><LocationRef LocationOID="L1"/><DateTimeStamp>2026-01-02T10:00:00</DateTimeStamp>
<ReasonForChange>initial</ReasonForChange></AuditRecord></ItemData><ItemData ItemOID="I2" Value="&#197;se &amp; co"/>
</ItemGroupData></FormData></StudyEventData></SubjectData>"""


def _odm() -> list[Seed]:
    document = ODM.replace("@@SUBJECTS@@", "".join(_SUBJECT.replace("@@", f"P{n}") for n in range(3))).encode()
    return [one("a.xml", document, reader="odm"), one("a.zip", pack([("a.xml", document)]), reader="odm")]


def _cells(*rows: str) -> bytes:
    return "".join("\t".join(f'"{cell}"' for cell in [*row.split(), ""]) + "\n" for row in rows).encode("utf-8-sig")


def _secutrial() -> list[Seed]:
    tables = {
        "cn": _cells("mnppid mnpaid mnpctrid mnpvisstartdate", "1204 RPACK-CBE-001 462 2019-04-01"),
        "ctr": _cells("mnpctrid mnpctrname mnpcname", "462 Bern x"),
        "fs": _cells("formid formtablename hidden formname formfamily sequence", "17068 mnpctu05wai x WAI Visits 10"),
        "vp": _cells("mnpvisid visitnumber visittype previsid visitday mnpvislabel", "9828 10 1 x 0 Baseline"),
        "vpfs": _cells("mnpvisid formid", "9828 17068"),
        "is": _cells("ffid fgid sequence ffcolname itemtype hidden fflabel", "1 1 10 wai_1 Numero x Alliance"),
        "qs": _cells("fgid formtablename sequence fglabel", "1 mnpctu05wai 10 x"),
        "cl": _cells("column code value", "mnpctu05wai.wai_1 1 rarely"),
        "wai": _cells("mnpdocid mnppid mnpvisid mnpvispdt wai_1", "1 1204 9828 20190401 1", "2 1204 9828 20190402 5"),
        "atwai": _cells("mnpdocid mnphistno wai_1", "1 1 1"),
    }
    members = [(f"{name}.xls", content) for name, content in tables.items()]
    return [one("export.zip", pack([("ExportOptions.html", b"<html></html>"), *members]), "wai", reader="secutrial")]


_COLUMNS = [
    {"itemOID": "IT.USUBJID", "name": "USUBJID", "label": "", "dataType": "string", "keySequence": 1},
    {"itemOID": "IT.QSSEQ", "name": "QSSEQ", "label": "", "dataType": "integer"},
    {"itemOID": "IT.VISITNUM", "name": "VISITNUM", "label": "", "dataType": "float"},
    {"itemOID": "IT.QSDTC", "name": "QSDTC", "label": "", "dataType": "date"},
]


def _dataset_json() -> list[Seed]:
    head = {"datasetJSONVersion": "1.1.0", "records": 6, "name": "QS", "itemGroupOID": "IG.QS", "columns": _COLUMNS}
    rows = [[f"Å{n}", n, 8.01, "2026-01-02" if n % 2 else None] for n in range(6)]
    lines = "\n".join(json.dumps(part) for part in (head, *rows))
    return [
        one("a.json", json.dumps({**head, "rows": rows}).encode(), reader="dataset_json"),
        one("a.json", json.dumps({**head, "rows": rows}, indent=1).encode(), "QS", reader="dataset_json"),
        one("a.ndjson", lines.encode(), reader="dataset_json"),
    ]


def _response(n: int) -> dict[str, object]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": f"r{n}",
        "questionnaire": "http://example.org/Questionnaire/q|1",
        "status": "completed",
        "subject": {"reference": f"Patient/{n}"},
        "authored": "2026-01-02T10:00:00+01:00",
        "item": [
            {"linkId": "g", "item": [{"linkId": "q1", "answer": [{"valueCoding": {"system": "s", "code": "A"}}]}]},
            {"linkId": "q2", "answer": [{"valueDecimal": 1.50, "item": [{"linkId": "q2.1", "answer": []}]}]},
            {"linkId": "q3", "answer": [{"valueString": "Åse"}, {"valueString": "no"}]},
            {"linkId": "q4", "answer": [{"valueBoolean": False}]},
        ],
    }


_QUESTIONNAIRE = {
    "resourceType": "Questionnaire",
    "url": "http://example.org/Questionnaire/q",
    "item": [
        {"linkId": "g", "type": "group", "item": [{"linkId": "q1", "type": "choice", "answerValueSet": "#v"}]},
        {"linkId": "q2", "type": "decimal"},
    ],
    "contained": [
        {
            "resourceType": "ValueSet",
            "id": "v",
            "compose": {
                "include": [
                    {
                        "system": "s",
                        "concept": [
                            {
                                "code": "A",
                                "extension": [
                                    {
                                        "url": "http://hl7.org/fhir/StructureDefinition/ordinalValue",
                                        "valueDecimal": 3,
                                    }
                                ],
                            }
                        ],
                    }
                ]
            },
        }
    ],
}


def _fhir() -> list[Seed]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": _response(n)} for n in range(4)]}
    known = json.dumps(_QUESTIONNAIRE).encode()
    documents = {
        "bundle.json": json.dumps(bundle, indent=1),
        "a.ndjson": "\n".join(json.dumps(_response(n)) for n in range(4)),
        "one.json": json.dumps(_response(1)),
    }
    declared = {"reader": "fhir", "definitions": "Questionnaire*.json"}
    return [
        Seed(name, {name: text.encode(), "Questionnaire-q.json": known}, declared) for name, text in documents.items()
    ]
