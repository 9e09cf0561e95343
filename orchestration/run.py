"""`concord run`: what Dagster schedules, in process, sites one after the other, under the lock on the folder.

What belongs here: the order of a run and what it came to. What does not: words on the screen (`progress`, `summary`).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assets.ingestion import lake
from assets.ingestion.answers import read_answers
from assets.ingestion.clock import check_clock
from assets.ingestion.counts import read_counts
from assets.ingestion.ingest import PlannedDelivery, plan_site
from assets.ingestion.landing import LandingError
from assets.ingestion.receipts import latest_receipts, read_receipts
from assets.lock import folder_lock
from assets.run_context import DELIVERY_TAG, RUN_TAG, Clocks, NetworkRoom
from codebook.site import Site
from orchestration.fetching import fetch_units, fetched_sites
from orchestration.progress import Progress
from orchestration.resources import NETWORK_VARIABLE
from orchestration.trouble import sentence_in
from orchestration.warehouse_reader import answer

if TYPE_CHECKING:
    import dagster as dg

WAIT_SECONDS = 60.0
"""A dbt that outlived a killed run may still hold the folder: it is waited for this long."""

Outcome = Literal["taken", "reworked", "held", "failed"]


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one delivery in this run."""

    site: str
    delivery: str
    outcome: Outcome
    reason: str = ""


