"""Analyses as files: panels and models that are named instead of repeated, and every typo with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codebook.analysis import Analysis
from codebook.analysis_checks import Sent, check_analyses
from codebook.analysis_files import load_analyses
from codebook.declaration import DeclarationError, Problem, load
from codebook.library import load_instruments
from codebook.procedures import GroupComparison

ALLIANCE = """\
name: alliance
title: Alliance
panel:
  name: alliance_panel
  grain: one row per episode and WAI
  measures:
    task: {instruments: [wai_s, wai_sr], scale: task}
    bond: {instruments: [wai_s, wai_sr], scale: bond}
  discharge_at_months: 36
  covariates:
    poor_outcome:
      kind: final_score_below
      measure: {instruments: [gaf], scale: gaf_global, rater: clinician}
      below: 60
    paranoid_pd: {kind: attribute, attribute: paranoid_pd, is_value: "yes"}
    cell:
      kind: cells
      of: [poor_outcome, paranoid_pd]
      cells: {neither: [0, 0], poor: [1, 0], paranoid: [0, 1], both: [1, 1]}
      reference: neither
outcomes: {task: Task, bond: Bond}
models:
  - {name: growth, label: Growth, terms: [months]}
  - name: poor
    label: Poor outcome
    terms: [months, poor_outcome, "months:poor_outcome"]
    reference: growth
  - name: cell
    label: Cells
    terms: [months, cell, "months:cell"]
    contrasts:
      "poor, with against without": {"months:cell[both]": 1, "months:cell[poor]": -1}
procedures:
  - name: table
    kind: group_comparison
    title: Table
    group: poor_outcome
    labels: {0: Good, 1: Poor}
    variables: {paranoid_pd: {label: Paranoid}}
