"""The ledger of the fixture network: deliveries, due points, findings, expectations, and what is counted from them."""

from __future__ import annotations

import datetime as dt
import random

import polars as pl

from tests.publishing.small_library import SITES, schedule

TODAY = dt.date(2026, 11, 1)


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
            "assessment_id": f"a{number // 2:03d}" if instrument else None,
            "opened_date": dt.date.fromisoformat(first),
            "age_days": (TODAY - dt.date.fromisoformat(first)).days if status in ("open", "reopened") else 12,
            "message": f"SECRET-MESSAGE p{number:03d}",
        }
        for place, (key, rule, kind, severity, instrument, status, first, n) in enumerate(kinds)
        for number in range(n)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def expected() -> pl.DataFrame:
    """Due points; East has no baseline due. Each course of treatment began in one of the last 20 quarters."""
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
                    day = TODAY - dt.timedelta(days=30 * (number + 2) + 7 * place + int(occasion.months))
                    points.append((key, due.instrument, occasion.key, number, status, day))
        for number in range(place + 1):
            points.append((key, "gaf", "m27", 20 + number, "upcoming", TODAY + dt.timedelta(days=10 + 8 * number)))
            points.append((key, "gaf", "m27", 30 + number, "open", TODAY - dt.timedelta(days=number)))
    names = ["site_id", "instrument", "occasion", "number", "status", "due_date"]
    frame = pl.DataFrame(points, orient="row", schema=names)
    status, day = pl.col("status"), pl.col("due_date")
    place = pl.format("{}-{}-{}-{}", "site_id", "instrument", "occasion", "number")
    return frame.with_columns(
        ("d" + place).alias("due_point_id"),
        pl.format("e{}", pl.col("number").cast(pl.String).str.zfill(3)).alias("episode_id"),
        pl.format("p{}", pl.col("number").cast(pl.String).str.zfill(3)).alias("patient_id"),
        pl.format("{}-Q{}", day.dt.year(), day.dt.quarter()).alias("due_quarter"),
        pl.lit("patient").alias("rater"),
        (day - pl.duration(days=30)).alias("opens_date"),
        (day + pl.duration(days=60)).alias("closes_date"),
        pl.lit(None, pl.String).alias("answer"),
        (status.str.starts_with("received") | status.is_in(["overdue", "missed"])).alias("is_counted"),
    ).drop("number")


def completeness(points: pl.DataFrame, *more: str) -> pl.DataFrame:
    """Counted from the due points, by site, instrument, occasion and what else is named."""
    keys = ["site_id", "instrument", "occasion", *more]
    received = pl.col("status").str.starts_with("received")
    return (
        points.filter("is_counted")
        .group_by(keys)
        .agg(pl.len().cast(pl.Int64).alias("n_expected"), received.sum().cast(pl.Int64).alias("n_received"))
        .sort(keys)
        .with_columns(
            (pl.col("n_received") - 1).clip(0).alias("n_scorable"),
            (pl.col("n_received") * 12).alias("n_items_expected"),
            (pl.col("n_received") * 12 - 3).clip(0).alias("n_items_answered"),
        )
    )


def completeness_by_quarter(points: pl.DataFrame) -> pl.DataFrame:
    """The same for each quarter of the due dates."""
    return completeness(points, "due_quarter")


def trend(points: pl.DataFrame) -> pl.DataFrame:
    """By month of the due date; findings open rise by one a month."""
    counted, status = pl.col("is_counted"), pl.col("status")
    received = status.str.starts_with("received")
    frame = points.filter(pl.col("due_date") <= TODAY).group_by(
        "site_id", pl.col("due_date").dt.truncate("1mo").alias("month")
    )
    return (
        frame.agg(
            counted.sum().cast(pl.Int64).alias("n_due"),
            (counted & received).sum().cast(pl.Int64).alias("n_received"),
            (status == "received_on_time").sum().cast(pl.Int64).alias("n_received_on_time"),
            (status == "overdue").sum().cast(pl.Int64).alias("n_overdue"),
            received.sum().cast(pl.Int64).alias("n_assessments"),
        )
        .sort("site_id", "month")
        .with_columns(
            pl.lit(2, pl.Int64).alias("n_findings_opened"),
            pl.lit(1, pl.Int64).alias("n_findings_closed"),
            pl.int_range(pl.len(), dtype=pl.Int64).over("site_id").alias("n_findings_open"),
        )
    )


