"""The receipt of a score: by which rule, from which items, what was reversed, what was missing, or why there is none.

What belongs here: the words, from the sealed warehouse, which keeps the rules that it scored by; the declarations of
today only tell whether these still are the rules. What does not: computing a score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assets.warehouse.inputs_codebook import rule_version
from codebook.library import Library

if TYPE_CHECKING:
    import duckdb

WHY_ABSENT = {
    "no_accepted_rule": "items are missing, and no rule for missing items is declared that this network accepts",
    "too_many_missing": "more items are missing than the rule allows",
    "not_answered": "no item of the scale was answered",
    "no_public_key": "which items count is not public, and this network supplies no key",
    "undecided": "the answered criteria do not settle it",
    "undefined": "it is a ratio over nothing",
}
SCORES = """
    select
        scale.scale, scale.label, scale.aggregate, scale.items, scale.reversed_items, scale.missing_rule,
        scale.rule_version, score.score, score.score_supplied, score.status, score.instrument
    from harmonised.scale_score as score
    inner join harmonised.scale as scale
        on score.instrument = scale.instrument and score.version = scale.version and score.scale = scale.scale
    where score.assessment_id = ?
    order by scale.scale_order
"""
ANSWERED = "select item from harmonised.item_response where assessment_id = ? and value is not null"


@dataclass(frozen=True)
class ScoreReceipt:
    """How one score came about.

    `rule_version` is the fingerprint of the instrument's declaration that the warehouse was built with;
    `is_rule_current` says whether the declaration still is that one.
    """

    scale: str
    score: float | None
    score_supplied: float | None
    status: str
    rule_version: str
    is_rule_current: bool
    items_used: tuple[int, ...]
    items_reversed: tuple[int, ...]
    items_missing: tuple[int, ...]
    missing_rule: str | None
    sentence: str

    def record(self) -> dict[str, object]:
        """As plain values, for a table or JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def score_receipts(library: Library, connection: duckdb.DuckDBPyConnection, assessment_id: str) -> list[ScoreReceipt]:
    """One receipt for each scale of an assessment, in the order declared; empty where there is no such assessment."""
    answered = {int(item) for (item,) in connection.execute(ANSWERED, [assessment_id]).fetchall()}
    receipts = []
    for row in connection.execute(SCORES, [assessment_id]).fetchall():
        scale, label, aggregate, items, turned, rule, version, score, supplied, status, instrument = row
        declared = library.instruments.get(instrument)
        of_scale, reversed_items = _numbers(items), set(_numbers(turned))
        used = tuple(item for item in of_scale if item in answered)
        missing = tuple(item for item in of_scale if item not in answered)
        receipts.append(
            ScoreReceipt(
                scale=scale,
                score=score,
                score_supplied=supplied,
                status=status,
                rule_version=version,
                is_rule_current=declared is not None and rule_version(declared) == version,
                items_used=used,
                items_reversed=tuple(item for item in used if item in reversed_items),
                items_missing=missing,
                missing_rule=rule,
                sentence=f"{label}: {_how(aggregate, rule, score, supplied, status, used, reversed_items, missing)}.",
            )
        )
    return receipts


def _how(
    aggregate: str,
    rule: str | None,
    score: float | None,
    supplied: float | None,
    status: str,
    used: tuple[int, ...],
    reversed_items: set[int],
    missing: tuple[int, ...],
) -> str:
    if status == "supplied":
        return f"{score:g}, computed by the unit itself; no answers came to compare it with"
    if score is None:
        said = f"no score, because {WHY_ABSENT.get(status, status)}"
        if used and missing:
            said += f" (missing: {_list(missing)})"
    else:
        said = f"{score:.4g}, {aggregate.replace('_', ' ')} of {len(used)} of {len(used) + len(missing)} items"
        turned = tuple(item for item in used if item in reversed_items)
        if turned:
            said += f", reversed: {_list(turned)}"
        if missing:
            said += f", missing: {_list(missing)}"
        if status == "prorated":
            said += f", prorated by {rule or 'the rules of its parts'}"
        elif missing:
            said += f", scored without them by {rule or 'its own rule'}"
    if supplied is not None:
        said += f"; the unit computed {supplied:g}"
    return said


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text else ()


def _list(items: tuple[int, ...]) -> str:
    return ", ".join(str(item) for item in items)
