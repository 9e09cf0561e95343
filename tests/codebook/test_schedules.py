"""What a schedule may say, which one a course follows, and what the shipped ones ask for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from codebook.declaration import DeclarationError, load
from codebook.library import BUILT_IN_SCHEDULES, load_library
from codebook.schedule import Schedule, days_of_months, succession, valid_at

PLAN = """\
name: plan
title: Plan
valid_from: 2020-01-01
due:
  - {instrument: wsas}
occasions:
  - {key: start, label: Start, anchor: admission, before_days: 7, after_days: 7}
  - key: mid
    label: Middle
    anchor: session_number
    session: 8
    nominal_months: 2
    before_days: 7
    after_days: 14
  - {key: end, label: End, anchor: discharge, before_days: 7, after_days: 7, despite: [withdrawal]}
  - key: later
    label: Later
    anchor: previous_assessment
    weeks: 6
    before_days: 7
    after_days: 7
  - {key: extra, label: Extra, kind: unscheduled}
"""


def plan(path: Path, old: str = "", new: str = "") -> Schedule:
    assert old in PLAN
    path.write_text(PLAN.replace(old, new, 1) if old else PLAN, encoding="utf-8")
    return load(path, Schedule)


def test_what_a_schedule_makes_of_its_declaration(tmp_path: Path) -> None:
    schedule = plan(tmp_path / "plan.yaml")
    start, mid, end, later, extra = schedule.occasions
    assert [occasion.due[0].instrument for occasion in (start, mid, end, later)] == ["wsas"] * 4
    assert extra.due == ()
    assert schedule.previous(later) is end
    assert [schedule.level(occasion) for occasion in schedule.occasions] == [0, 0, 0, 1, 0]
    assert schedule.root_anchor(later) == "discharge"
    assert (later.lag_days, mid.lag_days) == (42, 0)
    assert [schedule.nominal_months(o) for o in schedule.occasions] == [0, 2, None, None, None]
    assert schedule.ends_of(start) == {"discharge", "transfer", "death", "withdrawal"}
    assert schedule.ends_of(end) == {"transfer", "death"}
    assert schedule.ends_of(later) == {"transfer", "death", "withdrawal"}


def test_months_are_whole_days_and_a_half_counts_up() -> None:
    assert [days_of_months(n) for n in (1, 2, 3, 4, 6, 8, 12, 24)] == [30, 61, 91, 122, 183, 244, 365, 731]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    after_days: 14\n", "", 8, "after_days: required of an occasion that is due, but not given"),
        ("after_days: 14", "after_days: 14\n    after: 3", 15, "after: unknown key"),
        ("    session: 8\n", "", 8, "session and nominal_months: required with the anchor session_number"),
        ("anchor: session_number", "anchor: birth", 10, "Input should be 'admission'"),
        ("anchor: session_number", "anchor: admission", 8, "session: only with the anchor session_number"),
        ("weeks: 6", "weeks: 6\n    months: 1", 16, "months, weeks and days: give one of them"),
        ("weeks: 6", "weeks: 6\n    previous: never", 6, "later: previous: 'never' is no occasion above it"),
        ("key: mid", "key: start", 6, "start: two occasions have the same key"),
        ("kind: unscheduled", "kind: unscheduled, months: 3", 22, "nothing is due at an unscheduled occasion"),
        ("key: start", "key: Start", 7, "String should match pattern"),
        ("despite: [withdrawal]", "despite: [holiday]", 15, "Input should be 'discharge', 'transfer', 'death'"),
        ("{instrument: wsas}", "{instrument: wsas, from_date: 2020-02-01, until_date: 2020-01-01}", 5, "first day on"),
        ("due:\n  - {instrument: wsas}\n", "", 5, "due: required of an occasion that is due, but not given"),
        ("valid_from: 2020-01-01", "valid_from: soon", 3, "valid_from: Input should be a valid date"),
        (
            "valid_from: 2020-01-01",
            "valid_from: 2020-01-01\nends: {death: [gone], transfer: [gone]}",
            4,
            "'gone' cannot",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = tmp_path / "plan.yaml"
    with pytest.raises(DeclarationError) as caught:
        plan(path, old, new)
    told = [str(problem) for problem in caught.value.problems]
    assert any(text.startswith(f"{path}:{line}: ") and says in text for text in told), told


def network(root: Path, default: str, **schedules: str) -> Path:
    (root / "schedules").mkdir(parents=True)
    (root / "network.yaml").write_text(f"name: tiny\ntitle: Tiny\ndefault_schedule: {default}\n")
    for name, text in schedules.items():
        (root / "schedules" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return root


def successor(name: str, replaces: str, valid_from: str, instrument: str = "wsas", rater: str = "patient") -> str:
    return (
        f"name: {name}\ntitle: T\nvalid_from: {valid_from}\nreplaces: {replaces}\noccasions:\n"
        "  - key: start\n    label: S\n    anchor: admission\n    before_days: 1\n    after_days: 1\n"
        f"    due:\n      - instrument: {instrument}\n        rater: {rater}\n"
    )


def test_a_shipped_schedule_is_used_by_one_line(tmp_path: Path) -> None:
    library = load_library(network(tmp_path / "one", "mbt"))
    assert list(library.schedules) == ["mbt"]
    assert load_library(
        network(tmp_path / "none", "own", own=successor("own", "mbt", "2020-01-01"))
    ).schedules.keys() == {
        "own",
        "mbt",
    }
    own = load_library(network(tmp_path / "own", "mbt", mbt=PLAN.replace("name: plan", "name: mbt")))
    assert own.schedules["mbt"].title == "Plan"


def test_a_course_follows_what_is_valid_when_it_begins(tmp_path: Path) -> None:
    library = load_library(
        network(
            tmp_path,
            "second",
            plan=PLAN,
            second=successor("second", "plan", "2022-03-01"),
            third=successor("third", "second", "2024-01-01"),
        )
    )
    line = succession(library.schedules.values(), "second")
    assert [schedule.name for schedule in line] == ["plan", "second", "third"]
    days = ("2019-12-31", "2020-01-01", "2022-02-28", "2022-03-01", "2023-12-31", "2024-01-01")
    found = [valid_at(line, dt.date.fromisoformat(day)) for day in days]
    assert [schedule and schedule.name for schedule in found] == [None, "plan", "plan", "second", "second", "third"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (successor("later", "plam", "2022-01-01"), 4, "replaces: 'plam' is not in schedules/"),
        (successor("later", "plan", "2020-01-01"), 4, "replaces: 'plan' is valid from 2020-01-01, which is not before"),
        (successor("later", "plan", "2022-01-01", instrument="wsass"), 12, "start: no instrument 'wsass'"),
        (
            successor("later", "plan", "2022-01-01", rater="clinician"),
            13,
            "start: wsas is not answered by 'clinician'; it is by patient",
        ),
    ],
)
def test_what_needs_two_declarations_is_told_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    root = network(tmp_path, "plan", plan=PLAN, later=text)
    with pytest.raises(DeclarationError) as caught:
        load_library(root)
    assert f"{root / 'schedules' / 'later.yaml'}:{line}: {says}" in str(caught.value)


def test_only_one_schedule_can_replace_another(tmp_path: Path) -> None:
    texts = {name: successor(name, "plan", "2022-01-01") for name in ("blue", "red")}
    with pytest.raises(DeclarationError, match="'plan' is replaced by blue and by red; only one can"):
        load_library(network(tmp_path, "plan", plan=PLAN, **texts))


def test_the_shipped_schedules_are_those_of_their_sources() -> None:
    shipped = {path.stem: load(path, Schedule) for path in BUILT_IN_SCHEDULES.glob("*.yaml")}
    assert {name: schedule.name for name, schedule in shipped.items()} == {"mbt": "mbt", "group_16": "group_16"}
    mbt, group = shipped["mbt"], shipped["group_16"]
    # Folmo et al. 2020: GAF, WSAS and BSI from baseline, the alliance from month 3, then every sixth month within 36.
    months = [mbt.nominal_months(occasion) for occasion in mbt.occasions]
    assert months == [0, 3, 9, 15, 21, 27, 33, None]
    assert mbt.occasions[-1].anchor == "discharge"
    assert {due.instrument for due in mbt.occasions[0].due} == {"gaf", "wsas", "bsi_18"}
    for occasion in mbt.occasions[1:]:
        assert [due.instrument for due in occasion.due] == ["gaf", "wsas", "bsi_18", "wai_s", "wai_sr"]
        old, new = occasion.due[3:]
        assert old.until_date == new.from_date == dt.date(2012, 6, 1)
    assert [(o.key, o.anchor, o.session) for o in group.occasions] == [
        ("pre", "treatment_start", None),
        ("mid", "session_number", 8),
        ("post", "session_number", 16),
        ("follow_up", "previous_assessment", None),
        ("extra", None, None),
    ]
