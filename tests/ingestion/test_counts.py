"""counts/<site>.csv: what is read, and what is wrong told with file, row, column and remedy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.ingestion.counts import read_counts
from codebook.library import Library, load_library

GOOD = "period_start,period_end,n_treated\n2025-01-01,2025-12-31,48\n2026-01-01,2026-06-30,26\n"
SITE = """\
site: unit
name: Unit
format: {reader: delimited}
mappings:
  - {from_delivery: 2000-01-01, sources: [{name: s, file: "*", identity: {columns: [id]}}]}
"""


def library(root: Path, text: bytes | str, name: str = "unit.csv") -> Library:
    for folder in ("sites", "counts"):
        (root / folder).mkdir()
    (root / "network.yaml").write_text("name: tiny\ntitle: Tiny\n")
    (root / "sites" / "unit.yaml").write_text(SITE)
    (root / "counts" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_library(root)


def test_periods_and_what_was_known_then(tmp_path: Path) -> None:
    counts = read_counts(library(tmp_path, GOOD))
    assert counts.problems == []
    assert counts.frame().rows() == [
        ("unit", dt.date(2025, 1, 1), dt.date(2025, 12, 31), 48),
        ("unit", dt.date(2026, 1, 1), dt.date(2026, 6, 30), 26),
    ]
    assert counts.frame(dt.date(2026, 6, 29)).height == 1
    assert counts.frame(dt.date(2026, 6, 30)).height == 2


def test_as_spreadsheet_programs_save_it(tmp_path: Path) -> None:
    text = "\ufeffPeriod_Start;Period_End;N_Treated\r\n2025-01-01;2025-12-31; 48 \r\n\r\n"
    counts = read_counts(library(tmp_path, text))
    assert (counts.problems, counts.frame()["n_treated"].to_list()) == ([], [48])


def test_no_folder_no_counts(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text("name: tiny\ntitle: Tiny\n")
    counts = read_counts(load_library(tmp_path))
    assert counts.frame().height == len(counts.problems) == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "2025-01-01",
            "01.01.2025",
            "counts/unit.csv, row 2, column period_start: not a date; write it like 2026-01-31",
        ),
        ("2026-06-30", "2026-06-31", "counts/unit.csv, row 3, column period_end: not a date; write it like 2026-01-31"),
        (
            "2025-12-31",
            "2024-12-31",
            "counts/unit.csv, row 2, column period_end: before period_start; change them about, or correct one",
        ),
        (
            ",48",
            ",about 48",
            "counts/unit.csv, row 2, column n_treated: not a whole number of patients; write it in digits",
        ),
        (",26", ",-26", "counts/unit.csv, row 3, column n_treated: not a whole number of patients; write it in digits"),
        (",26", "", "counts/unit.csv, row 3, column n_treated: not a whole number of patients; write it in digits"),
        (
            "2026-01-01",
            "2025-12-31",
            "counts/unit.csv, row 3, column period_start: the period overlaps another of this file; "
            "give each day to one period",
        ),
    ],
)
def test_a_row_that_is_wrong_is_told_and_left_out(tmp_path: Path, old: str, new: str, says: str) -> None:
    counts = read_counts(library(tmp_path, GOOD.replace(old, new, 1)))
    assert counts.problems == [says]
    assert counts.frame().height == 1


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (GOOD, "unti.csv", "counts/unti.csv: no unit is called 'unti'; name the file after a unit"),
        (
            GOOD.replace("n_treated", "n"),
            "unit.csv",
            "counts/unit.csv, row 1: has no column n_treated; its first line is ",
        ),
        ("", "unit.csv", "counts/unit.csv, row 1: has no column period_start and period_end and n_treated; "),
        (b"period_start\xff", "unit.csv", "counts/unit.csv: not UTF-8 text; save it as UTF-8"),
        (
            GOOD + '2027-01-01,"' + "9" * 200_000,
            "unit.csv",
            "counts/unit.csv, row 4: longer than 1000 characters; save it as CSV, its first line ",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path: Path, text: str | bytes, name: str, says: str) -> None:
    (problem,) = read_counts(library(tmp_path, text, name)).problems
    assert problem.startswith(says)


def test_validate_tells_it_too(tmp_path: Path) -> None:
    from orchestration.cli import app

    library(tmp_path, GOOD.replace("48", "many"))
    told = CliRunner().invoke(app, ["validate", "--network", str(tmp_path)])
    assert told.exit_code == 2
    assert "counts/unit.csv, row 2, column n_treated: not a whole number" in told.stderr
