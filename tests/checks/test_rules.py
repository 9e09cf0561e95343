"""The rule table gives each answer the state that a reading of the rules, answer by answer, gives it."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest

from checks.rules import ItemRule, check_answers

TEXTS = [None, "0", "1", "2", "3", "4", "5", "03", "3.0", "3,0", "1.5", "1,5", "99", "99.0", "NA", "x", "inf", "nan"]
TEXTS += ["-1", "-0", "40000", "2.", "999999", "3000000000", "-9", "0x1", "1,000"]
RULES = [
    ItemRule("form", 1, 0, 4, {"99": "refused"}),
    ItemRule("form", 2, 1, 5, {"NA": "not asked", "3": "does not apply"}),
    ItemRule("form", 3, 0, 4, {"-9": "refused", "0": "not asked"}, step=0.5),
    ItemRule("form", 4, 0, 60_000, {}),
]


def by_hand(text: str | None, rule: ItemRule, decimal: str) -> tuple[str, float | None]:
    """What one answer is, and its value where it is valid."""
    if text is None:
        return "valid", None
    try:
        number = float(text.replace(decimal, "."))
    except ValueError:
        number = float("nan")
    if text in rule.missing or any(number == code for code in rule.numeric_missing):
        return "missing", None
    if not math.isfinite(number) or (number - rule.minimum) % rule.step:
        return "unknown", None
    return ("valid", number) if rule.minimum <= number <= rule.maximum else ("outside", None)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("answer", [pl.Int32(), pl.Float64()])
def test_every_answer_gets_its_state(decimal: str, answer: pl.DataType) -> None:
    for seed in range(60):
        dice = random.Random(seed)
        n, known = dice.randint(0, 40), dice.sample(TEXTS, dice.randint(1, len(TEXTS)))
        rules = dice.sample(RULES if answer == pl.Float64() else [r for r in RULES if r.step == 1], 2)
        answers = {rule.column: [dice.choice(known) for _ in range(n)] for rule in rules}
        frame = pl.DataFrame(answers, schema={rule.column: pl.String for rule in rules}).with_columns(
            pl.format("a{}", pl.int_range(pl.len())).alias("assessment_id"),
            pl.lit("f.csv").alias("source_file"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("source_row"),
        )
        frame = frame.with_columns(pl.col("assessment_id").alias("entity"))
        checked = check_answers(frame, rules, decimal, answer)
        findings, missing = set(), set()
        for rule in rules:
            judged = [by_hand(text, rule, decimal) for text in answers[rule.column]]
            assert checked.frame[rule.column].to_list() == [value for _, value in judged], (seed, rule)
            assert checked.frame[rule.column].dtype == answer
            for row, (state, _) in enumerate(judged):
                if state in {"unknown", "outside"}:
                    findings.add((row, rule.unknown_code if state == "unknown" else rule.range_code, rule.column))
                if state == "missing":
                    missing.add((row, rule.item, answers[rule.column][row]))
        assert set(checked.findings.select("source_row", "rule", "item").rows()) == findings, seed
        assert set(checked.missing_answers.select("source_row", "item", "missing_code").rows()) == missing, seed
        assert (checked.findings.height, checked.missing_answers.height) == (len(findings), len(missing))
