"""Two units and nine records of people: one known to both units, one admitted twice, one with two numbers, one that is
two people. Written to disk as the units would send it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulation.numbers import national_numbers

NETWORK = """
name: people
title: People (made up)
is_synthetic: true
today: 2014-06-01
default_schedule: plan
"""
SCHEDULE = """
name: plan
title: Two visits
valid_from: 2010-01-01
occasions:
  - {key: m03, label: Month 3, anchor: treatment_start, months: 3, before_days: 40, after_days: 40,
     due: [{instrument: wsas}]}
  - {key: discharge, label: Discharge, anchor: discharge, before_days: 40, after_days: 40, due: [{instrument: wsas}]}
"""
SITE = """
site: {site}
name: {name}
format: {{reader: delimited, delimiter: ";"}}
delivery: {{mode: snapshot}}
mappings:
  - from_delivery: "2013-01-01"
    date_format: "%Y-%m-%d"
    sources:
      - name: patients
        file: patients*.csv
        identity: {{columns: [number], scope: network, number: norwegian}}
        local_ref: ref
        key: [ref]
        identifiers: [name]
        patient: {{sex: {{column: sex, codes: {{K: female, M: male}}}}, birth_year: born}}
        episode: {{admission_date: admitted, treatment_start_date: admitted, discharge_date: left}}
        consents: [{{purpose: research, status: {{column: consent}}}}]
        attributes: [{{attribute: note, column: note, is_free_text: true}}, {{attribute: work, column: work}}]
      - name: forms
        file: forms*.csv
        identity: {{columns: [number], scope: network, number: norwegian}}
        key: [number, day]
        kept: [ward]
        assessments:
          - {{instrument: wsas, version: wsas, items: "q{{n}}", date: day,
              occasion: {{column: visit, codes: {{"3": m03, "S": discharge, "X": unscheduled}}}}}}
"""
DELIVERY = "2014-05-01"


@dataclass(frozen=True)
class Person:
    """A record of a unit: who, which course, and one form three months after admission."""

    unit: str
    ref: str
    number: str
    name: str
    admitted: str
    sex: str = "K"
    consent: str = "given"
    note: str = ""
    work: str = "yes"


def numbers() -> list[str]:
    """Seven national numbers, right in their check digits and nobody's."""
    return national_numbers(np.array([f"198{n}-0{n + 1}-1{n}" for n in range(7)], dtype="datetime64[D]"))


def people() -> list[Person]:
    n = numbers()
    spaced = f"{n[0][:6]} {n[0][6:]}"
    return [
        Person("north", "N-01", n[0], "Kari Nordmann", "2013-02-01"),
        Person("south", "S-01", spaced, "Kari Nordmann", "2013-09-01"),
        Person("north", "N-02", n[1], "Ola Brekkan", "2011-02-01", "M"),
        Person("north", "N-03", n[1], "Ola Brekkan", "2013-03-01", "M"),
        Person("north", "N-04", n[2], "Siri Flatøyen", "2013-02-10", consent="refused"),
        Person("south", "S-02", n[3], "Siri Flatøyen", "2013-07-10"),
        Person("south", "S-03", n[4], "Peder Ottesrud", "2011-02-10", "M"),
        Person("south", "S-04", n[4], "Pål Vinterstø", "2013-07-11", "M"),
        Person("south", "S-05", n[5], "Unni Skoglie", "2013-07-12", note="fine"),
    ]


def write_network(root: Path, units: tuple[str, ...] = ("north", "south")) -> None:
    for folder in ("sites", "schedules", "landing"):
        (root / folder).mkdir(parents=True)
    (root / "network.yaml").write_text(NETWORK, encoding="utf-8")
    (root / "schedules" / "plan.yaml").write_text(SCHEDULE, encoding="utf-8")
    for unit in units:
        (root / "sites" / f"{unit}.yaml").write_text(SITE.format(site=unit, name=unit.title()), encoding="utf-8")
        deliver(root, unit, [person for person in people() if person.unit == unit])


def deliver(root: Path, unit: str, records: list[Person], delivery: str = DELIVERY) -> Path:
    folder = root / "landing" / unit / delivery
    folder.mkdir(parents=True)
    patients = ["number;ref;name;sex;born;admitted;left;consent;note;work"]
    forms = ["number;visit;day;ward;q1;q2;q3;q4;q5"]
    for nth, person in enumerate(records):
        patients.append(
            f"{person.number};{person.ref};{person.name};{person.sex};198{nth};{person.admitted};;{person.consent};"
            f"{person.note};{person.work}"
        )
        day = dt.date.fromisoformat(person.admitted) + dt.timedelta(days=90)
        forms.append(f"{person.number};3;{day};A;{nth % 8};{(nth + 1) % 8};3;4;{9 if nth == 2 else 5}")
    (folder / "patients.csv").write_text("\n".join(patients) + "\n", encoding="utf-8")
    (folder / "forms.csv").write_text("\n".join(forms) + "\n", encoding="utf-8")
    return folder
