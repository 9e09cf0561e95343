"""Drift of a unit's coding between two deliveries: on answers that moved, and on answers that did not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from checks.drift import judge_drift
from checks.findings import empty_findings
from codebook.instrument import item_column
from codebook.library import load_instruments
from codebook.schedule import Schedule

INSTRUMENTS = {key: load_instruments()[key] for key in ("wai_s", "phq_9")}
ITEMS = {"wai_s": 12, "phq_9": 9}
EPISODES = pl.DataFrame(
    {
        "episode_id": [f"e{n}" for n in range(400)],
        "admission_date": [dt.date(2013, 1, 1)] * 400,
        "treatment_start_date": [dt.date(2013, 1, 1)] * 400,
        "discharge_date": [None] * 400,
    },
    schema={
        "episode_id": pl.String,
        "admission_date": pl.Date,
        "treatment_start_date": pl.Date,
        "discharge_date": pl.Date,
    },
)
PLAN = Schedule.model_validate(
    {
        "name": "plan",
        "title": "Plan",
        "valid_from": "2010-01-01",
        "occasions": [
            {
                "key": "m03",
                "label": "Month 3",
                "anchor": "treatment_start",
                "months": 3,
                "before_days": 20,
                "after_days": 20,
                "due": [{"instrument": "phq_9"}],
            }
        ],
    }
)


def forms(instrument: str, n: int, seed: int = 1, first: int = 0, mean: float = 0.0) -> pl.DataFrame:
    """`n` forms with one trait behind their answers, scored as the key says; `mean` moves the trait."""
    known, rng = INSTRUMENTS[instrument], np.random.default_rng(seed)
    version = known.versions[0]
    trait = rng.normal(mean, 1, n)
    middle, half = (version.minimum + version.maximum) / 2, (version.maximum - version.minimum) / 2
    columns: dict[str, Any] = {}
    for item in range(1, ITEMS[instrument] + 1):
        answer = np.clip(
            np.rint(middle + half * 0.5 * (trait + rng.normal(0, 0.8, n))), version.minimum, version.maximum
        )
        if item in known.reversed_items:
            answer = version.minimum + version.maximum - answer
        columns[item_column(item)] = answer.astype(np.int16)
    return pl.DataFrame(
        {
            "assessment_id": [f"a{first + i}" for i in range(n)],
            "episode_id": [f"e{(first + i) % 400}" for i in range(n)],
            "version": [version.key] * n,
            "occasion": ["m03"] * n,
            "assessment_date": [dt.date(2013, 4, 1) + dt.timedelta(days=(first + i) % 20) for i in range(n)],
            **columns,
        }
    )


def judged(instrument: str, now: pl.DataFrame, before: pl.DataFrame | None, void: pl.DataFrame | None = None) -> Any:
    findings = empty_findings() if void is None else void
    earlier = {} if before is None else {instrument: before}
    found = judge_drift(
        {instrument: now, "finding": findings}, earlier, EPISODES, {instrument: INSTRUMENTS[instrument]}, (PLAN,)
    )
    assert found["patient_id"].null_count() == found.height
    return found.select("rule", "instrument", "item").rows()


def shifted(frame: pl.DataFrame, by: int, instrument: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Answers coded `by` higher; those that leave the range become void, each with its finding."""
    version = INSTRUMENTS[instrument].versions[0]
    columns = [item_column(n) for n in range(1, ITEMS[instrument] + 1)]
    moved = frame.with_columns([(pl.col(c) + by).alias(c) for c in columns])
    void = pl.concat(
        [
            moved.filter(~pl.col(c).is_between(version.minimum, version.maximum)).select(
                pl.lit(f"{instrument}-range-{c[-2:]}").alias("rule"), "assessment_id"
            )
            for c in columns
        ]
    )
    kept = [pl.when(pl.col(c).is_between(version.minimum, version.maximum)).then(pl.col(c)).alias(c) for c in columns]
    return moved.with_columns(kept), void


