"""Real files through the mapping: several units inside one file, and one answer per row."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from mapping_sites import counts, network_of, take_all

from assets.ingestion.readers.protocol import read_file
from codebook.formats import DatasetJsonFormat

INVESTIGATORS = tuple(
    f"{number:03d}" for number in (6, 9, 11, 12, 13, 17, 18, 19, 24, 25, 28, 30, 36, 37, 38, 124, 999)
)
ANTIDEPRESSANT = f"""
site: trial
name: Antidepressant trial
format: {{reader: delimited}}
delivery: {{mode: frozen}}
parts:
  column: POOLINV
  sites: {{{", ".join(f'"{code}": investigator_{code}' for code in INVESTIGATORS)}}}
mappings:
  - from_delivery: 2020-01-01
    sources:
      - name: visits
        file: antidepressant_data.csv
        identity: {{columns: [PATIENT], scope: site}}
        key: [PATIENT, VISIT]
        patient: {{sex: {{column: GENDER, codes: {{F: female, M: male}}}}}}
        episode: {{arm: {{column: THERAPY, codes: {{DRUG: drug, PLACEBO: placebo}}}}}}
        ignored: [PGIIMP, HAMATOTL, CHANGE]
        assessments:
          - instrument: hamd_17
            version: hamd_17
            rater: clinician
            supplied_scores: {{total: HAMDTL17}}
            months: {{column: RELDAYS, unit: days}}
            sequence: VISIT
        attributes: [{{attribute: baseline_hamd, column: BASVAL}}]
"""


def test_seventeen_investigators_are_seventeen_units(tmp_path: Path, shared: Path) -> None:
    tiny = network_of(tmp_path / "network", {"trial": ANTIDEPRESSANT})
    folder = tiny.root / "landing" / "trial" / "2020-01-01"
    folder.mkdir(parents=True)
    shutil.copy(shared / "samples" / "trials" / "antidepressant_data.csv", folder)
    taken = take_all(tiny)
    assert len(taken) == 18
    assert {staged.receipt.gate for staged in taken.values()} == {"accepted"}
    assert counts(taken[("trial", "2020-01-01")]) == (0, 0, 0)
    landed, accepted, quarantined = (sum(numbers) for numbers in zip(*map(counts, taken.values()), strict=True))
    assert (landed, accepted, quarantined) == (608, 608, 0)
    assert tiny.table("patient")["patient_id"].n_unique() == 172
    frame = tiny.table("hamd_17")
    assert (frame.height, frame["assessment_id"].n_unique(), frame["site"].n_unique()) == (608, 608, 17)
    source = pl.read_csv(folder / "antidepressant_data.csv", null_values="NA")
    assert frame["supplied_total"].sum() == source["HAMDTL17"].sum()
    assert frame["declared_months"].sum() == pytest.approx((source["RELDAYS"] / 30.4375).sum())
    assert {staged.receipt.n_rows_unused for staged in taken.values()} == {0}


PILOT = """
site: pilot
name: CDISC pilot
format: {reader: dataset_json}
delivery: {mode: frozen}
mappings:
  - from_delivery: 2014-01-01
    sources:
      - name: questionnaires
        file: qsph.json
        identity: {columns: [USUBJID], scope: site}
        pivot: {rows: [USUBJID, VISIT, QSDTC], names: QSTESTCD, values: QSORRES}
        key: [USUBJID, VISIT]
        ignored: [PHQ0110]
        assessments:
          - instrument: phq_9
            version: phq_9
            items: "PHQ01{n:02d}"
            codes: {Not at all: "0", Several days: "1", More than half the days: "2", Nearly every day: "3"}
            supplied_scores: {total: PHQ0111}
            date: QSDTC
