"""A unit's worklist: every open finding about its own patients, what to do about it, and room for the answer.

What belongs here: the rows, and writing them as XLSX and CSV that a spreadsheet cannot mistake for formulas. What does
not: reading it back (`assets.ingestion.answers`), and what an answer makes of a finding (SQL, quality.finding).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from assets.ingestion.answers import ANSWERS, SHEET
from assets.publishing import words
from assets.publishing.sources import Warehouse
from codebook.library import Library

CREATED = dt.datetime(2000, 1, 1)
"""What every workbook says about its making, so that the same findings give the same bytes."""
MOST_ROWS = 100_000
"""A workbook holds the oldest so many; the CSV holds all."""
WIDTHS = {
    "finding_id": 23,
    "patient": 12,
    "form": 11,
    "occasion": 14,
    "date": 11,
    "item": 16,
    "what is wrong": 48,
    "what to do": 48,
    "open since": 11,
    "days open": 9,
    "file": 20,
    "row": 7,
    "answer": 14,
    "comment": 40,
}
NUMBERS = ("days open", "row")
_FIELD = re.compile(r"^[a-z_]+(?=: )")
_DATE_PARTS = {"%d": "DD", "%m": "MM", "%Y": "YYYY", "%y": "YY", "%H": "hh", "%M": "mm", "%S": "ss"}
HELP = (
    "Fill in the columns 'answer' and 'comment' and send the file back; change nothing else.",
    "corrected: it is mended in your system; the next delivery will show it.",
    "confirmed: it is right as it is.",
    "unobtainable: it cannot be found out any more.",
    "in_progress: somebody is at it; the finding stays on the list.",
    "Write no names, addresses or national numbers into comments: such comments are not kept.",
)


def open_findings(warehouse: Warehouse) -> pl.DataFrame:
    """Every open finding of the network with when its assessment was; patients still by id."""
    if not warehouse.has("quality.finding"):
        return pl.DataFrame()
    frame = warehouse.frame("select * from quality.finding where status in ('open', 'reopened')")
    if not warehouse.has("harmonised.assessment") or "assessment_id" not in frame.columns:
        return frame
    placed = warehouse.frame("select assessment_id, occasion, assessment_date from harmonised.assessment")
    return frame.join(placed.unique("assessment_id"), on="assessment_id", how="left")


def worklist(findings: pl.DataFrame, site: str, refs: Mapping[str, str], library: Library) -> pl.DataFrame:
    """One unit's rows of `findings` as text under the headings of WIDTHS; oldest first, without any patient_id.

    `refs` are the unit's own numbers of its patients (`assets.publishing.local_refs`).
    """
    occasions = words.occasions(library)
    rows = []
    own = findings.filter(pl.col("site_id") == site) if findings.width else findings
    for row in own.iter_rows(named=True):
        occasion = row.get("occasion")
        known = occasions.get(occasion) if occasion else None
        rows.append(
            {
                "finding_id": row["finding_id"],
                "patient": refs.get(row["patient_id"] or ""),
                "form": words.short_name(row["instrument"]) if row["instrument"] else None,
                "occasion": known.label if known else occasion,
                "date": _text(row.get("assessment_date")),
                "item": item_words(row["item"]),
                "what is wrong": sentence(row["message"]),
                "what to do": row.get("remedy"),
                "open since": _text(row.get("opened_date")),
                "days open": row.get("age_days"),
                "file": row["source_file"],
                "row": row["source_row"],
                "answer": None,
                "comment": None,
            }
        )
    schema = {name: pl.Int64() if name in NUMBERS else pl.String() for name in WIDTHS}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("open since", "patient", "form", "date", "item", "finding_id", nulls_last=True)


def item_words(item: str | None) -> str | None:
    """`item 5` for `item_05`, `date of discharge` style names for fields."""
    if item is None:
        return None
    number = item.removeprefix("item_")
    return f"item {int(number)}" if number != item and number.isdigit() else item.replace("_", " ")


def sentence(message: str | None) -> str:
    """A message as a sentence: the field's words for names of columns and forms of dates, capital, full stop."""
    text = _FIELD.sub(lambda match: match.group().replace("_", " "), (message or "").strip())
    for code, words_of_it in _DATE_PARTS.items():
        text = text.replace(code, words_of_it)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""


def _text(day: object) -> str | None:
    return day.isoformat() if isinstance(day, dt.date) else None


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts that a spreadsheet would compute get an apostrophe in front."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String()]
    return frame.with_columns(pl.col(name).str.replace(r"^([=+\-@\t\r])", "'$1") for name in texts)


def write_worklist(frame: pl.DataFrame, stem: Path) -> None:
    """Write STEM.csv and STEM.xlsx; the same rows give the same bytes."""
    harmless(frame).write_csv(stem.with_suffix(".csv"), include_bom=True)
    _write_workbook(frame.head(MOST_ROWS), frame.height, stem.with_suffix(".xlsx"))


def _write_workbook(frame: pl.DataFrame, n_rows: int, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(path)) as workbook:
        workbook.set_properties({"title": "Worklist", "created": CREATED})
        bold = workbook.add_format({"bold": True, "bottom": 1, "valign": "top"})
        plain = workbook.add_format({"valign": "top", "text_wrap": True})
        asked = workbook.add_format({"valign": "top", "text_wrap": True, "bg_color": "#FFF6DD", "num_format": "@"})
        sheet = workbook.add_worksheet(SHEET)
        sheet.freeze_panes(1, 1)
        names = list(frame.columns)
        for column, name in enumerate(names):
            sheet.set_column(column, column, WIDTHS[name])
            sheet.write_string(0, column, name, bold)
        for number, row in enumerate(frame.iter_rows(), start=1):
            for column, (name, value) in enumerate(zip(names, row, strict=True)):
                style = asked if name in ("answer", "comment") else plain
                if value is None:
                    sheet.write_blank(number, column, None, style)
                elif isinstance(value, int):
                    sheet.write_number(number, column, value, style)
                else:
                    sheet.write_string(number, column, value, style)
        if frame.height:
            answer = names.index("answer")
            sheet.autofilter(0, 0, frame.height, len(names) - 1)
            sheet.data_validation(
                1,
                answer,
                frame.height,
                answer,
                {
                    "validate": "list",
                    "source": list(ANSWERS),
                    "error_title": "Answer",
                    "error_message": f"Choose one of {', '.join(ANSWERS)}.",
                },
            )
        how = workbook.add_worksheet("How to answer")
        how.set_column(0, 0, 100)
        told = list(HELP)
        if n_rows > frame.height:
            told.append(f"The oldest {frame.height} of {n_rows} findings are listed here; the CSV holds all of them.")
        for number, text in enumerate(told):
            how.write_string(number, 0, text)
