"""A unit finds its patients by its own numbers, also those who were merged or split off."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from assets.publishing.local_refs import local_refs
from checks.identity import IdentityEvent, identities, split_patient


def test_numbers_follow_merges_and_splits(tmp_path: Path) -> None:
    def write(place: str, frame: pl.DataFrame) -> None:
        folder = tmp_path / place / "site=north" / "delivery=2014-01-01"
        folder.mkdir(parents=True)
        frame.write_parquet(folder / "part.parquet")

    write("local_ref", pl.DataFrame({"patient_id": ["p1", "p2", "p3"], "local_ref": ["N1", "N2", "N3"]}))
    write("accepted/episode", pl.DataFrame({"episode_id": ["e1", "e3", "e4"], "patient_id": ["p1", "p3", "p3"]}))
    at = dt.datetime(2014, 1, 1)
    merge = IdentityEvent(1, "merge", ("p1", "p2"), "r", "b", at)
    split = IdentityEvent(2, "split", ("e4",), "r", "b", at)
    assert local_refs(tmp_path, "north") == {"p1": "N1", "p2": "N2", "p3": "N3"}
    found = local_refs(tmp_path, "north", identities([merge, split]))
    assert found == {"p1": "N1 / N2", "p2": "N2", "p3": "N3", split_patient(split): "N3"}  # p2: as deliveries say
