"""What the published folders hold, read back as a stranger would: parsed, searched and compared by byte."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.publishing.publish import publish
from tests.publishing.conftest import RUN, Pages
from tests.publishing.small_library import ALLIANCE, OUTCOMES, TRIAL, make_library

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
OUTSIDE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)


class Page(HTMLParser):
    """Elements, attributes and visible text of a page; a tag closed out of order fails."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> out of order at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles.append(data)
        elif self._open and self._open[-1] != "script":
            self.text.append(data)

    @property
    def words(self) -> str:
        """Visible text with single blanks."""
        return " ".join(" ".join(self.text).replace("\u202f", " ").replace("\xa0", " ").split())


def _html(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_no_page_asks_for_anything_outside(pages: Pages) -> None:
    found = _html(pages.published)
    assert {"public", "network", "sites"} == {path.relative_to(pages.published).parts[0] for path in found}
    for path in found:
        page = Page(path)
        for tag, attributes in page.tags:
            for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                assert not OUTSIDE.match(attributes.get(name, "")), (path.name, tag, attributes)
        styles = "".join(page.styles) + " ".join(attributes.get("style", "") for _, attributes in page.tags)
        assert "@import" not in styles
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", styles)
        policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
        assert "default-src 'none'" in policy


def test_every_link_inside_leads_somewhere(pages: Pages) -> None:
    places: dict[Path, list[str]] = {}
    for path in _html(pages.published):
        ids = [attributes["id"] for _, attributes in Page(path).tags if "id" in attributes]
        assert len(ids) == len(set(ids)), path.name
        places[path.resolve()] = ids
    for path in _html(pages.published):
        for link in (attributes.get("href", "") for tag, attributes in Page(path).tags if tag == "a"):
            name, _, place = link.partition("#")
            target = (path.parent / name).resolve() if name else path.resolve()
            assert target.is_file(), (path.name, link)
            if place and target.parts[-3:-1] != ("published", "network"):  # whose fragments are filters
                assert place in places[target], (path.name, link)


def test_pages_are_built_for_assistive_technology(pages: Pages) -> None:
    for path in _html(pages.published):
        page = Page(path)
        names = [tag for tag, _ in page.tags]
        assert names.count("h1") == 1
        assert {"header", "main", "footer"} <= set(names)
        levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")


def test_the_first_sentence_is_made_of_numbers(pages: Pages) -> None:
    public = Page(pages.published / "public" / "index.html").words
    assert "60 patients in 4 units" in public
    assert re.search(r"\d+ of \d+ expected assessments received \(\d+ %\)", public)
    assert "Task rises by 0.023 points a month, 0.028 less with “Poor outcome” (p < .001)." in public
    network = Page(pages.published / "network" / "index.html").words
    assert "2 of 4 units are up to date; " in network
    assert "South & Co is held back." in network


def test_the_alliance_table_reads_like_the_journals(pages: Pages) -> None:
    words = Page(pages.published / "public" / "analyses" / "alliance.html").words
    assert "Goal 5.00 (0.10) 0.019 (0.005)" in words
    assert "Task ns −0.028 (0.008) *** 4 31 653 669 55 240" in words
    assert "* p < .05. ** p < .01. *** p < .001." in words
    assert "ns: p ≥ .05" in words
    assert "singular: a random-effect variance lies at nought" in words
    assert "not estimated: too few patients with an age" in words
    assert "1 of 8 fits is singular" in words


def test_a_model_with_several_predictors_is_printed_by_term(pages: Pages) -> None:
    words = Page(pages.published / "public" / "analyses" / "trial.html").words
    assert "Slope per month −1.38 (0.17) ***" in words
    assert "Treated × month" in words
    assert "With every predictor at nought, WSAS falls by 1.38 points a month." in words


def test_a_group_of_three_never_leaves(published_with: Callable[..., Path]) -> None:
    published = published_with(ALLIANCE, n_poor=3)
    public = published / "public"
    page = Page(public / "index.html").words
    assert "suppressed: fewer than 5 patients in one group" in page
    assert "3 patients" not in page
    assert "−0.028" not in page
    assert "Figure not drawn" in page
    assert not (public / "figures").exists()
    table = pl.read_parquet(public / "tables" / "alliance_models.parquet")
    hidden = table.filter(pl.col("model") == "outcome")
    assert hidden.height == 3
    assert hidden.select("estimate", "std_error", "aic", "n_patients").null_count().row(0) == (3, 3, 3, 3)
    assert hidden["note"].str.starts_with("suppressed").all()
    assert "-0.028" not in (public / "tables" / "alliance_models.csv").read_text(encoding="utf-8-sig")


def test_small_means_are_held_back_in_every_form(published_with: Callable[..., Path]) -> None:
    public = published_with(ALLIANCE, minimum=16) / "public"
    table = pl.read_parquet(public / "tables" / "alliance_trajectory.parquet")
    hidden, shown = table.filter("is_suppressed"), table.filter(~pl.col("is_suppressed"))
    assert hidden.height > 0
    assert shown["n_patients"].min() >= 16
    assert hidden.select("n_patients", "mean", "ci_low", "ci_high").null_count().row(0) == (hidden.height,) * 4
    spec = (public / "figures" / "alliance_trajectory.html").read_text(encoding="utf-8")
    sizes = [int(n) for n in re.findall(r'"n_patients": (\d+)', spec)]
    assert len(sizes) == shown.height
    assert min(sizes) >= 16
    svg = (public / "figures" / "alliance_trajectory.svg").read_text(encoding="utf-8")
    strip = [int(n) for n in re.findall(r'font-size="10px"[^>]*>(\d+)<', svg)]
    assert len(strip) == shown.height
    assert min(strip) >= 16
    page = Page(public / "analyses" / "alliance.html").words
    assert f"{hidden.height} means of too few patients suppressed" in page
    means = (public / "analyses" / "alliance.html").read_text(encoding="utf-8").split("Observed means behind", 1)[1]
    assert '<span class="ns">suppressed</span>' in means


def test_a_part_that_gives_the_rest_away_is_held_back(published_with: Callable[..., Path], tmp_path: Path) -> None:
    import duckdb

    published_with(ALLIANCE)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("delete from harmonised.assessment where patient_id in ('p001', 'p002', 'p003')")
    publish(tmp_path / "warehouse.duckdb", make_library(tmp_path, ALLIANCE), tmp_path / "again", RUN)
    table = pl.read_parquet(tmp_path / "again" / "public" / "tables" / "assessments.parquet")
    row = table.filter(pl.col("instrument") == "wai_sr").row(0, named=True)
    assert (row["n_patients"], row["n_received"], row["is_suppressed"]) == (None, None, True)
    assert "57" not in Page(tmp_path / "again" / "public" / "index.html").words.partition("Assessments")[2].split()


def _network(pages: Pages, name: str) -> str:
    return Page(pages.published / "network" / name).words


def test_n_of_n_is_printed_and_nothing_expected_is_not_applicable(pages: Pages) -> None:
    assert re.search(r"\d+/\d+ \d+ %", _network(pages, "completeness.html"))
    source = (pages.published / "network" / "completeness.html").read_text(encoding="utf-8")
    assert "Eastern Day Unit, baseline: nothing expected" in source
    judged = _network(pages, "expectations.html")
    assert "62 of 105" in judged
    assert "3 of 1260 answers lie outside their range." in judged
    assert "could not be checked n/a" in judged


def test_the_network_pages_speak_the_fields_words(pages: Pages) -> None:
    unit = _network(pages, "units/north.html")
    assert "3 answers outside 1–7 (WAI-SR item 5)" in unit
    assert "5 rows without a date or an occasion" in unit
    assert "620 = 610 accepted + 10 quarantined" in unit
    assert "comment_2 , ny_kolonne" in unit
    assert "WAI-SR at month 27" in unit
    assert "does not add up" not in unit
    assert "Answers outside 1–7 (WAI-SR item 5)" in _network(pages, "findings.html")


def test_a_unit_that_is_held_stays_and_every_table_of_it_says_so(pages: Pages) -> None:
    told = "the last delivery is held back; the numbers rest on the delivery of 15 September 2026."
    for path in _html(pages.published / "network"):
        source = path.read_text(encoding="utf-8")
        if path.parent.name == "units" and path.name != "south.html":
            assert "held back; the numbers" not in source
            continue
        for section in re.findall(r"<section.*?</section>", source, re.DOTALL):
            if re.search(r"<t[hd][^>]*>(<span class=.held.*?)?[^<]*(<a[^>]*>)?&lt;script", section):
                assert told in section.replace("\xa0", " "), (path.name, section[:200])
    card = Page(pages.published / "sites" / "south" / "report.html").words
    assert "Every table here rests on the delivery of 15 September 2026." in card
    for name in ("units", "completeness", "trend", "findings", "expectations"):
        table = pl.read_parquet(pages.published / "network" / "tables" / f"{name}.parquet")
        held = table.filter(pl.col("site_id") == "south")
        assert held.height > 0
        assert set(held["is_held"]) == {True}
        assert set(held["rests_on_delivery"]) == {"2026-09-15"}


def test_the_network_page_holds_no_patient(pages: Pages) -> None:
    for path in sorted((pages.published / "network").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            assert b"SECRET" not in content
            assert not re.search(rb"\b[pef]\d{3}\b", content), path.name


def test_what_a_unit_is_called_is_text_and_never_markup(pages: Pages) -> None:
    source = (pages.published / "network" / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; South &amp; Co" in source
    assert "<script>alert" not in source


def test_the_public_page_names_no_unit(pages: Pages) -> None:
    for path in sorted((pages.published / "public").rglob("*")):
        if path.is_file():
            assert b"Northern Clinic" not in path.read_bytes(), path.name


def test_synthetic_data_are_marked_everywhere(pages: Pages, tmp_path: Path) -> None:
    for path in [*_html(pages.published), *sorted(pages.published.rglob("*.svg"))]:
        assert "ynthetic data" in path.read_text(encoding="utf-8"), path.name
    library = make_library(tmp_path, ALLIANCE)
    real = library.network.model_copy(update={"is_synthetic": False})
    unmarked = type(library)(
        library.folder, real, library.instruments, library.sites, library.schedules, library.analyses
    )
    publish(pages.warehouse, unmarked, tmp_path / "published", RUN)
    for path in sorted((tmp_path / "published").rglob("*.html")):
        assert "ynthetic" not in Page(path).words


def test_same_warehouse_same_bytes_whatever_the_run_did(pages: Pages, tmp_path: Path) -> None:
    other = type(RUN)(RUN.as_of, RUN.today, RUN.code_version, n_skipped=9, seconds={"publish": 77.7})
    publish(pages.warehouse, pages.library, tmp_path, other)
    first = {p.relative_to(pages.published): p.read_bytes() for p in pages.published.rglob("*") if p.is_file()}
    second = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []


def test_publishing_again_leaves_only_the_new_folder(pages: Pages, tmp_path: Path) -> None:
    publish(pages.warehouse, pages.library, tmp_path, RUN)
    (tmp_path / "public" / "stale.html").write_text("old")
    said: list[str] = []
    written = publish(pages.warehouse, pages.library, tmp_path, RUN, said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network", "public", "sites"]
    assert not (tmp_path / "public" / "stale.html").exists()
    assert all(path.is_file() for path in written)
    assert said == ["publishing public", "publishing network", "publishing sites"]


def test_a_failure_keeps_what_was_published(pages: Pages, tmp_path: Path) -> None:
    publish(pages.warehouse, pages.library, tmp_path, RUN)
    before = (tmp_path / "public" / "index.html").read_bytes()
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database")
    with pytest.raises(Exception, match=r"not a valid DuckDB|valid DuckDB database"):
        publish(broken, pages.library, tmp_path, RUN)
    assert (tmp_path / "public" / "index.html").read_bytes() == before


@pytest.mark.parametrize("analyses", [(), (TRIAL,), (OUTCOMES,)])
def test_any_declared_analyses_render(
    published_with: Callable[..., Path], analyses: tuple[dict[str, Any], ...]
) -> None:
    published = published_with(*analyses, has_schedule=False)
    words = Page(published / "public" / "index.html").words
    expected = analyses[0]["title"] if analyses else "This network declares no analysis yet."
    assert expected in words


def test_declared_but_not_yet_analysed_is_said(published_with: Callable[..., Path]) -> None:
    words = Page(published_with(ALLIANCE, has_results=False) / "public" / "index.html").words
    assert "No model of this analysis has an estimate that can be shown (not estimated: no result)." in words


def test_another_day_decides_what_is_late(pages: Pages, tmp_path: Path) -> None:
    publish(pages.warehouse, pages.library, tmp_path, type(RUN)(None, dt.date(2026, 12, 24), "0.1.0"))
    words = Page(tmp_path / "network" / "index.html").words
    assert "1 of 4 units is up to date" in words
    assert "units this week, 24 December 2026" in words
