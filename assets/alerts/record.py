"""What was sent, and which runs failed: state/alerts.jsonl, append-only.

What belongs here: the record and its lock, so that two processes do not tell the same thing twice. What does not: how
often something is told (`limits`). No address stands in it, only whose it was.
"""

from __future__ import annotations

import datetime as dt
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from assets.alerts.alert import FailedRun
from assets.append_only import append_rows, read_rows


class BusyError(Exception):
    """Another process is sending alerts of this network."""


@dataclass(frozen=True)
class Told:
    """One message that went out, or that the server refused for good (`refused`), on a day of the network's clock."""

    key: str
    event: Literal["sent", "refused"]
    date: dt.date


@dataclass(frozen=True)
class Record:
    """Everything written so far, oldest first; `failed`: runs whose failure somebody has to be told of."""

    told: tuple[Told, ...]
    failed: tuple[FailedRun, ...]


def record_file(state: Path) -> Path:
    """state/alerts.jsonl"""
    return state / "alerts.jsonl"


@contextmanager
def sending(state: Path) -> Iterator[None]:
    """Hold the record while messages go out.

    Raises:
        BusyError: another process holds it.
    """
    path = record_file(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError("another process is sending alerts of this network; they are tried again later") from error
        yield


def append_told(state: Path, told: Told, kind: str, site: str | None) -> None:
    """Write down one message."""
    row = {"event": told.event, "key": told.key, "kind": kind, "site": site, "date": told.date}
    append_rows(record_file(state), [row])


def append_failed(state: Path, failed: FailedRun) -> None:
    """Write down that a run failed, so that it is told even where the server cannot be reached now."""
    append_rows(record_file(state), [{"event": "failed_run", **asdict(failed)}])


def read_record(state: Path) -> Record:
    """What was written; a line that a crash cut off is passed over."""
    told, failed = [], []
    for row in read_rows(record_file(state)):
        if row["event"] == "failed_run":
            date = dt.date.fromisoformat(row["date"])
            failed.append(FailedRun(row["job"], row["site"], row["run"], date, row["trouble"]))
        else:
            told.append(Told(row["key"], row["event"], dt.date.fromisoformat(row["date"])))
    return Record(tuple(told), tuple(failed))
