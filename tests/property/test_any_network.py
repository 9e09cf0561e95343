"""Any network in any format: the same tables, and exactly the planted findings."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml
from any_format import WRITERS
from any_network import FORMS, LABELS, NO_ANSWER, PATIENT_COLUMNS, Drawn, Form, networks, visit_columns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.ingestion import ingest
from checks.keys import load_key, write_key
from codebook.instrument import item_column
from codebook.library import load_library

SCHEDULE = {
    "name": "plan",
    "title": "Plan",
    "valid_from": "2010-01-01",
    "occasions": [
        {"key": key, "label": key, "anchor": "admission", "months": months, "before_days": 400, "after_days": 400,
         "due": [{"instrument": "wsas"}]}
        for key, months in (("m03", 3), ("m06", 6), ("discharge", 9))
    ],
}  # fmt: skip
PER_FORM = {"date-unreadable", "date-implausible", "occasion-unknown"}
"""Findings about a visit are raised for each form that stands in its row."""


def site_of(kind: str, format: dict[str, object], places: dict[str, dict[str, str]]) -> dict[str, object]:
    people = {
        "name": "patients",
        **places["patients"],
        "identity": {"columns": ["nr"], "scope": "site"},
        "local_ref": "nr",
        "key": ["nr"],
        "identifiers": ["family_name"],
        "patient": {"sex": {"column": "sex", "codes": {"F": "female", "M": "male"}}},
        "episode": {"admission_date": "admitted"},
        "attributes": [{"attribute": "note", "column": "note", "is_free_text": True}],
    }
    visits = {
        "name": "visits",
        **places["visits"],
        "identity": {"columns": ["nr"], "scope": "site"},
        "key": ["nr", "visit"],
        "assessments": [
            {"instrument": form, "version": form, "items": form + "_{n}", "date": "day",
             "occasion": {"column": "visit", "codes": LABELS}}
            for form in FORMS
        ],
    }  # fmt: skip
    return {
        "site": "unit",
        "name": "Unit",
        "format": format,
        "delivery": {"mode": "snapshot"},
        "mappings": [
            {"from_delivery": "2010-01-01", "missing_codes": {NO_ANSWER: "no answer"}, "sources": [people, visits]}
        ],
    }


def take(root: Path, drawn: Drawn, kind: str, data: st.DataObject) -> ingest.StagedDelivery:
    """Write the network in one format and take its delivery, as a run does."""
    delivery = root / "landing" / "unit" / "2016-06-01"
    for folder in (root / "sites", root / "schedules", delivery):
        folder.mkdir(parents=True)
    tables = {"patients": (PATIENT_COLUMNS, drawn.patients), "visits": (visit_columns(), drawn.visits)}
    format, places = WRITERS[kind](delivery, tables, data.draw)
    # Networks this small are judged by their rows, not by shares: the gate has tests of its own.
    gate = {"max_quarantined_share": 1, "max_leaking_share": 1}
    settings_text = yaml.safe_dump({"name": "any", "title": "Any", "default_schedule": "plan", "gate": gate})
    (root / "network.yaml").write_text(settings_text)
    (root / "schedules" / "plan.yaml").write_text(yaml.safe_dump(SCHEDULE))
    (root / "sites" / "unit.yaml").write_text(yaml.safe_dump(site_of(kind, format, places), allow_unicode=True))
    write_key(root / "secrets" / "pseudonym.key")
    library = load_library(root)
    pseudonyms = load_key(root / "secrets" / "pseudonym.key")
    (planned,) = ingest.plan_site(library, library.sites["unit"], pseudonyms)
    staged = ingest.stage_delivery(library, library.sites["unit"], planned, pseudonyms)
    assert not staged.failed, staged.receipt.gate
    ingest.accept(library, staged)
    return staged


def table(root: Path, name: str) -> pl.DataFrame:
    files = sorted((root / "lake" / "accepted" / name).glob("site=unit/*/part.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()


def stored_forms(root: Path) -> Counter[Form]:
    """Every assessment in the lake, as (nr, instrument, occasion, date, answers)."""
    (private,) = (root / "lake" / "local_ref").rglob("part.parquet")
    numbers = dict(pl.read_parquet(private).select("patient_id", "local_ref").iter_rows())
    found: Counter[Form] = Counter()
    for form, (n_items, _) in FORMS.items():
        for row in table(root, form).iter_rows(named=True):
            answers = tuple(row[item_column(n)] for n in range(1, n_items + 1))
            found[numbers[row["patient_id"]], form, row["occasion"], row["assessment_date"], answers] += 1
    return found


def found_rules(root: Path) -> Counter[str]:
    rows = table(root, "finding").select("instrument", "rule").iter_rows()
    return Counter(f"{instrument}:{rule}" if rule in PER_FORM else rule for instrument, rule in rows)


@pytest.mark.parametrize("kind", sorted(WRITERS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(drawn=networks(), data=st.data())
def test_any_network_in_any_format(kind: str, drawn: Drawn, data: st.DataObject) -> None:
    truth = drawn.truth
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        staged = take(root, drawn, kind, data)
        receipt = staged.receipt
        assert receipt.n_rows_landed == truth.n_landed
        assert receipt.n_rows_quarantined == truth.n_quarantined == table(root, "quarantine").height
        assert receipt.n_rows_accepted == truth.n_landed - truth.n_quarantined
        assert found_rules(root) == truth.rules
        assert stored_forms(root) == truth.forms
        assert table(root, "patient").height == len(truth.patients)
        codes = table(root, "missing_answer")
        assert codes.height == truth.missing_codes
        notes = table(root, "attribute")
        assert Counter(notes["value"].to_list() if notes.width else []) == truth.notes
