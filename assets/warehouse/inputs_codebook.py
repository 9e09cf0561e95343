"""The codebook as tables for SQL: instruments, versions, items, scales, cut-offs, norms.

What belongs here: laying one instrument's declaration out in rows, nothing left to work out in SQL but the arithmetic.
What does not: writing files (`assets.warehouse.inputs`), any rule of scoring (`dbt_project/macros/scoring.sql`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from codebook.declaration import fingerprint
from codebook.instrument import Instrument, Scale, Version
from codebook.reference import source_items

RULE_DIGITS = 12
"""Hex digits by which a declaration's fingerprint is told: enough to tell two apart, short enough to read out."""

CODEBOOK_INPUTS: dict[str, dict[str, pl.DataType]] = {
    "instrument": {
        "instrument": pl.String(),
        "family": pl.String(),
        "name": pl.String(),
        "direction": pl.String(),
        "is_outcome": pl.Boolean(),
        "n_items": pl.Int32(),
        "key_access": pl.String(),
        "rule_version": pl.String(),
    },
    "version": {
        "instrument": pl.String(),
        "version": pl.String(),
        "label": pl.String(),
        "scale_points": pl.Int32(),
        "minimum": pl.Int32(),
        "maximum": pl.Int32(),
        "items": pl.String(),
        "valid_from": pl.Date(),
        "valid_until": pl.Date(),
        "rescaled_to": pl.String(),
        "rescaled_minimum": pl.Int32(),
        "rescaled_maximum": pl.Int32(),
        "is_rescaling_accepted": pl.Boolean(),
    },
    "identical_item": {
        "instrument": pl.String(),
        "other_instrument": pl.String(),
        "item": pl.Int32(),
    },
    "norm": {
        "instrument": pl.String(),
        "scale": pl.String(),
        "norm_order": pl.Int32(),
        "sample": pl.String(),
        "n": pl.Int32(),
        "mean": pl.Float64(),
        "sd": pl.Float64(),
        "status": pl.String(),
    },
    "item": {
        "instrument": pl.String(),
        "version": pl.String(),
        "item": pl.Int32(),
        "minimum": pl.Int32(),
        "maximum": pl.Int32(),
        "is_reversed": pl.Boolean(),
        "reverse_from": pl.Int32(),
        "recode": pl.String(),
    },
    "scale": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "label": pl.String(),
        "scale_order": pl.Int32(),
        "items": pl.String(),
        "reversed_items": pl.String(),
        "n_items": pl.Int32(),
        "aggregate": pl.String(),
        "max_missing": pl.Int32(),
        "only_items": pl.String(),
        "prorate": pl.String(),
        "rule_name": pl.String(),
        "is_rule_accepted": pl.Boolean(),
        "is_primary": pl.Boolean(),
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "measures": pl.String(),
        "status": pl.String(),
        "threshold": pl.Float64(),
        "needed": pl.Int32(),
        "gates": pl.String(),
        "constant": pl.Float64(),
        "factor": pl.Float64(),
        "levels": pl.String(),
        "any_above_lowest": pl.Float64(),
        "any_at_highest": pl.Float64(),
        "decimals": pl.Int32(),
    },
    "term": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "term_order": pl.Int32(),
        "source_scale": pl.String(),
        "weight": pl.Float64(),
    },
    "cutoff": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "label": pl.String(),
        "operator": pl.String(),
        "value": pl.Float64(),
    },
    "missing_code": {"instrument": pl.String(), "code": pl.String(), "label": pl.String()},
}
"""Every table of the codebook and the type of its columns."""


def rule_version(instrument: Instrument) -> str:
    """Names the rules by which an instrument is scored: it changes with anything in the declaration but comments."""
    return fingerprint(instrument)[:RULE_DIGITS]


def codebook_rows(
    instruments: Mapping[str, Instrument], accepted: frozenset[str]
) -> dict[str, Iterable[Mapping[str, Any]]]:
    """The rows of every table in `CODEBOOK_INPUTS`, in the order of the instruments' keys.

    `accepted` names the missing rules and rescalings that the network may use.
    """
    known = [instruments[key] for key in sorted(instruments)]
    return {
        "instrument": [_instrument_row(i) for i in known],
        "version": [_version_row(i, version, accepted) for i in known for version in i.versions],
        "identical_item": [row for i in known for row in _identical_rows(i)],
        "norm": [
            norm.model_dump() | {"instrument": i.key, "norm_order": order}
            for i in known
            for order, norm in enumerate(i.norms, start=1)
        ],
        "item": [row for i in known for version in i.versions for row in _item_rows(i, version)],
        "scale": [row for i in known for version in i.versions for row in _scale_rows(i, version, accepted)],
        "term": [row for i in known for version in i.versions for row in _term_rows(i, version)],
        "cutoff": [row for i in known for version in i.versions for row in _cutoff_rows(i, version)],
        "missing_code": [
            {"instrument": i.key, "code": str(code.code), "label": code.label}
            for i in known
            for code in i.missing_codes
        ],
    }


