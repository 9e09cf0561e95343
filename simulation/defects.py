"""Mistakes planted in a site's export, each written down, so that what is found can be held against what is there.

What belongs here: the kinds of mistake, where they go, and the truth about them. What does not: finding them.
At most one mistake per patient and occasion, so that none hides another; how many grows with the site up to a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from codebook.instrument import Instrument, item_column
from simulation.answers import HALF, LETTER, Form
from simulation.export import Correction, SiteExport
from simulation.population import OCCASIONS, UNSCHEDULED, WAI_SR_FROM

MOST_OF_A_KIND = 25
PATIENTS_PER_DEFECT = 40
WIDE = ("south", "west")
"""Units that write all forms of a visit into one row."""
OUTSIDE = {"wai_s": (8, 0, 55), "wai_sr": (8, 0, 66), "wsas": (10, 44), "bsi_18": (5, 33), "gaf": (101, 480)}
"""Answers outside the range that no unit uses as a code for 'no answer'."""
CUT_AT, CUT, CUT_SHARE = "east", "wai_s", 0.4
"""The unit whose newest export lost rows, the form that they are of, and how many: fewer than the gate lets through."""
OCCASION_KEYS = (*OCCASIONS, "unscheduled")


@dataclass(frozen=True)
class Defect:
    """One line of the truth: what a run should find, once.

    `delivery`: the first in which it can be seen. `n_rows`: rows held back for it. `status`: of the finding after the
    last delivery.
    """

    site: str
    delivery: str
    defect: str
    rule: str
    local_ref: str = ""
    instrument: str = ""
    occasion: str = ""
    item: str = ""
    n_rows: int = 0
    status: str = "open"
    note: str = ""


def plant(export: SiteExport, instruments: dict[str, Instrument], rng: np.random.Generator) -> list[Defect]:
    """Plant every kind that the unit's format can hold; `export` is changed, the truth returned."""
    return list(_Planter(export, instruments, rng).plant())


