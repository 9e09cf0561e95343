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

from assets.publishing.disclosure import Disclosure, covariates_of
from assets.publishing.estimates import INTERCEPT, SLOPE, Fitted
from codebook.analysis import Analysis, Figure
from codebook.library import Library

BIN_MONTHS = 6.0
"""Width of a time bin where no schedule names the occasions."""
EVERYONE = "All patients"
CELL = "figure_group"
"""Column that numbers the groups of a figure; a panel's own columns never have this name."""

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
class Groups:
    """The groups of a figure: the columns that make them, and each group's values and label, in drawing order."""

    columns: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]

    def number(self, panel: pl.DataFrame) -> pl.DataFrame:
        """The panel's rows that have a group, with its number in `CELL`."""
        if not self.columns:
            return panel.with_columns(pl.lit(0, pl.Int64).alias(CELL))
        cell = pl.lit(None, pl.Int64)
        for place, values in enumerate(self.values):
            is_own = pl.all_horizontal(pl.col(name) == v for name, v in zip(self.columns, values, strict=True))
            cell = pl.when(is_own).then(pl.lit(place, pl.Int64)).otherwise(cell)
        return panel.with_columns(cell.alias(CELL)).drop_nulls(CELL)


@dataclass(frozen=True)
class Trajectory:
    """What a figure shows; `observed` and `lines` are empty, and `problem` says why, where it may not be drawn."""

    analysis: Analysis
    name: str
    title: str
    groups: Groups
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


def trajectories(
    analysis: Analysis, library: Library, panel: pl.DataFrame, fitted: list[Fitted], rule: Disclosure
) -> list[Trajectory]:
    """Every declared figure; without one, everyone's means with the growth model, where there is one.

    A patient with two assessments at one occasion counts once, with the mean of both; the interval is
    mean ± t(n-1, .975) · sd / √n over patients. Lines are fixed effects, intercept + groups + (slope + groups × months)
    in time, with a pointwise band of ± 1.96 standard errors where the covariance of the fixed effects is known.
    """
    declared = [*([analysis.figure] if analysis.figure is not None else []), *analysis.more_figures]
    if not declared:
        if not any(covariates_of(model) == () for model in analysis.models):
            return []
        groups = Groups((), ((),), (EVERYONE,))
        title = f"{analysis.title}: all patients"
        return [_trajectory(analysis, library, panel, fitted, rule, "trajectory", title, groups, ())]
    return [
        _trajectory(
            analysis, library, panel, fitted, rule, figure.name, figure.title, _groups(figure, panel), figure.outcomes
        )
        for figure in declared
    ]


def _groups(figure: Figure, panel: pl.DataFrame) -> Groups:
    """Groups that the panel holds, crossed where two are declared, in the order of their levels."""
    rows = panel.drop_nulls(list(figure.groups)).select(figure.groups).unique().sort(figure.groups)
    values = tuple(tuple(int(value) for value in row) for row in rows.iter_rows())
    own = (figure.labels, figure.second_labels)
    labels = tuple(
        ", ".join(labels.get(value, str(value)) for labels, value in zip(own, row, strict=False)) for row in values
    )
    return Groups(figure.groups, values, labels)


def _trajectory(
    analysis: Analysis,
    library: Library,
    panel: pl.DataFrame,
    fitted: list[Fitted],
    rule: Disclosure,
    name: str,
    title: str,
    groups: Groups,
    outcomes: tuple[str, ...],
) -> Trajectory:
    wanted = {key: label for key, label in analysis.outcomes.items() if not outcomes or key in outcomes}
    scales = {measure.instruments for key, measure in analysis.panel.measures.items() if key in wanted}
    numbered = groups.number(panel)
    counted = numbered.group_by(CELL).agg(pl.col("patient_id").n_unique().alias("n")).sort(CELL)
    sizes = {int(group): int(n) for group, n in counted.iter_rows()}
    problem = None
    if not sizes:
        problem = "no patient has a group"
    elif not rule.allows_all(sizes.values()):
        problem = f"suppressed: fewer than {rule.minimum} patients in one group"
    if problem is not None:
        observed, lines, sizes = pl.DataFrame(schema=OBSERVED_SCHEMA), pl.DataFrame(schema=LINE_SCHEMA), {}
    else:
        observed = _observed(wanted, groups, numbered, occasion_months(library, analysis), rule)
        lines = _lines(groups, observed, fitted)
    return Trajectory(analysis, name, title, groups, observed, lines, sizes, len(scales) == 1, problem)


def occasion_months(library: Library, analysis: Analysis) -> tuple[float, ...]:
    """Months of the schedules' occasions, and where the analysis places discharge; sorted, empty without schedule."""
    nominal = (schedule.nominal_months(o) for schedule in library.schedules.values() for o in schedule.occasions)
    months = {place for place in nominal if place is not None}
    if months and analysis.panel.discharge_at_months is not None:
        months.add(analysis.panel.discharge_at_months)
    return tuple(sorted(months))


def _observed(
    outcomes: Mapping[str, str], groups: Groups, panel: pl.DataFrame, occasions: tuple[float, ...], rule: Disclosure
) -> pl.DataFrame:
    from scipy.special import stdtrit

    frames = []
    for outcome, label in outcomes.items():
        used = panel.drop_nulls([outcome, "months"]).with_columns(_bin(occasions))
        per_patient = used.group_by(CELL, "bin", "patient_id").agg(pl.col(outcome).mean().alias("y"))
        cells = (
            per_patient.sort("patient_id")
            .group_by(CELL, "bin", maintain_order=True)
            .agg(pl.len().alias("n"), pl.col("y").mean().alias("mean"), pl.col("y").std().alias("sd"))
            .sort(CELL, "bin")
        )
        rows = []
        for group, months, n, mean, sd in cells.iter_rows():
            is_suppressed = not rule.allows(n)
            half = float(stdtrit(n - 1, 0.975)) * sd / n**0.5 if n > 1 and sd is not None else None
            rows.append(
                {
                    "outcome": outcome,
                    "outcome_label": label,
                    "group": int(group),
                    "group_label": groups.labels[int(group)],
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


def _models(groups: Groups, fitted: list[Fitted]) -> dict[str, Fitted]:
    """The model of each outcome whose predictors are the figure's groups and no others; of several, the fullest.

    Groups that are crossed need their product with time, or the model's lines would not be those of the cells.
    """
    needed = tuple(sorted((*groups.columns, "months"))) if groups.columns else SLOPE
    found: dict[str, Fitted] = {}
    for item in fitted:
        if set(covariates_of(item.model)) != set(groups.columns) or not item.is_shown or item.is_unconverged:
            continue
        if INTERCEPT not in item.estimates or needed not in item.estimates:
            continue
        best = found.get(item.outcome)
        if best is None or len(item.estimates) > len(best.estimates):
            found[item.outcome] = item
    return found


def _lines(groups: Groups, observed: pl.DataFrame, fitted: list[Fitted]) -> pl.DataFrame:
    rows = []
    for item in _models(groups, fitted).values():
        own = observed.filter((pl.col("outcome") == item.outcome) & ~pl.col("is_suppressed"))
        for (group, label), cells in own.group_by("group", "group_label", maintain_order=True):
            months = cells["months"].to_list()
            first, last = min(months), max(months)
            values = dict(zip(groups.columns, groups.values[int(str(group))], strict=True))
            for step in range(LINE_POINTS if last > first else 1):
                month = round(first + (last - first) * step / (LINE_POINTS - 1), 4)
                factors = {"months": month, **{name: float(value) for name, value in values.items()}}
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
