"""Procedures of an analysis as the warehouse holds them: what each says of itself, and its rows, suppressed.

What belongs here: reading `results.*` by procedure. What does not: cells (`layouts`), or models for each outcome
(`assets.publishing.estimates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import Fitted
from assets.publishing.sources import Warehouse
from assets.publishing.statistics.table import anchor
from assets.publishing.statistics.withheld import MARK, tests_of_hidden, withheld
from codebook.analysis import Analysis
from codebook.procedures.base import ProcedureBase

NO_ROWS_OF_ITS_OWN = frozenset({"results.procedure", "results.fixed_covariance"})
"""What a procedure says of itself, and what serves figures only."""
GROUPED = frozenset({"results.estimate", "results.contrast"})
"""Tables whose numbers are differences between groups of the panel."""

EVERYTHING = 1_000_000_000
"""A minimum that no count reaches: every number is held back."""


@dataclass(frozen=True)
class Procedure:
    """One declared procedure: its row of `results.procedure`, and its rows by table; `reason` says why it has none."""

    name: str
    kind: str
    title: str
    method: str
    note: str
    reason: str
    n_patients: int | None
    n_observations: int | None
    tables: Mapping[str, pl.DataFrame]
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Outcome → label."""
    occasions: Mapping[str, str] = field(default_factory=dict)
    """Occasion → label."""
    analysis: str = ""
    is_model: bool = False
    """It stands for a declared mixed model and its contrasts."""

    def outcome(self, name: str | None) -> str:
        """What an outcome is called: one, the difference of two (`a - b`), or several together (`a+b`)."""
        for mark, between in ((" - ", " − "), ("+", ", ")):
            if name and mark in name:
                return between.join(self.outcome(part.strip()) for part in name.split(mark))
        return self.outcomes.get(name or "", str(name or "").replace("_", " "))

    def link(self, outcome: str) -> str:
        """The place of the model behind a number; empty for procedures, which have no block of their own."""
        return anchor(self.analysis, outcome, self.name) if self.is_model else ""

    @property
    def n_suppressed(self) -> int:
        """Rows whose numbers are held back."""
        return sum(int(frame[MARK].sum()) for frame in self.tables.values())

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of one table, none where the procedure wrote none."""
        frame = self.tables.get(table)
        return [] if frame is None else frame.to_dicts()


def read_results(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    """Every table of `results`, in the order in which its rows were written (as declared)."""
    return {name: warehouse.frame(f"select * from {name}") for name in warehouse.names("results")}


def procedures(
    analysis: Analysis,
    results: Mapping[str, pl.DataFrame],
    panel: pl.DataFrame | None,
    rule: Disclosure,
    occasions: Mapping[str, str],
    outcomes: Mapping[str, str] | None = None,
) -> list[Procedure]:
    """Every declared procedure in declared order, whether it has a result or not.

    `occasions` and `outcomes` are key → label; without outcomes, those that the analysis declares.
    """
    said = {row["procedure"]: row for row in _of(results.get("results.procedure"), analysis.name).to_dicts()}
    parts = {name: _by_name(frame, analysis.name) for name, frame in results.items() if name not in NO_ROWS_OF_ITS_OWN}
    return [
        _procedure(
            analysis,
            declared,
            said.get(declared.name),
            {name: by_name[declared.name] for name, by_name in parts.items() if declared.name in by_name},
            panel,
            rule,
            occasions,
            outcomes or analysis.outcomes,
        )
        for declared in analysis.procedures
    ]


def _procedure(
    analysis: Analysis,
    declared: ProcedureBase,
    said: Mapping[str, Any] | None,
    found: Mapping[str, pl.DataFrame],
    panel: pl.DataFrame | None,
    rule: Disclosure,
    occasions: Mapping[str, str],
    outcomes: Mapping[str, str],
) -> Procedure:
    row = said or {"reason": "no result"}
    refused = None if panel is None else rule.refuses_cells(panel, sorted(declared.columns()))
    tables: dict[str, pl.DataFrame] = {}
    is_small = row.get("n_patients") is not None and not rule.allows(row["n_patients"])
    for name, own in found.items():
        is_refused = is_small or (refused is not None and (name in GROUPED or _is_of_contrasts(own)))
        tables[name] = withheld(name, own, Disclosure(EVERYTHING) if is_refused else rule)
    if {"results.description", "results.group_test"} <= tables.keys():
        tables["results.group_test"] = tests_of_hidden(tables["results.group_test"], tables["results.description"])
    n_patients = row.get("n_patients")
    is_shown = n_patients is None or rule.allows(n_patients)
    return Procedure(
        declared.name,
        str(getattr(declared, "kind", row.get("kind") or "")),
        declared.title,
        row.get("method") or "",
        row.get("note") or "",
        row.get("reason") or "",
        n_patients if is_shown else None,
        row.get("n_observations") if is_shown else None,
        tables,
        outcomes,
        occasions,
        analysis.name,
    )


def _is_of_contrasts(frame: pl.DataFrame) -> bool:
    """Whether rows are of contrasts between groups, as effect sizes of two arms are."""
    return "contrast" in frame.columns and frame["contrast"].null_count() < frame.height


def contrasts_of_models(
    analysis: Analysis, results: Mapping[str, pl.DataFrame], fitted: Sequence[Fitted], rule: Disclosure
) -> list[Procedure]:
    """The contrasts that declared models make, each model as if it were a procedure; none where it makes none."""
    found = []
    for model in analysis.models:
        own = _of(results.get("results.contrast"), analysis.name, model.name)
        if not model.contrasts or own.is_empty():
            continue
        shown = [item for item in fitted if item.model == model and item.is_shown]
        is_shown = pl.col("outcome").is_in([item.outcome for item in shown])
        parts = [
            withheld("results.contrast", own.filter(is_shown), rule),
            withheld("results.contrast", own.filter(~is_shown), Disclosure(EVERYTHING)),
        ]
        methods = dict.fromkeys(str(method) for method in own["method"].drop_nulls())
        frame = pl.concat([part for part in parts if part.height])
        found.append(
            Procedure(model.name, "contrasts", model.label, "; ".join(methods), "", "", None, None,
                      {"results.contrast": frame}, analysis.outcomes, {}, analysis.name, is_model=True)
        )  # fmt: skip
    return found


def _by_name(frame: pl.DataFrame, analysis: str) -> dict[str, pl.DataFrame]:
    """Rows of an analysis by the procedure (or model) that they are of."""
    column = next((name for name in ("procedure", "model") if name in frame.columns), None)
    if column is None or "analysis" not in frame.columns:
        return {}
    own = frame.filter(pl.col("analysis") == analysis)
    parts = own.partition_by(column, as_dict=True, maintain_order=True)
    return {str(key[0]): part for key, part in parts.items()}


def _of(frame: pl.DataFrame | None, analysis: str, procedure: str | None = None) -> pl.DataFrame:
    """Rows of an analysis, and of one procedure or model."""
    if frame is None or "analysis" not in frame.columns:
        return pl.DataFrame()
    found = frame.filter(pl.col("analysis") == analysis)
    return found if procedure is None else found.filter(pl.col("procedure") == procedure)
