"""Findings from landing to worklist and back: catalogued, listed for the unit alone, answered, accepted, reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
from flows import Flow, concord

from assets.publishing.worklist_files import write_worklist
from checks.catalogue import catalogued
from codebook.library import load_library
from codebook.outgoing import CsvDialect


def test_what_was_found_is_what_the_catalogue_says(demo: Flow) -> None:
    found = demo.rows("select distinct rule, class, severity, message, remedy from quality.finding")
    assert len(found) > 15
    for code, kind, severity, message, remedy in found:
        rule = catalogued(str(code))
        assert (rule.kind, rule.severity, rule.remedy) == (kind, severity, remedy), code
        assert rule.says(str(message)), (code, message)


def worklist_of(root: Path, site: str) -> pl.DataFrame:
    text = (root / "published" / "sites" / site / "worklist.csv").read_text(encoding="utf-8-sig")
    return pl.read_csv(io.StringIO(text), infer_schema_length=0)


def test_each_unit_gets_its_own_open_findings(demo: Flow) -> None:
    open_ones = demo.rows("select site_id, finding_id from quality.finding where status in ('open', 'reopened')")
    for site in load_library(demo.root).sites:
        listed = worklist_of(demo.root, site)
        assert set(listed["finding_id"].drop_nulls()) == {finding for unit, finding in open_ones if unit == site}
        refs = {
            ref
            for file in (demo.root / "lake" / "local_ref" / f"site={site}").rglob("part.parquet")
            for ref in pl.read_parquet(file)["local_ref"]
        }
        named = {ref for ref in listed["local_ref"] if ref}
        assert named and named <= refs


def test_every_delivery_has_a_report_that_adds_up(demo: Flow) -> None:
    rows = demo.rows("select site_id, delivery, n_rows_quarantined from quality.delivery")
    for site, delivery, held in rows:
        stem = demo.root / "published" / "sites" / str(site) / "deliveries" / str(delivery)
        page = stem.with_suffix(".html").read_text(encoding="utf-8").replace("\u00a0", " ")
        assert f"{held} held back" in page if held else "All " in page
        with stem.with_suffix(".csv").open(encoding="utf-8-sig") as file:
            listed = {row["finding_id"] for row in csv.DictReader(file)} - {""}
        part = demo.root / "lake" / "accepted" / "finding" / f"site={site}" / f"delivery={delivery}" / "part.parquet"
        assert listed == set(pl.read_parquet(part)["finding_id"])


def statuses(root: Path) -> dict[str, str]:
    asked = concord("findings", "list", "--network", root, "--format", "csv", *(
        part for status in ("open", "answered", "accepted", "reopened") for part in ("--status", status)
    ))  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    return {row["finding_id"]: row["status"] for row in csv.DictReader(io.StringIO(asked.stdout))}


def test_answers_and_acceptances(demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    sent = worklist_of(root, "north")
    answered, accepted, untouched = sent["finding_id"].drop_nulls().to_list()[:3]
    back = sent.with_columns(
        pl.col("row", "days_open").cast(pl.Int64),
        pl.when(pl.col("finding_id") == answered).then(pl.lit("confirmed")).alias("answer"),
        pl.lit(None, dtype=pl.String).alias("comment"),
    )
    folder = root / "answers" / "north"
    folder.mkdir(parents=True)
    write_worklist(back, folder / "back", CsvDialect())
    (folder / "other.csv").write_text("finding_id,answer\nf-nobody,confirmed\n", encoding="utf-8")
    (folder / "back.csv").unlink()
    day = ("--until", "2017-06-30")
    done = concord("findings", "accept", accepted, "--reason", "known", "--by", "kn", *day, "--network", root)
    assert done.returncode == 0, done.stderr
    for wrong in (("--until", "2001-01-01"), ("--until", "soon")):
        refused = concord("findings", "accept", accepted, "--reason", "x", "--by", "kn", *wrong, "--network", root)
        assert refused.returncode == 2
    unknown = concord("findings", "accept", "f-nobody", "--reason", "x", "--by", "kn", *day, "--network", root)
    assert unknown.returncode == 2 and "f-nobody" in unknown.stderr

    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answers/north/other.csv: row 2 has a finding_id that is none of this unit's" in done.stdout
    now = statuses(root)
    assert (now[answered], now[accepted], now[untouched]) == ("answered", "accepted", "open")
    assert set(worklist_of(root, "north")["finding_id"]) == set(sent["finding_id"]) - {answered, accepted}

    reopened = concord("findings", "reopen", accepted, "--reason", "after all", "--by", "kn", "--network", root)
    assert reopened.returncode == 0, reopened.stderr
    (folder / "other.csv").write_text("finding_id,answer\n", encoding="utf-8")
    done = concord("run", "--network", root)
    assert done.returncode == 1
    assert "answers/north/other.csv has changed since it was taken" in done.stderr
    assert statuses(root)[accepted] == "reopened"
