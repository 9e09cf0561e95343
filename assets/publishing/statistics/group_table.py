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
from assets.publishing.words import at_occasion

DESCRIPTION, GROUP_TEST = "results.description", "results.group_test"
NO_LEVELS = frozenset({"0", "0.0", "no", "false"})
"""Names of the level of a yes-or-no variable that a table leaves out."""
DESCRIBED_AS = "M (SD) or valid %"
TESTS = {
    "t_test": "Student’s t",
    "welch_t_test": "Welch’s t",
    "chi_square": "Pearson’s chi-square",
    "fisher_exact": "Fisher’s exact test",
    "anova": "analysis of variance",
}
"""Test → words."""
ALPHA = 0.05
Described = Mapping[str, Any]


def group_table(procedure: Procedure) -> PaperTable:
    """One column for each group (and for everyone, where the results have that), one row for each variable.

    Groups of one kind of people side by side with their test; means at several occasions by group (`occasions`).
    """
    described, tests = procedure.rows(DESCRIPTION), procedure.rows(GROUP_TEST)
    if any(row.get("occasion") for row in described):
        return _occasions(procedure, described)
    groups = list(dict.fromkeys((row["group_level"], row["group_label"]) for row in described))
    by_variable: dict[str, list[Described]] = {}
    for row in described:
        by_variable.setdefault(row["variable"], []).append(row)
    tested = {row["variable"]: row for row in tests}
    rows: list[Row] = []
    for variable, own in by_variable.items():
        rows += _variable(own, groups, tested.get(variable), has_tests=bool(tests))
    columns = [
        Column(_heading(label or level or "Everyone", described, level), DESCRIBED_AS) for level, label in groups
    ]
    if len(groups) == 1:
        columns = [Column(f"{columns[0].heading}: {DESCRIBED_AS}")]
        columns += [Column("n of N")]
        rows = [Row(row.label, (*row.cells, _of_n(row)), row.is_indented) for row in rows]
    if tests:
        columns += [Column("Statistic (df)"), Column("p"), Column("Standardised difference"), Column("95 % CI")]
    data = procedure.tables[DESCRIPTION]
    if tests:
        data = pl.concat([data, procedure.tables[GROUP_TEST]], how="diagonal_relaxed")
    return PaperTable(
        procedure.name, procedure.title, "Variable", tuple(columns), tuple(rows),
        _notes(procedure, tests), data, _reading(by_variable, tests, groups),
    )  # fmt: skip


def _size(row: Described | None) -> Cell:
    known = row is not None and not row[MARK] and row["n_valid"] is not None
    return Cell(count(row["n_valid"]), is_muted=True) if row is not None and known else BLANK


def _of_n(row: Row) -> Cell:
    """What pointing at the only group's cell says, printed."""
    return Cell(row.cells[0].title, is_muted=row.cells[0].is_muted)


def _occasions(procedure: Procedure, described: Sequence[Described]) -> PaperTable:
    """One row for each outcome and group, one column for each occasion: mean (SD), and n beneath the head."""
    places: dict[str, float] = {}
    for row in described:
        places.setdefault(row["occasion"], row["at_months"] if row["at_months"] is not None else 0.0)
        places[row["occasion"]] = max(places[row["occasion"]], row["at_months"] or 0.0)
    order = sorted(places, key=lambda name: places[name])
    groups: dict[tuple[str, str], dict[str, Described]] = {}
    for one in described:
        key = (str(one["label"] or one["variable"]), str(one["group_label"] or ""))
        groups.setdefault(key, {})[one["occasion"]] = one
    rows: list[Row] = []
    seen = ""
    for (label, group), cells in groups.items():
        decimals = decimals_of([row["mean"] for row in cells.values()])
        if label != seen:
            rows.append(Row(label))
            seen = label
        rows.append(Row(group, tuple(_mean(cells.get(name), decimals) for name in order), is_indented=True))
        sizes = tuple(_size(cells.get(name)) for name in order)
        rows.append(Row("n", sizes, is_indented=True))
    return PaperTable(
        procedure.name, procedure.title, "Outcome",
        tuple(Column(procedure.occasions.get(name, _level(name)), "Occasion, M (SD)") for name in order),
        tuple(rows), (), procedure.tables[DESCRIPTION],
        Reading(_over_time(groups, procedure.occasions, order), "Those assessed late are not those assessed early."),
    )  # fmt: skip


