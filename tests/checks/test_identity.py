"""Events about who is whom: what they come to, what is refused, and that the file only grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checks.identity import (
    Identities,
    IdentityError,
    append_event,
    identities,
    identity_file,
    merge,
    read_identities,
    split,
    split_patient,
    undo,
)

PATIENTS = ["p1", "p2", "p3", "p4"]
OWNERS = {"e1": "p1", "e2": "p1", "e3": "p2", "e4": "p3"}


def after(known: Identities, *steps: tuple[str, ...] | int) -> Identities:
    for step in steps:
        if isinstance(step, int):
            event = undo(known, step)
        elif step[0].startswith("p"):
            event = merge(known, step[0], step[1], PATIENTS)
        else:
            event = split(known, step, OWNERS)
        known = identities([*known.events, event])
    return known


def test_a_merge_moves_everything_and_an_undo_gives_it_back() -> None:
    known = after(Identities(), ("p1", "p2"), ("p1", "p3"))
    assert [known.patient(p) for p in PATIENTS] == ["p1", "p1", "p1", "p4"]
    assert after(known, 1, 2).frame().rows() == []
    assert after(known, 1, ("p2", "p4")).patient("p4") == "p2"


def test_a_course_that_was_split_off_can_be_given_to_somebody_else() -> None:
    known = after(Identities(), ("e1",))
    new = split_patient(known.events[0])
    assert new is not None and known.patient("p1", "e1") == new and known.patient("p1", "e2") == "p1"
    given = after(known, ("p3", new))
    assert given.patient("p1", "e1") == "p3"
    assert ("episode", "e1", "p3") in given.frame().rows()
    with pytest.raises(IdentityError, match="event 2 builds on event 1; undo 2 first"):
        undo(given, 1)
    assert after(given, 2, 1).frame().rows() == []


def test_the_patient_of_a_split_is_the_same_each_time() -> None:
    known = after(Identities(), ("e1",), 1, ("e1",))
    assert split_patient(known.events[0]) == split_patient(known.events[2])


@pytest.mark.parametrize(
    ("before", "step", "said"),
    [
        ((("p1", "p2"),), ("p2", "p1"), "p2 was merged into p1 by event 1"),
        ((("p1", "p2"),), ("p3", "p2"), "p2 was merged into p1 by event 1"),
        ((("p1", "p2"),), ("p3", "p1"), "merge p1 p3"),
        ((), ("p1", "p1"), "with itself"),
        ((), ("p1", "p9"), "no patient is called p9"),
        ((), ("e9",), "no course is called e9"),
        ((), ("e1", "e3"), "courses of several patients"),
        ((), ("e1", "e2"), "all courses of p1"),
        ((("e1",),), ("e1",), "split off already"),
        ((("p1", "p2"),), 7, "no merge and no split"),
        ((("p1", "p2"), 1), 1, "undone already"),
        ((("p1", "p2"), 1), 2, "no merge and no split"),
    ],
)
def test_what_cannot_be_is_refused(
    before: tuple[tuple[str, ...] | int, ...], step: tuple[str, ...] | int, said: str
) -> None:
    known = after(Identities(), *before)
    with pytest.raises(IdentityError, match=said):
        after(known, step)


def test_courses_of_one_person_after_a_merge_are_split_together() -> None:
    known = after(Identities(), ("p1", "p2"), ("e1", "e3"))
    assert known.patient("p2", "e3") == known.patient("p1", "e1") != "p1"
    assert known.patient("p1", "e2") == "p1"


def test_the_file_only_grows_and_a_line_cut_off_is_passed_over(tmp_path: Path) -> None:
    first = replace(merge(Identities(), "p1", "p2", PATIENTS), reason="same", by="me")
    append_event(tmp_path, first)
    start = identity_file(tmp_path).read_bytes()
    with identity_file(tmp_path).open("ab") as file:
        file.write(b'{"action": "mer')
    assert read_identities(tmp_path).events == (first,)
    append_event(tmp_path, replace(undo(read_identities(tmp_path), 1), reason="wrong", by="me"))
    assert identity_file(tmp_path).read_bytes().startswith(start)
    assert [event.number for event in read_identities(tmp_path).events] == [1, 2]
