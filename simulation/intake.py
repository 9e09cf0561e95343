"""What a unit writes down of a patient at the beginning, beside what decides the course: diagnoses, criteria, profiles.

What belongs here: draws that make the sample look like table II of Folmo et al. 2020
(doi:10.1080/10503307.2020.1831097), from a random stream of its own, so that courses and answers stay what they were.
What does not: diagnoses that the alliance or the GAF depends on (`simulation.population`).
Pairs are [good outcome, poor outcome].
"""

from __future__ import annotations

import numpy as np
import polars as pl

from simulation.drawing import Bools, Floats, Ints, by_group, exact, normal
from simulation.population import Population

STREAM = 4
"""Of the seed: what is drawn here leaves every other draw as it is."""

PERSONALITY = {
    "narcissistic": (0.04, 0.03),
    "antisocial": (0.00, 0.05),
    "obsessive_compulsive": (0.08, 0.09),
    "dependent": (0.02, 0.06),
    "pd_nos": (0.15, 0.17),
}
DISORDERS = {
    "ptsd": (0.17, 0.18),
    "ocd": (0.04, 0.07),
    "adhd": (0.01, 0.02),
    "eating": (0.19, 0.22),
    "substance": (0.24, 0.14),
}
BORDERLINE_CRITERIA = ((5.5, 1.9), (5.4, 1.9))
DIAGNOSED_FROM, MOST_CRITERIA = 5, 9
"""Criteria of a borderline personality disorder: diagnosed from five of nine on."""
ALL_CRITERIA = ((14.0, 5.8), (14.5, 5.8))
CRITERIA_PER_DISORDER = 3.0
SYMPTOM_DISORDERS = ((2.4, 1.4), (2.7, 1.5))
SIPP = {
    "sipp_self_control": ((23.0, 12.0), (25.0, 13.0)),
    "sipp_social_concordance": ((32.0, 13.0), (32.0, 15.0)),
    "sipp_identity": ((20.0, 10.0), (22.0, 10.0)),
    "sipp_relation": ((30.0, 10.0), (31.0, 12.0)),
    "sipp_responsibility": ((27.0, 14.0), (29.0, 13.0)),
}
SIPP_COMMON = 0.55
"""Share of a domain's variance that it has in common with the others."""
EQ5D = ((0.46, 0.20), (0.42, 0.18))
LOWEST_EQ5D = -0.59
DIAGNOSES = ("borderline", "avoidant", *PERSONALITY, "anxiety", *DISORDERS)
"""Columns of a patient that say yes or no, beside those that the course depends on."""
COUNTS = ("borderline_criteria", "pd_criteria", "n_pds", "n_symptom_disorders", *SIPP)
"""Columns that hold whole numbers."""
NO_SIPP, NO_EQ5D, NO_WORK_MONTHS = 0.10, 0.07, 0.08
"""Shares of patients of whom it was not written down."""


def draw_intake(population: Population, seed: int) -> pl.DataFrame:
    """A row for each patient of `population`, in order; null where the unit did not write it down."""
    rng = np.random.default_rng([seed, STREAM])
    group = population.is_poor.astype(np.int64)
    n = len(group)
    columns: dict[str, Bools | Floats | Ints] = {
        name: by_group(rng, group, shares) for name, shares in (PERSONALITY | DISORDERS).items()
    }
    others = _number(*(columns[name] for name in PERSONALITY), population.is_paranoid, population.is_avoidant)
    columns["n_pds"] = others + population.is_borderline
    borderline = _borderline_criteria(rng, group, population.is_borderline)
    columns["borderline_criteria"] = borderline
    columns["pd_criteria"] = borderline + _other_criteria(rng, group, others)
    named = _number(*(columns[name] for name in DISORDERS), population.is_mood, population.is_anxiety)
    columns["n_symptom_disorders"] = named + _more_disorders(rng, group, named)
    common = _normal(rng, group)
    for name, moments in SIPP.items():
        mean, sd = np.array(moments)[group].T
        own = np.sqrt(SIPP_COMMON) * common + np.sqrt(1 - SIPP_COMMON) * _normal(rng, group)
        columns[name] = np.maximum(np.rint(mean + sd * own), 0.0)
    mean, sd = np.array(EQ5D)[group].T
    columns["eq5d_index"] = np.clip(np.round(mean + sd * _normal(rng, group), 2), LOWEST_EQ5D, 1.0)
    columns["work_months"] = population.work_months
    lacking = {"eq5d_index": exact(rng, n, NO_EQ5D), "work_months": exact(rng, n, NO_WORK_MONTHS)}
    lacking |= dict.fromkeys(SIPP, exact(rng, n, NO_SIPP))
    frame = pl.DataFrame(columns).with_columns(pl.col(*SIPP).cast(pl.Int64))
    return frame.with_columns(
        pl.when(~pl.lit(pl.Series(missing))).then(pl.col(name)).alias(name) for name, missing in lacking.items()
    )


def _number(*diagnoses: Bools | Floats | Ints) -> Ints:
    """How many of them each patient has."""
    number: Ints = np.sum(np.column_stack(diagnoses), axis=1).astype(np.int64)
    return number


def _normal(rng: np.random.Generator, group: Ints) -> Floats:
    """Standard normal, evenly spread within each group."""
    drawn = np.empty(len(group))
    for number in (0, 1):
        members = np.flatnonzero(group == number)
        drawn[members] = normal(rng, len(members))
    return drawn


def _borderline_criteria(rng: np.random.Generator, group: Ints, is_diagnosed: Bools) -> Ints:
    """From five on for those who have the diagnosis, below for those who have not: the largest draws are theirs."""
    mean, sd = np.array(BORDERLINE_CRITERIA)[group].T
    drawn = np.rint(mean + sd * _normal(rng, group))
    criteria = np.empty(len(group))
    for number in (0, 1):
        members = np.flatnonzero(group == number)
        ranked = np.sort(drawn[members])
        order = members[np.lexsort((rng.random(len(members)), is_diagnosed[members]))]
        criteria[order] = ranked
    low, high = criteria.clip(0, DIAGNOSED_FROM - 1), criteria.clip(DIAGNOSED_FROM, MOST_CRITERIA)
    whole: Ints = np.where(is_diagnosed, high, low).astype(np.int64)
    return whole


def _other_criteria(rng: np.random.Generator, group: Ints, others: Ints) -> Ints:
    """Criteria of the other personality disorders: more of them, more criteria."""
    all_mean, all_sd = np.array(ALL_CRITERIA)[group].T
    own_mean, own_sd = np.array(BORDERLINE_CRITERIA)[group].T
    explained = CRITERIA_PER_DISORDER * (others - others.mean())
    rest = np.sqrt(np.maximum(all_sd**2 - own_sd**2 - explained.var(), 1.0))
    drawn = all_mean - own_mean + explained + rest * _normal(rng, group)
    whole: Ints = np.maximum(np.rint(drawn), others).astype(np.int64)
    return whole


def _more_disorders(rng: np.random.Generator, group: Ints, named: Ints) -> Ints:
    """Disorders that have no column, so that the number comes to the printed one; negative binomial."""
    more = np.empty(len(group), dtype=np.int64)
    for number, (mean, sd) in enumerate(SYMPTOM_DISORDERS):
        members = np.flatnonzero(group == number)
        if not len(members):
            continue
        left = max(mean - float(named[members].mean()), 0.05)
        spread = max(sd**2 - float(named[members].var()), left * 1.05)
        more[members] = rng.negative_binomial(left**2 / (spread - left), left / spread, len(members))
    return more
