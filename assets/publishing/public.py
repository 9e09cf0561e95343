"""What the first public page says: the network in numbers, and the main result of every declared analysis.

What belongs here: the content of `published/public/index.html`. What does not: one analysis (`statistics`), or HTML.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.publishing import words
from assets.publishing.disclosure import Disclosure
from assets.publishing.estimates import SLOPE
from assets.publishing.formatting import count, decimals_for, number, p_value, percent, plural, share
from assets.publishing.quality.ledger import completeness, instrument_order
from assets.publishing.reading import growth_models, key_label, key_models, slope_words
from assets.publishing.sources import RunSummary, Warehouse
from assets.publishing.statistics.page import AnalysisPart, analysis_part
from assets.publishing.statistics.records import read_results
from assets.publishing.statistics.table import SUPPRESSED
from codebook.analysis import Analysis
from codebook.library import Library

ASSESSMENT_SCHEMA = pl.Schema(
    {
        "instrument": pl.String(),
        "name": pl.String(),
        "n_patients": pl.Int64(),
        "n_expected": pl.Int64(),
        "n_received": pl.Int64(),
        "n_scorable": pl.Int64(),
        "is_suppressed": pl.Boolean(),
    }
)


@dataclass(frozen=True)
class InstrumentRow:
    """One instrument: who answered it, and how much of what was expected came."""

    name: str
    title: str
    direction: str
    versions: str
    n_patients: str
    received: str
    scorable: str


@dataclass(frozen=True)
class Counts:
    """The network in numbers; None is suppressed."""

    n_units: int
    n_patients: int | None
    n_episodes: int | None
    n_assessments: int | None
    n_expected: int
    n_received: int


@dataclass(frozen=True)
class PublicContent:
    """Everything the public page and its downloads hold."""

    counts: Counts
    instruments: tuple[InstrumentRow, ...]
    assessments: pl.DataFrame
    parts: tuple[AnalysisPart, ...]
    sentence: str


def content(warehouse: Warehouse, library: Library, rule: Disclosure, run: RunSummary) -> PublicContent:
    """Read and suppress; nothing after this sees a number that may not be shown."""
    counts = _counts(warehouse, library, rule)
    instruments, assessments = _instruments(warehouse, library, rule)
    results = read_results(warehouse)
    parts = tuple(
        analysis_part(warehouse, library, analysis, results, rule, run)
        for analysis in sorted(library.analyses.values(), key=_place)
    )
    return PublicContent(counts, instruments, assessments, parts, first_sentence(counts, parts))


def _place(analysis: Analysis) -> tuple[bool, bool, str]:
    """Those with a declared figure first, those that repeat another one last."""
    return analysis.sensitivity_of is not None, analysis.figure is None, analysis.name


def first_sentence(counts: Counts, parts: tuple[AnalysisPart, ...]) -> str:
    """Who was seen, how much came of what was expected, and the main result: one sentence of numbers."""
    who = (
        "A number of patients too small to print" if counts.n_patients is None else plural(counts.n_patients, "patient")
    )
    text = f"{who} in {plural(counts.n_units, 'unit')}"
    if counts.n_expected:
        received = f"{count(counts.n_received)} of {plural(counts.n_expected, 'expected assessment')} received"
        text += f", {received} ({percent(counts.n_received, counts.n_expected)})"
    elif counts.n_assessments is not None:
        text += f", {plural(counts.n_assessments, 'assessment')}"
    for part in parts:
        result = _headline(part)
        if result:
            return f"{text}; {result}."
    return f"{text}."


def _headline(part: AnalysisPart) -> str:
    growth = {item.outcome: item for item in growth_models(part.fitted)}
    found = []
    for item in key_models(part.analysis, part.fitted):
        term = tuple(sorted((*item.predictors[0].split(":"), "months")))
        if item.outcome in growth and SLOPE in growth[item.outcome].estimates and term in item.estimates:
            p = item.estimates[term].p_value
            found.append((1.0 if p is None else p, item, item.estimates[term]))
    if found:
        _, item, effect = min(found, key=lambda entry: entry[0])
        text = slope_words(growth[item.outcome])
        if effect.p_value is not None and effect.p_value < 0.05:
            size = number(abs(effect.value), decimals_for([effect.std_error]))
            more = "more" if effect.value > 0 else "less"
            return f"{text}, {size} {more} with {key_label(part.analysis, item)} ({p_value(effect.p_value)})"
        return text
    return slope_words(next(iter(growth.values()))) if growth else ""


def _counts(warehouse: Warehouse, library: Library, rule: Disclosure) -> Counts:
    def publishable(table: str, what: str = "*") -> int | None:
        n = warehouse.value(f"select count({what}) from {table}") if warehouse.has(table) else 0
        return n if rule.allows(n) else None

    frame = completeness(warehouse)
    n_units = (
        warehouse.value("select count(distinct site_id) from harmonised.episode")
        if warehouse.has("harmonised.episode")
        else len(library.sites)
    )
    patients = publishable("harmonised.patient", "distinct patient_id")
    expected, received = int(frame["n_expected"].sum()), int(frame["n_received"].sum())
    is_shown = patients is not None and rule.allows_part(received, expected)
    return Counts(
        n_units,
        patients,
        publishable("harmonised.episode") if patients is not None else None,
        publishable("harmonised.assessment") if patients is not None else None,
        expected if is_shown else 0,
        received if is_shown else 0,
    )


def _instruments(
    warehouse: Warehouse, library: Library, rule: Disclosure
) -> tuple[tuple[InstrumentRow, ...], pl.DataFrame]:
    if not (warehouse.has("harmonised.assessment") and warehouse.has("harmonised.patient")):
        return (), pl.DataFrame(schema=ASSESSMENT_SCHEMA)
    used = {
        row["instrument"]: row
        for row in warehouse.frame(
            "select instrument, count(distinct patient_id) as n, count(*) as n_assessments, "
            "string_agg(distinct version, ',' order by version) as versions "
            "from harmonised.assessment group by all order by all"
        ).to_dicts()
    }
    sums = {
        row["instrument"]: row
        for row in completeness(warehouse)
        .group_by("instrument")
        .agg(pl.col("n_expected", "n_received", "n_scorable").sum())
        .to_dicts()
    }
    n_all = warehouse.value("select count(distinct patient_id) from harmonised.patient")
    rows, table = [], []
    for key in instrument_order(library, sorted({*used, *sums})):
        own, total = used.get(key, {}), sums.get(key, {})
        n_patients = int(own.get("n", 0))
        expected, received, scorable = (int(total.get(c) or 0) for c in ("n_expected", "n_received", "n_scorable"))
        is_shown = rule.allows_part(n_patients, n_all)
        shows_received = is_shown and rule.allows_part(received, expected)
        shows_scorable = shows_received and rule.allows_part(scorable, expected)
        known = library.instruments.get(key)
        labels = {version.key: version.label for version in known.versions} if known else {}
        rows.append(
            InstrumentRow(
                words.short_name(key),
                words.instrument_title(library, key),
                words.DIRECTIONS[known.direction] if known else "",
                "; ".join(labels.get(v, v) for v in (own.get("versions") or "").split(",") if v),
                count(n_patients) if is_shown else SUPPRESSED,
                share(received, expected) if shows_received else SUPPRESSED,
                share(scorable, expected) if shows_scorable else SUPPRESSED,
            )
        )
        table.append(
            {
                "instrument": key,
                "name": words.instrument_title(library, key),
                "n_patients": n_patients if is_shown else None,
                "n_expected": expected if shows_received else None,
                "n_received": received if shows_received else None,
                "n_scorable": scorable if shows_scorable else None,
                "is_suppressed": not (is_shown and shows_received and shows_scorable),
            }
        )
    return tuple(rows), pl.DataFrame(table, schema=ASSESSMENT_SCHEMA)
