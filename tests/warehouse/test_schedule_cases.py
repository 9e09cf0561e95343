"""Every case of schedule_cases.yaml through the real SQL: a unit each, all in one network, built under two clocks.

How a case is read: `course` (admitted, started, discharged, because, arm; by default admitted and started on
2026-01-01) and perhaps `again`, the same patient's next course. `came`: name of an assessment → instrument, occasion,
date, months (- for none), `second` where it came with the second delivery. `first`, `later` (`_again`): occasion, or
occasion/instrument → due date, status, the assessment that belongs to it, (reason); or absent. `extra`: what belongs to
no due point. `coverage`, `trend`, `quarters`: what the tables of rates say of the unit, under the first clock.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import schedule_network as net
import small_network as small
import yaml

from assets.ingestion.answers import DUE_ANSWER_SCHEMA
from assets.ingestion.counts import TREATED_SCHEMA

FILE = Path(__file__).with_name("schedule_cases.yaml")
DECLARED = yaml.safe_load(FILE.read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = DECLARED["cases"]
STEPS = {"first": (dt.date(2026, 7, 1), dt.date(2026, 7, 1)), "later": (dt.date(2026, 10, 1), None)}
"""Today and as-of of each build."""
COUNTED = {"received_on_time", "received_early", "received_late", "overdue", "missed"}
EXPECTED = re.compile(r"^(?P<due>\S+) (?P<status>\S+)(?: (?P<key>\w+))?(?: \((?P<reason>.+)\))?$")
Rows = dict[tuple[str, str, str], dict[str, Any]]
Built = dict[str, tuple[Rows, dict[str, str | None]]]
RATES = {
    "coverage": "SELECT site_id, period_start || ' ' || period_end || ' ' || n_treated, n_registered, coverage_rate "
    "FROM quality.coverage",
    "trend": "SELECT site_id, month, n_due, n_received, n_received_on_time, n_overdue, n_assessments "
    "FROM quality.trend",
    "quarters": "SELECT site_id, instrument || ' ' || occasion || ' ' || due_quarter, n_expected, n_received, "
    "received_rate FROM quality.completeness_quarter",
}
RATED = [(number, name) for number, case in enumerate(CASES) for name in RATES if name in case]


def site_of(number: int) -> str:
    return f"c{number:03d}"


def fill(lake: small.Lake) -> None:
    for number, case in enumerate(CASES):
        site = site_of(number)
        lake.add("patient", site, net.FIRST, patient_id=f"p{number}")
        for suffix, course in (("", case.get("course", {"admitted": dt.date(2026, 1, 1)})), ("x", case.get("again"))):
            if course is not None:
                _course(lake, site, f"e{number}{suffix}", f"p{number}", course)
        for suffix, came in (("", case.get("came", {})), ("x", case.get("came_again", {}))):
            for key, text in came.items():
                _assessment(lake, site, f"a{number}{suffix}-{key}", f"e{number}{suffix}", f"p{number}", text)
        for delivery, sessions in ((net.FIRST, case.get("sessions")), (net.SECOND, case.get("second_sessions"))):
            for nth, date in (sessions or {}).items():
                lake.add(
                    "session",
                    site,
                    delivery,
                    episode_id=f"e{number}",
                    patient_id=f"p{number}",
                    session_number=nth,
                    session_date=date,
                )
        _consent(lake, site, f"p{number}", case.get("consent", {}))


def _course(lake: small.Lake, site: str, episode: str, patient: str, course: dict[str, Any]) -> None:
    lake.add(
        "episode",
        site,
        net.FIRST,
        episode_id=episode,
        patient_id=patient,
        admission_date=course.get("admitted"),
        treatment_start_date=course.get("started", course.get("admitted")),
        discharge_date=course.get("discharged"),
        termination_reason=course.get("because"),
        arm=course.get("arm"),
    )


def _assessment(lake: small.Lake, site: str, key: str, episode: str, patient: str, text: str) -> None:
    instrument, occasion, date, *rest = text.split()
    known = net.INSTRUMENTS[instrument]
    rater = next((part.removeprefix("rater=") for part in rest if part.startswith("rater=")), known.raters[0])
    months = next((part for part in rest if re.match(r"^[\d.]+$", part)), None)
    lake.assess(
        instrument,
        site,
        net.SECOND if "second" in rest else net.FIRST,
        key,
        episode,
        patient_id=patient,
        version=known.versions[0].key,
        rater=rater,
        occasion=None if occasion == "-" else occasion,
        assessment_date=None if date == "-" else small.day(date),
        declared_months=None if months is None else float(months),
        answers=(3,),
    )


def _consent(lake: small.Lake, site: str, patient: str, consent: dict[str, Any]) -> None:
    said = {"withdrawn": ("withdrawn", net.FIRST), "given_again": ("given", net.SECOND)}
    for key, date in consent.items():
        status, delivery = said[key]
        day = date if isinstance(date, dt.date) else None
        lake.add("consent", site, delivery, patient_id=patient, purpose="research", status=status, status_date=day)


def answers(library: Any) -> pl.DataFrame:
    rows = []
    for number, case in enumerate(CASES):
        for place, answer in case.get("said", {}).items():
            occasion, _, _ = place.partition("/")
            due = library.schedules[case.get("schedule", "plain")].occasion(occasion).due[0]
            point = net.due_point_id(f"e{number}", due.instrument, due.rater, occasion)
            rows.append((site_of(number), point, answer, dt.date(2026, 6, 28)))
    return pl.DataFrame(rows, schema=DUE_ANSWER_SCHEMA, orient="row")


def treated() -> pl.DataFrame:
    rows = []
    for number, case in enumerate(CASES):
        for period in case.get("coverage", {}):
            start, end, n = period.split()
            rows.append((site_of(number), small.day(start), small.day(end), int(n)))
    return pl.DataFrame(rows, schema=TREATED_SCHEMA, orient="row")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, dict[str, list[tuple[Any, ...]]]]:
    """By step: due points by episode, occasion and instrument, and the timing of every assessment; and the rates."""
    root = tmp_path_factory.mktemp("cases")
    sites = {site_of(n): case.get("schedule", "plain") for n, case in enumerate(CASES)}
    library = net.library(root, DECLARED["schedules"], sites)
    lake = small.Lake(library.instruments)
    fill(lake)
    lake.write(root / "lake")
    deliveries = []
    for number, case in enumerate(CASES):
        through = None if case.get("through") == "unknown" else net.THROUGH[net.FIRST]
        deliveries.append(net.delivery(site_of(number), net.FIRST, through))
        if case.get("second"):
            deliveries.append(net.delivery(site_of(number), net.SECOND, net.THROUGH[net.SECOND]))
    found: Built = {}
    rates: dict[str, list[tuple[Any, ...]]] = {}
    for step, (today, as_of) in STEPS.items():
        with net.build(library, deliveries, today, as_of, answers(library), treated()) as warehouse:
            points = warehouse.execute("SELECT * FROM quality.expected_assessment").pl()
            timing = warehouse.execute("SELECT assessment_id, timing FROM harmonised.assessment").fetchall()
            rates = rates or {name: warehouse.execute(sql).fetchall() for name, sql in RATES.items()}
        rows = {(r["episode_id"], r["occasion"], r["instrument"]): r for r in points.iter_rows(named=True)}
        assert len(rows) == points.height
        found[step] = rows, dict(timing)
    return found, rates


@pytest.fixture(scope="module")
def built(everything: tuple[Built, dict[str, list[tuple[Any, ...]]]]) -> Built:
    return everything[0]


def test_there_are_cases_enough() -> None:
    names = [case["case"] for case in CASES]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["case"] for case in CASES])
def test_case(number: int, built: Built) -> None:
    case = CASES[number]
    wrong = []
    for step, (rows, timing) in built.items():
        for suffix, name in (("", step), ("x", f"{step}_again")):
            episode = f"e{number}{suffix}"
            for place, text in case.get(name, {}).items():
                got = found(rows, episode, place, f"a{number}{suffix}-")
                if got != text:
                    wrong.append(f"{step}, {place}: {got}, by hand {text}")
        belonging = {row["assessment_id"] for row in rows.values()}
        for key in case.get("extra", ()):
            assessment = f"a{number}-{key}"
            assert assessment in timing
            if assessment in belonging or timing[assessment] not in {"unscheduled", None}:
                wrong.append(f"{step}: {key} belongs to a due point ({timing[assessment]})")
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize(("number", "name"), RATED, ids=[f"{CASES[n]['case']}: {name}" for n, name in RATED])
def test_rates(number: int, name: str, everything: tuple[Built, dict[str, list[tuple[Any, ...]]]]) -> None:
    rows = [row for row in everything[1][name] if row[0] == site_of(number)]
    got = {str(key): " ".join(str(value) for value in values) for _, key, *values in rows}
    assert got == {str(key): text for key, text in CASES[number][name].items()}


def found(rows: Rows, episode: str, place: str, prefix: str) -> str:
    """A due point as the cases write one."""
    occasion, _, instrument = place.partition("/")
    fitting = [
        row
        for (of_episode, at, of_instrument), row in rows.items()
        if of_episode == episode and at == occasion and instrument in {"", of_instrument}
    ]
    if not fitting:
        return "absent"
    (row,) = fitting
    assert row["is_counted"] == (row["status"] in COUNTED)
    assert row["due_quarter"] == _quarter(row["due_date"])
    parts = [str(row["due_date"] or "-"), row["status"]]
    parts += [row["assessment_id"].removeprefix(prefix)] if row["assessment_id"] else []
    parts += [f"({row['reason']})"] if row["reason"] else []
    return " ".join(parts)


def _quarter(date: dt.date | None) -> str | None:
    return None if date is None else f"{date.year}-Q{(date.month + 2) // 3}"


def test_every_expectation_can_be_read() -> None:
    for case in CASES:
        texts = [text for step in STEPS for name in (step, f"{step}_again") for text in case.get(name, {}).values()]
        assert texts, case["case"]
        assert [t for t in texts if t != "absent" and not EXPECTED.match(t)] == []
