"""South: two SPSS files, patients and visits (a row with all forms), with value labels and user-missing values.

What belongs here: how those files look. What does not: what is in them (`simulation.export`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from simulation.answers import BLANK, HALF, HALF_VALUE, MISSING, Answers
from simulation.export import DeliveryView
from simulation.writers.common import looked_up, visits_of

TIMES = {
    0: "Baseline",
    1: "3 months",
    2: "9 months",
    3: "15 months",
    4: "21 months",
    5: "27 months",
    6: "33 months",
    7: "Discharge",
    8: "Extra visit",
}
SEX = {"male": 1, "female": 2}
TERMINATION = {"completed": 1, "drop_out": 2, "advised": 3, "referred": 4, "other": 5}
DIAGNOSES = {
    "borderline": "BPD",
    "avoidant": "AVOIDANT",
    "narcissistic": "NARCISS",
    "antisocial": "ANTISOC",
    "obsessive_compulsive": "OBSCOMP",
    "dependent": "DEPENDENT",
    "pd_nos": "PDNOS",
    "anxiety": "ANXIETY",
    "ptsd": "PTSD",
    "ocd": "OCD",
    "adhd": "ADHD",
    "eating": "EATING",
    "substance": "SUBSTANCE",
}
COUNTS = {
    "borderline_criteria": "BPDCRIT",
    "pd_criteria": "PDCRIT",
    "n_pds": "NPD",
    "n_symptom_disorders": "NDISORD",
    "sipp_self_control": "SIPPSC",
    "sipp_social_concordance": "SIPPSOC",
    "sipp_identity": "SIPPID",
    "sipp_relation": "SIPPREL",
    "sipp_responsibility": "SIPPRES",
}
EQ5D = "EQ5DIND"
PREFIX = {"wai_s": "WAIS", "wai_sr": "WAISR", "gaf": "GAF", "wsas": "WSAS", "bsi_18": "BSI"}
USER_MISSING = {"wai_s": 99, "wai_sr": 99, "gaf": 0, "wsas": 99, "bsi_18": 9}
GAF_PARTS = {1: "S", 2: "F", 3: "G"}
HEADER_STAMP = (92, b"01 Dec 1608:00:00")
"""Where a .sav file says when it was made (9 bytes date, 8 bytes time), and what ours say."""


def write(folder: Path, view: DeliveryView) -> None:
    """Write one delivery into `folder`."""
    label = f"SYNTHETIC DATA {view.title} {view.delivery}"
    patients = folder / "patients_synthetic.sav"
    visits = folder / "visits_synthetic.sav"
    _write_patients(patients, view, label)
    _write_visits(visits, view, label)
    for path in (patients, visits):
        _freeze(path)


def _write_patients(path: Path, view: DeliveryView, label: str) -> None:
    people = view.listed_people.select(
        pl.col("reference").cast(pl.Float64).alias("ID"),
        pl.col("name").alias("NAME"),
        pl.col("sex").replace_strict(SEX, return_dtype=pl.Float64).alias("SEX"),
        pl.col("birth").alias("BIRTHDATE"),
        pl.col("admission").alias("ADMITTED"),
        pl.col("start").alias("STARTED"),
        pl.col("discharge").alias("DISCHARGED"),
        pl.col("therapist").cast(pl.Float64).alias("THERAPIST"),
        pl.col("termination").replace_strict(TERMINATION, default=None, return_dtype=pl.Float64).alias("ENDED"),
        pl.col("mood").cast(pl.Float64).alias("MOOD"),
        pl.col("paranoid").cast(pl.Float64).alias("PARANOID"),
        pl.col("work_months").cast(pl.Float64).alias("WORKMONTHS"),
        *[pl.col(key).cast(pl.Float64).alias(name) for key, name in (DIAGNOSES | COUNTS).items()],
        pl.col("eq5d_index").alias(EQ5D),
        pl.col("note").fill_null("").alias("NOTE"),
        pl.lit(1.0).alias("COHORT"),
    )
    yes = {0: "no", 1: "yes"}
    values: dict[str, dict[int, str]] = {
        "SEX": {code: name for name, code in SEX.items()},
        "ENDED": {code: name.replace("_", "-") for name, code in TERMINATION.items()},
        "MOOD": yes,
        "PARANOID": yes,
        **dict.fromkeys(DIAGNOSES.values(), yes),
    }
    labels = {"ID": "Study number", "NAME": "Name (made up)", "WORKMONTHS": "Months in work or study, last year"}
    labels |= {name: key.replace("_", " ").capitalize() for key, name in (DIAGNOSES | COUNTS).items()}
    labels[EQ5D] = "EQ-5D index"
    _save(path, people, label, labels, values, {})


def _write_visits(path: Path, view: DeliveryView, label: str) -> None:
    visits = visits_of(view.forms)
    identity = view.people["reference"].cast(pl.Float64)
    columns = [
        looked_up(identity, visits.patient, visits.is_nameless, "ID"),
        pl.Series("TIME", visits.occasion.astype(np.float64)),
    ]
    labels = {"ID": "Study number", "TIME": "Time of assessment"}
    values = {"TIME": TIMES}
    user_missing: dict[str, list[int]] = {}
    for key, prefix in PREFIX.items():
        form = view.forms[key]
        dates, _ = visits.dates(view.forms, key)
        columns.append(pl.Series(f"{prefix}_DATE", dates).cast(pl.Date))
        answers = _numbers(visits.items(view.forms, key), USER_MISSING[key])
        for place, number in enumerate(form.numbers):
            name = f"{prefix}_{GAF_PARTS[number]}" if key == "gaf" else f"{prefix}_{number}"
            columns.append(pl.Series(name, answers[:, place], nan_to_null=True))
            labels[name] = f"{prefix} item {number}"
            values[name] = {USER_MISSING[key]: "no answer"}
            user_missing[name] = [USER_MISSING[key]]
    _save(path, pl.DataFrame(columns), label, labels, values, user_missing)


def _numbers(items: Answers, missing: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers = items.astype(np.float64)
    numbers[items == BLANK] = np.nan
    numbers[items == MISSING] = missing
    numbers[items == HALF] = HALF_VALUE
    return numbers


def _save(
    path: Path,
    frame: pl.DataFrame,
    label: str,
    labels: dict[str, str],
    values: dict[str, dict[int, str]],
    user_missing: dict[str, list[int]],
) -> None:
    import pyreadstat

    numeric = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    pyreadstat.write_sav(
        frame,
        str(path),
        file_label=label[:64],
        column_labels=[labels.get(name, name.capitalize()) for name in frame.columns],
        variable_value_labels=values,
        missing_ranges=user_missing,
        variable_format={name: "F8.2" if name == EQ5D else "F8.0" for name in numeric},
        row_compress=True,
    )


def _freeze(path: Path) -> None:
    """Put a fixed time into the header, so that the same data are the same bytes."""
    place, stamp = HEADER_STAMP
    with path.open("r+b") as file:
        file.seek(place)
        file.write(stamp)
