"""A unit's report card: limits for small counts, the others as a rounded median only, and what to fix first."""

from __future__ import annotations

import html
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from assets.publishing.publish import publish
from assets.publishing.quality.report_card import fix_first
from assets.publishing.quality.unit_page import Due, RuleCount
from assets.publishing.quality.wilson import beside, others_median, rounded, wilson
from assets.publishing.units import units
from tests.publishing.conftest import RUN, Pages
from tests.publishing.reading import plain, tables
from tests.publishing.small_ledger import TODAY
from tests.publishing.small_library import SITES, make_library


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [  # by hand from Wilson's formula with z = 1.96, to three places
        (0, 5, 0.000, 0.434),
        (5, 10, 0.237, 0.763),
        (1, 1, 0.207, 1.000),
        (81, 263, 0.255, 0.366),  # Newcombe (1998), Statistics in Medicine 17, 857–872, table I
        (15, 148, 0.062, 0.160),
        (0, 20, 0.000, 0.161),
        (1, 29, 0.006, 0.172),
    ],
)
def test_wilsons_limits(n: int, of: int, low: float, high: float) -> None:
    assert wilson(n, of) == pytest.approx((low, high), abs=6e-4)


def test_small_numbers_are_not_compared() -> None:
    others = [(50, 100), (60, 100), (70, 100)]
    few = beside((0, 4), others)
    assert (few.rate, few.low, few.standing, few.others) == (None, None, "few", 0.6)
    assert beside((0, 5), others).standing == "below"
    assert beside((3, 5), others).standing == "like"
    assert beside((95, 100), others).standing == "above"
    assert beside((138, 200), others).standing == "like"  # limits 0.622–0.750 lie above 0.6, not above its whole step
    assert beside((95, 100), others[:2]).standing == "alone"
    assert beside((95, 100), others[:2]).others is None


def test_one_miss_of_a_few_is_not_below_units_that_miss_nothing() -> None:
    complete = [(8, 8), (9, 9), (20, 20)]
    assert beside((7, 8), complete).standing == "like"
    assert beside((70, 80), complete).standing == "below"
    assert beside((1, 8), [(0, 8), (0, 9), (0, 20)]).standing == "like"


def test_the_others_show_only_as_a_rounded_median_of_three_or_more() -> None:
    assert others_median([(1, 4), (3, 4), (2, 4), (5, 10), (6, 10)]) is None  # three of five are too small to count
    assert others_median([(3, 7), (1, 7), (6, 7)]) == pytest.approx(3 / 7)
    assert rounded(3 / 7) == 0.45
    assert [rounded(x) for x in (0.0, 0.01, 0.99, 1.0)] == [0.0, 0.025, 0.975, 1.0]
    words = [beside((1, 1), [(n, 100)] * 3).others_words for n in (0, 1, 43, 99, 100)]
    assert [plain(text) for text in words] == ["0 %", "under 3 %", "45 %", "over 97 %", "100 %"]


def test_one_point_more_or_less_elsewhere_does_not_show(pages: Pages, tmp_path: Path) -> None:
    """A unit that knew everything else could not read from its card that one assessment of another unit came."""
    changed = tmp_path / "changed.duckdb"
    changed.write_bytes(pages.warehouse.read_bytes())
    with duckdb.connect(str(changed)) as connection:
        for site in ("south", "west"):
            connection.execute(
                "update quality.completeness set n_received = n_received - 1 "
                f"where site_id = '{site}' and instrument = 'gaf' and occasion = 'baseline'"
            )
    publish(changed, make_library(tmp_path), tmp_path / "published", RUN)
    before = [one.rows for one in tables(pages.published / "sites" / "east" / "report.html")]
    after = [one.rows for one in tables(tmp_path / "published" / "sites" / "east" / "report.html")]
    assert before == after


def test_a_card_names_no_other_unit(pages: Pages) -> None:
    for site in SITES:
        for path in sorted((pages.published / "sites" / site).rglob("*.html")):
            text = path.read_text(encoding="utf-8")
            for other, (name, _, _) in SITES.items():
                if other != site:
                    assert html.escape(name) not in text
                    assert not re.search(rf"\b{other}\b", text), (path, other)


