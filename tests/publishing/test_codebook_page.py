"""The codebook's page in a browser with the network cut: it searches, keeps what was searched, asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.publishing.codebook.export import export
from codebook.library import load_instruments
from tests.publishing.browsing import open_page


@pytest.fixture(scope="module")
def codebook_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export(load_instruments(), ["html"], tmp_path_factory.mktemp("codebook"), "0")
    return path


@pytest.fixture
def page(browser: Any, codebook_page: Path) -> Iterator[Any]:
    opened, complaints = open_page(browser, codebook_page, 1200, "light")
    yield opened
    assert complaints == []
    opened.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_quiet_and_inside_the_screen(
    browser: Any,
    codebook_page: Path,
    width: int,
    scheme: str,
) -> None:
    opened, complaints = open_page(browser, codebook_page, width, scheme)
    assert complaints == []
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    opened.context.close()


def shown(page: Any) -> list[str]:
    return page.eval_on_selector_all("[data-sheet]:not([hidden])", "all => all.map(one => one.dataset.sheet)")


def test_search_finds_and_stays_in_the_address(page: Any) -> None:
    assert len(shown(page)) == len(load_instruments())
    page.fill("#search", "alliance wai_sr")
    assert shown(page) == ["wai_s", "wai_sr"]
    assert page.inner_text("#found").startswith("2 of ")
    assert page.evaluate("location.hash") == "#search=alliance+wai_sr"
    page.reload()
    assert shown(page) == ["wai_s", "wai_sr"]
    page.fill("#search", "xyzzy")
    assert shown(page) == []
    assert page.is_visible("#none")


def test_status_shows_what_has_it(page: Any) -> None:
    page.select_option("#status", "unverified")
    held = shown(page)
    assert "hamd_17" in held
    assert "mbt_acs" not in held


def test_a_number_leads_to_its_source(page: Any) -> None:
    page.click("#wai_sr a[href='#wai_sr-source-1']")
    assert page.is_visible("#wai_sr-source-1")
