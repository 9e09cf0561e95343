"""Models are taken over from a sealed warehouse only where rows, declaration and code are the same."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from assets.analysis import reuse
from assets.analysis.reuse import MODEL_TABLES, fingerprint, sealed_rows
from codebook.analysis import Analysis

DECLARED = {
    "name": "a",
    "title": "A",
    "panel": {"name": "p", "grain": "row", "measures": {"task": {"instruments": ["wai_sr"], "scale": "task"}}},
    "outcomes": {"task": "Task"},
    "models": [{"name": "growth", "label": "Growth", "terms": ["months"]}],
}
PANEL = pa.table({"patient_id": ["p1", "p2"], "months": [0.0, 3.0], "task": [4.0, 5.0]})


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema results")
        for table in MODEL_TABLES:
            key = "procedure" if table == "results.contrast" else "model"
            connection.execute(f"create table {table} (analysis varchar, {key} varchar, estimate double)")
            for model in ("growth", "growth@other", "mmrm", "other@growth"):
                connection.execute(f"insert into {table} values ('a', ?, 1.5), ('b', ?, 2.5)", [model, model])
        connection.execute("create table results.model_fingerprint (analysis varchar, fingerprint varchar)")
        analysis = Analysis.model_validate(DECLARED)
        connection.execute("insert into results.model_fingerprint values ('a', ?)", [fingerprint(analysis, PANEL)])
    return path


def test_the_same_models_are_taken_over(warehouse: Path) -> None:
    analysis = Analysis.model_validate(DECLARED)
    rows = sealed_rows(warehouse, analysis, fingerprint(analysis, PANEL))
    assert rows is not None and set(rows) == set(MODEL_TABLES)
    for entries in rows.values():
        names = [entry.get("model", entry.get("procedure")) for entry in entries]
        assert names == ["growth", "other@growth"] and {entry["analysis"] for entry in entries} == {"a"}


def test_another_row_declaration_or_code_is_fitted(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = Analysis.model_validate(DECLARED)
    known = fingerprint(analysis, PANEL)
    moved = PANEL.set_column(2, "task", pa.array([4.0, 5.5]))
    assert fingerprint(analysis, moved) != known
    reml = Analysis.model_validate(DECLARED | {"estimation": "REML"})
    assert fingerprint(reml, PANEL) != known
    change = {"kind": "pre_post", "name": "change", "title": "Change", "outcomes": ["task"]}
    more = Analysis.model_validate(DECLARED | {"procedures": [change]})
    assert fingerprint(more, PANEL) == known
    monkeypatch.setattr(reuse, "_code", lambda: "other sources")
    assert sealed_rows(warehouse, analysis, fingerprint(analysis, PANEL)) is None


def test_without_an_earlier_seal_everything_is_fitted(tmp_path: Path) -> None:
    analysis = Analysis.model_validate(DECLARED)
    assert sealed_rows(None, analysis, "x") is None
    assert sealed_rows(tmp_path / "none.duckdb", analysis, "x") is None
    with duckdb.connect(str(tmp_path / "old.duckdb")) as connection:
        connection.execute("create schema results")
    assert sealed_rows(tmp_path / "old.duckdb", analysis, "x") is None


def test_what_lies_in_memory_below_a_null_does_not_count() -> None:
    analysis = Analysis.model_validate(DECLARED)
    valid = pa.py_buffer(bytes([0b01]))
    prints = set()
    for below in (7.0, 8.0):
        values = pa.array([4.0, below]).buffers()[1]
        task = pa.Array.from_buffers(pa.float64(), 2, [valid, values])
        prints.add(fingerprint(analysis, PANEL.set_column(2, "task", task)))
    assert len(prints) == 1
