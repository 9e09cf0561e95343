"""Which columns of a sample are the items of which questionnaire: by numbering, range and name.

What belongs here: comparing columns with the codebook. What does not: any decision; alternatives are named beside.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assets.ingestion.draft.profile import Column
from codebook.instrument import Instrument, Version

DIGITS = re.compile(r"\d+")
TOTAL = re.compile(r"tot|sum|score", re.I)
_TRAILING_LETTER = re.compile(r"^(?P<stem>.*?)(?P<letter>[A-Za-z])$")
FEWEST_ITEMS = 4
ITEM_DIGITS = 2
"""Of a longer number the last ones may count the items, as in SDTM's PHQ0101."""
SHARE_IN_RANGE = 0.98
LIKELY_MISSING = {9, 88, 99, 888, 998, 999, -1, -8, -9, -88, -99, -888, -999}


@dataclass(frozen=True)
class Numbered:
    """Columns that differ by a number (or a letter) only: item → column, and the pattern with `{n}` if there is one."""

    stem: str
    pattern: str | None
    columns: Mapping[int, Column]
    suffix: str = ""


@dataclass(frozen=True)
class FormProposal:
    """One questionnaire found. `likeness`: 3 name and range, 2 name, 1 range only."""

    instrument: str
    version: str
    likeness: int
    items: Mapping[int, str]
    pattern: str | None
    suffixes: tuple[str, ...] = ()
    supplied: Mapping[str, str] = field(default_factory=dict)
    missing_codes: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def columns(self) -> set[str]:
        """Every column that it takes."""
        taken = set(self.items.values()) | set(self.supplied.values())
        if not self.suffixes:
            return taken
        return {column.replace("{suffix}", suffix) for column in taken for suffix in self.suffixes}


def propose_forms(columns: Sequence[Column], instruments: Mapping[str, Instrument]) -> list[FormProposal]:
    """Questionnaires that the columns may hold, the surest first for each set of columns; each column is used once."""
    proposals: list[FormProposal] = []
    taken: set[str] = set()
    groups = sorted(_numbered(columns), key=lambda group: (-len(group.columns), group.stem))
    for group in groups:
        if any(column.name in taken for column in group.columns.values()):
            continue
        proposal = _best(group, instruments)
        if proposal is not None:
            proposals.append(proposal)
            taken |= proposal.columns
    proposals = _joined_by_suffix(proposals)
    taken = set().union(*(proposal.columns for proposal in proposals)) if proposals else set()
    free = [column for column in columns if column.name not in taken and column.is_numeric]
    return _with_totals(proposals, free, instruments)


def _numbered(columns: Sequence[Column]) -> Iterable[Numbered]:
    """Every way to read the columns' names as a stem with a running number or letter."""
    templates: dict[tuple[str, str], dict[int, Column]] = defaultdict(dict)
    letters: dict[str, dict[int, Column]] = defaultdict(dict)
    for column in columns:
        if not column.is_numeric and column.n_filled:
            continue
        for match in DIGITS.finditer(column.name):
            key = (column.name[: match.start()], column.name[match.end() :])
            templates[key].setdefault(int(match.group()), column)
            if len(match.group()) > ITEM_DIGITS:
                cut = match.end() - ITEM_DIGITS
                key = (column.name[:cut], column.name[match.end() :])
                templates[key].setdefault(int(column.name[cut : match.end()]), column)
        lettered = _TRAILING_LETTER.match(column.name)
        if lettered and lettered["stem"] and lettered["stem"][-1].isdigit():
            letters[lettered["stem"]][ord(lettered["letter"].upper()) - ord("A") + 1] = column
    for (before, after), items in templates.items():
        if _runs_from_one(items):
            yield Numbered(before, _pattern(before, after, items), items, after)
    for stem, items in letters.items():
        if _runs_from_one(items):
            yield Numbered(stem, None, items)


