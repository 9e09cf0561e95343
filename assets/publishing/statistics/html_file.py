"""A printed table as HTML that can be copied into a manuscript, laid out as APA asks: three lines and no others.

What belongs here: great_tables and its settings. What does not: the page around it (`templates/table.html.j2`).
"""

from __future__ import annotations

from html import escape
from typing import Any

import polars as pl

from assets.publishing.statistics.table import PaperTable

LINE = "currentColor"
THIN = "1px"


def html_table(table: PaperTable, number: str, name: str) -> str:
    """The table with title and notes; `name` is its id, so that the same table gives the same bytes.

    Args:
        table: what to print.
        number: what it is called above its title (`Table 3`).
        name: letters, digits and hyphens.
    """
    import great_tables as gt

    columns = [f"c{place}" for place in range(len(table.columns))]
    rows = [
        {"stub": row.label}
        | dict(zip(columns, [cell.printed for cell in row.cells] or [""] * len(columns), strict=True))
        for row in table.rows
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(["stub", *columns], pl.String()))
    made = gt.GT(frame, rowname_col="stub", id=name)
    made = made.tab_header(gt.html(f"<strong>{escape(number)}</strong>"), gt.html(f"<em>{escape(table.title)}</em>"))
    headings: dict[str, Any] = {key: column.heading for key, column in zip(columns, table.columns, strict=True)}
    made = made.tab_stubhead(table.stub).cols_label(headings)
    for place, (label, own) in enumerate(_spanners(table, columns)):
        made = made.tab_spanner(label, columns=own, id=f"s{place}")
    made = made.cols_align("right", columns=[k for k, c in zip(columns, table.columns, strict=True) if c.is_number])
    bold = [place for place, row in enumerate(table.rows) if row.is_heading]
    indented = [place for place, row in enumerate(table.rows) if row.is_indented]
    if bold:
        made = made.tab_style(gt.style.text(weight="bold"), gt.loc.stub(rows=bold))
    if indented:
        made = made.tab_style(gt.style.css("padding-left: 1.5em;"), gt.loc.stub(rows=indented))
    for place, note in enumerate(table.notes):
        made = made.tab_source_note(gt.html(f"{'<em>Note.</em> ' if place == 0 else ''}{escape(note)}"))
    return _bare(_three_lines(made).as_raw_html(), name)


def _spanners(table: PaperTable, columns: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for key, column in zip(columns, table.columns, strict=True):
        if not column.spanner:
            continue
        if found and found[-1][0] == column.spanner and columns.index(found[-1][1][-1]) == columns.index(key) - 1:
            found[-1][1].append(key)
        else:
            found.append((column.spanner, [key]))
    return found


def _three_lines(made: Any) -> Any:
    """Above the heading, below the heading, and at the end; everything flush left above."""
    none = dict.fromkeys(
        (
            "table_border_top_style",
            "table_border_bottom_style",
            "heading_border_bottom_style",
            "table_body_hlines_style",
            "table_body_border_top_style",
            "stub_border_style",
            "source_notes_border_bottom_style",
        ),
        "none",
    )
    lines = {
        f"{part}_{what}": value
        for part in ("column_labels_border_top", "column_labels_border_bottom", "table_body_border_bottom")
        for what, value in (("style", "solid"), ("width", THIN), ("color", LINE))
    }
    return made.tab_options(
        **none, **lines, heading_align="left", heading_title_font_size="100%", heading_subtitle_font_size="100%",
        table_font_size="14px", table_margin_left="0", data_row_padding="3px", source_notes_font_size="92%",
        data_row_padding_horizontal="10px", column_labels_padding_horizontal="10px",
    )  # fmt: skip


def _bare(text: str, name: str) -> str:
    """Without colours of its own, so that it follows the page; its rules hold inside the table only."""
    return (
        text.replace("background-color: #FFFFFF", "background-color: transparent")
        .replace("color: #333333", "color: inherit")
        .replace("#D3D3D3", LINE)
        .replace("overflow-x:auto;overflow-y:auto;", "")  # the page around it scrolls, and can be reached by key
        .replace(f"#{name} thead, tbody, tfoot, tr, td, th {{", f"#{name} :is(thead, tbody, tfoot, tr, td, th) {{")
        .replace("\n tr { background-color", f"\n #{name} tr {{ background-color")
    )
