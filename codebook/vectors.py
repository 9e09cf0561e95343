"""Reading cases in the spelling of a file of scoring vectors (`{"vectors": [{"instrument": …, "responses": …}]}`).

What belongs here: how that spelling maps onto `codebook.case` (short names, bands, sums of means, answers by name).
What does not: any expected value of its own. What a vector says and cannot be mapped is an error, never dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codebook.case import Case, CaseFile, ExpectedError, Formula, Number
from codebook.declaration import DeclarationError, Problem, load
from codebook.instrument import Instrument, Scale
from codebook.library import load_instruments
from codebook.reference import is_met

ENCODINGS = {"raw_0_6_items_16_18": "bdi_ii_0_6"}
SYNONYMS = {
    "prorated": "prorated_40",
    "rate_per_min": "rate_per_minute",
    "per_30_days": "self_harm_acts_per_30_days",
    "count": "self_harm_acts",
}
FLAGS = {"above_0_8": ("gsi_mean", "clinical")}
DIAGNOSES: dict[str, tuple[int | None, str]] = {
    "yes": (1, "scored"),
    "no": (0, "scored"),
    "unknown": (None, "undecided"),
}
JUST = 1e-9


def load_vectors(path: Path, instruments: Mapping[str, Instrument] | None = None) -> tuple[Case, ...]:
    """Cases of any file: scoring vectors in JSON, or Concord's own cases in YAML.

    Args:
        path: the file; `.yaml` is read as a `CaseFile`.
        instruments: by key; None: those that Concord ships.

    Raises:
        DeclarationError: the file cannot be read, or a vector says something that has no meaning here.
    """
    if path.suffix in {".yaml", ".yml"}:
        return load(path, CaseFile).cases
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError([Problem(path, None, "", "the file does not exist")]) from None
    except ValueError as error:
        raise DeclarationError([Problem(path, None, "", f"not JSON: {error}")]) from None
    vectors = data.get("vectors") if isinstance(data, dict) else data
    if not isinstance(vectors, list) or not all(isinstance(vector, dict) for vector in vectors):
        raise DeclarationError([Problem(path, None, "vectors", "expected a list of cases")])
    known = load_instruments() if instruments is None else instruments
    cases: list[Case] = []
    problems: list[Problem] = []
    for number, vector in enumerate(vectors, start=1):
        name = str(vector.get("id", f"vector {number}"))
        try:
            cases.append(_Vector(vector, name, known).case())
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            problems.append(Problem(path, None, name, str(error.args[0]) if error.args else str(error)))
    if problems:
        raise DeclarationError(problems)
    return tuple(cases)


class _Vector:
    """One vector on its way to a case; the parts of the case fill up as its expectations are read."""

    def __init__(self, vector: dict[str, Any], name: str, instruments: Mapping[str, Instrument]) -> None:
        self.vector = vector
        self.name = name
        self.instruments = instruments
        self.expected: dict[str, Number | None] = {}
        self.status: dict[str, str] = {}
        self.n_answered: dict[str, int] = {}
        self.cutoffs: dict[str, dict[str, bool | None]] = {}
        self.error: ExpectedError | None = None

    def case(self) -> Case:
        """The case; ValueError where the vector cannot be mapped."""
        given = self.vector["expected"]
        if "T" in given:
            return self._t_score(given)
        if "threshold" in given:
            inputs = {key: float(value) for key, value in self.vector["responses"].items()}
            self.expected = dict(given)
            return self._made("", (), Formula(name="reliable_change", inputs=inputs))
        key = self.vector["instrument"]
        if key not in self.instruments:
            raise ValueError(f"no instrument '{key}'; known: {', '.join(sorted(self.instruments))}")
        self.instrument = self.instruments[key]
        version = self._version()
        self.scales = {scale.key: scale for scale in self.instrument.scales_of(version)}
        responses = self._responses()
        for name, value in (given | self.vector.get("derived_here", {})).items():
            self._expect(name, value)
        return self._made(version, responses, None)

    def _made(self, version: str, responses: tuple[Number | None, ...], formula: Formula | None) -> Case:
        kind = self.vector.get("kind", "hand")
        return Case(
            id=self.name,
            instrument=self.vector["instrument"],
            version=version,
            kind=kind,
            accepts_proposed=self.vector.get("rule") == "proposed",
            responses=responses,
            formula=formula,
            expected=self.expected,
            expected_status=self.status,
            expected_n_answered=self.n_answered,
            expected_cutoffs=self.cutoffs,
            expected_error=self.error,
            note=self.vector.get("note", ""),
            provenance=self.vector.get("provenance", "not stated"),
        )

    def _version(self) -> str:
        versions = [version.key for version in self.instrument.versions]
        named = self.vector.get("version") or ENCODINGS.get(self.vector.get("encoding", ""))
        if named is None and "encoding" in self.vector:
            raise ValueError(f"no version holds the encoding '{self.vector['encoding']}'; known: {', '.join(versions)}")
        if named is None and "scale_points" in self.vector:
            points = self.vector["scale_points"]
            fitting = [version.key for version in self.instrument.versions if version.scale_points == points]
            if not fitting:
                raise ValueError(f"{self.instrument.key} has no version of {points} points")
            named = fitting[0]
        return self.instrument.version(named or versions[0]).key

    def _responses(self) -> tuple[Number | None, ...]:
        given = self.vector["responses"]
        n_items = self.instrument.n_items
        if isinstance(given, list):
            if len(given) > n_items:
                raise ValueError(f"{self.instrument.key} has {n_items} items, but {len(given)} responses were given")
            return (*given, *([None] * (n_items - len(given))))
        answers: dict[int, Number | None] = {}
        if "pd" in given:
            answers = self._criteria(given)
        elif "events" in given:
            answers = self._events(given)
        else:
            answers = {self._item_named(name): value for name, value in given.items()}
        return tuple(answers.get(item) for item in range(1, n_items + 1))

    def _criteria(self, given: dict[str, Any]) -> dict[int, Number | None]:
        """`met` criteria of one disorder met, `unknown` not rated, and every other one absent."""
        scale = self.scales[f"{given['pd']}_diagnosis"]
        if scale.threshold is None:
            raise ValueError(f"scale '{scale.key}' has no threshold")
        met, unknown = int(given["met"]), int(given["unknown"])
        gates = {gate.item: gate.label for gate in scale.gates}
        is_gate = {gate.item for other in self.scales.values() for gate in other.gates}
        lowest = self.instrument.versions[0].minimum
        answers: dict[int, Number | None] = {
            item: lowest for item in range(1, self.instrument.n_items + 1) if item not in is_gate
        }
        for place, item in enumerate(scale.items):
            if place < met:
                answers[item] = int(scale.threshold)
            elif place < met + unknown:
                answers[item] = None
        for item, label in gates.items():
            name = label.replace(" ", "_")
            value = given.get(name, given.get(name.split("_")[0]))
            answers[item] = int(value) if isinstance(value, bool) else value
        return answers

    def _events(self, given: dict[str, Any]) -> dict[int, Number | None]:
        """Events of a coded clip, counted; a component without one is 0, since the clip was coded."""
        counted = {self._item_named("minutes"): given["minutes"]}
        total = self.scales["total_positive"]
        counted |= dict.fromkeys(total.items, 0)
        for event in given["events"]:
            counted[self._item_named(event)] += 1
        return counted

    def _item_named(self, name: str) -> int:
        scale = self._scale(name)
        if len(scale.items) != 1:
            raise ValueError(f"'{name}' is no single item of {self.instrument.key}")
        return scale.items[0]

    def _scale(self, name: str) -> Scale:
        lower = name.lower()
        for key in (lower, SYNONYMS.get(lower)):
            if key in self.scales:
                return self.scales[key]
        starting = [key for key in self.scales if key.startswith(f"{lower}_")]
        if len(starting) == 1:
            return self.scales[starting[0]]
        if lower in {"total", "total_sum"}:
            for key in ("total_sum", "raw_sum", "total_mean", "total_positive"):
                if key in self.scales:
                    return self.scales[key]
        raise ValueError(f"{self.instrument.key} has no scale '{name}'; it has {', '.join(self.scales)}")

    def _primary(self) -> Scale:
        for scale in self.scales.values():
            if scale.is_primary:
                return scale
        raise ValueError(f"{self.instrument.key} has no primary scale")

    def _expect(self, name: str, value: Any) -> None:
        if name == "error":
            self._expect_error(value)
        elif name == "band":
            self._expect_band(self._primary(), value)
        elif name == "n_answered":
            self.n_answered[self._primary().key] = value
        elif name == "max_possible":
            scale = self._scale("raw_sum")
            self.n_answered[scale.key] = round(value * len(scale.items) / scale.maximum)
        elif name == "diagnosis":
            scale = self._scale(f"{self.vector['responses']['pd']}_diagnosis")
            self.expected[scale.key], self.status[scale.key] = DIAGNOSES[value]
        elif name in {"sums", "counts"}:
            for part, amount in value.items():
                self._expect_sum(self._scale(part), amount)
        elif name == "total_sum":
            self._expect_sum(self._scale(name), value)
        elif name in FLAGS or not self._is_scale(name) or (isinstance(value, bool) and self._scale(name).cutoffs):
            self._expect_flag(name, value)
        else:
            self.expected[self._scale(name).key] = int(value) if isinstance(value, bool) else value

    def _is_scale(self, name: str) -> bool:
        try:
            self._scale(name)
        except ValueError:
            return False
        return True

    def _expect_sum(self, scale: Scale, amount: Number) -> None:
        """A sum of a complete form, said of a scale that is a mean: the mean is that sum by the number of items."""
        self.expected[scale.key] = amount / len(scale.items) if scale.aggregate == "mean" else amount

    def _expect_flag(self, name: str, value: bool | None) -> None:
        key, label = FLAGS.get(name, (None, name.replace("_", " ")))
        holders = [scale for scale in self.scales.values() if any(cut.label == label for cut in scale.cutoffs)]
        if key is not None:
            holders = [scale for scale in holders if scale.key == key]
        elif len(holders) > 1:
            holders = [scale for scale in holders if scale.is_primary]
        if len(holders) != 1:
            raise ValueError(f"{self.instrument.key} has neither a scale '{name}' nor a cut-off '{label}'")
        self.cutoffs.setdefault(holders[0].key, {})[label] = value

    def _expect_error(self, text: str) -> None:
        found = re.fullmatch(r"(?:item )?(\w+)(?: value)? (\S+) outside (\S+)\.\.(\S+)", text)
        if found is None:
            raise ValueError(f"cannot read the error '{text}'")
        item, *numbers = found.groups()
        number = int(item) if item.isdigit() else self._item_named(item)
        value, minimum, maximum = (float(part) for part in numbers)
        self.error = ExpectedError(item=number, value=value, minimum=minimum, maximum=maximum)

    def _expect_band(self, scale: Scale, band: str) -> None:
        """A band as cut-offs: each must be met, or not, as it is all over the band; its own label must be met."""
        low, high, label = _band(band, scale)
        flags = self.cutoffs.setdefault(scale.key, {})
        for cutoff in scale.cutoffs:
            at_low, at_high = is_met(cutoff, low), is_met(cutoff, high)
            if at_low == at_high:
                flags[cutoff.label] = at_low
        if any(cutoff.label == label for cutoff in scale.cutoffs) and flags.get(label) is not True:
            raise ValueError(f"the band '{band}' is not where the cut-off '{label}' of {scale.key} is met")

    def _t_score(self, given: dict[str, Any]) -> Case:
        norm = self.vector["norm"]
        inputs = {"value": self.vector["domain_mean"], "mean": norm["mean"], "sd": norm["sd"]}
        instrument = self.instruments[self.vector["instrument"]]
        scale = next(scale for scale in instrument.scales if scale.key.endswith("_t"))
        self.expected = {"t": given["T"]}
        if "band" in given:
            self._expect_band(scale, given["band"])
        return self._made(instrument.versions[0].key, (), Formula(name="t_score", inputs=inputs, scale=scale.key))


def _band(band: str, scale: Scale) -> tuple[float, float, str]:
    """Lowest and highest value of a band such as `10-14 moderate`, `<10 subclinical` or `>20`, and its label."""
    found = re.fullmatch(r"(?:(?P<low>\d+)-(?P<high>\d+)|(?P<sign>[<>])(?P<edge>\d+))\s*(?P<label>.*)", band)
    if found is None:
        raise ValueError(f"cannot read the band '{band}'")
    label = found["label"]
    if found["sign"] == "<":
        return scale.minimum, float(found["edge"]) - JUST, label
    if found["sign"] == ">":
        return float(found["edge"]) + JUST, scale.maximum, label
    return float(found["low"]), float(found["high"]) - JUST, label
