"""That the cases bite: an item in the wrong scale, a wrong reversal, weight or threshold fails one of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import pytest

from codebook.cases import TOLERANCE, Case, accepted_by, load_cases, run_reference
from codebook.instrument import Instrument, Scale
from codebook.library import load_instruments
from codebook.reference import score

INSTRUMENTS = load_instruments()
CASES = load_cases()
KEYED = sorted(key for key, instrument in INSTRUMENTS.items() if instrument.key_access == "public")


@cache
def forms(key: str) -> list[Case]:
    """Scored forms of an instrument, those that lock the key first."""
    cases = [case for case in CASES[key] if case.is_form and case.expected_error is None]
    return sorted(cases, key=lambda case: case.kind != "key_lock")


class Witness:
    """The cases of one scale of one version, ready to be put to a mutant of it again and again."""

    def __init__(self, instrument: Instrument, version: str, scale: Scale) -> None:
        self.instrument = instrument
        self.version = version
        self.scale = scale.key
        self.cases = [
            (case.responses, accepted_by(case, instrument), case.expected[scale.key])
            for case in forms(instrument.key)
            if case.version == version and scale.key in case.expected
        ]

    def bites(self, mutant: Scale) -> bool:
        """Whether a case fails on the mutant; the one that did is asked first the next time."""
        sources = [scale for scale in self.instrument.scales if scale.key in mutant.source_scales()]
        alone = self.instrument.model_copy(update={"scales": (*sources, mutant)})
        for place, (responses, accepted, expected) in enumerate(self.cases):
            value = score(alone, self.version, responses, accepted)[self.scale].value
            if (value is None) != (expected is None) or abs((value or 0) - (expected or 0)) > TOLERANCE:
                self.cases.insert(0, self.cases.pop(place))
                return True
        return False


def scales(key: str) -> Iterator[tuple[str, Scale]]:
    for version in INSTRUMENTS[key].versions:
        for scale in INSTRUMENTS[key].scales_of(version.key):
            yield version.key, scale


@pytest.mark.parametrize("key", KEYED)
def test_an_item_in_the_wrong_scale_fails_a_case(key: str) -> None:
    """Stronger than exchanging two items of two scales: the loss must show in each of them."""
    instrument = INSTRUMENTS[key]
    for version, scale in scales(key):
        known = {item for other in instrument.scales_of(version) for item in other.items}
        witness = Witness(instrument, version, scale)
        assert not witness.bites(scale)
        for mine in scale.items:
            for theirs in known - set(scale.items):
                items = tuple(theirs if item == mine else item for item in scale.items)
                mutant = scale.model_copy(update={"items": items})
                assert witness.bites(mutant), f"{version}: {scale.key} with item {theirs} instead of {mine}"


@pytest.mark.parametrize("key", KEYED)
def test_a_flipped_reversal_fails_a_case(key: str) -> None:
    instrument = INSTRUMENTS[key]
    cases = forms(key)
    for item in sorted({item for scale in instrument.scales for item in scale.items}):
        flipped = instrument.model_copy(update={"reversed_items": tuple({*instrument.reversed_items} ^ {item})})
        assert any(not run_reference(case, {key: flipped}).passed for case in cases), f"item {item}"


@pytest.mark.parametrize("key", [key for key in KEYED if INSTRUMENTS[key].reversed_items])
def test_a_reversal_that_an_export_holds_already_is_not_done_twice(key: str) -> None:
    instrument = INSTRUMENTS[key]
    for place, version in enumerate(instrument.versions):
        for item in instrument.reversed_items:
            held = tuple({*version.reversed_in_export} ^ {item})
            versions = list(instrument.versions)
            versions[place] = version.model_copy(update={"reversed_in_export": held})
            mutant = instrument.model_copy(update={"versions": tuple(versions)})
            assert any(not run_reference(case, {key: mutant}).passed for case in forms(key)), (version.key, item)


@pytest.mark.parametrize("key", KEYED)
def test_a_wrong_threshold_weight_or_level_fails_a_case(key: str) -> None:
    instrument = INSTRUMENTS[key]
    for version, scale in scales(key):
        witness = Witness(instrument, version, scale)
        for mutant in numeric_mutants(scale):
            assert witness.bites(mutant), (version, mutant)


def numeric_mutants(scale: Scale) -> Iterator[Scale]:
    if scale.threshold is not None:
        yield scale.model_copy(update={"threshold": scale.threshold - 1})
        yield scale.model_copy(update={"threshold": scale.threshold + 1})
    if scale.needed is not None:
        yield scale.model_copy(update={"needed": scale.needed - 1})
        yield scale.model_copy(update={"needed": scale.needed + 1})
    for gate in scale.gates:
        others = tuple(other for other in scale.gates if other is not gate)
        yield scale.model_copy(update={"gates": others})
        yield scale.model_copy(update={"gates": (*others, gate.model_copy(update={"minimum": gate.minimum + 1}))})
    for source, weight in scale.terms.items():
        yield scale.model_copy(update={"terms": scale.terms | {source: -weight}})
    if scale.aggregate == "ratio":
        yield scale.model_copy(update={"factor": scale.factor * 2})
        yield scale.model_copy(update={"numerator": scale.denominator, "denominator": scale.numerator})
    if scale.values is not None:
        values = scale.values
        for one, two in combinations(scale.items, 2):
            levels = values.levels | {one: values.levels[two], two: values.levels[one]}
            yield scale.model_copy(update={"values": values.model_copy(update={"levels": levels})})
        for term in ("constant", "any_above_lowest", "any_at_highest"):
            shifted = {term: getattr(values, term) + 0.001}
            yield scale.model_copy(update={"values": values.model_copy(update=shifted)})
