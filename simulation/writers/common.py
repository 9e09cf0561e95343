"""What every writer needs: answers and dates as text, and forms of one visit joined into one row.

What belongs here: steps shared by two formats or more. What does not: any file format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from simulation.answers import BLANK, HALF, HALF_VALUE, LETTER, MISSING, Answers, Forms
from simulation.drawing import Bools, Ints
from simulation.population import Dates

VISIT_CODE = 100
"""Place value of a patient in the code of a visit: patient × 100 + occasion × 10 + copy."""


def answer_text(items: Answers, names: Sequence[str], missing: str, decimal: str) -> list[pl.Series]:
    """One text column per item: whole numbers, blank (null), the code for 'no answer', half an answer, a letter."""
    half = str(HALF_VALUE).replace(".", decimal)
    columns = pl.DataFrame({name: items[:, place] for place, name in enumerate(names)})
    special = {MISSING: missing, HALF: half, LETTER: "x"}
    texts = []
    for name in names:
        text = pl.lit(None, dtype=pl.String)
        for code, shown in special.items():
            text = pl.when(pl.col(name) == code).then(pl.lit(shown)).otherwise(text)
        texts.append(pl.when(pl.col(name) >= 0).then(pl.col(name).cast(pl.String)).otherwise(text).alias(name))
    return columns.select(texts).get_columns()


def date_text(written: Dates, is_unreadable: Bools, date_format: str, name: str) -> pl.Series:
    """Dates as the unit writes them; the 31st of February where somebody typed that."""
    dates = pl.Series(name, written).cast(pl.Date)
    text = dates.dt.to_string(date_format)
    if is_unreadable.any():
        wrong = dates.dt.to_string(date_format.replace("%d", "31").replace("%m", "02"))
        frame = pl.DataFrame({"text": text, "wrong": wrong, "flag": is_unreadable})
        text = frame.select(pl.when("flag").then("wrong").otherwise("text").alias(name))[name]
    return text


def looked_up(values: pl.Series, patient: Ints, is_nameless: Bools, name: str) -> pl.Series:
    """A patient's value on every row of a form; blank where the row does not say whose it is."""
    frame = pl.DataFrame({"value": values.gather(patient), "hidden": is_nameless})
    return frame.select(pl.when(~pl.col("hidden")).then(pl.col("value")).alias(name))[name]


@dataclass(frozen=True)
class Visits:
    """One row per patient, occasion and copy; `rows[key]`: the form's row there, -1 where it was not filled in."""

    patient: Ints
    occasion: Ints
    is_nameless: Bools
    rows: dict[str, Ints]

    def items(self, forms: Forms, key: str) -> Answers:
        """Answers of one form, blank where it was not filled in."""
        rows = self.rows[key]
        if not forms[key].n:
            return np.full((len(rows), len(forms[key].numbers)), BLANK, dtype=np.int16)
        return np.where((rows >= 0)[:, None], forms[key].items[rows], np.int16(BLANK))

    def dates(self, forms: Forms, key: str) -> tuple[Dates, Bools]:
        """Dates as written (NaT where not filled in), and which cannot be read."""
        rows, form = self.rows[key], forms[key]
        if not form.n:
            return np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]"), np.zeros(len(rows), dtype=np.bool_)
        filled = rows >= 0
        return np.where(filled, form.written[rows], np.datetime64("NaT")), filled & form.is_unreadable[rows]


def visits_of(forms: Forms, always: Ints | None = None) -> Visits:
    """Join forms by patient, occasion and copy; `always`: patients who have a row at baseline in any case."""
    codes = {key: form.patient * VISIT_CODE + form.occasion * 10 + form.copy for key, form in forms.items()}
    first = always * VISIT_CODE if always is not None else np.zeros(0, dtype=np.int64)
    every = np.unique(np.concatenate([first, *codes.values()]))
    is_nameless = np.zeros(len(every), dtype=np.bool_)
    rows = {}
    for key, form in forms.items():
        place = np.searchsorted(every, codes[key])
        rows[key] = np.full(len(every), -1, dtype=np.int64)
        rows[key][place] = np.arange(form.n)
        is_nameless[place] |= form.is_nameless
    return Visits(every // VISIT_CODE, every % VISIT_CODE // 10, is_nameless, rows)
