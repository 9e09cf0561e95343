"""A network's analyses from their files: a panel, or the models of another analysis, may be named instead of repeated.

What belongs here: what a file may leave to another file, and putting it in. What does not: the model of an analysis
(`codebook.analysis`), or whether instruments and attributes exist (`codebook.analysis_checks`).

    panel: alliance_panel                                        as another analysis declares it
    panel: {like: alliance_panel, name: other, max_months: 12}   the same but for what is given here
    sensitivity_of: alliance                                     outcomes, models and panel of that analysis
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from codebook.analysis import Analysis
from codebook.declaration import DeclarationError, PlacedError, Problem, load, peek
from codebook.nearest import did_you_mean

Raw = dict[str, Any]
INHERITED = ("outcomes", "estimation", "models", "panel")
"""What a sensitivity analysis takes from the analysis it repeats, where it does not say it itself."""
MERGED = ("measures", "covariates")
"""Parts of a panel that are completed by key, not replaced; a key set to null is taken out."""


def load_analyses(folder: Path, problems: list[Problem]) -> dict[str, Analysis]:
    """Every analysis in `folder` by name, complete; what is wrong with a file is added to `problems`."""
    paths = sorted(folder.glob("*.yaml"))
    known = {path.stem: peek(path) for path in paths}
    loaded: dict[str, Analysis] = {}
    for path in paths:
        try:
            analysis = load(path, Analysis, lambda data: completed(data, known))
        except DeclarationError as error:
            problems.extend(error.problems)
            continue
        if analysis.name != path.stem:
            problems.append(Problem(path, 1, "", f"declares '{analysis.name}'; name the file {analysis.name}.yaml"))
        loaded[analysis.name] = analysis
    return loaded


def completed(data: Raw, known: Mapping[str, Raw]) -> Raw:
    """What one file says, with what it leaves to others put in; `known` are the files by name.

    Raises:
        PlacedError: it names an analysis, a model or a panel that there is not, or names turn in a circle.
    """
    full = _with_base(data, known, ())
    if "panel" in full:
        full["panel"] = _panel(full["panel"], known, ())
    return full


def _with_base(data: Raw, known: Mapping[str, Raw], through: tuple[str, ...]) -> Raw:
    full = deepcopy(data)
    name = data.get("sensitivity_of")
    if not isinstance(name, str):
        return full
    if name in through or name == data.get("name"):
        raise PlacedError([(("sensitivity_of",), f"'{name}' leads back to this analysis")])
    if name not in known:
        others = set(known) - {str(data.get("name"))}
        raise PlacedError([(("sensitivity_of",), f"no analysis is called '{name}'{did_you_mean(name, others)}")])
    base = _with_base(known[name], known, (*through, name))
    if "models" in full:
        full["models"] = _chosen(full["models"], base.get("models"), name)
    return {key: base[key] for key in INHERITED if key in base} | full


def _chosen(models: object, base: object, name: str) -> object:
    """Models of the other analysis where only their names are given."""
    if not isinstance(models, list):
        return models
    named = {str(one.get("name")): one for one in base if isinstance(one, dict)} if isinstance(base, list) else {}
    wrong = [
        (("models", nth), f"'{one}' is no model of '{name}'{did_you_mean(one, named)}")
        for nth, one in enumerate(models)
        if isinstance(one, str) and one not in named
    ]
    if wrong:
        raise PlacedError(wrong)  # type: ignore[arg-type]  # a tuple of one kind is a location
    return [named[one] if isinstance(one, str) else one for one in models]


def _panel(panel: object, known: Mapping[str, Raw], through: tuple[str, ...]) -> object:
    """The whole panel: named, like another one, or as it is."""
    if isinstance(panel, str):
        return _named(panel, ("panel",), known, through)
    if not isinstance(panel, dict) or "like" not in panel:
        return panel
    own = {key: value for key, value in panel.items() if key != "like"}
    other = str(panel["like"])
    if own.get("name") in {None, other}:
        text = f"a panel like '{other}' needs a name of its own: it is another table"
        raise PlacedError([(("panel", "like"), text)])
    base = _named(other, ("panel", "like"), known, through)
    merged = {key: _merged(base.get(key), own[key]) if key in MERGED else own[key] for key in own}
    return base | merged


def _merged(base: object, own: object) -> object:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    return {key: value for key, value in (base | own).items() if value is not None}


def _named(name: str, at: tuple[str, ...], known: Mapping[str, Raw], through: tuple[str, ...]) -> Raw:
    panels = {
        str(data["panel"]["name"]): data["panel"]
        for data in known.values()
        if isinstance(data.get("panel"), dict) and "name" in data["panel"]
    }
    if name in through:
        raise PlacedError([(at, f"'{name}' leads back to this panel")])
    if name not in panels:
        hint = did_you_mean(name, panels)
        raise PlacedError([(at, f"no analysis declares a panel called '{name}'{hint}")])
    found = _panel(panels[name], known, (*through, name))
    assert isinstance(found, dict)
    return deepcopy(found)