"""
ROOT = Path(__file__).parent.parent.parent
SHIPPED, PAGE = ROOT / "simulation" / "network" / "analyses", ROOT / "docs" / "folmo-2020.md"
SENT = Sent(
    load_instruments(), frozenset({"paranoid_pd", "mood_disorder"}), frozenset({"baseline", "m03", "discharge"})
)


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def read(tmp_path: Path, **files: str) -> tuple[dict[str, Analysis], list[Problem]]:
    problems: list[Problem] = []
    where = folder(tmp_path, **files)
    analyses = load_analyses(where, problems)
    return analyses, [*problems, *check_analyses(where, analyses, SENT)]


def test_a_panel_is_named_instead_of_repeated(tmp_path: Path) -> None:
    other = "name: other\ntitle: Other\npanel: alliance_panel\noutcomes: {task: Task}\n"
    other += "models: [{name: growth, label: Growth, terms: [months]}]\n"
    analyses, problems = read(tmp_path, alliance=ALLIANCE, other=other)
    assert problems == []
    assert analyses["other"].panel == analyses["alliance"].panel


def test_an_unknown_panel_has_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    other = "name: other\ntitle: Other\npanel: aliance_panel\noutcomes: {task: Task}\n"
    _, [problem] = read(tmp_path, alliance=ALLIANCE, other=other)
    assert str(problem) == (
        f"{tmp_path / 'other.yaml'}:3: panel: no analysis declares a panel called 'aliance_panel'; "
        "did you mean 'alliance_panel'?"
    )


def test_a_sensitivity_analysis_repeats_models_on_a_panel_like_another(tmp_path: Path) -> None:
    other = "name: other\ntitle: Other\nsensitivity_of: alliance\nestimation: REML\nmodels: [growth, poor]\npanel:\n"
    other += "  like: alliance_panel\n  name: actual\n  discharge_at_months: null\n"
    other += "  covariates: {cell: null, age: {kind: age}}\n"
    analyses, problems = read(tmp_path, alliance=ALLIANCE, other=other)
    assert problems == []
    base, repeated = analyses["alliance"], analyses["other"]
    assert repeated.models == base.models[:2] and repeated.outcomes == base.outcomes
    assert (base.estimation, repeated.estimation) == ("ML", "REML")
    assert repeated.procedures == () and repeated.sensitivity_of == "alliance"
    assert repeated.panel.discharge_at_months is None and base.panel.discharge_at_months == 36
    assert set(repeated.panel.covariates) == {"poor_outcome", "paranoid_pd", "age"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("sensitivity_of: aliance\n", 3, "no analysis is called 'aliance'; did you mean 'alliance'?"),
        ("sensitivity_of: other\n", 3, "'other' leads back to this analysis"),
        (
            "sensitivity_of: alliance\nmodels: [growth, pour]\n",
            4,
            "'pour' is no model of 'alliance'; did you mean 'poor'?",
        ),
        ("sensitivity_of: alliance\nmodels: [poor]\n", 4, "model 'poor' refers to 'growth', which is not declared"),
        ("sensitivity_of: alliance\npanel: {like: alliance_panel}\n", 4, "needs a name of its own"),
        (
            "sensitivity_of: alliance\npanel: {like: nothing, name: x}\n",
            4,
            "no analysis declares a panel called 'nothing'",
        ),
        ("sensitivity_of: alliance\npanel: {like: y, name: y2}\n", 4, "no analysis declares a panel called 'y'"),
    ],
)
def test_what_is_named_wrongly_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    _, problems = read(tmp_path, alliance=ALLIANCE, other=f"name: other\ntitle: Other\n{text}")
    assert problems[0].file.name == "other.yaml" and problems[0].line == line
    assert said in problems[0].message


def test_names_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    first = "name: first\ntitle: F\nsensitivity_of: second\n"
    second = "name: second\ntitle: S\nsensitivity_of: first\n"
    _, problems = read(tmp_path, first=first, second=second)
    assert ["leads back" in problem.message for problem in problems] == [True, True]
    panels = "outcomes: {task: T}\nmodels: [{name: g, label: G, terms: [months]}]\n"
    first = f"name: first\ntitle: F\npanel: {{like: two, name: one}}\n{panels}"
    second = f"name: second\ntitle: S\npanel: {{like: one, name: two}}\n{panels}"
    _, problems = read(tmp_path, first=first, second=second)
    assert ["leads back to this panel" in problem.message for problem in problems] == [True, True]


@pytest.mark.parametrize(
    ("right", "wrong", "at", "said"),
    [
        ("instruments: [gaf]", "instruments: [gfa]", "gfa", "no instrument 'gfa'; did you mean 'gaf'?"),
        ("scale: gaf_global", "scale: gaf_globl", "globl", "gaf has no scale 'gaf_globl'; did you mean 'gaf_global'?"),
        ("rater: clinician", "rater: patient", "rater: patient", "gaf is not answered by 'patient'"),
        ("attribute: paranoid_pd", "attribute: paranoid", "attribute: paranoid,", "did you mean 'paranoid_pd'?"),
        ("below: 60", "below: 60\n      occasion: discharg", "discharg\n", "did you mean 'discharge'?"),
        ("below: 60", "belowe: 60", "belowe", "unknown key"),
        ('is_value: "yes"', 'is_valu: "yes"', "is_valu:", "unknown key"),
        ("of: [poor_outcome, paranoid_pd]", "of: [poor_outcome, paranoid]", "of: [", "did you mean 'paranoid_pd'?"),
        ("both: [1, 1]", "both: [1]", "cells: {", "1 values for 2 columns; give one for each"),
        ("reference: neither", "reference: nether", "nether\n", "did you mean 'neither'?"),
        ("task: Task", "taks: Task", "outcomes:", "'taks' is not a measure of the panel; did you mean 'task'?"),
        ("reference: growth", "reference: grwth", "grwth", "did you mean 'growth'?"),
        ('[months, poor_outcome, "months', '[months, poor_outcom, "months', "poor_outcom,", "no such column"),
        ("group: poor_outcome", "group: poor", "- name: table", "procedure 'table' names poor"),
        ("labels: {0: Good, 1: Poor}", "labels: {0: Good}", "labels: {0", "name the groups that are compared"),
        ("kind: group_comparison", "kind: group_comparson", "name: table", "does not match any of the expected tags"),
        ('"months:cell[both]": 1', '"months:cell[bth]": 1', "bth", "'cell' has no cell 'bth'; did you mean 'both'?"),
        ('"months:cell[both]": 1', '"months:cell[neither]": 1', "neither]", "is the reference of 'cell'"),
        ('"months:cell[both]": 1', '"months:poor": 1', '"months:poor"', "model 'cell' has no term 'months:poor'"),
    ],
)
def test_a_typo_is_found_on_its_own_line(tmp_path: Path, right: str, wrong: str, at: str, said: str) -> None:
    assert right in ALLIANCE
    text = ALLIANCE.replace(right, wrong, 1)
    _, problems = read(tmp_path, alliance=text)
    line = text[: text.index(at)].count("\n") + 1
    found = [problem for problem in problems if said in problem.message]
    assert [problem.line for problem in found] == [line], [str(problem) for problem in problems]


def test_two_panels_of_one_name_are_refused(tmp_path: Path) -> None:
    other = ALLIANCE.replace("name: alliance\n", "name: other\n").replace("discharge_at_months: 36", "max_months: 12")
    _, [problem] = read(tmp_path, alliance=ALLIANCE, other=other)
    assert problem.file.name == "other.yaml" and problem.line == 3
    assert problem.message.startswith("'alliance' declares the panel 'alliance_panel' differently")


@pytest.mark.parametrize(
    ("covariate", "said"),
    [
        ({"kind": "attribute", "attribute": "a", "is_value": "yes", "below": 1}, "give one of the two"),
        ({"kind": "episode", "column": "arm", "below": 1}, "arm is no number"),
        ({"kind": "age", "reference": "wai_s"}, "age is a number"),
        ({"kind": "n_assessments", "centred_at": 3}, "only with kind age"),
        ({"kind": "cells", "of": ["b"], "cells": {"one": [1], "two": [1]}, "reference": "one"}, "the same values"),
    ],
)
def test_covariates_that_cannot_be_meant_are_refused(tmp_path: Path, covariate: dict[str, Any], said: str) -> None:
    text = yaml.safe_load(ALLIANCE)
    text["panel"]["covariates"] |= {"b": {"kind": "attribute", "attribute": "paranoid_pd"}, "c": covariate}
    path = tmp_path / "alliance.yaml"
    path.write_text(yaml.safe_dump(text), encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        load(path, Analysis)


PRINTED = {
    "patients_by_outcome": {"table_2", "treatment"},
    "outcomes": {"growth", "change", "overlap"},
    "gaf_predictors": {"age", "work_study_months", "paranoid_pd", "mood_disorder", "completed_as_planned"},
    "alliance": {
        *("growth", "poor_outcome", "age", "mood_disorder", "paranoid_pd", "outcome_by_paranoid"),
        *("good_alone", "poor_alone", "paranoid_in_good", "paranoid_in_poor", "figure_1", "figure_2"),
    },
    "alliance_robustness": {
        *("version", "poor_outcome_and_version", "n_assessments", "cells_and_n_assessments"),
        *("poor_outcome_wsas", "poor_outcome_bsi", "final_gaf"),
    },
    "alliance_time_coding": {"growth", "poor_outcome", "outcome_by_paranoid"},
    "assessments": {"counts"},
}
"""What a paper prints, by the demo's analyses: docs/folmo-2020.md says what each is."""


def test_the_demo_declares_every_table_of_the_paper() -> None:
    analyses = load_analyses(SHIPPED, [])
    page = PAGE.read_text(encoding="utf-8")
    for name, wanted in PRINTED.items():
        declared = {one.name for one in (*analyses[name].models, *analyses[name].procedures)}
        assert wanted <= declared, name
        assert f"`{name}`" in page
        assert not [one for one in wanted if name != "alliance_time_coding" and f"`{one}`" not in page], name
    [table] = [one for one in analyses["patients_by_outcome"].procedures if one.name == "table_2"]
    assert isinstance(table, GroupComparison) and len(table.variables) == 28
