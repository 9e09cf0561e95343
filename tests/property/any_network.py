"""Random small networks: patients, visits and planted mistakes, with what a run must make of them, format-free.

`Truth` is worked out from what was drawn, never from what Concord returns.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import strategies as st

FORMS = {"wsas": (5, 8), "phq_9": (9, 3)}
"""Instrument → number of items, largest answer (the smallest is 0)."""
LABELS = {"three": "m03", "six": "m06", "end": "discharge"}
PATIENT_COLUMNS = ["nr", "family_name", "sex", "admitted", "note"]
NO_ANSWER = "99"
ANSWERS = {"range": [""], "code": ["x", "1.5"]}
"""Mistakes in one answer: what is written instead; '' stands for a number above the range."""
CELLS = {
    "bad_date": ("day", "2015-02-31", "date-unreadable"),
    "late_date": ("day", "2055-01-01", "date-implausible"),
    "odd_label": ("visit", "some other day", "occasion-unknown"),
}
"""Mistakes in a cell that every form of the row shares: column, what is written, the rule."""
PEOPLE: dict[str, tuple[str | None, str]] = {
    "no_identity": (None, "row-identity-missing"),
    "stranger": ("X", "row-episode-unknown"),
}
SECOND_ROWS = {"double": "row-duplicate", "conflict": "row-key-conflict"}
HELD_ROWS = {"no_identity": 1, "stranger": 1, "double": 1, "conflict": 2}
DEFECTS = ("none", "none", "none", *ANSWERS, *CELLS, *PEOPLE, *SECOND_ROWS)
NOTES = ("", "well", "prefers mornings; often late", 'said "fine", twice', "æøå – ümlaut", "line one, and more")
LEAKS = ("write to someone@example.org", "call +47 22 33 44 55")


def visit_columns() -> list[str]:
    """Columns of the file of visits."""
    items = [f"{form}_{n}" for form, (n_items, _) in FORMS.items() for n in range(1, n_items + 1)]
    return ["nr", "visit", "day", *items]


Form = tuple[str, str, str | None, dt.date | None, tuple[int | None, ...]]


@dataclass
class Truth:
    """What must come out. `forms`: (nr, instrument, occasion, date, answers) of every assessment that is taken."""

    n_landed: int = 0
    n_quarantined: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    forms: Counter[Form] = field(default_factory=Counter)
    missing_codes: int = 0
    patients: set[str] = field(default_factory=set)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class Drawn:
    """One random network: rows of two files as text (None: blank), and the truth about them."""

    patients: list[dict[str, str | None]]
    visits: list[dict[str, str | None]]
    truth: Truth


@st.composite
def networks(draw: st.DrawFn, max_patients: int = 5) -> Drawn:
    """Patients with up to three visits each; at most one mistake per visit, so that none hides another."""
    truth = Truth()
    patients: list[dict[str, str | None]] = []
    visits: list[dict[str, str | None]] = []
    n_patients = draw(st.integers(1, max_patients))
    for number in range(n_patients):
        nr = f"P{number + 1:03d}"
        admitted = dt.date(2015, 1, 1) + dt.timedelta(days=draw(st.integers(0, 300)))
        note = draw(st.sampled_from(NOTES + LEAKS))
        patients.append(
            {
                "nr": nr,
                "family_name": f"Quixotson{number + 1}",
                "sex": draw(st.sampled_from(["F", "M"])),
                "admitted": admitted.isoformat(),
                "note": note or None,
            }
        )
        truth.patients.add(nr)
        if note in LEAKS:
            truth.rules["text-identifier"] += 1
        elif note:
            truth.notes[note] += 1
        has_odd_label = False
        for label in draw(st.lists(st.sampled_from(list(LABELS)), unique=True, max_size=3)):
            defect = draw(st.sampled_from(DEFECTS))
            if defect == "odd_label" and has_odd_label:
                defect = "none"  # two of them on one day would be one assessment
            has_odd_label |= defect == "odd_label"
            visits.extend(_visit(draw, truth, nr, admitted, label, defect))
    if not visits:
        visits.extend(_visit(draw, truth, "P001", dt.date.fromisoformat(str(patients[0]["admitted"])), "three", "none"))
    truth.n_landed = len(patients) + len(visits)
    order = draw(st.permutations(range(len(visits))))
    return Drawn(patients, [visits[place] for place in order], truth)


def _visit(
    draw: st.DrawFn, truth: Truth, nr: str, admitted: dt.date, label: str, defect: str
) -> list[dict[str, str | None]]:
    day = admitted + dt.timedelta(days=draw(st.integers(10, 200)))
    row: dict[str, str | None] = {"nr": nr, "visit": label, "day": day.isoformat()}
    answers: dict[str, list[int | None]] = {}
    n_codes = 0
    for form, (n_items, largest) in FORMS.items():
        answers[form] = [draw(st.one_of(st.integers(0, largest), st.none())) for _ in range(n_items)]
        answers[form][0] = draw(st.integers(0, largest))  # a form without any answer is not there
        for n, answer in enumerate(answers[form], start=1):
            text = None if answer is None else str(answer)
            if answer is None and draw(st.booleans()):
                text, n_codes = NO_ANSWER, n_codes + 1
            row[f"{form}_{n}"] = text
    rows = [row]
    form = draw(st.sampled_from(list(FORMS)))
    item = draw(st.integers(2, FORMS[form][0]))
    if defect in ANSWERS:
        n_codes -= row[f"{form}_{item}"] == NO_ANSWER
        answers[form][item - 1] = None
        row[f"{form}_{item}"] = draw(st.sampled_from(ANSWERS[defect])) or str(FORMS[form][1] + 2)
        truth.rules[f"{form}-{defect}-{item:02d}"] += 1
    elif defect in CELLS:
        column, text, rule = CELLS[defect]
        row[column] = text
        truth.rules.update(f"{known}:{rule}" for known in FORMS)
    elif defect in PEOPLE:
        text, rule = PEOPLE[defect]
        row["nr"] = text and text + nr + label
        truth.rules[rule] += 1
    elif defect in SECOND_ROWS:
        again = dict(row)
        if defect == "conflict":
            again[f"{form}_1"] = str((int(str(row[f"{form}_1"])) + 1) % (FORMS[form][1] + 1))
        rows.append(again)
        truth.rules[SECOND_ROWS[defect]] += 1
    truth.n_quarantined += HELD_ROWS.get(defect, 0)
    if HELD_ROWS.get(defect, 0) < len(rows):
        occasion = None if defect == "odd_label" else LABELS[label]
        date = None if defect in {"bad_date", "late_date"} else day
        truth.missing_codes += n_codes
        for known, given in answers.items():
            truth.forms[nr, known, occasion, date, tuple(given)] += 1
    return rows
