"""Flags about a whole delivery, from the files a unit sends to the findings in the lake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tiny_network import FORMS, PATIENTS, TinyNetwork

DRIFT = ("coding-shift", "item-reversed", "dates-swapped")
N = 60


def patients(n: int = N) -> str:
    return PATIENTS + "".join(f"{i};Navn{i};K;1980;01.02.2013;;\n" for i in range(1, n + 1))


def forms(shift: int = 0, n: int = N, seed: int = 1, visit: str = "3") -> str:
    """WSAS (0–8) of `n` patients; every answer `shift` higher than it was ticked."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(4, 1.5, n)
    rows = []
    for number in range(n):
        ticked = np.clip(np.rint(trait[number] + rng.normal(0, 1.2, 5)), 0, 6).astype(int)
        answers = ";".join(str(answer + shift) for answer in ticked)
        rows.append(f"{number + 1};WSAS;{visit};{1 + number % 28:02d}.05.2013;{answers}\n")
    return FORMS + "".join(rows)


def found(network: TinyNetwork, delivery: str) -> list[tuple[str, str | None]]:
    rows = network.table("finding").filter(rule_in(network, delivery))
    return sorted(rows.select("rule", "item").rows())


def rule_in(network: TinyNetwork, delivery: str) -> list[bool]:
    frame = network.table("finding")
    keys = zip(frame["delivery"].cast(str), frame["rule"], strict=True)
    return [name.startswith(delivery) and rule in DRIFT for name, rule in keys]


def test_a_coding_that_moves_is_flagged_until_it_moves_back(tiny: TinyNetwork) -> None:
    for day, shift in (("2013-06-01", 0), ("2013-07-01", 2), ("2013-08-01", 2), ("2013-09-01", 0)):
        tiny.deliver(day, patients=patients(), forms=forms(shift))
    taken = tiny.take()
    assert [staged.receipt.gate for staged in taken] == ["accepted"] * 4
    assert found(tiny, "2013-06-01") == []
    assert found(tiny, "2013-07-01") == [("coding-shift", None)]
    assert found(tiny, "2013-08-01") == [("coding-shift", None)], "beside the last delivery that was in order"
    assert found(tiny, "2013-09-01") == []
    stored = tiny.table("wsas").filter(tiny.table("wsas")["delivery"].cast(str) == "2013-07-01")
    assert stored["item_01"].max() == 8, "flagged, not changed"


def test_an_increment_is_compared_with_what_came_before(make_network: Callable[..., TinyNetwork]) -> None:
    network = make_network("increment")
    network.deliver("2013-06-01", patients=patients(), forms=forms())
    network.deliver("2013-07-01", patients=patients(), forms=forms(2, seed=2, visit="S"))
    network.deliver("2013-08-01", patients=patients(), forms=forms(0, seed=3, visit="X"))
    assert all(staged.receipt.is_accepted for staged in network.take())
    assert found(network, "2013-07-01") == [("coding-shift", None)]
    assert found(network, "2013-08-01") == []


def test_taking_a_delivery_again_finds_the_same(tiny: TinyNetwork) -> None:
    tiny.deliver("2013-06-01", patients=patients(), forms=forms())
    tiny.deliver("2013-07-01", patients=patients(), forms=forms(2))
    tiny.take()
    before = tiny.table("finding").sort("finding_id")
    assert tiny.take() == []
    network_file = tiny.root / "network.yaml"
    network_file.write_text(network_file.read_text() + "plausible: {max_days_before_admission: 61}\n")
    assert len(tiny.take()) == 2
    assert tiny.table("finding").sort("finding_id").equals(before)
