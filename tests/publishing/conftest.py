"""A small sealed warehouse with plausible synthetic numbers: 60 patients, 4 units, results as the design names them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.publishing.publish import RunSummary, publish
from codebook.analysis import Analysis
from codebook.library import Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

TODAY = dt.date(2026, 11, 1)
RUN = RunSummary(as_of=TODAY, today=TODAY, code_version="0.1.0", n_sites=4, n_ingested=4, seconds={"publish": 1.0})
MONTHS = (3.0, 9.0, 15.0, 21.0, 27.0)
SUBSCALES = ("goal", "bond", "task")

ALLIANCE: dict[str, Any] = {
    "name": "alliance",
    "title": "Working alliance over treatment",
    "panel": {
        "name": "alliance_panel",
        "grain": "episode and alliance assessment",
        "measures": {key: {"instruments": ["wai_s", "wai_sr"], "scale": key} for key in SUBSCALES},
        "covariates": {
            "poor_outcome": {
                "kind": "final_score_below",
                "measure": {"instruments": ["gaf"], "scale": "total", "rater": "clinician"},
                "below": 60,
            },
            "age": {"kind": "age"},
        },
        "discharge_at_months": 36,
    },
    "outcomes": {"goal": "Goal", "bond": "Bond", "task": "Task"},
    "models": [
        {"name": "growth", "label": "Growth", "terms": ["months"]},
        {
            "name": "outcome",
            "label": "Poor outcome (GAF < 60)",
            "terms": ["months", "poor_outcome", "months:poor_outcome"],
            "reference": "growth",
        },
        {"name": "age", "label": "Age", "terms": ["months", "age", "months:age"], "reference": "growth"},
    ],
    "figure": {
        "group": "poor_outcome",
        "labels": {0: "Good outcome", 1: "Poor outcome"},
        "title": "Alliance by outcome at the end of treatment",
    },
}
OUTCOMES: dict[str, Any] = {
    "name": "outcomes",
    "title": "Outcomes over treatment",
    "panel": {
        "name": "outcome_panel",
        "grain": "episode and occasion",
        "measures": {
            "gaf": {"instruments": ["gaf"], "scale": "total", "rater": "clinician"},
            "wsas": {"instruments": ["wsas"], "scale": "total"},
        },
    },
    "outcomes": {"gaf": "GAF", "wsas": "WSAS"},
    "models": [{"name": "growth", "label": "Growth", "terms": ["months"]}],
}
TRIAL: dict[str, Any] = {
    "name": "trial",
    "title": "Two arms on one outcome",
    "panel": {
        "name": "trial_panel",
        "grain": "patient and assessment",
        "measures": {"wsas": {"instruments": ["wsas"], "scale": "total"}},
        "covariates": {
            "treated": {"kind": "episode", "column": "arm", "is_value": "btheb"},
            "age": {"kind": "age"},
        },
    },
    "outcomes": {"wsas": "WSAS"},
    "models": [
        {
            "name": "arms",
            "label": "Arms, adjusted for age",
            "terms": ["months", "treated", "age", "months:treated"],
            "random": "intercept",
        }
    ],
}
SITES = {
    "north": ("Northern Clinic", "snapshot", 35),
    "south": ("<script>alert(1)</script> South & Co", "snapshot", 35),
    "east": ("Eastern Day Unit", "increment", 35),
    "west": ("Western Outpatients", "frozen", None),
}


def schedule() -> Schedule:
    """Alliance from month 3, outcomes from the start; discharge with everything."""
    wai = [{"instrument": "wai_sr"}]
    rest = [{"instrument": "gaf", "rater": "clinician"}, {"instrument": "wsas"}]
    rows = [("baseline", "Baseline", "admission", 0.0, rest)]
    rows += [(f"m{m:02.0f}", f"Month {m:.0f}", "treatment_start", m, wai + rest) for m in MONTHS]
    rows += [("discharge", "Discharge", "discharge", 0.0, wai + rest)]
    return Schedule.model_validate(
        {
            "name": "mbt",
            "title": "MBT, 36 months",
            "valid_from": "2015-01-01",
            "occasions": [
                {
                    "key": key,
                    "label": label,
                    "anchor": anchor,
                    "months": months,
                    "before_days": 30,
                    "after_days": 60,
                    "due": due,
                }
                for key, label, anchor, months, due in rows
            ],
        }
    )


def site(key: str) -> Site:
    """A unit that sends WAI-SR with seven points, so that ranges in words have one version to come from."""
    name, mode, cadence = SITES[key]
    source = {
        "name": "wai",
        "file": "wai.csv",
        "identity": {"columns": ["pid"]},
        "assessments": [{"instrument": "wai_sr", "version": "wai_sr_7", "items": "w{n}"}],
    }
    return Site.model_validate(
        {
            "site": key,
            "name": name,
            "contact": {"name": "Kim Example"},
            "format": {"reader": "delimited"},
            "delivery": {"mode": mode, "cadence_days": cadence},
            "mappings": [{"from_delivery": "2026-01-01", "sources": [source]}],
        }
    )


def make_library(root: Path, *analyses: dict[str, Any], minimum: int = 5, has_schedule: bool = True) -> Library:
    """Declarations in memory, with the instruments of the codebook."""
    network = Network.model_validate(
        {
            "name": "test",
            "title": "Test Network",
            "is_synthetic": True,
            "privacy": {"minimum_cell_count": minimum},
        }
    )
    declared = [Analysis.model_validate(item) for item in analyses]
    return Library(
        NetworkFolder(root),
        network,
        load_instruments(),
        {key: site(key) for key in SITES},
        {"mbt": schedule()} if has_schedule else {},
        {item.name: item for item in declared},
    )


def alliance_panel(n_poor: int) -> pl.DataFrame:
    """60 patients, `n_poor` of them with poor outcome, five without a group; fewer and fewer later on."""
    draw = random.Random(7)
    rows = []
    for number in range(60):
        group = None if number >= 55 else int(number < n_poor)
        level = {key: draw.gauss(5, 0.7) for key in SUBSCALES}
        for position, month in enumerate((*MONTHS, 36.0)):
            if position and draw.random() < 0.12 * position:
                continue
            values = {
                key: round(level[key] + (0.025 - 0.03 * (group or 0)) * month + draw.gauss(0, 0.5), 3)
                for key in SUBSCALES
            }
            rows.append(
                {"patient_id": f"p{number:03d}", "episode_id": f"e{number:03d}", "site_id": list(SITES)[number % 4]}
                | {"months": month + draw.choice((0.0, 0.4, -0.3)) * (month < 36)}
                | values
                | {"poor_outcome": group, "age": draw.randint(19, 48)}
            )
    return pl.DataFrame(rows, schema_overrides={"poor_outcome": pl.Int32}, infer_schema_length=None)


def _estimate(
    analysis: str, outcome: str, model: str, term: str, value: float, error: float, p: float
) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "outcome": outcome,
        "model": model,
        "term": term,
        "estimate": value,
        "std_error": error,
        "df": 58.0,
        "statistic": value / error,
        "p_value": p,
        "ci_low": value - 2 * error,
        "ci_high": value + 2 * error,
        "method": "ML, Satterthwaite",
        "n_patients": 60 if model == "growth" else 55,
        "n_observations": 262 if model == "growth" else 240,
    }


def _fit(analysis: str, outcome: str, model: str, **changed: Any) -> dict[str, Any]:
    return {
        "analysis": analysis,
        "outcome": outcome,
        "model": model,
        "method": "ML",
        "log_likelihood": -320.5,
        "aic": 653.2,
        "reference_aic": None if model == "growth" else 668.9,
        "bic": 674.0,
        "is_converged": True,
        "is_singular": False,
        "var_intercept": 0.5,
        "var_slope": 0.0004,
        "cov_intercept_slope": 0.001,
        "var_residual": 0.25,
        "explained_intercept_pct": None if model == "growth" else 4.2,
        "explained_slope_pct": None if model == "growth" else 31.4,
        "reason": None,
    } | changed


def results() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Estimates and fits of the three analyses: one fit singular, one failed."""
    estimates, fits = [], []
    for place, outcome in enumerate(SUBSCALES):
        for model, pairs in (
            ("growth", {"intercept": (5.0 + place / 20, 0.1, 1e-9), "months": (0.019 + place / 500, 0.005, 1e-4)}),
            (
                "outcome",
                {
                    "intercept": (5.05, 0.12, 1e-9),
                    "months": (0.028, 0.006, 1e-5),
                    "poor_outcome": (-0.08, 0.17, 0.64),
                    "months:poor_outcome": (-0.018 - place / 200, 0.008, (0.03, 0.2, 0.0004)[place]),
                },
            ),
            (
                "age",
                {
                    "intercept": (5.0, 0.2, 1e-9),
                    "months": (0.02, 0.01, 0.04),
                    "age": (0.001, 0.01, 0.9),
                    "age:months": (0.0002, 0.0004, 0.6),
                },
            ),
        ):
            failed = model == "age" and outcome == "bond"
            fits.append(
                _fit(
                    "alliance",
                    outcome,
                    model,
                    is_singular=model == "outcome" and outcome == "bond",
                    reason="too few patients with an age" if failed else None,
                )
            )
            if not failed:
                estimates += [_estimate("alliance", outcome, model, term, *row) for term, row in pairs.items()]
    for outcome, level, slope in (("gaf", (49.0, 0.4), (0.4, 0.03)), ("wsas", (25.3, 0.6), (-0.3, 0.03))):
        fits.append(_fit("outcomes", outcome, "growth", aic=4532.0))
        estimates.append(_estimate("outcomes", outcome, "growth", "intercept", *level, 1e-9))
        estimates.append(_estimate("outcomes", outcome, "growth", "months", *slope, 1e-9))
    fits.append(_fit("trial", "wsas", "arms", var_slope=None))
    for term, row in {
        "intercept": (21.3, 1.1, 1e-9),
        "months": (-1.38, 0.17, 1e-9),
        "treated": (-3.2, 1.6, 0.048),
        "age": (0.02, 0.05, 0.7),
        "months:treated": (0.4, 0.24, 0.1),
    }.items():
        estimates.append(_estimate("trial", "wsas", "arms", term, *row))
    return pl.DataFrame(estimates), pl.DataFrame(fits, infer_schema_length=None)


