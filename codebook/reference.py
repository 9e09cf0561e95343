"""The reference scorer: slow, obvious, and the witness that the generated SQL has to agree with.

What belongs here: scoring one answered form, item by item, so that a reader can check it by eye against a form.
What does not: anything fast, and any fact about an instrument; those stand in `codebook/instruments/`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from codebook.instrument import Cutoff, Instrument, MissingRule, Scale, Version

ScoreStatus = Literal[
    "scored",
    "prorated",
    "too_many_missing",
    "no_accepted_rule",
    "not_answered",
    "supplied",
    "no_public_key",
    "undecided",
    "undefined",
]
"""supplied: the unit computed it itself. no_public_key: nobody may publish which items count. undecided: the answered
criteria do not settle the diagnosis. undefined: a ratio over nothing."""

Answer = float | int
FROM_SCALES = ("ratio", "linear")


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

    def __init__(self, item: int, value: Answer, minimum: int, maximum: int) -> None:
        self.item = item
        self.value = value
        self.minimum = minimum
        self.maximum = maximum
        super().__init__(f"item {item} value {value} outside {minimum}..{maximum}")


def score(
    instrument: Instrument, version: str, responses: Sequence[Answer | None], accepted: Collection[str]
) -> dict[str, Score]:
    """Score one form, every scale that its version declares.

    Why: a second, independent way from answers to scores, that can be followed with a pencil.
    The order of steps is fixed:

    1. a declared missing code (GAF 0) becomes missing;
    2. an answer outside its item's range is an error;
    3. recode: items with more options than points collapse to their scored value (BDI-II 16 and 18);
    4. reverse: reversed items become (minimum + maximum of the item) - answer, unless the form holds them reversed;
    5. missing rule, by scale: how many of its items may be missing, and whether that rule may be used;
    6. aggregate the answered items: mean, sum or smallest. Under `person_mean` a sum is then multiplied by
       n_items / n_answered, which is the answered items' mean put in for each missing one;
    7. ratios and linear combinations of the scales so far.

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
    answers: dict[int, float] = {}
    for item in range(1, instrument.n_items + 1):
        answer = _without_missing_code(instrument, responses[item - 1])
        if answer is None:
            continue
        _require_valid(edition, item, answer)
        answer = _recoded(edition, item, answer)
        if item in instrument.reversed_items and item not in edition.reversed_in_export:
            low, high = edition.scored_range(item)
            answer = low + high - answer
        answers[item] = answer
    scores: dict[str, Score] = {}
    scales = list(instrument.scales_of(version))
    for scale in scales:
        if scale.aggregate not in FROM_SCALES:
            scores[scale.key] = _score_scale(edition, scale, answers, accepted)
    for scale in scales:
        if scale.aggregate in FROM_SCALES:
            scores[scale.key] = _score_from_scales(scale, scores, answers, scales)
    ordered: dict[str, Score] = {}
    for scale in scales:
        ordered[scale.key] = scores[scale.key]
    return ordered


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


def _without_missing_code(instrument: Instrument, response: Answer | None) -> Answer | None:
    for missing_code in instrument.missing_codes:
        if response == missing_code.code:
            return None
    return response


def _require_valid(version: Version, item: int, answer: Answer) -> None:
    if version.items and item not in version.items:
        raise ValueError(f"version '{version.key}' has no item {item}, but it was answered")
    minimum, maximum = version.item_range(item)
    if answer < minimum or answer > maximum or (answer - minimum) % version.step != 0:
        raise AnswerOutOfRange(item, answer, minimum, maximum)


def _recoded(version: Version, item: int, answer: Answer) -> float:
    recode = version.recode_of(item)
    if recode:
        return float(recode[int(answer)])
    return float(answer)


