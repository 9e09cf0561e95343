"""Bootstrap counts: n of n each time, the same by the same seed, in blocks that do not change them."""

from __future__ import annotations

import numpy as np
import pytest

from assets.analysis import resampling
from assets.analysis.resampling import resampling_counts


def test_each_resample_draws_n_of_n() -> None:
    blocks = list(resampling_counts(7, 250, 1))
    counts = np.concatenate(blocks)
    assert [len(block) for block in blocks] == [100, 100, 50] and counts.shape == (250, 7)
    assert (counts.sum(axis=1) == 7).all() and counts.mean() == 1
    # the variance of a binomial count of 7 draws with chance 1/7
    assert counts.var() == pytest.approx(6 / 7, abs=0.1)


def test_blocks_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resampling_counts(9, 60, 5)))
    monkeypatch.setattr(resampling, "LARGEST", 63)
    assert [len(block) for block in resampling_counts(9, 60, 5)][:2] == [7, 7]
    assert np.array_equal(whole, np.concatenate(list(resampling_counts(9, 60, 5))))
    assert not np.array_equal(whole, np.concatenate(list(resampling_counts(9, 60, 6))))