def _instrument_row(instrument: Instrument) -> dict[str, Any]:
    declared = instrument.model_dump(include=set(CODEBOOK_INPUTS["instrument"]))
    return declared | {"instrument": instrument.key, "rule_version": rule_version(instrument)}


def _version_items(instrument: Instrument, version: Version) -> tuple[int, ...]:
    return version.items or tuple(range(1, instrument.n_items + 1))


def _text(numbers: Sequence[int]) -> str | None:
    return ",".join(str(number) for number in numbers) or None


def _date(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _version_row(instrument: Instrument, version: Version, accepted: frozenset[str]) -> dict[str, Any]:
    rescaling = version.rescaled_to
    target = instrument.version(rescaling.version) if rescaling else None
    return {
        "instrument": instrument.key,
        "version": version.key,
        "label": version.label,
        "scale_points": version.scale_points,
        "minimum": version.minimum,
        "maximum": version.maximum,
        "items": _text(_version_items(instrument, version)),
        "valid_from": _date(version.valid_from),
        "valid_until": _date(version.valid_until),
        "rescaled_to": target.key if target else None,
        "rescaled_minimum": target.minimum if target else None,
        "rescaled_maximum": target.maximum if target else None,
        "is_rescaling_accepted": rescaling is not None and rescaling.name in accepted,
    }


def _identical_rows(instrument: Instrument) -> Iterable[dict[str, Any]]:
    """Both ways round, whichever of the two declarations says it."""
    for other, items in instrument.identical_items.items():
        for item in items:
            yield {"instrument": instrument.key, "other_instrument": other, "item": item}
            yield {"instrument": other, "other_instrument": instrument.key, "item": item}


def _item_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for item in _version_items(instrument, version):
        minimum, maximum = version.item_range(item)
        yield {
            "instrument": instrument.key,
            "version": version.key,
            "item": item,
            "minimum": minimum,
            "maximum": maximum,
            "is_reversed": _is_reversed(instrument, version, item),
            "reverse_from": sum(version.scored_range(item)),
            "recode": ",".join(f"{raw}:{scored}" for raw, scored in version.recode_of(item).items()) or None,
        }


def _is_reversed(instrument: Instrument, version: Version, item: int) -> bool:
    return item in instrument.reversed_items and item not in version.reversed_in_export


def _scale_rows(instrument: Instrument, version: Version, accepted: frozenset[str]) -> Iterable[dict[str, Any]]:
    for order, scale in enumerate(instrument.scales_of(version.key), start=1):
        items = _scale_items(instrument, version, scale)
        rule = scale.missing_rule
        yield {
            "instrument": instrument.key,
            "version": version.key,
            "scale": scale.key,
            "label": scale.label,
            "scale_order": order,
            "items": _text(items),
            "reversed_items": _text([item for item in items if _is_reversed(instrument, version, item)]),
            "n_items": len(items),
            "aggregate": scale.aggregate,
            "max_missing": rule.max_missing if rule else 0,
            "only_items": _text(rule.only_items) if rule else None,
            "prorate": rule.prorate if rule else None,
            "rule_name": rule.name if rule else None,
            "is_rule_accepted": rule is not None and rule.name in accepted,
            "is_primary": scale.is_primary,
            "minimum": scale.minimum,
            "maximum": scale.maximum,
            "measures": scale.measures,
            "status": scale.status,
            "threshold": scale.threshold,
            "needed": scale.needed,
            "gates": ",".join(f"{gate.item}:{gate.minimum!r}" for gate in scale.gates) or None,
            "constant": scale.values.constant if scale.values else scale.constant,
            "factor": scale.factor,
            **_value_set(version, scale),
        }


def _value_set(version: Version, scale: Scale) -> dict[str, Any]:
    if scale.values is None:
        return {}
    levels = (
        f"{item}:{level}:{term!r}"
        for item, terms in scale.values.levels.items()
        for level, term in enumerate(terms, start=version.item_range(item)[0] + 1)
    )
    return {"levels": ",".join(levels)} | scale.values.model_dump(
        include={"any_above_lowest", "any_at_highest", "decimals"}
    )


def _scale_items(instrument: Instrument, version: Version, scale: Scale) -> tuple[int, ...]:
    """Items behind a scale in a version; for a ratio or a linear scale those of the scales it is made of."""
    known = set(_version_items(instrument, version))
    return tuple(item for item in source_items(scale, list(instrument.scales_of(version.key))) if item in known)


def _term_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for scale in instrument.scales_of(version.key):
        for order, source in enumerate(scale.source_scales(), start=1):
            yield {
                "instrument": instrument.key,
                "version": version.key,
                "scale": scale.key,
                "term_order": order,
                "source_scale": source,
                "weight": scale.terms.get(source, 1.0),
            }


def _cutoff_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for scale in instrument.scales_of(version.key):
        for cutoff in scale.cutoffs:
            if not cutoff.versions or version.key in cutoff.versions:
                yield {
                    "instrument": instrument.key,
                    "version": version.key,
                    "scale": scale.key,
                    "label": cutoff.label,
                    "operator": cutoff.operator,
                    "value": cutoff.value,
                }
