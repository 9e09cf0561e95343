"""From a source to the lake: what was fetched is ingested like what was sent, and coming twice does no harm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from postgres import READER_PASSWORD, Cluster
from redcap_server import DICTIONARY_COLUMNS, TOKEN, RedcapServer, serving
from tiny_network import SITE, TinyNetwork
from typer.testing import CliRunner

from assets.ingestion.fetch import redcap_api
from assets.ingestion.fetch.fetching import fetch_site
from codebook.library import load_library
from orchestration.cli import app

MakeNetwork = Callable[..., TinyNetwork]
FETCH_SQL = """
fetch:
  source: sql
  url_variable: UNIT_DATABASE
  queries:
    - {name: patients, sql: select * from patients order by nr}
    - {name: forms, sql: "select * from forms where :watermark is null or saved_at >= :watermark order by nr, visit",
       watermark: saved_at}
"""
REDCAP_SITE = """
site: {site}
name: Unit {site}
format: {{reader: redcap, dictionary: dictionary.csv}}
fetch: {{source: redcap_api, url: "{url}", token_variable: {variable}, attempts: 2, page_records: 3}}
mappings:
  - from_delivery: "2016-01-01"
    sources:
      - name: records
        file: data.csv
        identity: {{columns: [record_id]}}
        key: [record_id]
        patient: {{birth_year: born}}
        episode: {{admission_date: admitted, treatment_start_date: admitted}}
        assessments:
          - {{instrument: wsas, version: wsas, items: "q{{n}}", date: filled_in, occasion: {{constant: m03}}}}
