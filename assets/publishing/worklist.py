"""A unit's worklist: what is overdue, what is due next, every open finding; what to do about each, room for the answer.

What belongs here: the rows. What does not: writing them as XLSX and CSV (`assets.publishing.worklist_files`), reading
them back (`assets.ingestion.answers`), and what an answer makes of a row (SQL: quality.finding,
quality.expected_assessment).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.sources import Warehouse
from codebook.library import Library

DUE_WITHIN_DAYS = 30
"""What is due on a day at most so far ahead is asked for."""
EXPLAINED = ("refused", "not_given", "left", "unobtainable")
"""Answers after which a due point is not asked for again."""
COLUMNS: dict[str, pl.DataType] = {
    "local_ref": pl.String(),
    "instrument": pl.String(),
    "occasion": pl.String(),
    "rater": pl.String(),
    "due_date": pl.Date(),
    "closes_date": pl.Date(),
    "problem": pl.String(),
    "remedy": pl.String(),
    "answer": pl.String(),
    "comment": pl.String(),
    "item": pl.String(),
    "assessment_date": pl.Date(),
    "admission_date": pl.Date(),
    "file": pl.String(),
    "row": pl.Int64(),
    "days_open": pl.Int64(),
    "due_point_id": pl.String(),
    "finding_id": pl.String(),
}
"""Columns of a worklist; of the two ids a row has one. `days_open`: since a finding came, or since a window closed."""
_FIELD = re.compile(r"^[a-z_]+(?=: )")
_DATE_PARTS = {"%d": "DD", "%m": "MM", "%Y": "YYYY", "%y": "YY", "%H": "hh", "%M": "mm", "%S": "ss"}
OVERDUE_REMEDY = "Send it with the next delivery, or answer why there is none."
DUE_REMEDY = "Have it filled in before its window closes, or answer why that cannot be."


def open_findings(warehouse: Warehouse) -> pl.DataFrame:
    """Every open finding of the network with when its assessment was; patients still by id."""
    if not warehouse.has("quality.finding"):
        return pl.DataFrame()
    frame = warehouse.frame("select * from quality.finding where status in ('open', 'reopened')")
    if not warehouse.has("harmonised.assessment") or "assessment_id" not in frame.columns:
        return frame
    placed = warehouse.frame("select assessment_id, occasion, assessment_date, rater from harmonised.assessment")
    return frame.join(placed.unique("assessment_id"), on="assessment_id", how="left")


def due_points(warehouse: Warehouse, today: dt.date) -> pl.DataFrame:
    """Every due point of the network that is overdue, or that can be met and is due soon; patients still by id.

    One that its unit has explained is not asked for again.
    """
    if not warehouse.has("quality.expected_assessment"):
        return pl.DataFrame()
    last = today + dt.timedelta(days=DUE_WITHIN_DAYS)
    return warehouse.frame(
        "select point.*, course.admission_date from quality.expected_assessment as point "
        "left join harmonised.episode as course on point.episode_id = course.episode_id "
        "where (point.status = 'overdue' or (point.status in ('open', 'upcoming') "
        f"and point.due_date <= date '{last}')) and (point.answer is null or point.answer not in {EXPLAINED})"
    )


def worklist(
    due: pl.DataFrame,
    findings: pl.DataFrame,
    site: str,
    refs: Mapping[str, str],
    library: Library,
    today: dt.date,
) -> pl.DataFrame:
    """One unit's rows under COLUMNS, without any patient_id: overdue, then due, then findings, each oldest first.

    Args:
        due, findings: of the whole network (`due_points`, `open_findings`).
        site: whose rows.
        refs: the unit's own numbers of its patients (`assets.publishing.local_refs`).
        library: for what occasions are called.
        today: the day from which days are counted.
    """
    named = words.occasions(library)
    labels = {key: occasion.label for key, occasion in named.items()}
    points = [_due_row(row, refs, labels, today) for row in _own(due, site).iter_rows(named=True)]
    found = [_finding_row(row, refs, labels) for row in _own(findings, site).iter_rows(named=True)]
    first = pl.DataFrame(points, schema=COLUMNS, orient="row").sort(
        pl.col("days_open").is_null(), "due_date", "local_ref", "instrument", "due_point_id", nulls_last=True
    )
    then = pl.DataFrame(found, schema=COLUMNS, orient="row").sort(
        -pl.col("days_open"), "local_ref", "instrument", "assessment_date", "item", "finding_id", nulls_last=True
    )
    return pl.concat([first, then])


def _own(frame: pl.DataFrame, site: str) -> pl.DataFrame:
    return frame.filter(pl.col("site_id") == site) if frame.width else frame


def _due_row(
    row: Mapping[str, Any], refs: Mapping[str, str], labels: Mapping[str, str], today: dt.date
) -> dict[str, Any]:
    is_overdue = row["status"] == "overdue"
    if is_overdue:
        problem = f"Overdue: it could be given until {row['closes_date']}, and none has arrived."
    elif row["status"] == "upcoming":
        problem = f"Due soon: it can be given from {row['opens_date']}."
    else:
        problem = f"Due: it can be given now and until {row['closes_date']}."
    return _row(
        local_ref=refs.get(row["patient_id"] or ""),
        instrument=words.short_name(row["instrument"]),
        occasion=labels.get(row["occasion"], row["occasion"]),
        rater=row["rater"],
        due_date=row["due_date"],
        closes_date=row["closes_date"],
        problem=problem,
        remedy=OVERDUE_REMEDY if is_overdue else DUE_REMEDY,
        admission_date=row.get("admission_date"),
        days_open=(today - row["closes_date"]).days if is_overdue else None,
        due_point_id=row["due_point_id"],
    )


def _finding_row(row: Mapping[str, Any], refs: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    occasion = row.get("occasion")
    return _row(
        local_ref=refs.get(row["patient_id"] or ""),
        instrument=words.short_name(row["instrument"]) if row["instrument"] else None,
        occasion=labels.get(occasion, occasion) if occasion else None,
        rater=row.get("rater"),
        problem=sentence(row["message"]),
        remedy=row.get("remedy"),
        item=item_words(row["item"]),
        assessment_date=row.get("assessment_date"),
        file=row["source_file"],
        row=row["source_row"],
        days_open=row.get("age_days"),
        finding_id=row["finding_id"],
    )


def _row(**values: Any) -> dict[str, Any]:
    return {name: values.get(name) for name in COLUMNS}


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
