"""Results of a declared analysis on the screen: models term by term, tables of groups side by side, the rest as it is.

What belongs here: layout. What does not: which analyses (`analyse_cli`), or any number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codebook.analysis import Analysis
from orchestration.tables import print_table

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]

TERM_COLUMNS = ("estimate", "std_error", "df", "statistic", "p_value", "ci_low", "ci_high")
FIT_FACTS = {
    "n_patients": ("patients:", 0),
    "n_observations": ("rows:", 0),
    "aic": ("AIC:", 1),
    "reference_aic": ("AIC of the reference on these rows:", 1),
    "explained_intercept_pct": ("per cent of the intercept variance explained:", 1),
    "explained_slope_pct": ("of the slope variance:", 1),
}
DIGITS = 4
KEYS = {"analysis", "procedure"}
OF_MODELS = {"results.estimate", "results.fit", "results.fixed_covariance", "results.procedure"}
DESCRIPTION, GROUP_TEST = "results.description", "results.group_test"


def print_analysis(analysis: Analysis, tables: Tables) -> None:
    """Its models, then what is said of them, then its procedures. `tables`: rows of this analysis, by table."""
    heading = f"{analysis.title} ({analysis.name})"
    print(f"{heading}\n{'=' * len(heading)}")
    for fit in tables["results.fit"]:
        if "@" not in fit["model"]:  # a reference refitted on the rows of another model
            _print_model(fit, tables["results.estimate"])
    procedures = {procedure.name for procedure in analysis.procedures}
    for name, rows in tables.items():
        if name not in OF_MODELS:
            title = name.removeprefix("results.").replace("_", " ").capitalize()
            _print_rows(title, [row for row in rows if row.get("procedure") not in procedures])
    for said in tables["results.procedure"]:
        own = {
            name: [row for row in rows if row.get("procedure") == said["procedure"]] for name, rows in tables.items()
        }
        _print_procedure(said, own)
    print()


def _print_model(fit: Row, estimates: Sequence[Row]) -> None:
    print(f"\n{fit['outcome_label']}: {fit['label']} ({fit['outcome']}/{fit['model']})")
    if fit["reason"]:
        print(f"not fitted: {fit['reason']}")
        return
    key = (fit["outcome"], fit["model"])
    rows = [row for row in estimates if (row["outcome"], row["model"]) == key]
    lines = [[row["term"], *(_short(row[name]) for name in TERM_COLUMNS)] for row in rows]
    if lines:  # a joint model's terms stand under each of its outcomes
        print_table(("term", *TERM_COLUMNS), lines)
    facts = [
        f"{word} {fit[name]:.{decimals}f}" for name, (word, decimals) in FIT_FACTS.items() if fit[name] is not None
    ]
    facts += ["singular"] if fit["is_singular"] else []
    facts += [] if fit["is_converged"] else ["not converged"]
    print(f"{', '.join(facts)}. {fit['method']}.")


def _print_procedure(said: Row, own: Tables) -> None:
    print(f"\n{said['title']} ({said['procedure']})")
    counts = (("n_patients", "patients"), ("n_observations", "rows"))
    facts = [said["method"], said["note"], said["reason"]]
    facts += [f"{said[key]} {word}" for key, word in counts if said[key] is not None]
    print(". ".join(fact for fact in facts if fact) + ".")
    side_by_side = said["kind"] == "group_comparison"
    if side_by_side and own[DESCRIPTION]:
        _print_groups(own[DESCRIPTION], own[GROUP_TEST])
    for name, rows in own.items():
        if name != "results.procedure" and not (side_by_side and name in {DESCRIPTION, GROUP_TEST}):
            _print_rows("", rows)


def _print_groups(described: Sequence[Row], tested: Sequence[Row]) -> None:
    """A variable or category to a row, a group to a column, its test behind."""
    groups = list(dict.fromkeys(row["group_label"] for row in described))
    cells: dict[tuple[str, str | None], dict[str, str]] = {}
    labels: dict[str, str] = {}
    for row in described:
        labels[row["variable"]] = row["label"]
        cells.setdefault((row["variable"], row["category"]), {})[row["group_label"]] = _cell(row)
    tests = {row["variable"]: row for row in tested}
    lines: list[list[object]] = []
    told: set[str] = set()
    for (variable, category), by_group in cells.items():
        name = labels[variable] if category is None else f"{labels[variable]}: {category}"
        test = tests.get(variable, {}) if variable not in told else {}
        told.add(variable)
        interval = ""
        if test.get("smd") is not None:
            interval = f"{test['smd']:.2f} [{test['smd_ci_low']:.2f}, {test['smd_ci_high']:.2f}]"
        said = test.get("test") or test.get("reason")
        line = [name, *(by_group.get(group, "") for group in groups), said, _short(test.get("statistic"))]
        lines.append([*line, _short(test.get("p_value")), interval])
    print()
    print_table(("", *groups, "test", "statistic", "p", "standardised difference"), lines)


def _cell(row: Row) -> str:
    """`61 of 82 (74 %)`, or `5.57 (1.77), n 82`; n/a where nobody has a value."""
    if row["n_valid"] == 0:
        return "n/a"
    if row["measure_type"] == "continuous":
        spread = "n/a" if row["sd"] is None else f"{row['sd']:.3g}"
        return f"{row['mean']:.{DIGITS}g} ({spread}), n {row['n_valid']}"
    return f"{row['count']} of {row['n_valid']} ({row['pct']:.0f} %)"


def _print_rows(title: str, rows: Sequence[Row]) -> None:
    """A table of rows without the columns that say nothing."""
    if not rows:
        return
    columns = [name for name in rows[0] if name not in KEYS and any(row[name] is not None for row in rows)]
    print(f"\n{title}" if title else "")
    print_table(columns, [[_short(row[name]) for name in columns] for row in rows])


def _short(value: object) -> object:
    """Four significant digits: more are in --format json."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
