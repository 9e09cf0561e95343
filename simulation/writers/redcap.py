"""West: a longitudinal REDCap export (raw values, a row per record and event) with its data dictionary.

What belongs here: how that export looks: events, form status, checkboxes. What does not: what is in it.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl

from codebook.instrument import Instrument
from codebook.redcap import DICTIONARY_COLUMNS
from simulation.export import DeliveryView
from simulation.intake import COUNTS
from simulation.writers.common import Visits, answer_text, date_text, looked_up, visits_of

EVENTS = (
    "baseline_arm_1",
    "month_3_arm_1",
    "month_9_arm_1",
    "month_15_arm_1",
    "month_21_arm_1",
    "month_27_arm_1",
    "month_33_arm_1",
    "discharge_arm_1",
    "unscheduled_arm_1",
)
FORMS = ("gaf", "wsas", "bsi_18", "wai_s", "wai_sr")
SEX = {"female": "1", "male": "2"}
TERMINATION = {"completed": "1", "drop_out": "2", "advised": "3", "referred": "4", "other": "5"}
MISSING = "-99"
DATE = "%Y-%m-%d"
UNVERIFIED_EVERY = 25
"""Every so many visits a form's status is 1 (unverified) and not 2 (complete)."""
DISORDERS = {"1": "mood", "2": "anxiety", "3": "ptsd", "4": "ocd", "5": "adhd", "6": "eating", "7": "substance"}
PERSONALITY = {
    "1": "borderline",
    "2": "paranoid",
    "3": "avoidant",
    "4": "narcissistic",
    "5": "antisocial",
    "6": "obsessive_compulsive",
    "7": "dependent",
    "8": "pd_nos",
}


def write(folder: Path, view: DeliveryView, instruments: dict[str, Instrument]) -> None:
    """Write one delivery into `folder`: the export and the dictionary."""
    visits = visits_of(view.forms, always=np.flatnonzero(view.is_listed))
    columns = [
        looked_up(view.people["reference"], visits.patient, visits.is_nameless, "record_id"),
        pl.Series("redcap_event_name", np.array(EVENTS)[visits.occasion], dtype=pl.String),
        pl.Series("redcap_data_access_group", [view.site] * len(visits.patient), dtype=pl.String),
        *_enrolment(view, visits),
    ]
    for key in FORMS:
        columns.extend(_form(view, visits, key))
    text = pl.DataFrame(columns).write_csv(quote_style="necessary")
    (folder / f"SyntheticMBT_DATA_{view.delivery}.csv").write_bytes(text.encode())
    (folder / f"SyntheticMBT_DataDictionary_{view.delivery}.csv").write_bytes(_dictionary(view, instruments).encode())


def _enrolment(view: DeliveryView, visits: Visits) -> list[pl.Series]:
    """The enrolment form, which belongs to the baseline event only."""
    ticks = [
        pl.col(name).cast(pl.Int8).cast(pl.String).alias(f"{field}___{code}")
        for field, names in (("disorder", DISORDERS), ("personality", PERSONALITY))
        for code, name in names.items()
    ]
    form = view.people.select(
        pl.col("name").alias("full_name"),
        pl.col("sex").replace_strict(SEX).alias("sex"),
        pl.col("birth").dt.to_string(DATE).alias("birth_date"),
        pl.col("admission").dt.to_string(DATE).alias("admission_date"),
        pl.col("start").dt.to_string(DATE).alias("treatment_start_date"),
        pl.col("discharge").dt.to_string(DATE).alias("discharge_date"),
        pl.col("therapist").cast(pl.String).alias("therapist"),
        pl.col("termination").replace_strict(TERMINATION, default=None).alias("termination"),
        *ticks,
        pl.col("work_months").cast(pl.String).alias("work_months"),
        *[pl.col(name).cast(pl.String) for name in COUNTS],
        pl.col("eq5d_index").cast(pl.String),
        pl.col("note").alias("remarks"),
        pl.lit("B3").alias("ward_code"),
        pl.lit("2").alias("enrolment_complete"),
    )
    is_baseline = pl.lit(pl.Series("is_baseline", visits.occasion == 0))
    rows = form.select(pl.all().gather(visits.patient))
    return rows.select(pl.when(is_baseline).then(pl.all())).get_columns()


