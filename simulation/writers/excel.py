"""East: one workbook with a sheet per instrument, two title rows above each header, blanks and #NULL!.

What belongs here: how that workbook looks. What does not: what is in it (`simulation.export`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulation.answers import BLANK, HALF, HALF_VALUE, LETTER, MISSING, Form
from simulation.export import DeliveryView

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

OCCASIONS = (
    "Baseline",
    "Month 3",
    "Month 9",
    "Month 15",
    "Month 21",
    "Month 27",
    "Month 33",
    "Discharge",
    "Extra visit",
)
SHEETS = {"wai_s": "WAI-S", "wai_sr": "WAI-SR", "gaf": "GAF", "wsas": "WSAS", "bsi_18": "BSI-18"}
GAF_NAME = "GAF"
WRONG_DATE = "{year}-02-31"
PEOPLE = {
    "reference": "Study no",
    "name": "Name",
    "sex": "Sex",
    "birth": "Born",
    "admission": "Admitted",
    "start": "Treatment start",
    "discharge": "Discharged",
    "therapist": "Therapist",
    "termination": "Ended how",
    "mood": "Mood disorder",
    "paranoid": "Paranoid PD",
    "work_months": "Months in work",
    "borderline": "Borderline PD",
    "avoidant": "Avoidant PD",
    "narcissistic": "Narcissistic PD",
    "antisocial": "Antisocial PD",
    "obsessive_compulsive": "Obsessive-compulsive PD",
    "dependent": "Dependent PD",
    "pd_nos": "PD not specified",
    "anxiety": "Anxiety disorder",
    "ptsd": "PTSD",
    "ocd": "OCD",
    "adhd": "ADHD",
    "eating": "Eating disorder",
    "substance": "Substance use disorder",
    "borderline_criteria": "Borderline criteria",
    "pd_criteria": "PD criteria",
    "n_pds": "Number of PDs",
    "n_symptom_disorders": "Number of symptom disorders",
    "sipp_self_control": "SIPP self-control",
    "sipp_social_concordance": "SIPP social concordance",
    "sipp_identity": "SIPP identity",
    "sipp_relation": "SIPP relation",
    "sipp_responsibility": "SIPP responsibility",
    "eq5d_index": "EQ-5D index",
    "note": "Remarks",
}
Cell = str | float | dt.date | None


def write(folder: Path, view: DeliveryView) -> None:
    """Write one delivery into `folder`; the same data give the same bytes."""
    import xlsxwriter

    made = dt.datetime.fromisoformat(view.delivery)
    options = {"constant_memory": True, "tmpdir": str(folder)}
    with xlsxwriter.Workbook(str(folder / "mbt_east_synthetic.xlsx"), options) as book:
        book.set_properties({"title": f"{view.title} (synthetic data)", "created": made})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        book.add_format()
        _people(book, view, day)
        for key, name in SHEETS.items():
            _form(book, view, name, view.forms[key], day)


def _sheet(book: Workbook, view: DeliveryView, name: str, header: Sequence[str]) -> Worksheet:
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, f"{view.title}: {name}")
    sheet.write_string(1, 0, f"SYNTHETIC DATA, exported {view.delivery}")
    for column, title in enumerate(header):
        sheet.write_string(2, column, title)
    return sheet


def _people(book: Workbook, view: DeliveryView, day: object) -> None:
    sheet = _sheet(book, view, "Patients", [*PEOPLE.values(), "Ward"])
    yes = {True: "yes", False: "no"}
    for number, person in enumerate(view.listed_people.select(list(PEOPLE)).iter_rows(named=True)):
        cells = {key: yes[value] if isinstance(value, bool) else value for key, value in person.items()}
        cells["therapist"] = f"Therapist {person['therapist']}"
        _row(sheet, number + 3, [*cells.values(), "East 2"], day)


def _form(book: Workbook, view: DeliveryView, name: str, form: Form, day: object) -> None:
    names = [GAF_NAME] if form.instrument == "gaf" else [f"Item {number}" for number in form.numbers]
    sheet = _sheet(book, view, name, ["Study no", "Occasion", "Date", *names])
    references = view.people["reference"].to_list()
    missing = 0.0 if form.instrument == "gaf" else "#NULL!"
    special: dict[int, Cell] = {BLANK: None, MISSING: missing, HALF: HALF_VALUE, LETTER: "x"}
    dates = np.where(np.isnat(form.written), form.date, form.written).astype("datetime64[D]").tolist()
    patients, occasions, answers = form.patient.tolist(), form.occasion.tolist(), form.items.tolist()
    unreadable, nameless = form.is_unreadable.tolist(), form.is_nameless.tolist()
    for row in range(form.n):
        who = None if nameless[row] else references[patients[row]]
        when: Cell = WRONG_DATE.format(year=dates[row].year) if unreadable[row] else dates[row]
        cells = [answer if answer >= 0 else special[answer] for answer in answers[row]]
        _row(sheet, row + 3, [who, OCCASIONS[occasions[row]], when, *cells], day)


def _row(sheet: Worksheet, row: int, cells: Sequence[Cell], day: object) -> None:
    for column, cell in enumerate(cells):
        if cell is None:
            continue
        if isinstance(cell, str):
            sheet.write_string(row, column, cell)
        elif isinstance(cell, dt.date):
            sheet.write_datetime(row, column, cell, day)
        else:
            sheet.write_number(row, column, cell)
