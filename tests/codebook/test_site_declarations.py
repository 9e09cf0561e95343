"""What a site's declaration may not say: each problem with its file, line and key, before any file is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from codebook.declaration import DeclarationError
from codebook.library import load_library
from codebook.site import Mapping, Site

NETWORK = "name: tiny\ntitle: Tiny\n"
SCHEDULE = """
name: plan
title: Plan
valid_from: 2010-01-01
occasions:
  - {key: m03, label: Month 3, anchor: admission, months: 3, before_days: 40, after_days: 40, due: [{instrument: wsas}]}
"""
SITE = """\
site: unit
name: The unit
format: {reader: delimited}
parts: {column: centre, sites: {A: alpha, B: beta}}
mappings:
  - from_delivery: 2013-01-01
    date_format: "%d.%m.%Y"
    sources:
      - name: forms
        file: forms.csv
        identity: {columns: [nr]}
        local_ref: ref
        identifiers: [name]
        ignored: [ward]
        patient: {sex: {column: sex, codes: {F: female}}}
        episode: {is_completed_as_planned: {column: planned, codes: {J: "true"}}}
        consents: [{purpose: research, status: {column: c, codes: {J: given}}}]
        attributes: [{attribute: note, column: remark}]
        assessments:
          - instrument: wsas
            version: wsas
            rater: patient
            items: "q{n}{suffix}"
            codes: {never: "0"}
            item_codes: {2: {yes: "1"}}
            missing_codes: {"-": blank}
            suffixes: {_3: {occasion: m03}}
      - name: tests
        file: tests.csv
        identity: {columns: [nr]}
        key: [nr, visit]
        pivot: {rows: [nr, visit], names: test, values: result}
        assessments: [{instrument: wsas, version: wsas, items: "W{n}", occasion: {column: visit}}]
