"""How long the pages of a large network take to write, how big the overview is, and how fast it answers a filter.

    python -m benchmarks.pages [--units N] [--patients N]

A hundred units, 60,000 patients and about a million due points by default (`benchmarks.quality_network`). Writing is
one process on one thread; a filter is timed in Chromium from the change of the address to the next frame drawn.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from assets.publishing.publish import RunSummary, publish
from benchmarks.quality_network import TODAY, make_library, make_warehouse

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


def main() -> None:
    """Print seconds, memory, sizes and milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--patients", type=int, default=60_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        library = make_library(root, chosen.units)
        n_points = make_warehouse(root / "warehouse.duckdb", library, chosen.patients)
        began, worked = time.perf_counter(), time.process_time()
        run = RunSummary(as_of=None, today=TODAY, code_version="benchmark")
        publish(root / "warehouse.duckdb", library, root / "published", run)
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{chosen.units} units, {chosen.patients} patients, {n_points} due points")
        print(f"published in {seconds:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MB at most")
        for page in sorted((root / "published" / "network").glob("*.html")):
            print(f"  {page.name:22} {page.stat().st_size / 1e6:6.2f} MB")
        for text, (layout, drawn) in answers(root / "published" / "network" / "index.html").items():
            print(f"  filter {text or 'none':32} {layout:6.1f} ms to lay out, {drawn:6.1f} ms to draw")


if __name__ == "__main__":
    main()
