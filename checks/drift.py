"""How a unit's coding moves between deliveries: answers shifted, an item turned round, days and months changed about.

What belongs here: flags about one instrument of one delivery beside an earlier one; nothing is ever changed. What does
not: flags about single assessments (`checks.plausibility`), and reading the earlier delivery (`assets.ingestion`).
Both deliveries may be samples by id (a record that is in one sample and was delivered twice is in both).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from checks.due_dates import placed
from checks.findings import empty_findings, found
from checks.plausibility import version_items
from checks.rule_codes import CODING_SHIFT, DATES_SWAPPED, ITEM_REVERSED
from codebook.instrument import Instrument, Version, item_column
from codebook.schedule import Schedule

SMALLEST = 30
"""Fewer forms than this say nothing about coding."""
SMALLEST_DATES = 10
MOST = 0.9
"""Share of repeated answers that have to move alike."""
WIDEST = 11
"""Answer formats with more points than this are ratings or counts: a shift by one cannot be seen in them."""
LARGEST_SHIFT = 2
EXPECTED_LOST = 20
"""A code that is no longer used must have been due this often (and in a twentieth of all answers)."""
LOST_SHARE = 0.05
NEAR, FAR = 0.12, 0.15
"""Distance (half the sum of differences of shares) within which two distributions are alike, and beyond which not."""
NEGATIVE, CLEARLY_NEGATIVE, POSITIVE = -0.2, -0.3, 0.1
"""Item-rest correlations: turned round beside an earlier delivery that was not, without one, and in order."""


@dataclass(frozen=True)
class Pair:
    """Forms of one version: `now` of this delivery, `before` of an earlier one (may be empty)."""

    instrument: Instrument
    version: Version
    now: pl.DataFrame
    before: pl.DataFrame

    def repeated(self, column: str) -> pl.DataFrame:
        """`now` and `before` of one column, for records that both deliveries hold."""
        before = self.before.select("assessment_id", pl.col(column).alias("before"))
        joined = self.now.select("assessment_id", pl.col(column).alias("now")).join(before, on="assessment_id")
        return joined.drop_nulls()

    def new(self) -> pl.DataFrame:
        """Forms that the earlier delivery did not have."""
        return self.now.join(self.before, on="assessment_id", how="anti")


def judge_drift(
    tables: Mapping[str, pl.DataFrame],
    earlier: Mapping[str, pl.DataFrame],
    episodes: pl.DataFrame,
    instruments: Mapping[str, Instrument],
    schedules: Sequence[Schedule],
) -> pl.DataFrame:
    """Flags without a patient: their `entity` is the instrument.

    Args:
        tables: by instrument, this delivery's forms; and `finding`, what was found in their values.
        earlier: by instrument, forms of the last delivery whose coding was in order; may lack instruments.
        episodes: episode_id and the dates of each course.
        instruments: those to look at.
        schedules: what the unit's courses follow, the oldest first; when occasions were due betrays swapped dates.
    """
    frames = [empty_findings()]
    for key, instrument in instruments.items():
        table, before = tables.get(key), earlier.get(key)
        if table is None or table.height < SMALLEST_DATES:
            continue
        frames.extend(_dates_swapped(table, before, episodes, instrument, schedules))
        for version in instrument.versions:
            now = table.filter(pl.col("version") == version.key)
            if now.height < SMALLEST:
                continue
            known = now.clear() if before is None else before.filter(pl.col("version") == version.key)
            pair = Pair(instrument, version, now, known)
            frames.extend(_coding_shift(pair, tables["finding"]))
            frames.extend(_items_reversed(pair))
    return pl.concat(frames)


def _about(entity: str) -> pl.DataFrame:
    return pl.DataFrame({"entity": [entity], "source_file": [None], "source_row": [None]})


def _pooled_items(pair: Pair) -> list[str]:
    """Item columns with the version's own range, which alone can be pooled."""
    version = pair.version
    usual = (version.minimum, version.maximum)
    items = version_items(pair.instrument, version)
    return [item_column(item) for item in items if version.item_range(item) == usual]