@dataclass
class RunResult:
    """What a run came to; `held` names every unit whose newest delivery is held, in this run or before."""

    clocks: Clocks
    deliveries: list[DeliveryResult] = field(default_factory=list)
    n_skipped: int = 0
    problems: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What somebody should know although nothing failed, one sentence each."""
    is_built: bool = False
    target: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 done; 1 something failed; 3 done, but a gate holds something back."""
        if self.problems or not self.is_built:
            return 1
        return 3 if self.held else 0


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for.

    `sites`: only these are ingested (none: all). `is_verified`: every landed file is hashed, also those that look as
    they did. `again_from`: deliveries of that name and later are read again, whatever is known of them ("": all).
    """

    sites: Sequence[str] = ()
    as_of: dt.date | None = None
    today: dt.date | None = None
    is_fetching: bool = False
    is_verified: bool = False
    again_from: str | None = None
    wait_seconds: float = WAIT_SECONDS


class UnknownSiteError(Exception):
    """`--site` names a unit that the network does not have."""


def run_network(root: Path, progress: Progress, wanted: Wanted | None = None) -> RunResult:
    """Fetch if asked to, ingest what is new, build, judge, analyse, seal, publish.

    Raises:
        DeclarationError, KeyFileError, FolderBusyError, UnknownSiteError, ClockError: before anything was done.
        OSError: the network's folder cannot be written.
    """
    wanted = wanted or Wanted()
    os.environ[NETWORK_VARIABLE] = str(root.resolve())
    room = NetworkRoom(root.resolve())
    library = room.library
    unknown = sorted(set(wanted.sites) - set(library.sites))
    if unknown:
        raise UnknownSiteError(f"no unit is called {', '.join(unknown)}; known: {', '.join(library.sites)}")
    _ = room.pseudonyms  # a missing key is told before anything is done
    clocks = Clocks.of(wanted.as_of, wanted.today, library.network.today)
    result = RunResult(clocks)
    with folder_lock(room.root, is_exclusive=True, wait_seconds=wanted.wait_seconds):
        check_clock(library)
        with progress.step("start", "start: load Dagster, sweep what a killed run left") as said:
            swept = _sweep(room, clocks)
            engine = _Engine(room, clocks)
            said.extend(swept + engine.recovered)
        chosen = [site for name, site in library.sites.items() if not wanted.sites or name in wanted.sites]
        if wanted.is_fetching:
            landing = {site.landing_name for site in chosen}
            able = [site for site in fetched_sites(library) if site.site in landing]
            result.problems.extend(fetch_units(library, able, progress).problems)
        for site in chosen:
            with progress.step("ingest", f"ingest {site.site}") as said:
                said.append(_ingest_site(room, site, engine, result, wanted))
        result.held = _held_units(room, clocks)
        engine.build(progress, result)
        _tell_answers(room, result)
        result.notes.extend(read_counts(library).problems)
    result.seconds = progress.seconds
    _write_record(room, result)
    return result


def _sweep(room: NetworkRoom, clocks: Clocks) -> list[str]:
    said = []
    finished = lake.recover(room.library.folder.lake, room.library.folder.state)
    if finished:
        said.append(f"finished the promotion of {finished} deliveries that a killed run had begun")
    shutil.rmtree(room.target(clocks).build, ignore_errors=True)
    return said


def _ingest_site(room: NetworkRoom, site: Site, engine: _Engine, result: RunResult, wanted: Wanted) -> str:
    try:
        planned = plan_site(
            room.library,
            site,
            room.pseudonyms,
            wanted.as_of,
            is_verified=wanted.is_verified,
            again_from=wanted.again_from,
        )
    except LandingError as error:
        result.problems.append(str(error))
        return "failed"
    if not planned:
        return f"nothing lies in landing/{site.site}"
    new = [item for item in planned if item.action != "skip"]
    result.n_skipped += len(planned) - len(new)
    said = []
    for item in new:
        done = engine.ingest(site.site, item)
        result.deliveries.append(done)
        if done.outcome == "failed":
            result.problems.append(f"{site.site}, delivery {item.delivery.name}: {done.reason}")
        repeats = f" (the same files as {item.same_as})" if item.same_as else ""
        said.append(f"{item.delivery.name} {done.outcome}{repeats}")
    return ", ".join(said) if said else f"nothing new ({len(planned)} deliveries known)"


def _held_units(room: NetworkRoom, clocks: Clocks) -> dict[str, str]:
    """Units whose newest delivery is held, with the reason."""
    held = {}
    for site in room.library.sites:
        latest = latest_receipts(read_receipts(room.library.folder.state, site))
        known = [r for r in latest.values() if clocks.as_of is None or r.delivery_date <= clocks.as_of]
        if known and not (newest := max(known, key=lambda r: r.delivery)).is_accepted:
            earlier = [r.delivery for r in known if r.is_accepted]
            stays = f"{max(earlier)} stays in" if earlier else "nothing of this unit was accepted yet"
            held[site] = f"delivery {newest.delivery}: {newest.gate.removeprefix('held: ')}; {stays}"
    return held


def _tell_answers(room: NetworkRoom, result: RunResult) -> None:
    """Worklists that came back: a file that is gone or changed is a failure, an answer that fits nothing is told."""
    answers = read_answers(room.library, result.clocks.as_of)
    result.problems.extend(answers.faults)
    result.notes.extend(answers.problems)
    if result.is_built and answers.given:
        warehouse = room.target(result.clocks).warehouse
        result.notes.extend(answers.unknown("finding", _ids(warehouse, "finding_id", "quality.finding")))
        result.notes.extend(
            answers.unknown("due_point", _ids(warehouse, "due_point_id", "quality.expected_assessment"))
        )


def _ids(warehouse: Path, column: str, table: str) -> list[tuple[str, str]]:
    """Site and id of every row of a table."""
    found = answer(warehouse, f"select site_id, {column} from {table}")
    return list(zip(found["site_id"].to_pylist(), found[column].to_pylist(), strict=True))


class _Engine:
    """Dagster, in process: the same jobs that its daemon runs."""

    def __init__(self, room: NetworkRoom, clocks: Clocks) -> None:
        import dagster as dg

        from orchestration.definitions import defs
        from orchestration.instance import close_killed_runs, open_instance

        self._dg = dg
        self._room = room
        self._clocks = clocks
        self._defs = defs
        self._instance = open_instance(room.library.folder)
        ended = close_killed_runs(self._instance)
        self.recovered = [f"{ended} runs of a killed process closed"] if ended else []
        self._instance.add_dynamic_partitions("site", list(room.library.sites))

    def ingest(self, site: str, planned: PlannedDelivery) -> DeliveryResult:
        """One run of `ingest_site`."""
        name, state = planned.delivery.name, self._room.library.folder.state
        n_before = len(read_receipts(state, site))
        run = self._execute("ingest_site", {DELIVERY_TAG: name}, partition=site)
        for receipt in read_receipts(state, site)[n_before:]:
            if receipt.delivery == name and not receipt.is_accepted:
                return DeliveryResult(site, name, "held", receipt.gate.removeprefix("held: "))
        if not run.success:
            return DeliveryResult(site, name, "failed", _why(run))
        return DeliveryResult(site, name, "reworked" if planned.action == "rework" else "taken")

    def build(self, progress: Progress, result: RunResult) -> None:
        """One run of `build_network`, its steps reported one by one."""
        started = dt.datetime.now(dt.UTC)
        with progress.step("build_network", "build, judge, analyse, seal, publish") as said:
            run = self._execute("build_network", {})
            said.extend(f"{name} {took:.1f} s" for name, took in _step_seconds(run).items())
            progress.seconds.update(_step_seconds(run))
        result.is_built = run.success
        result.target = self._room.target(self._clocks).root
        if not run.success:
            result.problems.append(
                f"the build failed: {_why(run)} (run {run.run_id[:8]}, started {started:%H:%M:%S} UTC)"
            )

    def _execute(self, job: str, tags: dict[str, str], partition: str | None = None) -> dg.ExecuteInProcessResult:
        return self._defs.resolve_job_def(job).execute_in_process(
            partition_key=partition,
            instance=self._instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={RUN_TAG: "concord run", **self._clocks.tags(), **tags},
        )


def _step_seconds(run: dg.ExecuteInProcessResult) -> dict[str, float]:
    """Seconds per step that succeeded, in order."""
    seconds = {}
    for event in run.all_events:
        if event.is_step_success and event.step_key:
            seconds[event.step_key.split("__")[-1]] = event.step_success_data.duration_ms / 1000
    return seconds


def _why(run: dg.ExecuteInProcessResult) -> str:
    """The innermost reason of the first step that failed: one sentence, no trace."""
    for event in run.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            while error.cause is not None:
                error = error.cause
            return sentence_in(error.message) or error.message.strip().split("\n")[0]
    return "no step says why; see the run in 'concord ui'"


def _failing_since(path: Path) -> str | None:
    """When the first of the failed runs ended after which none has succeeded; None: the last one succeeded."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("failing_since")  # type: ignore[no-any-return]
    except (OSError, ValueError):
        return None


def _write_record(room: NetworkRoom, result: RunResult) -> None:
    """What the last run did and how long it took, for `concord status`, alerts and the benchmarks."""
    path = room.library.folder.dagster_home / "last_run.json"
    finished_at = dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()
    record = {
        "finished_at": finished_at,
        "failing_since": (_failing_since(path) or finished_at) if result.exit_code == 1 else None,
        "exit_code": result.exit_code,
        "deliveries": [vars(item) for item in result.deliveries],
        "n_skipped": result.n_skipped,
        "problems": result.problems,
        "held": result.held,
        "notes": result.notes,
        "seconds": {name: round(took, 2) for name, took in result.seconds.items()},
    }
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
