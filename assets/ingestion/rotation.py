"""A new key for a network: lake, state and answers are made again beside the old ones, then take their place.

What belongs here: the order of the steps, so that a rotation that is cut can be finished or undone. What does not:
ids (`checks.rekeying`). Everything is prepared under `.rotation`; till `.rotation/ready` is written nothing of the
network has changed and the next call starts afresh; from then on the next call goes on.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from assets.ingestion import ingest, lake, rekeyed_answers
from assets.ingestion.landing import LandingError, deliveries_of
from assets.ingestion.receipts import latest_receipts, read_receipts
from assets.ingestion.rotation_mark import FOLDER, READY, is_cut
from checks.identity import read_identities
from checks.keys import load_key, write_key
from checks.rekeying import Rekeying, split_patients, sql_ids, translated, unknown_ids
from checks.rule_codes import (
    ASSESSMENT_CORRECTED,
    RECORD_RELABELLED,
    RECORD_VANISHED,
    SUPPLIED_DIFFERS,
    SUPPLIED_IGNORES_MISSING,
)
from codebook.library import Library
from codebook.network import NetworkFolder

RECORDS = {
    "patient": ["patient_id"],
    "episode": ["episode_id"],
    "session": ["episode_id", "session_number"],
    "consent": ["patient_id", "purpose"],
}
"""What names a record of a table that is no instrument's."""


class RotationError(Exception):
    """The key was not changed: one sentence that says why and what to do."""


@dataclass(frozen=True)
class Rotated:
    """What a rotation came to; `n_lost`: ids in state/ or answers/ that nothing in the lake explains."""

    retired: Path
    n_deliveries: int
    n_ids: int
    n_lost: int


def finish(root: Path, key: Path) -> str | None:
    """Finish or undo what a cut rotation left; says which, or None. Call it under the exclusive lock."""
    if is_cut(root):
        _swap(root, key)
        return "the key rotation that was cut is finished"
    left = (root / FOLDER).exists()
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    _next(key).unlink(missing_ok=True)
    return "a key rotation that was cut before anything had changed is undone" if left else None


def rotate(library: Library, key: Path) -> Rotated:
    """Make a new key, and every id anew with it. Call it under the exclusive lock, after `finish`.

    Raises:
        RotationError: landing/ is not complete, or something is not as the last run left it.
    """
    old, root = load_key(key), library.folder.root
    _require_complete(library, key)
    retired = _retired(key)
    side = NetworkFolder(root / FOLDER)
    side.root.mkdir(mode=0o700)
    try:
        write_key(_next(key))
        rekeying = Rekeying(old, _next(key).read_bytes().strip())
        (side.root / "landing").symlink_to(library.folder.landing.resolve())
        if library.folder.state.is_dir():
            shutil.copytree(library.folder.state, side.state)
        n_deliveries = _read_again(library, replace(library, folder=side), rekeying)
        ids = rekeying.translation()
        n_lost = _translate(library, side, ids)
        note = {"retired": retired.name, "date": dt.date.today().isoformat()}
        _write_safely(side.root / READY, json.dumps(note))
    except BaseException:
        finish(root, key)
        raise
    _swap(root, key)
    return Rotated(retired, n_deliveries, len(ids), n_lost)


def _next(key: Path) -> Path:
    return key.with_name(f"{key.name}.next")


def _retired(key: Path) -> Path:
    day = dt.date.today().isoformat()
    names = (key.with_name(f"{key.name}.retired-{day}{f'-{n}' if n else ''}") for n in range(1000))
    return next(name for name in names if not name.exists())


def _require_complete(library: Library, key: Path) -> None:
    """Every delivery of which there is a receipt lies in landing/ as it came, and the lake holds today's reading."""
    pseudonyms = load_key(key)
    for name, site in library.sites.items():
        known = latest_receipts(read_receipts(library.folder.state, name))
        try:
            there = {delivery.name for delivery in deliveries_of(library.folder.landing, site.landing_name)}
            missing = sorted(set(known) - there)
            if missing:
                raise RotationError(
                    f"landing/{site.landing_name}/{missing[0]} was taken and is not there any more; put it back: "
                    "without it its rows cannot be given new ids. Nothing was changed"
                )
            planned = ingest.plan_site(library, site, pseudonyms, is_verified=True)
        except LandingError as error:
            raise RotationError(f"{error}. Nothing was changed") from error
        for item in planned:
            if item.action == "rework":
                raise RotationError(
                    f"delivery {item.delivery.name} of {name} has to be read again first: "
                    "'concord run', then rotate. Nothing was changed"
                )
            if item.last and not item.last.is_accepted and lake.holds(library.folder.lake, name, item.delivery.name):
                raise RotationError(
                    f"delivery {item.delivery.name} of {name} stays in by a reading that today's declaration does not "
                    "give; put the declaration right, 'concord run', then rotate. Nothing was changed"
                )