def _coding_shift(pair: Pair, findings: pl.DataFrame) -> Iterator[pl.DataFrame]:
    version, columns = pair.version, _pooled_items(pair)
    if version.step != 1 or version.scale_points > WIDEST or not columns or pair.before.height < SMALLEST:
        return
    shift = _shift_of_repeated(pair, columns)
    new = pair.new()
    if not shift and new.height >= SMALLEST:
        shift = _shift_of_new(pair, new, columns, findings)
    if not shift:
        return
    moved = new if new.height >= SMALLEST else pair.now
    yield found(
        _about(f"{pair.instrument.key}|{version.key}"),
        CODING_SHIFT,
        instrument=pair.instrument.key,
        shift=f"{abs(shift)} {'higher' if shift > 0 else 'lower'}",
        now=_bounds(moved, columns),
        before=_bounds(pair.before, columns),
    )


def _bounds(frame: pl.DataFrame, columns: list[str]) -> str:
    lowest, highest = pl.min_horizontal(pl.col(columns).min()), pl.max_horizontal(pl.col(columns).max())
    low, high = frame.select(lowest.alias("low"), highest.alias("high")).row(0)
    return f"{low}–{high}"


def _shift_of_repeated(pair: Pair, columns: list[str]) -> int:
    """By how much the answers of records that came before have moved; 0 where they have not."""
    joined = pair.now.select("assessment_id", *columns).join(
        pair.before.select("assessment_id", *columns), on="assessment_id", suffix="_before"
    )
    if joined.height < SMALLEST:
        return 0
    moved = joined.select([(pl.col(c).cast(pl.Int32) - pl.col(f"{c}_before").cast(pl.Int32)).alias(c) for c in columns])
    counts = moved.unpivot(variable_name="item", value_name="moved").drop_nulls()["moved"].value_counts()
    if not counts.height:
        return 0
    moved_by, n = counts.sort("count", descending=True).row(0)
    return int(moved_by) if n >= MOST * int(counts["count"].sum()) else 0


def _shift_of_new(pair: Pair, new: pl.DataFrame, columns: list[str], findings: pl.DataFrame) -> int:
    """By how much the codes of forms that are new have moved against those that are known; 0 where they have not.

    Answers that fell out of the range are void; they are counted as their findings count them.
    """
    low, high = pair.version.minimum, pair.version.maximum
    known = _shares(pair.before, columns, low, high, 0)
    outside = findings.filter(pl.col("rule").str.starts_with(f"{pair.instrument.key}-range-"))
    n_void = outside.join(new, on="assessment_id", how="semi").height
    seen = _shares(new, columns, low, high, n_void)
    n_seen = new.select(pl.sum_horizontal(pl.col(columns).count())).item() + n_void
    unmoved = _distance(seen, known)
    for shift in (s for size in range(1, LARGEST_SHIFT + 1) for s in (size, -size)):
        lost = range(low, low + shift) if shift > 0 else range(high + shift + 1, high + 1)
        due = sum(known[code] for code in lost)
        if any(seen[code] for code in lost) or due * n_seen < EXPECTED_LOST or due < LOST_SHARE:
            continue
        expected = dict.fromkeys(seen, 0.0)
        for code in range(low, high + 1):
            expected[code + shift if low <= code + shift <= high else low - 1] += known[code]
        distance = _distance(seen, expected)
        if distance <= NEAR and unmoved >= max(FAR, 2 * distance):
            return shift
    return 0


def _shares(frame: pl.DataFrame, columns: list[str], low: int, high: int, n_void: int) -> dict[int, float]:
    """Share of each code among all answers; those that are void under `low` - 1."""
    counts = frame.select(columns).unpivot(value_name="code").drop_nulls()["code"].value_counts()
    found_codes = {int(code): int(n) for code, n in counts.iter_rows()}
    total = max(1, sum(found_codes.values()) + n_void)
    return {low - 1: n_void / total} | {code: found_codes.get(code, 0) / total for code in range(low, high + 1)}


