"""Counts with an exposure: generalised linear models, estimating equations and mixed models, rates and rate ratios."""
