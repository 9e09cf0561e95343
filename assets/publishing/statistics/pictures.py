"""A figure as files: SVG as it was drawn, PNG for documents, PDF for printers; the same bytes every time.

What belongs here: conversion. What does not: charts.
"""

from __future__ import annotations

import re
from pathlib import Path

from assets.publishing.figures import DrawnFigure

DOTS_PER_INCH = 150
"""A picture 880 units wide becomes 1833 dots: 280 to the inch at the width of a printed page."""
_STYLES = re.compile(r' font-(?:style|weight)="[^"]*"')
_RESOURCES = re.compile(rb"(<<\n)((?:\s+/\w+ \d+ 0 R\n)+)(\s*>>)")


def write_pictures(stem: Path, figure: DrawnFigure) -> bytes:
    """Write `<stem>.svg`, `.png` and `.pdf`; returns the PNG, which Word documents take."""
    import vl_convert

    stem.with_suffix(".svg").write_text(figure.svg, encoding="utf-8")
    png: bytes = vl_convert.svg_to_png(figure.svg, ppi=DOTS_PER_INCH)
    stem.with_suffix(".png").write_bytes(png)
    stem.with_suffix(".pdf").write_bytes(_pdf(figure.svg))
    return png


def _pdf(svg: str) -> bytes:
    """The converter writes fonts, and the names in a dictionary, in an order that changes from run to run.

    So there is one font (upright, of one weight), and names are sorted: no byte moves outside their dictionary, so the
    table of offsets stays true.
    """
    import vl_convert

    made: bytes = vl_convert.svg_to_pdf(_STYLES.sub("", svg))
    return _RESOURCES.sub(lambda m: m[1] + b"".join(sorted(m[2].splitlines(keepends=True))) + m[3], made)
