"""Reading a page back: its tables as text, cell by cell, with what the cells' rows are about."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Table:
    """A table's id and attributes, its head and its rows; a row keeps its attributes."""

    attributes: dict[str, str]
    head: list[str] = field(default_factory=list)
    rows: list[tuple[dict[str, str], list[str]]] = field(default_factory=list)

    def cells(self, **wanted: str) -> list[str]:
        """The one row whose attributes are as wanted (`data_unit="north"`)."""
        keys = {name.replace("_", "-"): value for name, value in wanted.items()}
        found = [row for own, row in self.rows if all(own.get(key) == value for key, value in keys.items())]
        assert len(found) == 1, (wanted, len(found))
        return found[0]


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Table] = []
        self._section = ""
        self._cell: list[str] | None = None
        self._is_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {key: value or "" for key, value in attrs}
        if tag == "table":
            self.found.append(Table(own))
        elif tag in ("thead", "tbody"):
            self._is_head = tag == "thead"
        elif tag == "tr" and not self._is_head:
            self.found[-1].rows.append((own, []))
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            text = plain("".join(self._cell))
            if self._is_head:
                self.found[-1].head.append(text)
            else:
                self.found[-1].rows[-1][1].append(text)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def plain(text: str) -> str:
    """Single blanks of the ordinary kind."""
    return " ".join(text.replace("\u202f", " ").replace("\xa0", " ").split())


def tables(path: Path) -> list[Table]:
    """Every table of a page, in order."""
    reader = _Tables()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.found


def table(path: Path, **wanted: str) -> Table:
    """The one table with these attributes (`id="units-table"`, `data_map="0"`)."""
    keys = {name.replace("_", "-"): value for name, value in wanted.items()}
    found = [one for one in tables(path) if all(one.attributes.get(key) == value for key, value in keys.items())]
    assert len(found) == 1, wanted
    return found[0]


def table_with(path: Path, heading: str) -> Table:
    """The first table that has this column."""
    return next(one for one in tables(path) if heading in one.head)


def counts(path: Path) -> dict[str, object]:
    """What the page carries for its script."""
    found = re.search(r'<script type="application/json" id="counts">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found is not None
    loaded: dict[str, object] = json.loads(found.group(1))
    return loaded
