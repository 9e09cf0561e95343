"""What a site's form has otherwise than the codebook: missing items, other ranges, other names, extra fields.

What belongs here: finding the form of an instrument in a dictionary, and comparing the two.
What does not: reading the dictionary (`redcap`), or printing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assets.ingestion.readers.redcap import DictionaryField, read_dictionary
from assets.publishing.codebook.forms import Form, FormItem, declared_form
from assets.publishing.codebook.redcap import as_form, numbered
from codebook.facts import items_text, number_text, range_text
from codebook.formats import RedcapFormat
from codebook.instrument import Instrument, Version

DifferenceKind = Literal["missing item", "other range", "other name", "extra field"]
CHANGES_ANSWERS: frozenset[DifferenceKind] = frozenset({"missing item", "other range"})


@dataclass(frozen=True)
class Difference:
    """One thing that the site's form has otherwise."""

    kind: DifferenceKind
    text: str


@dataclass(frozen=True)
class Comparison:
    """One form beside the version that it resembles most; `pattern` is its item columns as a mapping names them."""

    instrument: Instrument
    version: Version
    form: str
    differences: tuple[Difference, ...]
    pattern: str | None

    @property
    def changes_answers(self) -> bool:
        """True: answers of this form are not those of the codebook's; else a mapping is all that is needed."""
        return any(difference.kind in CHANGES_ANSWERS for difference in self.differences)


class NoFormError(Exception):
    """A form was asked for by name, and cannot be compared: one sentence, with what to do."""


def compare_dictionary(
    dictionary: Path,
    instruments: Mapping[str, Instrument],
    wanted: Iterable[str] = (),
    form: str | None = None,
) -> tuple[list[Comparison], tuple[str, ...]]:
    """Compare the forms of a REDCap data dictionary with the codebook.

    Args:
        dictionary: CSV file.
        instruments: by key.
        wanted: only these instruments; empty: every one that a form's name resembles.
        form: name of the form, where it resembles nothing; needs exactly one instrument in `wanted`.

    Returns:
        Comparisons in the order of the dictionary, and the names of the forms that resemble no instrument.

    Raises:
        NoFormError: an instrument or form that was asked for by name is not there.
        ReadError: the file is no data dictionary.
    """
    asked = tuple(wanted)
    _require(asked, instruments, form)
    fields = read_dictionary(dictionary, RedcapFormat(reader="redcap", dictionary=dictionary.name))
    by_form: dict[str, list[DictionaryField]] = {}
    for field in fields.values():
        by_form.setdefault(field.form, []).append(field)
    known = {key: instruments[key] for key in asked} if asked else dict(instruments)
    if form is not None:
        if form not in by_form:
            raise NoFormError(f"{dictionary.name} has no form '{form}'; it has {', '.join(by_form)}")
        return [_compare(known[asked[0]], form, by_form[form])], ()
    found: list[Comparison] = []
    unknown: list[str] = []
    for name, held in by_form.items():
        instrument = _resembled(name, held, known)
        if instrument is None:
            unknown.append(name)
        else:
            found.append(_compare(instrument, name, held))
    missed = [key for key in asked if key not in {comparison.instrument.key for comparison in found}]
    if missed:
        text = f"{dictionary.name}: no form resembles {', '.join(missed)}; say which one it is with --form"
        raise NoFormError(f"{text} ({', '.join(by_form)})")
    return found, tuple(unknown)


def _require(asked: tuple[str, ...], instruments: Mapping[str, Instrument], form: str | None) -> None:
    for key in asked:
        if key not in instruments:
            raise NoFormError(f"no instrument '{key}'; known: {', '.join(sorted(instruments))}")
    if form is not None and len(asked) != 1:
        raise NoFormError("--form needs exactly one --instrument: the one that the form holds")


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _resembled(form: str, fields: list[DictionaryField], instruments: Mapping[str, Instrument]) -> Instrument | None:
    """The instrument whose key, or that of a version, is the form's name or the stem of its items, or begins them."""
    stems = {re.sub(r"\d+$", "", field) for field in numbered(field.name for field in fields)}
    names = [_squeezed(form), *(_squeezed(stem) for stem in stems)]
    best: tuple[int, Instrument] | None = None
    for instrument in instruments.values():
        for key in (instrument.key, *(version.key for version in instrument.versions)):
            short = _squeezed(key)
            if any(name.startswith(short) for name in names) and (best is None or len(short) > best[0]):
                best = len(short), instrument
    return best[1] if best and best[1].n_items else None


