"""Every number on the quality pages equals a query on the ledger, asked here in other words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.publishing.formatting import count, share
from assets.publishing.publish import publish
from tests.publishing.conftest import RUN, Pages
from tests.publishing.reading import counts, plain, table, table_with
from tests.publishing.small_ledger import TODAY
from tests.publishing.small_library import SITES, make_library


@pytest.fixture(scope="module")
def ledger(pages: Pages) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(pages.warehouse), read_only=True) as connection:
        yield connection


def one(ledger: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> Any:
    row = ledger.execute(sql, values).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


POINTS = "from quality.expected_assessment where site_id = ?"


def received(ledger: duckdb.DuckDBPyConnection, where: str, *values: Any) -> str:
    return plain(
        share(
            *one(
                ledger,
                "select count(*) filter (status in ('received_on_time', 'received_early', 'received_late')), count(*) "
                f"from quality.expected_assessment where is_counted and {where}",
                *values,
            )
        )
    )


def test_the_overviews_table(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    page = table(pages.published / "network" / "index.html", id="units-table")
    for site in SITES:
        cells = dict(zip(page.head, page.cells(data_unit=site), strict=True))
        assert cells["Overdue"] == str(one(ledger, f"select count(*) {POINTS} and status = 'overdue'", site))
        assert cells["Missed"] == str(one(ledger, f"select count(*) {POINTS} and status = 'missed'", site))
        assert cells["Awaiting delivery"] == str(
            one(ledger, f"select count(*) {POINTS} and status = 'awaiting_delivery'", site)
        )
        assert cells["Due in 30 days"] == str(
            one(
                ledger,
                f"select count(*) {POINTS} and status in ('open', 'upcoming') and due_date <= date '{TODAY}' + 30",
                site,
            )
        )
        assert cells["Received of expected"] == received(ledger, "site_id = ?", site)
        assert cells["Open findings"] == str(
            one(
                ledger,
                "select count(*) from quality.finding where site_id = ? and status in ('open', 'reopened')",
                site,
            )
        )
        net = one(
            ledger,
            "select coalesce(sum(n_new - n_resolved - n_lapsed), 0) from quality.change "
            "where site_id = ? and kind = 'overdue'",
            site,
        )
        assert cells["Change in a week"] == (f"+{net}" if net > 0 else count(int(net)))


def test_the_overviews_sentence(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    source = plain((pages.published / "network" / "index.html").read_text(encoding="utf-8"))
    overdue = one(ledger, "select count(*) from quality.expected_assessment where status = 'overdue'")
    net = one(ledger, "select sum(n_new - n_resolved - n_lapsed) from quality.change where kind = 'overdue'")
    assert net == 0
    assert f"{overdue} assessments are overdue, as many as a week before" in source


def test_the_overviews_small_charts_and_filters_count_the_same_points(
    pages: Pages, ledger: duckdb.DuckDBPyConnection
) -> None:
    carried: Any = counts(pages.published / "network" / "index.html")
    names = (
        "is_counted",
        "is_counted and status like 'received%'",
        "status = 'received_on_time'",
        "status = 'overdue'",
    )
    names += ("status = 'missed'", "status = 'awaiting_delivery'")
    seen = {
        (site, carried["instruments"][row[0]], carried["quarters"][row[1]]): row[2:8]
        for site, rows in carried["due"].items()
        for row in rows
    }
    asked = ", ".join(f"count(*) filter ({name})" for name in names)
    rows = ledger.execute(
        f"select site_id, instrument, due_quarter, {asked} from quality.expected_assessment group by all"
    ).fetchall()
    expected = {tuple(row[:3]): list(row[3:]) for row in rows}
    assert {key: value for key, value in expected.items() if any(value)} == {
        key: value for key, value in seen.items() if any(value)
    }


def test_this_week_and_its_workbook_say_the_same(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    page = table(pages.published / "network" / "this-week.html", id="week-table")
    book = pl.read_excel(pages.published / "network" / "this-week.xlsx", sheet_name="This week")
    assert book.height == len(SITES)
    for site, (name, _, _) in SITES.items():
        cells = page.cells(data_unit=site)
        row = book.row(by_predicate=pl.col("unit") == name, named=True)
        changed = {
            kind: one(
                ledger,
                "select coalesce(sum(n_new), 0), coalesce(sum(n_resolved), 0), coalesce(sum(n_lapsed), 0) "
                "from quality.change where site_id = ? and kind = ?",
                site,
                kind,
            )
            for kind in ("overdue", "finding")
        }
        overdue = one(ledger, f"select count(*) {POINTS} and status = 'overdue'", site)
        n_open, oldest = one(
            ledger,
            "select count(*), max(age_days) from quality.finding where site_id = ? and status in ('open', 'reopened')",
            site,
        )
        soon = one(
            ledger,
            f"select count(*) {POINTS} and status in ('open', 'upcoming') and due_date <= date '{TODAY}' + 30",
            site,
        )
        numbers = [overdue, *changed["overdue"], soon, n_open, *changed["finding"][:2]]
        assert [int(text) for text in cells[4:12]] == numbers, site
        assert cells[12] == ("n/a" if oldest is None else str(oldest))
        headings = ["overdue", "overdue, new", "overdue, resolved", "overdue, given up", "due in 30 days"]
        headings += ["findings open", "findings, new", "findings, resolved"]
        assert [row[heading] for heading in headings] == numbers, site
        assert row["oldest finding, days"] == oldest
    assert book["why held"].drop_nulls().to_list() == ["55 of 725 rows would be held back (at most 5% may be)"]


def test_every_cell_of_the_heat_maps(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    path = pages.published / "network" / "completeness.html"
    n_cells = 0
    for place, instrument in enumerate(("gaf", "wsas", "wai_sr")):
        numbers = table(path, data_numbers=str(place))
        for site in (*SITES, "network"):
            for label, cell in zip(numbers.head[1:], numbers.cells(data_row=site)[1:], strict=True):
                occasion = {"Baseline": "baseline", "Discharge": "discharge"}.get(label) or f"m{label[6:]:0>2}"
                where = "instrument = ? and occasion = ?" + (" and site_id = ?" if site != "network" else "")
                values = [instrument, occasion] + ([site] if site != "network" else [])
                n, of = one(
                    ledger,
                    "select count(*) filter (status like 'received%'), count(*) from quality.expected_assessment "
                    f"where is_counted and {where}",
                    *values,
                )
                assert cell.split()[0] == (f"{n}/{of}" if of else "n/a"), (instrument, site, label)
                n_cells += 1
    assert n_cells == 5 * (7 + 7 + 6)
    carried: Any = counts(path)
    by_year = ledger.execute(
        "select substr(due_quarter, 1, 4), sum(n_expected), sum(n_received), sum(n_items_answered) "
        "from quality.completeness_quarter group by all order by all"
    ).fetchall()
    for year, expected, came, answered in by_year:
        rows = [r for own in carried["cells"].values() for r in own if carried["years"][r[2]] == year]
        assert [sum(r[k] for r in rows) for k in (3, 4, 7)] == [expected, came, answered]


def test_trends_by_month(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    page = table(pages.published / "network" / "trends.html", **{"class": "months"})
    rows = ledger.execute(
        "select strftime(month, '%Y-%m'), sum(n_received), sum(n_due), sum(n_received_on_time), sum(n_overdue), "
        "sum(n_assessments), sum(n_findings_opened), sum(n_findings_closed), sum(n_findings_open) "
        "from quality.trend group by all order by 1 desc"
    ).fetchall()
    assert [cells for _, cells in page.rows] == [
        [month, plain(share(int(n), int(of))), *(count(int(value)) for value in rest)] for month, n, of, *rest in rows
    ]
    own = table_with(pages.published / "network" / "units" / "north.html", "open at its end")
    n, of = one(
        ledger,
        "select n_received, n_due from quality.trend where site_id = 'north' and month = date '2026-06-01'",
    )
    june = next(cells for _, cells in own.rows if cells[0] == "2026-06")
    assert june[1] == plain(share(n, of))


def test_findings_by_rule(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    page = table(pages.published / "network" / "findings.html", id="rule-table")
    for _, cells in page.rows:
        code = cells[0].split()[-1]
        n_open, n_closed, n_units, oldest = one(
            ledger,
            "select count(*) filter (status in ('open', 'reopened')), "
            "count(*) filter (status not in ('open', 'reopened')), "
            "count(distinct site_id) filter (status in ('open', 'reopened')), "
            "max(age_days) filter (status in ('open', 'reopened')) from quality.finding where rule = ?",
            code,
        )
        new, resolved = one(
            ledger,
            "select coalesce(sum(n_new), 0), coalesce(sum(n_resolved), 0) from quality.change where label = ?",
            code,
        )
        told = [str(n) for n in (n_open, new, resolved, n_closed)]
        assert cells[2:] == [*told, "n/a" if oldest is None else str(oldest), str(n_units)], code
    assert sum(int(cells[2]) for _, cells in page.rows) == one(
        ledger, "select count(*) from quality.finding where status in ('open', 'reopened')"
    )


def test_deliveries_and_expectations(pages: Pages, ledger: duckdb.DuckDBPyConnection) -> None:
    listed = table_with(pages.published / "network" / "deliveries.html", "Quarantined")
    rows = ledger.execute(
        "select site_id, delivery, n_rows_landed, n_rows_accepted from quality.delivery order by all"
    ).fetchall()
    found = sorted((own["data-unit"], cells[0], int(cells[4]), int(cells[5])) for own, cells in listed.rows)
    assert found == rows
    suites = table_with(pages.published / "network" / "expectations.html", "Suite")
    for suite, status, n in (("Completeness", 2, 1), ("Drift of a scale", 2, 2), ("Volume of the last delivery", 2, 1)):
        cells = next(cells for _, cells in suites.rows if cells[0] == suite)
        assert int(cells[status]) == n


def test_coverage_is_told_with_n_of_n(pages: Pages) -> None:
    page = table_with(pages.published / "network" / "completeness.html", "Registered of treated")
    assert [cells[2] for _, cells in page.rows] == ["75 % (30 of 40)", "n/a"]


def test_a_warehouse_without_the_newer_tables_still_has_its_pages(pages: Pages, tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    old.write_bytes(pages.warehouse.read_bytes())
    with duckdb.connect(str(old)) as connection:
        for name in ("completeness_quarter", "trend", "change", "coverage"):
            connection.execute(f"drop table quality.{name}")
    publish(old, make_library(tmp_path), tmp_path / "published", RUN)
    page = table(tmp_path / "published" / "network" / "index.html", id="units-table")
    whole = table(pages.published / "network" / "index.html", id="units-table")
    kept = ("Overdue", "Missed", "Received of expected", "Due in 30 days", "Open findings")
    for site in SITES:
        now = dict(zip(page.head, page.cells(data_unit=site), strict=True))
        then = dict(zip(whole.head, whole.cells(data_unit=site), strict=True))
        assert [now[name] for name in kept] == [then[name] for name in kept]
        assert page.cells(data_unit=site)[3] == "n/a"
    assert "the warehouse holds no trend" in (tmp_path / "published" / "network" / "trends.html").read_text("utf-8")