def change() -> pl.DataFrame:
    """Seven days: North has three more overdue and one resolved, West one given up; findings came and went."""
    rows = [
        ("north", "overdue", "gaf", "m09", 3, 2, 1),
        ("south", "overdue", "wai_sr", "m03", 2, 1, 0),
        ("west", "overdue", "wsas", "baseline", 0, 4, 3),
        ("north", "finding", "wai_sr", "wai_sr-range-05", 2, 1, 0),
        ("north", "finding", "gaf", "row-time-missing", 0, 5, 3),
        ("east", "finding", None, "termination_reason-code", 1, 1, 0),
    ]
    names = ["site_id", "kind", "instrument", "label", "n_new", "n_persisting", "n_resolved"]
    before = TODAY - dt.timedelta(days=7)
    return pl.DataFrame(rows, orient="row", schema=names).with_columns(
        (pl.col("site_id") == "west").cast(pl.Int64).alias("n_lapsed"),
        pl.lit(False).alias("is_first"),
        pl.lit(before).alias("from_as_of"),
        pl.lit(before).alias("from_today"),
        pl.lit(TODAY).alias("to_as_of"),
        pl.lit(TODAY).alias("to_today"),
    )


def coverage() -> pl.DataFrame:
    """North says whom it treated; in the second year nobody."""
    year = [(dt.date(2024, 1, 1), dt.date(2024, 12, 31), 40, 30), (dt.date(2025, 1, 1), dt.date(2025, 12, 31), 0, 0)]
    names = ["period_start", "period_end", "n_treated", "n_registered"]
    return pl.DataFrame(year, orient="row", schema=names).with_columns(pl.lit("north").alias("site_id"))


def expectations() -> pl.DataFrame:
    """Every status once or more."""
    rows = [
        ("completeness", "wai_sr_received_rate", "north", "pass", 0, 105, 0.5, 0.9),
        ("completeness", "wai_sr_received_rate", "south", "fail", 62, 105, 0.5, 0.41),
        ("completeness", "wai_sr_received_rate", "west", "not_applicable", 0, 0, 0.5, None),
        ("ranges", "wai_sr_out_of_range_rate", "north", "fail", 3, 1260, 0.0, 0.002),
        ("ranges", "wai_sr_out_of_range_rate", "east", "error", None, None, 0.0, None),
        ("volume", "gaf_volume_drop_rate", "east", "fail", 44, 120, 0.3, 0.37),
        ("drift", "gaf_total_scale_drift", "west", "fail", None, 60, 0.8, -1.1),
        ("drift", "gaf_function_scale_drift", "west", "fail", None, 58, 0.8, -0.94),
    ]
    names = ["suite", "expectation", "site_id", "status", "n_failed", "n_checked", "threshold", "observed"]
    told = {
        "ranges": "3 of 1260 answers lie outside their range.",
        "completeness": "WAI-SR: 43 of 105 expected assessments have come (41 %; at least 50 %).",
        "volume": "GAF: 44 of 120 assessments fewer than in the deliveries before.",
        "drift": "GAF, total: the scale lies 0.6 standard deviations lower than before.",
    }
    message = (
        pl.when(pl.col("status") == "error")
        .then(pl.lit("SECRET-ERROR p001"))
        .otherwise(pl.col("suite").replace_strict(told, return_dtype=pl.String))
    )
    waiver = pl.when(pl.col("suite") == "drift").then(pl.lit("a new form since May, Kim Example, until 2026-12-31"))
    frame = pl.DataFrame(rows, orient="row", schema=names)
    return frame.with_columns(
        message.alias("message"),
        pl.col("expectation").str.extract(r"^(wai_sr|gaf)").alias("instrument"),
        pl.when(pl.col("suite") == "drift").then(pl.lit("total")).alias("scale"),
        waiver.alias("waiver"),
    )