def _runs_from_one(items: Mapping[int, Column]) -> bool:
    return len(items) >= FEWEST_ITEMS and 1 in items and 2 in items and len(items) >= 0.8 * max(items)


def _pattern(before: str, after: str, items: Mapping[int, Column]) -> str | None:
    """`before{n}after`, with zeros in front where the names have them; None where the names are not of one width."""
    for form in ("{n}", "{n:02d}", "{n:03d}"):
        if all(column.name == f"{before}{form.format(n=item)}{after}" for item, column in items.items()):
            return f"{before}{form}{after}"
    return None


def _best(group: Numbered, instruments: Mapping[str, Instrument]) -> FormProposal | None:
    fits: list[tuple[tuple[int, int, int], str, Version, tuple[str, ...]]] = []
    for key, instrument in sorted(instruments.items()):
        if instrument.n_items < FEWEST_ITEMS or not _same_length(group, instrument):
            continue
        is_named = _is_named(group.stem + group.suffix, instrument)
        for version in instrument.versions:
            missing = _outside(group, instrument, version)
            if missing is None:
                continue
            items = version.items or tuple(range(1, instrument.n_items + 1))
            exact = 2 if len(group.columns) == len(items) else 0
            fits.append(((2 * is_named + 1, exact, -version.scale_points), key, version, missing))
    if not fits:
        return None
    fits.sort(key=lambda fit: (*(-part for part in fit[0]), fit[1]))
    (likeness, exact, _), key, version, missing = fits[0]
    if likeness == 1 and not exact:
        return None
    items = version.items or tuple(range(1, instruments[key].n_items + 1))
    names = {item: group.columns[item].name for item in items if item in group.columns}
    others = tuple(dict.fromkeys(fit[1] for fit in fits[1:] if fit[1] != key))[:4]
    is_patterned = group.pattern is not None and len(names) == len(items)
    return FormProposal(
        key, version.key, likeness, names, group.pattern if is_patterned else None, (), {}, missing, others
    )


def _same_length(group: Numbered, instrument: Instrument) -> bool:
    lengths = {len(version.items) or instrument.n_items for version in instrument.versions} | {instrument.n_items}
    return any(length <= max(group.columns) <= length + 2 for length in lengths)


def _outside(group: Numbered, instrument: Instrument, version: Version) -> tuple[str, ...] | None:
    """Values outside the range that look like codes for 'no answer'; None where the answers do not fit the version."""
    missing: set[str] = set()
    n_filled = n_outside = 0
    for item in version.items or range(1, instrument.n_items + 1):
        column = group.columns.get(item)
        if column is None:
            continue
        low, high = version.item_range(item)
        n_filled += column.n_filled
        for text, count in column.codes.items():
            number = _number(text)
            if number is None or low <= number <= high:
                continue
            if number in LIKELY_MISSING:
                missing.add(text)
            else:
                n_outside += count
        if not column.codes and column.minimum is not None and column.maximum is not None:
            n_outside += column.n_filled if column.minimum < low or column.maximum > high else 0
    if not n_filled:
        return () if _is_named(group.stem + group.suffix, instrument) else None
    return tuple(sorted(missing)) if n_outside <= (1 - SHARE_IN_RANGE) * n_filled else None


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _is_named(text: str, instrument: Instrument) -> bool:
    """True where the columns' stem begins like the instrument's key or family (`PHQ0` like `phq_9`)."""
    stem = _plain(text)
    names = {_plain(instrument.key), _plain(instrument.family), _plain(re.sub(r"_\d+.*$", "", instrument.key))}
    return any(len(name) >= 3 and (stem.startswith(name) or name in stem) for name in names)


