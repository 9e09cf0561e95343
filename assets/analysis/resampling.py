"""Bootstrap counts, a few resamples at a time, so that memory does not grow with their number.

What belongs here: how often each unit is drawn. What does not: any statistic of a resample.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LARGEST = 4_000_000
"""Counts that are held at once."""


def resampling_counts(n: int, n_resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each of n units is drawn when n are drawn with replacement: blocks of resamples × n.

    The same seed gives the same counts.
    """
    rng = np.random.default_rng(seed)
    block = max(1, min(100, LARGEST // max(n, 1)))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
