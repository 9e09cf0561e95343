"""An instrument that nobody has: what the shipped ones leave untried in the generated SQL."""

from __future__ import annotations

from typing import Any

from codebook.instrument import Instrument

_FACT: dict[str, Any] = {"status": "verified", "minimum": -100000, "maximum": 100000}


def odd_instrument() -> Instrument:
    """Sums that outgrow a small number, a reversed item that is also recoded, rules and combinations of every kind."""
    lenient = {"name": "odd-missing", "max_missing": 2, "prorate": "person_mean", "status": "unverified"}
    raw = lenient | {"name": "odd-raw", "prorate": "none"}
    third_only = lenient | {"name": "odd-third", "only_items": [3]}
    refused = lenient | {"name": "odd-refused"}
    four = [1, 2, 3, 4]
    scales: list[dict[str, Any]] = [
        {"key": "large", "items": [5, 6, 7], "aggregate": "sum", "missing_rule": lenient},
        {"key": "small", "items": four, "aggregate": "mean", "missing_rule": lenient},
        {"key": "narrow", "items": four, "aggregate": "sum", "missing_rule": third_only},
        {"key": "refused", "items": four, "aggregate": "sum", "missing_rule": refused},
        {"key": "lowest", "items": four, "aggregate": "min", "missing_rule": raw},
        {"key": "n_high", "items": four, "aggregate": "count_at_least", "threshold": 2, "missing_rule": lenient},
        {"key": "n_seen", "items": four, "aggregate": "count_at_least", "threshold": 2, "missing_rule": raw},
        {"key": "line", "items": [], "aggregate": "linear", "terms": {"small": -1.5, "large": 0.25}, "constant": 7.5},
        {"key": "share", "items": [], "aggregate": "ratio", "numerator": "large", "denominator": "n_seen", "factor": 3},
        {
            "key": "decided",
            "items": [1, 2, 3],
            "aggregate": "diagnosis",
            "threshold": 2,
            "needed": 2,
            "gates": [{"item": 4, "minimum": 1, "label": "g"}, {"item": 5, "minimum": -5000, "label": "h"}],
        },
    ]
    return Instrument.model_validate(
        {
            "key": "odd",
            "family": "odd",
            "name": "Odd",
            "citation": "none",
            "licence": "none",
            "direction": "higher_is_worse",
            "raters": ["patient"],
            "n_items": 7,
            "versions": [
                {
                    "key": version,
                    "label": version,
                    "minimum": 0,
                    "maximum": 3,
                    "exceptions": [
                        {"items": [2], "minimum": 1, "maximum": 5, "recode": [0, 1, 1, 2, 3]},
                        {"items": [5, 6, 7], "minimum": -30000, "maximum": 30000},
                    ],
                    "reversed_in_export": held,
                    "status": "verified",
                }
                for version, held in (("plain", []), ("held_reversed", [2, 3]))
            ],
            "reversed_items": [2, 3, 6],
            "scales": [{"label": scale["key"]} | _FACT | scale for scale in scales],
        }
    )