def _joined_by_suffix(proposals: list[FormProposal]) -> list[FormProposal]:
    """One proposal for a form that stands in a row once per occasion (`wai_1_m03`, `wai_1_m06`)."""
    grouped: dict[tuple[str, str], list[tuple[str, FormProposal]]] = defaultdict(list)
    joined: list[FormProposal] = []
    for proposal in proposals:
        ending = proposal.pattern.rpartition("}")[2] if proposal.pattern else ""
        core = ending.lstrip("_.-")
        if proposal.pattern and core:
            stem = proposal.pattern[: len(proposal.pattern) - len(core)]
            grouped[proposal.instrument, stem].append((core, proposal))
        else:
            joined.append(proposal)
    for (_, stem), members in grouped.items():
        if len(members) == 1:
            joined.append(members[0][1])
            continue
        first = members[0][1]
        items = {item: column[: len(column) - len(members[0][0])] + "{suffix}" for item, column in first.items.items()}
        missing = tuple(sorted({code for _, member in members for code in member.missing_codes}))
        suffixes = tuple(suffix for suffix, _ in members)
        joined.append(
            FormProposal(
                first.instrument,
                first.version,
                first.likeness,
                items,
                f"{stem}{{suffix}}",
                suffixes,
                {},
                missing,
                first.alternatives,
            )
        )
    return joined


def _with_totals(
    proposals: list[FormProposal], free: Sequence[Column], instruments: Mapping[str, Instrument]
) -> list[FormProposal]:
    """Totals that the unit computed: columns named like an instrument that are no items of it."""
    found: dict[str, list[Column]] = defaultdict(list)
    for column in free:
        named = [key for key, instrument in instruments.items() if _starts_like(column.name, instrument)]
        fitting = [key for key in sorted(named) if _fits_total(column, instruments[key])]
        if fitting:
            found[fitting[0]].append(column)
    result = []
    for proposal in proposals:
        columns = [] if proposal.suffixes else found.pop(proposal.instrument, [])
        scale = _total(instruments[proposal.instrument], proposal.version)
        supplied = {scale: _likeliest_total(columns)} if columns and scale else {}
        result.append(replace(proposal, supplied=supplied))
    for key, columns in sorted(found.items()):
        version = instruments[key].versions[0].key
        scale = _total(instruments[key], version)
        if scale is None or any(proposal.instrument == key for proposal in proposals):
            continue
        stem = _common_stem([column.name for column in columns])
        if len(columns) > 1 and stem:
            suffixes = tuple(column.name[len(stem) :] for column in columns)
            result.append(FormProposal(key, version, 2, {}, None, suffixes, {scale: stem + "{suffix}"}))
        else:
            result.append(FormProposal(key, version, 2, {}, None, (), {scale: _likeliest_total(columns)}))
    return result


def _likeliest_total(columns: Sequence[Column]) -> str:
    """The column that is called a total, or else reaches highest: single answers do not get far."""
    return max(columns, key=lambda column: (bool(TOTAL.search(column.name)), column.maximum or 0)).name


def _starts_like(name: str, instrument: Instrument) -> bool:
    plain = _plain(name)
    short = _plain(re.sub(r"_\d+.*$", "", instrument.key))
    names = {_plain(instrument.key), _plain(instrument.family), short}
    return any(len(known) >= 3 and plain.startswith(known) for known in names)


def _fits_total(column: Column, instrument: Instrument) -> bool:
    scale = next((s for s in instrument.scales if s.is_primary), instrument.scales[0] if instrument.scales else None)
    if scale is None or column.minimum is None or column.maximum is None:
        return False
    return scale.minimum <= column.minimum and column.maximum <= scale.maximum


def _total(instrument: Instrument, version: str) -> str | None:
    scales = instrument.scales_of(version)
    return next((scale.key for scale in scales if scale.is_primary), scales[0].key if scales else None)


def _common_stem(names: Sequence[str]) -> str:
    stem = names[0]
    for name in names[1:]:
        while not name.startswith(stem):
            stem = stem[:-1]
    return re.sub(r"[A-Za-z0-9]*$", "", stem) if not stem.endswith(("_", ".", "-")) else stem