@pytest.mark.parametrize(("instrument", "by"), [("phq_9", 1), ("phq_9", -1), ("wai_s", 1), ("wai_s", -1)])
def test_answers_coded_one_higher_or_lower(instrument: str, by: int) -> None:
    before = forms(instrument, 120)
    again, void = shifted(before, by, instrument)
    assert ("coding-shift", instrument, None) in judged(instrument, again, before, void)
    new, void = shifted(forms(instrument, 60, seed=2, first=200), by, instrument)
    assert judged(instrument, pl.concat([before, new]), before, void) == [("coding-shift", instrument, None)]
    assert judged(instrument, new, before, void) == [("coding-shift", instrument, None)]


@pytest.mark.parametrize("instrument", ["phq_9", "wai_s"])
@pytest.mark.parametrize("mean", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_patients_who_answer_differently_are_no_shift(instrument: str, mean: float) -> None:
    before = forms(instrument, 200)
    for seed in range(2, 12):
        now = forms(instrument, 80, seed=seed, first=300, mean=mean)
        assert judged(instrument, now, before) == []
        assert judged(instrument, pl.concat([before, now]), before) == []


def test_too_few_forms_say_nothing() -> None:
    before = forms("phq_9", 200)
    new, void = shifted(forms("phq_9", 20, seed=2, first=300), 1, "phq_9")
    assert judged("phq_9", new, before, void) == []


def turned(frame: pl.DataFrame, column: str, low: int, high: int) -> pl.DataFrame:
    return frame.with_columns((low + high - pl.col(column)).cast(pl.Int16).alias(column))


def test_an_item_coded_the_other_way_round() -> None:
    before = forms("phq_9", 150)
    expected = [("item-reversed", "phq_9", "item_04")]
    assert judged("phq_9", turned(before, "item_04", 0, 3), before) == expected
    new = turned(forms("phq_9", 60, seed=3, first=200), "item_04", 0, 3)
    assert judged("phq_9", pl.concat([before, new]), before) == expected
    assert judged("phq_9", new, None) == expected


def test_an_item_that_was_always_so_is_not_drift() -> None:
    before = turned(forms("phq_9", 150), "item_04", 0, 3)
    now = turned(forms("phq_9", 60, seed=3, first=200), "item_04", 0, 3)
    assert judged("phq_9", now, before) == []


def test_reversed_items_of_the_key_are_in_order() -> None:
    assert INSTRUMENTS["wai_s"].reversed_items
    assert judged("wai_s", forms("wai_s", 100), None) == []
    item = INSTRUMENTS["wai_s"].reversed_items[0]
    version = INSTRUMENTS["wai_s"].versions[0]
    straight = turned(forms("wai_s", 100), item_column(item), version.minimum, version.maximum)
    assert judged("wai_s", straight, None) == [("item-reversed", "wai_s", item_column(item))]


def swapped(frame: pl.DataFrame) -> pl.DataFrame:
    date = pl.col("assessment_date")
    possible = frame.filter(date.dt.day() <= 12)  # the others can no longer be read and are void
    return possible.with_columns(pl.date(date.dt.year(), date.dt.day(), date.dt.month()).alias("assessment_date"))


def test_days_and_months_changed_about() -> None:
    before = forms("phq_9", 150)
    expected = [("dates-swapped", "phq_9", "assessment_date")]
    assert judged("phq_9", swapped(before), None) == expected  # their occasion says so
    nowhere = before.with_columns(pl.lit(None, dtype=pl.String).alias("occasion"))
    assert judged("phq_9", swapped(nowhere), nowhere) == expected  # the delivery before says so
    assert judged("phq_9", swapped(nowhere), None) == []
    assert judged("phq_9", before, before) == []
    late = before.with_columns(pl.col("assessment_date").dt.offset_by("3mo"))
    assert judged("phq_9", late, before) == []  # late, but not changed about
