"""docs/connecting-a-unit.md: every declaration that it shows can be declared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from codebook.declaration import load
from codebook.library import load_instruments
from codebook.site import Site
from codebook.site_checks import Known, check_site

PAGE = Path(__file__).parents[2] / "docs" / "connecting-a-unit.md"
EXAMPLE = re.compile(r"```yaml\n(# (at the top|mappings|in a source|under assessments):[^\n]*\n.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


def whole(text: str, place: str) -> dict[str, Any]:
    """A site's declaration around one example."""
    shown = yaml.safe_load(text)
    source: dict[str, Any] = {"name": "one", "file": "one.csv", "identity": {"columns": ["nr"]}}
    site: dict[str, Any] = {"site": "unit", "name": "Unit", "format": {"reader": "delimited"}}
    mapping: dict[str, Any] = {"from_delivery": "2016-01-01", "sources": [source]}
    if place == "at the top":
        return {**site, "mappings": [mapping], **shown}
    if place == "mappings":
        return {**site, "mappings": shown}
    sources = [{**source, "assessments": shown}] if place == "under assessments" else [shown]
    return {**site, "mappings": [{**mapping, "sources": sources}]}


def test_the_page_has_examples() -> None:
    assert {place for _, place in EXAMPLES} == {"at the top", "mappings", "in a source", "under assessments"}


@pytest.mark.parametrize(("text", "place"), EXAMPLES)
def test_an_example_is_a_sound_declaration(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "unit.yaml"
    path.write_text(yaml.safe_dump(whole(text, place)), encoding="utf-8")
    assert check_site(path, load(path, Site), Known(load_instruments(), {})) == []


def test_every_key_of_the_model_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    models = [Site]
    seen: set[type] = set()
    missing: set[str] = set()
    while models:
        model = models.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            if not re.search(rf"\b{name}\b", page) and not field.exclude:
                missing.add(f"{model.__name__}.{name}")
            for found in re.findall(r"codebook\.(?:site|site_forms)\.(\w+)", str(field.annotation)):
                models.append(getattr(__import__("codebook.site", fromlist=[found]), found))
    assert missing == set()
