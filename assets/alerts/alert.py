"""One alert: what is the matter with a unit or a run, since when, what to do, where to look.

What belongs here: the alert, its words, and judging units from counts and dates; nothing is read, nothing is sent.
What does not: gathering (`gathering`), how often (`limits`), e-mail (`mail`). An alert holds counts, dates and names of
units and jobs; never a file's name, a reason in a reader's words, or anything about a patient.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["failed_run", "failed_gate", "drop", "missing_delivery"]
KINDS: tuple[Kind, ...] = ("failed_run", "failed_gate", "drop", "missing_delivery")
"""Most pressing first: the order in which a day's messages are used up."""


@dataclass(frozen=True)
class Alert:
    """`key` stays the same for as long as it is the same trouble; `site` None: it is for the engineer."""

    key: str
    kind: Kind
    site: str | None
    about: str
    what: str
    since: dt.date
    to_do: str
    where: str

    @property
    def subject(self) -> str:
        """`North: no delivery since 2016-12-01`."""
        heads = {
            "failed_run": f"failed since {self.since}",
            "failed_gate": f"delivery of {self.since} held back",
            "drop": f"delivery of {self.since} is much smaller than before",
            "missing_delivery": f"no delivery since {self.since}",
        }
        return f"{self.about}: {heads[self.kind]}"


@dataclass(frozen=True)
class Newest:
    """The newest delivery of a unit: `n_before` rows were in the last accepted one before it (None: there is none)."""

    name: str
    date: dt.date
    is_held: bool
    n_landed: int
    n_quarantined: int
    n_before: int | None


@dataclass(frozen=True)
class Drop:
    """How much less than expected the newest delivery holds, as quality.expectation judges.

    In `n_dropped` of `n_compared` instruments it holds far fewer assessments: of the `n_expected` of these, `n_fewer`
    are not there. `n_dropped` 0: only all instruments together are enough to be judged, and the counts are theirs.
    """

    n_dropped: int
    n_compared: int
    n_fewer: int
    n_expected: int


@dataclass(frozen=True)
class UnitStand:
    """What is known of one unit's deliveries.

    `last_arrived`: day of the newest delivery that lies in landing/, read or not. `cadence_days` None: nothing can be
    late. `drop` None: the newest delivery holds about what was expected.
    """

    site: str
    name: str
    cadence_days: int | None
    newest: Newest | None
    last_arrived: dt.date | None = None
    drop: Drop | None = None


@dataclass(frozen=True)
class FailedRun:
    """A run that ended badly on `date`. `trouble` is the same until a run of this job succeeds."""

    job: str
    site: str | None
    run: str
    date: dt.date
    trouble: str

    @property
    def key(self) -> str:
        """What the engineer is told of once."""
        return f"failed_run:{self.job}:{self.site or '-'}:{self.trouble}"


def unit_alerts(stands: Iterable[UnitStand], today: dt.date) -> Iterator[Alert]:
    """What units have to be told on a day: one alert for what the gate held, a drop, or a delivery that is missing."""
    for stand in stands:
        if stand.newest is not None and stand.newest.is_held:
            yield _held(stand, stand.newest)
            continue
        if stand.newest is not None and stand.drop is not None:
            yield _dropped(stand, stand.newest, stand.drop)
        arrived = [day for day in (stand.newest and stand.newest.date, stand.last_arrived) if day]
        if arrived and stand.cadence_days is not None and (today - max(arrived)).days > stand.cadence_days:
            yield _missing(stand, max(arrived), stand.cadence_days, today)


def run_alert(failed: FailedRun, since: dt.date) -> Alert:
    """What the engineer is told of a run that failed; `since`: the day on which this trouble began."""
    unit = f" of unit {failed.site}" if failed.site else ""
    return Alert(
        key=failed.key,
        kind="failed_run",
        site=None,
        about=f"{failed.job}{unit}",
        what=f"The run {failed.run}{unit} failed. What was sealed and published before is unchanged.",
        since=since,
        to_do="Read the step that failed, mend its cause and run again; nothing was taken by halves.",
        where=f"'concord ui', run {failed.run}; 'concord status'.",
    )


def _held(stand: UnitStand, newest: Newest) -> Alert:
    before = f" (the delivery before had {newest.n_before})" if newest.n_before is not None else ""
    what = (
        f"The newest delivery was held back and is not used: {newest.n_landed} rows arrived{before}, "
        f"{newest.n_quarantined} of {newest.n_landed} could not be used."
        if newest.n_landed
        else "The newest delivery was held back and is not used: it could not be read as agreed."
    )
    return Alert(
        key=f"failed_gate:{stand.site}:{newest.name}",
        kind="failed_gate",
        site=stand.site,
        about=stand.name,
        what=f"{what} The last delivery that was accepted, if any, stays in use.",
        since=newest.date,
        to_do="Look at the report on that delivery, mend the export and deliver again.",
        where=f"The report on the delivery of {newest.date} in the folder that the coordinator sends you.",
    )


def _dropped(stand: UnitStand, newest: Newest, drop: Drop) -> Alert:
    where = f"in {drop.n_dropped} of {drop.n_compared}" if drop.n_dropped else "over all"
    return Alert(
        key=f"drop:{stand.site}:{newest.name}",
        kind="drop",
        site=stand.site,
        about=stand.name,
        what=(
            f"The newest delivery was accepted, but {where} instruments it holds far fewer assessments than expected "
            f"from the deliveries before: {drop.n_expected - drop.n_fewer} instead of {drop.n_expected}."
        ),
        since=newest.date,
        to_do="Check whether the export left something out; if it is right as it is, tell the coordinator.",
        where=f"The report on the delivery of {newest.date} in the folder that the coordinator sends you.",
    )


def _missing(stand: UnitStand, last: dt.date, cadence_days: int, today: dt.date) -> Alert:
    expected = last + dt.timedelta(days=cadence_days)
    return Alert(
        key=f"missing_delivery:{stand.site}:{last}",
        kind="missing_delivery",
        site=stand.site,
        about=stand.name,
        what=(
            f"A delivery is agreed at least every {cadence_days} days. The next one was expected by {expected}; "
            f"on {today} it is {(today - expected).days} days late."
        ),
        since=last,
        to_do="Send an export as agreed, or tell the coordinator when it will come.",
        where="Your last delivery, and what came of it, is in the folder that the coordinator sends you.",
    )
