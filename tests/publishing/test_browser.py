"""The pages in a browser with the network cut: nothing asked for, nothing complained about, nothing off the edge."""

from __future__ import annotations

from typing import Any

import pytest

from tests.publishing.browsing import open_page, violations
from tests.publishing.conftest import Pages

PAGES = (
    "public/index.html",
    "network/index.html",
    "public/figures/alliance_trajectory.html",
    "sites/east/deliveries/2026-05-15.html",
    "public/analyses/alliance.html",
    "public/analyses/measures.html",
    "public/tables/measures/patients.html",
)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_offline_quiet_and_inside_the_screen(browser: Any, pages: Pages, name: str, width: int, scheme: str) -> None:
    page, complaints = open_page(browser, pages.published / name, width, scheme)
    if "figures" in name:
        page.wait_for_selector("#figure svg")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES[:2], *PAGES[3:]])
def test_text_stands_out_from_its_ground(browser: Any, pages: Pages, name: str, scheme: str) -> None:
    page, _ = open_page(browser, pages.published / name, 1200, scheme)
    worst = page.evaluate(
        """() => {
          const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
            .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
            return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
          const paper = light(getComputedStyle(document.body).backgroundColor);
          const silent = ".shape, script, style, title, noscript";
          const texts = [...document.querySelectorAll("body *")].filter(e =>
            !e.matches(silent) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
          return texts.map(e => { const own = getComputedStyle(e);
            const ink = light(e.namespaceURI.endsWith("svg") ? own.fill : own.color);
            return [(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), e.tagName + "." + e.className]; })
            .sort((a, b) => a[0] - b[0])[0]; }"""
    )
    assert worst[0] >= 4.5, worst
    page.context.close()


def test_order_and_filters_live_in_the_address(browser: Any, pages: Pages) -> None:
    page, complaints = open_page(browser, pages.published / "network/index.html", 1200, "light")
    names = """[...document.querySelectorAll('#call ~ .scroll tbody th')]
        .filter(e => !e.closest('[hidden]')).map(e => e.innerText)"""
    assert page.evaluate(names)[1] == "Northern Clinic"
    page.click("#order")
    assert page.evaluate(names)[1:3] == ["Eastern Day Unit", "Northern Clinic"]
    page.select_option("[data-filter=unit]", "north")
    assert page.evaluate(names) == ["Northern Clinic"]
    assert page.inner_text("#filtered") == "Shown: Northern Clinic only. 21 overdue, received 89\u202f% (256 of 289)."
    assert page.evaluate("location.hash") == "#order=name&unit=north"
    page.reload()
    assert page.evaluate(names) == ["Northern Clinic"]
    page.click("#clear")
    assert len(page.evaluate(names)) == 4
    assert complaints == []
    page.context.close()


def test_the_interactive_figure_changes_its_outcome(browser: Any, pages: Pages) -> None:
    page, complaints = open_page(browser, pages.published / PAGES[2], 1200, "light")
    page.wait_for_selector("#figure select")
    before = page.inner_html("#figure svg")
    page.select_option("#figure select", label="Task")
    page.wait_for_function("old => document.querySelector('#figure svg').innerHTML !== old", arg=before)
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("name", [PAGES[0], *PAGES[4:]])
def test_public_pages_have_no_serious_barrier(browser: Any, pages: Pages, name: str) -> None:
    page, _ = open_page(browser, pages.published / name, 390, "light")
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


def test_a_number_opens_the_model_behind_it(browser: Any, pages: Pages) -> None:
    page, complaints = open_page(browser, pages.published / "public/analyses/alliance.html", 1200, "light")
    block = page.locator("#fit-alliance-task-outcome")
    assert not block.is_visible()
    page.click("a.behind[href='#fit-alliance-task-outcome'] >> nth=0")
    block.wait_for(state="visible")
    assert block.bounding_box()["y"] < 800
    assert complaints == []
    page.context.close()


def test_on_paper_every_model_is_unfolded(browser: Any, pages: Pages) -> None:
    page, _ = open_page(browser, pages.published / "public/analyses/alliance.html", 1200, "light")
    page.emulate_media(media="print")
    assert page.locator("#fit-alliance-task-outcome").bounding_box()["height"] > 100
    page.context.close()