def _heading(label: str, described: Sequence[Described], level: str | None) -> str:
    totals = [row["n_total"] for row in described if row["group_level"] == level and row["n_total"] is not None]
    return f"{label} (n\u00a0=\u00a0{count(max(totals))})" if totals else str(label)


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
    if categories == [None] and own[0]["measure_type"] != "binary":
        decimals = decimals_of([row["mean"] for row in own])
        found = {row["group_level"]: row for row in own}
        return [Row(f"{label}, M (SD)", (*(_mean(found.get(level), decimals) for level, _ in groups), *tail))]
    printed = (
        [name for name in categories if str(name).lower() not in NO_LEVELS] if len(categories) <= 2 else categories
    )
    if len(printed) == 1:
        by_group = {row["group_level"]: row for row in own if row["category"] == printed[0]}
        is_plain = printed[0] is None or str(printed[0]).lower() in ("1", "1.0", "yes", "true")
        name = "" if is_plain else f": {_level(printed[0])}"
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
    if test["statistic"] is None and str(test["test"]).startswith("fisher"):
        statistic = Cell("exact")
    low, high = test["smd_ci_low"], test["smd_ci_high"]
    interval = ABSENT if low is None or high is None else Cell(f"[{number(low, 2)}, {number(high, 2)}]")
    p = test["p_value"]
    return (
        Cell(statistic.text, _test_words(test["test"] or ""), is_muted=statistic.is_muted),
        p_cell(p),
        number_cell(test["smd"], 2, stars_of=p),
        interval,
    )


def _test_words(test: str) -> str:
    name, _, rest = test.partition(",")
    return f"{TESTS.get(name, name.replace('_', ' '))}{f' ({rest.strip()})' if rest else ''}"


def _notes(procedure: Procedure, tests: Sequence[Described]) -> tuple[str, ...]:
    names = list(dict.fromkeys(_test_words(row["test"]) for row in tests if row["test"]))
    notes = [f"Per cent of patients with a valid value.{f' Tests: {listing(names)}.' if names else ''}"]
    reasons = [f"{row['label'] or row['variable']}: {row['reason']}" for row in tests if row["reason"]]
    return (*notes, *(f"{reason}." for reason in dict.fromkeys(reasons)))


MOST_SAID = 5
"""Variables that a sentence can hold."""


def _described(by_variable: Mapping[str, Sequence[Described]]) -> tuple[str, ...]:
    """The first variables in a sentence, for everybody where that is known."""
    said = []
    for name, rows in by_variable.items():
        row = next((row for row in rows if row["group_level"] is None), rows[0])
        label = row["label"] or name
        if row["mean"] is not None:
            decimals = decimals_of([row["mean"]])
            said.append(f"{label} {number(row['mean'], decimals)} (SD {number(row['sd'], decimals)})")
        elif row["pct"] is not None and row["category"] is None:
            said.append(f"{label} {number(row['pct'], 0)} %")
    if not said:
        return ()
    more = "" if len(said) <= MOST_SAID else f"; {len(said) - MOST_SAID} more in the table"
    return (f"{'; '.join(said[:MOST_SAID])}{more}.",)


def _over_time(rows: Mapping[tuple[str, str], Mapping[str, Described]], names: Mapping[str, str], order: Sequence[str]
) -> tuple[str, ...]:  # fmt: skip
    """`Goal: Good outcome from 5.1 at month 3 to 6.1 at discharge`, for the first outcome."""
    said: dict[str, list[str]] = {}
    for (label, group), cells in rows.items():
        known = [name for name in order if name in cells and cells[name]["mean"] is not None]
        if len(known) > 1:
            first, last = cells[known[0]], cells[known[-1]]
            said.setdefault(label, []).append(
                f"{group} from {number(first['mean'], 1)} {at_occasion(names.get(known[0], known[0]))} to "
                f"{number(last['mean'], 1)} {at_occasion(names.get(known[-1], known[-1]))}"
            )
    return tuple(f"{label}: {', '.join(parts)}." for label, parts in [*said.items()][:3])


def _reading(
    by_variable: Mapping[str, Sequence[Described]],
    tests: Sequence[Described],
    groups: Sequence[tuple[str | None, str | None]],
) -> Reading:
    shown = [row for row in tests if row["p_value"] is not None]
    if not shown:
        return Reading(_described(by_variable))
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
