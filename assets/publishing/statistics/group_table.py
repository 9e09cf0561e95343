"""Groups side by side as papers print them in their second table: mean (SD) or valid per cent, test, difference.

What belongs here: results of `results.description` with `results.group_test` as one table. What does not: other
results (`layouts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.publishing.formatting import count, listing, number, plural
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import (
    ABSENT,
    BLANK,
    HIDDEN,
    SUPPRESSED,
    Cell,
    Column,
    PaperTable,
    Reading,
    Row,
    decimals_of,
    mean_cell,
    number_cell,
    p_cell,
    statistic_cell,
)
from assets.publishing.statistics.withheld import MARK

DESCRIPTION, GROUP_TEST = "results.description", "results.group_test"
NO_LEVELS = frozenset({"0", "0.0", "no", "false", "none"})
"""Names of the level of a yes-or-no variable that a table leaves out."""
ALPHA = 0.05
Described = Mapping[str, Any]


def group_table(procedure: Procedure) -> PaperTable:
    """One column for each group (and for everyone, where the results have that), one row for each variable."""
    described, tests = procedure.rows(DESCRIPTION), procedure.rows(GROUP_TEST)
    groups = list(dict.fromkeys((row["group_level"], row["group_label"]) for row in described))
    by_variable: dict[str, list[Described]] = {}
    for row in described:
        by_variable.setdefault(row["variable"], []).append(row)
    tested = {row["variable"]: row for row in tests}
    rows: list[Row] = []
    for variable, own in by_variable.items():
        rows += _variable(own, groups, tested.get(variable), has_tests=bool(tests))
    described_as = "M (SD) or valid %"
    columns = [
        Column(_heading(label or level or "Everyone", described, level), described_as) for level, label in groups
    ]
    if tests:
        columns += [Column("Statistic (df)"), Column("p"), Column("Standardised difference"), Column("95 % CI")]
    data = procedure.tables[DESCRIPTION]
    if tests:
        data = pl.concat([data, procedure.tables[GROUP_TEST]], how="diagonal_relaxed")
    return PaperTable(
        procedure.name, procedure.title, "Variable", tuple(columns), tuple(rows),
        _notes(procedure, tests), data, _reading(by_variable, tests, groups),
    )  # fmt: skip


def _heading(label: str, described: Sequence[Described], level: str | None) -> str:
    totals = [row["n_total"] for row in described if row["group_level"] == level and row["n_total"] is not None]
    return f"{label} (n = {count(max(totals))})" if totals else str(label)


def _variable(
    own: Sequence[Described],
    groups: Sequence[tuple[str | None, str | None]],
    test: Described | None,
    *,
    has_tests: bool,
) -> list[Row]:
    label = own[0]["label"] or own[0]["variable"]
    tail = _test_cells(test, own) if has_tests else ()
    categories = list(dict.fromkeys(row["category"] for row in own))
    if categories == [None]:
        values = [row["mean"] for row in own]
        decimals = decimals_of(values)
        found = {row["group_level"]: row for row in own}
        return [Row(f"{label}, M (SD)", (*(_mean(found.get(level), decimals) for level, _ in groups), *tail))]
    printed = (
        [name for name in categories if str(name).lower() not in NO_LEVELS] if len(categories) <= 2 else categories
    )
    if len(printed) == 1:
        by_group = {row["group_level"]: row for row in own if row["category"] == printed[0]}
        name = "" if str(printed[0]).lower() in ("1", "1.0", "yes", "true") else f": {_level(printed[0])}"
        return [Row(f"{label}{name}, %", (*(_percent(by_group.get(level)) for level, _ in groups), *tail))]
    rows = [Row(f"{label}, %", (*(BLANK for _ in groups), *tail))]
    for category in printed:
        by_group = {row["group_level"]: row for row in own if row["category"] == category}
        cells = (*(_percent(by_group.get(level)) for level, _ in groups), *(BLANK for _ in tail))
        rows.append(Row(_level(category), cells, is_indented=True))
    return rows


def _level(category: object) -> str:
    return str(category).replace("_", " ")


def _mean(row: Described | None, decimals: int) -> Cell:
    if row is None:
        return ABSENT
    if row[MARK]:
        return HIDDEN
    cell = mean_cell(row["mean"], row["sd"], decimals)
    title = "" if row["n_valid"] is None else f"n = {count(row['n_valid'])}"
    return Cell(cell.text, title, is_muted=cell.is_muted)


def _percent(row: Described | None) -> Cell:
    if row is None:
        return Cell("0")
    if row[MARK]:
        return HIDDEN
    if row["pct"] is None:
        return ABSENT
    known = row["count"] is not None and row["n_valid"] is not None
    return Cell(number(row["pct"], 0), f"{count(row['count'])} of {count(row['n_valid'])}" if known else "")


def _test_cells(test: Described | None, own: Sequence[Described]) -> tuple[Cell, ...]:
    if test is None:
        return (ABSENT,) * 4
    if test[MARK] or any(row[MARK] for row in own):
        return (HIDDEN, *(Cell(SUPPRESSED, is_muted=True),) * 3)
    if test["reason"]:
        return (Cell("n/a", test["reason"], is_muted=True), ABSENT, ABSENT, ABSENT)
    statistic = statistic_cell(test["statistic"], test["df"])
    low, high = test["smd_ci_low"], test["smd_ci_high"]
    interval = ABSENT if low is None or high is None else Cell(f"[{number(low, 2)}, {number(high, 2)}]")
    p = test["p_value"]
    return (
        Cell(statistic.text, test["test"] or "", is_muted=statistic.is_muted),
        p_cell(p),
        number_cell(test["smd"], 2, stars_of=p),
        interval,
    )


def _notes(procedure: Procedure, tests: Sequence[Described]) -> tuple[str, ...]:
    names = list(dict.fromkeys(row["test"] for row in tests if row["test"]))
    notes = [f"Per cent of patients with a valid value.{f' Tests: {listing(names)}.' if names else ''}"]
    reasons = [f"{row['label'] or row['variable']}: {row['reason']}" for row in tests if row["reason"]]
    return (*notes, *(f"{reason}." for reason in dict.fromkeys(reasons)))


def _reading(
    by_variable: Mapping[str, Sequence[Described]],
    tests: Sequence[Described],
    groups: Sequence[tuple[str | None, str | None]],
) -> Reading:
    shown = [row for row in tests if row["p_value"] is not None]
    if not shown:
        named = [rows[0]["label"] or name for name, rows in by_variable.items()]
        return Reading((f"{plural(len(named), 'variable')} of the patients, described without a test.",), "")
    clear = sorted((row for row in shown if row["p_value"] < ALPHA), key=lambda row: row["p_value"])
    between = listing([f"“{label or level}”" for level, label in groups if level is not None])
    if clear:
        names = listing([f"{row['label'] or row['variable']}" for row in clear])
        sentence = f"{between} differ beyond chance in {len(clear)} of {plural(len(shown), 'variable')}: {names}."
    else:
        sentence = f"{between} differ beyond chance in none of {plural(len(shown), 'variable')}."
    largest = max(shown, key=lambda row: abs(row["smd"] or 0.0))
    more: tuple[str, ...] = ()
    if largest["smd"] is not None:
        name = largest["label"] or largest["variable"]
        more = (f"The largest standardised difference is {number(largest['smd'], 2)} ({name}).",)
    by_chance = ALPHA * len(shown)
    doubt = (
        f"{plural(len(shown), 'test')} are made without a correction, of which about "
        f"{number(by_chance, 1 if by_chance < 10 else 0)} would fall below .05 if no variable differed."
    )
    return Reading((sentence, *more), doubt)
