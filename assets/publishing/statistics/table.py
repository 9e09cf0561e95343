"""A table as a journal prints it, before it becomes a page, a file of HTML, CSV or a Word document.

What belongs here: the parts of a printed table, and its numbers put into cells. What does not: which result stands in
which cell (`layouts`, `model_table`, `group_table`), or how any format writes it (`html_file`, `word`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import polars as pl

from assets.publishing.formatting import NOT_APPLICABLE, count, decimals_for, number, p_value, stars

SUPPRESSED = "suppressed"
STARS_NOTE = "* p\u00a0<\u00a0.05. ** p\u00a0<\u00a0.01. *** p\u00a0<\u00a0.001."


@dataclass(frozen=True)
class Reading:
    """“Read this as …”, sentence by sentence, and the doubt beneath."""

    sentences: tuple[str, ...] = ()
    doubt: str = ""


@dataclass(frozen=True)
class Cell:
    """What a cell prints; `stars` hang outside the column of numbers, `title` is what pointing at it adds.

    `link` leads to the model behind the number, on the page of its analysis.
    """

    text: str = ""
    title: str = ""
    stars: str = ""
    is_muted: bool = False
    link: str = ""

    @property
    def printed(self) -> str:
        """Text with its stars, where both stand in one string."""
        return f"{self.text}{self.stars}"


@dataclass(frozen=True)
class Column:
    """A column's heading, and the heading it shares with its neighbours."""

    heading: str
    spanner: str = ""
    is_number: bool = True


@dataclass(frozen=True)
class Row:
    """A label and its cells; without cells it is a heading over the rows that follow."""

    label: str
    cells: tuple[Cell, ...] = ()
    is_indented: bool = False

    @property
    def is_heading(self) -> bool:
        """Whether it stands over other rows."""
        return not self.cells


@dataclass(frozen=True)
class Heading:
    """A cell of the table's head."""

    text: str
    n_columns: int = 1
    n_rows: int = 1
    is_number: bool = True
    is_starred: bool = False
    """Stars hang to the right of the column's numbers, so its heading leaves their room."""


@dataclass(frozen=True, eq=False)
class PaperTable:
    """One table with everything that stands above and below it.

    `key` names its files and its place on the page; `data` holds the same rows unrounded, with what may not be shown
    taken out; `problem` says why there is no row.
    """

    key: str
    title: str
    stub: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    data: pl.DataFrame
    reading: Reading
    problem: str = ""
    folded_after: int | None = field(default=None)
    """Rows beyond this stand behind a fold on the page (files hold all of them)."""

    @property
    def head(self) -> tuple[tuple[Heading, ...], ...]:
        """One row of headings, or two where columns share one."""
        starred = self.starred
        placed = [(column, place in starred) for place, column in enumerate(self.columns)]
        if not any(column.spanner for column in self.columns):
            return ((Heading(self.stub, is_number=False), *(_single(*entry) for entry in placed)),)
        top, below = [Heading(self.stub, n_rows=2, is_number=False)], []
        for spanner, run in groupby(placed, key=lambda entry: entry[0].spanner):
            own = list(run)
            if spanner:
                top.append(Heading(spanner, n_columns=len(own)))
                below += [_single(*entry) for entry in own]
            else:
                top += [_single(*entry, n_rows=2) for entry in own]
        return tuple(top), tuple(below)

    @cached_property
    def starred(self) -> frozenset[int]:
        """Places of the columns in which any cell carries stars."""
        return frozenset(place for row in self.rows for place, cell in enumerate(row.cells) if cell.stars)

    @property
    def has_stars(self) -> bool:
        """Whether any cell carries stars, so that a note has to say what they mean."""
        return bool(self.starred)


def _single(column: Column, is_starred: bool, n_rows: int = 1) -> Heading:
    return Heading(column.heading, n_rows=n_rows, is_number=column.is_number, is_starred=is_starred)


def anchor(analysis: str, outcome: str, model: str) -> str:
    """The place on the page of what is behind a number: `fit-<analysis>-<outcome>-<model>`."""
    return f"fit-{analysis}-{outcome}-{model}"


BLANK = Cell()
ABSENT = Cell(NOT_APPLICABLE, is_muted=True)
HIDDEN = Cell(SUPPRESSED, is_muted=True)


def number_cell(value: float | None, decimals: int, *, stars_of: float | None = None, link: str = "") -> Cell:
    """A number, with the stars of a p value where one is given; n/a where there is none."""
    if value is None:
        return ABSENT
    return Cell(number(value, decimals), stars=stars(stars_of), link=link)


def estimate_cell(value: float | None, error: float | None, decimals: int, p: float | None = None) -> Cell:
    """`0.42 (0.10)`, an estimate with its standard error."""
    if value is None:
        return ABSENT
    tail = "" if error is None else f" ({number(error, decimals)})"
    return Cell(f"{number(value, decimals)}{tail}", "" if p is None else p_value(p), stars(p))


def interval_cell(low: float | None, high: float | None, decimals: int) -> Cell:
    """`[0.21, 0.63]`, a 95 % interval as APA prints it."""
    if low is None or high is None:
        return ABSENT
    return Cell(f"[{number(low, decimals)}, {number(high, decimals)}]")


def mean_cell(mean: float | None, sd: float | None, decimals: int) -> Cell:
    """`48.1 (5.5)`, a mean with its standard deviation."""
    return estimate_cell(mean, sd, decimals)


def p_cell(p: float | None) -> Cell:
    """`.03` or `< .001`, without the letter that the heading has."""
    if p is None:
        return ABSENT
    return Cell(p_value(p).removeprefix("p ").removeprefix("= "))


def count_cell(n: int | None) -> Cell:
    """A count, n/a where there is none."""
    return ABSENT if n is None else Cell(count(int(n)))


def statistic_cell(statistic: float | None, df: float | None) -> Cell:
    """`2.31 (58)`: a test statistic and its degrees of freedom, where it has any."""
    if statistic is None:
        return ABSENT
    if df is None:
        return Cell(number(statistic, 2))
    return Cell(f"{number(statistic, 2)} ({number(df, 0 if float(df).is_integer() else 1)})")


def decimals_of(values: Sequence[float | None], most: int = 2) -> int:
    """Decimals for means or spreads: two for numbers below ten, one for larger ones."""
    known = sorted(abs(value) for value in values if value is not None)
    if not known:
        return 1
    return min(most, 2 if known[len(known) // 2] < 10 else 1)


def decimals_by_error(errors: Sequence[float | None], most: int = 4) -> int:
    """Decimals as the standard errors allow, at least two."""
    return max(2, decimals_for(errors, most=most))


def plain_value(value: object) -> str:
    """Any value of a results table as text, for tables without a layout of their own."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return number(value, 0 if value.is_integer() else decimals_for([abs(value) / 20], most=6))
    return str(value)