"""


def test_one_answer_per_row_of_dataset_json_becomes_forms(tmp_path: Path, shared: Path) -> None:
    tiny = network_of(tmp_path / "network", {"pilot": PILOT})
    folder = tiny.root / "landing" / "pilot" / "2015-01-01"
    folder.mkdir(parents=True)
    file = shared / "samples" / "dataset_json" / "qsph.json"
    shutil.copy(file, folder)
    staged = take_all(tiny)[("pilot", "2015-01-01")]
    assert staged.receipt.gate == "accepted"
    arrived = read_file(file, file.name, DatasetJsonFormat(reader="dataset_json")).frame
    assert counts(staged) == (arrived.height, arrived.height, 0)
    assert (
        staged.receipt.n_rows_unused
        == arrived.filter(pl.col("QSORRES").is_null() | (pl.col("QSTESTCD") == "PHQ0110")).height
    )
    frame = tiny.table("phq_9")
    assert frame.height == arrived.select("USUBJID", "VISIT", "QSDTC").unique().height
    items = pl.sum_horizontal(pl.col(f"item_{n:02d}") for n in range(1, 10))
    complete = frame.drop_nulls([f"item_{n:02d}" for n in range(1, 10)]).filter(pl.col("supplied_total").is_not_null())
    differing = complete.filter(items != pl.col("supplied_total"))
    assert (complete.height, differing.height) == (30, 1), "the pilot's file has one total that its answers do not give"
    assert not [rule for rule in tiny.rules() if rule.startswith("phq_9-code")]


@pytest.mark.parametrize(("declared", "findings"), [("{}", 3), ('{"NA": not rated}', 0)])
def test_na_is_never_taken_as_missing_by_itself(tmp_path: Path, shared: Path, declared: str, findings: int) -> None:
    site = ANTIDEPRESSANT.replace("    sources:", f"    missing_codes: {declared}\n    sources:").replace(
        "attributes: [{attribute: baseline_hamd, column: BASVAL}]",
        "attributes: [{attribute: change, column: CHANGE, multiply_by: 1}, "
        "{attribute: impression, column: PGIIMP, multiply_by: 1}]",
    )
    site = site.replace("[PGIIMP, HAMATOTL, CHANGE]", "[HAMATOTL, BASVAL]")
    tiny = network_of(tmp_path / "network", {"trial": site})
    folder = tiny.root / "landing" / "trial" / "2020-01-01"
    folder.mkdir(parents=True)
    shutil.copy(shared / "samples" / "trials" / "antidepressant_data.csv", folder)
    take_all(tiny)
    assert tiny.rules().count("number-unreadable") == findings
    values = tiny.table("attribute").filter(pl.col("attribute") == "impression")["value"]
    assert len(values) == 605
    assert "NA" not in values


REPEATS = """
site: repeats
name: Repeating instruments
format: {{reader: redcap, dictionary: dictionary.csv}}
mappings:
  - from_delivery: 2015-01-01
    sources:
      - name: records
        file: data.csv
        identity: {{columns: [record_id], scope: site}}
        key: [{key}]
        attributes: [{{attribute: systolic, column: bp_systolic, date: date_bp}}]
"""


@pytest.mark.parametrize(
    ("key", "rules", "n_held"),
    [
        ("record_id, redcap_repeat_instrument, redcap_repeat_instance", {"attribute-conflict": 1}, 0),
        ("record_id, date_bp", {"row-key-conflict": 1}, 3),
    ],
)
def test_three_values_on_one_day_are_told_apart_held_back_or_said(
    tmp_path: Path, shared: Path, key: str, rules: dict[str, int], n_held: int
) -> None:
    """Blood pressure, three times on 2019-10-14: by the repeat they are three rows, by the day one key."""
    tiny = network_of(
        tmp_path / "network", {"repeats": REPEATS.format(key=key)}, "gate: {max_quarantined_share: 0.6}\n"
    )
    folder = tiny.root / "landing" / "repeats" / "2020-01-01"
    shutil.copytree(shared / "samples" / "redcap" / "REDCapR" / "repeating-instruments", folder)
    staged = take_all(tiny)[("repeats", "2020-01-01")]
    assert counts(staged) == (6, 6 - n_held, n_held)
    assert {rule: tiny.rules().count(rule) for rule in set(tiny.rules())} == rules
