"""A figure as files: SVG as it was drawn, PNG for documents, PDF for printers.

What belongs here: conversion. What does not: charts. SVG and PNG are the same bytes every time; in a PDF the order of
objects and the names of font subsets differ from run to run.
"""

from __future__ import annotations

from pathlib import Path

from assets.publishing.figures import DrawnFigure

DOTS_PER_INCH = 200
"""A picture 880 units wide becomes 2444 dots: 370 to the inch at the width of a printed page."""


def write_pictures(stem: Path, figure: DrawnFigure) -> bytes:
    """Write `<stem>.svg`, `.png` and `.pdf`; returns the PNG, which Word documents take."""
    import vl_convert

    stem.with_suffix(".svg").write_text(figure.svg, encoding="utf-8")
    png: bytes = vl_convert.svg_to_png(figure.svg, ppi=DOTS_PER_INCH)
    stem.with_suffix(".png").write_bytes(png)
    stem.with_suffix(".pdf").write_bytes(vl_convert.svg_to_pdf(figure.svg))
    return png
