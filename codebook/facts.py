"""Every single statement of an instrument in words, with how well it is known: what `show`, `docs` and exports tell.

What belongs here: the statements of one declaration, each once, and the words for ranges, items and scoring rules.
What does not: layout (terminal, Markdown, HTML), and any fact of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from codebook.instrument import Fact, Instrument, Scale, Status, Version
from codebook.psychometrics import norm_ids, reliability_ids

Kind = Literal[
    "key", "version", "reversal", "scale", "missing rule", "cut-off", "value set", "rescaling", "norm", "reliability"
]

STATUS_WORDS: dict[Status, str] = {"verified": "verified", "one_paper": "one paper", "unverified": "unverified"}
KEY_WORDS = {"public": "public", "licensed": "licensed", "unknown": "not published"}
AGGREGATE_WORDS = {"mean": "mean", "sum": "sum", "min": "smallest", "value_set": "index"}
OPERATOR_WORDS = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}

NO_LIMIT = 100_000
"""Counts without a known upper limit declare this maximum, or a multiple of it."""


@dataclass(frozen=True)
class Statement:
    """One thing that is said of an instrument; `of` names what it is about, empty where that is the whole form."""

    kind: Kind
    of: str
    text: str
    status: Status
    sources: tuple[str, ...] = ()
    note: str = ""
    key: str = ""
    """The key of the version or scale, as tables and declarations name it."""
    accepted_as: str | None = None
    """What a network writes under `accepted_unverified` to have it used."""


def statements(instrument: Instrument) -> tuple[Statement, ...]:
    """Everything that the declaration states with a status, each statement once, however many scales share it."""
    return (
        *_key(instrument),
        *(statement for version in instrument.versions for statement in _version(instrument, version)),
        *_reversal(instrument),
        *_scales(instrument),
        *_norms(instrument),
    )


def status_counts(instrument: Instrument) -> dict[Status, int]:
    """Number of statements by status; every status is there, with 0 where nothing has it."""
    found = Counter(statement.status for statement in statements(instrument))
    return {status: found[status] for status in STATUS_WORDS}


def number_text(value: float | None) -> str:
    """A number as people write it: no `.0`, a true minus sign, at most six digits after the point."""
    if value is None:
        return ""
    text = f"{value:.0f}" if value == int(value) else f"{value:.6f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def range_text(minimum: float, maximum: float) -> str:
    """`1–7`; with a minus sign, `−50 to 150`; where no upper limit is known, `0 or more`."""
    if maximum >= NO_LIMIT:
        return f"{number_text(minimum)} or more"
    dash = " to " if minimum < 0 else "–"
    return f"{number_text(minimum)}{dash}{number_text(maximum)}"


def items_text(items: Iterable[int]) -> str:
    """`1–4, 7`: runs of three or more are drawn together."""
    runs: list[list[int]] = []
    for item in items:
        if runs and item == runs[-1][-1] + 1:
            runs[-1].append(item)
        else:
            runs.append([item])
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)


def version_items(instrument: Instrument, version: Version) -> tuple[int, ...]:
    """Items of a version, in ascending order."""
    return tuple(sorted(version.items)) or tuple(range(1, instrument.n_items + 1))


def valid_codes(instrument: Instrument, version: Version, item: int) -> tuple[float, ...]:
    """Every answer that an item may hold, ascending, declared missing codes left out; unit: answer code."""
    minimum, maximum = version.item_range(item)
    count = round((maximum - minimum) / version.step)
    return tuple(minimum + place * version.step for place in range(count + 1))


def answers_text(version: Version) -> str:
    """The answers of a version: `0–3; items 16, 18: 0–6, scored 0, 1, 1, 2, 2, 3, 3`."""
    parts = [range_text(version.minimum, version.maximum)]
    if version.step != 1:
        parts[0] += f" in steps of {number_text(version.step)}"
    for exception in version.exceptions:
        text = f"{_items(exception.items)}: {range_text(exception.minimum, exception.maximum)}"
        if exception.recode:
            text += f", scored {', '.join(map(str, exception.recode))}"
        parts.append(text)
    return "; ".join(parts)


def rule_text(instrument: Instrument, scale: Scale) -> str:
    """How a scale is put together, in one line."""
    labels = {other.key: other.label for other in instrument.scales}
    if scale.aggregate == "ratio":
        numerator, denominator = labels[str(scale.numerator)], labels[str(scale.denominator)]
        return f"{_times(scale.factor)}({numerator}) / ({denominator})"
    if scale.aggregate == "linear":
        terms = [f"{_times(weight)}{labels[key]}" for key, weight in scale.terms.items()]
        return " + ".join([*([number_text(scale.constant)] if scale.constant else []), *terms])
    if not scale.items:
        return "items not declared here"
    items = _items(scale.items)
    reversed_here = [item for item in scale.items if item in instrument.reversed_items]
    if reversed_here:
        items += f", reversed {items_text(reversed_here)}"
    return f"{_aggregate_text(scale)} {items}" + "".join(
        f"; {gate.label} (item {gate.item}) at least {number_text(gate.minimum)}" for gate in scale.gates
    )


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{number_text(factor)} × "


def _aggregate_text(scale: Scale) -> str:
    threshold = number_text(scale.threshold)
    if scale.aggregate == "count_at_least":
        return f"number of answers of {threshold} or more in"
    if scale.aggregate == "diagnosis":
        return f"1 where at least {scale.needed} answers are {threshold} or more in"
    if scale.aggregate != "value_set" and len(scale.items) == 1:
        return "the answer to"
    return f"{AGGREGATE_WORDS[scale.aggregate]} of"


def _items(items: Sequence[int]) -> str:
    return f"item{'s' if len(items) > 1 else ''} {items_text(items)}"


def missing_text(scale: Scale) -> str:
    """What may be missing, in one line."""
    rule = scale.missing_rule
    if scale.aggregate in {"ratio", "linear"}:
        return "every scale that it is made of must have a score"
    if rule is None:
        return "every item must be answered" if scale.items else ""
    if rule.max_missing == 0:
        return "no item may be missing"
    only = f", only item {items_text(rule.only_items)}" if rule.only_items else ""
    then = {"person_mean": "person mean put in", "none": "score of the answered items"}[rule.prorate]
    return f"at most {rule.max_missing} of {len(scale.items) or 'its items'} missing{only}; {then}"


def _key(instrument: Instrument) -> list[Statement]:
    if instrument.key_access == "public":
        return []
    text = {
        "licensed": "The item key is licensed and not held here; the network supplies it",
        "unknown": "Nobody has published the item key",
    }[instrument.key_access]
    size = "" if instrument.n_items else "; the number of items is not known"
    return [Statement("key", "", text + size, "unverified")]


def _version(instrument: Instrument, version: Version) -> list[Statement]:
    n_items = len(version_items(instrument, version))
    size = f"{n_items} item{'s' if n_items > 1 else ''}, answers" if n_items else "Answers"
    text = f"{size} {answers_text(version)}"
    if version.reversed_in_export:
        text += f"; {_items(version.reversed_in_export)} already reversed in the export"
    found = [Statement("version", version.label, text, version.status, version.sources, key=version.key)]
    rescaling = version.rescaled_to
    if rescaling is not None:
        to = instrument.version(rescaling.version) if rescaling.version in _keys(instrument) else None
        text = f"Means are brought to {to.label if to else rescaling.version} by a linear map"
        found.append(_stated("rescaling", version.label, text, rescaling, rescaling.note, accepted_as=rescaling.name))
    return found


def _keys(instrument: Instrument) -> set[str]:
    return {version.key for version in instrument.versions}


def _reversal(instrument: Instrument) -> list[Statement]:
    if not instrument.reversed_items and instrument.reversed_status == "verified":
        return []
    items = instrument.reversed_items
    text = f"Reversed: {_items(items)}" if items else "Which items are reversed is not known"
    return [Statement("reversal", "", text, instrument.reversed_status)]


def _scales(instrument: Instrument) -> list[Statement]:
    found: list[Statement] = []
    for label, scales in _together(
        instrument, lambda scale: (rule_text(instrument, scale), scale.minimum, scale.maximum)
    ):
        first = scales[0]
        text = f"{rule_text(instrument, first)}; {range_text(first.minimum, first.maximum)}"
        found.append(_stated("scale", label, _upper(text), first, first.note, first.key))
        if first.values is not None:
            values = first.values
            text = f"Value set {values.name}: {number_text(values.constant)}, any item above its lowest level "
            text += f"{number_text(values.any_above_lowest)}, any at its highest {number_text(values.any_at_highest)}; "
            text += "; ".join(
                f"item {item} {' or '.join(map(number_text, terms))}" for item, terms in values.levels.items()
            )
            found.append(_stated("value set", label, text, values, ""))
    shared: dict[tuple[object, ...], list[str]] = {}
    stated: dict[tuple[object, ...], Statement] = {}
    for scale in instrument.scales:
        rule = scale.missing_rule
        if rule is not None:
            made = _stated("missing rule", "", _upper(missing_text(scale)), rule, rule.note, accepted_as=rule.name)
            _share(shared, stated, made, scale.label)
        for cutoff in scale.cutoffs:
            text = f"{cutoff.label}: {OPERATOR_WORDS[cutoff.operator]} {number_text(cutoff.value)}"
            if cutoff.versions:
                text += f" ({', '.join(instrument.version(key).label for key in cutoff.versions)})"
            _share(shared, stated, _stated("cut-off", "", _upper(text), cutoff, cutoff.note), scale.label)
    for identity, labels in shared.items():
        made = stated[identity]
        of = ", ".join(dict.fromkeys(labels))
        found.append(
            Statement(made.kind, of, made.text, made.status, made.sources, made.note, accepted_as=made.accepted_as)
        )
    return found


def _share(
    shared: dict[tuple[object, ...], list[str]],
    stated: dict[tuple[object, ...], Statement],
    made: Statement,
    label: str,
) -> None:
    identity = (made.kind, made.text, made.status, made.sources, made.note, made.accepted_as)
    stated[identity] = made
    shared.setdefault(identity, []).append(label)


def _together(instrument: Instrument, rule: Callable[[Scale], tuple[object, ...]]) -> list[tuple[str, list[Scale]]]:
    """Scales that two versions declare alike are one statement."""
    groups: dict[tuple[object, ...], list[Scale]] = {}
    for scale in instrument.scales:
        groups.setdefault((scale.key, scale.label, scale.status, scale.sources, *rule(scale)), []).append(scale)
    return [(scales[0].label, scales) for scales in groups.values()]


def _norms(instrument: Instrument) -> list[Statement]:
    labels = {scale.key: scale.label for scale in instrument.scales}
    found: list[Statement] = []
    for name, norm in norm_ids(instrument).items():
        numbers = [f"n = {norm.n}"] if norm.n is not None else []
        numbers += [f"mean {number_text(norm.mean)}"] if norm.mean is not None else []
        numbers += [f"SD {number_text(norm.sd)}"] if norm.sd is not None else []
        text = f"{norm.sample}: {', '.join(numbers)}" if numbers else norm.sample
        # named where it holds a number that a declared analysis can use
        key = name if norm.sd is not None and norm.mean is not None else ""
        found.append(_stated("norm", labels.get(norm.scale or "", ""), _upper(text), norm, norm.note, key, key or None))
    for name, known in reliability_ids(instrument).items():
        text = known.kind if known.value is None else f"{known.kind}: {number_text(known.value)}"
        key = name if known.value is not None else ""
        of = labels.get(known.scale or "", "")
        found.append(_stated("reliability", of, _upper(text), known, known.note, key, key or None))
    return found


def _stated(
    kind: Kind, of: str, text: str, fact: Fact, note: str, key: str = "", accepted_as: str | None = None
) -> Statement:
    return Statement(kind, of, text, fact.status, fact.sources, note, key, accepted_as)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
