"""Fitted models arranged as the journal prints them, term by term, and tidy for download.

What belongs here: which estimate stands in which cell, and what stands there where there is none. What does not:
reading results (`estimates`), the sentences beneath a table (`reading`), or HTML.

A model with one predictor gets one row per outcome: its effect on the level, and on the slope (its product with
months). A model with several is printed term by term.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing.disclosure import covariates_of
from assets.publishing.estimates import INTERCEPT, SLOPE, Estimate, Fitted, Term
from assets.publishing.formatting import NOT_APPLICABLE, count, decimals_for, number, p_value, stars
from assets.publishing.statistics.table import Cell
from codebook.analysis import Analysis
from codebook.panel import Cells


@dataclass(frozen=True)
class Row:
    """One outcome of one model, or one level of its factor."""

    outcome: str
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


def journal_table(fitted: list[Fitted], labels: Mapping[str, str]) -> list[Block]:
    """Growth first, then one block per model with a single predictor; the others are left to `term_table`.

    A factor has a row for each level but its reference, with what belongs to the whole model in the first of them.
    """
    several = _several(fitted)
    simple = [item for item in fitted if item.model.name not in several]
    decimals = {outcome: _decimals(fitted, outcome) for outcome in dict.fromkeys(item.outcome for item in simple)}
    blocks: list[Block] = []
    for name in dict.fromkeys(item.model.name for item in simple):
        own = [item for item in simple if item.model.name == name]
        model = own[0].model
        is_growth = not own[0].predictors
        rows = tuple(row for item in own for row in _rows(item, decimals[item.outcome], labels, is_growth=is_growth))
        blocks.append(Block(model.name, model.label, is_growth, rows))
    return sorted(blocks, key=lambda block: not block.is_growth)


def _rows(item: Fitted, decimals: tuple[int, int], labels: Mapping[str, str], *, is_growth: bool) -> list[Row]:
    levels = [term[0] for term in item.estimates if len(term) == 1 and "[" in term[0]]
    pairs = [
        (f"{item.outcome_label}: {term_words((part,), labels)}", item.estimates.get((part,)),
         item.estimates.get(tuple(sorted((part, "months"))))) for part in levels
    ] or [(item.outcome_label, *_pair(item))]  # fmt: skip
    rows = []
    for place, (label, level, slope) in enumerate(pairs):
        rows.append(
            Row(
                item.outcome,
                label,
                _cell(item, level, decimals[0], is_growth),
                _cell(item, slope, decimals[1], is_growth),
                *(_of_model(item) if place == 0 else ("",) * 6),
                item.note,
            )
        )
    return rows


def _of_model(item: Fitted) -> tuple[str, str, str, str, str, str]:
    """Explained variance, AIC and counts: what a model has once, however many rows it fills."""
    return (
        _explained(item, "explained_intercept_pct"),
        _explained(item, "explained_slope_pct"),
        number(item.number("aic"), 0),
        number(item.number("reference_aic"), 0) if item.model.reference else "",
        count(item.n_patients),
        count(item.n_observations),
    )


@dataclass(frozen=True)
class TermRow:
    """One fixed effect, with its interval."""

    term: str
    estimate: str
    std_error: str
    interval: str
    p_value: str
    stars: str


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
    several = _several(fitted)
    for item in fitted:
        if only_several and item.model.name not in several:
            continue
        rows = []
        for term, estimate in sorted(item.estimates.items(), key=lambda pair: _term_order(pair[0])):
            decimals = max(2, decimals_for([estimate.std_error], most=4))
            interval = NOT_APPLICABLE
            if estimate.low is not None and estimate.high is not None:
                interval = f"[{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"
            rows.append(
                TermRow(
                    term_words(term, labels),
                    number(estimate.value, decimals),
                    number(estimate.std_error, decimals),
                    interval,
                    p_value(estimate.p_value).removeprefix("p ").removeprefix("= "),
                    stars(estimate.p_value) if term != INTERCEPT else "",
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
    covariates = [_covariate_words(part, labels) for part in term if part != "months"]
    return " × ".join([*covariates, *(["month"] if "months" in term else [])])


def _covariate_words(part: str, labels: Mapping[str, str]) -> str:
    if part in labels:
        return labels[part]
    name, _, level = part.removesuffix("]").partition("[")
    label = labels.get(name)
    if label is None:
        known = max((key for key in labels if name.startswith(f"{key}_")), key=len, default="")
        rest = name.removeprefix(f"{known}_") if known else name
        label = f"{labels[known]} {rest.replace('_', ' ')}" if known else rest.replace("_", " ")
    return f"{label}: {level.replace('_', ' ')}" if level else label


def covariate_labels(analysis: Analysis) -> dict[str, str]:
    """Covariate → label of the first model that has it as its only predictor, else its own name; cell → its label."""
    labels = {name: name.replace("_", " ").capitalize() for name in analysis.panel.covariates}
    for model in reversed(analysis.models):
        covariates = covariates_of(model)
        if len(covariates) == 1 and not model.where:
            labels[covariates[0]] = model.label
    for name, covariate in analysis.panel.covariates.items():
        if isinstance(covariate, Cells):
            labels |= {f"{name}[{level}]": label for level, label in covariate.labels.items()}
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
        terms: list[Term | None] = [*sorted(item.estimates, key=_term_order)] or [None]
        for term in terms:
            estimate = None if term is None else item.estimates[term]
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


def _decimals(fitted: list[Fitted], outcome: str) -> tuple[int, int]:
    """Decimals of an outcome's levels and slopes: those of its growth model, so that its rows can be compared."""
    own = [item for item in fitted if item.outcome == outcome and len(item.predictors) <= 1]
    pairs = [_pair(item) for item in [item for item in own if not item.predictors and item.estimates] or own]
    levels = [level.std_error for level, _ in pairs if level]
    return decimals_for(levels, most=2), decimals_for([slope.std_error for _, slope in pairs if slope])


def _term_order(term: Term) -> tuple[int, Term]:
    return len(term), term


def _several(fitted: list[Fitted]) -> set[str]:
    return {item.model.name for item in fitted if len(item.predictors) > 1}


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
