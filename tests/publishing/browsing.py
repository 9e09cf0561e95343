"""A page in Chromium with the network cut, and what a reader who cannot see or point would meet there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[1] / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def open_page(
    browser: Any, path: Path, width: int = 1280, scheme: str = "light", fragment: str = ""
) -> tuple[Any, list[str]]:
    """The page and its complaints: what it logged, what failed, and every request that is not to a file."""
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
    page.goto(path.as_uri() + (f"#{fragment}" if fragment else ""), wait_until="load")
    return page, complaints


def violations(page: Any) -> list[str]:
    """What axe-core calls serious or worse, one line each: rule, and the first elements it is about."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: run `npm ci` in tests/browser")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 10, "axe-core judged hardly anything"
    return [
        f"{item['id']}: {[node['target'] for node in item['nodes']][:3]} {item['nodes'][0]['failureSummary'][:200]}"
        for item in found["violations"]
        if item["impact"] in SERIOUS
    ]


def stays_inside(page: Any) -> bool:
    """The page itself never scrolls sideways (a wide table may, in its own frame)."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
