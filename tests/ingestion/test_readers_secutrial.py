"""secuTrial exports: tables under any of their names, with patient, centre and visit beside them."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from assets.ingestion.readers.protocol import ReadError, SourceFrame, read_file
from assets.ingestion.readers.secutrial import visit_plan
from codebook.formats import ReadingLimits, SecutrialFormat

FORMAT = SecutrialFormat(reader="secutrial")
JOINED = ["mnpvislabel", "mnpaid", "mnpctrid", "mnpctrname"]

TABLES: dict[str, list[list[str]]] = {
    "fs": [["formid", "formtablename", "formname"], ["1", "mnpp1ae", "Events"], ["2", "mnpp1sae", "Serious events"],
           ["3", "emnpp1part", "Part"]],
    "qs": [["formtablename", "subformtablename"], ["mnpp1ae", "emnpp1part"]],
    "cn": [["mnppid", "mnpaid", "mnpctrid"], ["10", "A-1", "5"], ["11", "A-2", "6"]],
    "ctr": [["mnpctrid", "mnpctrname"], ["5", "Nörd"], ["6", "Süd"]],
    "vp": [["mnpvisid", "visitnumber", "visittype", "previsid", "visitday", "minusoffset", "plusoffset", "visitarm",
            "hidden", "mnpvislabel"],
           ["71", "20", "0", "70", "180", "14", "28", "Verum", "", "|  Half year |"],
           ["70", "10", "1", "", "0", "", "", "", "1", "Intake"]],
    "vpfs": [["mnpvisid", "formid"], ["70", "1"], ["71", "1"], ["71", "2"]],
    "cl": [["column", "code", "value"], ["mnpp1ae.grade", "1", "mild"], ["mivstatus", "2", "not collected"],
           ["mnpp1sae.grade", "1", "other"]],
    "miv": [["mnppid", "mnpdocid", "ffcolname", "hidden", "mivstatus", "mivstatustext"],
            ["11", "101", "grade", "", "2", "nicht erhoben"], ["10", "100", "grade", "1", "2", "withdrawn"]],
    "ae": [["mnppid", "mnpdocid", "mnplastedit", "mnpptnid", "mnpvisid", "mnpvispdt", "grade", "note"],
           ["10", "100", "2026-02-03 10:00:00", "9", "70", "2026-02-01", "3", "last"],
           ["11", "101", "2026-02-04 10:00:00", "9", "71", "2026-02-02", "", "tab\there"]],
    "atae": [["mnppid", "mnpdocid", "mnpatdocid", "mnplastedit", "mnpptnid", "mnpvisid", "mnpvispdt", "grade", "note"],
             ["10", "100", "2", "2026-02-02 10:00:00", "8", "70", "2026-02-01", "2", "last"],
             ["10", "100", "1", "2026-02-01 10:00:00", "8", "70", "2026-02-01", "1", "last"],
             ["10", "99", "3", "2026-02-01 10:00:00", "8", "70", "2026-02-01", "1", "gone"]],
    "sae": [["mnppid", "mnpdocid", "mnpvisid", "grade"], ["10", "102", "71", "1"]],
    "epart": [["mnppid", "mnpdocid", "mnpsubdocid", "position", "what"], ["10", "100", "1", "0", "x"],
              ["10", "100", "2", "1", "y"], ["11", "101", "3", "0", "z"]],
    "qac": [["mnppid", "mnpdocid", "qaccontent"]],
}  # fmt: skip


def tab_text(rows: list[list[str]], encoding: str) -> bytes:
    """As secuTrial writes tables: every cell quoted, an empty column behind, marks around cells in UTF-16."""
    if encoding != "utf-16":
        return "".join("\t".join(f'"{cell}"' for cell in [*row, ""]) + "\n" for row in rows).encode(encoding)
    text = "".join("\ufeff\t".join(f'\ufeff"{cell}"' for cell in [*row, ""]) + "\ufeff\n" for row in rows)
    return text.encode("utf-16-be")


def export(
    folder: Path,
    encoding: str = "utf-8-sig",
    names: dict[str, str] | None = None,
    tag: str = "",
    tables: dict[str, list[list[str]]] | None = None,
) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"ExportOptions{tag}.html", "<html/>")
        for name, rows in (tables or TABLES).items():
            archive.writestr(f"{(names or {}).get(name, name)}{tag}.xls", tab_text(rows, encoding))
    return path


def read(path: Path, sheet: str | None, limits: ReadingLimits | None = None) -> SourceFrame:
    return read_file(path, path.name, FORMAT, sheet, limits)


def test_a_form_has_patient_centre_and_visit_beside_it(tmp_path: Path) -> None:
    frame = read(export(tmp_path), "ae").frame
    assert frame.select("mnppid", *JOINED, "mnpvispdt", "source_row").rows() == [
        ("10", "Intake", "A-1", "5", "Nörd", "2026-02-01", 2),
        ("11", "Half year", "A-2", "6", "Süd", "2026-02-02", 3),
    ]
    assert "" not in frame.columns


def test_a_repeated_part_gets_the_visit_of_its_form(tmp_path: Path) -> None:
    frame = read(export(tmp_path), "epart").frame
    assert frame.select("what", "mnpvislabel", "mnpvispdt", "mnpaid").rows() == [
        ("x", "Intake", "2026-02-01", "A-1"), ("y", "Intake", "2026-02-01", "A-1"),
        ("z", "Half year", "2026-02-02", "A-2"),
    ]  # fmt: skip


LONG = {"fs": "forms", "qs": "questions", "cn": "casenodes", "ctr": "centres", "vp": "visitplan",
        "vpfs": "visitplanforms", "qac": "queries", "ae": "mnpp1ae", "atae": "atmnpp1ae", "sae": "mnpp1sae",
        "epart": "emnpp1part"}  # fmt: skip


@pytest.mark.parametrize("sheet", ["ae", "mnpp1ae", "AE", "sae", "mnpp1sae", "epart", "emnpp1part", "cn", "casenodes"])
def test_short_and_long_names_mean_the_same_table_in_every_version(tmp_path: Path, sheet: str) -> None:
    short = read(export(tmp_path), sheet)
    for names, tag in ((LONG, ""), (LONG, "_P1_20260301-101500"), ({}, "_P1_20260301-101500")):
        other = read(export(tmp_path, names=names, tag=tag), sheet)
        assert other.frame.equals(short.frame), (names, tag)
        assert other.labels == short.labels
        assert (other.history is None) == (short.history is None)
        assert len(other.other_sheets) == len(short.other_sheets)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_either_encoding_gives_the_same_tables(tmp_path: Path, encoding: str) -> None:
    plain = {name: read(export(tmp_path), name) for name in TABLES}
    other = {name: read(export(tmp_path, encoding), name) for name in TABLES}
    assert all(other[name].frame.equals(plain[name].frame) for name in TABLES)
    assert [one.labels for one in other.values()] == [one.labels for one in plain.values()]


def test_labels_come_from_the_reference_table_of_this_form_only(tmp_path: Path) -> None:
    assert read(export(tmp_path), "ae").labels == {"grade": {"1": "mild"}}
    assert read(export(tmp_path), "sae").labels == {"grade": {"1": "other"}}


def test_a_blank_with_a_reason_is_a_declared_missing_value(tmp_path: Path) -> None:
    source = read(export(tmp_path), "ae")
    assert source.frame["grade"].to_list() == ["3", "miv2"]
    assert source.user_missing == {"grade": {"miv2": "not collected"}}


def test_the_audit_table_becomes_history_and_gone_forms_are_said(tmp_path: Path) -> None:
    source = read(export(tmp_path), "ae")
    assert source.history is not None
    assert source.history.rows() == [
        (2, "grade", "1", "2026-02-01 10:00:00", "8", None),
        (2, "grade", "2", "2026-02-02 10:00:00", "8", None),
        (2, "grade", "3", "2026-02-03 10:00:00", "9", None),
    ]
    assert source.notes == ("the audit table holds 1 versions of forms that are not there any more",)


def test_other_forms_with_rows_are_named(tmp_path: Path) -> None:
    assert read(export(tmp_path), "ae").other_sheets == ("sae", "epart")


def test_a_patient_who_is_listed_twice_doubles_no_rows(tmp_path: Path) -> None:
    path = export(tmp_path, tables={**TABLES, "cn": [*TABLES["cn"], ["10", "A-1b", "6"]]})
    assert read(path, "ae").frame["mnpaid"].to_list() == ["A-1", "A-2"]


def test_rows_that_do_not_fit_their_header_are_unreadable_not_lost(tmp_path: Path) -> None:
    path = export(tmp_path, tables={**TABLES, "sae": [TABLES["sae"][0], ["10", "102"], ["11", "103", "71", "2"]]})
    source = read(path, "sae")
    assert (source.frame.height, [row.source_row for row in source.unreadable]) == (1, [2])


def test_the_visit_plan_is_there_to_declare_a_schedule_from(tmp_path: Path) -> None:
    plan = visit_plan(export(tmp_path), FORMAT)
    assert plan.rows() == [
        ("70", "Intake", None, 0, None, None, None, "flexible", True, ["mnpp1ae"]),
        ("71", "Half year", "70", 180, 14, 28, "Verum", "fixed", False, ["mnpp1ae", "mnpp1sae"]),
    ]


def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = export(tmp_path)
    with pytest.raises(ReadError, match=r"export\.zip: has 3 forms with rows \(ae, sae, epart\)"):
        read(path, None)
    with pytest.raises(ReadError, match=r"has no table 'sea'; did you mean 'sae'\?"):
        read(path, "sea")
    with pytest.raises(ReadError, match=r"limits\.max_sheet_cells"):
        read(path, "ae", ReadingLimits(max_sheet_cells=10))
    with pytest.raises(ReadError, match="is no secuTrial export with structure"):
        read(export(tmp_path, tables={"ae": TABLES["ae"]}), "ae")
    path.write_bytes(b"mnppid\tmnpdocid\n")
    with pytest.raises(ReadError, match=r"export\.zip: is no zip"):
        read(path, "ae")


# The given exports

UTF8 = "s_export_CSV-xls_CTU05_short_ref_miss_fr_utf8bom.zip"
UTF16 = "s_export_CSV-xls_CTU05_short_ref_miss_fr_utf16.zip"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".xls"): archive.read(name) for name in archive.namelist() if name.endswith(".xls")}


def test_every_table_comes_out_with_every_row(shared: Path) -> None:
    path = shared / "samples/secutrial" / UTF8
    tables = members(path)
    assert len(tables) == 31
    for name, data in tables.items():
        records = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter="\t"))
        source = read(path, name)
        header = [cell for cell in records[0] if cell]
        assert source.unreadable == ()
        assert source.frame.height == len(records) - 1, name
        assert source.frame.columns[: len(header)] == header
        texts = [tuple(cell.strip() or None for cell in record[: len(header)]) for record in records[1:]]
        if name != "vp":
            assert source.frame.select(header).rows() == texts, name


def test_both_encodings_of_one_export_give_equal_tables(shared: Path) -> None:
    folder = shared / "samples/secutrial"
    assert members(folder / UTF8).keys() == members(folder / UTF16).keys()
    for name in members(folder / UTF8):
        one, other = read(folder / UTF8, name), read(folder / UTF16, name)
        assert one.frame.equals(other.frame), name
        assert (one.labels, one.user_missing, one.other_sheets) == (
            other.labels,
            other.user_missing,
            other.other_sheets,
        )
        assert other.notes[0] == "is utf-16, not utf-8 as declared, and was read so"
    assert visit_plan(folder / UTF8, FORMAT).equals(visit_plan(folder / UTF16, FORMAT))


def test_three_centres_and_four_visits_are_beside_the_forms(shared: Path) -> None:
    path = shared / "samples/secutrial" / UTF8
    frame = read(path, "baseline").frame
    assert dict(frame.group_by("mnpctrname").len().rows()) == {
        "Charité Berlin (RPACK)": 9, "Inselspital Bern (RPACK)": 7, "Universitätsspital Basel (RPACK)": 1,
    }  # fmt: skip
    assert frame.select(*JOINED, "mnpvispdt").null_count().row(0) == (0, 0, 0, 0, 0)
    assert set(frame["mnpvislabel"]) == {"Baseline and Treatment", "Screeningvisit"}
    assert read(path, "mnpctu05baseline").frame.equals(frame)
    plan = visit_plan(path, FORMAT)
    assert plan.select("label", "lag_days", "kind").rows()[-1] == ("Follow-up", 30, "flexible")
    parts = read(path, "esurgeries").frame
    assert (parts.height, parts["mnpvislabel"].null_count()) == (18, 0)


def test_the_audit_tables_of_the_export_become_history(shared: Path) -> None:
    history = read(shared / "samples/secutrial" / UTF8, "outcome").history
    assert history is not None
    written = history.filter(pl.col("column") == "outcome_description")
    assert written["value"].to_list()[0] is None
    assert written["changed_at"].is_sorted()


def test_the_long_names_of_the_real_export_mean_its_short_tables(shared: Path) -> None:
    """The files are called `baseline`, the table of forms says `mnpctu05baseline`, and so does another version."""
    path = shared / "samples/secutrial" / UTF8
    for short, long in (("baseline", "mnpctu05baseline"), ("esurgeries", "emnpctu05surgeries"), ("cn", "casenodes")):
        assert read(path, long).frame.equals(read(path, short).frame), long
        assert read(path, short).frame.height > 10
