"""Telling: from what is the matter to what was sent, refused, or is tried again, with the record in between.

What belongs here: the order of the steps, and what they came to. What does not: each step (`gathering`, `alert`,
`limits`, `mail`, `record`).
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from assets.alerts.alert import Alert, unit_alerts
from assets.alerts.gathering import failed_commands, unit_stands
from assets.alerts.limits import Chosen, choose, untold
from assets.alerts.mail import Outcome, compose, deliver
from assets.alerts.record import Told, append_told, read_record, sending
from codebook.library import Library
from codebook.outgoing import ADDRESS


@dataclass(frozen=True)
class Plan:
    """What would be told now. `nobody`: alerts for whom no address is declared."""

    chosen: Chosen
    nobody: tuple[Alert, ...]


@dataclass(frozen=True)
class Telling:
    """What became of a plan: `outcomes` beside its alerts, in order."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Everything that was to go out went out."""
        return all(outcome.status == "sent" for outcome in self.outcomes)

    def sentence(self) -> str:
        """For a log: counts, and what the mail server made of it."""
        n_sent = sum(outcome.status == "sent" for outcome in self.outcomes)
        parts = [f"{n_sent} sent"] if n_sent else []
        for status, what in (("refused", "refused"), ("deferred", "to be tried again")):
            failed = [outcome.reason for outcome in self.outcomes if outcome.status == status]
            if failed:
                parts.append(f"{len(failed)} {what}: {'; '.join(sorted(set(failed)))}")
        for alerts, what in ((self.plan.chosen.waiting, "waiting for tomorrow"), (self.plan.nobody, "without address")):
            if alerts:
                parts.append(f"{len(alerts)} {what}")
        return ", ".join(parts) or "nothing new to tell"


def plan(library: Library, today: dt.date, day: dt.date) -> Plan:
    """What is the matter on `today`, and what of it would be told on `day` (the day on which messages go out)."""
    settings, record = library.network.alerts, read_record(library.folder.state)
    failed = [*record.failed, *failed_commands(library)]
    alerts = [*unit_alerts(unit_stands(library), today), *untold(failed, record.told, settings.quiet_days)]
    addressed = [alert for alert in alerts if address_of(library, alert)]
    nobody = tuple(alert for alert in alerts if not address_of(library, alert))
    return Plan(choose(addressed, record.told, settings, day), nobody)


def tell(library: Library, today: dt.date, now: dt.datetime) -> Telling:
    """Send what is to be told now, and write down what went out.

    Whatever the mail server does is an outcome. What could not be sent is tried again by the next call; a message of
    which it is not known whether it was taken is sent twice rather than not at all.

    Raises:
        BusyError: another process is sending.
    """
    settings = library.network.alerts
    day = day_of(library, now)
    with sending(library.folder.state):
        planned = plan(library, today, day)
        alerts = planned.chosen.now
        if not alerts:
            return Telling(planned)
        password = os.environ.get(settings.password_variable) if settings.password_variable else None
        if settings.password_variable and not password:
            missing = Outcome("deferred", f"the variable {settings.password_variable} is not set")
            return Telling(planned, (missing,) * len(alerts))
        messages = [compose(alert, address_of(library, alert) or "", library.network, now) for alert in alerts]
        outcomes: list[Outcome] = []
        for alert, outcome in zip(alerts, deliver(messages, settings, password), strict=True):
            outcomes.append(outcome)
            if outcome.status != "deferred":
                append_told(library.folder.state, Told(alert.key, outcome.status, day), alert.kind, alert.site)
    return Telling(planned, tuple(outcomes))


def day_of(library: Library, now: dt.datetime) -> dt.date:
    """The day on which messages go out, by the network's clock on the wall."""
    return now.astimezone(ZoneInfo(library.network.timezone)).date()


def address_of(library: Library, alert: Alert) -> str | None:
    """Whom an alert is for: the unit's contact, or the engineer; None where no usable address is declared."""
    if alert.site is None:
        return library.network.alerts.engineer
    contact = library.sites[alert.site].contact
    email = contact.email if contact else None
    return email if email and ADDRESS.match(email) else None