"""


def written(root: Path, site: str = SITE) -> Path:
    for folder in ("sites", "schedules"):
        (root / folder).mkdir()
    (root / "network.yaml").write_text(NETWORK)
    (root / "schedules" / "plan.yaml").write_text(SCHEDULE)
    (root / "sites" / "unit.yaml").write_text(site)
    return root


def test_the_declaration_that_the_tests_change_is_sound(tmp_path: Path) -> None:
    library = load_library(written(tmp_path))
    assert list(library.sites) == ["unit", "alpha", "beta"]
    assert library.sites["beta"].landing_name == "unit"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "version: wsas\n            rater",
            "version: wsas_2\n            rater",
            "source 'forms': wsas has no",
        ),
        (
            "- instrument: wsas",
            "- instrument: wsass",
            "source 'forms': no instrument 'wsass'; did you mean",
        ),
        ("rater: patient", "rater: clinician", "rater: source 'forms': wsas is not answered by 'clinician'"),
        ("rater: patient", "rater: {column: r, codes: {C: clinician}}", "is not answered by 'clinician'"),
        ('"q{n}{suffix}"', '"q{suffix}"', "is the same column for every item"),
        ('"q{n}{suffix}"', '"q{number}{suffix}"', "is no pattern"),
        ('"q{n}{suffix}"', '{1: "a{suffix}", 6: b}', "items: source 'forms': wsas has no item 6"),
        ('"q{n}{suffix}"', '{1: "a{suffix}", 2: "a{suffix}"}', "two items are read from the column 'a{suffix}'"),
        ('"q{n}{suffix}"', '"q{n}"', "no column holds {suffix}"),
        ("            suffixes: {_3: {occasion: m03}}\n", "            months: 3\n", "and no suffixes are declared"),
        ("{_3: {occasion: m03}}", "{_3: {occasion: m30}}", "no schedule has the occasion 'm30'; did you mean 'm03'?"),
        ("{_3: {occasion: m03}}", "{a: {occasion: m03}, b: {occasion: m03}}", "means the same as 'a'"),
        ("rater: patient", "source_key: id", "source_key: source 'forms': names one key for all suffixes"),
        ('{never: "0"}', '{never: "9"}', "'never' leads to '9', which is no answer from 0 to 8"),
        ('{never: "0"}', '{"-": "0"}', "'-' is an answer and a code for no answer at once"),
        ('{2: {yes: "1"}}', '{7: {yes: "1"}}', "item_codes: source 'forms': wsas has no item 7"),
        ('{2: {yes: "1"}}', "{2: {yes: x}}", "'yes' leads to 'x'"),
        ("rater: patient", "from_date: 2013-13-01", "from_date: source 'forms': '2013-13-01' is no date"),
        ("rater: patient", "{from_date: 2014-01-01, until_date: 2013-01-01}", None),
        ('items: "W{n}", occasion: {column: visit}', 'items: "W{n}"', "says no time"),
        ('items: "W{n}", ', "", "reads neither items nor supplied_scores"),
        ("F: female", "F: woman", "sex: leads to 'woman'; it must lead to female, male, other"),
        ('J: "true"', "J: yes", "is_completed_as_planned: leads to 'yes'"),
        ("J: given", "J: agreed", "status: leads to 'agreed'"),
        ("column: remark", "column: name", "'name' says who someone is (identifiers) and may not be stored"),
        (
            "[nr]}\n        local_ref: ref",
            "[nr], scope: network}\n        local_ref: nr",
            "'nr' names the patient beyond this unit",
        ),
        ("ignored: [ward]", "kept: [ref]", "'ref' says who someone is (local_ref)"),
        ("ignored: [ward]", "ignored: [ward]\n        kept: [ward]", "ignored: 'ward' is kept and ignored at once"),
        ("ignored: [ward]", "kept: [note]", "'note' is the name of an attribute as well"),
        ("identifiers: [name]", "identifiers: [centre]", "'centre' says whose row it is"),
        ("rows: [nr, visit]", "rows: [nr]", "'visit' (identity, key or local_ref) must be one of the columns"),
        ("rows: [nr, visit]", "rows: [nr, visit, test]", "'test' differs between the rows of one form"),
        ("values: result", "values: test", "cannot hold the names and the values at once"),
        ('"%d.%m.%Y"', '["%d.%m.%Y", "dd.mm.yyyy"]', "'dd.mm.yyyy' does not hold a whole date"),
        ("name: tests", "name: forms", "two sources are called 'forms'"),
        ("B: beta", "B: Beta", "'Beta' is no key of a site"),
        ("B: beta}", "B: beta}, names: {betta: B}", "'betta' is none of the units under sites; did you mean 'beta'?"),
        ("B: beta", "B: unit", "the unit 'unit' is declared twice"),
        ("site: unit\n", "site: unit\nschedule: pan\n", "schedule: 'pan' is not in schedules/"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str | None) -> None:
    if says is None:
        new, says = "from_date: 2014-01-01\n            until_date: 2013-01-01", "does not lie after from_date"
    assert old in SITE
    root = written(tmp_path, SITE.replace(old, new, 1))
    with pytest.raises(DeclarationError) as caught:
        load_library(root)
    (problem,) = caught.value.problems
    assert says in str(problem)
    if "declared twice" not in says:
        assert problem.line is not None


def test_a_problem_stands_on_its_own_line(tmp_path: Path) -> None:
    text = SITE.replace("rater: patient", "rater: clinician")
    root = written(tmp_path, text)
    with pytest.raises(DeclarationError) as caught:
        load_library(root)
    line = next(n for n, row in enumerate(text.splitlines(), start=1) if "clinician" in row)
    assert str(caught.value).startswith(f"{root / 'sites' / 'unit.yaml'}:{line}: rater: ")


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%F", "%m/%d/%y", "%Y-%m-%dT%H:%M:%S%.f", "%d %b %Y", "%Y%m%d"])
def test_forms_of_a_date(tmp_path: Path, form: str) -> None:
    load_library(written(tmp_path, SITE.replace("%d.%m.%Y", form)))


def test_a_suffix_is_filled_in_wherever_a_column_is_named() -> None:
    data = {
        "instrument": "wsas",
        "version": "wsas",
        "items": {1: "a{suffix}"},
        "supplied_scores": {"total": "sum{suffix}"},
        "date": "day{suffix}",
        "rater": {"column": "by{suffix}"},
        "status": {"column": "done{suffix}"},
        "source_key": "id{suffix}",
        "when": {"column": "has{suffix}", "values": ["1"]},
        "suffixes": {"_a": {"occasion": "m03", "sequence": 1}, "_b": {"months": 6}},
    }
    mapping = Mapping.model_validate(
        {
            "from_delivery": "2013-01-01",
            "sources": [{"name": "s", "file": "f", "identity": {"columns": ["nr"]}, "assessments": [data]}],
        }
    )
    first, second = mapping.sources[0].forms
    assert "{suffix}" not in first.model_dump_json() + second.model_dump_json()
    assert (first.items, first.date, first.when[0].column) == ({1: "a_a"}, "day_a", "has_a")
    assert first.occasion is not None
    assert (first.occasion.constant, first.sequence, first.months) == ("m03", 1, None)
    assert (second.occasion, second.months) == (None, 6.0)


def test_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    text = SITE.replace("column: planned", "column: on").replace("rows: [nr, visit]", "rows: [nr, visit, no]")
    text = text.replace("2013-01-01", '"2013-01-01"')
    site = load_library(written(tmp_path, text)).sites["unit"]
    assert isinstance(site, Site)
    (mapping,) = site.mappings
    assert mapping.from_delivery == "2013-01-01"
    planned = mapping.sources[0].episode
    assert planned is not None
    assert planned.is_completed_as_planned is not None
    assert planned.is_completed_as_planned.column == "on"
