"""The pages in a browser with the network cut: nothing asked for, nothing complained about, nothing off the edge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publishing.conftest import Pages

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
PAGES = (
    "public/index.html",
    "network/index.html",
    "public/figures/alliance_trajectory.html",
    "sites/east/deliveries/2026-05-15.html",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium on the path")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def _open(browser: sync_api.Browser, path: Path, width: int, scheme: str) -> tuple[sync_api.Page, list[str]]:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_offline(True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: complaints.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    page.goto(path.as_uri(), wait_until="load")
    return page, complaints


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_offline_quiet_and_inside_the_screen(
    browser: sync_api.Browser, pages: Pages, name: str, width: int, scheme: str
) -> None:
    page, complaints = _open(browser, pages.published / name, width, scheme)
    if "figures" in name:
        page.wait_for_selector("#figure svg")
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES[:2], PAGES[3]])
def test_text_stands_out_from_its_ground(browser: sync_api.Browser, pages: Pages, name: str, scheme: str) -> None:
    page, _ = _open(browser, pages.published / name, 1200, scheme)
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


def test_order_and_filters_live_in_the_address(browser: sync_api.Browser, pages: Pages) -> None:
    page, complaints = _open(browser, pages.published / "network/index.html", 1200, "light")
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


def test_the_interactive_figure_changes_its_outcome(browser: sync_api.Browser, pages: Pages) -> None:
    page, complaints = _open(browser, pages.published / PAGES[2], 1200, "light")
    page.wait_for_selector("#figure select")
    before = page.inner_html("#figure svg")
    page.select_option("#figure select", label="Task")
    page.wait_for_function("old => document.querySelector('#figure svg').innerHTML !== old", arg=before)
    assert complaints == []
    page.context.close()
