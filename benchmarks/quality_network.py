"""The network that `benchmarks.quality` judges: 100 units, 60,000 patients, about a million due points.

What belongs here: writing declarations, receipts and the lake, as ingestion would have left them. What does not:
building and judging.

Each unit has 600 patients who begin over eight years. Sixteen months of schedule: three instruments before and at the
end, two every third month. Seven in ten of what is due came, most of it in time; every fourth unit gives no occasions,
so that its assessments are placed by date. One in twenty is an extra visit, one in fifty patients withdrew.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from assets.ingestion.receipts import ACCEPTED, Receipt, append_receipt
from assets.warehouse.inputs import ensure_empty_lake
from checks.keys import write_key
from checks.lake_schema import lake_schema
from codebook.instrument import item_column
from codebook.library import Library, load_library

BEGIN, END = dt.date(2018, 1, 1), dt.date(2026, 1, 1)
TODAY = dt.date(2026, 1, 12)
DELIVERIES = {dt.date(2025, 12, 29): dt.date(2025, 12, 25), dt.date(2026, 1, 5): dt.date(2026, 1, 1)}
"""Day of each delivery → day that its data reach; each is a snapshot of everything until then."""
THROUGH = max(DELIVERIES.values())
VISITS = {"baseline": 0, "m03": 3, "m06": 6, "m09": 9, "m12": 12, "m15": 15, "m18": 18}
VERSIONS = {"gaf": "gaf_split", "wsas": "wsas", "bsi_18": "bsi_18", "wai_sr": "wai_sr_7"}
RATERS = {"gaf": "clinician"}
AT_ENDS = ("gaf", "wsas", "bsi_18")
BETWEEN = ("wsas", "wai_sr")
CAME, EXTRA, WITHDREW, DISCHARGED = 0.7, 0.05, 0.02, 0.75
WITHOUT_OCCASIONS = 4
LATEST_DAYS = 40
DAYS_PER_MONTH = 30.4375


def write_network(root: Path, n_sites: int, n_patients: int, seed: int = 20260112) -> dict[str, int]:
    """Write the whole network to `root`, which does not exist; returns how many rows each table has."""
    sites = [f"unit_{number:03d}" for number in range(1, n_sites + 1)]
    _declare(root, sites)
    library = load_library(root)
    ensure_empty_lake(root / "lake", library)
    rng = np.random.default_rng(seed)
    counts: dict[str, int] = {}
    for number, site in enumerate(sites):
        tables = _site(site, n_patients // n_sites, rng, has_occasions=bool(number % WITHOUT_OCCASIONS))
        _store(root, library, site, tables)
        for name, frame in tables.items():
            counts[name] = counts.get(name, 0) + frame.height
    return counts


def _declare(root: Path, sites: list[str]) -> None:
    for folder in ("sites", "schedules", "landing", "counts", "analyses"):
        (root / folder).mkdir(parents=True)
    write_key(root / "secrets" / "pseudonym.key")
    network = {"name": "bench", "title": "Benchmark of quality", "is_synthetic": True, "today": TODAY}
    _dump(root / "network.yaml", network | {"default_schedule": "plan"})
    window = {"before_days": 30, "after_days": 45}
    occasions = [
        {
            "key": key,
            "label": key,
            "anchor": "admission" if not months else "treatment_start",
            "months": months,
            "due": [_due(name) for name in (BETWEEN if months else AT_ENDS)],
            **window,
        }
        for key, months in VISITS.items()
    ]
    end = {"key": "discharge", "label": "Discharge", "anchor": "discharge", "due": [_due(name) for name in AT_ENDS]}
    plan = {"name": "plan", "title": "Eight visits", "valid_from": dt.date(2010, 1, 1)}
    _dump(root / "schedules" / "plan.yaml", plan | {"occasions": [*occasions, end | window]})
    for number, site in enumerate(sites):
        source = {"name": "forms", "file": "*.csv", "identity": {"columns": ["nr"]}}
        mapping = {"from_delivery": "2010-01-01", "sources": [source]}
        declared = {"site": site, "name": f"Unit {number + 1}", "format": {"reader": "delimited"}}
        _dump(root / "sites" / f"{site}.yaml", declared | {"delivery": {"mode": "snapshot"}, "mappings": [mapping]})
        counts = [f"{year}-01-01,{year}-12-31,{90 + (number + year) % 40}" for year in range(2018, 2026)]
        text = "\n".join(["period_start,period_end,n_treated", *counts, ""])
        (root / "counts" / f"{site}.csv").write_text(text, encoding="utf-8")


def _due(instrument: str) -> dict[str, str]:
    return {"instrument": instrument, "rater": RATERS.get(instrument, "patient")}


def _dump(path: Path, declared: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")


def _site(site: str, n: int, rng: np.random.Generator, *, has_occasions: bool) -> dict[str, pl.DataFrame]:
    """Patients, courses, consents and forms of one unit."""
    patient = _ids("p", rng, n)
    admitted = np.datetime64(BEGIN) + rng.integers(0, (END - BEGIN).days, n)
    started = admitted + rng.integers(0, 30, n)
    discharged = started + rng.integers(60, 600, n)
    is_over = (rng.random(n) < DISCHARGED) & (discharged < np.datetime64(THROUGH))
    course = pl.DataFrame(
        {
            "patient_id": patient,
            "episode_id": _ids("e", rng, n),
            "admission_date": admitted,
            "treatment_start_date": started,
            "discharge_date": np.where(is_over, discharged, np.datetime64("NaT")),
        }
    )
    tables = {
        "patient": course.select("patient_id", pl.lit("female").alias("sex"), pl.lit(1990).alias("birth_year")),
        "episode": course,
        "consent": course.filter(pl.Series(rng.random(n) < WITHDREW)).select(
            "patient_id",
            pl.lit("research").alias("purpose"),
            pl.lit("withdrawn").alias("status"),
            (pl.col("admission_date") + dt.timedelta(days=200)).alias("status_date"),
        ),
    }
    visits = [
        (key, "admission_date" if not months else "treatment_start_date", months) for key, months in VISITS.items()
    ]
    visits.append(("discharge", "discharge_date", 0))
    forms: dict[str, list[pl.DataFrame]] = {}
    for key, anchor, months in visits:
        for instrument in BETWEEN if months else AT_ENDS:
            forms.setdefault(instrument, []).append(_forms(course, key, anchor, months, rng))
    for instrument, parts in forms.items():
        frame = pl.concat(parts)
        extra = rng.random(frame.height) < EXTRA
        occasion = pl.when(pl.Series(extra)).then(pl.lit("unscheduled")).otherwise(pl.col("occasion"))
        frame = frame.with_columns(
            occasion.alias("occasion") if has_occasions else pl.lit(None, pl.String).alias("occasion")
        )
        tables[instrument] = _answered(frame, instrument, rng)
    return tables


def _forms(course: pl.DataFrame, key: str, anchor: str, months: int, rng: np.random.Generator) -> pl.DataFrame:
    """What came of one occasion: dated about its due date, never after the data's end or long after discharge."""
    lag = np.floor(months * DAYS_PER_MONTH + 0.5) + np.rint(rng.normal(0, 18, course.height))
    came = pl.Series(rng.random(course.height) < CAME)
    dated = course.select(
        "patient_id",
        "episode_id",
        "discharge_date",
        (pl.col(anchor) + pl.duration(days=pl.Series(lag.astype(np.int64)))).cast(pl.Date).alias("assessment_date"),
        pl.lit(key).alias("occasion"),
    ).filter(came)
    before_end = pl.col("discharge_date").is_null() | (
        pl.col("assessment_date") <= pl.col("discharge_date") + pl.duration(days=40)
    )
    return dated.filter(before_end & (pl.col("assessment_date") <= THROUGH)).drop("discharge_date")