def _distance(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    return sum(abs(one[code] - other[code]) for code in one) / 2


def _items_reversed(pair: Pair) -> Iterator[pl.DataFrame]:
    instrument, version = pair.instrument, pair.version
    now, before, new = _item_rest(pair, pair.now), _item_rest(pair, pair.before), _item_rest(pair, pair.new())
    for item in sorted(now):
        if item in before:
            is_turned = before[item] >= POSITIVE and min(now[item], new.get(item, 1.0)) <= NEGATIVE
        else:
            is_turned = now[item] <= CLEARLY_NEGATIVE
        if is_turned or _is_turned_in_repeated(pair, item):
            yield found(
                _about(f"{instrument.key}|{version.key}"),
                ITEM_REVERSED,
                item=item_column(item),
                instrument=instrument.key,
                number=item,
            )


def _item_rest(pair: Pair, frame: pl.DataFrame) -> dict[int, float]:
    """Correlation of each item with the rest of its (longest) scale, scored as the key says; complete forms only."""
    if frame.height < SMALLEST:
        return {}
    instrument, version = pair.instrument, pair.version
    turned = set(instrument.reversed_items) - set(version.reversed_in_export)
    scales = [s for s in instrument.scales_of(version.key) if s.aggregate in ("mean", "sum") and len(s.items) > 2]
    correlations: dict[int, float] = {}
    for scale in sorted(scales, key=lambda scale: -len(scale.items)):
        items = [item for item in scale.items if item in version_items(instrument, version)]
        if all(item in correlations for item in items):
            continue
        signed = [
            (pl.col(item_column(item)).cast(pl.Float64) * (-1 if item in turned else 1)).alias(item_column(item))
            for item in items
        ]
        complete = frame.select(item_column(item) for item in items).drop_nulls()
        if complete.height < SMALLEST:
            continue
        values = complete.select(signed).with_columns(pl.sum_horizontal(pl.all()).alias("total"))
        row = values.select(
            [pl.corr(item_column(i), pl.col("total") - pl.col(item_column(i))).alias(str(i)) for i in items]
        ).row(0, named=True)
        for item in items:
            value = row[str(item)]
            if value is not None and not math.isnan(value):
                correlations.setdefault(item, float(value))
    return correlations


def _is_turned_in_repeated(pair: Pair, item: int) -> bool:
    """Whether nearly all answers of records that came before now stand mirrored."""
    low, high = pair.version.item_range(item)
    repeated = pair.repeated(item_column(item)) if pair.before.height else pair.before
    if repeated.height < SMALLEST:
        return False
    telling = repeated.filter(2 * pl.col("before") != low + high)
    mirrored = telling.filter(pl.col("now") + pl.col("before") == low + high).height
    return telling.height >= SMALLEST and mirrored >= MOST * telling.height


def _dates_swapped(
    table: pl.DataFrame,
    before: pl.DataFrame | None,
    episodes: pl.DataFrame,
    instrument: Instrument,
    schedules: Sequence[Schedule],
) -> Iterator[pl.DataFrame]:
    dated = table.filter(pl.col("assessment_date").is_not_null())
    day, month = pl.col("assessment_date").dt.day(), pl.col("assessment_date").dt.month()
    either = dated.filter((day <= 12) & (day != month)).with_columns(
        pl.date(pl.col("assessment_date").dt.year(), day, month).alias("swapped")
    )
    if either.height < SMALLEST_DATES:
        return
    n, n_checked = 0, 0
    if schedules:
        n, n_checked = _fit_only_swapped(either, episodes, schedules)
    if before is not None and 2 * n < max(n_checked, 1):
        known = before.select("assessment_id", pl.col("assessment_date").alias("before"))
        repeated = either.join(known, on="assessment_id").drop_nulls(["before"])
        n = repeated.filter(pl.col("before") == pl.col("swapped")).height
        n_checked = repeated.height
    if n >= SMALLEST_DATES and 2 * n >= n_checked:
        rows = _about(instrument.key)
        yield found(rows, DATES_SWAPPED, item="assessment_date", instrument=instrument.key, n=n, checked=n_checked)


def _fit_only_swapped(either: pl.DataFrame, episodes: pl.DataFrame, schedules: Sequence[Schedule]) -> tuple[int, int]:
    """How many dates lie in their occasion's window only with day and month changed about, and of how many."""
    opens, closes = pl.lit(None, dtype=pl.Date), pl.lit(None, dtype=pl.Date)
    for occasion, due, follows in placed(schedules):
        is_this = (pl.col("occasion") == occasion.key) & follows
        before_days, after_days = occasion.window
        opens = pl.when(is_this).then(due - dt.timedelta(days=before_days)).otherwise(opens)
        closes = pl.when(is_this).then(due + dt.timedelta(days=after_days)).otherwise(closes)
    fitted = either.join(episodes, on="episode_id", how="left").with_columns(
        opens.alias("opens"), closes.alias("closes")
    )
    fitted = fitted.drop_nulls(["opens", "closes"])
    as_is = pl.col("assessment_date").is_between("opens", "closes")
    swapped = pl.col("swapped").is_between("opens", "closes")
    return fitted.filter(~as_is & swapped).height, fitted.height