def test_the_cards_numbers_are_the_ledgers(pages: Pages) -> None:
    with duckdb.connect(str(pages.warehouse), read_only=True) as ledger:
        for site in SITES:
            measures, instruments, *_ = tables(pages.published / "sites" / site / "report.html")
            sums = ledger.execute(
                "select sum(n_received), sum(n_expected), sum(n_scorable), sum(n_items_answered), "
                "sum(n_items_expected) from quality.completeness where site_id = ?",
                [site],
            ).fetchone()
            assert sums is not None
            came, expected, scorable, answered, asked = sums
            told = [tuple(map(int, re.findall(r"\d+", cells[1].split("(")[1]))) for _, cells in measures.rows]
            assert told == [(came, expected), (scorable, came), (answered, asked)]
            rows = ledger.execute(
                "select instrument, sum(n_received), sum(n_expected) from quality.completeness where site_id = ? "
                "group by all",
                [site],
            ).fetchall()
            listed = {cells[0].lower().replace("-", "_"): cells[1] for _, cells in instruments.rows}
            assert {key: f"({n} of {of})" for key, n, of in rows} == {
                key: text[text.index("(") :] for key, text in listed.items()
            }


def test_quarters_with_fewer_than_five_are_said_and_not_drawn(pages: Pages, tmp_path: Path) -> None:
    small = tmp_path / "small.duckdb"
    small.write_bytes(pages.warehouse.read_bytes())
    with duckdb.connect(str(small)) as connection:
        connection.execute(
            "delete from quality.expected_assessment where site_id = 'north' and due_quarter = '2026-Q2' "
            "and due_point_id not in (select due_point_id from quality.expected_assessment "
            "where site_id = 'north' and due_quarter = '2026-Q2' and is_counted order by due_point_id limit 4)"
        )
    publish(small, make_library(tmp_path), tmp_path / "published", RUN)
    by_quarter = tables(tmp_path / "published" / "sites" / "north" / "report.html")[2]
    row = next(cells for _, cells in by_quarter.rows if cells[0] == "2026-Q2")
    assert row[1].endswith("of 4)")
    assert row[2:4] == ["n/a", "fewer than 5: not drawn"]
    assert row[5] == "– too few to compare"


def test_what_to_fix_is_ranked_by_the_stated_rule(pages: Pages) -> None:
    from assets.publishing.sources import Warehouse

    with Warehouse(pages.warehouse) as sealed:
        held = next(unit for unit in units(sealed, pages.library, TODAY) if unit.site == "south")
    due = [Due("GAF at month 9", "gaf", 4, 0, 0, 0), Due("WSAS at month 9", "wsas", 2, 9, 0, 0)]
    rules = [
        RuleCount("r1", "9 answers outside 1–7", "value set to missing", "conformance", "gaf", 9, 0, 7, 10),
        RuleCount("r2", "4 rows without a date", "row held back", "completeness", "gaf", 4, 0, 4, 10),
        RuleCount("r3", "closed", "kept, marked", "history", "gaf", 0, 3, 0, None),
    ]
    fixes = fix_first(held, due, rules, [])
    assert [(fix.what, fix.n) for fix in fixes] == [
        ("The last delivery is held back", 725),
        ("9 answers outside 1–7", 7),
        ("GAF at month 9 is overdue", 4),
        ("4 rows without a date", 4),
        ("WSAS at month 9 is overdue", 2),
    ]


def test_ages_of_open_findings_add_up(pages: Pages) -> None:
    ages = tables(pages.published / "sites" / "north" / "report.html")[3]
    with duckdb.connect(str(pages.warehouse), read_only=True) as ledger:
        frame = ledger.execute(
            "select age_days from quality.finding where site_id = 'north' and status in ('open', 'reopened')"
        ).pl()
    steps = [(0, 30), (31, 90), (91, 180), (181, 10**6)]
    expected = [frame.filter(pl.col("age_days").is_between(*step)).height for step in steps]
    assert [int(cells[1]) for _, cells in ages.rows] == expected
    assert sum(expected) == 10
