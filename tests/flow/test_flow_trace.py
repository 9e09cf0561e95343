"""The way back: a score with its receipt, an estimate with its deliveries, a finding with its row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flows import ROOT, Flow, concord

PRORATED_SQL = """
select assessment_id from harmonised.scale_score
where instrument = 'wai_s' and scale = 'goal' and is_prorated order by assessment_id limit 1
"""
ABSENT_SQL = """
select assessment_id from harmonised.scale_score
where instrument = 'wsas' and scale = 'total' and status = 'no_accepted_rule' order by assessment_id limit 1
"""


def test_a_prorated_score_says_which_items_and_by_which_rule(demo: Flow) -> None:
    ((assessment,),) = demo.rows(PRORATED_SQL)
    done = concord("trace", "--network", demo.root, assessment, "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    goal = next(score for score in told["scores"] if score["scale"] == "goal")
    assert goal["missing_rule"] == "wai_s-missing"
    assert len(goal["items_missing"]) == 1
    assert set(goal["items_used"]) | set(goal["items_missing"]) == {4, 6, 10, 11}
    assert set(goal["items_reversed"]) == {4, 10} & set(goal["items_used"])
    assert "prorated by wai_s-missing" in goal["sentence"]
    ((built_with,),) = demo.rows("select distinct rule_version from harmonised.scale where instrument = 'wai_s'")
    assert (goal["rule_version"], goal["is_rule_current"]) == (built_with, True)
    (place,) = told["assessment"]
    assert (demo.root / "landing" / place["site_id"] / place["delivery"] / place["source_file"].split("#")[0]).is_file()
    answers = {row["item"]: row["value"] for row in told["answers"]}
    used = [8 - answers[item] if item in goal["items_reversed"] else answers[item] for item in goal["items_used"]]
    assert abs(sum(used) / len(used) - goal["score"]) < 1e-9


def test_an_absent_score_says_why(demo: Flow) -> None:
    ((assessment,),) = demo.rows(ABSENT_SQL)
    done = concord("trace", "--network", demo.root, assessment)
    assert done.returncode == 0
    assert "no score, because items are missing, and no rule" in done.stdout


def test_a_receipt_keeps_to_the_rules_that_the_warehouse_was_built_with(
    demo: Flow, copy_of: Callable[[Flow], Path]
) -> None:
    root = copy_of(demo)
    own = (ROOT / "codebook" / "instruments" / "wai_s.yaml").read_text(encoding="utf-8")
    (root / "instruments").mkdir()
    (root / "instruments" / "wai_s.yaml").write_text(own.replace("[4, 6, 10, 11]", "[4, 6, 10]"), encoding="utf-8")
    ((assessment,),) = demo.rows(PRORATED_SQL)
    before = json.loads(concord("trace", "--network", demo.root, assessment, "--format", "json").stdout)["scores"]
    after = json.loads(concord("trace", "--network", root, assessment, "--format", "json").stdout)["scores"]
    assert [score["is_rule_current"] for score in after] == [False] * 4
    assert [{**score, "is_rule_current": True} for score in after] == before
    assert "the declaration was changed since" in concord("trace", "--network", root, assessment).stdout


def test_an_estimate_and_a_finding_lead_back(demo: Flow) -> None:
    estimate = concord("trace", "--network", demo.root, "alliance/task/poor_outcome/months:poor_outcome")
    assert estimate.returncode == 0
    assert "wai_syntetisk.csv" in estimate.stdout
    ((finding,),) = demo.rows("select finding_id from quality.finding where rule = 'wai_s-range-04' limit 1")
    told = concord("trace", "--network", demo.root, finding)
    assert "source_row" in told.stdout
    nothing = concord("trace", "--network", demo.root, "a0000")
    assert nothing.returncode == 1
    assert "nothing is called 'a0000'" in nothing.stderr
