"""What goes wrong with a unit's data as a whole: forms that nobody fills in any more, answers that come to mean less.

What belongs here: declines that no single value betrays, and the truth about them. What does not: mistakes that raise a
finding (`simulation.defects`), finding any of it.
Each kind is planted at the first unit of one format, whatever the size of the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from codebook.instrument import Instrument
from simulation.drawing import Bools
from simulation.export import SiteExport
from simulation.population import DISCHARGE, OCCASIONS

OVERDUE_AT, DRIFT_AT = "west", "south"
DRIFTING = "wsas"
DRIFT_SHARE = 0.8
"""Share of the new forms that are answered near the top; the others are answered as ever."""
UNFILLED = ("wsas", "bsi_18", "wai_sr")
UNFILLED_DISCHARGES = (np.datetime64("2016-08-15"), np.datetime64("2016-10-18"))
"""Discharges whose forms the schedule still waits for on the network's day: closed by then, and not long ago."""


@dataclass(frozen=True)
class Decline:
    """One line of the truth about quality: what the suites or the ledger should show after the last delivery.

    `decline`: overdue (a line for each due point), drift or drop (a line for each instrument, with how many forms).
    """

    site: str
    delivery: str
    decline: str
    instrument: str
    local_ref: str = ""
    occasion: str = ""
    n_forms: int = 1
    note: str = ""


def decline(export: SiteExport, instruments: dict[str, Instrument], rng: np.random.Generator) -> list[Decline]:
    """Let the unit decline, where it is one that does; `export` is changed before any mistake is planted in it."""
    if export.site == OVERDUE_AT:
        return list(_unfilled(export))
    if export.site == DRIFT_AT:
        return list(_drifting(export, instruments[DRIFTING], rng))
    return []


def dropped(export: SiteExport) -> list[Decline]:
    """The truth about forms that the last delivery leaves out, which raise a finding each, too."""
    note = "rows that the export cut off"
    return [
        Decline(export.site, export.deliveries[-1], "drop", key, n_forms=len(rows), note=note)
        for key, rows in export.left_out.items()
        if len(rows)
    ]


def _unfilled(export: SiteExport) -> Iterator[Decline]:
    """Those discharged of late were not asked for their own view any more."""
    discharge = export.people["discharge"].to_numpy()
    first, last = UNFILLED_DISCHARGES
    is_late = (discharge >= first) & (discharge <= last)
    refs = export.people["reference"].to_list()
    for key in UNFILLED:
        form = export.forms[key]
        lost: Bools = (form.occasion == DISCHARGE) & is_late[form.patient]
        for patient in form.patient[lost].tolist():
            yield Decline(
                export.site,
                export.deliveries[-1],
                "overdue",
                key,
                refs[patient],
                OCCASIONS[DISCHARGE],
                note="not filled in at discharge",
            )
        export.forms[key] = form.take(~lost)


def _drifting(export: SiteExport, instrument: Instrument, rng: np.random.Generator) -> Iterator[Decline]:
    """Since the first delivery most forms are answered near the top of the scale, whatever the patient's course."""
    form = export.forms[DRIFTING]
    top = instrument.version(form.version).maximum
    is_new = (form.date > export.until(0)) & (form.date <= export.until(len(export.deliveries) - 1))
    moved = is_new & (rng.random(form.n) < DRIFT_SHARE)
    items = form.items.copy()
    high = top - items // 4
    items[moved] = np.where(items[moved] >= 0, high[moved], items[moved])
    export.forms[DRIFTING] = replace(form, items=items)
    if not moved.any():
        return
    yield Decline(
        export.site,
        export.deliveries[-1],
        "drift",
        DRIFTING,
        n_forms=int(is_new.sum()),
        note=f"{int(moved.sum())} of the new forms answered near the top",
    )
