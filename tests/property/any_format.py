"""The same two tables written in every format that Concord reads, in dialects drawn at random.

A writer gets rows of text and returns the site's `format` and, per table, `file` and `sheet` of its source.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl
from hypothesis import strategies as st

DICTIONARY_STYLES = [("Variable / Field Name", "Form Name", "Field Type"), ("field_name", "form_name", "field_type")]
UNICODE_STATA = 14
Row = Mapping[str, str | None]
Tables = Mapping[str, tuple[Sequence[str], Sequence[Row]]]
Written = tuple[dict[str, Any], dict[str, dict[str, Any]]]
Writer = Callable[[Path, Tables, st.DrawFn], Written]


def delimited(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """Any delimiter, encoding, mark, line end, quoting and number of title rows."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le-marked-cells"]))
    title_rows = draw(st.integers(0, 2))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    has_empty_last = draw(st.booleans())
    extension = draw(st.sampled_from(["csv", "txt", "xls"]))
    places = {}
    for name, (columns, rows) in tables.items():
        buffer = io.StringIO()
        for number in range(title_rows):
            buffer.write(f"title {number}{newline}")
        writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=newline)
        last = [""] if has_empty_last else []
        writer.writerow([*columns, *last])
        writer.writerows([*(row.get(column) or "" for column in columns), *last] for row in rows)
        text = buffer.getvalue()
        if encoding == "utf-16-le-marked-cells":
            data = ("\ufeff" + text.replace(delimiter, delimiter + "\ufeff")).encode("utf-16-le")
        else:
            data = text.encode(encoding)
        (folder / f"{name}.{extension}").write_bytes(data)
        places[name] = {"file": f"{name}.{extension}"}
    declared = "utf-16" if encoding.startswith("utf-16") else encoding.removesuffix("-sig")
    format = {"reader": "delimited", "delimiter": delimiter, "encoding": declared, "title_rows": title_rows}
    return format, places


