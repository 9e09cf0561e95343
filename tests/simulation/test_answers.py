"""Answers add up to what they should, stay in range, and leave out about as much as people do."""

from __future__ import annotations

import numpy as np

from codebook.library import load_instruments
from simulation.answers import BLANK, MISSING, fill_in, mean_where_complete, spread
from simulation.population import draw_population


def test_spread_adds_up_and_stays_in_range() -> None:
    rng = np.random.default_rng(3)
    totals = np.arange(12, 85)
    answers = spread(rng, totals, 12, 1, 7)
    assert (answers.sum(axis=1) == totals).all()
    assert answers.min() == 1
    assert answers.max() == 7
    assert answers[30].std() > 0.5


def test_spread_clips_totals_that_cannot_be() -> None:
    answers = spread(np.random.default_rng(3), np.array([-5, 400]), 5, 0, 8)
    assert answers.sum(axis=1).tolist() == [0, 40]


def test_forms_hold_valid_answers_and_a_few_blanks() -> None:
    instruments = load_instruments()
    population = draw_population(400, 4, seed=5)
    members = np.flatnonzero(population.site == 2)
    until = np.datetime64("2016-11-17")
    forms = fill_in(population, members, until, instruments, "gaf_global", np.random.default_rng(1))
    for key, form in forms.items():
        version = instruments[key].version(form.version)
        answered = form.items >= 0
        assert form.date.max() <= until
        assert set(np.unique(form.items[~answered])) <= {BLANK, MISSING}
        assert (form.items[answered] >= version.minimum).all()
        assert (form.items[answered] <= version.maximum).all()
        assert 0 < (~answered).mean() < 0.03 or key == "gaf"
        assert form.items.shape[1] == len(form.numbers)


def test_a_unit_turns_reversed_items_round_and_gives_no_mean_of_gaps() -> None:
    instruments = load_instruments()
    population = draw_population(400, 4, seed=5)
    until = np.datetime64("2016-11-17")
    form = fill_in(population, np.arange(400), until, instruments, "gaf_split", np.random.default_rng(1))["wai_s"]
    means = mean_where_complete(form, instruments["wai_s"])
    gaps = (form.items < 0).any(axis=1)
    assert gaps.any()
    assert np.isnan(means[gaps]).all()
    row = int(np.flatnonzero(~gaps)[0])
    answers = form.items[row].tolist()
    by_hand = sum(8 - a if number in (4, 10) else a for number, a in enumerate(answers, start=1)) / 12
    assert means[row] == by_hand
