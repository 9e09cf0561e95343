"""What stands in each column of a sample: how full it is, numbers and their range, dates and their form, few codes.

What belongs here: facts about columns. What does not: what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from assets.ingestion.readers.protocol import SOURCE_ROW, SourceFrame

MOST_CODES = 30
NO_ANSWER = ("NA", "N/A", "#NULL!", "#N/A", ".", "NULL", "-", "NaN")
"""Texts that stand for 'no answer' in columns of numbers or dates, as R, SPSS, Excel and databases write them."""
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y%m%d", "%d.%m.%y", "%Y-%m-%d %H:%M:%S")
"""Tried in this order; the first that fits every filled cell is proposed."""
COMPACT_DATE = 8
SHARE = 0.95
"""A column is numeric or a date where this share of its filled cells is."""


@dataclass(frozen=True)
class Column:
    """One column of a sample. `codes`: text → count, only where there are few."""

    name: str
    n_rows: int
    n_filled: int
    n_unique: int
    minimum: float | None = None
    maximum: float | None = None
    is_whole: bool = False
    date_format: str | None = None
    other_date_format: str | None = None
    """Another form that fits every filled cell and gives other days."""
    codes: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Code → label, where the file or its dictionary says so."""

    @property
    def is_numeric(self) -> bool:
        """True where nearly every filled cell is a number."""
        return self.minimum is not None

    @property
    def is_repeated(self) -> bool:
        """True where values come back from row to row."""
        return self.n_unique < self.n_filled


def profile(source: SourceFrame, decimal: str) -> list[Column]:
    """A profile of every column, in the order of the file."""
    return [_column(source.frame[name], decimal, source) for name in source.frame.columns if name != SOURCE_ROW]


def _column(values: pl.Series, decimal: str, source: SourceFrame) -> Column:
    filled = values.drop_nulls()
    known_missing = set(source.user_missing.get(values.name, {}))
    answers = filled.filter(~filled.is_in([*known_missing, *NO_ANSWER]))
    numbers = answers.str.replace(decimal, ".", literal=True).cast(pl.Float64, strict=False).drop_nulls()
    is_numeric = bool(len(answers)) and len(numbers) >= SHARE * len(answers)
    counts: dict[str, int] = {}
    n_unique = filled.n_unique()
    if n_unique <= MOST_CODES:
        table = filled.value_counts(sort=True).sort(["count", values.name], descending=[True, False])
        counts = {str(text): int(count) for text, count in table.iter_rows()}
    forms = [] if is_numeric and len(str(answers[0])) != COMPACT_DATE else _date_formats(answers)
    return Column(
        name=values.name,
        n_rows=len(values),
        n_filled=len(filled),
        n_unique=n_unique,
        minimum=float(str(numbers.min())) if is_numeric else None,
        maximum=float(str(numbers.max())) if is_numeric else None,
        is_whole=is_numeric and bool((numbers % 1 == 0).all()),
        date_format=forms[0] if forms else None,
        other_date_format=forms[1] if len(forms) > 1 else None,
        codes=counts,
        labels=source.labels.get(values.name, {}),
    )


def _date_formats(filled: pl.Series) -> list[str]:
    """Forms that fit, the first to propose first; a second only where it gives other days."""
    fitting: list[tuple[str, pl.Series]] = []
    for form in DATE_FORMATS if len(filled) else ():
        parsed = filled.str.strptime(pl.Date, form, strict=False)
        years = parsed.drop_nulls().dt.year()
        if len(years) >= SHARE * len(filled) and bool(((years > 1880) & (years < 2100)).all()):
            fitting.append((form, parsed))
    return [form for form, parsed in fitting if parsed is fitting[0][1] or not parsed.equals(fitting[0][1])]
