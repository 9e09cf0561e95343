"""A sealed warehouse as a large network would have it, with the quality tables alone: made by SQL, in seconds.

What belongs here: units, deliveries, due points, findings and what is counted from them, so many that a page's size and
speed show. What does not: how they come about (`benchmarks.quality` builds such a network for real).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb

from codebook.declaration import load
from codebook.library import BUILT_IN_SCHEDULES, Library, load_instruments
from codebook.network import Network, NetworkFolder
from codebook.schedule import Schedule
from codebook.site import Site

TODAY = dt.date(2026, 11, 1)
FIRST = dt.date(2016, 1, 1)
KEPT_PERCENT = 54
"""Of the schedule's points so many fall within the course of treatment: about a million for 60,000 patients."""


def make_library(root: Path, n_sites: int) -> Library:
    """Declarations of `n_sites` units that deliver every 35 days."""
    sites = {}
    for number in range(n_sites):
        key = f"unit_{number:03d}"
        source = {"name": "wai", "file": "wai.csv", "identity": {"columns": ["pid"]}}
        forms = [{"instrument": "wai_sr", "version": "wai_sr_7", "items": "w{n}"}]
        sites[key] = Site.model_validate(
            {
                "site": key,
                "name": f"Unit {number:03d}",
                "contact": {"name": f"Contact of unit {number:03d} (made up)"},
                "format": {"reader": "delimited"},
                "delivery": {"mode": "snapshot", "cadence_days": 35},
                "mappings": [{"from_delivery": "2016-01-01", "sources": [source | {"assessments": forms}]}],
            }
        )
    schedule = load(BUILT_IN_SCHEDULES / "mbt.yaml", Schedule)
    network = Network.model_validate({"name": "large", "title": "Large network (synthetic data)", "is_synthetic": True})
    return Library(NetworkFolder(root), network, load_instruments(), sites, {schedule.name: schedule}, {})


def make_warehouse(path: Path, library: Library, n_patients: int) -> int:
    """Write the file; returns how many due points it holds."""
    schedule = next(iter(library.schedules.values()))
    points = [
        (occasion.key, place, due.instrument, int(occasion.months * 30.4), occasion.anchor == "discharge")
        for place, occasion in enumerate(schedule.occasions)
        for due in occasion.due
        if due.instrument != "wai_s"
    ]
    values = ", ".join(f"('{o}', {p}, '{i}', {d}, {str(e).lower()})" for o, p, i, d, e in points)
    n_sites, days = len(library.sites), (TODAY - FIRST).days
    with duckdb.connect(str(path), config={"threads": 2}) as connection:
        for name in ("quality", "harmonised"):
            connection.execute(f"create schema {name}")
        connection.execute(
            f"create table quality.expected_assessment as with point as (select "
            f"'d' || patient || '-' || occasion || '-' || instrument as due_point_id, 'e' || patient as episode_id, "
            f"'p' || patient as patient_id, 'unit_' || lpad(cast(patient % {n_sites} as varchar), 3, '0') as site_id, "
            "instrument, occasion, occasion_order, "
            f"date '{FIRST}' + cast(hash(patient) % {days} as integer) "
            "+ case when is_end then 900 else after_days end as due_date, "
            "hash(patient, occasion, instrument) % 1000 as luck "
            f"from range({n_patients}) as course(patient) "
            f"cross join (values {values}) as due(occasion, occasion_order, instrument, after_days, is_end) "
            f"where hash(patient, occasion, instrument, 7) % 100 < {KEPT_PERCENT}), judged as (select *, case "
            f"when due_date > date '{TODAY}' + 75 then 'upcoming' when due_date > date '{TODAY}' - 75 then 'open' "
            "when luck < 640 + 200 * (cast(substr(site_id, 6) as integer) % 7) / 7 then 'received_on_time' "
            f"when luck < 880 then 'received_late' when due_date > date '{TODAY}' - 165 then 'overdue' "
            "else 'missed' end as status from point) "
            "select *, cast(year(due_date) as varchar) || '-Q' || cast(quarter(due_date) as varchar) as due_quarter, "
            "status like 'received%' or status in ('overdue', 'missed') as is_counted, "
            "'patient' as rater, due_date - 75 as opens_date, due_date + 75 as closes_date, "
            "cast(null as varchar) as answer from judged"
        )
        counts = (
            "count(*) as n_expected, count(*) filter (status like 'received%') as n_received, "
            "count(*) filter (status like 'received%' and luck % 20 > 0) as n_scorable, "
            "10 * count(*) filter (status like 'received%') as n_items_expected, "
            "sum(case when status like 'received%' then 10 - cast(luck % 9 = 0 as integer) else 0 end) "
            "as n_items_answered from quality.expected_assessment where is_counted"
        )
        connection.execute(
            f"create table quality.completeness as select site_id, instrument, occasion, {counts} group by all"
        )
        connection.execute(
            "create table quality.completeness_quarter as "
            f"select site_id, instrument, occasion, due_quarter, {counts} group by all"
        )
        connection.execute(
            "create table quality.trend as select site_id, cast(date_trunc('month', due_date) as date) as month, "
            "count(*) filter (is_counted) as n_due, "
            "count(*) filter (is_counted and status like 'received%') as n_received, "
            "count(*) filter (status = 'received_on_time') as n_received_on_time, "
            "count(*) filter (status = 'overdue') as n_overdue, "
            "count(*) filter (status like 'received%') as n_assessments, 3 as n_findings_opened, "
            "2 as n_findings_closed, month(due_date) + 3 as n_findings_open "
            f"from quality.expected_assessment where due_date <= date '{TODAY}' group by all"
        )
        _small_tables(connection, n_sites)
        row = connection.execute("select count(*) from quality.expected_assessment").fetchone()
    return int(row[0]) if row else 0


