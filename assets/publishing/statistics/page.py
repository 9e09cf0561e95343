"""One analysis as its page and its files hold it: tables and figures numbered, methods, and what is behind each number.

What belongs here: gathering. What does not: the parts themselves, writing files (`files`), or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.publishing import words
from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import Fitted, Results, fitted_models, term_of
from assets.publishing.figures import DrawnFigure, Look, draw, looks
from assets.publishing.formatting import count, number
from assets.publishing.reading import read
from assets.publishing.result_tables import covariate_labels, term_words
from assets.publishing.sources import RunSummary, Warehouse
from assets.publishing.statistics.fits import FitBlock, fit_blocks, soundness
from assets.publishing.statistics.layouts import tables_of
from assets.publishing.statistics.methods import methods
from assets.publishing.statistics.model_table import model_tables
from assets.publishing.statistics.plots import drawn
from assets.publishing.statistics.records import Procedure, contrasts_of_models, procedures
from assets.publishing.statistics.table import SUPPRESSED, PaperTable, Reading
from assets.publishing.trajectory import Trajectory, trajectories
from codebook.analysis import Analysis
from codebook.library import Library


@dataclass(frozen=True)
class MeanRow:
    """Observed means of one outcome and group, one cell per occasion: mean, interval, n."""

    outcome: str
    group: str
    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class KeyEntry:
    """A group in the key of a figure."""

    look: Look
    n: int


@dataclass(frozen=True)
class FigurePart:
    """A figure with its number, or why it is not drawn; trajectories bring the means behind them."""

    number: str
    name: str
    title: str
    drawing: DrawnFigure | None
    problem: str
    key: tuple[KeyEntry, ...] = ()
    months: tuple[str, ...] = ()
    means: tuple[MeanRow, ...] = ()
    observed: pl.DataFrame | None = None


@dataclass(frozen=True)
class TablePart:
    """A table with its number."""

    number: str
    table: PaperTable


@dataclass(frozen=True)
class AnalysisPart:
    """One analysis as its page prints it."""

    analysis: Analysis
    fitted: list[Fitted]
    found: list[Procedure]
    tables: tuple[TablePart, ...]
    figures: tuple[FigurePart, ...]
    fits: tuple[FitBlock, ...]
    reading: Reading
    soundness: str
    methods: tuple[str, ...]

    @property
    def main_figure(self) -> FigurePart | None:
        """What the first page shows of it: the first figure that could be drawn."""
        return next((figure for figure in self.figures if figure.drawing is not None), None)


def analysis_part(
    warehouse: Warehouse,
    library: Library,
    analysis: Analysis,
    results: Mapping[str, pl.DataFrame],
    rule: Disclosure,
    run: RunSummary,
) -> AnalysisPart:
    """Everything about one analysis that may be shown."""
    table = f"analysis.{analysis.panel.name}"
    panel = warehouse.table(table, "patient_id, episode_id, months") if warehouse.has(table) else None
    empty = pl.DataFrame()
    of_models = Results(
        results.get("results.estimate", empty),
        results.get("results.fit", empty),
        results.get("results.fixed_covariance", empty),
        results.get("results.reference_check"),
    )
    fitted = fitted_models(analysis, of_models, panel, rule)
    called = {key: occasion.label for key, occasion in words.occasions(library).items()}
    outcomes = {
        name: words.scale_label(library, measure.instruments[0], measure.scale).capitalize()
        for name, measure in analysis.panel.measures.items()
    } | analysis.outcomes
    found = procedures(analysis, results, panel, rule, called, outcomes)
    labels = outcomes | covariate_labels(analysis)
    tables = model_tables(analysis, fitted, labels, _direction(library, analysis)) if analysis.models else []
    contrasts = contrasts_of_models(analysis, results, fitted, rule)
    for procedure in [*contrasts, *found]:
        tables += tables_of(procedure, lambda term: term_words(term_of(term), labels))
    paths = trajectories(analysis, library, panel, fitted, rule) if panel is not None else []
    reading = read(analysis, fitted) if analysis.models else next((t.reading for t in tables), Reading())
    return AnalysisPart(
        analysis,
        fitted,
        found,
        tuple(TablePart(f"Table {place}", made) for place, made in enumerate(tables, start=1)),
        _figures(analysis, paths, [*contrasts, *found], is_synthetic=library.network.is_synthetic),
        tuple(fit_blocks(analysis, fitted, results, labels)),
        reading,
        soundness(fitted),
        methods(library, analysis, panel_sentence(library, analysis), fitted, found, results, run.code_version),
    )


def _figures(
    analysis: Analysis, paths: list[Trajectory], found: list[Procedure], *, is_synthetic: bool
) -> tuple[FigurePart, ...]:
    entries = [
        (path.title, path.name, path.problem or "", draw(path, is_synthetic=is_synthetic), path) for path in paths
    ]
    made = [figure for item in found for figure in drawn(item, analysis.outcomes, is_synthetic=is_synthetic)]
    parts: list[FigurePart] = []
    n_drawn = 0
    for title, name, problem, drawing, path in [*entries, *((f.title, f.name, "", f, None) for f in made)]:
        n_drawn += drawing is not None
        place = f"Figure {n_drawn}" if drawing is not None else ""
        if path is None:
            parts.append(FigurePart(place, name, title, drawing, problem))
            continue
        months, means = _means(path)
        key = tuple(KeyEntry(look, n) for look, n in zip(looks(path), path.group_sizes.values(), strict=True))
        why = problem if problem or drawing is not None else "no mean rests on enough patients"
        parts.append(FigurePart(place, name, title, drawing, why, key, months, means, path.observed))
    return tuple(parts)


def _means(path: Trajectory) -> tuple[tuple[str, ...], tuple[MeanRow, ...]]:
    if path.observed.is_empty():
        return (), ()
    months = sorted(path.observed["months"].unique().to_list())
    rows = []
    for (outcome, group), cells in path.observed.group_by("outcome_label", "group_label", maintain_order=True):
        by_month = {row["months"]: row for row in cells.to_dicts()}
        rows.append(MeanRow(str(outcome), str(group), tuple(_mean_cell(by_month.get(month)) for month in months)))
    return tuple(f"{month:g}" for month in months), tuple(rows)


def _mean_cell(row: Mapping[str, float] | None) -> tuple[str, str, str]:
    if row is None:
        return "–", "", ""
    if row["is_suppressed"]:
        return SUPPRESSED, "", ""
    interval = f"{number(row['ci_low'], 1)} to {number(row['ci_high'], 1)}" if row["ci_low"] is not None else ""
    return number(row["mean"], 1), interval, count(int(row["n_patients"]))


def _direction(library: Library, analysis: Analysis) -> str:
    """`Higher is better`, or which outcome is which, where the instruments of the outcomes differ."""
    by_words: dict[str, list[str]] = {}
    for outcome, label in analysis.outcomes.items():
        known = library.instruments.get(analysis.panel.measures[outcome].instruments[0])
        if known:
            by_words.setdefault(words.DIRECTIONS[known.direction], []).append(label)
    if len(by_words) == 1:
        return next(iter(by_words)).capitalize() + "."
    return "; ".join(f"{', '.join(labels)}: {text}" for text, labels in by_words.items()) + ("." if by_words else "")


def panel_sentence(library: Library, analysis: Analysis) -> str:
    """What a row of the panel is, where its measures come from, and which assessments it leaves out."""
    panel = analysis.panel
    measures = [
        f"{label}: {words.scale_label(library, measure.instruments[0], measure.scale)} of "
        f"{' and '.join(words.short_name(key) for key in measure.instruments)}, rated by the {measure.rater}"
        for outcome, label in analysis.outcomes.items()
        for measure in (panel.measures[outcome],)
    ]
    grain = panel.grain.removesuffix(".").removeprefix("one row per ").removeprefix("One row per ")
    parts = [f"One row per {grain}.", f"{'; '.join(measures)}."]
    if panel.discharge_at_months is not None:
        parts.append(f"Assessments at discharge are placed at month {panel.discharge_at_months:g}.")
    if panel.after_months is not None:
        parts.append(f"Only assessments after month {panel.after_months:g}.")
    if panel.max_months is not None:
        parts.append(f"Only assessments up to month {panel.max_months:g}.")
    return " ".join(parts)
