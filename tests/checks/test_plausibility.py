"""Flags about one delivery: each on tables that show it, and on tables that do not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from assets.ingestion.context import KNOWN_EPISODE_COLUMNS
from checks.lake_schema import lake_schema
from checks.plausibility import judge_tables
from codebook.instrument import item_column
from codebook.library import load_instruments
from codebook.network import Plausible
from codebook.schedule import Schedule

INSTRUMENTS = {key: load_instruments()[key] for key in ("wai_s", "wai_sr", "phq_9", "bdi_ii", "ces_d")}
SCHEMA = lake_schema(INSTRUMENTS)
NOTHING_KNOWN = pl.DataFrame(schema=KNOWN_EPISODE_COLUMNS)
PLAN = Schedule.model_validate(
    {
        "name": "plan",
        "title": "Plan",
        "valid_from": "2010-01-01",
        "occasions": [
            {
                "key": "m12",
                "label": "Month 12",
                "anchor": "treatment_start",
                "months": 12,
                "before_days": 30,
                "after_days": 30,
                "due": [{"instrument": "phq_9"}],
            },
            {
                "key": "end",
                "label": "Discharge",
                "anchor": "discharge",
                "before_days": 30,
                "after_days": 20,
                "due": [{"instrument": "phq_9"}],
            },
        ],
    }
)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def tables(**rows: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    course = {
        "episode_id": "e1",
        "patient_id": "p1",
        "admission_date": day("2013-01-01"),
        "treatment_start_date": day("2013-01-10"),
        "discharge_date": day("2014-03-01"),
        "source_file": "patients.csv",
        "source_row": 2,
    }
    patient = {"patient_id": "p1", "birth_year": 1980, "source_file": "patients.csv", "source_row": 2}
    base: dict[str, list[dict[str, Any]]] = {"episode": [course], "patient": [patient]}
    return {
        table: pl.DataFrame([{c: row.get(c) for c in columns} for row in (base | rows).get(table, [])], schema=columns)
        for table, columns in SCHEMA.items()
    }


def form(version: str, date: str, answers: tuple[int | None, ...]) -> dict[str, Any]:
    ids = {"assessment_id": "a1", "episode_id": "e1", "patient_id": "p1", "source_file": "f.csv", "source_row": 7}
    items = {item_column(n): answer for n, answer in enumerate(answers, start=1)}
    return ids | {"version": version, "assessment_date": day(date)} | items


def judged(given: dict[str, pl.DataFrame], limits: Plausible | None = None, known: pl.DataFrame = NOTHING_KNOWN) -> Any:
    found = judge_tables(given, known, INSTRUMENTS, (PLAN,), limits or Plausible())
    assert set(found["severity"]) <= {"flag"}
    return found.select("rule", "item", "entity", "source_row").rows()


MIXED = tuple(1 + n % 4 for n in range(12))


@pytest.mark.parametrize(
    ("version", "date", "expected"),
    [("wai_s_7", "2013-06-01", True), ("wai_s_7", "2012-05-31", False), ("wai_s_7", "2012-06-01", True)],
)
def test_a_version_contradicts_the_date(version: str, date: str, expected: bool) -> None:
    given = tables(wai_s=[form(version, date, MIXED)])
    assert judged(given) == ([("version-date", "assessment_date", "a1", 7)] if expected else [])


def test_dates_in_an_impossible_order() -> None:
    course = tables()["episode"].row(0, named=True)
    early = course | {"treatment_start_date": day("2012-12-31")}
    assert judged(tables(episode=[early])) == [("dates-order", "treatment_start_date", "e1", 2)]
    ended = course | {"discharge_date": day("2013-01-09")}
    assert judged(tables(episode=[ended])) == [("dates-order", "discharge_date", "e1", 2)]
    unborn = tables()["patient"].row(0, named=True) | {"birth_year": 2014}
    assert judged(tables(patient=[unborn])) == [("dates-order", "birth_year", "e1", 2)]
    blank = course | dict.fromkeys(("admission_date", "treatment_start_date"))
    assert judged(tables(episode=[blank])) == []


@pytest.mark.parametrize(("date", "expected"), [("2014-03-21", 0), ("2014-03-22", 1), ("2014-02-01", 0)])
def test_an_assessment_after_the_last_window(date: str, expected: int) -> None:
    given = tables(phq_9=[form("phq_9", date, (0, 1, 2, 3, 0, 1, 2, 3, 0))])
    assert [row[0] for row in judged(given)] == ["assessment-after-discharge"] * expected


def test_a_network_declares_how_long_after_discharge_and_earlier_deliveries_know_the_course() -> None:
    given = tables(phq_9=[form("phq_9", "2014-03-22", (0, 1, 2, 3, 0, 1, 2, 3, 0))])
    assert judged(given, Plausible(max_days_after_discharge=21)) == []
    assert len(judged(given, Plausible(max_days_after_discharge=20))) == 1
    known = given["episode"].select(list(KNOWN_EPISODE_COLUMNS))
    assert len(judged(given | {"episode": given["episode"].clear()}, known=known)) == 1


@pytest.mark.parametrize(
    ("instrument", "version", "answers", "expected"),
    [
        ("wai_s", "wai_s_7", (4,) * 12, True),
        ("wai_s", "wai_s_7", (4,) * 11 + (5,), False),
        ("wai_s", "wai_s_7", (4,) * 11 + (None,), False),
        ("wai_sr", "wai_sr_7", (7,) * 12, False),
        ("phq_9", "phq_9", (3,) * 9, False),
        ("bdi_ii", "bdi_ii", (0,) * 21, False),
        ("bdi_ii", "bdi_ii", (2,) * 21, True),
        ("ces_d", "ces_d", (0,) * 20, True),
    ],
)
def test_the_same_answer_throughout(
    instrument: str, version: str, answers: tuple[int | None, ...], expected: bool
) -> None:
    date = "2012-01-01" if instrument == "wai_s" else "2013-06-01"
    given = tables(**{instrument: [form(version, date, answers)]})
    found = judged(given)
    assert [row[0] for row in found] == (["straight-lining"] if expected else [])
