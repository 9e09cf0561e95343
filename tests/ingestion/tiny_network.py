"""A small network on disk: one unit, a delimited export, real files and a real key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.ingestion import ingest
from checks.keys import Pseudonymiser
from codebook.library import load_library

NETWORK = "name: tiny\ntitle: A tiny network\ndefault_schedule: plan\n"
SCHEDULE = """
name: plan
title: Two visits
valid_from: 2010-01-01
occasions:
  - {key: m03, label: Month 3, anchor: treatment_start, months: 3, before_days: 40, after_days: 40,
     due: [{instrument: wsas}, {instrument: wai_s, until_date: 2012-06-01},
           {instrument: wai_sr, from_date: 2012-06-01}]}
  - {key: discharge, label: Discharge, anchor: discharge, before_days: 40, after_days: 40, due: [{instrument: wsas}]}
"""
SITE = """
site: unit
name: The unit
format: {{reader: delimited, delimiter: ";", decimal: ","}}
delivery: {{mode: {mode}}}
mappings:
  - from_delivery: "2013-01-01"
    date_format: "%d.%m.%Y"
    missing_codes: {{"999": not answered}}
    sources:
      - name: patients
        file: patients.csv
        identity: {{columns: [nr], scope: site}}
        local_ref: nr
        key: [nr, admitted]
        identifiers: [name]
        patient: {{sex: {{column: sex, codes: {{K: female, M: male}}}}, birth_year: born}}
        episode: {{admission_date: admitted, treatment_start_date: admitted, discharge_date: left}}
        attributes: [{{attribute: note, column: note, is_free_text: true}}]
      - name: forms
        file: forms.csv
        identity: {{columns: [nr], scope: site}}
        key: [nr, visit, form]
        assessments:
          - {{instrument: wsas, version: wsas, items: "q{{n}}", date: date,
              occasion: {{column: visit, codes: {{"3": m03, "S": discharge, "X": unscheduled}}}},
              when: {{column: form, values: [WSAS]}}}}
"""
PATIENTS = "nr;name;sex;born;admitted;left;note\n"
FORMS = "nr;form;visit;date;q1;q2;q3;q4;q5\n"


@dataclass
class TinyNetwork:
    """A network folder and the steps that a run takes with it."""

    root: Path
    pseudonyms: Pseudonymiser

    def deliver(self, name: str, **files: str) -> None:
        folder = self.root / "landing" / "unit" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / f"{file}.csv").write_text(text, encoding="utf-8")

    def take(self, again_from: str | None = None) -> list[ingest.StagedDelivery]:
        library = load_library(self.root)
        site = library.sites["unit"]
        taken = []
        for planned in ingest.plan_site(library, site, self.pseudonyms, again_from=again_from):
            if planned.action == "skip":
                continue
            staged = ingest.stage_delivery(library, site, planned, self.pseudonyms)
            (ingest.hold if staged.failed else ingest.accept)(library, staged)
            taken.append(staged)
        return taken

    def table(self, name: str) -> pl.DataFrame:
        files = sorted((self.root / "lake" / "accepted" / name).glob("*/*/part.parquet"))
        frames = [pl.read_parquet(file, hive_partitioning=True, try_parse_hive_dates=False) for file in files]
        return pl.concat(frames) if frames else pl.DataFrame()

    def rules(self) -> list[str]:
        return sorted(self.table("finding")["rule"].to_list())
