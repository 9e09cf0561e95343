"""Filled-in forms: answers to items whose scores land where the patient's course says.

What belongs here: from latent scores to whole answers within the range of the instrument, with some left out. Items,
ranges and reversals come from the codebook. What does not: mistakes (`simulation.defects`), file formats (writers).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codebook.instrument import Instrument
from simulation.drawing import Bools, Floats, Ints
from simulation.population import OCCASIONS, SCALES, WAI_SR_FROM, Dates, Population

BLANK, MISSING, HALF, LETTER = -1, -2, -3, -4
"""Answers that are none: left blank, the site's code for 'no answer', half an answer (4.5), a letter."""
HALF_VALUE = 4.5
BLANK_SHARE, MISSING_SHARE = 0.007, 0.003
SUBSTANTIAL_GAP_SHARE = 0.10
"""Share of split GAF ratings whose symptom and function parts lie far apart; then function is mostly the lower."""

Answers = NDArray[np.int16]
VERSIONS = {"wai_s": "wai_s_7", "wai_sr": "wai_sr_7", "wsas": "wsas", "bsi_18": "bsi_18"}


@dataclass(frozen=True)
class Form:
    """Every filled-in form of one instrument at one site, a row each; `items` is n × number of items.

    `patient` counts within the site. `date` is when it was filled in, `written` what the unit wrote down. `copy` is 1
    for a row that was entered a second time, `is_mistyped` says that its national number was typed wrong.
    """

    instrument: str
    version: str
    numbers: tuple[int, ...]
    patient: Ints
    occasion: Ints
    date: Dates
    items: Answers
    written: Dates
    is_unreadable: Bools
    is_nameless: Bools
    is_mistyped: Bools
    copy: Ints

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.patient)

    def take(self, rows: Ints | Bools) -> Self:
        """These rows only."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ROW_FIELDS})

    def plus(self, other: Form) -> Self:
        """With the rows of `other` behind."""
        joined = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ROW_FIELDS}
        return replace(self, **joined)  # type: ignore[arg-type]  # only fields of one value per row


_ROW_FIELDS = tuple(field.name for field in fields(Form) if field.name not in {"instrument", "version", "numbers"})
Forms = dict[str, Form]


def fill_in(
    population: Population,
    members: Ints,
    until: np.datetime64,
    instruments: dict[str, Instrument],
    gaf_version: str,
    rng: np.random.Generator,
) -> Forms:
    """Forms of one site's patients up to a day, by instrument.

    Args:
        population: everybody.
        members: which of them are the site's.
        until: last day on which a form can have been filled in.
        instruments: the codebook's, by key.
        gaf_version: `gaf_split` or `gaf_global`.
        rng: the site's own.
    """
    dates = population.dates[members]
    seen = dates <= until
    sr = dates >= WAI_SR_FROM
    wai, gaf = population.has_wai[members] & seen, population.has_gaf[members] & seen
    forms: Forms = {}
    for key, mask in (("wai_s", wai & ~sr), ("wai_sr", wai & sr)):
        patient, occasion = np.nonzero(mask)
        target = population.wai[members][patient, occasion]
        forms[key] = _form(
            instruments[key], VERSIONS[key], patient, occasion, dates, _wai(rng, instruments[key], target)
        )
    patient, occasion = np.nonzero(gaf)
    ratings = _gaf(rng, population.gaf[members][patient, occasion], gaf_version)
    ratings[(rng.random(len(patient)) < MISSING_SHARE) & (occasion < len(OCCASIONS) - 1)] = MISSING
    forms["gaf"] = _form(instruments["gaf"], gaf_version, patient, occasion, dates, ratings)
    for key, latent, has in (
        ("wsas", population.wsas, population.has_wsas),
        ("bsi_18", population.bsi * instruments["bsi_18"].n_items, population.has_bsi),
    ):
        patient, occasion = np.nonzero(has[members] & seen)
        totals = np.rint(latent[members][patient, occasion]).astype(np.int64)
        version = instruments[key].version(VERSIONS[key])
        answers = spread(rng, totals, instruments[key].n_items, version.minimum, version.maximum)
        forms[key] = _form(instruments[key], VERSIONS[key], patient, occasion, dates, answers)
    for key in ("wai_s", "wai_sr", "wsas", "bsi_18"):
        _leave_out(rng, forms[key].items)
    return forms


def spread(rng: np.random.Generator, totals: Ints, n_items: int, low: int, high: int) -> Answers:
    """Answers between `low` and `high` (n × n_items) that add up to `totals`, which are clipped to what can be."""
    totals = np.clip(totals, low * n_items, high * n_items)
    each, rest = np.divmod(totals - low * n_items, n_items)
    order = np.argsort(rng.random((len(totals), n_items), dtype=np.float32), axis=1)
    answers = (low + each[:, None] + (order < rest[:, None])).astype(np.int16)
    rows = np.arange(len(totals))
    for _ in range(n_items * 3 // 4):
        up, down = rng.integers(0, n_items, (2, len(totals)))
        fits = (up != down) & (answers[rows, up] < high) & (answers[rows, down] > low) & (rng.random(len(rows)) < 0.7)
        answers[rows[fits], up[fits]] += 1
        answers[rows[fits], down[fits]] -= 1
    return answers


def mean_where_complete(form: Form, instrument: Instrument) -> Floats:
    """Mean of all items with reversed ones turned round, as a unit would compute it; NaN unless all are valid."""
    version = instrument.version(form.version)
    answers = form.items.astype(np.float64)
    valid = ((form.items >= version.minimum) & (form.items <= version.maximum)).all(axis=1)
    turned = [number in instrument.reversed_items for number in form.numbers]
    answers[:, turned] = version.minimum + version.maximum - answers[:, turned]
    return np.where(valid, answers.mean(axis=1), np.nan)


def _form(instrument: Instrument, version: str, patient: Ints, occasion: Ints, dates: Dates, items: Answers) -> Form:
    n = len(patient)
    date = dates[patient, occasion]
    return Form(
        instrument=instrument.key,
        version=version,
        numbers=instrument.version(version).items or tuple(range(1, instrument.n_items + 1)),
        patient=patient,
        occasion=occasion,
        date=date,
        items=items,
        written=date.copy(),
        is_unreadable=np.zeros(n, dtype=np.bool_),
        is_nameless=np.zeros(n, dtype=np.bool_),
        is_mistyped=np.zeros(n, dtype=np.bool_),
        copy=np.zeros(n, dtype=np.int64),
    )


def _wai(rng: np.random.Generator, instrument: Instrument, target: Floats) -> Answers:
    """Twelve answers from three scale means; `target` is n × 3 in the order of SCALES."""
    version = instrument.version(VERSIONS[instrument.key])
    answers = np.zeros((len(target), instrument.n_items), dtype=np.int16)
    keys = {scale.key: scale.items for scale in instrument.scales_of(version.key)}
    for column, scale in enumerate(SCALES):
        items = np.array(keys[scale])
        totals = np.rint(target[:, column] * len(items)).astype(np.int64)
        answers[:, items - 1] = spread(rng, totals, len(items), version.minimum, version.maximum)
    reversed_items = np.array(instrument.reversed_items, dtype=np.int64)
    answers[:, reversed_items - 1] = version.minimum + version.maximum - answers[:, reversed_items - 1]
    return answers


def _gaf(rng: np.random.Generator, rating: Floats, version: str) -> Answers:
    """One global rating, or symptom and function whose lower one is the global."""
    if version == "gaf_global":
        return rating[:, None].astype(np.int16)
    n = len(rating)
    far = rng.random(n) < SUBSTANTIAL_GAP_SHARE
    gap = np.where(far, rng.integers(8, 15, n), rng.integers(0, 5, n))
    function_lower = rng.random(n) < np.where(far, 0.8, 0.5)
    higher = np.minimum(rating + gap, 100)
    split = np.column_stack([np.where(function_lower, higher, rating), np.where(function_lower, rating, higher)])
    return split.astype(np.int16)


def _leave_out(rng: np.random.Generator, items: Answers) -> None:
    draw = rng.random(items.shape, dtype=np.float32)
    items[draw < BLANK_SHARE] = BLANK
    items[draw > 1 - MISSING_SHARE] = MISSING
