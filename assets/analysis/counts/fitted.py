"""What a count model says of itself, whatever estimated it.

What belongs here: the fields that tables are made of. What does not: estimation.
"""

from __future__ import annotations

from dataclasses import dataclass

from assets.analysis.counts.data import Floats


@dataclass(frozen=True)
class CountFit:
    """Coefficients are logarithms of rate ratios (the intercept: of a rate); null is what the model does not have."""

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    method: str
    is_converged: bool
    log_likelihood: float | None = None
    """Full, with log y!."""
    n_parameters: int | None = None
    theta: float | None = None
    """Size of the negative binomial, variance mu + mu²/theta; null for Poisson, and where no finite value is best."""
    se_log_theta: float | None = None
    sd_intercept: float | None = None
    """SD of patients' log rates."""
    is_singular: bool | None = None
    scale: float | None = None
    """Estimating equations: mean squared Pearson residual."""
    correlation: float | None = None
    """Estimating equations: working correlation of two rows of a patient (ar1: at lag 1)."""

    @property
    def aic(self) -> float | None:
        """−2 log-likelihood + 2 parameters."""
        if self.log_likelihood is None or self.n_parameters is None:
            return None
        return -2 * self.log_likelihood + 2 * self.n_parameters