def _answered(frame: pl.DataFrame, instrument: str, rng: np.random.Generator) -> pl.DataFrame:
    """Forms with ids and answers; one answer in fifty is missing."""
    n = frame.height
    ranges = {"gaf": (2, 30, 90), "wsas": (5, 0, 8), "bsi_18": (18, 0, 4), "wai_sr": (12, 1, 7)}
    n_items, low, high = ranges[instrument]
    answers = {}
    for item in range(1, n_items + 1):
        value = pl.Series(rng.integers(low, high + 1, n, dtype=np.int16))
        answers[item_column(item)] = pl.select(pl.when(pl.Series(rng.random(n) > 0.02)).then(value)).to_series()
    return frame.with_columns(
        pl.Series("assessment_id", _ids("a", rng, n)),
        pl.lit(VERSIONS[instrument]).alias("version"),
        pl.lit(RATERS.get(instrument, "patient")).alias("rater"),
        pl.lit(1).alias("sequence"),
        pl.lit("0").alias("content_hash"),
        *(series.alias(column) for column, series in answers.items()),
    )


def _ids(letter: str, rng: np.random.Generator, n: int) -> list[str]:
    """Keys that look like those of ingestion: a letter and 32 hexadecimal digits."""
    return [letter + drawn.tobytes().hex() for drawn in rng.integers(0, 2**63, (n, 2), dtype=np.int64)]


def _store(root: Path, library: Library, site: str, tables: dict[str, pl.DataFrame]) -> None:
    schema = lake_schema(library.instruments)
    for delivery, through in DELIVERIES.items():
        n_rows = 0
        for name, frame in tables.items():
            dated = [column for column in ("assessment_date", "status_date") if column in frame.columns]
            whole = frame.filter(pl.all_horizontal(pl.lit(True), *(pl.col(column) <= through for column in dated)))
            whole = whole.with_columns(
                pl.lit(f"{name}.csv").alias("source_file"), pl.int_range(2, whole.height + 2).alias("source_row")
            )
            path = root / "lake" / "accepted" / name / f"site={site}" / f"delivery={delivery}" / "part.parquet"
            path.parent.mkdir(parents=True)
            columns = [
                (pl.col(column) if column in whole.columns else pl.lit(None)).cast(dtype).alias(column)
                for column, dtype in schema[name].items()
            ]
            whole.select(columns).write_parquet(path)
            n_rows += whole.height
        append_receipt(root / "state", _receipt(site, delivery, through, n_rows))


def _receipt(site: str, delivery: dt.date, through: dt.date, n_rows: int) -> Receipt:
    return Receipt(
        site_id=site,
        delivery=delivery.isoformat(),
        delivery_date=delivery,
        data_through_date=through,
        is_data_through_estimated=False,
        n_files=1,
        n_rows_landed=n_rows,
        n_rows_accepted=n_rows,
        n_rows_quarantined=0,
        content_fingerprint=f"{site} {delivery}",
        recipe_fingerprint=site,
        received_at=dt.datetime.combine(delivery, dt.time(12)),
        unmapped_columns="",
        gate=ACCEPTED,
        n_rows_unused=0,
    )
