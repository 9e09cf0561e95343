"""Words for what stands behind a model: its variance components.

What belongs here: names of components. What does not: their tables (`fits`, `layouts`).
"""

from __future__ import annotations

COMPONENTS = {
    "var_intercept": "Variance of levels",
    "var_slope": "Variance of slopes",
    "cov_intercept_slope": "Covariance of level and slope",
    "cor_intercept_slope": "Correlation of level and slope",
    "var_residual": "Residual variance",
    "explained_intercept_pct": "Variance of levels explained, %",
    "explained_slope_pct": "Variance of slopes explained, %",
    "sd_intercept": "SD of levels",
    "sd_slope": "SD of slopes",
    "sd_residual": "Residual SD",
}
"""Component → words, in the order in which they are printed."""
ORDER = list(COMPONENTS)


def component_words(name: str) -> str:
    """`Therapist: variance of levels` for `therapist.var_intercept`; what is not known keeps its name."""
    level, dot, own = name.rpartition(".")
    words = COMPONENTS.get(own, own.replace("_", " "))
    if not dot:
        return words
    if level in ("icc", "share"):
        what = "Intraclass correlation" if level == "icc" else "Share of the variance"
        return f"{what}: {own.replace('_', ' ')}"
    return f"{level.replace('_', ' ').capitalize()}: {words[:1].lower()}{words[1:]}"


def component_order(name: str) -> int:
    """Where it is printed: known ones first."""
    return ORDER.index(name) if name in ORDER else len(ORDER)
