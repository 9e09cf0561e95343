"""A printed table, or all tables and figures of an analysis, as a Word document with stable bytes.

What belongs here: python-docx, its styles, and what would change from run to run. What does not: the grid of a table
(`word_grid`), or any number or word.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.publishing.statistics.table import PaperTable
from assets.publishing.statistics.word_grid import SMALL, grid

FONT = "Times New Roman"
WIDE = 6
"""Tables with more columns than this are laid on the side."""
BALLAST = ("/stylesWithEffects", "/thumbnail")
FIRST_ZIP_DAY = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class NumberedTable:
    """A table and what it is called (`Table 3`)."""

    number: str
    table: PaperTable


@dataclass(frozen=True)
class NumberedFigure:
    """A figure as PNG, with its caption and a description for readers who do not see it."""

    number: str
    title: str
    note: str
    png: bytes


@dataclass(frozen=True)
class About:
    """What stands in a document's properties and under its title."""

    title: str
    network: str
    day: dt.date
    is_synthetic: bool


def write_document(
    path: Path,
    about: About,
    tables: Sequence[NumberedTable],
    figures: Sequence[NumberedFigure] = (),
    methods: Sequence[str] = (),
) -> None:
    """Write `path`: methods first where there are any, then tables, then figures, each on a page of its own."""
    import docx

    document: Any = docx.Document()
    _without_ballast(document)
    _styles(document)
    _properties(document, about)
    is_wide = any(len(entry.table.columns) > WIDE for entry in tables)
    _page(document.sections[0], is_wide=is_wide)
    if about.is_synthetic:
        _text(document.sections[0].footer.paragraphs[0], "Synthetic data: no real patient is behind any number here.")
    if methods:
        _text(document.add_paragraph(), "Method", is_bold=True)
        for paragraph in methods:
            _text(document.add_paragraph(), paragraph)
    for place, entry in enumerate(tables):
        if place or methods:
            document.add_page_break()
        _table(document, entry)
    for figure in figures:
        document.add_page_break()
        _figure(document, figure)
    stored = io.BytesIO()
    document.save(stored)
    path.write_bytes(_stable(stored.getvalue()))


def _without_ballast(document: Any) -> None:
    """The template's picture of itself, and its styles a second time for Word 2010: half of every file."""
    for rels in (document.part.rels, document.part.package.rels):
        for key in [key for key, rel in rels.items() if rel.reltype.endswith(BALLAST)]:
            del rels[key]


def _styles(document: Any) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt

    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(11)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
    normal.paragraph_format.space_after = Pt(4)


def _properties(document: Any, about: About) -> None:
    own = document.core_properties
    day = dt.datetime.combine(about.day, dt.time())
    own.created = own.modified = own.last_printed = day
    own.title, own.author, own.last_modified_by, own.revision = about.title, about.network, "Concord", 1
    own.comments = "Synthetic data" if about.is_synthetic else ""


def _page(section: Any, *, is_wide: bool) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm

    long, short = Cm(29.7), Cm(21)
    section.orientation = WD_ORIENT.LANDSCAPE if is_wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (long, short) if is_wide else (short, long)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Cm(2))


def _text(paragraph: Any, text: str, *, is_bold: bool = False, is_italic: bool = False, size: float = 0) -> Any:
    from docx.shared import Pt

    run = paragraph.add_run(text)
    run.bold, run.italic = is_bold or None, is_italic or None
    if size:
        run.font.size = Pt(size)
    return run


def _table(document: Any, entry: NumberedTable) -> None:
    from docx.oxml import parse_xml

    table = entry.table
    heading = document.add_paragraph()
    heading.paragraph_format.keep_with_next = True
    _text(heading, entry.number, is_bold=True)
    title = document.add_paragraph()
    title.paragraph_format.keep_with_next = True
    _text(title, table.title, is_italic=True)
    if table.problem:
        _text(document.add_paragraph(), table.problem)
    after = document.add_paragraph()
    after.paragraph_format.space_before = _points(4)
    if table.rows:
        after._p.addprevious(parse_xml(grid(table)))
    for place, note in enumerate(table.notes):
        if place == 0:
            _text(after, "Note. ", is_italic=True, size=SMALL)
        _text(after if place == 0 else document.add_paragraph(), note, size=SMALL)


def _points(size: float) -> Any:
    from docx.shared import Pt

    return Pt(size)


def _figure(document: Any, figure: NumberedFigure) -> None:
    _text(document.add_paragraph(), figure.number, is_bold=True)
    _text(document.add_paragraph(), figure.title, is_italic=True)
    section = document.sections[0]
    width = section.page_width - section.left_margin - section.right_margin
    shown = document.add_picture(io.BytesIO(figure.png))
    scale = min(1.0, width / shown.width)
    shown.height, shown.width = int(shown.height * scale), int(shown.width * scale)
    described = shown._inline.docPr
    described.set("descr", f"{figure.title}. {figure.note}")
    paragraph = document.add_paragraph()
    _text(paragraph, "Note. ", is_italic=True, size=SMALL)
    _text(paragraph, figure.note, size=SMALL)


def _stable(content: bytes) -> bytes:
    """The same parts in the same order, without the time at which they were packed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda part: (part != "[Content_Types].xml", part)):
            entry = zipfile.ZipInfo(name, FIRST_ZIP_DAY)
            is_packed = name.endswith(".png")
            entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            new.writestr(entry, old.read(name), compresslevel=None if is_packed else 1)
    return made.getvalue()
