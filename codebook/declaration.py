"""Reading a YAML declaration: strict, frozen, and with errors that name file, line and key.

What belongs here: the loader, the base model and the error that every declaration shares.
What does not: any fact about an instrument, a network or a site.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

Location = tuple[str | int, ...]


class Declared(BaseModel):
    """Base of every declared model: frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, populate_by_name=True)


DeclaredT = TypeVar("DeclaredT", bound=Declared)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one declaration: where it stands and what to do."""

    file: Path
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.key + ': ' if self.key else ''}{self.message}"


class DeclarationError(Exception):
    """A declaration cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class PlacedError(ValueError):
    """What is wrong inside a declaration, each with the place where it stands; raised by validators of a whole."""

    def __init__(self, places: list[tuple[Location, str]]) -> None:
        self.places = places
        super().__init__("; ".join(message for _, message in places))


_BOOLEAN = "tag:yaml.org,2002:bool"
# libyaml's parser reads the same YAML about five times faster; PyYAML is built without it on some machines.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _MarkedLoader(_Loader):  # type: ignore[misc, valid-type]
    """Safe loader that refuses a key given twice: YAML would keep the last one silently.

    Only true and false are booleans, as in YAML 1.2: `no`, `on` and `y` are good names of columns and codes.
    """

    yaml_implicit_resolvers = {
        letter: [pair for pair in pairs if pair[0] != _BOOLEAN]
        for letter, pairs in _Loader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _date_or_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    """A date; 2016-02-30 stays text, for the model to refuse with its line."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        return str(node.value)


_MarkedLoader.add_constructor("tag:yaml.org,2002:timestamp", _date_or_text)
_MarkedLoader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load(
    path: Path, model: type[DeclaredT], prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> DeclaredT:
    """Read one YAML file into `model`; `prepare` completes what was read before it is checked.

    Raises:
        DeclarationError: the file is missing, is not YAML, or does not fit the model.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeclarationError([Problem(path, None, "", "the file does not exist; create it")]) from None
    except UnicodeDecodeError as error:
        raise DeclarationError(
            [Problem(path, None, "", f"not UTF-8 text ({error.reason}); save it as UTF-8")]
        ) from None
    try:
        data = yaml.load(text, Loader=_MarkedLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DeclarationError([Problem(path, line, "", f"not valid YAML: {error.problem}")]) from None
    if not isinstance(data, dict):
        raise DeclarationError([Problem(path, 1, "", "expected 'key: value' lines at the top level")])
    try:
        return model.model_validate(prepare(data) if prepare else data)
    except ValidationError as error:
        places = [place for item in error.errors(include_url=False) for place in _places(dict(item), model)]
    except PlacedError as error:
        places = error.places
    root = yaml.compose(text, Loader=_Loader)
    raise DeclarationError([Problem(path, _line_of(root, where), _key_of(where), text) for where, text in places])


def peek(path: Path) -> dict[str, Any]:
    """What a YAML file says, unchecked; empty where it cannot be read (`load` says why)."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_MarkedLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}


def _places(item: dict[str, Any], model: type[Declared]) -> list[tuple[Location, str]]:
    """Where one error of validation stands, and what to say of it: several where a validator knows several places."""
    raised = item.get("ctx", {}).get("error")
    if isinstance(raised, PlacedError):
        return [((*item["loc"], *where), message) for where, message in raised.places]
    return [(item["loc"], _explain(item, model))]


def line_of(path: Path, location: Location) -> int | None:
    """Line of the deepest part of `location` that stands in a YAML file; None where there is no such file."""
    try:
        return _line_of(yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader), location)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _key_of(location: Location) -> str:
    return ".".join(str(part) for part in location)


def _explain(item: dict[str, Any], model: type[Declared]) -> str:
    if item["type"] == "extra_forbidden":
        if len(item["loc"]) == 1:
            return f"unknown key; known here: {', '.join(sorted(model.model_fields))}"
        return "unknown key; remove it or correct its spelling"
    if item["type"] == "missing":
        return "required, but not given"
    return str(item["msg"]).removeprefix("Value error, ")


def _line_of(node: yaml.Node | None, location: Location) -> int | None:
    """Line of the deepest part of `location` that stands in the file.

    pydantic puts the kind of one of several models into its locations: it is no key, although one may be called so.
    """
    line = node.start_mark.line + 1 if node is not None else None
    told: yaml.Node | None = None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            if told is not node and any(k.value == "kind" and v.value == part for k, v in node.value):
                told = node
                continue
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                continue
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def fingerprint(*declarations: BaseModel | str) -> str:
    """SHA-256 (hex) over declarations as canonical JSON: comments and key order do not count."""
    digest = hashlib.sha256()
    for declaration in declarations:
        content = declaration if isinstance(declaration, str) else declaration.model_dump(mode="json")
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        digest.update(b"\0")
    return digest.hexdigest()
