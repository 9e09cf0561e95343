"""Words of the field for keys of the code: instruments, occasions, rules, states.

What belongs here: how a thing is called on a page. What does not: any range or item number; those come from the
codebook and the site's own declaration each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assets.publishing.formatting import NO_BREAK_SPACE, count, plural
from checks.catalogue import rule_of
from codebook.instrument import Instrument
from codebook.library import Library
from codebook.site import Site

_ITEM_RULE = re.compile(r"^(?P<instrument>[a-z][a-z0-9_]*)-(?P<kind>range|code)-(?P<item>\d+)$")
_FIELD_RULE = re.compile(r"^(?P<field>[a-z][a-z0-9_-]*)-(code|conflict)$")

CLASSES = {
    "conformance": "not as agreed",
    "completeness": "incomplete",
    "plausibility": "implausible",
    "privacy": "privacy",
    "history": "changed since",
}
"""Class of a finding → heading."""

SEVERITIES = {"reject_row": "row held back", "void_value": "value set to missing", "flag": "kept, marked"}
"""Severity of a finding → what became of it."""

FINDING_STATES = {
    "open": "open",
    "reopened": "open again",
    "answered": "answered by the unit",
    "resolved": "resolved",
    "accepted": "accepted as it is",
}
"""Status of a finding → word."""

EXPECTATION_STATES = {"pass": "pass", "fail": "fail", "not_applicable": "n/a", "error": "could not be checked"}
"""Status of an expectation → word."""

SUITES = {
    "ranges": "Answers within their range",
    "versions": "The version of its time",
    "windows": "Inside the window",
    "uniqueness": "Nothing twice",
    "completeness": "Completeness",
    "volume": "Volume of the last delivery",
    "drift": "Drift of a scale",
}
"""Suite of expectations → heading."""

DIRECTIONS = {"higher_is_better": "higher is better", "higher_is_worse": "higher is worse"}
"""Direction of an instrument → words."""


@dataclass(frozen=True)
class State:
    """How a unit stands; `shape` goes beside the word so that colour is never alone."""

    key: str
    word: str
    shape: str
    rank: int
    is_good: bool | None


STATES = {
    state.key: state
    for state in (
        State("none", "nothing delivered yet", "○", 0, False),
        State("held", "last delivery held back", "■", 1, False),
        State("late", "delivery is late", "▲", 2, False),
        State("unscheduled", "no rhythm agreed", "–", 3, None),
        State("current", "up to date", "●", 4, True),
        State("frozen", "complete", "●", 5, True),
    )
}
"""State of a unit, worst first by `rank`; `is_good` None: does not count for or against."""


def short_name(instrument: str) -> str:
    """`WAI-SR` for `wai_sr`."""
    return instrument.upper().replace("_", "-")


def instrument_title(library: Library, instrument: str) -> str:
    """Full name from the codebook; the short one where it is not known."""
    known = library.instruments.get(instrument)
    return known.name if known else short_name(instrument)


def site_name(library: Library, site: str) -> str:
    """Name that the unit's declaration gives; its key where there is none."""
    known = library.sites.get(site)
    return known.name if known else site


def scale_label(library: Library, instrument: str, scale: str) -> str:
    """Label of a scale from the codebook; its key where it is not known."""
    known = library.instruments.get(instrument)
    scales = known.scales if known else ()
    return next((item.label for item in scales if item.key == scale), scale)


@dataclass(frozen=True)
class OccasionWords:
    """An occasion as rows, headings and running text name it."""

    key: str
    label: str
    heading: str
    months: float
    order: int


def occasions(library: Library) -> dict[str, OccasionWords]:
    """Every declared occasion by key, in the order of time (discharge last); `heading` is months, or `end`."""
    found: dict[str, OccasionWords] = {}
    for schedule in library.schedules.values():
        for occasion in schedule.occasions:
            if occasion.kind == "unscheduled":
                continue
            is_end = schedule.root_anchor(occasion) == "discharge"
            months = occasion.lag_months if is_end else schedule.nominal_months(occasion) or 0
            heading = "end" if is_end and months == 0 else f"{'end+' if is_end else ''}{months:.3g}"
            months = 1000 + months if is_end else months
            found.setdefault(occasion.key, OccasionWords(occasion.key, occasion.label, heading, months, 0))
    ordered = sorted(found.values(), key=lambda item: (item.months, item.key))
    return {
        item.key: OccasionWords(item.key, item.label, item.heading, item.months, order)
        for order, item in enumerate(ordered)
    }


def at_occasion(label: str) -> str:
    """`at month 9`: the label as it stands inside a sentence (an abbreviation keeps its capitals)."""
    starts_word = len(label) > 1 and label[0].isupper() and label[1].islower()
    return f"at {label[0].lower() + label[1:] if starts_word else label}"


def rule_sentence(library: Library, site: str, rule: str, n: int) -> str:
    """What was found, in the field's words: `3 answers outside 1–7 (WAI-SR item 5)`."""
    item = _ITEM_RULE.match(rule)
    if item:
        where = f"({short_name(item['instrument'])} item {int(item['item'])})"
        if item["kind"] == "code":
            return f"{plural(n, 'answer')} with an unknown code {where}"
        bounds = _bounds(library, site, item["instrument"], int(item["item"]))
        return f"{plural(n, 'answer')} outside {bounds or 'the range'} {where}"
    known = rule_of(rule)
    if known is not None:
        named = _FIELD_RULE.match(rule) if known.is_family else None
        what = plural(n, known.one, known.many)
        return f"{what} in {re.sub('[-_]', ' ', named['field'])}" if named else what
    return f"{count(n)} × {rule.replace('-', ' ').replace('_', ' ')}"


def rule_words(library: Library, site: str, rule: str) -> str:
    """The sentence without a count, as a heading: `Answers outside 1–7 (WAI-SR item 5)`."""
    text = rule_sentence(library, site, rule, 2).removeprefix(f"2{NO_BREAK_SPACE}").removeprefix("2 × ")
    return text[:1].upper() + text[1:]


def suite_words(suite: str) -> str:
    """What a suite of expectations is about."""
    return SUITES.get(suite, expectation_words(suite))


def _bounds(library: Library, site: str, key: str, item: int) -> str:
    instrument = library.instruments.get(key)
    if instrument is None:
        return ""
    ranges = dict.fromkeys(
        instrument.version(version).item_range(item) for version in _versions(library.sites.get(site), instrument)
    )
    return " or ".join(f"{low}–{high}" for low, high in ranges)


def _versions(site: Site | None, instrument: Instrument) -> tuple[str, ...]:
    used = tuple(
        dict.fromkeys(
            form.version
            for mapping in (site.mappings if site else ())
            for source in mapping.sources
            for form in source.assessments
            if form.instrument == instrument.key
        )
    )
    return used or tuple(version.key for version in instrument.versions)


def gate_words(gate: str) -> str:
    """`accepted`, or the reason why a delivery was held back."""
    return gate.removeprefix("held:").strip() if gate.startswith("held") else gate


def expectation_words(expectation: str) -> str:
    """An expectation's name without the marks of code."""
    text = expectation.removeprefix("expect_").replace("_", " ").strip()
    return text[:1].upper() + text[1:]
