"""How often somebody is told: the same alert not again within some days, and so many messages a day in all.

What belongs here: choosing, from what is the matter and what was told. What does not: sending, or any clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from assets.alerts.alert import KINDS, Alert, FailedRun, run_alert
from assets.alerts.record import Told
from codebook.outgoing import Alerts


@dataclass(frozen=True)
class Chosen:
    """`now`: to be sent; `quiet`: told lately, or refused today; `waiting`: the day's messages are used up."""

    now: tuple[Alert, ...]
    quiet: tuple[Alert, ...]
    waiting: tuple[Alert, ...]


def choose(alerts: Iterable[Alert], told: Iterable[Told], settings: Alerts, day: dt.date) -> Chosen:
    """Divide `alerts`: most pressing first, then longest since; each key once.

    Args:
        alerts: what is the matter.
        told: what was sent or refused before.
        settings: quiet_days and at_most_per_day.
        day: the day on which messages would go out.
    """
    past = list(told)
    sent = {one.key: one.date for one in past if one.event == "sent"}
    refused = {one.key for one in past if one.event == "refused" and one.date == day}
    room = settings.at_most_per_day - sum(one.event == "sent" and one.date == day for one in past)
    ordered = sorted(alerts, key=lambda alert: (KINDS.index(alert.kind), alert.since, alert.key))
    distinct = {alert.key: alert for alert in reversed(ordered)}
    now: list[Alert] = []
    quiet: list[Alert] = []
    waiting: list[Alert] = []
    for alert in reversed(distinct.values()):
        last = sent.get(alert.key)
        if alert.key in refused or (last is not None and (day - last).days < settings.quiet_days):
            quiet.append(alert)
        elif len(now) < room:
            now.append(alert)
        else:
            waiting.append(alert)
    return Chosen(tuple(now), tuple(quiet), tuple(waiting))


def untold(failed: Iterable[FailedRun], told: Iterable[Told], quiet_days: int) -> list[Alert]:
    """Runs that failed and of which the engineer has not heard, or not for `quiet_days` when they failed once more.

    A failure is told once: a message of its day or later has told it.
    """
    sent: dict[str, dt.date] = {}
    for one in told:
        if one.event == "sent":
            sent[one.key] = max(one.date, sent.get(one.key, one.date))
    began: dict[str, dt.date] = {}
    alerts: dict[str, Alert] = {}
    for run in failed:
        began.setdefault(run.key, run.date)
        last = sent.get(run.key)
        if last is None or (run.date - last).days >= quiet_days:
            alerts[run.key] = run_alert(run, began[run.key])
    return list(alerts.values())
