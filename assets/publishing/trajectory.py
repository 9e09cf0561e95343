"""Observed means by group and occasion, and the lines of the model: the numbers behind a trajectory figure.

What belongs here: grouping the panel, intervals, suppression, the model's lines. What does not: how it is drawn
(`figures`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import INTERCEPT, Fitted
from codebook.analysis import Analysis, Figure
from codebook.library import Library

BIN_MONTHS = 6.0
"""Width of a time bin where no schedule names the occasions."""

OBSERVED_SCHEMA = pl.Schema(
    {
        "outcome": pl.String(),
        "outcome_label": pl.String(),
        "group": pl.Int64(),
        "group_label": pl.String(),
        "months": pl.Float64(),
        "n_patients": pl.Int64(),
        "mean": pl.Float64(),
        "ci_low": pl.Float64(),
        "ci_high": pl.Float64(),
        "is_suppressed": pl.Boolean(),
    }
)
LINE_SCHEMA = pl.Schema(
    {"outcome": pl.String(), "group_label": pl.String()}
    | {name: pl.Float64() for name in ("months", "y", "band_low", "band_high")}
)
LINE_POINTS = 25
"""Points of a line: its band is curved."""
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Trajectory:
    """What a figure shows; `observed` and `lines` are empty, and `problem` says why, where it may not be drawn."""

    analysis: Analysis
    figure: Figure
    observed: pl.DataFrame
    lines: pl.DataFrame
    group_sizes: Mapping[int, int]
    is_one_scale: bool
    """All outcomes are scored alike, so the panels share one axis."""
    problem: str | None

    @property
    def has_band(self) -> bool:
        """Whether the lines carry a 95 % band."""
        return not self.lines.is_empty() and self.lines["band_low"].null_count() == 0

    @property
    def n_suppressed(self) -> int:
        """Group means held back."""
        return int(self.observed["is_suppressed"].sum())

    @property
    def shown(self) -> pl.DataFrame:
        """Rows that may be drawn."""
        return self.observed.filter(~pl.col("is_suppressed"))


def trajectory(
    analysis: Analysis, library: Library, panel: pl.DataFrame, fitted: list[Fitted], rule: Disclosure
) -> Trajectory | None:
    """Means with 95 % intervals per group and occasion, and model lines; None where no figure is declared.

    A patient with two assessments at one occasion counts once, with the mean of both; the interval is
    mean ± t(n-1, .975) · sd / √n over patients. Lines are fixed effects: intercept + group + (slope + group × months),
    with a pointwise band of ± 1.96 standard errors where the covariance of the fixed effects is known.
    """
    figure = analysis.figure
    if figure is None:
        return None
    scales = {measure.instruments for name, measure in analysis.panel.measures.items() if name in analysis.outcomes}
    groups = panel.drop_nulls(figure.group).group_by(figure.group).agg(pl.col("patient_id").n_unique().alias("n"))
    sizes = {int(group): int(n) for group, n in groups.sort(figure.group).iter_rows()}
    problem = None
    if not sizes:
        problem = "no patient has a group"
    elif not rule.allows_all(sizes.values()):
        problem = f"suppressed: fewer than {rule.minimum} patients in one group"
    if problem is not None:
        observed, lines, sizes = pl.DataFrame(schema=OBSERVED_SCHEMA), pl.DataFrame(schema=LINE_SCHEMA), {}
    else:
        observed = _observed(analysis, figure, panel, occasion_months(library, analysis), rule)
        lines = _lines(figure, observed, fitted)
    return Trajectory(analysis, figure, observed, lines, sizes, len(scales) == 1, problem)


def occasion_months(library: Library, analysis: Analysis) -> tuple[float, ...]:
    """Months of the schedules' occasions, and where the analysis places discharge; sorted, empty without schedule."""
    nominal = (schedule.nominal_months(o) for schedule in library.schedules.values() for o in schedule.occasions)
    months = {place for place in nominal if place is not None}
    if months and analysis.panel.discharge_at_months is not None:
        months.add(analysis.panel.discharge_at_months)
    return tuple(sorted(months))


def _observed(
    analysis: Analysis, figure: Figure, panel: pl.DataFrame, occasions: tuple[float, ...], rule: Disclosure
) -> pl.DataFrame:
    from scipy.stats import t as student

    frames = []
    for outcome, label in analysis.outcomes.items():
        used = panel.drop_nulls([figure.group, outcome, "months"]).with_columns(_bin(occasions))
        per_patient = used.group_by(figure.group, "bin", "patient_id").agg(pl.col(outcome).mean().alias("y"))
        cells = (
            per_patient.sort("patient_id")
            .group_by(figure.group, "bin", maintain_order=True)
            .agg(pl.len().alias("n"), pl.col("y").mean().alias("mean"), pl.col("y").std().alias("sd"))
            .sort(figure.group, "bin")
        )
        rows = []
        for group, months, n, mean, sd in cells.iter_rows():
            is_suppressed = not rule.allows(n)
            half = float(student.ppf(0.975, n - 1)) * sd / n**0.5 if n > 1 and sd is not None else None
            rows.append(
                {
                    "outcome": outcome,
                    "outcome_label": label,
                    "group": int(group),
                    "group_label": figure.labels.get(int(group), str(group)),
                    "months": float(months),
                    "n_patients": None if is_suppressed else int(n),
                    "mean": None if is_suppressed else round(float(mean), 6),
                    "ci_low": None if is_suppressed or half is None else round(float(mean) - half, 6),
                    "ci_high": None if is_suppressed or half is None else round(float(mean) + half, 6),
                    "is_suppressed": is_suppressed,
                }
            )
        frames.append(pl.DataFrame(rows, schema=OBSERVED_SCHEMA))
    return pl.concat(frames)


def _bin(occasions: tuple[float, ...]) -> pl.Expr:
    """The nearest occasion; without a schedule, the middle of a six-month bin."""
    if not occasions:
        return ((pl.col("months") / BIN_MONTHS).round() * BIN_MONTHS).alias("bin")
    nearest = pl.lit(occasions[0])
    for lower, upper in pairwise(occasions):
        nearest = pl.when(pl.col("months") >= (lower + upper) / 2).then(pl.lit(upper)).otherwise(nearest)
    return nearest.cast(pl.Float64).alias("bin")


def _lines(figure: Figure, observed: pl.DataFrame, fitted: list[Fitted]) -> pl.DataFrame:
    rows = []
    for item in fitted:
        if item.predictors != (figure.group,) or not item.is_shown or item.is_unconverged:
            continue
        if INTERCEPT not in item.estimates:
            continue
        own = observed.filter((pl.col("outcome") == item.outcome) & ~pl.col("is_suppressed"))
        for (group, label), cells in own.group_by("group", "group_label", maintain_order=True):
            months = cells["months"].to_list()
            first, last = min(months), max(months)
            for step in range(LINE_POINTS if last > first else 1):
                month = round(first + (last - first) * step / (LINE_POINTS - 1), 4)
                factors = {"months": month, figure.group: float(str(group))}
                x = {term: math.prod(factors[part] for part in term) for term in item.estimates}
                y, error = item.predict(x)
                half = None if error is None else NORMAL_95 * error
                rows.append(
                    {
                        "outcome": item.outcome,
                        "group_label": str(label),
                        "months": month,
                        "y": round(y, 6),
                        "band_low": None if half is None else round(y - half, 6),
                        "band_high": None if half is None else round(y + half, 6),
                    }
                )
    return pl.DataFrame(rows, schema=LINE_SCHEMA)
