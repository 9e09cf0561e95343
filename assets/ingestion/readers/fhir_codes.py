"""What codes of FHIR answers are worth: ordinal values from Questionnaires, value sets and code systems.

What belongs here: the definitions of a delivery and the look-up. What does not: responses (`fhir`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.ingestion.readers import json_stream
from assets.ingestion.readers.json_stream import JsonError, Number
from assets.ingestion.readers.protocol import ReadError

_ORDINAL = ("/ordinalValue", "/itemWeight", "/questionnaire-ordinalValue", "/iso21090-CO-value")
"""How the address of an extension ends that gives a code its value: R4's, R5's, and two older ones."""
_MAXIMUM_DEPTH = 50
_SILENT = frozenset({"group", "display"})
_TYPES = _SILENT | {
    "question", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url",
    "choice", "open-choice", "attachment", "reference", "quantity",
}  # fmt: skip
"""Types of items in FHIR R4."""

Codes = dict[tuple[str, str], str]
"""(system, code) → ordinal value; system '' where none is named."""


@dataclass
class Questionnaire:
    """One Questionnaire: its questions in their order, and what its answers are worth."""

    names: frozenset[str]
    """Its canonical address and its id."""
    questions: dict[str, str] = field(default_factory=dict)
    """linkId → type, displays and groups left out."""
    options: dict[str, Codes] = field(default_factory=dict)
    """linkId → its own answer options."""
    value_sets: dict[str, str] = field(default_factory=dict)
    """linkId → canonical address of the value set."""
    contained: dict[str, Codes] = field(default_factory=dict)


@dataclass
class Definitions:
    """Everything that a delivery's definitions say."""

    questionnaires: list[Questionnaire] = field(default_factory=list)
    value_sets: dict[str, Codes] = field(default_factory=dict)
    everywhere: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Code → (system, ordinal value), wherever one stands."""

    def questionnaire(self, canonical: str | None) -> Questionnaire | None:
        """The Questionnaire that a response names, by its address, or by its id at the address's end."""
        if canonical is None:
            return None
        address = canonical.partition("|")[0]
        wanted = (address, address.rpartition("/")[2])
        return next((known for name in wanted for known in self.questionnaires if name in known.names), None)

    def value(self, known: Questionnaire | None, link_id: str, system: str, code: str) -> str | None:
        """The ordinal value of a code: of the question, else of its value set, else of all definitions if they agree.

        The last holds for responses whose linkIds are not those of the Questionnaire that they name.
        """
        places: list[Mapping[tuple[str, str], str]] = []
        if known is not None:
            places.append(known.options.get(link_id, {}))
            address = known.value_sets.get(link_id, "").partition("|")[0]
            places.append(known.contained.get(address[1:], {}) if address.startswith("#") else {})
            places.append(self.value_sets.get(address, {}))
        for place in places:
            found = {value for (at, name), value in place.items() if name == code and _agree(at, system)}
            if len(found) == 1:
                return found.pop()
        found = {value for at, value in self.everywhere.get(code, ()) if _agree(at, system)}
        return found.pop() if len(found) == 1 else None


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def read_definitions(paths: list[Path], names: list[str]) -> Definitions:
    """The definitions in files of a delivery (`names`: how sentences call them).

    Raises:
        ReadError: a file that is no JSON, or a Questionnaire with an unknown type of item or a linkId given twice.
    """
    definitions = Definitions()
    for path, name in zip(paths, names, strict=True):
        try:
            for resource in _resources(path):
                _add(definitions, resource)
        except JsonError as error:
            raise json_stream.damaged(name, error) from None
    return definitions


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    first = json_stream.first_line(path)
    if isinstance(first, dict) and first.get("resourceType") not in (None, "Bundle"):
        for _, value in json_stream.lines(path):
            if isinstance(value, JsonError):
                raise value
            if isinstance(value, dict):
                yield value
        return
    whole: dict[str, Any] = {}
    for member in json_stream.members(path, "entry"):
        if not member.position:
            whole[member.name] = member.value
        elif isinstance(member.value, dict) and isinstance(member.value.get("resource"), dict):
            yield member.value["resource"]
    yield whole


def _add(definitions: Definitions, resource: dict[str, Any]) -> None:
    match resource.get("resourceType"):
        case "Questionnaire":
            definitions.questionnaires.append(_questionnaire(resource, definitions))
        case "ValueSet" | "CodeSystem":
            codes = _codes(resource)
            _spread(codes, definitions)
            for name in _names(resource):
                definitions.value_sets[name] = codes


