"""Observed means by group and occasion, and the lines of the model: the numbers behind a trajectory figure.

What belongs here: grouping the panel, intervals, suppression, the model's lines. What does not: how it is drawn
(`figures`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from assets.publishing.disclosure import Disclosure, covariates_of
from assets.publishing.estimates import INTERCEPT, Fitted, main_model
from codebook.analysis import Analysis, Figure
from codebook.library import Library
from codebook.panel import Cells, Level

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
    """The groups of a figure: the column that makes them, and each group's level and label, in drawing order.

    `places` says where a level stands in each of the groupings that it crosses: (1, 0) is the second of the first and
    the first of the second. Levels of one grouping have one place.
    """

    column: str | None
    levels: tuple[Level, ...]
    labels: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]

    def number(self, panel: pl.DataFrame) -> pl.DataFrame:
        """The panel's rows that have a group, with its number in `CELL`."""
        if self.column is None:
            return panel.with_columns(pl.lit(0, pl.Int64).alias(CELL))
        cell = pl.lit(None, pl.Int64)
        for place, level in enumerate(self.levels):
            cell = pl.when(pl.col(self.column) == level).then(pl.lit(place, pl.Int64)).otherwise(cell)
        return panel.with_columns(cell.alias(CELL)).drop_nulls(CELL)

    def value(self, part: str, group: int) -> float:
        """What a part of a term is for a group: `poor` its level, `cell[a]` whether it is that level."""
        name, _, level = part.removesuffix("]").partition("[")
        if name != self.column:
            raise KeyError(part)
        own = self.levels[group]
        return float(str(own) == level) if level else float(own)


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
        groups = Groups(None, (0,), (EVERYONE,), ((0,),))
        title = f"{analysis.title}: all patients"
        return [_trajectory(analysis, library, panel, fitted, rule, "trajectory", title, groups, ())]
    return [
        _trajectory(
            analysis,
            library,
            panel,
            fitted,
            rule,
            figure.name,
            figure.title,
            _groups(analysis, figure, panel),
            figure.outcomes,
        )
        for figure in declared
    ]


def _groups(analysis: Analysis, figure: Figure, panel: pl.DataFrame) -> Groups:
    """Groups that the panel holds, in the order of their levels; cells in the order of their declaration."""
    found = panel[figure.group].drop_nulls().unique().sort().to_list() if figure.group in panel.columns else []
    covariate = analysis.panel.covariates.get(figure.group)
    if isinstance(covariate, Cells):
        levels = [name for name in covariate.cells if name in found]
        crossed = [sorted({str(values[n]) for values in covariate.cells.values()}) for n in range(len(covariate.of))]
        places = [
            tuple(own.index(str(value)) for own, value in zip(crossed, covariate.cells[name], strict=True))
            for name in levels
        ]
        names = {**covariate.labels, **{str(level): label for level, label in figure.labels.items()}}
    else:
        levels, places = found, [(place,) for place, _ in enumerate(found)]
        names = {str(level): label for level, label in figure.labels.items()}
    labels = tuple(names.get(str(level), str(level).replace("_", " ")) for level in levels)
    return Groups(figure.group, tuple(levels), labels, tuple(places))


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
        lines = _lines(groups, sorted(sizes), observed, fitted)
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
    """The model of each outcome, on all rows, whose only predictor is the figure's group, with its own slopes."""
    wanted = () if groups.column is None else (groups.column,)
    model = main_model(fitted, wanted)
    found: dict[str, Fitted] = {}
    for item in fitted:
        if model is None or item.model.name != model.name or not item.is_shown or item.is_unconverged:
            continue
        has_slopes = any("months" in term and len(term) == len(wanted) + 1 for term in item.estimates)
        if INTERCEPT in item.estimates and has_slopes:
            found[item.outcome] = item
    return found


def _lines(groups: Groups, groups_shown: Sequence[int], observed: pl.DataFrame, fitted: list[Fitted]) -> pl.DataFrame:
    """A group whose means are all suppressed still has its line, over the months of the others."""
    rows = []
    for item in _models(groups, fitted).values():
        own = observed.filter((pl.col("outcome") == item.outcome) & ~pl.col("is_suppressed"))
        parts = {part for term in item.estimates for part in term if part != "months"}
        for group in groups_shown if own.height else ():
            label = groups.labels[group]
            cells = own.filter(pl.col("group") == group)
            months = (cells if cells.height else own)["months"].to_list()
            first, last = min(months), max(months)
            values = {part: groups.value(part, group) for part in parts}
            for step in range(LINE_POINTS if last > first else 1):
                month = round(first + (last - first) * step / (LINE_POINTS - 1), 4)
                factors = {"months": month, **values}
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