def covariances(estimates: pl.DataFrame) -> pl.DataFrame:
    """Variances on the diagonal; intercept and slope, and their products with a group, vary against each other."""
    rows = []
    for (analysis, outcome, model), own in estimates.group_by("analysis", "outcome", "model", maintain_order=True):
        errors = dict(zip(own["term"], own["std_error"], strict=True))
        for term, error in errors.items():
            for other, other_error in errors.items():
                correlation = 1.0 if term == other else -0.4 if {"months", "intercept"} == {term, other} else 0.0
                rows.append((analysis, outcome, model, term, other, correlation * error * other_error))
    names = ["analysis", "outcome", "model", "term", "other_term", "covariance"]
    return pl.DataFrame(rows, orient="row", schema=names)


def deliveries() -> pl.DataFrame:
    """North is late, South's last is held, East is up to date, West delivered once."""
    rows = []
    for place, (key, months) in enumerate(
        {"north": range(1, 9), "south": range(1, 11), "east": range(4, 11), "west": (2,)}.items()
    ):
        for month in months:
            landed = 300 + 40 * month + 25 * place
            quarantined = 6 + (month * 5) % 9
            is_held = key == "south" and month == 10
            rows.append(
                {
                    "site_id": key,
                    "delivery": f"2026-{month:02d}-15",
                    "delivery_date": dt.date(2026, month, 15),
                    "data_through_date": dt.date(2026, month, 14 - place),
                    "is_data_through_estimated": key in {"east", "west"},
                    "n_files": 3,
                    "n_rows_landed": landed,
                    "n_rows_accepted": landed - quarantined,
                    "n_rows_quarantined": quarantined,
                    "content_fingerprint": "0" * 64,
                    "recipe_fingerprint": "1" * 64,
                    "received_at": dt.datetime(2026, month, 15, 4, 0),
                    "unmapped_columns": "comment_2, ny_kolonne" if key == "north" else "",
                    "gate": "held: 55 of 725 rows would be held back (at most 5% may be)" if is_held else "accepted",
                }
            )
    return pl.DataFrame(rows)


