"""The grid of a printed table as WordprocessingML: three lines, numbers to the right, a head that comes again.

What belongs here: the XML of a table (ECMA-376, part 1, 17.4). What does not: the document around it (`word`). It is
written as text, since building it cell by cell through python-docx took most of the time of publishing.
"""

from __future__ import annotations

from functools import lru_cache
from xml.sax.saxutils import escape

from assets.publishing.statistics.table import Heading, PaperTable

SMALL = 9.5
"""Points of the text in tables and notes."""
NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_LINE = '<w:{side} w:val="single" w:sz="6" w:space="0" w:color="000000"/>'


@lru_cache(maxsize=256)
def grid(table: PaperTable) -> str:
    """`<w:tbl>` of the table; it has at least one row."""
    width = 1 + len(table.columns)
    head = "".join(_head(table, line) for line in range(len(table.head)))
    body = "".join(_row(table, place, is_last=place == len(table.rows) - 1) for place in range(len(table.rows)))
    return (
        f'<w:tbl xmlns:w="{NAMESPACE}"><w:tblPr><w:tblW w:w="0" w:type="auto"/><w:tblLayout w:type="autofit"/>'
        '<w:tblCellMar><w:left w:w="60" w:type="dxa"/><w:right w:w="60" w:type="dxa"/></w:tblCellMar></w:tblPr>'
        f"<w:tblGrid>{'<w:gridCol/>' * width}</w:tblGrid>{head}{body}</w:tbl>"
    )


def _head(table: PaperTable, line: int) -> str:
    """A row of headings; those of two rows are merged downwards, and the second row continues them."""
    is_last = line == len(table.head) - 1
    sides = (*(("top",) if line == 0 else ()), *(("bottom",) if is_last else ()))
    cells: list[str] = []
    if line == 0:
        for heading in table.head[0]:
            own = ("top", "bottom") if heading.n_columns > 1 else sides
            merge = '<w:vMerge w:val="restart"/>' if heading.n_rows > 1 else ""
            cells.append(_cell(heading.text, own, heading, span=heading.n_columns, merge=merge))
    else:
        below = iter(table.head[1])
        for heading in table.head[0]:
            if heading.n_rows > 1:
                cells.append(_cell("", sides, heading, merge="<w:vMerge/>"))
            else:
                cells += [_cell(own.text, sides, own) for own in (next(below) for _ in range(heading.n_columns))]
    return f"<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{''.join(cells)}</w:tr>"


def _row(table: PaperTable, place: int, *, is_last: bool) -> str:
    row, sides = table.rows[place], ("bottom",) if is_last else ()
    stub = Heading(row.label, is_number=False)
    span = 1 + len(table.columns) if row.is_heading else 1
    cells = [_cell(row.label, sides, stub, span=span, is_bold=row.is_heading, is_indented=row.is_indented)]
    cells += [
        _cell(cell.printed, sides, Heading("", is_number=column.is_number))
        for cell, column in zip(row.cells, table.columns, strict=False)
    ]
    return f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>"


def _cell(
    text: str, sides: tuple[str, ...], heading: Heading, *, span: int = 1, merge: str = "", is_bold: bool = False,
    is_indented: bool = False,
) -> str:  # fmt: skip
    lines = "".join(_LINE.format(side=side) for side in sides)
    borders = f"<w:tcBorders>{lines}</w:tcBorders>" if lines else ""
    spanned = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    indent = '<w:ind w:left="200"/>' if is_indented else ""
    side = "center" if heading.n_columns > 1 else "right" if heading.is_number else "left"
    bold = "<w:b/>" if is_bold else ""
    run = (
        f'<w:r><w:rPr>{bold}<w:sz w:val="{SMALL * 2:.0f}"/></w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'
    )
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="0" w:type="auto"/>{spanned}{merge}{borders}</w:tcPr>'
        f'<w:p><w:pPr><w:spacing w:before="10" w:after="10"/>{indent}<w:jc w:val="{side}"/></w:pPr>'
        f"{run if text else ''}</w:p></w:tc>"
    )