def _compare(instrument: Instrument, name: str, fields: list[DictionaryField]) -> Comparison:
    """Beside the version with the same answers; where none has them, the one that the form is named after."""
    candidates: list[tuple[tuple[bool, int, bool], Comparison]] = []
    for version in instrument.versions:
        form = as_form(name, fields, _numbers(instrument, version, fields))
        differences = tuple(_differences(instrument, version, form))
        count = sum(difference.kind in CHANGES_ANSWERS for difference in differences)
        named = _squeezed(name).startswith(_squeezed(version.key)) and len(instrument.versions) > 1
        candidates.append(
            (
                (count > 0 and not named, count, not named),
                Comparison(instrument, version, name, differences, _pattern(form)),
            )
        )
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _numbers(instrument: Instrument, version: Version, fields: list[DictionaryField]) -> dict[str, int]:
    """Field → item number: behind the instrument's or the version's own key, else the longest numbered series."""
    for key in sorted({version.key, instrument.key}, key=len, reverse=True):
        stem = "_?".join(re.escape(part) for part in key.split("_"))
        pattern = re.compile(rf"^{stem}_?(?:item|i|q)?_?0*([1-9]\d*)$", re.IGNORECASE)
        found = {field.name: int(match[1]) for field in fields if (match := pattern.match(field.name))}
        if found:
            return found
    return numbered(field.name for field in fields)


def _differences(instrument: Instrument, version: Version, form: Form) -> Iterable[Difference]:
    declared = declared_form(instrument, version)
    found = {item.item: item for item in form.items}
    expected = {item.item: item for item in declared.items}
    missing = [item for item in expected if item not in found]
    if missing:
        yield Difference("missing item", f"item{'s' if len(missing) > 1 else ''} {items_text(missing)}")
    yield from _other_ranges(expected, found)
    shared = [item for item in expected if item in found]
    names = {item: found[item].field for item in shared if found[item].field != expected[item].field}
    if names:
        first = next(iter(names))
        more = f" … {names[max(names)]}" if len(names) > 1 else ""
        text = f"item{'s' if len(names) > 1 else ''} {items_text(names)}: {names[first]}{more}"
        yield Difference("other name", f"{text} instead of {expected[first].field}")
    for item in found.values():
        if item.item not in expected:
            yield Difference("extra field", f"{item.field} (there is no item {item.item})")
    for field in form.other_fields:
        if field not in declared.other_fields and field != "record_id":
            yield Difference("extra field", field)


def _other_ranges(expected: Mapping[int, FormItem], found: Mapping[int, FormItem]) -> Iterable[Difference]:
    """Items with one and the same other range are told together."""
    together: dict[tuple[str, str], list[int]] = {}
    for number, item in expected.items():
        if number in found and (told := _other_range(item, found[number])):
            together.setdefault(told, []).append(number)
    for (has, instead), items in together.items():
        yield Difference(
            "other range", f"item{'s' if len(items) > 1 else ''} {items_text(items)}: {has}, not {instead}"
        )


def _other_range(declared: FormItem, found: FormItem) -> tuple[str, str] | None:
    assert declared.minimum is not None and declared.maximum is not None
    instead = range_text(declared.minimum, declared.maximum)
    missing = {code for code, _ in declared.missing}
    if found.codes:
        extra = [code for code in found.codes if code not in missing]
        whole = declared.codes or tuple(code for code in extra if declared.minimum <= code <= declared.maximum)
        is_whole = bool(declared.codes) or len(extra) == declared.maximum - declared.minimum + 1
        if tuple(extra) == whole and is_whole:
            return None
        return f"choices {', '.join(number_text(code) for code in found.codes)}", instead
    if found.minimum is None and found.maximum is None:
        return "any text, nothing is checked" if found.step is None else "any number", instead
    if (found.minimum, found.maximum) == (declared.minimum, declared.maximum):
        return None
    low = "no lower limit" if found.minimum is None else f"from {number_text(found.minimum)}"
    high = "no upper limit" if found.maximum is None else f"to {number_text(found.maximum)}"
    return f"{low} {high}", instead


def _pattern(form: Form) -> str | None:
    """`phq9_{n}` or `wai_{n:02d}` where every item's field follows it; None where they do not."""
    if not form.items:
        return None
    first = form.items[0]
    for number, spelling in ((f"{first.item:02d}", "{n:02d}"), (str(first.item), "{n}")):
        pattern = first.field.removesuffix(number) + spelling
        if all(pattern.format(n=item.item) == item.field for item in form.items):
            return pattern
    return None
