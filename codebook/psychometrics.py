"""Ids of an instrument's norms and reliabilities, by which a declared analysis names the one it uses.

What belongs here: the names, made from what the codebook says of each. What does not: the numbers (the instrument's own
YAML) or a choice between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from codebook.instrument import Fact, Instrument, Norm, Reliability

FactT = TypeVar("FactT", bound=Fact)


def norm_ids(instrument: Instrument) -> dict[str, Norm]:
    """Id → norm: `bdi_ii.total.outpatients`, from instrument, scale and sample."""
    named = ((".".join(filter(None, (norm.scale, _slug(norm.sample)))), norm) for norm in instrument.norms)
    return dict(_distinct(instrument.key, named))


def reliability_ids(instrument: Instrument) -> dict[str, Reliability]:
    """Id → reliability: `bsi_18.gsi_sum.cronbachs_alpha`, from instrument, scale and kind."""
    named = ((".".join(filter(None, (one.scale, _slug(one.kind)))), one) for one in instrument.reliability)
    return dict(_distinct(instrument.key, named))


def _distinct(key: str, named: Iterable[tuple[str, FactT]]) -> Iterable[tuple[str, FactT]]:
    seen: dict[str, int] = {}
    for name, fact in named:
        seen[name] = seen.get(name, 0) + 1
        yield f"{key}.{name}" + (f"_{seen[name]}" if seen[name] > 1 else ""), fact


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", "")).strip("_")
