"""Findings from landing to worklist and back: catalogued, listed for the unit alone, answered, accepted, reported."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from flows import Flow, concord, few_analyses

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


DUE_SQL = "select due_point_id, status, reason, answer from quality.expected_assessment"


@dataclass(frozen=True)
class Answered:
    """A demo whose units sent worklists back, before and after: north an XLSX, south a CSV as Excel saves it."""

    root: Path
    done: subprocess.CompletedProcess[str]
    sent: dict[str, pl.DataFrame]
    accepted: str
    given: dict[str, str]

    def listed(self, site: str, column: str) -> set[str]:
        return set(worklist_of(self.root, site)[column].drop_nulls())


@pytest.fixture(scope="module")
def answered(demo: Flow, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    root = tmp_path_factory.mktemp("answered") / "demo"
    shutil.copytree(demo.root, root, symlinks=True)
    few_analyses(root)
    sent = {site: worklist_of(root, site) for site in ("north", "south")}
    said = concord("worklist", "sent", *sent, "--network", root)
    assert said.returncode == 0 and f"{sent['south']['finding_id'].count()} findings" in said.stdout, said.stderr
    findings = {site: frame["finding_id"].drop_nulls().to_list() for site, frame in sent.items()}
    overdue = [due for due, days in sent["south"].select("due_point_id", "days_open").iter_rows() if due and days]
    accepted = findings["north"][1]
    given = {findings["north"][0]: "value right"}
    given |= dict(zip(findings["south"], ("corrected", "Value Right", "unobtainable", "in progress"), strict=False))
    given |= dict(zip(overdue, ("refused", "left", "not given", "unobtainable"), strict=True))
    filled = {
        site: frame.with_columns(
            pl.coalesce("due_point_id", "finding_id").replace_strict(given, default=None).alias("answer")
        )
        for site, frame in sent.items()
    }
    for site in sent:
        (root / "answers" / site).mkdir(parents=True)
    whole = filled["north"].with_columns(
        pl.col("row", "days_open").cast(pl.Int64), pl.col("^.*_date$").str.to_date(), pl.col("comment")
    )
    write_worklist(whole, root / "answers" / "north" / "back", CsvDialect())
    (root / "answers" / "north" / "back.csv").unlink()
    text = filled["south"].write_csv(separator=";", line_terminator="\r\n")
    (root / "answers" / "south" / "back.csv").write_bytes(text.encode("cp1252"))
    other = "finding_id,answer\nf-nobody,confirmed\n"
    (root / "answers" / "north" / "other.csv").write_text(other, encoding="utf-8")
    day = ("--until", "2017-06-30")
    done = concord("findings", "accept", accepted, "--reason", "known", "--by", "kn", *day, "--network", root)
    assert done.returncode == 0, done.stderr
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Answered(root, done, sent, accepted, given)


def test_a_worklist_sent_answered_and_put_back_closes_the_findings_that_it_answers(answered: Answered) -> None:
    now = statuses(answered.root)
    for site, frame in answered.sent.items():
        closed = {answered.accepted}
        for finding in frame["finding_id"].drop_nulls():
            answer = answered.given.get(finding)
            is_closed = answer is not None and answer != "in progress"
            if finding != answered.accepted:
                assert now[finding] == ("answered" if is_closed else "open"), finding
            closed |= {finding} if is_closed else set()
        assert answered.listed(site, "finding_id") == set(frame["finding_id"].drop_nulls()) - closed
    assert now[answered.accepted] == "accepted"
    assert "answers/north/other.csv: row 2 has a finding_id that is none of this unit's" in answered.done.stdout


def test_a_worklist_put_back_explains_what_was_due(demo: Flow, answered: Answered) -> None:
    before = {str(key): rest for key, *rest in demo.rows(DUE_SQL)}
    after = {str(key): rest for key, *rest in Flow(answered.root, answered.done).rows(DUE_SQL)}
    asked = answered.sent["south"]["due_point_id"].drop_nulls()
    explained = [due for due in asked if due in answered.given]
    assert len(explained) == 4 and {before[due][0] for due in explained} == {"overdue"}
    fates = {
        "refused": ["missed", "refused", "refused"],
        "left": ["not_expected", "left", "left"],
        "not given": ["not_expected", "not given", "not_given"],
        "unobtainable": ["missed", "unobtainable", "unobtainable"],
    }
    assert {due: after[due] for due in explained} == {due: fates[answered.given[due]] for due in explained}
    assert {due: fate for due, fate in after.items() if due not in explained} == {
        due: fate for due, fate in before.items() if due not in explained
    }
    assert answered.listed("south", "due_point_id") == set(asked) - set(explained)


def test_how_many_answers_came_back_is_told(answered: Answered) -> None:
    told = concord("worklist", "list", "--network", answered.root).stdout.splitlines()
    sizes = {site: frame.height for site, frame in answered.sent.items()}
    day = load_library(answered.root).network.today
    assert told == [
        "east: never sent",
        f"north: sent {day}, answers 1 of {sizes['north']}",
        f"south: sent {day}, answers 7 of {sizes['south']}",
        "west: never sent",
    ]


def test_only_a_known_finding_is_accepted_and_only_for_a_while(demo: Flow) -> None:
    finding = worklist_of(demo.root, "north")["finding_id"].drop_nulls()[0]
    for wrong in (("--until", "2001-01-01"), ("--until", "soon")):
        refused = concord("findings", "accept", finding, "--reason", "x", "--by", "kn", *wrong, "--network", demo.root)
        assert refused.returncode == 2
    day = ("--until", "2017-06-30")
    unknown = concord("findings", "accept", "f-nobody", "--reason", "x", "--by", "kn", *day, "--network", demo.root)
    assert unknown.returncode == 2 and "f-nobody" in unknown.stderr


def test_an_acceptance_is_taken_back_and_a_changed_answer_file_is_a_fault(
    answered: Answered, copy_of: Callable[[Flow], Path]
) -> None:
    root = copy_of(Flow(answered.root, answered.done))
    reopened = concord(
        "findings", "reopen", answered.accepted, "--reason", "after all", "--by", "kn", "--network", root
    )
    assert reopened.returncode == 0, reopened.stderr
    (root / "answers" / "north" / "other.csv").write_text("finding_id,answer\n", encoding="utf-8")
    done = concord("run", "--network", root)
    assert done.returncode == 1
    assert "answers/north/other.csv has changed since it was taken" in done.stderr
    assert statuses(root)[answered.accepted] == "reopened"
    shown = concord("alerts", "--network", root)
    assert "to the engineer  concord run: failed since" in shown.stdout
