"""A unit's own numbers of its patients: read from the unit's private store, for the unit's own folder and nowhere else.

What belongs here: patient_id → the number that the unit knows. What does not: any page or list.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from checks.identity import Identities


def local_refs(lake: Path, site: str, known: Identities | None = None) -> dict[str, str]:
    """patient_id → the unit's number (several, where the unit gave several, joined by ' / '); empty without a store.

    Patients are found by the id that they came with and by the one that a merge or a split (`known`) gave them since.
    """
    files = sorted((lake / "local_ref" / f"site={site}").glob("delivery=*/part.parquet"))
    numbers: dict[str, set[str]] = {}
    for patient, number in _pairs(files, ["patient_id", "local_ref"]):
        numbers.setdefault(patient, set()).add(number)
    declared = list(known.frame().iter_rows()) if known else []
    courses: dict[str, str] = {}
    if any(kind == "episode" for kind, _, _ in declared):
        stored = sorted((lake / "accepted" / "episode" / f"site={site}").glob("delivery=*/part.parquet"))
        courses = dict(_pairs(stored, ["episode_id", "patient_id"]))
    given = {patient: set(own) for patient, own in numbers.items()}
    for kind, record, patient in declared:
        came_with = courses.get(record, "") if kind == "episode" else record
        if came_with in given:
            numbers.setdefault(patient, set()).update(given[came_with])
    return {patient: " / ".join(sorted(own)) for patient, own in numbers.items()}


def _pairs(files: Iterable[Path], columns: list[str]) -> list[tuple[str, str]]:
    frames = [pl.read_parquet(file, columns=columns, hive_partitioning=False) for file in files]
    return list(pl.concat(frames).unique().iter_rows()) if frames else []
