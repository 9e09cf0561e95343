"""Draws whose sample, not only the law behind it, looks like what was asked for.

What belongs here: shares and normal values of few people. What does not: what they stand for.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EVEN_UP_TO = 5000
"""Patients up to which the sample itself, not only the law it is drawn from, looks like the published one."""


def even(rng: np.random.Generator, n: int) -> Floats:
    """Uniform on 0–1, one from each of n equal parts, shuffled: a small sample is as flat as a large one."""
    return (rng.permutation(n) + rng.random(n)) / n


def normal(rng: np.random.Generator, n: int) -> Floats:
    """Standard normal; evenly spread where the sample is too small for chance to even it out."""
    if n > EVEN_UP_TO:
        return rng.standard_normal(n)
    return np.array([NormalDist().inv_cdf(p) for p in even(rng, n)])


def exact(rng: np.random.Generator, n: int, share: float) -> Bools:
    """True for `share` of n, in random places: the count itself does not vary by chance."""
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[rng.permutation(n)[: round(share * n)]] = True
    return chosen


def by_group(rng: np.random.Generator, group: Ints, shares: tuple[float, float]) -> Bools:
    """True for a share of each group, 0 and 1."""
    chosen = np.zeros(len(group), dtype=np.bool_)
    for number, share in enumerate(shares):
        members = np.flatnonzero(group == number)
        chosen[members] = exact(rng, len(members), share)
    return chosen