def _form(view: DeliveryView, visits: Visits, key: str) -> list[pl.Series]:
    written, unreadable = visits.dates(view.forms, key)
    names = item_names(key, view.forms[key].numbers)
    filled = visits.rows[key] >= 0
    unverified = (visits.patient + visits.occasion) % UNVERIFIED_EVERY == 0
    status = np.where(filled, np.where(unverified, "1", "2"), "")
    return [
        date_text(written, unreadable, DATE, f"{key}_date"),
        *answer_text(visits.items(view.forms, key), names, "0" if key == "gaf" else MISSING, "."),
        pl.Series(f"{key}_complete", status, dtype=pl.String).replace("", None),
    ]


def item_names(key: str, numbers: tuple[int, ...]) -> list[str]:
    """Columns of a form's items."""
    if key == "gaf":
        return [{1: "gaf_s", 2: "gaf_f", 3: "gaf_global"}[number] for number in numbers]
    return [f"{key}_{number:02d}" for number in numbers]


def _dictionary(view: DeliveryView, instruments: dict[str, Instrument]) -> str:
    lines: list[dict[str, str]] = [
        _field("record_id", "enrolment", "text", "Record ID"),
        _field("full_name", "enrolment", "text", "Name (made up)", identifier="y"),
        _field("sex", "enrolment", "radio", "Sex", choices="1, Female | 2, Male"),
        *[
            _field(name, "enrolment", "text", name.replace("_", " ").capitalize(), validation="date_ymd")
            for name in ("birth_date", "admission_date", "treatment_start_date", "discharge_date")
        ],
        _field("therapist", "enrolment", "text", "Therapist"),
        _field("termination", "enrolment", "radio", "How treatment ended", choices=_choices(TERMINATION)),
        _field("disorder", "enrolment", "checkbox", "Symptom disorders", choices=_choices(_swap(DISORDERS))),
        _field("personality", "enrolment", "checkbox", "Personality disorders", choices=_choices(_swap(PERSONALITY))),
        _field("work_months", "enrolment", "text", "Months in work or study, last year", "integer", "0", "12"),
        *[_field(name, "enrolment", "text", name.replace("_", " ").capitalize(), "integer", "0") for name in COUNTS],
        _field("eq5d_index", "enrolment", "text", "EQ-5D index", "number", "-0.594", "1"),
        _field("remarks", "enrolment", "notes", "Remarks"),
        _field("ward_code", "enrolment", "text", "Ward"),
    ]
    for key in FORMS:
        form = view.forms[key]
        version = instruments[key].version(form.version)
        lines.append(_field(f"{key}_date", key, "text", "Date of assessment", validation="date_ymd"))
        for name, number in zip(item_names(key, form.numbers), form.numbers, strict=True):
            low, high = version.item_range(number)
            lines.append(_field(name, key, "text", f"Item {number}", "integer", str(low), str(high)))
    file = io.StringIO()
    writer = csv.DictWriter(file, DICTIONARY_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _field(
    name: str,
    form: str,
    kind: str,
    label: str,
    validation: str = "",
    minimum: str = "",
    maximum: str = "",
    choices: str = "",
    identifier: str = "",
) -> dict[str, str]:
    return {
        "Variable / Field Name": name,
        "Form Name": form,
        "Field Type": kind,
        "Field Label": label,
        "Choices, Calculations, OR Slider Labels": choices,
        "Text Validation Type OR Show Slider Number": validation,
        "Text Validation Min": minimum,
        "Text Validation Max": maximum,
        "Identifier?": identifier,
    }


def _choices(codes: dict[str, str]) -> str:
    return " | ".join(f"{code}, {name.replace('_', ' ').capitalize()}" for name, code in codes.items())


def _swap(codes: dict[str, str]) -> dict[str, str]:
    return {name: code for code, name in codes.items()}
