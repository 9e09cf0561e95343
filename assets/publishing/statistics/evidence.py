"""What stands behind a procedure's own models: fit, variance components, tests, checks and diagnostics in one table.

What belongs here: that table, and words for variance components. What does not: declared models (`fits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from assets.publishing.formatting import decimals_for, p_value
from assets.publishing.statistics.parts import NO_READING
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import (
    BLANK,
    Cell,
    Column,
    PaperTable,
    Row,
    interval_cell,
    number_cell,
    plain_value,
)

BEHIND = ("results.fit", "results.variance_component", "results.comparison", "results.reference_check",
          "results.diagnostic")  # fmt: skip
"""Tables that say how far to trust a model, in the order in which they are printed."""

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
    spelled = own.replace("var_", "variance of ", 1).replace("cov_", "covariance of ", 1).replace("_", " ")
    words = COMPONENTS.get(own, "variance" if own == "var" else spelled)
    if not dot:
        return words
    if level in ("icc", "share"):
        what = "Intraclass correlation" if level == "icc" else "Share of the variance"
        return f"{what}: {own.replace('_', ' ')}"
    return f"{level.replace('_', ' ').capitalize()}: {words[:1].lower()}{words[1:]}"


def component_order(name: str) -> int:
    """Where it is printed: known ones first."""
    return ORDER.index(name) if name in ORDER else len(ORDER)


def evidence_table(procedure: Procedure) -> PaperTable | None:
    """Rows by outcome: what was found of each model; None where the procedure says nothing of the kind."""
    by_outcome: dict[str, list[Row]] = {}
    for table in BEHIND:
        for row in procedure.rows(table):
            by_outcome.setdefault(str(row["outcome"] or ""), []).extend(_ROWS[table](row))
    if not by_outcome:
        return None
    rows = [row for outcome, own in by_outcome.items() for row in (Row(procedure.outcome(outcome)), *own)]
    columns = (Column("Value"), Column("95 % CI"), Column("n"), Column("Note", is_number=False))
    frames = [procedure.tables[name] for name in BEHIND if name in procedure.tables]
    return PaperTable(
        f"{procedure.name}_behind", f"{procedure.title}: fit, variance components and checks", "Quantity", columns,
        tuple(rows), (), pl.concat(frames, how="diagonal_relaxed"), NO_READING,
    )  # fmt: skip


def _line(label: str, value: Cell, interval: Cell = BLANK, n: object = None, note: object = None) -> Row:
    return Row(label, (value, interval, Cell(plain_value(n)), Cell(str(note or ""))), is_indented=True)


def _fit(row: dict[str, Any]) -> Iterator[Row]:
    if row["reason"]:
        yield _line("Not estimated", BLANK, note=row["reason"])
        return
    names = (("log_likelihood", "Log-likelihood"), ("aic", "AIC"), ("bic", "BIC"))
    for name, label in names:
        if row[name] is not None:
            yield _line(label, number_cell(row[name], 1), n=row["n_observations"])
    yield _line("Converged", Cell(plain_value(row["is_converged"])))
    yield _line("Singular", Cell(plain_value(row["is_singular"])))


def _component(row: dict[str, Any]) -> Iterator[Row]:
    value = row["estimate"]
    if value is None:
        yield _line(component_words(row["component"]), Cell("n/a", is_muted=True), note=row["reason"])
        return
    decimals = decimals_for([abs(value) / 20], most=6) if value else 2
    known = row["ci_low"] is not None and row["ci_high"] is not None
    interval = interval_cell(row["ci_low"], row["ci_high"], decimals) if known else BLANK
    note = row["ci_method"] if known else row["reason"]
    yield _line(component_words(row["component"]), number_cell(value, decimals), interval, note=note)


def _comparison(row: dict[str, Any]) -> Iterator[Row]:
    label = f"Against {str(row['compared_with']).replace('_', ' ')}"
    if row["chi_square"] is None:
        yield _line(label, Cell("n/a", is_muted=True), note=row["reason"])
        return
    text = f"{p_value(row['p_value'])}, df = {row['df']}"
    if row["p_mixture"] is not None:
        text += f"; mixture {p_value(row['p_mixture'])}"
    yield _line(label, number_cell(row["chi_square"], 2), note=f"{text}; {row['method'] or 'likelihood ratio'}")


def _check(row: dict[str, Any]) -> Iterator[Row]:
    said = "; ".join(str(row[name]) for name in ("status", "reason") if row[name])
    yield _line(f"Log-likelihood by {row['reference']}", number_cell(row["reference_log_likelihood"], 2), note=said)


def _diagnostic(row: dict[str, Any]) -> Iterator[Row]:
    name = str(row["diagnostic"]).replace("_", " ")
    yield _line(f"{name[:1].upper()}{name[1:]}", Cell(plain_value(row["value"])), n=row["n"], note=row["note"])


_ROWS = {
    "results.fit": _fit,
    "results.variance_component": _component,
    "results.comparison": _comparison,
    "results.reference_check": _check,
    "results.diagnostic": _diagnostic,
}
