"""secuTrial exports ("CSV format for MS Excel"): a zip of tables, of which one form is asked for.

What belongs here: the form's rows with patient, centre and visit beside them, labels, missing values, the audit table
as history, and the visit plan. What does not: names and reading of tables (`secutrial_tables`).

Joined columns keep the names that secuTrial gives them: `mnpaid` (the patient's study number) and `mnpctrid` of the
case, `mnpctrname` of the centre, `mnpvislabel` of the visit; a visit's planned date is `mnpvispdt` in the form itself.
A repeated part of a form (`esurgeries`) gets the visit of the form it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from assets.ingestion.readers.archive import is_archive, open_archive
from assets.ingestion.readers.protocol import HISTORY_COLUMNS, SOURCE_ROW, ReadError, SourceFrame
from assets.ingestion.readers.secutrial_tables import FORM_TABLE, SUBFORM_OF, Tables
from codebook.formats import ReadingLimits, SecutrialFormat

PATIENT, DOCUMENT, VISIT = "mnppid", "mnpdocid", "mnpvisid"
_CENTRE, _CENTRE_NAME, _LABEL = "mnpctrid", "mnpctrname", "mnpvislabel"
_OF_VISIT = (VISIT, "mnpvisno", "mnpvispdt")
_STAMPS = ("mnpatdocid", "mnplastedit", "mnpptnid", SOURCE_ROW)
"""Columns of an audit table that tell of the change itself."""
_KINDS = {"0": "fixed", "1": "flexible", "2": "unscheduled", "3": "free"}
_MISSING_KEY = "mivstatus"


def read(
    path: Path, relative: str, format: SecutrialFormat, sheet: str | None = None, limits: ReadingLimits | None = None
) -> SourceFrame:
    """Read one table (`assets.ingestion.readers.protocol.read_file` says what comes out).

    A blank cell for which the export's table of missing values (miv) gives a reason holds `miv<status>`, which
    `user_missing` explains. `history` has every value that the audit table shows to have been another one before.

    Raises:
        ReadError: no such export or table, or larger than the limits.
    """
    limits = limits or ReadingLimits()
    with _opened(path, relative, format, limits) as tables:
        name = tables.find(sheet)
        split = tables.split(name)
        if split.frame.height * split.frame.width > limits.max_sheet_cells:
            raise ReadError(
                f"{relative}, table '{name}': has more than {limits.max_sheet_cells} cells; have it exported in parts, "
                "or raise limits.max_sheet_cells in network.yaml"
            )
        frame, missing = _with_missing(split.frame, name, tables)
        frame = _with_case(_with_visit(frame, name, tables), tables)
        return SourceFrame(
            relative,
            name,
            frame.select(pl.exclude(SOURCE_ROW), SOURCE_ROW),
            split.unreadable,
            user_missing=missing,
            labels=_labels(frame, name, tables),
            other_sheets=tuple(_others(name, tables)),
            history=_history(name, tables),
            notes=(*sorted(tables.notes), *_notes(name, tables)),
        )


def visit_plan(path: Path, format: SecutrialFormat, limits: ReadingLimits | None = None) -> pl.DataFrame:
    """The visits that the export's project plans, in the plan's order.

    Columns: visit_id, label, previous_visit_id, lag_days (after the previous visit), minus_days, plus_days (Int64,
    null where the plan says nothing), arm, kind (fixed, flexible, unscheduled, free, or the export's own code),
    is_hidden, forms (long names of the forms' tables).

    Raises:
        ReadError: no such export, or one without a visit plan.
    """
    with _opened(path, path.name, format, limits or ReadingLimits()) as tables:
        if "vp" not in tables.names:
            raise ReadError(f"{path.name}: has no visit plan (vp); have it exported with the project's structure")
        plan = tables.frame(
            "vp", VISIT, "visitnumber", "visittype", "previsid", "visitday", "minusoffset", "plusoffset", "visitarm",
            "hidden", _LABEL,
        )  # fmt: skip
        names = tables.frame("fs", "formid", FORM_TABLE).select("formid", FORM_TABLE)
        filled = tables.frame("vpfs", VISIT, "formid").join(names, on="formid", how="left", maintain_order="left")
    forms = filled.group_by(VISIT, maintain_order=True).agg(pl.col(FORM_TABLE).drop_nulls().alias("forms"))
    return (
        plan.join(forms, on=VISIT, how="left", maintain_order="left")
        .sort(pl.col("visitnumber").cast(pl.Int64, strict=False), nulls_last=True, maintain_order=True)
        .select(
            pl.col(VISIT).alias("visit_id"),
            _plain_label().alias("label"),
            pl.col("previsid").alias("previous_visit_id"),
            pl.col("visitday").cast(pl.Int64, strict=False).alias("lag_days"),
            pl.col("minusoffset").cast(pl.Int64, strict=False).alias("minus_days"),
            pl.col("plusoffset").cast(pl.Int64, strict=False).alias("plus_days"),
            pl.col("visitarm").alias("arm"),
            pl.col("visittype").replace(_KINDS).alias("kind"),
            pl.col("hidden").eq("1").fill_null(False).alias("is_hidden"),
            pl.col("forms").fill_null([]),
        )
    )


@contextmanager
def _opened(path: Path, relative: str, format: SecutrialFormat, limits: ReadingLimits) -> Iterator[Tables]:
    if not is_archive(path):
        raise ReadError(f"{relative}: is no zip; deliver the export as secuTrial made it")
    with open_archive(path, relative, limits) as archive:
        yield Tables(archive, format)


def _plain_label() -> pl.Expr:
    """A visit's label without the lines that frame it in the export."""
    return pl.col(_LABEL).str.strip_chars(" |\t").replace("", None)


def _beside(frame: pl.DataFrame, other: pl.DataFrame, on: str, columns: list[str]) -> pl.DataFrame:
    """`columns` of another table beside the rows of this one, whose number and order stay."""
    new = [column for column in columns if column not in frame.columns]
    if on not in frame.columns or not new:
        return frame
    found = other.select(on, *new).drop_nulls(on).unique(on, keep="first", maintain_order=True)
    return frame.join(found, on=on, how="left", maintain_order="left")


def _with_visit(frame: pl.DataFrame, name: str, tables: Tables) -> pl.DataFrame:
    if VISIT not in frame.columns and DOCUMENT in frame.columns:
        questions = tables.frame("qs", FORM_TABLE, SUBFORM_OF)
        parents = questions.filter(pl.col(SUBFORM_OF).str.to_lowercase() == tables.long_name(name).casefold())
        for long in parents[FORM_TABLE].drop_nulls().unique(maintain_order=True):
            parent = tables.by_long_name(long)
            if parent is not None and parent != name:
                frame = _beside(frame, tables.frame(parent, DOCUMENT, *_OF_VISIT), DOCUMENT, list(_OF_VISIT))
    plan = tables.frame("vp", VISIT, _LABEL).with_columns(_plain_label())
    return _beside(frame, plan, VISIT, [_LABEL]) if name != "vp" else frame


def _with_case(frame: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    cases = tables.frame("cn", PATIENT, "mnpaid", _CENTRE)
    frame = _beside(frame, cases, PATIENT, ["mnpaid", _CENTRE])
    return _beside(frame, tables.frame("ctr", _CENTRE, _CENTRE_NAME), _CENTRE, [_CENTRE_NAME])


def _with_missing(frame: pl.DataFrame, name: str, tables: Tables) -> tuple[pl.DataFrame, dict[str, dict[str, str]]]:
    """The table with the reasons for its blank cells, and what they mean."""
    if DOCUMENT not in frame.columns or name in ("miv", "qac", "cts") or "mnpsubdocid" in frame.columns:
        return frame, {}
    given = tables.frame("miv", DOCUMENT, "ffcolname", "hidden", _MISSING_KEY, "mivstatustext")
    given = given.filter(pl.col("hidden").ne_missing("1"), pl.col(_MISSING_KEY).is_not_null())
    given = given.filter(pl.col(DOCUMENT).is_in(frame[DOCUMENT].to_list()))
    meant = _codes(tables, _MISSING_KEY)
    missing: dict[str, dict[str, str]] = {}
    for (column,), cells in given.group_by(["ffcolname"], maintain_order=True):
        if column not in frame.columns or not isinstance(column, str):
            continue
        reason = pl.concat_str(pl.lit("miv"), _MISSING_KEY).alias("reason")
        last = cells.unique(DOCUMENT, keep="last", maintain_order=True).select(DOCUMENT, reason)
        frame = frame.join(last, on=DOCUMENT, how="left", maintain_order="left")
        frame = frame.with_columns(pl.coalesce(column, "reason").alias(column)).drop("reason")
        told = cells.select(_MISSING_KEY, "mivstatustext").unique(_MISSING_KEY, maintain_order=True).iter_rows()
        missing[column] = {f"miv{code}": meant.get(code) or text or code for code, text in told}
    return frame, missing


def _codes(tables: Tables, column: str) -> dict[str, str]:
    listed = tables.frame("cl", "column", "code", "value").filter(
        pl.col("column") == column, pl.col("code").is_not_null()
    )
    return {code: value or code for code, value in listed.select("code", "value").iter_rows()}


def _labels(frame: pl.DataFrame, name: str, tables: Tables) -> dict[str, dict[str, str]]:
    """Labels from the export's separate table of reference values."""
    listed = tables.frame("cl", "column", "code", "value").drop_nulls(["column", "code"])
    places = {f"{tables.long_name(name)}.{column}": column for column in frame.columns} | {c: c for c in frame.columns}
    labels: dict[str, dict[str, str]] = {}
    for place, code, value in listed.select("column", "code", "value").iter_rows():
        if place in places:
            labels.setdefault(places[place], {})[code] = value or code
    return labels


def _others(name: str, tables: Tables) -> Iterator[str]:
    """Forms, queries and comments that hold rows and were not asked for."""
    for other in (*tables.forms, "qac", "cts"):
        if other != name and other in tables.names and _holds_rows(other, tables):
            yield other


def _holds_rows(name: str, tables: Tables) -> bool:
    """Whether a table holds rows; one that cannot be read may, and is an error only where it is asked for."""
    try:
        return not tables.split(name).frame.is_empty()
    except ReadError:
        return True


def _earlier(name: str, tables: Tables) -> pl.DataFrame | None:
    """The audit table of a form, oldest first."""
    audit = f"at{name}"
    if audit not in tables.names or DOCUMENT not in tables.split(name).frame.columns:
        return None
    frame = tables.split(audit).frame
    if not {DOCUMENT, "mnplastedit", "mnpatdocid"} <= set(frame.columns):
        return None
    return frame.sort(pl.col("mnpatdocid").cast(pl.Int64, strict=False), maintain_order=True)


def _history(name: str, tables: Tables) -> pl.DataFrame | None:
    """Every value of a column that changed in a document, from the first to the one that stands in the form."""
    earlier = _earlier(name, tables)
    if earlier is None or earlier.is_empty():
        return None
    now = tables.split(name).frame.filter(pl.col(DOCUMENT).is_in(earlier[DOCUMENT].to_list()))
    values = [c for c in now.columns if c in earlier.columns and c not in (*_STAMPS, PATIENT, DOCUMENT)]
    stamps = [DOCUMENT, "mnplastedit", *(["mnpptnid"] if "mnpptnid" in now.columns else [])]
    versions = pl.concat([earlier.select(*stamps, *values), now.select(*stamps, *values)])
    rows = now.select(DOCUMENT, SOURCE_ROW).unique(DOCUMENT, keep="first", maintain_order=True)
    told = (
        versions.join(rows, on=DOCUMENT, how="inner", maintain_order="left")
        .unpivot(on=values, index=[*stamps, SOURCE_ROW], variable_name="column", value_name="value")
        .with_columns(pl.col("value").shift(1).over(SOURCE_ROW, "column").alias("before"))
        .with_columns(
            (pl.int_range(pl.len()).over(SOURCE_ROW, "column") == 0).alias("is_first"),
            pl.col("value").ne_missing(pl.col("before")).alias("is_new"),
        )
        .with_columns((pl.col("is_new") & ~pl.col("is_first")).any().over(SOURCE_ROW, "column").alias("is_told"))
        .filter(pl.col("is_told") & (pl.col("is_first") | pl.col("is_new")))
    )
    if told.is_empty():
        return None
    by = pl.col("mnpptnid") if "mnpptnid" in stamps else pl.lit(None, pl.String)
    return (
        told.select(
            SOURCE_ROW,
            "column",
            "value",
            pl.col("mnplastedit").alias("changed_at"),
            by.alias("changed_by"),
            pl.lit(None, pl.String).alias("reason"),
        )
        .select(*HISTORY_COLUMNS)
        .sort(SOURCE_ROW, "column", maintain_order=True)
    )


def _notes(name: str, tables: Tables) -> Iterator[str]:
    earlier = _earlier(name, tables)
    if earlier is not None and earlier.height:
        gone = earlier.filter(~pl.col(DOCUMENT).is_in(tables.split(name).frame[DOCUMENT].to_list()))
        if gone.height:
            yield f"the audit table holds {gone.height} versions of forms that are not there any more"
