"""`concord expectations` on the demo network: one unit's suite, judged on demand from what is sealed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from flows import Flow
from typer.testing import CliRunner

from orchestration.cli import app

COLUMNS = "suite, expectation, site_id, status, n_failed, n_checked, threshold, measure, instrument, observed, message"
WAIVED = """
quality:
  waivers:
    - measure: volume_drop_rate
      sites: [east]
      instruments: [wai_s]
      threshold: 0.5
      reason: The archive is being scanned again
      owner: Kim Example
      until: 2017-01-08
"""


def asked(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["expectations", *arguments, "--network", str(root)])


def test_one_unit_is_judged_as_the_run_judged_it(demo: Flow) -> None:
    done = asked(demo.root, "east", "--format", "csv")
    assert done.exit_code == 0, done.stderr
    told = list(csv.DictReader(io.StringIO(done.stdout)))
    sealed = demo.rows(
        "select expectation, status, n_checked, message from quality.expectation where site_id = 'east' order by all"
    )
    assert sorted((row["expectation"], row["status"], int(row["n_checked"]), row["message"]) for row in told) == sealed
    assert set(COLUMNS.split(", ")) <= set(told[0])


def test_the_table_begins_with_what_is_not_met_and_ends_with_the_tally(demo: Flow) -> None:
    done = asked(demo.root, "east", "--suite", "volume")
    assert done.exit_code == 0, "what is not met blocks nothing"
    lines = done.stdout.splitlines()
    assert lines[2].startswith("not met")
    assert "of 50 assessments expected from the delivery before it" in lines[2]
    assert lines[-1] == "6 expectations: 1 not met, 0 could not be judged, 5 met, 0 n/a."
    only = json.loads(asked(demo.root, "south", "--status", "fail", "--suite", "drift", "--format", "json").stdout)
    assert {row["scale"] for row in only} == {"total", "raw_sum", "prorated_40"}


def test_a_waiver_counts_at_once_through_its_last_day(demo: Flow, copy_of: Callable[[Flow], Path]) -> None:
    root = copy_of(demo)
    declaration = root / "network.yaml"
    declaration.write_text(declaration.read_text(encoding="utf-8") + WAIVED, encoding="utf-8")
    arguments = ("east", "--suite", "volume", "--format", "json")
    [today] = [row for row in json.loads(asked(root, *arguments).stdout) if row["instrument"] == "wai_s"]
    assert (today["status"], today["threshold"]) == ("pass", 0.5)
    assert today["waiver"] == "The archive is being scanned again (Kim Example, until 2017-01-08)"
    after = json.loads(asked(root, *arguments, "--today", "2017-01-09").stdout)
    [tomorrow] = [row for row in after if row["instrument"] == "wai_s"]
    assert (tomorrow["status"], tomorrow["waiver"]) == ("fail", None)
    assert tomorrow["message"].endswith("its waiver ended on 2017-01-08).")
    declaration.write_text(declaration.read_text(encoding="utf-8").replace("owner: Kim Example", ""), encoding="utf-8")
    refused = asked(root, "east")
    assert refused.exit_code == 2
    assert "quality.waivers.0.owner: required, but not given" in refused.stderr


def test_what_does_not_exist_is_refused(demo: Flow, tmp_path: Path) -> None:
    for arguments, why in (
        (("nowhere",), "no unit is called nowhere; known: east"),
        (("east", "--suite", "taste"), "--suite taste: choose of ranges"),
        (("east", "--status", "good"), "--status good: choose of"),
        (("east", "--format", "xml"), "--format xml: choose of"),
        (("east", "--today", "soon"), "--today soon: not a day"),
    ):
        done = asked(demo.root, *arguments)
        assert done.exit_code == 2
        assert why in done.stderr
    unsealed = asked(demo.root, "east", "--as-of", "2016-12-15")
    assert unsealed.exit_code == 1
    assert "no warehouse was sealed yet" in unsealed.stderr