def _score_scale(version: Version, scale: Scale, answers: dict[int, float], accepted: Collection[str]) -> Score:
    if not scale.items:
        return Score(None, 0, 0, False, "no_public_key")
    answered: list[float] = []
    missing_items: list[int] = []
    for item in scale.items:
        if item in answers:
            answered.append(answers[item])
        else:
            missing_items.append(item)
    n_items = len(scale.items)
    n_answered = len(answered)
    if scale.aggregate == "diagnosis":
        return _diagnosis(scale, answered, len(missing_items), answers)

    status = _status(scale, missing_items, accepted)
    if status not in ("scored", "prorated"):
        return Score(None, n_items, n_answered, False, status)
    value = _index(scale, version, answers) if scale.aggregate == "value_set" else _aggregate(scale, answered)
    if status == "prorated" and scale.aggregate in ("sum", "count_at_least"):
        value = value * n_items / n_answered
    return Score(value, n_items, n_answered, status == "prorated", status)


def _diagnosis(scale: Scale, answered: list[float], n_missing: int, answers: dict[int, float]) -> Score:
    """Yes (1), no (0), or undecided: unanswered criteria could still tip it, or a gate was not asked."""
    n_items = len(answered) + n_missing
    if not answered:
        return Score(None, n_items, 0, False, "not_answered")
    assert scale.threshold is not None
    assert scale.needed is not None
    n_met = 0
    for answer in answered:
        if answer >= scale.threshold:
            n_met = n_met + 1
    decision: float | None = None
    if n_met >= scale.needed:
        decision = 1.0
        for gate in scale.gates:
            if gate.item in answers and answers[gate.item] < gate.minimum:
                decision = 0.0
        if decision == 1.0:
            for gate in scale.gates:
                if gate.item not in answers:
                    decision = None
    elif n_met + n_missing < scale.needed:
        decision = 0.0
    return Score(decision, n_items, len(answered), False, "undecided" if decision is None else "scored")


def _index(scale: Scale, version: Version, answers: dict[int, float]) -> float:
    """Value of a health state: the constant, the two once-only terms, and one term for each item and level."""
    values = scale.values
    assert values is not None
    index = values.constant
    is_any_above = False
    is_any_highest = False
    for item in scale.items:
        lowest, highest = version.item_range(item)
        level = int(answers[item])
        if level > lowest:
            is_any_above = True
            index = index + values.levels[item][level - lowest - 1]
        if level == highest:
            is_any_highest = True
    if is_any_above:
        index = index + values.any_above_lowest
    if is_any_highest:
        index = index + values.any_at_highest
    return round(index, values.decimals)


def _score_from_scales(scale: Scale, scores: dict[str, Score], answers: dict[int, float], scales: list[Scale]) -> Score:
    """A ratio or a linear combination of scales that are already scored."""
    items = source_items(scale, scales)
    n_items = len(items)
    n_answered = len([item for item in items if item in answers])
    sources = scale.source_scales()
    is_prorated = False
    values: list[float] = []
    for source in sources:
        found = scores[source]
        if found.value is None:
            return Score(None, n_items, n_answered, False, found.status)
        is_prorated = is_prorated or found.is_prorated
        values.append(found.value)
    if scale.aggregate == "ratio":
        if values[1] == 0:
            return Score(None, n_items, n_answered, False, "undefined")
        value = scale.factor * values[0] / values[1]
    else:
        value = scale.constant
        for source, term in zip(sources, values, strict=True):
            value = value + scale.terms[source] * term
    return Score(value, n_items, n_answered, is_prorated, "prorated" if is_prorated else "scored")


def source_items(scale: Scale, scales: list[Scale]) -> list[int]:
    """The items behind a scale, each once: its own, or for a ratio or combination those of the scales it is made of."""
    items: list[int] = list(scale.items)
    for other in scales:
        if other.key in scale.source_scales():
            for item in other.items:
                if item not in items:
                    items.append(item)
    return items


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


def _aggregate(scale: Scale, answered: list[float]) -> float:
    if scale.aggregate == "min":
        return float(min(answered))
    total = 0.0
    for answer in answered:
        if scale.aggregate == "count_at_least":
            assert scale.threshold is not None
            total = total + (1.0 if answer >= scale.threshold else 0.0)
        else:
            total = total + answer
    if scale.aggregate == "mean":
        return total / len(answered)
    return total
