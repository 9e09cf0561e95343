"""Files of one analysis: its page, and every table and figure in the formats that papers and programs take.

What belongs here: names of files and who writes them. What does not: content (`page`), or formats.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from assets.publishing import figures
from assets.publishing.figures import DrawnFigure
from assets.publishing.rendering import inside_script, render, write_table
from assets.publishing.result_tables import tidy_table
from assets.publishing.sources import RunSummary
from assets.publishing.statistics.html_file import html_table
from assets.publishing.statistics.page import AnalysisPart, FigurePart
from assets.publishing.statistics.pictures import write_pictures
from assets.publishing.statistics.word import About, NumberedFigure, NumberedTable, write_document
from assets.spreadsheet import harmless
from codebook.library import Library

PAGES, TABLES, FIGURES = "analyses", "tables", "figures"


def write_analysis(part: AnalysisPart, library: Library, run: RunSummary, folder: Path) -> None:
    """Write `analyses/<name>.html`, `analyses/<name>.docx`, `tables/<name>/…` and `figures/<name>_…`."""
    name = part.analysis.name
    for sub in (PAGES, f"{TABLES}/{name}"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    about = About(part.analysis.title, library.network.title, run.as_of or run.today, library.network.is_synthetic)
    if part.fitted:
        write_table(folder / TABLES / f"{name}_models", tidy_table(part.fitted))
    tables = [NumberedTable(entry.number, entry.table) for entry in part.tables]
    for entry in tables:
        stem = folder / TABLES / name / entry.table.key
        made = html_table(entry.table, entry.number, f"{name}-{entry.table.key}".replace("_", "-"))
        page = render("table.html.j2", library, run, part=part, entry=entry, made=made)
        stem.with_suffix(".html").write_text(page, encoding="utf-8")
        harmless(entry.table.data).write_csv(stem.with_suffix(".csv"), include_bom=True)
        write_document(stem.with_suffix(".docx"), about, [entry])
    pictures = [picture for figure in part.figures for picture in _write_figure(part, figure, library, run, folder)]
    write_document(folder / PAGES / f"{name}.docx", about, tables, pictures, part.methods)
    text = render("analysis.html.j2", library, run, part=part)
    (folder / PAGES / f"{name}.html").write_text(text, encoding="utf-8")


def _write_figure(
    part: AnalysisPart, figure: FigurePart, library: Library, run: RunSummary, folder: Path
) -> list[NumberedFigure]:
    stem = f"{part.analysis.name}_{figure.name}"
    if figure.observed is not None and not figure.observed.is_empty():
        write_table(folder / TABLES / stem, figure.observed)
    if figure.drawing is None:
        return []
    (folder / FIGURES).mkdir(exist_ok=True)
    png = write_pictures(folder / FIGURES / stem, figure.drawing)
    if figure.drawing.spec:
        (folder / FIGURES / f"{stem}.html").write_text(
            _interactive(part, figure.drawing, library, run), encoding="utf-8"
        )
    return [NumberedFigure(figure.number, figure.title, figure.drawing.caption, png)]


def _interactive(part: AnalysisPart, drawing: DrawnFigure, library: Library, run: RunSummary) -> str:
    return render(
        "figure.html.j2",
        library,
        run,
        part=part,
        figure=drawing,
        spec=inside_script(drawing.spec),
        bundle=_bundle(),
        colours=figures.COLOURS,
    )


@cache
def _bundle() -> str:
    """Vega's own JavaScript, which every interactive figure carries so that it opens without a network."""
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text
