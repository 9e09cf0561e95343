"""Two days of one unit held beside each other: three deliveries, worked out by hand, through the real flow.

Month 3 is due 91 days after admission and its window closes 40 days later; a point is overdue for 90 days after that.
On 1 June P1, P2 and P4 are overdue; on 1 July P1 has come, P4 is too late to be asked for, P3 closed on 21 June.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import Result
from flows import concord
from typer.testing import CliRunner

from codebook.library import load_library
from orchestration.cli import app
from orchestration.comparing import Compared, change_lines, compare_days

NETWORK = (
    "name: three\ntitle: Three deliveries (made up)\nis_synthetic: true\ntoday: 2013-08-05\ndefault_schedule: plan\n"
)
SCHEDULE = """
name: plan
title: One visit
valid_from: 2010-01-01
occasions:
  - {key: m03, label: Month 3, anchor: treatment_start, months: 3, before_days: 40, after_days: 40,
     due: [{instrument: wsas}]}
"""
SITE = """
site: unit
name: The unit
format: {reader: delimited, delimiter: ";"}
delivery: {mode: snapshot, data_through_lag_days: 0}
mappings:
  - from_delivery: "2013-01-01"
    date_format: "%Y-%m-%d"
    sources:
      - name: patients
        file: patients.csv
        identity: {columns: [nr], scope: site}
        local_ref: nr
        key: [nr]
        episode: {admission_date: admitted, treatment_start_date: admitted}
      - name: forms
        file: forms.csv
        identity: {columns: [nr], scope: site}
        key: [nr, visit]
        assessments:
          - {instrument: wsas, version: wsas, items: "q{n}", date: day, occasion: {column: visit, codes: {"3": m03}}}
"""
ADMITTED = {
    "P1": "2013-01-01",
    "P2": "2013-01-05",
    "P3": "2013-02-10",
    "P4": "2012-11-15",
    "P5": "2013-01-02",
    "P6": "2013-01-03",
    "P7": "2013-01-04",
}
RIGHT = "1;2;3;4;5"
DELIVERIES = {
    "2013-06-01": {"P5": "9;2;3;4;5", "P6": "1;9;3;4;5", "P7": RIGHT},
    "2013-07-01": {"P1": RIGHT, "P5": RIGHT, "P6": "1;9;3;4;5", "P7": "1;2;9;4;5"},
    "2013-08-01": {"P1": RIGHT, "P3": RIGHT, "P5": RIGHT, "P6": "1;9;3;4;5", "P7": "1;2;9;4;5"},
}
Row = tuple[str, str | None, str, int, int, int, int]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def counted(frame: pl.DataFrame) -> list[Row]:
    """kind, instrument, label, new, persisting, resolved, lapsed."""
    names = ["kind", "instrument", "label", "n_new", "n_persisting", "n_resolved", "n_lapsed"]
    return frame.select(names).rows()


def said(*arguments: object) -> Result:
    """`concord compare` in this process."""
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ingested and run once, as of the last delivery and seen four days later."""
    root = tmp_path_factory.mktemp("compare") / "three"
    for folder in ("sites", "schedules"):
        (root / folder).mkdir(parents=True)
    (root / "network.yaml").write_text(NETWORK, encoding="utf-8")
    (root / "schedules" / "plan.yaml").write_text(SCHEDULE, encoding="utf-8")
    (root / "sites" / "unit.yaml").write_text(SITE, encoding="utf-8")
    for name, forms in DELIVERIES.items():
        landed = root / "landing" / "unit" / name
        landed.mkdir(parents=True)
        people = ["nr;admitted", *(f"{nr};{admitted}" for nr, admitted in ADMITTED.items())]
        lines = ["nr;visit;day;q1;q2;q3;q4;q5"]
        lines += [f"{nr};3;{day(ADMITTED[nr]) + dt.timedelta(days=91)};{items}" for nr, items in forms.items()]
        (landed / "patients.csv").write_text("\n".join(people) + "\n", encoding="utf-8")
        (landed / "forms.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert concord("key", "--network", root).returncode == 0
    done = concord("run", "--network", root, "--as-of", "2013-08-01", "--today", "2013-08-05")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Since 2013-07-29: overdue 0 new, 1 persisting, 1 resolved; findings 0 new, 2 persisting, 0 resolved." in (
        done.stdout
    )
    return root


