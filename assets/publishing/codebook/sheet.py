"""One instrument as a sheet to read: headed sections of statements with numbered sources.

What belongs here: order, grouping and words. What does not: layout (terminal, Markdown, HTML), and the
statements themselves (`codebook.facts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from codebook.facts import KEY_WORDS, STATUS_WORDS, Kind, Statement, items_text, statements, status_counts
from codebook.instrument import Instrument

HEADINGS: dict[Kind, str] = {
    "key": "Item key",
    "version": "Versions",
    "reversal": "Reversed items",
    "scale": "Scales",
    "value set": "Value set",
    "missing rule": "Missing items",
    "rescaling": "Rescaling",
    "cut-off": "Cut-offs",
    "norm": "Norms",
    "reliability": "Reliability",
}
"""Order of the sections: what a score is made of, then what it means."""

DIRECTION_WORDS = {"higher_is_better": "higher is better", "higher_is_worse": "higher is worse"}


@dataclass(frozen=True)
class Line:
    """One statement; `sources` are numbers of the sheet's list, from 1."""

    key: str
    of: str
    text: str
    status: str
    note: str
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """Statements of one kind."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Sheet:
    """Everything that is known of one instrument. `facts` are term and words; `summary` is one sentence of numbers."""

    key: str
    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...]


def sheet(instrument: Instrument) -> Sheet:
    """The sheet of an instrument."""
    said = statements(instrument)
    numbers = {source: n for n, source in enumerate(dict.fromkeys(s for one in said for s in one.sources), start=1)}
    sections = [
        Section(heading, tuple(_line(one, numbers) for one in said if one.kind == kind))
        for kind, heading in HEADINGS.items()
        if any(one.kind == kind for one in said)
    ]
    return Sheet(
        instrument.key,
        instrument.name,
        summary(instrument),
        tuple(_facts(instrument)),
        tuple(sections),
        instrument.conflicts,
        instrument.notes,
        tuple(numbers),
    )


def summary(instrument: Instrument) -> str:
    """`15 facts: 10 verified, 2 from one paper, 3 unverified; 3 conflicts between sources.`"""
    counts = status_counts(instrument)
    n_facts, n_conflicts = sum(counts.values()), len(instrument.conflicts)
    conflicts = f"{n_conflicts or 'no'} conflict{'' if n_conflicts == 1 else 's'} between sources"
    return (
        f"{n_facts} fact{'' if n_facts == 1 else 's'}: {counts['verified']} verified, {counts['one_paper']} from one "
        f"paper, {counts['unverified']} unverified; {conflicts}."
    )


def status_text(statement: Statement) -> str:
    """The status in words; of an unverified rule also the name under which a network accepts it."""
    words = STATUS_WORDS[statement.status]
    if statement.status == "unverified" and statement.accepted_as:
        return f"{words}; used only where a network accepts {statement.accepted_as}"
    return words


def _line(statement: Statement, numbers: dict[str, int]) -> Line:
    sources = tuple(numbers[source] for source in statement.sources)
    return Line(statement.key, statement.of, statement.text, status_text(statement), statement.note, sources)


def _facts(instrument: Instrument) -> list[tuple[str, str]]:
    found = [
        ("key", instrument.key),
        ("family", instrument.family),
        ("items", str(instrument.n_items) if instrument.n_items else "number not known"),
        ("direction", DIRECTION_WORDS[instrument.direction]),
        ("answered or rated by", ", ".join(instrument.raters)),
        ("item key", KEY_WORDS[instrument.key_access]),
    ]
    measured = dict.fromkeys(scale.measures for scale in instrument.scales if scale.measures)
    optional = [
        ("measures", ", ".join(str(construct).replace("_", " ") for construct in measured)),
        ("missing codes", "; ".join(f"{code.code}: {code.label}" for code in instrument.missing_codes)),
        ("items about suicide or self-harm", items_text(instrument.sensitive_items)),
        ("items that are no questions", "; ".join(f"{n}: {label}" for n, label in instrument.item_labels.items())),
        (
            "items worded alike",
            "; ".join(f"{items_text(items)} in {key}" for key, items in instrument.identical_items.items()),
        ),
        ("used", "; ".join(_used(instrument))),
        ("languages", ", ".join(instrument.languages)),
        ("citation", instrument.citation.strip()),
        ("licence", instrument.licence.strip()),
    ]
    return found + [(term, words) for term, words in optional if words]


def _used(instrument: Instrument) -> list[str]:
    """When the field's first network used each version."""
    found = []
    for version in instrument.versions:
        limits = [f"from {version.valid_from}"] if version.valid_from else []
        limits += [f"until {version.valid_until}"] if version.valid_until else []
        if limits:
            found.append(f"{version.key} {' '.join(limits)}")
    return found
