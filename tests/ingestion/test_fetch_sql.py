"""Fetching from PostgreSQL: types, watermarks and refusals on a real server; nothing written there or lost here."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from postgres import READER_PASSWORD, Cluster

from assets.ingestion.fetch import sql
from assets.ingestion.fetch.fetching import FetchedDelivery, fetch_site
from assets.ingestion.fetch.protocol import FetchError
from assets.ingestion.fetch.watermarks import read_watermarks
from assets.ingestion.landing import deliveries_of
from codebook.library import load_library

ROOT = Path(__file__).resolve().parents[2]
TODAY = dt.date(2026, 11, 2)
SITE = """
site: unit
name: The unit
format: {{reader: parquet}}
delivery: {{mode: increment}}
fetch:
  source: sql
  url_variable: UNIT_DATABASE
  timeout_seconds: {timeout}
  queries:
{queries}
mappings:
  - from_delivery: "2016-01-01"
    sources:
      - name: visits
        file: visits.parquet
        identity: {{columns: [id]}}
        key: [id]
        attributes: [{{attribute: note, column: note}}]
"""
VISITS = "select * from visits where :watermark is null or changed_at >= :watermark order by id"
Fetch = Callable[..., FetchedDelivery | None]


@pytest.fixture
def fetch(tmp_path: Path, postgres_server: Cluster, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    def once(*queries: str, address: str = "", timeout: float = 20, watermark: str = "changed_at") -> object:
        monkeypatch.setenv("UNIT_DATABASE", address or postgres_server.address())
        write_site(tmp_path, queries or (VISITS,), timeout, watermark)
        library = load_library(tmp_path)
        return fetch_site(library, library.sites["unit"], TODAY)

    return once


@pytest.fixture
def visits(postgres_server: Cluster) -> Iterator[Cluster]:
    postgres_server.run(
        "drop table if exists visits",
        "create table visits (id integer primary key, note text, changed_at timestamptz not null)",
        "insert into visits select n, 'note ' || n, timestamptz '2026-01-01 00:00+00' + n * interval '1 hour' "
        "from generate_series(1, 12) n",
    )
    yield postgres_server
    postgres_server.run("drop table visits")


def write_site(root: Path, queries: tuple[str, ...], timeout: float = 20, watermark: str = "changed_at") -> None:
    (root / "sites").mkdir(exist_ok=True)
    (root / "network.yaml").write_text("name: tiny\ntitle: A tiny network\n")
    listed = ""
    for query, name in zip(queries, ("visits", "patients", "more"), strict=False):
        mark = f", watermark: {watermark}" if ":watermark" in query else ""
        listed += f"    - {{name: {name}, sql: {query!r}{mark}}}\n".replace("\\'", "''")
    (root / "sites" / "unit.yaml").write_text(SITE.format(timeout=timeout, queries=listed))


def landed(root: Path) -> list[str]:
    return [delivery.name for delivery in deliveries_of(root / "landing", "unit")]


def all_rows(root: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in sorted((root / "landing" / "unit").glob("*/visits.parquet")))


def test_every_type_is_kept(fetch: Fetch, postgres_server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "BATCH_ROWS", 2)
    postgres_server.run(
        "drop table if exists typed",
        "create table typed (n int, big bigint, fixed numeric(5, 2), free numeric, ok boolean, day date,"
        " at timestamptz, local timestamp, words text, x float8, clock time, uid uuid,"
        " doc jsonb, list text[], raw bytea)",
        r"""insert into typed values
        (1, 9223372036854775807, 1.5, null, true, '2024-02-29', '2024-03-31 02:30:00.123456+01', '2024-03-31 02:30',
         'a, "b"' || chr(10) || 'æøå', 0.1, '13:45', '6f1c0c3e-0000-4000-8000-000000000001', '{"å": [1]}', '{x,y}',
         '\x00ff'),
        (3, -1, -999.99, 1.5, false, '0001-01-01', '1969-12-31 23:59-05', '9999-12-31', '', 'infinity', '00:00',
         null, 'null', '{}', '')""",
        "insert into typed (n, free) values (2, null), (4, 123456789012345678.123456789)",
    )
    delivery = fetch("select * from typed order by n")
    assert delivery is not None
    table = pq.read_table(delivery.folder / "visits.parquet")
    kinds = dict(zip(table.column_names, map(str, table.schema.types), strict=True))
    assert kinds == {
        **{"n": "int64", "big": "int64", "fixed": "decimal128(5, 2)", "free": "decimal128(38, 9)", "ok": "bool"},
        **{"day": "date32[day]", "at": "timestamp[us, tz=UTC]", "local": "timestamp[us]", "words": "string"},
        **{"x": "double", "clock": "time64[us]", "uid": "string", "doc": "string", "list": "string", "raw": "string"},
    }
    rows = table.to_pylist()
    assert set(rows[1].values()) == {2, None}
    assert rows[0] == {
        **{"n": 1, "big": 2**63 - 1, "fixed": Decimal("1.50"), "free": None, "ok": True, "day": dt.date(2024, 2, 29)},
        "at": dt.datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=dt.UTC),
        **{"local": dt.datetime(2024, 3, 31, 2, 30), "words": 'a, "b"\næøå', "x": 0.1, "clock": dt.time(13, 45)},
        **{"uid": "6f1c0c3e-0000-4000-8000-000000000001", "doc": '{"å": [1]}', "list": '["x", "y"]', "raw": "00ff"},
    }
    assert [row["free"] for row in rows[2:]] == [Decimal("1.5"), Decimal("123456789012345678.123456789")]
    assert (rows[2]["x"], rows[2]["words"], rows[2]["day"]) == (float("inf"), "", dt.date(1, 1, 1))
    assert not list(delivery.folder.glob(".*")), "what a wider type left behind"


def test_a_result_without_rows_keeps_its_types(fetch: Fetch, visits: Cluster) -> None:
    delivery = fetch("select * from visits where false", "select 1 as one")
    assert delivery is not None
    assert dict(delivery.n_rows) == {"visits.parquet": 0, "patients.parquet": 1}
    schema = pq.read_schema(delivery.folder / "visits.parquet")
    assert [str(kind) for kind in schema.types] == ["int64", "string", "timestamp[us, tz=UTC]"]


def test_a_numeric_that_no_decimal_holds_becomes_text(fetch: Fetch) -> None:
    delivery = fetch("select 2.5 as n union all select 'NaN'")
    assert delivery is not None
    assert set(pl.read_parquet(delivery.folder / "visits.parquet")["n"]) == {"2.5", "NaN"}


@pytest.mark.parametrize(
    "query",
    [
        "select wipe()",
        "select nextval('counter')",
        "select * from visits for update",
        "select set_config('transaction_read_only', 'off', true), wipe()",
    ],
)
@pytest.mark.parametrize("is_owner", [True, False])
def test_what_only_looks_like_reading_changes_nothing(
    tmp_path: Path, fetch: Fetch, visits: Cluster, query: str, is_owner: bool
) -> None:
    visits.run(
        "drop sequence if exists counter",
        "create sequence counter",
        "grant all on visits, counter to reader",
        "create or replace function wipe() returns void language sql security definer as 'delete from visits'",
    )
    with pytest.raises(FetchError, match=r"^unit: query 'visits' (tries to write|failed \(SQLSTATE 25001\))"):
        fetch(query, address=visits.owner if is_owner else "")
    assert visits.run("select count(*), (select is_called from counter) from visits") == [(12, False)]
    assert landed(tmp_path) == []


def test_text_with_colons_and_percents_arrives_as_it_stands(fetch: Fetch) -> None:
    delivery = fetch("select '5 % :x \\: y' as a, to_char(timestamp '2024-01-02 03:04', 'HH24:MI') as b")
    assert delivery is not None
    assert pl.read_parquet(delivery.folder / "visits.parquet").row(0) == ("5 % :x \\: y", "03:04")


def test_a_watermark_brings_what_is_new(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    first = fetch()
    assert first is not None
    assert first.n_rows["visits.parquet"] == 12
    visits.run("insert into visits values (13, 'new', '2026-01-02 00:00+00'), (14, 'tie', '2026-01-01 12:00+00')")
    second = fetch()
    assert second is not None
    assert second.n_rows["visits.parquet"] == 3, "row 12 again, since it has the mark's own time; 13; and the late 14"
    assert set(all_rows(tmp_path)["id"]) == set(range(1, 15))
    assert landed(tmp_path) == ["2026-11-02", "2026-11-02-b"]
    lines = (tmp_path / "state" / "watermarks" / "unit.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert read_watermarks(tmp_path / "state", "unit", {"2026-11-02-b"}) == {
        "visits": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    }


@pytest.mark.parametrize(("column", "kind"), [("id", "integer"), ("id::numeric", "numeric"), ("day", "date")])
def test_nothing_beyond_the_mark_is_no_delivery(
    tmp_path: Path, fetch: Fetch, postgres_server: Cluster, column: str, kind: str
) -> None:
    source = "(select n as id, date '2026-01-01' + n as day from generate_series(1, (select n from size)) n) t"
    postgres_server.run("drop table if exists size", "create table size as select 5 as n")
    query = f"select {column} as mark from {source} where :watermark is null or {column} > :watermark"
    first = fetch(query, watermark="mark")
    assert first is not None, kind
    assert first.n_rows["visits.parquet"] == 5
    assert fetch(query, watermark="mark") is None
    postgres_server.run("update size set n = 7")
    second = fetch(query, watermark="mark")
    assert second is not None
    assert second.n_rows["visits.parquet"] == 2
    assert landed(tmp_path) == ["2026-11-02", "2026-11-02-b"]


def test_with_a_full_table_beside_the_increment(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    both = (
        "select * from visits where :watermark is null or changed_at > :watermark",
        "select max(id) as n from visits",
    )
    assert fetch(*both) is not None
    assert fetch(*both) is None
    visits.run("delete from visits where id = 12")
    changed = fetch(*both)
    assert changed is not None
    assert dict(changed.n_rows) == {"visits.parquet": 0, "patients.parquet": 1}
    assert read_watermarks(tmp_path / "state", "unit", set(landed(tmp_path)))["visits"] == dt.datetime(
        2026, 1, 1, 12, tzinfo=dt.UTC
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 'b' as changed_at where :watermark is null", "must be a number, a date or a time"),
        ("select null::int as changed_at where :watermark is null", "fill it with coalesce"),
        ("select 1 as x where :watermark is null", "does not return its watermark column"),
        ("select 1 as x, 2 as x", "same name"),
        ("select note from visits where id = 'x'", r"failed \(SQLSTATE 22P02\)"),
        ("select nobody from visits", "names a column"),
        ("select date '0044-03-15 BC'", "cast that column to text"),
        ("select pg_terminate_backend(pg_backend_pid())", "broken off"),
    ],
)
def test_a_query_that_fails_lands_nothing(tmp_path: Path, fetch: Fetch, visits: Cluster, query: str, said: str) -> None:
    with pytest.raises(FetchError, match=rf"^unit: .*'visits'.*{said}") as error:
        fetch(query)
    assert landed(tmp_path) == []
    assert not (tmp_path / "state").exists()
    assert READER_PASSWORD not in str(error.value) + repr(error.value.__context__)
    assert "note 1" not in str(error.value)


def test_the_second_query_fails_and_the_first_is_not_landed(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    with pytest.raises(FetchError, match="'patients'"):
        fetch(VISITS, "select 1 / 0")
    assert landed(tmp_path) == []
    assert not (tmp_path / "state").exists()


def test_a_slow_query_ends_at_the_timeout(tmp_path: Path, fetch: Fetch) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="longer than timeout_seconds"):
        fetch("select pg_sleep(30)", timeout=0.3)
    assert time.monotonic() - started < 10
    assert landed(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda server: server.address(password="wr0ng-secret"), "refuses the user or password in UNIT_DATABASE"),
        (lambda server: server.address(database="absent"), "no such database"),
        (lambda server: "postgresql://reader:wr0ng-secret@127.0.0.1:9/x", "cannot be reached"),
        (lambda server: "postgresql:wr0ng-secret", "cannot be used|cannot be reached|refuses"),
        (lambda server: "mysql://reader:wr0ng-secret@127.0.0.1/x", "PostgreSQL and SQLite are"),
        (lambda server: " ", "UNIT_DATABASE is not set"),
    ],
)
def test_an_address_that_leads_nowhere(
    tmp_path: Path, fetch: Fetch, postgres_server: Cluster, change: Callable[[Cluster], str], said: str
) -> None:
    with pytest.raises(FetchError, match=said) as error:
        fetch("select 1 as id", address=change(postgres_server))
    assert "wr0ng" not in str(error.value) + repr(error.value.__context__) + repr(error.value.__cause__)
    assert landed(tmp_path) == []


KILLED = """
import datetime as dt, os, signal, sys
from pathlib import Path
from assets.ingestion.fetch import fetching, watermarks
from codebook.library import load_library
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before the mark":
    watermarks.append_watermarks = die
