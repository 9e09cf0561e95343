"""What the declaration of one form may not say: items, codes, raters and times against the instrument.

What belongs here: checks of one entry under `assessments`. What does not: the rest of a site (`codebook.site_checks`).
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping, Set

from codebook.declaration import Location
from codebook.instrument import Instrument, Version
from codebook.site_forms import SUFFIX, AssessmentMapping, FieldMapping

Found = tuple[Location, str]
"""Where it stands, and what is wrong with it."""


def check_form(form: AssessmentMapping, instruments: Mapping[str, Instrument], occasions: Set[str]) -> Iterator[Found]:
    """Everything that is wrong with one form. `occasions`: those of the network's schedules; empty: it has none."""
    instrument = instruments.get(form.instrument)
    if instrument is None:
        yield ("instrument",), f"no instrument '{form.instrument}'{_hint(form.instrument, instruments)}"
        return
    try:
        version = instrument.version(form.version)
    except KeyError as error:
        yield ("version",), str(error.args[0])
        return
    for scale in sorted(set(form.supplied_scores) - set(instrument.scale_keys)):
        yield ("supplied_scores",), f"{form.instrument} has no scale {scale}{_hint(scale, instrument.scale_keys)}"
    if form.items is None and not form.supplied_scores:
        yield (), "reads neither items nor supplied_scores"
    yield from _check_rater(form, instrument)
    yield from _check_items(form, instrument, version)
    yield from _check_codes(form, instrument, version)
    yield from _check_time(form, occasions)
    yield from _check_suffixes(form)


def _hint(text: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(text, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(names)}"


def _check_rater(form: AssessmentMapping, instrument: Instrument) -> Iterator[Found]:
    if isinstance(form.rater, FieldMapping):
        raters = {form.rater.constant, *form.rater.codes.values()} - {None}
    else:
        raters = {form.rater}
    for rater in sorted(str(rater) for rater in raters - set(instrument.raters)):
        known = ", ".join(instrument.raters)
        yield ("rater",), f"{form.instrument} is not answered by '{rater}', but by {known}"


def _items_of(instrument: Instrument, version: Version) -> set[int]:
    return set(version.items or range(1, instrument.n_items + 1))


def _check_items(form: AssessmentMapping, instrument: Instrument, version: Version) -> Iterator[Found]:
    items = _items_of(instrument, version)
    if isinstance(form.items, str):
        yield from _check_pattern(form.items)
    elif form.items is not None:
        for item in sorted(set(form.items) - items):
            yield ("items", item), f"{form.version} has no item {item}"
        columns = list(form.items.values())
        for column in sorted({column for column in columns if columns.count(column) > 1}):
            yield ("items",), f"two items are read from the column '{column}'"
    for key in ("item_codes", "item_missing_codes"):
        for item in sorted(set(getattr(form, key)) - items):
            yield (key, item), f"{form.version} has no item {item}"


def _check_pattern(pattern: str) -> Iterator[Found]:
    plain = pattern.replace(SUFFIX, "")
    try:
        names = {plain.format(n=1), plain.format(n=2)}
    except (KeyError, IndexError, ValueError):
        yield ("items",), f"'{pattern}' is no pattern; write the item's number as {{n}} or {{n:02d}}"
        return
    if len(names) == 1:
        yield (
            ("items",),
            f"'{pattern}' is the same column for every item; write the item's number as {{n}} or {{n:02d}}",
        )


def _check_codes(form: AssessmentMapping, instrument: Instrument, version: Version) -> Iterator[Found]:
    """Codes lead to answers of the instrument, and do not also mean 'no answer'."""
    missing = {str(code.code) for code in instrument.missing_codes}
    ranges = {item: version.item_range(item) for item in _items_of(instrument, version)}
    widest = (min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())) if ranges else (0, 0)
    coded: list[tuple[Location, dict[str, str], dict[str, str], tuple[int, int]]] = []
    coded.append((("codes",), form.codes, form.missing_codes, widest))
    for item, codes in form.item_codes.items():
        own = form.item_missing_codes.get(item, {})
        coded.append((("item_codes", item), codes, own, ranges.get(item, widest)))
    for place, codes, none, (low, high) in coded:
        for text, answer in codes.items():
            if answer not in missing and not _is_between(answer, low, high):
                yield place, f"'{text}' leads to '{answer}', which is no answer from {low} to {high}"
        for text in sorted(set(codes) & set(none)):
            yield place, f"'{text}' is an answer and a code for no answer at once"


def _is_between(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


def _check_time(form: AssessmentMapping, occasions: Set[str]) -> Iterator[Found]:
    if form.date is None and form.months is None and form.occasion is None and not form.suffixes:
        yield (), "says no time: give date, months, occasion or suffixes"
    bounds = []
    for key in ("from_date", "until_date"):
        text = getattr(form, key)
        try:
            bounds.append(dt.date.fromisoformat(text) if text else None)
        except ValueError:
            yield (key,), f"'{text}' is no date like 2016-01-31"
            bounds.append(None)
    if bounds[0] and bounds[1] and bounds[0] >= bounds[1]:
        yield ("until_date",), "does not lie after from_date"
    stated: list[tuple[Location, str]] = []
    if form.occasion is not None:
        labels = {form.occasion.constant, *form.occasion.codes.values()} - {None}
        stated += [(("occasion",), str(label)) for label in labels]
    stated += [(("suffixes", key), suffix.occasion) for key, suffix in form.suffixes.items() if suffix.occasion]
    for place, label in sorted(stated, key=str):
        if occasions and label not in occasions:
            yield place, f"no schedule has the occasion '{label}'{_hint(label, occasions)}"


def _check_suffixes(form: AssessmentMapping) -> Iterator[Found]:
    text = str(form.model_dump(exclude={"suffixes"}))
    if form.suffixes and SUFFIX not in text:
        yield ("suffixes",), f"no column holds {SUFFIX}; write where the suffix stands, like 'phq_{{n}}{SUFFIX}'"
    if not form.suffixes and SUFFIX in text:
        yield (), f"a column holds {SUFFIX}, and no suffixes are declared"
    if form.suffixes and form.source_key is not None and SUFFIX not in form.source_key:
        yield ("source_key",), f"names one key for all suffixes; it needs {SUFFIX}, or goes"
    meanings: dict[str, str] = {}
    for suffix, meaning in form.suffixes.items():
        said = meaning.model_dump_json()
        if said in meanings:
            yield ("suffixes", suffix), f"means the same as '{meanings[said]}'; number them with sequence"
        meanings.setdefault(said, suffix)