def _read_again(library: Library, side: Library, rekeying: Rekeying) -> int:
    """Every delivery that was taken, with the new key, into the lake beside; returns how many."""
    n_deliveries = 0
    for name, site in side.sites.items():
        was = latest_receipts(read_receipts(library.folder.state, name))
        for planned in ingest.plan_site(side, site, rekeying):
            before = was.get(planned.delivery.name)
            if before is None:
                continue
            staged = ingest.stage_delivery(side, site, planned, rekeying)
            (ingest.hold if staged.failed else ingest.accept)(side, staged)
            if staged.receipt.is_accepted != before.is_accepted:
                raise RotationError(
                    f"delivery {planned.delivery.name} of {name} would not be judged as before; "
                    "'concord run', then rotate. Nothing was changed"
                )
            n_deliveries += 1
    return n_deliveries


def _translate(library: Library, side: NetworkFolder, ids: dict[str, str]) -> int:
    """State and answers with new ids; returns how many ids of SQL they name that nothing in the lake explains."""
    ids |= split_patients(read_identities(library.folder.state).events, ids)
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(side.state.rglob("*")) if path.is_file()}
    folder = library.folder.root / "answers"
    given = rekeyed_answers.read_texts(folder, library.network.limits)
    wanted = unknown_ids([*texts.values(), *rekeyed_answers.texts_of(given)], ids)
    if wanted:
        ids |= dict(sql_ids(_sql_texts(library, wanted), wanted, dict(ids)))
    for path, text in texts.items():
        path.write_text(translated(text, ids), encoding="utf-8")
    rekeyed_answers.write_translated(
        given, folder, side.root / "answers", side.state, lambda text: translated(text, ids)
    )
    return len(wanted - set(ids))


def _sql_texts(library: Library, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Letter and text of every id of SQL that could be one of `wanted`."""
    letters = {one[0] for one in wanted}
    if "f" in letters:
        yield from (("f", text) for text in finding_texts(library))
    if "d" in letters:
        yield from (("d", text) for text in due_texts(library))


def due_texts(library: Library) -> Iterator[str]:
    """What SQL makes the ids of due points from, for every course in the lake and everything that a schedule names."""
    named = {
        f"{due.instrument}|{due.rater}|{occasion.key}"
        for schedule in library.schedules.values()
        for occasion in schedule.occasions
        for due in occasion.due
    }
    courses: set[str] = set()
    for file in sorted((library.folder.lake / "accepted" / "episode").glob("*/*/part.parquet")):
        courses |= set(
            pl.read_parquet(file, columns=["episode_id"], hive_partitioning=False)["episode_id"].drop_nulls()
        )
    for course in sorted(courses):
        yield from (f"{course}|{what}" for what in sorted(named))


def finding_texts(library: Library) -> Iterator[str]:
    """What SQL makes the ids of its findings from, for everything in the lake (see the SQL of quality.finding)."""
    accepted = library.folder.lake / "accepted"
    for table in sorted(path.name for path in accepted.iterdir()) if accepted.is_dir() else ():
        instrument = library.instruments.get(table)
        keys = ["assessment_id"] if instrument else RECORDS.get(table)
        if keys is None:
            continue
        for file in sorted((accepted / table).glob("*/*/part.parquet")):
            site = file.parts[-3].removeprefix("site=")
            records = pl.read_parquet(file, columns=keys, hive_partitioning=False).unique()
            for record in records.select(pl.concat_str(pl.all(), separator="|").drop_nulls().alias("r"))["r"]:
                for rule in (RECORD_VANISHED, RECORD_RELABELLED):
                    yield f"{rule}|{site}|{table}|{record}"
                if instrument:
                    yield f"{ASSESSMENT_CORRECTED}|{site}|{record}|"
                    for rule in (SUPPLIED_DIFFERS, SUPPLIED_IGNORES_MISSING):
                        yield from (f"{rule}|{site}|{record}|{scale}" for scale in instrument.scale_keys)


def _write_safely(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _swap(root: Path, key: Path) -> None:
    """Put what was prepared in place; every step can be done again by whoever comes after a crash."""
    side = root / FOLDER
    note = json.loads((side / READY).read_text(encoding="utf-8"))
    following = _next(key)
    if following.is_file():
        retired = key.with_name(note["retired"])
        if not retired.exists():
            shutil.copyfile(key, retired.with_name(f"{retired.name}.partial"))
            retired.with_name(f"{retired.name}.partial").chmod(0o600)
            retired.with_name(f"{retired.name}.partial").replace(retired)
        following.replace(key)
    for name in ("lake", "state", "answers"):
        new, old, place = side / name, side / f"old-{name}", root / name
        if not new.exists():
            continue
        if place.exists() and not old.exists():
            place.rename(old)
        new.rename(place)
    originals = side / "old-answers"
    if originals.is_dir():
        originals.rename(root / f".answers-before-{note['retired'].removeprefix(f'{key.name}.retired-')}")
    folder = NetworkFolder(root)
    for derived in (folder.published, folder.build, root / "asof"):
        shutil.rmtree(derived, ignore_errors=True)
    folder.warehouse.unlink(missing_ok=True)
    shutil.rmtree(side)
