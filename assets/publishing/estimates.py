"""Result rows of a declared analysis, arranged as the journal prints them.

What belongs here: which estimate stands in which cell, and what is said where there is none. What does not: fitting
(`assets.analysis`), the sentences beneath the table (`reading`), or HTML.

A model with one predictor gets one row per outcome: its effect on the level, and on the slope (its product with
months). A model with several is printed term by term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing.disclosure import Disclosure, covariates_of
from assets.publishing.formatting import NOT_APPLICABLE, count, decimals_for, number, p_value, stars
from codebook.analysis import Analysis, Model

INTERCEPTS = frozenset({"intercept", "(intercept)", "const", "1"})
Term = tuple[str, ...]
"""A term as the sorted parts of its product; () is the intercept, ('months',) the slope."""
INTERCEPT: Term = ()
SLOPE: Term = ("months",)


def term_of(text: str) -> Term:
    """`months:poor_outcome` and `poor_outcome:months` are one term."""
    return INTERCEPT if text.strip().lower() in INTERCEPTS else tuple(sorted(part.strip() for part in text.split(":")))


@dataclass(frozen=True)
class Estimate:
    """One fixed effect; slopes are per month. NaN is None."""

    value: float
    std_error: float | None
    p_value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Fitted:
    """One model of one outcome: estimates by term and the row of `results.fit`; `problem` says why it is not shown."""

    outcome: str
    outcome_label: str
    model: Model
    estimates: Mapping[Term, Estimate]
    fit: Mapping[str, Any]
    n_patients: int | None
    n_observations: int | None
    problem: str | None

    @property
    def is_shown(self) -> bool:
        """Whether there are estimates that may be printed."""
        return self.problem is None

    @property
    def is_singular(self) -> bool:
        """A random-effect variance lies on its boundary."""
        return self.is_shown and self.fit.get("is_singular") is True

    @property
    def is_unconverged(self) -> bool:
        """The optimiser did not reach an optimum."""
        return self.is_shown and self.fit.get("is_converged") is False

    @property
    def predictors(self) -> tuple[str, ...]:
        """Covariates of the model, or groups of them that are multiplied without months."""
        subjects = dict.fromkeys(tuple(p for p in term_of(t) if p != "months") for t in self.model.terms)
        return tuple(":".join(subject) for subject in subjects if subject)

    @property
    def note(self) -> str:
        """What a reader has to know about this row, in plain words."""
        if self.problem is not None:
            return self.problem
        parts = []
        if self.is_unconverged:
            parts.append("not converged: do not rely on it")
        if self.is_singular:
            parts.append("singular: a variance of the random effects is estimated as nought")
        return "; ".join(parts)

    def number(self, column: str) -> float | None:
        """A finite number of the fit row, else None (also where the row may not be shown)."""
        return _finite(self.fit.get(column)) if self.is_shown else None


def fitted_models(
    analysis: Analysis, estimates: pl.DataFrame, fits: pl.DataFrame, panel: pl.DataFrame | None, rule: Disclosure
) -> list[Fitted]:
    """Every declared model × outcome, in declared order, whether it has a result or not.

    Args:
        analysis: the declaration.
        estimates: `results.estimate`, empty where nothing was analysed.
        fits: `results.fit`, likewise.
        panel: `analysis.<panel>`, from which group sizes are counted; None where it was not built.
        rule: what may be shown.
    """
    terms: dict[tuple[str, str], dict[Term, Estimate]] = {}
    sizes: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for row in _rows(estimates, analysis.name):
        key = (row["outcome"], row["model"])
        value = _finite(row["estimate"])
        if value is not None:
            terms.setdefault(key, {})[term_of(row["term"])] = Estimate(
                value, *(_finite(row[name]) for name in ("std_error", "p_value", "ci_low", "ci_high"))
            )
        sizes[key] = (row["n_patients"], row["n_observations"])
    by_key = {(row["outcome"], row["model"]): row for row in _rows(fits, analysis.name)}
    found = []
    for model in analysis.models:
        for outcome, label in analysis.outcomes.items():
            key = (outcome, model.name)
            fit = by_key.get(key, {})
            n_patients, n_observations = sizes.get(key, (fit.get("n_patients"), fit.get("n_observations")))
            problem = rule.refuses_model(panel, outcome, model) if panel is not None else None
            if problem is None and not terms.get(key):
                problem = f"not estimated: {fit.get('reason') or 'no result'}"
            if problem is None and n_patients is not None and not rule.allows(n_patients):
                problem = f"suppressed: fewer than {rule.minimum} patients"
            hidden = problem is not None
            found.append(
                Fitted(
                    outcome,
                    label,
                    model,
                    {} if hidden else terms[key],
                    fit,
                    None if hidden else n_patients,
                    None if hidden else n_observations,
                    problem,
                )
            )
    return found


@dataclass(frozen=True)
class Cell:
    """What a table cell prints; `title` is what pointing at it adds, `stars` hang outside the column of numbers."""

    text: str
    title: str = ""
    stars: str = ""
    is_muted: bool = False


@dataclass(frozen=True)
class Row:
    """One outcome of one model."""

    label: str
    level: Cell
    slope: Cell
    explained_level: str
    explained_slope: str
    aic: str
    reference_aic: str
    n_patients: str
    n_observations: str
    note: str


@dataclass(frozen=True)
class Block:
    """Rows of one model."""

    name: str
    label: str
    is_growth: bool
    rows: tuple[Row, ...]


def journal_table(fitted: list[Fitted]) -> list[Block]:
    """Growth first, then one block per model with a single predictor; models with several are left to `term_table`."""
    simple = [item for item in fitted if len(item.predictors) <= 1]
    cells = [(item, *_pair(item)) for item in simple]
    level_decimals = decimals_for([level.std_error for _, level, _ in cells if level])
    slope_decimals = decimals_for([slope.std_error for _, _, slope in cells if slope], most=3)
    blocks: list[Block] = []
    for model in dict.fromkeys(item.model for item in simple):
        own = [entry for entry in cells if entry[0].model == model]
        is_growth = not own[0][0].predictors
        rows = tuple(
            Row(
                item.outcome_label,
                _cell(item, level, level_decimals, is_growth),
                _cell(item, slope, slope_decimals, is_growth),
                _explained(item, "explained_intercept_pct"),
                _explained(item, "explained_slope_pct"),
                number(item.number("aic"), 0),
                number(item.number("reference_aic"), 0) if model.reference else "",
                count(item.n_patients),
                count(item.n_observations),
                item.note,
            )
            for item, level, slope in own
        )
        blocks.append(Block(model.name, model.label, is_growth, rows))
    return sorted(blocks, key=lambda block: not block.is_growth)


@dataclass(frozen=True)
class TermRow:
    """One fixed effect, with its interval."""

    term: str
    estimate: str
    std_error: str
    interval: str
    p_value: str


@dataclass(frozen=True)
class TermTable:
    """All fixed effects of one model of one outcome."""

    model: str
    outcome: str
    rows: tuple[TermRow, ...]
    n_patients: str
    n_observations: str
    note: str


def term_table(fitted: list[Fitted], labels: Mapping[str, str], *, only_several: bool = False) -> list[TermTable]:
    """Every estimate of every model; `only_several` keeps the models that `journal_table` leaves out."""
    tables = []
    for item in fitted:
        if only_several and len(item.predictors) <= 1:
            continue
        rows = []
        for term, estimate in sorted(item.estimates.items(), key=lambda pair: (len(pair[0]), pair[0])):
            decimals = decimals_for([estimate.std_error], most=4)
            interval = NOT_APPLICABLE
            if estimate.low is not None and estimate.high is not None:
                interval = f"{number(estimate.low, decimals)} to {number(estimate.high, decimals)}"
            rows.append(
                TermRow(
                    term_words(term, labels),
                    number(estimate.value, decimals),
                    number(estimate.std_error, decimals),
                    interval,
                    p_value(estimate.p_value).removeprefix("p ").removeprefix("= "),
                )
            )
        tables.append(
            TermTable(
                item.model.label,
                item.outcome_label,
                tuple(rows),
                count(item.n_patients),
                count(item.n_observations),
                item.note,
            )
        )
    return tables


def term_words(term: Term, labels: Mapping[str, str]) -> str:
    """`Level at the start`, `Slope per month`, `Poor outcome`, `Poor outcome × month`."""
    if term == INTERCEPT:
        return "Level at the start"
    if term == SLOPE:
        return "Slope per month"
    covariates = [labels.get(part, part.replace("_", " ")) for part in term if part != "months"]
    return " × ".join([*covariates, *(["month"] if "months" in term else [])])


def covariate_labels(analysis: Analysis) -> dict[str, str]:
    """Covariate → label of the model that has it as its only predictor; else its own name."""
    labels = {name: name.replace("_", " ").capitalize() for name in analysis.panel.covariates}
    for model in analysis.models:
        covariates = covariates_of(model)
        if len(covariates) == 1:
            labels[covariates[0]] = model.label
    return labels


def tidy_table(fitted: list[Fitted]) -> pl.DataFrame:
    """One row per outcome, model and term, for download; rows without estimate keep their reason in `note`."""
    rows: list[dict[str, Any]] = []
    for item in fitted:
        base = {
            "outcome": item.outcome,
            "outcome_label": item.outcome_label,
            "model": item.model.name,
            "model_label": item.model.label,
        }
        tail = {
            "aic": item.number("aic"),
            "reference_aic": item.number("reference_aic"),
            "explained_intercept_pct": item.number("explained_intercept_pct"),
            "explained_slope_pct": item.number("explained_slope_pct"),
            "n_patients": item.n_patients,
            "n_observations": item.n_observations,
            "is_converged": item.fit.get("is_converged") if item.is_shown else None,
            "is_singular": item.fit.get("is_singular") if item.is_shown else None,
            "note": item.note,
        }
        terms = sorted(item.estimates.items(), key=lambda pair: (len(pair[0]), pair[0]))
        for term, estimate in terms or [(None, None)]:
            rows.append(
                base
                | {
                    "term": None if term is None else ":".join(term) or "intercept",
                    "estimate": estimate.value if estimate else None,
                    "std_error": estimate.std_error if estimate else None,
                    "ci_low": estimate.low if estimate else None,
                    "ci_high": estimate.high if estimate else None,
                    "p_value": estimate.p_value if estimate else None,
                }
                | tail
            )
    return pl.DataFrame(rows, schema=TIDY_SCHEMA)


TIDY_SCHEMA = pl.Schema(
    {name: pl.String() for name in ("outcome", "outcome_label", "model", "model_label", "term")}
    | {name: pl.Float64() for name in ("estimate", "std_error", "ci_low", "ci_high", "p_value", "aic", "reference_aic")}
    | {name: pl.Float64() for name in ("explained_intercept_pct", "explained_slope_pct")}
    | {name: pl.Int64() for name in ("n_patients", "n_observations")}
    | {name: pl.Boolean() for name in ("is_converged", "is_singular")}
    | {"note": pl.String()}
)


def _rows(frame: pl.DataFrame, analysis: str) -> list[dict[str, Any]]:
    return frame.filter(pl.col("analysis") == analysis).to_dicts() if frame.width else []


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _pair(item: Fitted) -> tuple[Estimate | None, Estimate | None]:
    subject = tuple(item.predictors[0].split(":")) if item.predictors else ()
    return item.estimates.get(tuple(sorted(subject))), item.estimates.get(tuple(sorted((*subject, "months"))))


def _cell(item: Fitted, estimate: Estimate | None, decimals: int, is_growth: bool) -> Cell:
    if not item.is_shown:
        is_suppressed = (item.problem or "").startswith("suppressed")
        return Cell("suppressed" if is_suppressed else NOT_APPLICABLE, is_muted=True)
    if estimate is None:
        return Cell("not in model", is_muted=True)
    if estimate.std_error is not None and round(estimate.std_error, decimals) == 0:
        decimals += 1
    text = f"{number(estimate.value, decimals)} ({number(estimate.std_error, decimals)})"
    if is_growth:
        return Cell(text, p_value(estimate.p_value))
    if not stars(estimate.p_value):
        return Cell("ns", f"{text}, {p_value(estimate.p_value)}", is_muted=True)
    return Cell(text, p_value(estimate.p_value), stars(estimate.p_value))


def _explained(item: Fitted, column: str) -> str:
    if item.model.reference is None:
        return ""
    return number(item.number(column), 0)
