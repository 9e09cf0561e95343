"""The page about tables is generated: a stale one fails."""

from __future__ import annotations

from assets.warehouse.table_docs import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m assets.warehouse.table_docs"


def test_every_table_says_its_grain() -> None:
    assert "Grain: ." not in page()
