"""What the declaration of a form can say: suffixes, codes, time, rater, status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mapping_sites import counts, network_of, one_file, rows_of, site_of
from tiny_network import TinyNetwork

Make = Callable[..., TinyNetwork]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(assessments: str, more: str = "") -> TinyNetwork:
        source = one_file(f"{more}assessments:\n" + assessments)
        return network_of(tmp_path / "network", {"unit": site_of(source)})

    return made


def take(tiny: TinyNetwork, data: str, name: str = "2014-01-01") -> tuple[int, int, int]:
    tiny.deliver(name, data=data)
    (staged,) = tiny.take()
    assert staged.receipt.gate == "accepted"
    return counts(staged)


FORM = '  - {instrument: wsas, version: wsas, items: "q{n}", occasion: {constant: m03}%s}\n'
HEADER = "nr;q1;q2;q3;q4;q5"

# --- suffixes -----------------------------------------------------------------------------------

WIDE = """\
  - instrument: wsas
    version: wsas
    items: "w{n}{suffix}"
    date: "day{suffix}"
    suffixes:
      "": {occasion: m03}
      _end: {occasion: discharge}
"""


def test_a_form_stands_in_the_row_once_per_suffix(make: Make) -> None:
    tiny = make(WIDE)
    header = "nr;day;w1;w2;w3;w4;w5;day_end;w1_end;w2_end;w3_end;w4_end;w5_end\n"
    assert take(tiny, header + "1;01.05.2013;1;2;3;4;5;01.09.2013;5;4;3;2;1\n2;01.05.2013;1;1;1;1;1;;;;;;\n") == (
        2,
        2,
        0,
    )
    assert rows_of(tiny.table("wsas").sort("occasion", descending=True), "source_row", "occasion", "item_01") == [
        (2, "m03", 1),
        (2, "discharge", 5),
        (3, "m03", 1),
    ]
    assert tiny.table("wsas")["assessment_id"].n_unique() == 3


def test_a_suffixed_column_that_is_not_there_holds_the_delivery(make: Make) -> None:
    tiny = make(WIDE)
    tiny.deliver(
        "2014-01-01", data="nr;day;w1;w2;w3;w4;w5;day_end;w1_end;w2_end;w3_end;w4_end\n1;;1;1;1;1;1;;1;1;1;1\n"
    )
    (staged,) = tiny.take()
    assert "names the column 'w5_end'" in staged.receipt.gate


def test_suffixes_of_months_alone_are_visits_of_their_own(make: Make) -> None:
    tiny = make(
        '  - {instrument: bdi_ii, version: bdi_ii, supplied_scores: {total: "bdi{suffix}"},\n'
        "     suffixes: {.pre: {months: 0}, .2m: {months: 2}, .8m: {months: 8}}}\n"
    )
    assert take(tiny, "nr;bdi.pre;bdi.2m;bdi.8m\n1;20;18,5;12\n2;30;999;\n") == (2, 2, 0)
    frame = tiny.table("bdi_ii").sort("source_row", "declared_months")
    assert frame.select("source_row", "declared_months", "supplied_total").rows() == [
        (2, 0.0, 20.0),
        (2, 2.0, 18.5),
        (2, 8.0, 12.0),
        (3, 0.0, 30.0),
    ]
    assert frame["assessment_id"].n_unique() == 4


def test_suffixes_number_repeats_of_one_occasion(make: Make) -> None:
    tiny = make(
        '  - {instrument: gaf, version: gaf_global, rater: clinician, items: {3: "gaf_{suffix}"},\n'
        "     suffixes: {a: {occasion: m03, sequence: 1}, b: {occasion: m03, sequence: 2}}}\n"
    )
    take(tiny, "nr;gaf_a;gaf_b\n1;50;60\n")
    assert tiny.table("gaf").sort("sequence").select("sequence", "item_03").rows() == [(1, 50), (2, 60)]


# --- codes --------------------------------------------------------------------------------------


def test_texts_become_answers_and_unknown_texts_findings(make: Make) -> None:
    tiny = make(
        FORM
        % (
            ', codes: {never: "0", seldom: "2", always: "8"}, item_codes: {2: {"yes": "8", "no": "0"}},'
            ' missing_codes: {"-": blank}, item_missing_codes: {3: {always: not asked}}'
        )
    )
    take(tiny, f"{HEADER}\n1;seldom;yes;always;-;3\n2;never;8;never;999;always\n")
    assert rows_of(tiny.table("wsas"), "item_01", "item_02", "item_03", "item_04", "item_05") == [
        (2, 8, None, None, None),
        (0, None, 0, None, 8),
    ]
    assert tiny.rules() == ["wsas-code-02", "wsas-code-05"], "with codes, a number that is none of them is unknown"
    missing = tiny.table("missing_answer").sort("source_row", "item")
    assert missing.select("source_row", "item", "missing_code").rows() == [(2, 3, "always"), (2, 4, "-"), (3, 4, "999")]


def test_a_missing_code_may_be_an_answer_of_the_instrument(make: Make) -> None:
    tiny = make(FORM % ', codes: {"1": "0", "2": "1", "3": "2"}, missing_codes: {"0": not answered}')
    take(tiny, f"{HEADER}\n1;0;1;2;3;1\n")
    assert rows_of(tiny.table("wsas"), "item_01", "item_02", "item_03", "item_04") == [(None, 0, 1, 2)]
    assert tiny.table("missing_answer").select("item", "missing_code").rows() == [(1, "0")]
    assert tiny.rules() == []


def test_a_code_of_the_form_outranks_the_missing_code_of_the_export(make: Make) -> None:
    tiny = make(FORM % ', item_codes: {1: {"999": "8"}}')
    take(tiny, f"{HEADER}\n1;999;1;1;1;999\n")
    assert rows_of(tiny.table("wsas"), "item_01", "item_05") == [(8, None)]


def test_a_form_of_nothing_but_missing_codes_is_not_there(make: Make) -> None:
    tiny = make(FORM % ', item_missing_codes: {1: {"7": refused}}')
    assert take(tiny, f"{HEADER}\n1;7;999;;;\n2;1;;;;\n") == (2, 2, 0)
    assert tiny.table("wsas")["source_row"].to_list() == [3]


# --- relative time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "text", "months"),
    [
        ("months", "6", 6.0),
        ("months", "-1,5", -1.5),
        ("years", "0,5", 6.0),
        ("days", "61", 61 / 30.4375),
        ("weeks", "4", 28 / 30.4375),
    ],
)
def test_relative_time_comes_in_a_unit(make: Make, unit: str, text: str, months: float) -> None:
    tiny = make(f'  - {{instrument: wsas, version: wsas, items: "q{{n}}", months: {{column: t, unit: {unit}}}}}\n')
    take(tiny, f"{HEADER};t\n1;1;2;3;4;5;{text}\n")
    assert tiny.table("wsas")["declared_months"].to_list() == [pytest.approx(months)]


def test_time_that_is_no_number_leaves_a_finding(make: Make) -> None:
    tiny = make(
        '  - {instrument: wsas, version: wsas, items: "q{n}", months: {column: t},\n'
        "     occasion: {column: v, codes: {'3': m03}}}\n"
    )
    data = f"{HEADER};t;v\n1;1;2;3;4;5;soon;3\n2;1;2;3;4;5;nan;3\n3;1;2;3;4;5;;\n4;1;2;3;4;5;6;\n4;1;2;3;4;5;12;\n"
    assert take(tiny, data) == (5, 4, 1)
    assert tiny.rules() == ["number-unreadable", "number-unreadable", "row-time-missing"]
    assert rows_of(tiny.table("wsas"), "source_row", "declared_months") == [(2, None), (3, None), (5, 6.0), (6, 12.0)]


# --- rater --------------------------------------------------------------------------------------

RATED = (
    "  - {instrument: gaf, version: gaf_global, items: {3: gaf}, occasion: {constant: m03},\n"
    "     rater: {column: by, codes: {B: clinician, O: observer}}}\n"
)


def test_two_raters_of_one_visit_are_two_assessments(make: Make) -> None:
    tiny = make(
        '  - {instrument: wai_s, version: wai_s_7, items: "q{n}", occasion: {constant: m03},\n'
        "     rater: {column: by, codes: {P: patient, T: therapist}}}\n"
    )
    header = "nr;by;" + ";".join(f"q{n}" for n in range(1, 13))
    answers = ";4;5;3;6;4;5;3;6;4;5;3;6"
    take(tiny, f"{header}\n1;P{answers}\n1;T{answers.replace('4', '7')}\n")
    assert tiny.rules() == []
    assert rows_of(tiny.table("wai_s"), "rater", "item_01") == [("patient", 4), ("therapist", 7)]


@pytest.mark.parametrize("by", ["", "X"])
def test_a_row_that_does_not_say_who_rated_is_held_back(make: Make, by: str) -> None:
    tiny = make(RATED)
    assert take(tiny, f"nr;gaf;by\n1;50;{by}\n2;50;B\n") == (2, 1, 1)
    assert tiny.rules() == ["row-rater-unknown"]


def test_a_form_without_rater_leaves_the_rest_of_its_row(make: Make) -> None:
    tiny = make(RATED + FORM % "")
    assert take(tiny, f"{HEADER};gaf;by\n1;1;2;3;4;5;50;X\n") == (1, 1, 0)
    assert tiny.rules() == ["rater-code"]
    assert (tiny.table("wsas").height, tiny.table("gaf").height) == (1, 0)


# --- status -------------------------------------------------------------------------------------


def test_a_form_says_itself_what_it_is(make: Make) -> None:
    tiny = make(FORM % ', status: {column: done, codes: {"0": incomplete, "2": complete, "": not_done, V: void}}')
    rows = ["1;1;2;3;4;5;2", "2;1;2;3;4;5;0", "3;0;0;0;0;0;", "4;1;2;3;4;5;V", "5;1;2;3;4;5;?"]
    assert take(tiny, f"{HEADER};done\n" + "\n".join(rows) + "\n") == (5, 5, 0)
    assert tiny.rules() == ["form-incomplete", "form-status-code", "form-void"]
    assert tiny.table("wsas").sort("source_row")["source_row"].to_list() == [2, 3, 6]
    findings = {
        rule: (row, severity)
        for rule, row, severity in tiny.table("finding").select("rule", "source_row", "severity").rows()
    }
    assert findings == {
        "form-incomplete": (3, "flag"),
        "form-void": (5, "void_value"),
        "form-status-code": (6, "void_value"),
    }


def test_a_blank_status_says_nothing_unless_it_is_declared(make: Make) -> None:
    tiny = make(FORM % ", status: {column: done}")
    take(tiny, f"{HEADER};done\n1;1;2;3;4;5;\n2;1;2;3;4;5;1\n")
    assert tiny.rules() == []
    assert tiny.table("wsas").height == 2


# --- rows with several forms (a form without time does not take its row with it) -----------------

TWO = (
    '  - {instrument: wsas, version: wsas, items: "q{n}", date: d1}\n'
    "  - {instrument: gaf, version: gaf_global, rater: clinician, items: {3: gaf}, date: d2}\n"
)


def test_a_form_without_time_leaves_the_rest_of_its_row(make: Make) -> None:
    tiny = make(TWO)
    assert take(tiny, f"{HEADER};d1;gaf;d2\n1;1;2;3;4;5;01.05.2013;50;\n") == (1, 1, 0)
    assert tiny.rules() == ["form-time-missing"]
    finding = tiny.table("finding").select("instrument", "severity", "assessment_id").row(0)
    assert finding == ("gaf", "void_value", None)
    assert (tiny.table("wsas").height, tiny.table("gaf").height) == (1, 0)


def test_a_row_of_which_nothing_remains_is_held_back(make: Make) -> None:
    tiny = make(TWO)
    assert take(tiny, f"{HEADER};d1;gaf;d2\n1;1;2;3;4;5;;50;\n2;1;2;3;4;5;01.05.2013;50;01.05.2013\n") == (2, 1, 1)
    assert tiny.rules() == ["row-time-missing"]


def test_each_unreadable_date_of_a_row_has_its_own_finding(make: Make) -> None:
    tiny = make(TWO, more="attributes: [{attribute: arm, column: arm}]\n")
    assert take(tiny, f"{HEADER};d1;gaf;d2;arm\n1;1;2;3;4;5;x;50;y;a\n") == (1, 1, 0)
    assert tiny.rules() == ["date-unreadable", "date-unreadable", "form-time-missing", "form-time-missing"]
    assert tiny.table("attribute").height == 1


def test_a_form_whose_version_nobody_can_tell_leaves_its_row(make: Make) -> None:
    tiny = make(
        '  - {instrument: wsas, version: wsas, items: "q{n}", date: d1}\n'
        "  - {instrument: gaf, version: gaf_global, rater: clinician, items: {3: gaf}, date: d2,\n"
        "     from_date: 2013-01-01}\n"
        "  - {instrument: gaf, version: gaf_split, rater: clinician, items: {1: gaf}, date: d2,\n"
        "     until_date: 2013-01-01}\n"
    )
    assert take(tiny, f"{HEADER};d1;gaf;d2\n1;1;2;3;4;5;01.05.2013;50;z\n") == (1, 1, 0)
    assert set(tiny.rules()) == {"date-unreadable", "form-version-unknown"}
    assert tiny.table("gaf").height == 0


# --- keys ---------------------------------------------------------------------------------------


def test_a_source_key_names_an_assessment_and_a_blank_one_does_not(make: Make) -> None:
    tiny = make(FORM.replace("constant: m03", "column: v") % ", source_key: key, date: d")
    header = f"{HEADER};v;key;d\n"
    take(tiny, header + "1;1;2;3;4;5;m03;k1;01.05.2013\n2;1;2;3;4;5;m03;;01.05.2013\n3;1;1;1;1;1;m03;;01.05.2013\n")
    assert tiny.rules() == []
    first = tiny.table("wsas")
    assert first["assessment_id"].n_unique() == 3
    take(tiny, header + "1;1;2;3;4;5;discharge;k1;01.05.2013\n", "2014-02-01")
    assert tiny.table("wsas")["assessment_id"].n_unique() == 3, "the key holds through a change of the occasion"


def test_a_sequence_is_a_whole_number(make: Make) -> None:
    tiny = make(FORM.replace("constant: m03", "constant: unscheduled") % ", sequence: rank")
    take(tiny, f"{HEADER};rank\n1;1;2;3;4;5;1\n1;5;4;3;2;1;2,0\n2;1;1;1;1;1;2,5\n")
    assert rows_of(tiny.table("wsas"), "sequence") == [(1,), (2,), (None,)]
    assert tiny.rules().count("number-unreadable") == 1
