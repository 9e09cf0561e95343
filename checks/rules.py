"""The rule table: what an answer must be, compiled from the codebook into polars expressions.

What belongs here: item rules (unknown code, out of range).
What does not: rules about whole rows (`assets.ingestion.mapping`) or whole deliveries (`checks.gate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from checks.findings import finding_frame
from codebook.instrument import Instrument, item_column


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
    def numeric_missing(self) -> tuple[float, ...]:
        """The missing codes that are numbers, however they are written."""
        return tuple(float(code) for code in self.missing if _is_number(code))

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
    """Split answers into valid, explicitly missing and voided; states and reasons only for answers that stand out.

    Most answers are whole numbers inside the range, and reading a column as such numbers is cheap; what is not one, or
    could be a missing code, is judged text by text.

    Args:
        frame: text columns `item_NN`, with assessment_id, patient_id, episode_id, source_file, source_row, entity.
        rules: one per item column.
        decimal: decimal sign of the export.
        answer: type that the answers get.
    """
    quick = pl.Int16 if answer == pl.Int16 else pl.Int32
    numbers = frame.select(pl.col([rule.column for rule in rules]).cast(quick, strict=False))
    unclear = _unclear(frame, numbers, rules)
    places = frame.select(pl.exclude([rule.column for rule in rules]))
    no_rows = frame.clear()
    findings = [finding_frame(no_rows, rule="", kind="conformance", severity="flag", message="")]
    missing_answers = [_missing_answers(no_rows, rules[0])]
    columns: list[pl.Series] = []
    for rule in rules:
        column = numbers[rule.column].cast(answer)
        if rule.column in unclear:
            is_unclear = unclear[rule.column]
            texts = frame[rule.column].filter(is_unclear)
            judged = _judge(texts, rule, decimal)
            rows = places.filter(is_unclear).with_columns(texts)
            findings += _findings(rows, judged["state"], rule)
            missing_answers.append(_missing_answers(rows.filter(judged["state"] == MISSING), rule))
            column = column.scatter(is_unclear.arg_true(), judged["value"].cast(answer))
        columns.append(column)
    return CheckedAnswers(frame.with_columns(columns), pl.concat(findings), pl.concat(missing_answers))


def _unclear(frame: pl.DataFrame, numbers: pl.DataFrame, rules: list[ItemRule]) -> dict[str, pl.Series]:
    """Per column that has any: which answers need a closer look than 'a whole number inside the range'."""
    if not frame.height:
        return {}
    columns = [rule.column for rule in rules]
    lowest, highest = numbers.min().row(0), numbers.max().row(0)
    n_texts = frame.select(pl.col(columns).count()).row(0)
    n_numbers = numbers.select(pl.all().count()).row(0)
    unclear = {}
    for n, rule in enumerate(rules):
        is_ambiguous = rule.step != 1 or any(rule.minimum <= code <= rule.maximum for code in rule.numeric_missing)
        is_inside = lowest[n] is None or (lowest[n] >= rule.minimum and highest[n] <= rule.maximum)
        if is_inside and n_texts[n] == n_numbers[n] and not is_ambiguous:
            continue
        number, text = numbers[rule.column], frame[rule.column]
        if is_ambiguous:
            unclear[rule.column] = text.is_not_null()
        else:
            is_inside_each = number.is_between(rule.minimum, rule.maximum).fill_null(False)
            unclear[rule.column] = text.is_not_null() & ~is_inside_each
    return unclear


def _judge(texts: pl.Series, rule: ItemRule, decimal: str) -> pl.DataFrame:
    """`state` of each text, and its `value` where it is a valid answer."""
    text = pl.col(rule.column)
    plain = text.str.replace(decimal, ".", literal=True) if decimal != "." else text
    number = plain.cast(pl.Float64, strict=False)
    judged = texts.to_frame().select(_state(rule, text, number).alias("state"), number.alias("number"))
    return judged.select("state", pl.when(pl.col("state") == VALID).then(pl.col("number")).alias("value"))


def _findings(rows: pl.DataFrame, state: pl.Series, rule: ItemRule) -> list[pl.DataFrame]:
    bounds = f"{rule.minimum}–{rule.maximum}"
    return [
        finding_frame(
            rows.filter(state == value),
            rule=code,
            kind="conformance",
            severity="void_value",
            message=message,
            item=rule.column,
            instrument=rule.instrument,
        )
        for value, code, message in (
            (UNKNOWN, rule.unknown_code, f"item {rule.item}: the answer is {rule.is_not}"),
            (OUTSIDE, rule.range_code, f"item {rule.item}: the answer lies outside {bounds}"),
        )
    ]


VALID, MISSING, UNKNOWN, OUTSIDE = 0, 1, 2, 3


def _state(rule: ItemRule, text: pl.Expr, number: pl.Expr) -> pl.Expr:
    numeric_missing = list(rule.numeric_missing)
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