"""


@pytest.fixture
def unit_database(postgres_server: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("UNIT_DATABASE", postgres_server.address())
    postgres_server.run(
        'create table patients (nr text, name text, sex text, born int, admitted date, "left" date, note text)',
        "create table forms (nr text, form text, visit text, date date, q1 int, q2 int, q3 int, q4 int, q5 int,"
        " saved_at timestamptz)",
        "insert into patients values ('1', 'Kari Nordmann', 'K', 1980, '2016-01-10', null, 'calm, æøå'),"
        " ('2', 'Ola', 'M', 1990, '2016-02-01', '2016-09-01', null)",
        "insert into forms values ('1', 'WSAS', '3', '2016-04-10', 1, 2, 3, 4, 5, '2016-04-11 10:00Z'),"
        " ('2', 'WSAS', '3', '2016-05-01', 8, 9, null, 999, 0, '2016-05-02 10:00Z')",
    )
    yield postgres_server
    postgres_server.run("drop table patients, forms")


def test_rows_that_land_twice_are_in_the_tables_once(make_network: MakeNetwork, unit_database: Cluster) -> None:
    site = SITE.format(mode="increment").replace(".csv", ".parquet").replace("%d.%m.%Y", "%Y-%m-%d")
    site = site.replace('format: {reader: delimited, delimiter: ";", decimal: ","}', "format: {reader: parquet}")
    tiny = make_network(site=site + FETCH_SQL)
    library = load_library(tiny.root)

    def fetch(day: int) -> object:
        return fetch_site(library, library.sites["unit"], dt.date(2016, 11, day))

    assert fetch(1) is not None
    (first,) = tiny.take()
    assert (first.receipt.n_rows_landed, first.receipt.n_rows_quarantined, first.failed) == (4, 0, ())
    assert tiny.table("wsas").height == 2
    assert tiny.rules() == ["wsas-range-02"]
    (tiny.root / "state" / "watermarks" / "unit.jsonl").unlink()  # as if the process had died before writing it
    unit_database.run(
        "insert into forms values ('1', 'WSAS', 'S', '2016-10-01', 0, 0, 0, 0, 0, '2016-10-02 10:00Z')",
    )
    assert fetch(2) is not None
    tiny.take()
    wsas = tiny.table("wsas")
    assert wsas.height == 5
    assert wsas["assessment_id"].n_unique() == 3
    contents = wsas.group_by("assessment_id").agg(pl.col("content_hash").n_unique())
    assert contents["content_hash"].max() == 1, "what came twice is the same answer, and counts once"
    assert fetch(3) is not None, "the row at the mark comes once more, alone"
    assert fetch(4) is None


def redcap_project() -> RedcapServer:
    columns = ["record_id", "born", "admitted", "filled_in", *(f"q{n}" for n in range(1, 6))]
    rows = [
        dict(zip(columns, [str(n), "1980", "2016-01-10", "2016-04-10", *"12345"], strict=True)) | {"all_complete": "2"}
        for n in range(1, 9)
    ]
    blank = dict.fromkeys(DICTIONARY_COLUMNS, "")
    return RedcapServer(rows, [blank | {"field_name": c, "form_name": "all", "field_type": "text"} for c in columns])


@pytest.fixture
def two_units(make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TinyNetwork, RedcapServer]]:
    monkeypatch.setenv("GOOD_TOKEN", TOKEN)
    monkeypatch.setenv("BAD_TOKEN", "E" * 32)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(redcap_api, "BACKOFF_SECONDS", 0.01)
    tiny = make_network()
    with serving(redcap_project()) as server:
        for site, variable in (("aaa", "BAD_TOKEN"), ("bbb", "GOOD_TOKEN")):
            text = REDCAP_SITE.format(site=site, url=server.url, variable=variable)
            (tiny.root / "sites" / f"{site}.yaml").write_text(text)
        yield tiny, server


def everything_written(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_one_unit_that_fails_does_not_stop_the_others(two_units: tuple[TinyNetwork, RedcapServer]) -> None:
    tiny, _ = two_units
    done = CliRunner().invoke(app, ["fetch", "--network", str(tiny.root)])
    assert done.exit_code == 1
    assert "fetch aaa  failed" in done.output
    assert "data.csv 8 rows, dictionary.csv 9 rows" in done.output
    assert "1 new deliveries, 0 units without news, 1 failed" in done.output
    assert "aaa: the REDCap server refuses the token in BAD_TOKEN (status 403)" in done.output
    assert "E" * 32 not in done.output
    again = CliRunner().invoke(app, ["fetch", "bbb", "--network", str(tiny.root)])
    assert (again.exit_code, "nothing new" in again.output) == (0, True)
    assert len(list((tiny.root / "landing" / "bbb").glob("2*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "nobody"], "no unit is called nobody"),
        (["fetch", "unit"], "unit declares no 'fetch' of its own; add one to sites/unit.yaml"),
        (["run", "--fetch", "--as-of", "2016-01-01"], "give one of the two"),
    ],
)
def test_wrong_usage(two_units: tuple[TinyNetwork, RedcapServer], arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, [*arguments, "--network", str(two_units[0].root)])
    assert (done.exit_code, said in done.output) == (2, True)


def test_a_network_to_which_everything_is_sent(tiny: TinyNetwork) -> None:
    done = CliRunner().invoke(app, ["fetch", "--network", str(tiny.root)])
    assert (done.exit_code, "no unit of this network declares 'fetch'" in done.output) == (2, True)


def test_dagster_fetches_at_night_and_keeps_no_secret(
    two_units: tuple[TinyNetwork, RedcapServer], unit_database: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from orchestration.definitions import defs
    from orchestration.instance import open_instance
    from orchestration.schedules import nightly_fetch

    tiny, _ = two_units
    broken = unit_database.address(database="absent")
    monkeypatch.setenv("UNIT_DATABASE", broken)
    site = tiny.root / "sites" / "unit.yaml"
    site.write_text(site.read_text() + FETCH_SQL)
    monkeypatch.setenv("CONCORD_NETWORK", str(tiny.root))
    when = dt.datetime(2026, 11, 23, 5, tzinfo=dt.UTC)
    asked = nightly_fetch(dg.build_schedule_context(scheduled_execution_time=when))
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == "nightly 2026-11-23 fetch"
    early = dg.build_schedule_context(scheduled_execution_time=when.replace(hour=1))
    assert isinstance(nightly_fetch(early), dg.SkipReason)

    library = load_library(tiny.root)
    run = defs.resolve_job_def("fetch_sites").execute_in_process(
        instance=open_instance(library.folder), raise_on_error=False
    )
    assert not run.success, "two of three units failed, and the run says so"
    assert len(list((tiny.root / "landing" / "bbb").glob("2*/data.csv"))) == 1
    written = everything_written(tiny.root)
    assert b"refuses the token in BAD_TOKEN" in written
    assert b"no such database or user" in written
    for secret in (TOKEN, "E" * 32, READER_PASSWORD, str(unit_database.port), "absent"):
        assert secret.encode() not in written


def test_the_night_does_nothing_where_everything_is_sent(tiny: TinyNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    from orchestration.schedules import nightly_fetch

    monkeypatch.setenv("CONCORD_NETWORK", str(tiny.root))
    when = dt.datetime(2026, 11, 23, 5, tzinfo=dt.UTC)
    said = nightly_fetch(dg.build_schedule_context(scheduled_execution_time=when))
    assert isinstance(said, dg.SkipReason)


@pytest.mark.slow
def test_run_fetches_first_and_a_failed_fetch_stops_nobody(two_units: tuple[TinyNetwork, RedcapServer]) -> None:
    tiny, _ = two_units
    done = CliRunner().invoke(app, ["run", "--fetch", "--network", str(tiny.root)])
    assert done.exit_code == 1, "because one unit could not be fetched"
    assert "Warehouse: 8 patients, 8 episodes, 8 assessments" in done.output
    assert "FAILED  aaa: the REDCap server refuses the token in BAD_TOKEN" in done.output
    written = everything_written(tiny.root)
    assert TOKEN.encode() not in written
    assert b"E" * 32 not in written
