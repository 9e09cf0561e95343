"""What the shipped instruments must be, and that they say what the facts file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from codebook.declaration import load
from codebook.instrument import Construct, Instrument
from codebook.library import BUILT_IN, accepted_rules, load_instruments, load_library

FIRST_SIX = ("wai_s", "wai_sr", "gaf", "wsas", "bsi_18", "bdi_ii")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("key", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_an_instrument_is_sound(key: str) -> None:
    instrument = load(BUILT_IN / f"{key}.yaml", Instrument)
    assert instrument.key == key
    for version in instrument.versions:
        scales = instrument.scales_of(version.key)
        assert scales or instrument.key_access == "unknown", f"{version.key} has no scale"
        assert sum(scale.is_primary for scale in scales) <= 1
        items = set(version.items) or set(range(1, instrument.n_items + 1))
        assert set(version.reversed_in_export) <= set(instrument.reversed_items)
        assert all(set(exception.items) <= items for exception in version.exceptions)
        for scale in scales:
            assert set(scale.items) <= items, f"{version.key}: {scale.key} needs an item that the version lacks"
            assert len(set(scale.items)) == len(scale.items)
            assert scale.minimum < scale.maximum
            assert scale.items or scale.source_scales() or instrument.key_access != "public", scale.key
            plain = {other.key for other in scales if not other.source_scales()}
            assert set(scale.source_scales()) <= plain, f"{scale.key} is made of scales that are not plain"
            assert {gate.item for gate in scale.gates} <= items
            assert set(scale.values.levels) == set(scale.items) if scale.values else True
            for cutoff in scale.cutoffs:
                assert scale.minimum <= cutoff.value <= scale.maximum
                assert not cutoff.versions or version.key in cutoff.versions
            if scale.missing_rule and scale.items:
                assert scale.missing_rule.max_missing < len(scale.items)
                assert set(scale.missing_rule.only_items) <= set(scale.items)
    for fact in (*instrument.norms, *instrument.reliability):
        assert fact.scale is None or fact.scale in instrument.scale_keys
    cutoffs = [cutoff for scale in instrument.scales for cutoff in scale.cutoffs]
    rules = [scale.missing_rule for scale in instrument.scales if scale.missing_rule]
    for fact in (
        *instrument.versions,
        *instrument.scales,
        *instrument.norms,
        *instrument.reliability,
        *cutoffs,
        *rules,
    ):
        assert fact.sources or fact.status == "unverified", f"a fact that is known has a source: {fact}"


@pytest.mark.parametrize("key", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_a_plain_scale_has_the_range_that_its_items_give(key: str) -> None:
    instrument = load(BUILT_IN / f"{key}.yaml", Instrument)
    for version in instrument.versions:
        for scale in instrument.scales_of(version.key):
            ranges = [version.item_range(item) for item in scale.items]
            lowest = [
                version.recode_of(i)[low] if version.recode_of(i) else low
                for i, (low, _) in zip(scale.items, ranges, strict=True)
            ]
            highest = [
                version.recode_of(i)[top] if version.recode_of(i) else top
                for i, (_, top) in zip(scale.items, ranges, strict=True)
            ]
            if not scale.items or scale.aggregate == "value_set":
                continue
            given = {
                "sum": (sum(lowest), sum(highest)),
                "mean": (min(lowest), max(highest)),
                "min": (min(lowest), max(highest)),
                "count_at_least": (0, len(scale.items)),
                "diagnosis": (0, 1),
            }[scale.aggregate]
            assert (scale.minimum, scale.maximum) == given, (version.key, scale.key)


@pytest.fixture(scope="module")
def instruments() -> dict[str, Instrument]:
    return load_instruments()


def test_proposed_missing_rules_are_off_until_accepted(instruments: dict[str, Instrument]) -> None:
    assert accepted_rules(instruments.values(), []) == {
        "wsas-retired",
        "core_10-missing",
        "ders-missing",
        "eq5d_3l-missing",
    }
    rules = [scale.missing_rule for i in instruments.values() for scale in i.scales if scale.missing_rule]
    assert {rule.name for rule in rules if rule.status == "unverified"} == {
        *(f"{key}-missing" for key in ("wai_s", "wai_sr", "bsi_18", "sipp_sf", "iip_64", "scl_90_r", "bis_11")),
        *(f"{key}-missing" for key in ("phq_9", "gad_7", "ces_d")),
        "wsas-prorated",
    }


def test_which_instruments_are_outcomes_and_which_items_are_kept(instruments: dict[str, Instrument]) -> None:
    assert {key for key, instrument in instruments.items() if not instrument.is_outcome} == {
        *("wai_s", "wai_sr", "scid_ii", "mini", "mbt_acs", "mbt_g_aqs", "qut_mit", "omi"),
    }
    assert {key: i.sensitive_items for key, i in instruments.items() if i.sensitive_items} == {
        "bsi_18": (17,),
        "bdi_ii": (9,),
        "phq_9": (9,),
        "core_10": (6,),
        "self_harm": (1, 2),
    }
    assert {key for key, instrument in instruments.items() if instrument.family == "wai"} == {"wai_s", "wai_sr"}


def test_alliance_forms_are_pooled_only_where_items_are_identical(instruments: dict[str, Instrument]) -> None:
    short, revised = instruments["wai_s"], instruments["wai_sr"]
    assert short.identical_items == {"wai_sr": (2, 3, 6, 7, 11, 12)}
    assert revised.identical_items == {"wai_s": (2, 3, 6, 7, 11, 12)}
    for one, two in zip(short.scales_of("wai_s_7"), revised.scales_of("wai_sr_7"), strict=True):
        if one.key != "total":
            assert len({*short.identical_items["wai_sr"]} & {*one.items} & {*two.items}) == 2, one.key
    assert {"patient", "therapist", "group"} <= {*short.raters} & {*revised.raters}


def test_only_the_five_point_alliance_is_rescaled_and_only_by_name(instruments: dict[str, Instrument]) -> None:
    rescaled = {v.key: v.rescaled_to for i in instruments.values() for v in i.versions if v.rescaled_to}
    assert list(rescaled) == ["wai_sr_5"]
    rescaling = rescaled["wai_sr_5"]
    assert rescaling is not None
    assert (rescaling.name, rescaling.version, rescaling.status) == ("wai_sr-rescale-5-to-7", "wai_sr_7", "unverified")


def test_a_network_may_accept_the_rescaling_by_its_name(tmp_path: Path) -> None:
    written(tmp_path / "network.yaml", "name: demo\ntitle: Demo\naccepted_unverified: [wai_sr-rescale-5-to-7]\n")
    assert "wai_sr-rescale-5-to-7" in load_library(tmp_path).accepted_rules()


def test_every_construct_of_the_field_is_measured(instruments: dict[str, Instrument]) -> None:
    measured = {scale.measures for instrument in instruments.values() for scale in instrument.scales}
    assert set(get_args(Construct)) <= measured
    for instrument in instruments.values():
        assert all(scale.measures for scale in instrument.scales if scale.is_primary), instrument.key


def test_no_licensed_or_unknown_key_is_held(instruments: dict[str, Instrument]) -> None:
    for key in ("sipp_sf", "mini", "qut_mit"):
        assert instruments[key].key_access != "public"
        assert not any(scale.items for scale in instruments[key].scales)
        assert not instruments[key].reversed_items


@pytest.fixture(scope="module")
def facts(shared: Path) -> dict[str, dict[str, Any]]:
    given = yaml.safe_load((shared / "facts" / "instruments.yaml").read_text("utf-8"))["instruments"]
    return {entry["key"]: entry for entry in given}


@pytest.mark.parametrize("key", FIRST_SIX)
def test_keys_and_ranges_are_the_given_ones(
    key: str, facts: dict[str, dict[str, Any]], instruments: dict[str, Instrument]
) -> None:
    given, ours = facts[key], instruments[key]
    for version in ours.versions:
        scales = {scale.key: list(scale.items) for scale in ours.scales_of(version.key)}
        if version.items != (3,):  # one global GAF rating has none of the given subscales
            assert given["subscales"].items() <= scales.items()
    assert len(ours.versions[0].items or range(ours.n_items)) == given["n_items"]


def test_every_given_instrument_is_declared(
    facts: dict[str, dict[str, Any]], instruments: dict[str, Instrument]
) -> None:
    assert set(facts) == set(instruments)
    for key, given in facts.items():
        ours = instruments[key]
        main = ours.versions[0]
        if given["item_min"] is not None:
            assert main.minimum == given["item_min"], key
        if given["item_max"] is not None:
            assert main.maximum == given["item_max"], key
        assert list(ours.reversed_items) == (given["reversed"] if isinstance(given["reversed"], list) else []), key
        if "higher" in (given["direction"] or "") and key != "omi":
            assert ("better" in given["direction"] or "ADAPTIVE" in given["direction"]) == (
                ours.direction == "higher_is_better"
            ), key
        if "missing_code" in given:
            assert [code.code for code in ours.missing_codes] == [given["missing_code"]]
        kept = given.get("suicidality_item") or given.get("risk_item")
        assert kept is None or list(ours.sensitive_items) == [kept]


@pytest.mark.parametrize("key", ["iip_64", "scl_90_r", "bis_11", "ders", "phq_9", "gad_7", "core_10", "ces_d", "omi"])
def test_later_keys_are_the_given_ones(
    key: str, facts: dict[str, dict[str, Any]], instruments: dict[str, Instrument]
) -> None:
    scales = {scale.key: list(scale.items) for scale in instruments[key].scales}
    for name, items in facts[key]["subscales"].items():
        assert scales[name.lower()] == items
    for name, items in facts[key].get("first_order", {}).items():
        assert scales["motor_first_order" if name == "motor" else name] == items


def test_other_given_facts_are_declared(facts: dict[str, dict[str, Any]], instruments: dict[str, Instrument]) -> None:
    scid = {scale.key: scale for scale in instruments["scid_ii"].scales}
    for name, given in facts["scid_ii"]["subscales"].items():
        count, diagnosis = scid[f"{name}_criteria"], scid[f"{name}_diagnosis"]
        assert len(count.items) == given["n_criteria"]
        assert (count.items, count.threshold) == (diagnosis.items, facts["scid_ii"]["met_at"])
        assert diagnosis.needed == given["threshold"]
        assert bool(diagnosis.gates) == (name == "antisocial")
    index = instruments["eq5d_3l"].scales[0].values
    assert index is not None
    given = facts["eq5d_3l"]["coefficients"]
    dimensions = dict(zip(("MO", "SC", "UA", "PD", "AD"), range(1, 6), strict=True))
    assert (index.constant, index.any_above_lowest, index.any_at_highest) == (
        given["full_health"],
        given["any_level_2_or_3"],
        given["any_level_3_N3"],
    )
    for name, item in dimensions.items():
        assert index.levels[item] == (given[f"{name}2"], given[f"{name}3"])
    mas = instruments["mas_a"].versions[0]
    assert [list(mas.item_range(item)) for item in range(1, 5)] == list(facts["mas_a"]["subscales"].values())
    assert mas.step == 0.5
    hamd = instruments["hamd_17"].versions[0]
    assert [item for item in range(1, 18) if hamd.item_range(item) == (0, 2)] == [4, 5, 6, 12, 13, 14, 16, 17]


def test_other_given_formats_are_declared(facts: dict[str, dict[str, Any]], instruments: dict[str, Instrument]) -> None:
    assert instruments["wai_sr"].version("wai_sr_5").maximum == facts["wai_sr"]["item_max_standard"]
    raw = instruments["bdi_ii"].version("bdi_ii_0_6")
    for item, scored in facts["bdi_ii"]["option_items"].items():
        assert raw.recode_of(int(item)) == dict(enumerate(scored))
    assert raw.recode_of(15) == {}
    assert raw.item_range(16) == (0, 6)
    assert raw.item_range(15) == (0, 3)
    assert raw.scale_points == 4