@pytest.fixture(scope="module")
def june(network: Path) -> Compared:
    """1 June beside 1 July."""
    return compare_days(load_library(network), day("2013-06-01"), day("2013-07-01"), 10)


def test_each_fate_is_told_by_id(june: Compared) -> None:
    assert counted(june.changes) == [
        ("finding", "wsas", "wsas-range-01", 0, 0, 1, 0),
        ("finding", "wsas", "wsas-range-02", 0, 1, 0, 0),
        ("finding", "wsas", "wsas-range-03", 1, 0, 0, 0),
        ("overdue", "wsas", "m03", 1, 1, 1, 1),
    ]
    assert june.first == ()
    assert june.items["id"].is_unique().all()
    overdue = june.items.filter(pl.col("kind") == "overdue")
    assert sorted(overdue["fate"]) == ["lapsed", "new", "persisting", "resolved"]
    assert change_lines(june.changes.to_dicts(), june.earlier, june.first) == [
        "Since 2013-06-01: overdue 1 new, 1 persisting, 1 resolved, 1 given up as missed; "
        "findings 1 new, 1 persisting, 1 resolved."
    ]


def test_a_run_that_looks_back_keeps_its_own_comparison(network: Path) -> None:
    with duckdb.connect(str(network / "asof" / "2013-08-01" / "warehouse.duckdb"), read_only=True) as connection:
        frame = connection.execute("select * from quality.change").pl()
    assert counted(frame) == [
        ("finding", "wsas", "wsas-range-02", 0, 1, 0, 0),
        ("finding", "wsas", "wsas-range-03", 0, 1, 0, 0),
        ("overdue", "wsas", "m03", 0, 1, 1, 0),
    ]
    days = frame.select("from_as_of", "from_today", "to_as_of", "to_today").unique().rows()
    assert days == [(day("2013-07-29"), day("2013-07-29"), day("2013-08-01"), day("2013-08-05"))]
    assert frame["is_first"].unique().to_list() == [False]


def test_where_nothing_had_been_delivered_all_is_new_and_it_is_said(network: Path) -> None:
    done = said("--network", network, "--from", "2013-05-25", "--to", "2013-06-01", "--by", "label")
    assert done.exit_code == 0, done.stderr
    assert "overdue 3 new, 0 persisting, 0 resolved; findings 2 new, 0 persisting, 0 resolved." in done.stdout
    assert "Nothing of unit had been delivered by 2013-05-25: all of theirs counts as new." in done.stdout
    assert done.stdout.index("wsas-range-01") < done.stdout.index("wsas-range-02") < done.stdout.index("m03")


def test_nothing_of_a_comparison_stays_and_nothing_sealed_is_touched(network: Path, june: Compared) -> None:
    assert june.changes.height
    assert not (network / "warehouse.duckdb").exists(), "only the look back was sealed"
    assert not (network / ".build" / "compare").exists()
    assert not (network / "asof" / "2013-08-01" / ".build" / "earlier").exists()


def test_ids_are_listed_for_those_who_want_to_follow_one(network: Path, june: Compared) -> None:
    arguments = ("--network", network, "--from", "2013-05-25", "--to", "2013-06-01", "--ids", "--format", "csv")
    listed = {row["id"]: row["fate"] for row in csv.DictReader(io.StringIO(said(*arguments).stdout))}
    assert set(listed.values()) == {"new"}
    assert listed.keys() == set(june.items.filter(pl.col("fate") != "new")["id"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--from", "2013-07-01", "--to", "2013-07-01"), "is not before"),
        (("--from", "yesterday"), "not a day"),
        (("--by", "ward"), "choose of"),
        (("--site", "nowhere"), "no unit is called nowhere"),
    ],
)
def test_what_cannot_be_compared_is_refused(network: Path, arguments: tuple[str, ...], why: str) -> None:
    done = said("--network", network, *arguments)
    assert done.exit_code == 2
    assert why in done.stderr
