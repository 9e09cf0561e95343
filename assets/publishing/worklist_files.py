"""Worklists as files: an XLSX with a choice of answers in each row, and a CSV in the network's dialect.

What belongs here: writing. What does not: the rows (`assets.publishing.worklist`), and what the answers mean
(`assets.ingestion.answer_sheet`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from assets.ingestion.answer_sheet import DUE_ANSWERS, FINDING_ANSWERS, SHEET
from assets.spreadsheet import CREATED, is_computed, write_csv
from codebook.outgoing import CsvDialect

MOST_ROWS = 100_000
"""A workbook holds the first so many; the CSV holds all."""
WIDTHS = {
    "local_ref": 12,
    "instrument": 11,
    "occasion": 13,
    "rater": 10,
    "due_date": 11,
    "closes_date": 11,
    "problem": 46,
    "remedy": 46,
    "answer": 14,
    "comment": 34,
    "item": 15,
    "assessment_date": 15,
    "admission_date": 14,
    "file": 20,
    "row": 7,
    "days_open": 10,
    "due_point_id": 16,
    "finding_id": 16,
}
ASKED = ("answer", "comment")
HELP = (
    "Fill in the columns 'answer' and 'comment' and send the file back; change nothing else.",
    "First come assessments that are overdue, then those that are due in the next 30 days, then open findings.",
    "",
    "An assessment that is due (it has a due_point_id):",
    "corrected: it is in your system now; the next delivery will show it.",
    "refused: the patient did not want to.",
    "not given: it was not asked for.",
    "left: the patient had left the treatment.",
    "unobtainable: it cannot be had any more.",
    "in progress: it will come; it stays on the list.",
    "",
    "A finding (it has a finding_id):",
    "corrected: it is mended in your system; the next delivery will show it.",
    "value right: it is right as it is.",
    "unobtainable: it cannot be found out any more.",
    "in progress: somebody is at it; it stays on the list.",
    "",
    "Write no names, addresses or national numbers into comments: such comments are not kept.",
)


def write_worklist(frame: pl.DataFrame, stem: Path, dialect: CsvDialect) -> None:
    """Write STEM.csv and STEM.xlsx; the same rows give the same bytes."""
    write_csv(frame, stem.with_suffix(".csv"), dialect)
    _write_workbook(frame.head(MOST_ROWS), frame.height, stem.with_suffix(".xlsx"))


def _write_workbook(frame: pl.DataFrame, n_rows: int, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(str(path)) as workbook:
        workbook.set_properties({"title": "Worklist", "created": CREATED})
        bold = workbook.add_format({"bold": True, "bottom": 1, "valign": "top"})
        sheet = workbook.add_worksheet(SHEET)
        sheet.freeze_panes(1, 1)
        for column, name in enumerate(frame.columns):
            sheet.set_column(column, column, WIDTHS[name])
            sheet.write_string(0, column, name, bold)
        _write_rows(workbook, sheet, frame)
        if frame.height:
            sheet.autofilter(0, 0, frame.height, len(frame.columns) - 1)
            _offer_answers(sheet, frame)
        how = workbook.add_worksheet("How to answer")
        how.set_column(0, 0, 100)
        told = list(HELP)
        if n_rows > frame.height:
            told.append(f"The first {frame.height} of {n_rows} rows are listed here; the CSV holds all of them.")
        for number, text in enumerate(told):
            how.write_string(number, 0, text, bold if text.endswith(":") else None)


def _write_rows(workbook: Any, sheet: Any, frame: pl.DataFrame) -> None:
    """Texts as texts, also where they begin like a formula; numbers and dates as such."""
    top = {"valign": "top", "text_wrap": True}
    asked = top | {"bg_color": "#FFF6DD", "num_format": "@"}
    styles = {False: workbook.add_format(top), True: workbook.add_format(asked)}
    quoted = {
        False: workbook.add_format(top | {"quote_prefix": True}),
        True: workbook.add_format(asked | {"quote_prefix": True}),
    }
    day = workbook.add_format({"valign": "top", "num_format": "yyyy-mm-dd"})
    for number, row in enumerate(frame.iter_rows(), start=1):
        for column, (name, value) in enumerate(zip(frame.columns, row, strict=True)):
            is_asked = name in ASKED
            if value is None:
                sheet.write_blank(number, column, None, styles[is_asked])
            elif isinstance(value, int):
                sheet.write_number(number, column, value, styles[is_asked])
            elif isinstance(value, dt.date):
                sheet.write_datetime(number, column, value, day)
            else:
                sheet.write_string(number, column, value, (quoted if is_computed(value) else styles)[is_asked])


def _offer_answers(sheet: Any, frame: pl.DataFrame) -> None:
    """In each row a choice of the answers that fit it: rows of one kind stand together."""
    column = frame.columns.index("answer")
    is_due = frame["due_point_id"].is_not_null()
    first = 0
    for run in is_due.rle().struct.unnest().iter_rows(named=True):
        answers = list((DUE_ANSWERS if run["value"] else FINDING_ANSWERS).values())
        sheet.data_validation(
            first + 1,
            column,
            first + run["len"],
            column,
            {
                "validate": "list",
                "source": answers,
                "error_title": "Answer",
                "error_message": f"Choose one of {', '.join(answers)}.",
            },
        )
        first += run["len"]