class _Planter:
    def __init__(self, export: SiteExport, instruments: dict[str, Instrument], rng: np.random.Generator) -> None:
        self.export, self.instruments, self.rng = export, instruments, rng
        self.touched: set[tuple[int, int]] = set()
        self.known = export.until(0)
        self.refs = export.people["reference"].to_list()
        self.n = int(np.clip(round(export.people.height / PATIENTS_PER_DEFECT), 1, MOST_OF_A_KIND))

    def plant(self) -> Iterator[Defect]:
        kind, n = self.export.kind, self.n
        yield from self._out_of_range(2 * n)
        yield from self._unknown_code(n)
        yield from self._implausible_date(n)
        if kind != "south":  # an SPSS date cannot be unreadable
            yield from self._unreadable_date(n)
        if kind != "west":  # REDCap holds one row per record and event, and never without a record
            yield from self._second_entry(n, differs=True)
            yield from self._second_entry(n, differs=False)
            yield from self._nameless(n)
        yield from self._unscheduled(n)
        yield from self._identifier_in_text(n)
        if len(self.export.deliveries) > 1:
            yield from self._corrections(2 * n)
            yield from self._range_corrected(n)
        if kind == "north":  # the one unit whose patients are known by their national number
            yield from self._mistyped_identity()
        if self.export.site == CUT_AT:
            yield from self._cut_off()

    def _truth(self, defect: str, rule: str, patient: int | None, **more: str | int) -> Defect:
        base = Defect(self.export.site, self.export.deliveries[0], defect, rule)
        if patient is not None:
            base = replace(base, local_ref=self.refs[patient])
        return replace(base, **more)  # type: ignore[arg-type]

    def _pick(self, n: int, instruments: tuple[str, ...] = tuple(OUTSIDE)) -> Iterator[tuple[Form, int]]:
        """Up to n rows of the first delivery, of one instrument after the other, each of an untouched visit."""
        order = {key: self._candidates(key) for key in instruments}
        for number in range(n):
            for shift in range(len(instruments)):
                key = instruments[(number + shift) % len(instruments)]
                row = next(order[key], None)
                if row is not None:
                    yield self.export.forms[key], row
                    break

    def _candidates(self, key: str) -> Iterator[int]:
        form = self.export.forms[key]
        usable = (form.date <= self.known) & (form.copy == 0) & (form.items >= 0).any(axis=1)
        for row in self.rng.permutation(np.flatnonzero(usable)).tolist():
            visit = (int(form.patient[row]), int(form.occasion[row]))
            if visit not in self.touched:
                self.touched.add(visit)
                yield row

    def _answered(self, form: Form, row: int) -> int:
        """A column of the row that holds an answer."""
        return int(self.rng.choice(np.flatnonzero(form.items[row] >= 0)))

    def _valid_other(self, form: Form, row: int, column: int) -> int:
        version = self.instruments[form.instrument].version(form.version)
        low, high = version.item_range(form.numbers[column])
        now = int(form.items[row, column])
        if form.instrument == "gaf":
            return now + 3 if now < 60 else now - 3
        others = [value for value in range(low, high + 1) if value != now]
        return int(self.rng.choice(others))

    @staticmethod
    def _place(form: Form, row: int, column: int | None = None) -> dict[str, str | int]:
        place: dict[str, str | int] = {
            "instrument": form.instrument,
            "occasion": OCCASION_KEYS[int(form.occasion[row])],
        }
        if column is not None:
            place["item"] = item_column(form.numbers[column])
        return place

    def _out_of_range(self, n: int) -> Iterator[Defect]:
        for form, row in self._pick(n):
            column = self._answered(form, row)
            form.items[row, column] = self.rng.choice(OUTSIDE[form.instrument])
            rule = f"{form.instrument}-range-{form.numbers[column]:02d}"
            yield self._truth("out_of_range", rule, int(form.patient[row]), **self._place(form, row, column))

    def _unknown_code(self, n: int) -> Iterator[Defect]:
        codes = (HALF,) if self.export.kind == "south" else (LETTER, HALF)
        for number, (form, row) in enumerate(self._pick(n, ("bsi_18", "wai_sr", "wsas", "wai_s"))):
            column = self._answered(form, row)
            form.items[row, column] = codes[number % len(codes)]
            rule = f"{form.instrument}-code-{form.numbers[column]:02d}"
            yield self._truth("unknown_code", rule, int(form.patient[row]), **self._place(form, row, column))

    def _implausible_date(self, n: int) -> Iterator[Defect]:
        for number, (form, row) in enumerate(self._pick(n, ("wsas", "wai_sr", "gaf", "bsi_18"))):
            years = 50 if number % 2 == 0 else -10
            day = form.date[row].astype(object)
            form.written[row] = np.datetime64(day.replace(year=day.year + years, day=min(day.day, 28)))
            note = "year typed wrong: after the delivery" if years > 0 else "year typed wrong: long before admission"
            place = {**self._place(form, row), "item": "assessment_date", "note": note}
            yield self._truth("wrong_date", "date-implausible", int(form.patient[row]), **place)

    def _unreadable_date(self, n: int) -> Iterator[Defect]:
        for form, row in self._pick(n, ("bsi_18", "gaf", "wsas")):
            form.is_unreadable[row] = True
            place = {**self._place(form, row), "item": "assessment_date", "note": "the 31st of February"}
            yield self._truth("wrong_date", "date-unreadable", int(form.patient[row]), **place)

    def _second_entry(self, n: int, differs: bool) -> Iterator[Defect]:
        """A row that stands there twice; in units that write a visit into one row, all its forms do."""
        for form, row in list(self._pick(n, ("bsi_18", "wai_sr", "wsas"))):
            patient, occasion = int(form.patient[row]), int(form.occasion[row])
            for key, other in self._forms_of_row(form, patient, occasion):
                rows = np.flatnonzero((other.patient == patient) & (other.occasion == occasion) & (other.copy == 0))
                again = other.take(rows)
                again = replace(again, copy=np.ones_like(again.copy), items=again.items.copy())
                if differs and key == form.instrument:
                    column = self._answered(again, 0)
                    again.items[0, column] = self._valid_other(again, 0, column)
                self.export.forms[key] = other.plus(again)
            place = self._place(form, row)
            if self.export.kind in WIDE:
                place["instrument"] = ""
            if differs:
                yield self._truth("double_entry_conflict", "row-key-conflict", patient, n_rows=2, **place)
            else:
                yield self._truth("double_entry", "row-duplicate", patient, n_rows=1, **place)

    def _forms_of_row(self, form: Form, patient: int, occasion: int) -> list[tuple[str, Form]]:
        if self.export.kind not in WIDE:
            return [(form.instrument, self.export.forms[form.instrument])]
        return [
            (key, other)
            for key, other in self.export.forms.items()
            if ((other.patient == patient) & (other.occasion == occasion)).any()
        ]

    def _nameless(self, n: int) -> Iterator[Defect]:
        """Rows without a number; one per file and occasion, since nothing else tells such rows apart."""
        seen: set[tuple[str, int]] = set()
        for form, row in list(self._pick(n, ("wsas", "bsi_18"))):
            patient, occasion = int(form.patient[row]), int(form.occasion[row])
            file = "" if self.export.kind in WIDE else form.instrument
            if (file, occasion) in seen:
                continue
            seen.add((file, occasion))
            for _, other in self._forms_of_row(form, patient, occasion):
                other.is_nameless[(other.patient == patient) & (other.occasion == occasion)] = True
            place = self._place(form, row)
            if self.export.kind in WIDE:
                place["instrument"] = ""
            note = f"the row of {self.refs[patient]}"
            yield self._truth("identity_missing", "row-identity-missing", None, n_rows=1, note=note, **place)

    def _mistyped_identity(self) -> Iterator[Defect]:
        """One row whose national number fails its check digits."""
        for form, row in list(self._pick(1, ("gaf", "wsas", "bsi_18"))):
            form.is_mistyped[row] = True
            note = f"the row of {self.refs[int(form.patient[row])]}, last digit of the number typed wrong"
            place = self._place(form, row)
            yield self._truth("identity_invalid", "row-identity-invalid", None, n_rows=1, note=note, **place)

    def _unscheduled(self, n: int) -> Iterator[Defect]:
        """An alliance form five to six weeks after a routine one, at a visit of its own."""
        done: set[int] = set()
        for source in ("wai_sr", "wai_s"):
            form = self.export.forms[source]
            routine = (form.occasion < len(OCCASIONS) - 1) & (form.copy == 0)
            for row in self.rng.permutation(np.flatnonzero(routine)).tolist():
                patient = int(form.patient[row])
                later = form.date[row] + np.timedelta64(40, "D")
                target = "wai_sr" if later >= WAI_SR_FROM else "wai_s"
                if len(done) >= n:
                    return
                if (
                    later > self.known
                    or patient in done
                    or target != source
                    or (patient, int(form.occasion[row])) in self.touched
                ):
                    continue
                done.add(patient)
                self.touched.add((patient, UNSCHEDULED))
                extra = form.take(np.array([row]))
                day = np.array([later])
                extra = replace(extra, occasion=np.array([UNSCHEDULED]), date=day, written=day.copy())
                self.export.forms[source] = self.export.forms[source].plus(extra)
                place = {**self._place(extra, 0), "item": "occasion"}
                yield self._truth("unscheduled_visit", "visit-unscheduled", patient, **place)

    def _identifier_in_text(self, n: int) -> Iterator[Defect]:
        people = self.export.people
        notes = people["note"].to_list()
        kinds = {"north": 0, "south": 1, "east": 2, "west": 3}
        for number, patient in enumerate(self.rng.permutation(people.height)[:n].tolist()):
            text, what = (
                (f"Best by e-mail: testperson{patient}@example.org", "an e-mail address"),
                (f"Call +47 00 00 {patient % 10000 // 100:02d} {patient % 100:02d}", "a telephone number"),
                (f"National number {people['national'][patient]}", "a national number"),
                (f"{people['name'][patient]} wants to be called back", "the person's name"),
            )[(kinds[self.export.kind] + number) % 4]
            notes[patient] = text
            place = {"delivery": self._first_listed(patient), "item": "note", "note": what}
            yield self._truth("identifier_in_text", "text-identifier", patient, **place)
        self.export.people = people.with_columns(pl.Series("note", notes, dtype=pl.String))

    def _first_listed(self, patient: int) -> str:
        """The first delivery that knows of a patient's admission."""
        admitted = np.datetime64(self.export.people["admission"][patient])
        known = (name for nth, name in enumerate(self.export.deliveries) if admitted <= self.export.until(nth))
        return next(known, self.export.deliveries[-1])

    def _cut_off(self) -> Iterator[Defect]:
        """Rows of one form that the first delivery held and the last does not: the sheet was cut off."""
        n = round(CUT_SHARE * self.export.forms[CUT].n)
        rows = [row for _, row in self._pick(n, (CUT,))]
        self.export.left_out[CUT] = np.array(rows, dtype=np.int64)
        form, last = self.export.forms[CUT], self.export.deliveries[-1]
        for row in rows:
            place = {**self._place(form, row), "delivery": last, "note": "the newest delivery holds it no more"}
            yield self._truth("cut_off", "record-vanished", int(form.patient[row]), **place)

    def _corrections(self, n: int) -> Iterator[Defect]:
        for form, row in list(self._pick(n, ("wsas", "bsi_18", "gaf", "wai_sr"))):
            column = self._answered(form, row)
            correction = Correction(form.instrument, row, column, self._valid_other(form, row, column))
            yield self._corrected(form, correction, "an answer was changed")

    def _range_corrected(self, n: int) -> Iterator[Defect]:
        for form, row in list(self._pick(n, ("bsi_18", "wai_sr", "wsas"))):
            column = self._answered(form, row)
            valid = int(form.items[row, column])
            form.items[row, column] = self.rng.choice(OUTSIDE[form.instrument])
            rule = f"{form.instrument}-range-{form.numbers[column]:02d}"
            place = {**self._place(form, row, column), "status": "resolved", "note": "put right in the second delivery"}
            yield self._truth("out_of_range", rule, int(form.patient[row]), **place)
            yield self._corrected(
                form, Correction(form.instrument, row, column, valid), "a value outside was put right"
            )

    def _corrected(self, form: Form, correction: Correction, note: str) -> Defect:
        self.export.corrections.append(correction)
        place = self._place(form, correction.row, correction.column)
        second = self.export.deliveries[1]
        patient = int(form.patient[correction.row])
        said = {"delivery": second, "note": note, "status": "resolved"}
        return self._truth("correction", "assessment-corrected", patient, **{**place, **said})
