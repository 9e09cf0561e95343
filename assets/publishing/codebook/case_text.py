"""A worked case in words: the answers, and what is expected of them.

What belongs here: the words. What does not: cases (`codebook.case`), or layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codebook.case import Case
from codebook.facts import number_text, range_text

BLANK = "·"
GROUP = 5
PLAIN = "scored"
"""The status that goes without saying."""


def answers_text(answers: Sequence[float | None]) -> str:
    """Answers, item 1 first, `·` for none; one-digit codes in groups of five (`01230 1·`), others with commas."""
    if not answers:
        return ""
    codes = [BLANK if answer is None else number_text(answer) for answer in answers]
    if any(len(code) > 1 for code in codes):
        return ", ".join(codes)
    text = "".join(codes)
    return " ".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def given_text(case: Case) -> str:
    """What a case gives: answers, scores that the unit computed itself, or the numbers of a formula."""
    if case.formula is not None:
        return ", ".join(f"{name} {number_text(value)}" for name, value in case.formula.inputs.items())
    supplied = [f"{scale} supplied as {number_text(value)}" for scale, value in case.supplied.items()]
    return "; ".join(part for part in (answers_text(case.responses), *supplied) if part)


def expected_text(case: Case) -> str:
    """What a case expects, scale by scale: `task 4.6667 (prorated, 3 answered, satisfactory: yes)`."""
    if case.expected_error is not None:
        error = case.expected_error
        answer = f"answer {number_text(error.value)} to item {error.item}"
        return f"refused: {answer} lies outside {range_text(error.minimum, error.maximum)}"
    if case.expected_refusal is not None:
        return f"refused: {case.expected_refusal}"
    named = (case.expected, case.expected_status, case.expected_n_answered, case.expected_cutoffs)
    return "; ".join(_scale_text(case, scale) for scale in dict.fromkeys(key for part in named for key in part))


def _scale_text(case: Case, scale: str) -> str:
    value = f"{scale} {value_text(case.expected[scale])}" if scale in case.expected else scale
    status = case.expected_status.get(scale, PLAIN)
    more = [status.replace("_", " ")] if status != PLAIN else []
    more += [f"{case.expected_n_answered[scale]} answered"] if scale in case.expected_n_answered else []
    more += [f"{label}: {value_text(met)}" for label, met in case.expected_cutoffs.get(scale, {}).items()]
    return f"{value} ({', '.join(more)})" if more else value


def values_text(values: Mapping[str, Any]) -> str:
    """Names and values as a line; no value is `none`."""
    return "; ".join(f"{name} {value_text(value)}" for name, value in values.items())


def value_text(value: Any) -> str:
    """One value in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number_text(value) if isinstance(value, int | float) else str(value)
