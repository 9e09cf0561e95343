"""North: one semicolon CSV per form in windows-1252, with decimal commas, dd.mm.yyyy and Norwegian column names.

What belongs here: how that export looks. What does not: what is in it (`simulation.export`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from codebook.instrument import Instrument
from simulation.answers import Form, mean_where_complete
from simulation.export import DeliveryView
from simulation.numbers import mistyped
from simulation.writers.common import answer_text, date_text, looked_up

OCCASIONS = ("Inntak", "3 mnd", "9 mnd", "15 mnd", "21 mnd", "27 mnd", "33 mnd", "Avslutning", "Ekstra time")
TERMINATIONS = {
    "completed": "Fullført",
    "drop_out": "Avbrutt",
    "advised": "Avsluttet etter råd",
    "referred": "Henvist videre",
    "other": "Annet",
}
DATE = "%d.%m.%Y"
MISSING = "999"
DIAGNOSES = {
    "borderline": "Borderline_PF",
    "avoidant": "Unnvikende_PF",
    "narcissistic": "Narsissistisk_PF",
    "antisocial": "Antisosial_PF",
    "obsessive_compulsive": "Tvangspreget_PF",
    "dependent": "Avhengig_PF",
    "pd_nos": "Uspesifisert_PF",
    "anxiety": "Angstlidelse",
    "ptsd": "PTSD",
    "ocd": "OCD",
    "adhd": "ADHD",
    "eating": "Spiseforstyrrelse",
    "substance": "Rusmiddellidelse",
}
COUNTS = {
    "borderline_criteria": "Borderline_kriterier",
    "pd_criteria": "PF_kriterier",
    "n_pds": "Antall_PF",
    "n_symptom_disorders": "Antall_symptomlidelser",
    "sipp_self_control": "SIPP_selvkontroll",
    "sipp_social_concordance": "SIPP_sosialt_samspill",
    "sipp_identity": "SIPP_identitet",
    "sipp_relation": "SIPP_relasjon",
    "sipp_responsibility": "SIPP_ansvar",
}
FILES = {"gaf": "gaf", "wsas": "wsas", "bsi_18": "bsi18"}


def write(folder: Path, view: DeliveryView, instruments: dict[str, Instrument]) -> None:
    """Write one delivery into `folder`."""
    _save(_patients(view), folder / "pasienter_syntetisk.csv")
    wai = [_form(view, view.forms[key], "WAI", MISSING, instruments) for key in ("wai_s", "wai_sr")]
    _save(pl.concat(wai), folder / "wai_syntetisk.csv")
    for key, name in FILES.items():
        prefix = name.upper()
        missing = "0" if key == "gaf" else MISSING
        _save(_form(view, view.forms[key], prefix, missing, instruments), folder / f"{name}_syntetisk.csv")


def _patients(view: DeliveryView) -> pl.DataFrame:
    people = view.listed_people
    yes = {True: "ja", False: "nei"}
    return people.select(
        pl.col("national").alias("Fødselsnummer"),
        pl.col("reference").alias("PasientNr"),
        pl.col("name").alias("Navn"),
        pl.col("sex").replace_strict({"female": "K", "male": "M"}).alias("Kjønn"),
        pl.col("birth").dt.year().cast(pl.String).alias("Fødselsår"),
        pl.col("admission").dt.to_string(DATE).alias("Inntaksdato"),
        pl.col("start").dt.to_string(DATE).alias("Behandlingsstart"),
        pl.col("discharge").dt.to_string(DATE).alias("Utskrevet"),
        pl.format("Behandler {}", "therapist").alias("Behandler"),
        pl.col("termination").replace_strict(TERMINATIONS, default=None).alias("Avslutningsårsak"),
        pl.col("mood").replace_strict(yes, return_dtype=pl.String).alias("Stemningslidelse"),
        pl.col("paranoid").replace_strict(yes, return_dtype=pl.String).alias("Paranoid_PF"),
        pl.col("work_months").cast(pl.String).alias("Arbeidsmåneder"),
        *[pl.col(key).replace_strict(yes, return_dtype=pl.String).alias(name) for key, name in DIAGNOSES.items()],
        *[pl.col(key).cast(pl.String).alias(name) for key, name in COUNTS.items()],
        _decimal_comma(people["eq5d_index"].alias("EQ5D_indeks")),
        pl.col("note").alias("Merknad"),
        pl.lit("Poliklinikk").alias("Journalenhet"),
    )


def _form(
    view: DeliveryView, form: Form, prefix: str, missing: str, instruments: dict[str, Instrument]
) -> pl.DataFrame:
    names = [f"{prefix}_{number}" for number in form.numbers]
    columns = [
        _written_numbers(view, form),
        looked_up(view.people["reference"], form.patient, form.is_nameless, "PasientNr"),
        pl.Series("Tidspunkt", np.array(OCCASIONS)[form.occasion], dtype=pl.String),
        date_text(form.written, form.is_unreadable, DATE, "Dato"),
    ]
    if prefix == "WAI":
        columns.append(pl.Series("Skjema", [_version_name(form)] * form.n, dtype=pl.String))
    columns.extend(answer_text(form.items, names, missing, ","))
    if prefix == "WAI":
        mean = pl.Series("WAI_snitt", mean_where_complete(form, instruments[form.instrument]))
        columns.append(_decimal_comma(mean))
    return pl.DataFrame(columns)


def _written_numbers(view: DeliveryView, form: Form) -> pl.Series:
    numbers = looked_up(view.people["national"], form.patient, form.is_nameless, "Fødselsnummer")
    wrong = pl.Series(form.is_mistyped)
    return numbers.zip_with(~wrong, numbers.map_elements(mistyped, return_dtype=pl.String)) if wrong.any() else numbers


def _version_name(form: Form) -> str:
    return form.instrument.upper().replace("_", "-")


def _decimal_comma(values: pl.Series) -> pl.Series:
    hundredths = (values.fill_nan(None) * 100).round().cast(pl.Int64)
    name = values.name
    text = pl.format("{},{}", pl.col(name) // 100, (pl.col(name) % 100).cast(pl.String).str.pad_start(2, "0"))
    return pl.DataFrame({name: hundredths}).select(pl.when(pl.col(name).is_not_null()).then(text).alias(name))[name]


def _save(frame: pl.DataFrame, path: Path) -> None:
    text = frame.write_csv(separator=";", line_terminator="\r\n", quote_style="necessary")
    path.write_bytes(text.encode("cp1252"))
