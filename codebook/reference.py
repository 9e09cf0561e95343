"""The reference scorer: slow, obvious, and the witness that the generated SQL has to agree with.

What belongs here: scoring one answered form, item by item, so that a reader can check it by eye against a form.
What does not: anything fast, and any fact about an instrument; those stand in `codebook/instruments/`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from codebook.instrument import Cutoff, Instrument, MissingRule, Scale, Version

ScoreStatus = Literal["scored", "prorated", "too_many_missing", "no_accepted_rule", "not_answered"]


@dataclass(frozen=True)
class Score:
    """One scale of one form. `value` is unrounded, and None unless the status is `scored` or `prorated`."""

    value: float | None
    n_items: int
    n_answered: int
    is_prorated: bool
    status: ScoreStatus


class AnswerOutOfRange(ValueError):  # noqa: N818 - named after what is wrong with the answer
    """An answer lies outside the range of its item in this version: an error, never clipped."""

    def __init__(self, item: int, value: int, minimum: int, maximum: int) -> None:
        self.item = item
        self.value = value
        self.minimum = minimum
        self.maximum = maximum
        super().__init__(f"item {item} value {value} outside {minimum}..{maximum}")


def score(
    instrument: Instrument, version: str, responses: Sequence[int | None], accepted: Collection[str]
) -> dict[str, Score]:
    """Score one form, every scale that its version declares.

    Why: a second, independent way from answers to scores, that can be followed with a pencil.
    The order of steps is fixed:

    1. a declared missing code (GAF 0) becomes missing;
    2. an answer outside its item's range is an error;
    3. recode: items with more options than points collapse to their scored value (BDI-II 16 and 18);
    4. reverse: reversed items become (minimum + maximum of the version) - answer;
    5. missing rule, by scale: how many of its items may be missing, and whether that rule may be used;
    6. aggregate the answered items: mean, sum or smallest. Under `person_mean` a sum is then multiplied by
       n_items / n_answered, which is the answered items' mean put in for each missing one.

    Args:
        instrument: the declaration; its scales name the source of each key.
        version: key of the version that was answered.
        responses: one entry per item of the instrument, item 1 first, as exported; None: no answer.
        accepted: names of the missing rules that may be used (`codebook.library.accepted_rules`).

    Returns:
        Scale key to `Score`, in the order declared; unit: that of the scale's minimum and maximum.

    Raises:
        AnswerOutOfRange: an answer outside its version's range.
        KeyError: the instrument has no such version.
        ValueError: the number of responses is not the instrument's, or an item was answered that the version lacks.
    """
    edition = instrument.version(version)
    if len(responses) != instrument.n_items:
        raise ValueError(f"{instrument.key} has {instrument.n_items} items, but {len(responses)} responses were given")
    answers: dict[int, int] = {}
    for item in range(1, instrument.n_items + 1):
        answer = _without_missing_code(instrument, responses[item - 1])
        if answer is None:
            continue
        _require_valid(edition, item, answer)
        answer = _recoded(edition, item, answer)
        if item in instrument.reversed_items:
            answer = edition.minimum + edition.maximum - answer
        answers[item] = answer
    scores: dict[str, Score] = {}
    for scale in instrument.scales_of(version):
        scores[scale.key] = _score_scale(scale, answers, accepted)
    return scores


def is_met(cutoff: Cutoff, value: float | None) -> bool | None:
    """Whether a score meets a cut-off by its literal operator; None where there is no score.

    Why: `>` and `>=` differ for exactly the patients who sit on the threshold.
    """
    if value is None:
        return None
    if cutoff.operator == ">":
        return value > cutoff.value
    if cutoff.operator == ">=":
        return value >= cutoff.value
    if cutoff.operator == "<":
        return value < cutoff.value
    return value <= cutoff.value


def _without_missing_code(instrument: Instrument, response: int | None) -> int | None:
    for missing_code in instrument.missing_codes:
        if response == missing_code.code:
            return None
    return response


def _require_valid(version: Version, item: int, answer: int) -> None:
    if version.items and item not in version.items:
        raise ValueError(f"version '{version.key}' has no item {item}, but it was answered")
    minimum, maximum = version.item_range(item)
    if answer < minimum or answer > maximum:
        raise AnswerOutOfRange(item, answer, minimum, maximum)


def _recoded(version: Version, item: int, answer: int) -> int:
    recode = version.recode_of(item)
    if recode:
        return recode[answer]
    return answer


def _score_scale(scale: Scale, answers: dict[int, int], accepted: Collection[str]) -> Score:
    answered: list[int] = []
    missing_items: list[int] = []
    for item in scale.items:
        if item in answers:
            answered.append(answers[item])
        else:
            missing_items.append(item)

    status = _status(scale, missing_items, accepted)
    n_items = len(scale.items)
    n_answered = len(answered)
    if status not in ("scored", "prorated"):
        return Score(None, n_items, n_answered, False, status)
    value = _aggregate(scale, answered)
    if status == "prorated" and scale.aggregate == "sum":
        value = value * n_items / n_answered
    return Score(value, n_items, n_answered, status == "prorated", status)


def _status(scale: Scale, missing_items: list[int], accepted: Collection[str]) -> ScoreStatus:
    if not missing_items:
        return "scored"
    if len(missing_items) == len(scale.items):
        return "not_answered"
    rule = scale.missing_rule
    if rule is None:
        return "no_accepted_rule"
    if not _allows(rule, missing_items):
        return "too_many_missing"
    if rule.name not in accepted:
        return "no_accepted_rule"
    return "prorated" if rule.prorate == "person_mean" else "scored"


def _allows(rule: MissingRule, missing_items: list[int]) -> bool:
    if len(missing_items) > rule.max_missing:
        return False
    if rule.only_items:
        for item in missing_items:
            if item not in rule.only_items:
                return False
    return True


def _aggregate(scale: Scale, answered: list[int]) -> float:
    if scale.aggregate == "min":
        return float(min(answered))
    total = 0.0
    for answer in answered:
        total = total + answer
    if scale.aggregate == "mean":
        return total / len(answered)
    return total