def _questionnaire(resource: dict[str, Any], definitions: Definitions) -> Questionnaire:
    known = Questionnaire(frozenset(_names(resource)))
    for contained in dicts(resource.get("contained")):
        codes = _codes(contained)
        _spread(codes, definitions)
        known.contained[str(contained.get("id"))] = codes
    _questions(resource.get("item"), known, definitions, 0)
    return known


def _questions(items: Any, known: Questionnaire, definitions: Definitions, depth: int) -> None:
    if depth > _MAXIMUM_DEPTH:
        return
    for item in dicts(items):
        link_id, kind = item.get("linkId"), item.get("type")
        if not isinstance(link_id, str) or not isinstance(kind, str) or kind not in _TYPES:
            raise JsonError("describes a question without linkId, or of a type that FHIR R4 does not have")
        if link_id.strip() in known.questions:
            raise JsonError("describes one linkId twice")
        if kind not in _SILENT:
            known.questions[link_id.strip()] = kind
            codes = _concepts(
                ({**dict_of(option.get("valueCoding")), **_own(option)} for option in dicts(item.get("answerOption"))),
                "",
            )
            _spread(codes, definitions)
            known.options[link_id.strip()] = codes
            if isinstance(item.get("answerValueSet"), str):
                known.value_sets[link_id.strip()] = item["answerValueSet"]
        _questions(item.get("item"), known, definitions, depth + 1)


def _own(option: dict[str, Any]) -> dict[str, Any]:
    """The value's extension may stand on the option itself or on its coding."""
    both = [*dicts(option.get("extension")), *dicts(dict_of(option.get("valueCoding")).get("extension"))]
    return {"extension": both}


def _codes(resource: dict[str, Any]) -> Codes:
    found: Codes = {}
    for include in dicts(dict_of(resource.get("compose")).get("include")):
        found.update(_concepts(dicts(include.get("concept")), str(include.get("system") or "")))
    found.update(_concepts(dicts(dict_of(resource.get("expansion")).get("contains")), ""))
    if resource.get("resourceType") == "CodeSystem":
        found.update(_concepts(dicts(resource.get("concept")), str(resource.get("url") or "")))
    return found


def _concepts(concepts: Iterator[dict[str, Any]], system: str, depth: int = 0) -> Codes:
    found: Codes = {}
    for concept in concepts:
        code, value = concept.get("code"), ordinal_value(concept)
        if isinstance(code, str) and value is not None:
            found[str(concept.get("system") or system), code] = value
        if depth < _MAXIMUM_DEPTH:
            for below in ("contains", "concept"):
                found.update(_concepts(dicts(concept.get(below)), system, depth + 1))
    return found


def ordinal_value(part: Mapping[str, Any]) -> str | None:
    """The ordinal value that an extension of a coding, concept or option gives it."""
    for extension in dicts(part.get("extension")):
        url, value = extension.get("url"), extension.get("valueDecimal", extension.get("valueInteger"))
        if isinstance(url, str) and url.endswith(_ORDINAL) and isinstance(value, Number):
            return json_stream.number_text(value)
    return None


def _spread(codes: Codes, definitions: Definitions) -> None:
    for (system, code), value in codes.items():
        definitions.everywhere.setdefault(code, set()).add((system, value))


def _names(resource: dict[str, Any]) -> list[str]:
    return [str(resource[key]) for key in ("url", "id") if isinstance(resource.get(key), str) and resource[key]]


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; nothing where it is no list."""
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def dict_of(value: Any) -> dict[str, Any]:
    """The object itself; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def definition_files(path: Path, relative: str, pattern: str) -> list[Path]:
    """Files of the delivery that `pattern` names, the export itself left out.

    Raises:
        ReadError: none, or a pattern that leads out of the delivery.
    """
    delivery = path.parents[len(Path(relative).parts) - 1]
    try:
        found = sorted(file for file in delivery.glob(pattern) if file.is_file() and file != path)
    except (ValueError, NotImplementedError):
        found = []
    if not found or ".." in Path(pattern).parts:
        raise ReadError(
            f"{relative}: no definitions like '{pattern}' in the delivery; deliver the Questionnaire and its value "
            "sets beside the responses, or correct format.definitions"
        )
    return found
