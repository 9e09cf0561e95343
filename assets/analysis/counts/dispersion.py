"""Whether counts vary more than Poisson: the dispersion of a regression, a score test, and the likelihood ratio.

What belongs here: tests of overdispersion. What does not: the models compared (`marginal`, `mixed`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assets.analysis.counts.data import CountData
from assets.analysis.counts.fitted import CountFit


@dataclass(frozen=True)
class Dispersion:
    """Of a Poisson regression: 1 is what Poisson expects of `ratio`."""

    ratio: float
    """Pearson's chi² / (rows − coefficients)."""
    chi_square: float
    df: int
    p_value: float
    """Upper tail; rows taken as independent, so too small where patients have several rows."""
    score: float
    """Dean's P'_B, standard normal under Poisson, large for variance mu + mu²/theta."""
    score_p: float
    """Upper tail."""


def dispersion(data: CountData, poisson: CountFit) -> Dispersion:
    """Pearson's chi² and Dean's adjusted score test (Dean 1992, J. Am. Stat. Assoc. 87, 451–457, P'_B)."""
    from scipy.stats import chi2, norm

    mean = np.exp(data.offset + data.x @ poisson.coefficients)
    square = float(np.sum((data.y - mean) ** 2 / mean))
    df = len(data.y) - data.x.shape[1]
    leverage = mean * np.einsum("ij,jk,ik->i", data.x, poisson.covariance, data.x)
    score = float(np.sum((data.y - mean) ** 2 - data.y + leverage * mean) / math.sqrt(2 * float(np.sum(mean**2))))
    return Dispersion(square / df, square, df, float(chi2.sf(square, df)), score, float(norm.sf(score)))


def likelihood_ratio(wider: CountFit, poisson: CountFit) -> tuple[float, float, float]:
    """2 Δ log-likelihood, its p by chi² with 1 df, and half of it: 1/theta = 0 lies on the boundary.

    Half a point mass at 0 and half chi² with 1 df (Self and Liang 1987, case 5; Lawless 1987).
    """
    from scipy.stats import chi2

    assert wider.log_likelihood is not None and poisson.log_likelihood is not None
    statistic = max(2 * (wider.log_likelihood - poisson.log_likelihood), 0.0)
    naive = float(chi2.sf(statistic, 1))
    return statistic, naive, naive / 2 if statistic > 0 else 1.0
