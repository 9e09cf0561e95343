"""What one site holds and what stands in each of its deliveries, before any file format.

What belongs here: the site's people, its forms, its corrections, and the view that a delivery gives of them.
What does not: how a format writes them (`simulation.writers`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from simulation.answers import Forms
from simulation.drawing import Bools, Ints
from simulation.numbers import national_numbers
from simulation.population import Population

KINDS = ("north", "south", "east", "west")
"""The four units; a network of more repeats them (`north_2`)."""
DELIVERIES = {
    "north": ("2016-12-01", "2017-01-02"),
    "south": ("2014-01-02", "2016-12-01"),
    "east": ("2016-12-01", "2017-01-02"),
    "west": ("2016-12-01", "2017-01-02"),
}
LAG = np.timedelta64(14, "D")
"""A delivery holds what was filled in up to two weeks before it."""

NOTES = (
    "Prefers appointments in the afternoon",
    "Fills in the forms on paper",
    "Also sees a physiotherapist",
    "Wants a copy of the treatment plan",
)
NOTES_NORTH = (
    "Ønsker time på ettermiddagen",
    "Fyller ut skjemaene på papir",
    "Går også til fysioterapeut",
    "Ønsker kopi av behandlingsplanen",
)
NOTE_SHARE = 0.3


@dataclass(frozen=True)
class Correction:
    """An answer that the next delivery gives differently: row and column of a form, and the new answer."""

    instrument: str
    row: int
    column: int
    answer: int


@dataclass
class SiteExport:
    """One site's people (canonical columns, a row each) and forms; `corrections` wait for the second delivery.

    Whoever was admitted later than a delivery knows of is not listed in it.
    """

    site: str
    kind: str
    title: str
    people: pl.DataFrame
    forms: Forms
    corrections: list[Correction] = field(default_factory=list)
    left_out: dict[str, Ints] = field(default_factory=dict)
    """Rows of a form that the last delivery holds no more, although an earlier one did."""

    @property
    def deliveries(self) -> tuple[str, ...]:
        """Names of the deliveries, which are their dates."""
        return DELIVERIES[self.kind]

    @property
    def is_increment(self) -> bool:
        """Whether a later delivery holds only the records that are new or changed."""
        return self.kind == "west"

    def until(self, number: int) -> np.datetime64:
        """Last day that delivery `number` (from 0) knows of."""
        return np.datetime64(self.deliveries[number]) - LAG


@dataclass(frozen=True)
class DeliveryView:
    """What stands in one delivery. `is_listed` tells which of `people` it is about; forms are already of them."""

    site: str
    title: str
    delivery: str
    people: pl.DataFrame
    is_listed: Bools
    forms: Forms

    @property
    def listed_people(self) -> pl.DataFrame:
        """Those that the delivery is about; forms count patients in `people`."""
        return self.people.filter(pl.Series(self.is_listed))


def view(export: SiteExport, number: int) -> DeliveryView:
    """Delivery `number` (from 0): what was known by then, corrected where a later delivery corrects."""
    until = export.until(number)
    forms = dict(export.forms)
    changed = np.zeros(export.people.height, dtype=np.bool_)
    if number:
        for correction in export.corrections:
            form = forms[correction.instrument]
            items = form.items.copy()
            items[correction.row, correction.column] = correction.answer
            forms[correction.instrument] = replace(form, items=items)
            changed[form.patient[correction.row]] = True
        for form in forms.values():
            changed[form.patient[form.date > export.until(number - 1)]] = True
    admitted = export.people["admission"].to_numpy() <= until
    listed = changed & admitted if number and export.is_increment else admitted
    sent = {key: (form.date <= until) & listed[form.patient] for key, form in forms.items()}
    if number == len(export.deliveries) - 1:
        for key, rows in export.left_out.items():
            sent[key][rows] = False
    forms = {key: form.take(sent[key]) for key, form in forms.items()}
    is_over = pl.col("discharge") <= pl.lit(until.astype(object))
    ended = [pl.when(is_over).then(pl.col(name)).alias(name) for name in ("discharge", "termination")]
    people = export.people.with_columns(ended)
    return DeliveryView(export.site, export.title, export.deliveries[number], people, listed, forms)


def people_of(
    population: Population, intake: pl.DataFrame, members: Ints, kind: str, rng: np.random.Generator
) -> pl.DataFrame:
    """The site's patients, a row each, with made-up numbers and names that nobody could bear.

    `intake` has a row for each patient of `population`.
    """
    n = len(members)
    width = max(3, len(str(population.n)))
    reference = {"north": "{:06d}", "south": "{:06d}", "east": "E{:05d}", "west": "W-{:05d}"}[kind]
    first = {"north": 110001, "south": 220001, "east": 1, "west": 1}[kind]
    notes = np.array((*(NOTES_NORTH if kind == "north" else NOTES), ""))
    chosen = np.where(rng.random(n) < NOTE_SHARE, rng.integers(0, len(notes) - 1, n), len(notes) - 1)
    birth = population.birth[members]
    return pl.DataFrame(
        {
            "reference": [reference.format(first + i) for i in range(n)],
            "national": pl.Series(national_numbers(population.birth)).gather(members),
            "name": [f"Testperson {i + 1:0{width}d}" for i in members.tolist()],
            "sex": population.sex[members],
            "birth": birth,
            "admission": population.admission[members],
            "start": population.start[members],
            "discharge": population.discharge[members],
            "therapist": population.therapist[members],
            "termination": population.termination[members],
            "mood": population.is_mood[members],
            "paranoid": population.is_paranoid[members],
            "borderline": population.is_borderline[members],
            "avoidant": population.is_avoidant[members],
            "anxiety": population.is_anxiety[members],
            "note": notes[chosen],
        }
    ).with_columns(pl.col("termination", "note").replace("", None), *intake[members].get_columns())