def _small_tables(connection: duckdb.DuckDBPyConnection, n_sites: int) -> None:
    """Deliveries, findings, expectations and changes."""
    day = f"date '{TODAY}' - cast(30 * number + unit % 20 as integer)"
    site = "'unit_' || lpad(cast(unit as varchar), 3, '0') as site_id"
    connection.execute(
        f"create table quality.delivery as select {site}, "
        f"cast({day} as varchar) as delivery, "
        f"{day} as delivery_date, "
        f"{day} - 14 as data_through_date, false as is_data_through_estimated, "
        "3 as n_files, 9000 - 100 * number as n_rows_landed, 8990 - 100 * number as n_rows_accepted, "
        "10 as n_rows_quarantined, '' as unmapped_columns, timestamp '2026-11-01 04:00:00' as received_at, "
        "case when number = 0 and unit % 25 = 3 then 'held: 5200 of 9000 rows would be held back (at most 10% may be)' "
        f"else 'accepted' end as gate from range({n_sites}) as a(unit), range(24) as b(number)"
    )
    connection.execute(
        f"create table quality.finding as select 'f' || unit || '-' || number as finding_id, {site}, "
        "'wai_sr-range-' || lpad(cast(1 + number % 12 as varchar), 2, '0') as rule, 'conformance' as class, "
        "'void_value' as severity, 'wai_sr' as instrument, "
        "case when number % 3 = 0 then 'open' else 'resolved' end as status, "
        "'p' || unit as patient_id, 'item_01' as item, 'outside 1–7' as message, "
        "'wai.csv' as source_file, number as source_row, "
        "'a' || unit || '-' || number as assessment_id, number % 400 as age_days, "
        f"cast(date '{TODAY}' - cast(30 * (number % 24) + unit % 20 as integer) as varchar) as first_delivery "
        f"from range({n_sites}) as a(unit), range(500) as b(number)"
    )
    connection.execute(
        f"create table quality.expectation as select suite, instrument || '_' || suite as expectation, {site}, "
        "case when hash(unit, suite, instrument) % 40 = 0 then 'fail' else 'pass' end as status, 12 as n_failed, "
        "240 as n_checked, 0.5 as threshold, instrument, upper(instrument) || ': 12 of 240 are not as agreed (5 %; "
        "at most 2 %).' as message, cast(null as varchar) as scale, 0.6 as observed, cast(null as varchar) as waiver "
        f"from range({n_sites}) as a(unit), unnest(['ranges', 'versions', 'windows', 'uniqueness', 'completeness', "
        "'volume', 'drift']) as b(suite), unnest(['gaf', 'wsas', 'bsi_18', 'wai_sr']) as c(instrument)"
    )
    connection.execute(
        f"create table quality.change as select {site}, kind, instrument, label, 1 as n_new, 3 as n_persisting, "
        f"cast(unit % 3 as bigint) as n_resolved, 0 as n_lapsed, "
        f"false as is_first, date '{TODAY}' - 7 as from_as_of, date '{TODAY}' - 7 as from_today, "
        f"date '{TODAY}' as to_as_of, date '{TODAY}' as to_today from range({n_sites}) as a(unit), "
        "(values ('overdue', 'gaf', 'm09'), ('overdue', 'wsas', 'm15'), ('finding', 'wai_sr', 'wai_sr-range-05')) "
        "as b(kind, instrument, label)"
    )
