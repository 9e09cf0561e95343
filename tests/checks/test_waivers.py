"""A loosened threshold: whom it covers, until when, what it says, and what a declaration must not leave out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hand_made import judged, row_of, said, statuses, two_units

from checks.expectations.limits import limit_for
from codebook.declaration import DeclarationError
from codebook.library import load_library
from codebook.quality import QualityThresholds

WAIVER: dict[str, Any] = {
    "measure": "received_rate",
    "sites": ["south"],
    "instruments": ["gaf"],
    "threshold": 0.2,
    "reason": "New tablets were ordered",
    "owner": "Kim Example",
    "until": "2021-03-31",
}
LAST_DAY = dt.date(2021, 3, 31)
NETWORK = """name: test
title: Test
quality:
  min_received_rate: 0.5
  waivers:
    - measure: received_rate
      threshold: 0.2
"""


def incomplete(warehouse: duckdb.DuckDBPyConnection) -> None:
    """A third came, of the GAF at both units."""
    warehouse.execute(
        "insert into quality.completeness values ('north', 'gaf', 'm03', 3, 1, 1, 10, 10), "
        "('south', 'gaf', 'm03', 3, 1, 1, 10, 10)"
    )


def test_it_holds_for_those_it_names_through_its_last_day(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    incomplete(warehouse)
    library = two_units(tmp_path, waivers=[WAIVER])
    found = judged(warehouse, library, LAST_DAY)
    assert statuses(found, "gaf_received_rate") == {"north": "fail", "south": "pass"}
    row = row_of(found, "gaf_received_rate", "south")
    assert row["threshold"] == 0.2
    assert row["waiver"] == "New tablets were ordered (Kim Example, until 2021-03-31)"
    assert row["message"].endswith("(33.3 %; at least 20 %, loosened from 50 % until 2021-03-31).")
    assert found.filter(pl.col("waiver").is_not_null()).height == 1


def test_after_its_last_day_the_networks_threshold_counts_and_the_message_says_so(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    incomplete(warehouse)
    found = judged(warehouse, two_units(tmp_path, waivers=[WAIVER]), LAST_DAY + dt.timedelta(days=1))
    assert statuses(found, "gaf_received_rate") == {"north": "fail", "south": "fail"}
    assert said(found, "gaf_received_rate", "south").endswith(
        "(33.3 %; at least 50 %; its waiver ended on 2021-03-31)."
    )
    assert "waiver" not in said(found, "gaf_received_rate", "north")
    assert found["waiver"].null_count() == found.height


def test_without_units_or_instruments_it_covers_all_and_the_loosest_in_force_counts() -> None:
    everywhere = {name: value for name, value in WAIVER.items() if name not in {"sites", "instruments"}}
    tighter = WAIVER | {"threshold": 0.4, "until": "2021-06-30"}
    quality = QualityThresholds.model_validate({"waivers": [tighter, everywhere]})
    assert limit_for(quality, "received_rate", "south", "gaf", LAST_DAY).threshold == 0.2
    assert limit_for(quality, "received_rate", "north", "bsi_18", LAST_DAY).threshold == 0.2
    later = LAST_DAY + dt.timedelta(days=1)
    assert limit_for(quality, "received_rate", "south", "gaf", later).threshold == 0.4
    ended = limit_for(quality, "received_rate", "north", "bsi_18", later)
    assert (ended.threshold, ended.waiver, ended.ended) == (0.5, None, LAST_DAY)
    assert limit_for(quality, "answered_rate", "south", "gaf", LAST_DAY).waiver is None


def test_a_waiver_of_one_instrument_does_not_cover_what_counts_them_all() -> None:
    quality = QualityThresholds.model_validate(
        {"waivers": [WAIVER | {"measure": "volume_drop_rate", "threshold": 0.9}]}
    )
    assert limit_for(quality, "volume_drop_rate", "south", "gaf", LAST_DAY).threshold == 0.9
    assert limit_for(quality, "volume_drop_rate", "south", None, LAST_DAY).threshold == 0.3


def refusal(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "network.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_library(tmp_path)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_without_reason_owner_or_end_it_is_refused_with_file_line_and_key(tmp_path: Path) -> None:
    assert refusal(tmp_path, NETWORK) == [
        f"network.yaml:6: quality.waivers.0.{key}: required, but not given" for key in ("reason", "owner", "until")
    ]
    blank = NETWORK + '      reason: " "\n      owner: Kim\n      until: 2021-03-31\n'
    [problem] = refusal(tmp_path, blank)
    assert problem.startswith("network.yaml:8: quality.waivers.0.reason: String should have at least 1 character")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("received_rate\n      t", "recieved_rate\n      t", ":6: quality.waivers.0.measure: no measure is called"),
        (
            "threshold: 0.2",
            "threshold: 0.6",
            ":7: quality.waivers.0.threshold: 0.6 is no looser than the network's 0.5",
        ),
        (
            "measure: received_rate\n      threshold: 0.2",
            "measure: out_of_range_rate\n      threshold: 5",
            ":7: quality.waivers.0.threshold: 5 is no share; write 30 % as 0.3",
        ),
        ("threshold: 0.2", "sites: [nowhere]\n      threshold: 0.2", ":7: quality.waivers.0.sites: no unit is called"),
        (
            "threshold: 0.2",
            "threshold: 0.2\n      instruments: [gaff]",
            ":8: quality.waivers.0.instruments: no instrument is called 'gaff'",
        ),
    ],
)
def test_what_it_names_must_exist_and_it_must_loosen(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = NETWORK + "      reason: r\n      owner: o\n      until: 2021-03-31\n"
    [problem] = refusal(tmp_path, text.replace(old, new))
    assert problem.startswith(f"network.yaml{expected}")
