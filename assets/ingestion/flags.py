"""Flags about a whole delivery: its tables through `checks.plausibility` and, beside an earlier one, `checks.drift`.

What belongs here: fetching the earlier delivery's columns from the lake, and adding the flags to what was mapped.
What does not: any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from assets.ingestion.mapping import MappedDelivery
from checks.drift import judge_drift
from checks.findings import with_ids
from checks.keys import Pseudonymiser
from checks.plausibility import judge_tables
from checks.rule_codes import CODING_SHIFT, DATES_SWAPPED, ITEM_REVERSED
from codebook.instrument import item_column
from codebook.library import Library
from codebook.site import Site

SAMPLE = 20_000
"""Coding is judged by at most about this many forms of an instrument, chosen by the hash that is their id."""
ID_DIGITS = 8
DRIFT = [CODING_SHIFT, ITEM_REVERSED, DATES_SWAPPED]
COURSE = ["episode_id", "admission_date", "treatment_start_date", "discharge_date"]


def with_flags(
    mapped: MappedDelivery,
    library: Library,
    site: Site,
    earlier: Sequence[str],
    known_episodes: pl.DataFrame,
    pseudonyms: Pseudonymiser,
) -> MappedDelivery:
    """`mapped` with the flags about the whole delivery among its findings; nothing else is changed.

    Args:
        earlier: names of the site's accepted deliveries before this one, oldest first.
        known_episodes: courses that they brought, where the site sends increments.
    """
    used = [key for key in site.instruments_used() if key in mapped.tables and mapped.tables[key].height]
    instruments = {key: library.instruments[key] for key in used}
    schedules = library.schedules_of(site)
    flags = judge_tables(mapped.tables, known_episodes, instruments, schedules, library.network.plausible)
    now, before = {"finding": mapped.tables["finding"]}, {}
    history = _Earlier(library.folder.lake, site.site, earlier)
    for key in used:
        file = history.in_order(key)
        n_before = 0 if file is None else pl.scan_parquet(file).select(pl.len()).collect().item()
        last_id = _last_id(max(n_before, mapped.tables[key].height))
        columns = ["assessment_id", "version", "episode_id", "occasion", "assessment_date"]
        columns += [item_column(item) for item in range(1, instruments[key].n_items + 1)]
        now[key] = mapped.tables[key].select(columns).filter(pl.col("assessment_id") <= last_id)
        if file is not None:
            stored = pl.scan_parquet(file)
            there = [column for column in columns if column in stored.collect_schema()]
            before[key] = stored.select(there).filter(pl.col("assessment_id") <= last_id).collect()
            if len(there) < len(columns):
                before[key] = before[key].with_columns(
                    pl.lit(None, dtype=now[key].schema[c]).alias(c) for c in columns if c not in there
                )
    courses = pl.concat([mapped.tables["episode"].select(COURSE), known_episodes.select(COURSE)])
    courses = courses.unique("episode_id", keep="first", maintain_order=True)
    drift = judge_drift(now, before, courses, instruments, schedules)
    added = with_ids(pl.concat([flags, drift]), site.site, pseudonyms)
    if not added.height:
        return mapped
    schema = mapped.tables["finding"].schema
    findings = pl.concat([mapped.tables["finding"], added.select([pl.col(c).cast(t) for c, t in schema.items()])])
    order = [column for column in schema if column.endswith("_id")]
    findings = findings.sort([*order, "source_file", "source_row"])
    return replace(mapped, tables={**mapped.tables, "finding": findings})


def _last_id(n: int) -> str:
    """Up to which id a sample goes: ids are hashes, so the first tenth of their range is a tenth of the records."""
    if n <= SAMPLE:
        return "g"
    return f"a{int(SAMPLE / n * 16**ID_DIGITS):0{ID_DIGITS}x}"


def _part(lake: Path, table: str, site: str, delivery: str) -> Path:
    return lake / "accepted" / table / f"site={site}" / f"delivery={delivery}" / "part.parquet"


class _Earlier:
    """A site's earlier deliveries, newest first; what was flagged in one is read when it is first asked for."""

    def __init__(self, lake: Path, site: str, deliveries: Sequence[str]) -> None:
        self._lake, self._site, self._deliveries = lake, site, deliveries[::-1]
        self._flagged: dict[str, set[str]] = {}

    def in_order(self, instrument: str) -> Path | None:
        """The forms of the last delivery in which the instrument's coding was not found out of order."""
        for delivery in self._deliveries:
            file = _part(self._lake, instrument, self._site, delivery)
            if file.is_file() and instrument not in self._out_of_order(delivery):
                return file
        return None

    def _out_of_order(self, delivery: str) -> set[str]:
        if delivery not in self._flagged:
            file = _part(self._lake, "finding", self._site, delivery)
            rows = pl.scan_parquet(file).filter(pl.col("rule").is_in(DRIFT)).select("instrument").collect()
            self._flagged[delivery] = set(rows["instrument"])
        return self._flagged[delivery]
