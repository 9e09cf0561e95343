"""The whole flow, for real: networks on disk, `concord` as a subprocess, dbt, Dagster, the sealed file."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

ROOT = Path(__file__).resolve().parents[2]
BUILD_COLUMNS = {"received_at", "course_no"}
"""Clocks, and numbers by which one build joins its tables."""
TRIALS = {
    "btheb/2003-01-01": ["trials/btheb.csv"],
    "helpfull/2010-01-01": ["trials/HELPfull.csv"],
    "redcap_longitudinal/2015-06-01": [
        "redcap/REDCapR/longitudinal/data.csv",
        "redcap/REDCapR/longitudinal/dictionary.csv",
    ],
}
SAMPLES = {
    "antidepressant/2020-06-01": ["trials/antidepressant_data.csv"],
    "blank_for_gray/2025-09-01": ["redcap/REDCapR/blank-for-gray-status/*.csv"],
    "cdisc_pilot/2020-08-21": ["dataset_json/*.json"],
    "clinical_trial_1/2025-09-01": ["redcap/REDCapR/clinical-trial-1/*.csv"],
    "dag/2025-09-01": ["redcap/REDCapR/dag/*.csv"],
    "decimals/2025-09-01": ["redcap/REDCapR/decimal-comma-and-dot/*.csv"],
    "fhir_phq9/2023-11-01": ["fhir/*.json"],
    "longitudinal_csv/2025-09-01": ["redcap/REDCapR/longitudinal/*.csv"],
    "longitudinal_xml/2025-09-01": ["redcap/REDCapR/longitudinal/project.xml"],
    "openclinica/2013-08-01": ["openclinica/*.xml"],
    "repeats/2025-09-01": ["redcap/REDCapR/repeating-instruments/*.csv"],
    "secutrial_odm/2019-11-15": ["secutrial/*_CDISC.zip"],
    "secutrial_utf16/2019-11-15": ["secutrial/*_utf16.zip"],
    "secutrial_utf8/2019-11-15": ["secutrial/*_utf8bom.zip"],
    "spss_category/2018-06-01": ["spss/ordered_category.sav"],
    "spss_char/2018-06-01": ["spss/missing_char.sav"],
    "spss_sample/2018-06-01": ["spss/sample_missing.sav"],
    "spss_test/2018-06-01": ["spss/missing_test.sav"],
    "survey/2025-09-01": ["redcap/REDCapR/survey/*.csv"],
    "visits_xml/2017-01-01": ["redcap/iu/Visits.REDCap.xml"],
}
"""Delivery → the files under samples/ that it is made of."""


def concord(*arguments: object, background: bool = False) -> subprocess.CompletedProcess[str] | subprocess.Popen[str]:
    """Run the command line as a user would."""
    command = [sys.executable, "-c", "from orchestration.cli import main; main()", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if key not in {"CONCORD_NETWORK", "DAGSTER_HOME"}}
    if background:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def few_analyses(root: Path) -> None:
    """Leave the network's statistics to the tests that look at them: two analyses stay, a run costs half."""
    for path in (root / "analyses").glob("*.yaml"):
        if path.stem not in {"alliance", "outcomes"}:
            path.unlink()


@dataclass(frozen=True)
class Flow:
    """A network folder and what a run printed."""

    root: Path
    done: subprocess.CompletedProcess[str]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.root / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def tables(warehouse: Path) -> dict[str, str]:
    """Every table of a warehouse as sorted CSV, without what holds for one build only."""
    found: dict[str, str] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables order by all"
        ).fetchall()
        for schema, name in names:
            frame = connection.execute(f'select * from "{schema}"."{name}"').pl()
            frame = frame.select([c for c in frame.columns if c not in BUILD_COLUMNS])
            frame = frame.select(pl.all().cast(pl.String))
            found[f"{schema}.{name}"] = frame.sort(frame.columns).write_csv()
    return found
