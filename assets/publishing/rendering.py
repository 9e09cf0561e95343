"""Templates to text and frames to files, the same way for every audience.

What belongs here: Jinja as every page uses it, and tables as CSV and Parquet. What does not: what a page says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from assets.publishing import formatting, words
from assets.publishing.figures import COLOURS
from assets.publishing.sources import RunSummary
from assets.spreadsheet import harmless
from codebook.library import Library

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Any:
    """Jinja as every page uses it: escaping, strict about names, with the shared filters."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown: Mapping[str, Callable[..., str]] = {
        "count": formatting.count,
        "percent": formatting.percent,
        "share": formatting.share,
        "plural": formatting.plural,
        "day": formatting.date,
        "shortday": formatting.short_date,
        "quarter": formatting.quarter,
        "month": formatting.month,
        "unbroken": formatting.unbroken,
        "gate": words.gate_words,
        "short": words.short_name,
    }
    made.filters.update(shown)
    made.globals["STARS"] = formatting.STARS_MEAN
    made.globals["COLOURS"] = COLOURS
    return made


def render(template: str, library: Library, run: RunSummary, **values: Any) -> str:
    """A page's text; the run's dates and the network's name are known to every template."""
    text = (
        environment()
        .get_template(template)
        .render(network=library.network, run=run, as_of=run.as_of, today=run.today, **values)
    )
    return str(text)


def inside_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")


def compact(value: object) -> str:
    """Counts as JSON for a page's script, without blanks."""
    return inside_script(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def write_table(stem: Path, frame: pl.DataFrame) -> None:
    """CSV with a byte-order mark, which spreadsheets need for letters beyond ASCII, and Parquet."""
    harmless(frame).write_csv(stem.with_suffix(".csv"), include_bom=True)
    frame.write_parquet(stem.with_suffix(".parquet"))