def excel(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """One workbook with a sheet per table; numbers as numbers or as text."""
    import xlsxwriter

    title_rows, as_numbers = draw(st.integers(0, 2)), draw(st.booleans())
    book = xlsxwriter.Workbook(folder / "export.xlsx")
    for name, (columns, rows) in tables.items():
        sheet = book.add_worksheet(name)
        for number in range(title_rows):
            sheet.write_string(number, 0, f"title {number}")
        for place, column in enumerate(columns):
            sheet.write_string(title_rows, place, column)
        for line, row in enumerate(rows, start=title_rows + 1):
            for place, column in enumerate(columns):
                text = row.get(column)
                if text is not None and as_numbers and text.isdigit():
                    sheet.write_number(line, place, int(text))
                elif text is not None:
                    sheet.write_string(line, place, text)
    book.close()
    format = {"reader": "excel", "title_rows": title_rows}
    return format, {name: {"file": "export.xlsx", "sheet": name} for name in tables}


def _typed(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Columns as numbers where every value is one, else as text."""
    typed: dict[str, list[Any]] = {}
    for column in columns:
        values = [row.get(column) for row in rows]
        if any(value is not None for value in values) and all(value is None or value.isdigit() for value in values):
            typed[column] = [None if value is None else float(value) for value in values]
        else:
            typed[column] = [value or "" for value in values]
    return typed


def spss(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """A `.sav` per table; in some, 99 is declared missing by the file itself."""
    import pandas as pd
    import pyreadstat

    has_missing = draw(st.booleans())
    for name, (columns, rows) in tables.items():
        typed = _typed(columns, rows)
        numeric = [c for c, values in typed.items() if values and all(isinstance(v, float | None) for v in values)]
        missing = {c: [99] for c in numeric if "_" in c} if has_missing else None
        pyreadstat.write_sav(pd.DataFrame(typed), str(folder / f"{name}.sav"), missing_ranges=missing)
    return {"reader": "spss"}, {name: {"file": f"{name}.sav"} for name in tables}


def stata(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """A `.dta` per table, in one of the versions that are about."""
    import pandas as pd
    import pyreadstat

    version = draw(st.sampled_from([13, 14, 15]))
    for name, (columns, rows) in tables.items():
        pyreadstat.write_dta(pd.DataFrame(_typed(columns, rows)), str(folder / f"{name}.dta"), version=version)
    # Before version 14 a file does not say its encoding, and the library writes UTF-8: the unit must tell.
    format = {"reader": "stata", **({"encoding": "utf-8"} if version < UNICODE_STATA else {})}
    return format, {name: {"file": f"{name}.dta"} for name in tables}


def parquet(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """A Parquet file per table, numbers as whole numbers, dates as dates where all of them are."""
    has_types = draw(st.booleans())
    for name, (columns, rows) in tables.items():
        frame = pl.DataFrame({c: pl.Series(c, [row.get(c) for row in rows], dtype=pl.String) for c in columns})
        if has_types:
            frame = frame.with_columns(
                pl.col(c).cast(pl.Int16)
                for c in columns
                if frame[c].drop_nulls().len() and frame[c].drop_nulls().str.contains(r"^\d{1,3}$").all()
            )
        frame.write_parquet(folder / f"{name}.parquet")
    return {"reader": "parquet"}, {name: {"file": f"{name}.parquet"} for name in tables}


def dataset_json(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """Dataset-JSON 1.1; blanks as null or as empty text."""
    blank = draw(st.sampled_from([None, ""]))
    for name, (columns, rows) in tables.items():
        document = {
            "datasetJSONCreationDateTime": "2016-01-01T00:00:00",
            "datasetJSONVersion": "1.1.0",
            "itemGroupOID": f"IG.{name}",
            "records": len(rows),
            "name": name,
            "label": name,
            "columns": [{"itemOID": f"IT.{c}", "name": c, "label": c, "dataType": "string"} for c in columns],
            "rows": [[row.get(c) or blank for c in columns] for row in rows],
        }
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return {"reader": "dataset_json"}, {name: {"file": f"{name}.json"} for name in tables}


def fhir(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """A QuestionnaireResponse per row, as a Bundle or as NDJSON; whole numbers as integers or as text."""
    is_bundle, as_integers = draw(st.booleans()), draw(st.booleans())

    def answer(text: str) -> dict[str, Any]:
        return {"valueInteger": int(text)} if as_integers and text.isdigit() else {"valueString": text}

    for name, (columns, rows) in tables.items():
        resources = [
            {
                "resourceType": "QuestionnaireResponse",
                "id": f"{name}-{number}",
                "status": "completed",
                "questionnaire": f"Questionnaire/{name}",
                "item": [{"linkId": c, "answer": [answer(str(row[c]))]} for c in columns if row.get(c) is not None],
            }
            for number, row in enumerate(rows)
        ]
        # A column that no response answers must still be known: the first response names it without an answer.
        if resources:
            named = {item["linkId"] for item in resources[0]["item"]}
            resources[0]["item"] += [{"linkId": c} for c in columns if c not in named]
        if is_bundle:
            bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
            text = json.dumps(bundle)
        else:
            text = "\n".join(json.dumps(resource) for resource in resources)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return {"reader": "fhir"}, {name: {"file": f"{name}.json"} for name in tables}


def odm(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """One ODM file, alone or in a zip: a form per table, a subject's form per row; trailing blanks in some."""
    blank = draw(st.sampled_from(["", " "]))
    is_zipped = draw(st.booleans())

    def attribute(text: str) -> str:
        return quoteattr(text + blank, {"\n": "&#10;"})

    forms, groups, items, data = [], [], [], []
    for name, (columns, rows) in tables.items():
        forms.append(f'<FormDef OID="F.{name}" Name="{name}"><ItemGroupRef ItemGroupOID="G.{name}"/></FormDef>')
        references = "".join(f'<ItemRef ItemOID="I.{name}.{column}"/>' for column in columns)
        groups.append(f'<ItemGroupDef OID="G.{name}" Name="{name}" Repeating="No">{references}</ItemGroupDef>')
        items += [f'<ItemDef OID="I.{name}.{column}" Name="{column}" DataType="text"/>' for column in columns]
        for number, row in enumerate(rows):
            answers = "".join(
                f'<ItemData ItemOID="I.{name}.{column}" Value={attribute(str(row[column]))}/>'
                for column in columns
                if row.get(column) is not None
            )
            data.append(
                f'<SubjectData SubjectKey="{name}-{number}"><StudyEventData StudyEventOID="E.1">'
                f'<FormData FormOID="F.{name}"><ItemGroupData ItemGroupOID="G.{name}">{answers}</ItemGroupData>'
                "</FormData></StudyEventData></SubjectData>"
            )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" FileType="Snapshot" '
        'ODMVersion="1.3"><Study OID="S"><GlobalVariables><StudyName>s</StudyName></GlobalVariables>'
        f'<MetaDataVersion OID="M" Name="M"><StudyEventDef OID="E.1" Name="E" Repeating="No"/>{"".join(forms)}'
        f"{''.join(groups)}{''.join(items)}</MetaDataVersion></Study>"
        f'<ClinicalData StudyOID="S" MetaDataVersionOID="M">{"".join(data)}</ClinicalData></ODM>'
    )
    file = "export.zip" if is_zipped else "export.xml"
    if is_zipped:
        with zipfile.ZipFile(folder / file, "w") as archive:
            archive.writestr("export.xml", text)
    else:
        (folder / file).write_text(text, encoding="utf-8")
    return {"reader": "odm"}, {name: {"file": file, "sheet": name} for name in tables}


def secutrial(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """A zip of tab text: UTF-8 with a mark, or UTF-16 with a mark in every cell; the last column is empty."""
    is_marked = draw(st.booleans())
    inside = {
        "fs": (["formtablename", "formname", "familyname"], [{"formtablename": t, "formname": t} for t in tables]),
        "cn": (["mnppid", "mnpaid"], [{"mnppid": "1", "mnpaid": "S1"}]),
        **tables,
    }
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        for name, (columns, rows) in inside.items():
            buffer = io.StringIO()
            writer = csv.writer(buffer, delimiter="\t", lineterminator="\r\n")
            writer.writerow([*columns, ""])
            writer.writerows([*(row.get(column) or "" for column in columns), ""] for row in rows)
            text = buffer.getvalue()
            data = (
                ("\ufeff" + text.replace("\t", "\t\ufeff")).encode("utf-16-be")
                if is_marked
                else text.encode("utf-8-sig")
            )
            archive.writestr(f"{name}.xls", data)
    format = {"reader": "secutrial", "encoding": "utf-16" if is_marked else "utf-8"}
    return format, {name: {"file": "export.zip", "sheet": name} for name in tables}


def redcap(folder: Path, tables: Tables, draw: st.DrawFn) -> Written:
    """One export with an event per table, its dictionary under either header style."""
    delimiter = draw(st.sampled_from([",", ";"]))
    style = draw(
        st.sampled_from(
            [("Variable / Field Name", "Form Name", "Field Type"), ("field_name", "form_name", "field_type")]
        )
    )
    columns = list(dict.fromkeys(column for names, _ in tables.values() for column in names))
    with (folder / "data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["redcap_event_name", *columns])
        for name, (_, rows) in tables.items():
            writer.writerows([f"{name}_arm_1", *(row.get(column) or "" for column in columns)] for row in rows)
    with (folder / "dictionary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(style)
        writer.writerows([column, "everything", "text"] for column in columns)
    format = {"reader": "redcap", "dictionary": "dictionary.csv", "delimiter": delimiter}
    places: dict[str, dict[str, Any]] = {
        name: {"file": "data.csv", "where": {"column": "redcap_event_name", "values": [f"{name}_arm_1"]}}
        for name in tables
    }
    return format, places


WRITERS: dict[str, Writer] = {
    "delimited": delimited,
    "excel": excel,
    "spss": spss,
    "stata": stata,
    "parquet": parquet,
    "dataset_json": dataset_json,
    "fhir": fhir,
    "odm": odm,
    "secutrial": secutrial,
    "redcap": redcap,
}
