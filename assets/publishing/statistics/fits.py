"""What stands behind every printed estimate: one block for each model and outcome, as its page shows it.

What belongs here: convergence, variance components, comparisons, checks against another program and diagnostics of
declared mixed models. What does not: the tables that print estimates (`model_table`), or their computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from assets.publishing.estimates import Fitted
from assets.publishing.formatting import count, decimals_for, number, p_value, plural
from assets.publishing.result_tables import TermTable, term_table
from assets.publishing.statistics.evidence import component_order, component_words
from assets.publishing.statistics.syntax import Syntax, syntax
from assets.publishing.statistics.table import (
    BLANK,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    anchor,
    interval_cell,
    number_cell,
    plain_value,
)
from codebook.analysis import Analysis

OF_THE_FIT = ("var_intercept", "var_slope", "cov_intercept_slope", "var_residual")


@dataclass(frozen=True)
class Fact:
    """A name, its value, and what it means where that is not plain."""

    name: str
    value: str


@dataclass(frozen=True)
class FitBlock:
    """One model of one outcome with everything that says how far to trust it."""

    anchor: str
    outcome: str
    model: str
    state: str
    """One sentence: converged or not, singular or not, or why there is none."""
    is_sound: bool
    facts: tuple[Fact, ...]
    terms: TermTable | None
    tables: tuple[PaperTable, ...]
    syntax: Syntax


def fit_blocks(
    analysis: Analysis,
    fitted: list[Fitted],
    results: Mapping[str, pl.DataFrame],
    labels: Mapping[str, str],
) -> list[FitBlock]:
    """A block for each declared model and outcome, in declared order.

    Args:
        analysis: the declaration.
        fitted: its models, suppressed.
        results: every results table.
        labels: covariate → words.
    """
    found = []
    evidence = _by_fit(results, analysis.name)
    for item, terms in zip(fitted, term_table(fitted, labels), strict=True):
        key = (item.outcome, item.model.name)
        parts, compared, checked, judged = (
            evidence.get((name, *key), []) if item.is_shown else [] for name in EVIDENCE
        )
        found.append(
            FitBlock(
                anchor(analysis.name, item.outcome, item.model.name),
                item.outcome_label,
                item.model.label,
                _state(item),
                item.is_shown and not item.is_singular and not item.is_unconverged,
                _facts(item),
                terms if terms.rows else None,
                tuple(
                    table
                    for table in (
                        _components(item, parts),
                        _comparisons(analysis, compared),
                        _checks(checked),
                        _diagnostics(judged),
                    )
                    if table.rows
                ),
                syntax(analysis, item.outcome, item.model),
            )
        )  # fmt: skip
    return found


Rows = list[dict[str, Any]]


EVIDENCE = ("variance_component", "comparison", "reference_check", "diagnostic")
"""Tables with rows for each model and outcome."""


def _by_fit(results: Mapping[str, pl.DataFrame], analysis: str) -> dict[tuple[str, str, str], Rows]:
    """Rows of an analysis by table, outcome and model."""
    found: dict[tuple[str, str, str], Rows] = {}
    for name in EVIDENCE:
        frame = results.get(f"results.{name}")
        if frame is not None and frame.height:
            for row in frame.filter(pl.col("analysis") == analysis).iter_rows(named=True):
                found.setdefault((name, row["outcome"], row["model"]), []).append(row)
    return found


def _state(item: Fitted) -> str:
    if not item.is_shown:
        return f"{(item.problem or '')[:1].upper()}{(item.problem or '')[1:]}."
    converged = "Not converged: do not rely on it" if item.is_unconverged else "Converged"
    if item.fit.get("is_converged") is None:
        converged = "Convergence was not judged"
    singular = "singular: a random-effect variance lies at nought" if item.is_singular else "not singular"
    return f"{converged}; {singular}."


def _facts(item: Fitted) -> tuple[Fact, ...]:
    if not item.is_shown:
        return ()
    facts = [Fact("Patients", count(item.n_patients)), Fact("Observations", count(item.n_observations))]
    dropped = item.fit.get("n_rows_dropped")
    why = "outside the stratum, or a value missing" if item.model.where else "a value missing"
    if dropped is not None:
        facts.append(Fact(f"Rows left out ({why})", count(int(dropped))))
    facts += [
        Fact(name, number(item.number(column), 2))
        for name, column in (("Log-likelihood", "log_likelihood"), ("AIC", "aic"), ("BIC", "bic"))
        if item.number(column) is not None
    ]
    if item.number("reference_aic") is not None:
        facts.append(Fact("AIC of the reference, same rows", number(item.number("reference_aic"), 2)))
    method = item.fit.get("method")
    return (*facts, *([Fact("Method", str(method))] if method else []))


def _small(title: str, stub: str, columns: list[Column], rows: list[Row], notes: tuple[str, ...] = ()) -> PaperTable:
    """A table of a block, without the columns that hold nothing."""
    kept = [n for n, _ in enumerate(columns) if any(not row.cells or row.cells[n].text for row in rows)]
    rows = [replace(row, cells=tuple(row.cells[n] for n in kept)) if row.cells else row for row in rows]
    return PaperTable("", title, stub, tuple(columns[n] for n in kept), tuple(rows), notes, pl.DataFrame(), Reading())


def _components(item: Fitted, found: Rows) -> PaperTable:
    known = found or [
        {"component": name, "estimate": item.number(name), "ci_low": None, "ci_high": None, "ci_method": None,
         "reason": None} for name in OF_THE_FIT if item.number(name) is not None
    ]  # fmt: skip
    rows = []
    for row in sorted(known, key=lambda row: component_order(row["component"])):
        value = row["estimate"]
        decimals = decimals_for([abs(value) / 20], most=6) if value else 3
        interval = interval_cell(row["ci_low"], row["ci_high"], decimals)
        if row["ci_low"] is None and row["ci_high"] is None:
            interval = Cell(row["reason"] or "", is_muted=True)
        rows.append(Row(component_words(row["component"]),
                        (number_cell(value, decimals), interval)))  # fmt: skip
    methods = dict.fromkeys(str(row["ci_method"]) for row in known if row["ci_method"])
    return _small("Variance components, per month", "Component", [Column("Estimate"), Column("95 % CI")], rows,
                  tuple(f"Intervals: {method}." for method in methods))  # fmt: skip


def _comparisons(analysis: Analysis, found: Rows) -> PaperTable:
    labels = {model.name: model.label for model in analysis.models}
    rows = []
    for row in found:
        against = str(row["compared_with"])
        name = labels.get(against.partition("@")[0], against.replace("_", " "))
        if row["chi_square"] is None:
            rows.append(Row(name, (Cell(row["reason"] or "n/a", is_muted=True), BLANK, BLANK, BLANK)))
            continue
        mixture = BLANK if row["p_mixture"] is None else Cell(_p(row["p_mixture"]))
        rows.append(Row(name, (number_cell(row["chi_square"], 2), Cell(str(row["df"])), Cell(_p(row["p_value"])),
                               mixture)))  # fmt: skip
    methods = dict.fromkeys(str(row["method"]) for row in found if row["method"])
    return _small(
        "Likelihood-ratio tests", "Compared with",
        [Column("χ²"), Column("df"), Column("p"), Column("p, mixture")], rows, tuple(f"{m}." for m in methods),
    )  # fmt: skip


def _p(value: float | None) -> str:
    return p_value(value).removeprefix("p ").removeprefix("= ")


def _checks(found: Rows) -> PaperTable:
    rows = [
        Row(str(row["reference"]), (
            Cell(str(row["status"] or "").replace("_", " ")), number_cell(row["log_likelihood"], 4),
            number_cell(row["reference_log_likelihood"], 4), Cell(str(row["reason"] or "")),
        )) for row in found
    ]  # fmt: skip
    columns = [Column("Verdict", is_number=False), Column("Own log-likelihood"), Column("Its log-likelihood"),
               Column("Why", is_number=False)]  # fmt: skip
    return _small("Checked against another program", "Program", columns, rows)


def _diagnostics(found: Rows) -> PaperTable:
    rows = [
        Row(str(row["diagnostic"]).replace("_", " "), (
            Cell(plain_value(row["value"])), Cell(plain_value(row["n"])), Cell(str(row["note"] or "")),
        )) for row in found
    ]  # fmt: skip
    columns = [Column("Value"), Column("n"), Column("What it says", is_number=False)]
    return _small("Diagnostics", "Diagnostic", columns, rows)


def soundness(fitted: list[Fitted]) -> str:
    """How the fits went, in a sentence: `15 models, all converged; 2 are singular`."""
    shown = [item for item in fitted if item.is_shown]
    if not shown:
        return "No model could be shown."
    unconverged, singular = sum(item.is_unconverged for item in shown), sum(item.is_singular for item in shown)
    went = "all converged" if not unconverged else f"{unconverged} did not converge"
    if len(shown) == 1:
        went = "converged" if not unconverged else "did not converge"
    more = f"; {singular} {'is' if singular == 1 else 'are'} singular" if singular else "; none is singular"
    hidden = len(fitted) - len(shown)
    return f"{plural(len(shown), 'model')}, {went}{more}{f'; {hidden} not shown' if hidden else ''}."
