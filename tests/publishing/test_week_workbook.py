"""This week as a workbook: numbers are numbers, nothing is computed, the same week gives the same bytes."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl

from assets.publishing.quality.week import Change, Week, compared, first_sentence, weeks
from assets.publishing.quality.workbook import COLUMNS, week_table, write_week
from assets.publishing.sources import Warehouse
from assets.publishing.units import units
from assets.publishing.worklist_life import WorklistLife
from tests.publishing import small_ledger
from tests.publishing.conftest import Pages
from tests.publishing.small_ledger import TODAY


def _weeks(pages: Pages) -> list[Week]:
    with Warehouse(pages.warehouse) as sealed:
        found = units(sealed, pages.library, TODAY)
    sent = WorklistLife(dt.date(2026, 10, 26), 12, 7)
    named = replace(found[0], name="=cmd|' /C calc'!A1", contact="@SUM(A1)")
    return [
        Week(named, 3, Change(2, 1, 0), Change(0, 0, 1), 47, sent),
        *(Week(unit, 0, None, None, None, None) for unit in found[1:]),
    ]


def test_types_and_neutralised_formulas(pages: Pages, tmp_path: Path) -> None:
    frame = week_table(_weeks(pages))
    write_week(frame, "This week", ["One line."], tmp_path / "week.xlsx")
    sheet = zipfile.ZipFile(tmp_path / "week.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    read = pl.read_excel(tmp_path / "week.xlsx", sheet_name="This week")
    assert read.columns == list(COLUMNS)
    assert read["unit"][0] == "=cmd|' /C calc'!A1"
    assert read["contact"][0] == "@SUM(A1)"
    assert read.schema["overdue"].is_integer()
    assert read["worklist sent"].drop_nulls().to_list() == [dt.date(2026, 10, 26)]
    assert read["lines answered"].drop_nulls().to_list() == [7]
    assert re.search(r'<c r="G2" s="\d+"><v>28</v></c>', sheet)  # overdue of the first unit: a number, not a text


def test_the_same_week_gives_the_same_bytes(pages: Pages, tmp_path: Path) -> None:
    frame = week_table(_weeks(pages))
    for name in ("one", "two"):
        write_week(frame, "This week", ["One line."], tmp_path / f"{name}.xlsx")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()


def test_the_sentence_counts_and_names(pages: Pages) -> None:
    rows = _weeks(pages)
    days = compared(small_ledger.change())
    text = first_sentence(rows, days).replace("\xa0", " ")
    assert "117 assessments are overdue, 2 more than a week before" in text
    assert "13 findings are open, 1 fewer than a week before" in text
    only = [replace(row, unit=replace(row.unit, n_overdue=30 if place == 1 else 0)) for place, row in enumerate(rows)]
    assert f"{rows[1].unit.name} explains all of them" in first_sentence(only, days)
    other = compared(small_ledger.change().with_columns(from_today=pl.lit(dt.date(2026, 10, 1))))
    assert "2 more than on 1 October 2026" in first_sentence(rows, other).replace("\xa0", " ")


def test_without_a_comparison_nothing_is_said_about_change(pages: Pages) -> None:
    with Warehouse(pages.warehouse) as sealed:
        found = units(sealed, pages.library, TODAY)
    from assets.publishing.quality import ledger

    with Warehouse(pages.warehouse) as sealed:
        due, findings = ledger.due(sealed, TODAY), ledger.findings(sealed)
    none = pl.DataFrame(schema=ledger.CHANGE)
    rows = weeks(found, due, none, findings, {})
    assert {row.overdue for row in rows} == {None}
    assert "than" not in first_sentence(rows, compared(none))
