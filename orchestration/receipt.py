"""The receipt of a score: by which rule, from which items, what was reversed, what was missing, or why there is none.

What belongs here: the words, from the declaration and the sealed warehouse. What does not: computing a score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from codebook.declaration import fingerprint
from codebook.instrument import Instrument, Scale, Version
from codebook.library import Library
from codebook.reference import source_items

if TYPE_CHECKING:
    import duckdb

RULE_DIGITS = 12
WHY_ABSENT = {
    "no_accepted_rule": "items are missing, and no rule for missing items is declared that this network accepts",
    "too_many_missing": "more items are missing than the rule allows",
    "not_answered": "no item of the scale was answered",
    "no_public_key": "which items count is not public, and this network supplies no key",
    "undecided": "the answered criteria do not settle it",
    "undefined": "it is a ratio over nothing",
}


@dataclass(frozen=True)
class ScoreReceipt:
    """How one score came about. `rule_version` is the fingerprint of the instrument's declaration."""

    scale: str
    score: float | None
    score_supplied: float | None
    status: str
    rule_version: str
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
    found = connection.execute(
        "select instrument, version from harmonised.assessment where assessment_id = ?", [assessment_id]
    ).fetchone()
    if found is None or found[0] not in library.instruments:
        return []
    instrument = library.instruments[found[0]]
    version = instrument.version(found[1])
    answered = {
        int(item)
        for (item,) in connection.execute(
            "select item from harmonised.item_response where assessment_id = ? and value is not null", [assessment_id]
        ).fetchall()
    }
    scores = {
        row[0]: row[1:]
        for row in connection.execute(
            "select scale, score, score_supplied, status from harmonised.scale_score where assessment_id = ?",
            [assessment_id],
        ).fetchall()
    }
    scales = list(instrument.scales_of(version.key))
    return [_receipt(instrument, version, scale, scales, answered, scores[scale.key]) for scale in scales]


def _receipt(
    instrument: Instrument,
    version: Version,
    scale: Scale,
    scales: list[Scale],
    answered: set[int],
    found: tuple[float | None, float | None, str],
) -> ScoreReceipt:
    score, supplied, status = found
    items = source_items(scale, scales)
    used = tuple(item for item in items if item in answered)
    missing = tuple(item for item in items if item not in answered)
    turned = set(instrument.reversed_items) - set(version.reversed_in_export)
    receipt = ScoreReceipt(
        scale=scale.key,
        score=score,
        score_supplied=supplied,
        status=status,
        rule_version=fingerprint(instrument)[:RULE_DIGITS],
        items_used=used,
        items_reversed=tuple(item for item in used if item in turned),
        items_missing=missing,
        missing_rule=scale.missing_rule.name if scale.missing_rule else None,
        sentence="",
    )
    return ScoreReceipt(**{**receipt.__dict__, "sentence": _sentence(receipt, scale, len(items))})


def _sentence(receipt: ScoreReceipt, scale: Scale, n_items: int) -> str:
    if receipt.status == "supplied":
        return f"{scale.label}: {receipt.score:g}, computed by the unit itself; no answers came to compare it with."
    if receipt.score is None:
        missing = f" (missing: {_list(receipt.items_missing)})" if receipt.items_missing else ""
        return f"{scale.label}: no score, because {WHY_ABSENT.get(receipt.status, receipt.status)}{missing}."
    how = scale.aggregate.replace("_", " ")
    said = f"{scale.label}: {receipt.score:.4g}, {how} of {len(receipt.items_used)} of {n_items} items"
    if receipt.items_reversed:
        said += f", reversed: {_list(receipt.items_reversed)}"
    if receipt.items_missing:
        said += f", missing: {_list(receipt.items_missing)}"
    if receipt.status == "prorated":
        said += f", prorated by {receipt.missing_rule or 'the rules of its parts'}"
    if receipt.score_supplied is not None:
        said += f"; the unit computed {receipt.score_supplied:g}"
    return said + "."


def _list(items: tuple[int, ...]) -> str:
    return ", ".join(str(item) for item in items)