def findings() -> pl.DataFrame:
    """Findings of every class and several states."""
    kinds = (
        ("north", "wai_sr-range-05", "conformance", "void_value", "wai_sr", "open", "2026-08-15", 3),
        ("north", "wai_sr-range-05", "conformance", "void_value", "wai_sr", "resolved", "2026-03-15", 4),
        ("north", "date-implausible", "plausibility", "void_value", None, "open", "2026-05-15", 2),
        ("north", "row-time-missing", "completeness", "reject_row", "gaf", "open", "2026-08-15", 5),
        ("south", "gaf-code-01", "conformance", "void_value", "gaf", "reopened", "2026-09-15", 1),
        ("south", "text-identifier", "privacy", "void_value", None, "answered", "2026-04-15", 1),
        ("east", "assessment-corrected", "history", "flag", "wsas", "accepted", "2026-06-15", 7),
        ("east", "termination_reason-code", "conformance", "void_value", None, "open", "2026-10-15", 2),
    )
    rows = [
        {
            "finding_id": f"f{place}-{number}",
            "site_id": key,
            "patient_id": f"p{number:03d}",
            "episode_id": f"e{number:03d}",
            "instrument": instrument,
            "item": "item_05" if "range" in rule else None,
            "rule": rule,
            "class": kind,
            "severity": severity,
            "status": status,
            "first_delivery": first,
            "last_delivery": "2026-08-15",
            "source_file": "wai.csv",
            "source_row": number,
            "message": f"SECRET-MESSAGE p{number:03d}",
        }
        for place, (key, rule, kind, severity, instrument, status, first, n) in enumerate(kinds)
        for number in range(n)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def expected() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Due points, and completeness counted from them; East has no baseline due."""
    draw = random.Random(11)
    points = []
    for place, key in enumerate(SITES):
        for occasion in schedule().occasions:
            for due in occasion.due:
                if key == "east" and occasion.key == "baseline":
                    continue
                for number in range(15):
                    worse = 0.1 + 0.12 * place * (draw.random() < 0.8) + 0.004 * occasion.months
                    missing = draw.random() < worse
                    status = draw.choice(("overdue", "missed", "awaiting_delivery")) if missing else "received_on_time"
                    points.append((key, due.instrument, occasion.key, f"e{number:03d}", status))
    frame = pl.DataFrame(points, orient="row", schema=["site_id", "instrument", "occasion", "episode_id", "status"])
    received = pl.col("status") == "received_on_time"
    counted = (
        frame.group_by("site_id", "instrument", "occasion")
        .agg(pl.len().alias("n_expected"), received.sum().alias("n_received"))
        .sort("site_id", "instrument", "occasion")
        .with_columns(
            (pl.col("n_received").cast(pl.Int64) - 1).clip(0).alias("n_scorable"),
            (pl.col("n_received").cast(pl.Int64) * 12).alias("n_items_expected"),
            (pl.col("n_received").cast(pl.Int64) * 12 - 3).clip(0).alias("n_items_answered"),
        )
    )
    return frame, counted


def expectations() -> pl.DataFrame:
    """Every status once or more."""
    rows = [
        ("completeness", "received_rate", "north", "pass", 0, 105, 0.5),
        ("completeness", "received_rate", "south", "fail", 62, 105, 0.5),
        ("completeness", "received_rate", "west", "not_applicable", 0, 0, 0.5),
        ("ranges", "expect_item_values_in_range", "north", "fail", 3, 1260, 0.0),
        ("ranges", "expect_item_values_in_range", "east", "error", None, None, 0.0),
    ]
    names = ["suite", "expectation", "site_id", "status", "n_failed", "n_checked", "threshold"]
    told = {"fail": "3 of 1260 answers lie outside their range.", "error": "SECRET-ERROR p001"}
    message = pl.col("status").replace_strict(told, default=None, return_dtype=pl.String).alias("message")
    return pl.DataFrame(rows, orient="row", schema=names).with_columns(message)


def make_warehouse(path: Path, *, n_poor: int = 24, has_results: bool = True) -> Path:
    """Write the sealed file."""
    panel = alliance_panel(n_poor)
    estimates, fits = results()
    points, counted = expected()
    patients = panel.select("patient_id").unique(maintain_order=True)
    gaf = panel.select("patient_id", "episode_id", "site_id", "months", "age", pl.lit(50.0).alias("gaf")).with_columns(
        pl.lit(20.0).alias("wsas"), (pl.col("age") % 2).alias("treated")
    )
    assessment = panel.select("patient_id", "episode_id", "site_id", "months").with_columns(
        pl.lit("wai_sr").alias("instrument"), pl.lit("wai_sr_7").alias("version")
    )
    quarantine = pl.DataFrame(
        [("north", "2026-08-15", "row-time-missing", '{"name": "SECRET-ROW"}')] * 5
        + [("north", "2026-08-15", "row-duplicate", None)],
        orient="row",
        schema=["site_id", "delivery", "rule", "row_json"],
    )
    tables = {
        "harmonised.patient": patients,
        "harmonised.episode": panel.select("episode_id", "patient_id", "site_id").unique(maintain_order=True),
        "harmonised.assessment": assessment,
        "quality.delivery": deliveries(),
        "quality.finding": findings(),
        "quality.quarantine": quarantine,
        "quality.expected_assessment": points,
        "quality.completeness": counted,
        "quality.expectation": expectations(),
    }
    if has_results:
        tables |= {
            "analysis.alliance_panel": panel,
            "analysis.outcome_panel": gaf,
            "analysis.trial_panel": gaf,
            "results.estimate": estimates,
            "results.fit": fits,
            "results.fixed_covariance": covariances(estimates),
        }
    with duckdb.connect(str(path)) as connection:
        for schema_name in ("harmonised", "quality", "analysis", "results"):
            connection.execute(f"create schema {schema_name}")
        for name, frame in tables.items():
            connection.register("frame_in", frame)
            connection.execute(f"create table {name} as select * from frame_in")
            connection.unregister("frame_in")
    return path


@dataclass(frozen=True)
class Pages:
    """What a test gets: the published folder, and how to publish again elsewhere."""

    published: Path
    warehouse: Path
    library: Library


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """The fixture network, published once."""
    root = tmp_path_factory.mktemp("network")
    warehouse = make_warehouse(root / "warehouse.duckdb")
    library = make_library(root, ALLIANCE, OUTCOMES, TRIAL)
    publish(warehouse, library, root / "published", RUN)
    return Pages(root / "published", warehouse, library)


@pytest.fixture
def published_with(tmp_path: Path) -> Callable[..., Path]:
    """Publish a variant of the network: `n_poor`, `has_results`, analyses, `minimum`, `has_schedule`."""

    def make(*analyses: dict[str, Any], n_poor: int = 24, has_results: bool = True, **options: Any) -> Path:
        warehouse = make_warehouse(tmp_path / "warehouse.duckdb", n_poor=n_poor, has_results=has_results)
        publish(warehouse, make_library(tmp_path, *analyses, **options), tmp_path / "published", RUN)
        return tmp_path / "published"

    return make
