"""How fast the overview answers a filter in Chromium, from the change of the address to the next frame drawn.

    python -m benchmarks.pages NETWORK/published/network/index.html

`benchmarks.quality` asks it of the pages of a hundred units.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

FILTERS = ("unit=unit_042", "instrument=gaf", "period=2021", "instrument=wsas&period=2020-Q3", "")
ANSWER = """async text => {
  const from = performance.now();
  history.replaceState(null, '', '#' + (text || 'all=1'));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
  document.body.getBoundingClientRect();
  const done = performance.now() - from;
  await new Promise(go => requestAnimationFrame(() => setTimeout(go, 0)));
  return [done, performance.now() - from];
}"""
"""Milliseconds until the new layout stands, and until it is drawn."""


def answers(page: Path, runs: int = 5) -> dict[str, tuple[float, float]]:
    """Median milliseconds (layout, drawn) of each of FILTERS on the overview, with the network cut."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
        opened = context.new_page()
        opened.goto(page.as_uri(), wait_until="load")
        found: dict[str, list[list[float]]] = {text: [] for text in FILTERS}
        for _ in range(runs):
            for text in FILTERS:
                found[text].append(opened.evaluate(ANSWER, text))
        browser.close()
    return {
        text: (statistics.median(one[0] for one in own), statistics.median(one[1] for one in own))
        for text, own in found.items()
    }


if __name__ == "__main__":
    for _filter, (_layout, _drawn) in answers(Path(sys.argv[1])).items():
        print(f"filter {_filter or 'none':32} {_layout:6.1f} ms to lay out, {_drawn:6.1f} ms to draw")
