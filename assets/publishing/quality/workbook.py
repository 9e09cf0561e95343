"""This week as a workbook: numbers as numbers, dates as dates, texts that no spreadsheet computes, stable bytes.

What belongs here: the columns of the workbook, which are the page's. What does not: the row itself (`week`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.publishing import words
from assets.publishing.quality.week import Week
from assets.spreadsheet import CREATED

COLUMNS: dict[str, tuple[pl.DataType, int]] = {
    "unit": (pl.String(), 30),
    "contact": (pl.String(), 30),
    "state": (pl.String(), 24),
    "last delivery": (pl.Date(), 12),
    "numbers rest on": (pl.Date(), 12),
    "data through": (pl.Date(), 12),
    "overdue": (pl.Int64(), 9),
    "overdue, new": (pl.Int64(), 9),
    "overdue, resolved": (pl.Int64(), 9),
    "overdue, given up": (pl.Int64(), 9),
    "due in 30 days": (pl.Int64(), 9),
    "findings open": (pl.Int64(), 9),
    "findings, new": (pl.Int64(), 9),
    "findings, resolved": (pl.Int64(), 9),
    "oldest finding, days": (pl.Int64(), 9),
    "worklist sent": (pl.Date(), 12),
    "lines sent": (pl.Int64(), 9),
    "lines answered": (pl.Int64(), 9),
    "why held": (pl.String(), 48),
}
"""Heading → type and width. Empty cells: nothing to compare with, nothing sent, nothing delivered."""


def week_table(rows: Sequence[Week]) -> pl.DataFrame:
    """The workbook's rows."""
    return pl.DataFrame([_values(row) for row in rows], schema={n: k for n, (k, _) in COLUMNS.items()}, orient="row")


def _values(row: Week) -> tuple[object, ...]:
    unit, held = row.unit, row.unit.last
    accepted = unit.last_accepted
    return (
        unit.name,
        ", ".join(part for part in (unit.contact, *unit.reach) if part) or None,
        unit.state.word,
        unit.last.delivery_date if unit.last else None,
        accepted.delivery_date if accepted else None,
        accepted.data_through if accepted else None,
        unit.n_overdue,
        row.overdue.n_new if row.overdue else None,
        row.overdue.n_resolved if row.overdue else None,
        row.overdue.n_lapsed if row.overdue else None,
        row.n_soon,
        unit.n_open,
        row.findings.n_new if row.findings else None,
        row.findings.n_resolved if row.findings else None,
        row.oldest_days,
        row.sent.sent_date if row.sent else None,
        row.sent.n_sent if row.sent else None,
        row.sent.n_answered if row.sent else None,
        words.gate_words(held.gate) if unit.is_held and held else None,
    )


def write_week(frame: pl.DataFrame, title: str, told: Sequence[str], path: Path) -> None:
    """Write the workbook; the same rows give the same bytes. `told`: lines of the second sheet."""
    import xlsxwriter

    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as workbook:
        workbook.set_properties({"title": title, "created": CREATED})
        bold = workbook.add_format({"bold": True, "bottom": 1, "valign": "top", "text_wrap": True})
        plain = workbook.add_format({"valign": "top"})
        day = workbook.add_format({"valign": "top", "num_format": "yyyy-mm-dd"})
        sheet = workbook.add_worksheet("This week")
        sheet.freeze_panes(1, 1)
        for column, (name, (_, width)) in enumerate(COLUMNS.items()):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, bold)
        for number, row in enumerate(frame.iter_rows(), start=1):
            for column, value in enumerate(row):
                if isinstance(value, dt.date):
                    sheet.write_datetime(number, column, dt.datetime(value.year, value.month, value.day), day)
                elif isinstance(value, int):
                    sheet.write_number(number, column, value, plain)
                elif value is not None:
                    sheet.write_string(number, column, value, plain)
        if frame.height:
            sheet.autofilter(0, 0, frame.height, len(COLUMNS) - 1)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        about = workbook.add_worksheet("About")
        about.set_column(0, 0, 100)
        for number, text in enumerate(told):
            about.write_string(number, 0, text)