if sys.argv[2] == "before the rename":
    fetching._to_disk = die
library = load_library(Path(sys.argv[1]))
print("begun", flush=True)
fetching.fetch_site(library, library.sites["unit"], dt.date(2026, 11, 2))
"""


def killed_fetch(root: Path, when: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), when], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_killed_before_the_rename_nothing_landed_and_nothing_is_missed(
    tmp_path: Path, fetch: Fetch, visits: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIT_DATABASE", visits.address())
    write_site(tmp_path, (VISITS,))
    killed_fetch(tmp_path, "before the rename")
    assert landed(tmp_path) == []
    assert list((tmp_path / "landing" / "unit").glob(".fetch-*/visits.parquet"))
    assert fetch() is not None
    assert not list((tmp_path / "landing" / "unit").glob(".fetch-*"))
    assert all_rows(tmp_path).height == 12


def test_killed_before_the_mark_rows_come_again_and_none_is_missed(
    tmp_path: Path, fetch: Fetch, visits: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIT_DATABASE", visits.address())
    write_site(tmp_path, (VISITS,))
    killed_fetch(tmp_path, "before the mark")
    assert landed(tmp_path) == ["2026-11-02"]
    assert not (tmp_path / "state").exists()
    assert fetch() is None, "the same content is not landed again"
    assert len(read_watermarks(tmp_path / "state", "unit", {"2026-11-02"})) == 1, "but the mark is made up for"
    (tmp_path / "state" / "watermarks" / "unit.jsonl").unlink()
    visits.run("insert into visits values (13, 'new', '2026-01-02 00:00+00')")
    again = fetch()
    assert again is not None
    assert again.n_rows["visits.parquet"] == 13
    assert set(all_rows(tmp_path)["id"]) == set(range(1, 14))


def test_a_mark_that_cannot_be_written_is_told(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(FetchError, match=r"delivery 2026-11-02 has landed, but state/watermarks cannot be written"):
        fetch()
    assert landed(tmp_path) == ["2026-11-02"]
    (tmp_path / "state").unlink()
    assert fetch() is None
    assert len(read_watermarks(tmp_path / "state", "unit", {"2026-11-02"})) == 1


def test_a_mark_counts_only_while_its_delivery_is_there(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    assert fetch() is not None
    visits.run("insert into visits values (13, 'new', '2026-01-02 00:00+00')")
    lost = fetch()
    assert lost is not None
    lost.folder.rename(tmp_path / "lost")
    again = fetch()
    assert again is not None
    assert set(pl.read_parquet(again.folder / "visits.parquet")["id"]) == {12, 13}


def test_a_line_cut_off_by_a_crash_is_passed_over(tmp_path: Path, fetch: Fetch, visits: Cluster) -> None:
    assert fetch() is not None
    path = tmp_path / "state" / "watermarks" / "unit.jsonl"
    with path.open("a") as file:
        file.write('{"query": "visits", "kind": "ti')
    visits.run("insert into visits values (13, 'new', '2026-01-02 00:00+00')")
    assert fetch() is not None
    assert len(path.read_text().splitlines()) == 3
    assert read_watermarks(tmp_path / "state", "unit", set(landed(tmp_path)))["visits"].day == 2


def test_sqlite_is_read_only_too(tmp_path: Path, fetch: Fetch) -> None:
    import sqlite3

    path = tmp_path / "unit.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (id integer, note text)")
        connection.execute("insert into t values (1, 'a'), (2, null)")
    query = "select * from t where :watermark is null or id > :watermark"
    delivery = fetch(query, address=f"sqlite:///{path}", watermark="id")
    assert delivery is not None
    assert pl.read_parquet(delivery.folder / "visits.parquet").rows() == [(1, "a"), (2, None)]
    assert fetch(query, address=f"sqlite:///{path}", watermark="id") is None
