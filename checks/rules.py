"""The rule table: what an answer must be, compiled from the codebook into polars expressions.

What belongs here: item rules (unknown code, out of range), dates, identifiers in free text.
What does not: rules about whole rows (`assets.ingestion.mapping`) or whole deliveries (`checks.gate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from checks.findings import finding_frame
from codebook.instrument import Instrument, item_column

SHORTEST_IDENTIFIER = 4
"""Identifiers shorter than this are not searched for inside text: they would match ordinary words."""

IDENTIFIER_PATTERNS: dict[str, str] = {
    "e-mail address": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}",
    "national number": r"(^|\D)\d{6}[ -]?\d{5}(\D|$)",
    "telephone number": r"(^|[^\d,.])(\+|00)\d{2}[ \d-]{7,}\d|(^|[^\d.,-])\d{2,3}[ -]\d{2,3}[ -]\d{2,4}([^\d]|$)",
}


@dataclass(frozen=True)
class ItemRule:
    """One item of one version: its range, and the codes that stand for 'no answer' (code → label)."""

    instrument: str
    item: int
    minimum: int
    maximum: int
    missing: Mapping[str, str]
    step: float = 1.0

    @property
    def column(self) -> str:
        """Canonical column of the item."""
        return item_column(self.item)

    @property
    def range_code(self) -> str:
        """Stable code of the range rule, `wai_sr-range-07`."""
        return f"{self.instrument}-range-{self.item:02d}"

    @property
    def is_not(self) -> str:
        """What an unknown code is, in words."""
        kind = "a whole number" if self.step == 1 else f"a number in steps of {self.step:g}"
        return f"not {kind} in {self.minimum}–{self.maximum}"

    @property
    def unknown_code(self) -> str:
        """Stable code of the unknown-code rule, `wai_sr-code-07`."""
        return f"{self.instrument}-code-{self.item:02d}"


def item_rules(instrument: Instrument, version: str, missing: Mapping[int, Mapping[str, str]]) -> list[ItemRule]:
    """Rules of every item of a version.

    Args:
        instrument: from the codebook.
        version: key of the version.
        missing: per item, the codes that the site or the file declares missing (code text → label).
    """
    declared = instrument.version(version)
    own = {str(code.code): code.label for code in instrument.missing_codes}
    rules = []
    for item in declared.items or range(1, instrument.n_items + 1):
        minimum, maximum = declared.item_range(item)
        rules.append(ItemRule(instrument.key, item, minimum, maximum, own | dict(missing.get(item, {})), declared.step))
    return rules


@dataclass(frozen=True)
class CheckedAnswers:
    """`frame`: the rows with items as numbers; `findings`; `missing_answers`: explicit missing codes, sparse."""

    frame: pl.DataFrame
    findings: pl.DataFrame
    missing_answers: pl.DataFrame


def check_answers(frame: pl.DataFrame, rules: list[ItemRule], decimal: str, answer: pl.DataType) -> CheckedAnswers:
    """Split answers into valid, explicitly missing and voided; reasons only for flagged rows.

    Args:
        frame: text columns `item_NN`, with assessment_id, patient_id, episode_id, source_file, source_row, entity.
        rules: one per item column.
        decimal: decimal sign of the export.
        answer: type that the answers get.
    """
    text = {rule.column: pl.col(rule.column) for rule in rules}
    number = {
        rule.column: (
            text[rule.column].str.replace(decimal, ".", literal=True) if decimal != "." else text[rule.column]
        ).cast(pl.Float64, strict=False)
        for rule in rules
    }
    states = frame.select([_state(rule, text[rule.column], number[rule.column]) for rule in rules])
    findings, missing_answers = [], []
    flagged = states.select(pl.all().max()).row(0) if states.height else ()
    for rule, worst in zip(rules, flagged, strict=False):
        if not worst:
            continue
        state = states[rule.column]
        missing_answers.append(_missing_answers(frame.filter(state == MISSING), rule))
        bounds = f"{rule.minimum}–{rule.maximum}"
        for value, code, message in (
            (UNKNOWN, rule.unknown_code, f"item {rule.item}: the answer is {rule.is_not}"),
            (OUTSIDE, rule.range_code, f"item {rule.item}: the answer lies outside {bounds}"),
        ):
            rows = frame.filter(state == value)
            if rows.height:
                findings.append(
                    finding_frame(
                        rows,
                        rule=code,
                        kind="conformance",
                        severity="void_value",
                        message=message,
                        item=rule.column,
                        instrument=rule.instrument,
                    )
                )
    checked = frame.with_columns(
        [
            pl.when(states[rule.column] == VALID)
            .then(number[rule.column])
            .otherwise(None)
            .cast(answer)
            .alias(rule.column)
            for rule in rules
        ]
    )
    return CheckedAnswers(
        checked,
        pl.concat(findings)
        if findings
        else finding_frame(frame.clear(), rule="", kind="conformance", severity="flag", message=""),
        pl.concat(missing_answers) if missing_answers else _missing_answers(frame.clear(), rules[0]),
    )


VALID, MISSING, UNKNOWN, OUTSIDE = 0, 1, 2, 3


def _state(rule: ItemRule, text: pl.Expr, number: pl.Expr) -> pl.Expr:
    numeric_missing = [float(code) for code in rule.missing if _is_number(code)]
    is_missing = text.is_in(list(rule.missing))
    if numeric_missing:
        is_missing = is_missing | number.is_in(numeric_missing)
    return (
        pl.when(text.is_null())
        .then(VALID)
        .when(is_missing.fill_null(False))
        .then(MISSING)
        .when(number.is_null() | number.is_nan() | ((number - rule.minimum) % rule.step != 0))
        .then(UNKNOWN)
        .when((number < rule.minimum) | (number > rule.maximum))
        .then(OUTSIDE)
        .otherwise(VALID)
        .cast(pl.Int8)
        .alias(rule.column)
    )


def _missing_answers(rows: pl.DataFrame, rule: ItemRule) -> pl.DataFrame:
    return rows.select(
        "assessment_id",
        pl.lit(rule.instrument).alias("instrument"),
        pl.lit(rule.item, dtype=pl.Int32).alias("item"),
        pl.col(rule.column).alias("missing_code"),
        "source_file",
        "source_row",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def holds_identifier(text: pl.Expr, identifiers: list[str], patterns: Mapping[str, str]) -> pl.Expr:
    """True where free text holds an address, a number or one of the delivery's own identifiers."""
    found = pl.lit(False)
    for pattern in {**IDENTIFIER_PATTERNS, **patterns}.values():
        found = found | text.str.contains(pattern)
    known = sorted({value for value in identifiers if len(value) >= SHORTEST_IDENTIFIER})
    if known:
        found = found | text.str.contains_any(known, ascii_case_insensitive=True)
    return found.fill_null(False)
