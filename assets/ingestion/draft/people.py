"""Which columns say who a row is about, when, and what must never be kept.

What belongs here: names and shapes of columns that are no questionnaire. What does not: questionnaires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast, get_args

import polars as pl

from assets.ingestion.draft.profile import SHARE, Column
from assets.ingestion.draft.systems import NO_SYSTEM, SystemColumns, row_key
from checks.leaks import EMAIL_ADDRESS
from checks.national_numbers import normalise
from codebook.site import NationalNumber

SHORTEST_NATIONAL = 8
NATIONAL = re.compile(r"f(ø|o|oe)dselsn|person(n|al)|national.?(number|id)|ssn$|cpr|nhs.?n|hetu|bsn$", re.I)
PATIENT = re.compile(
    r"^(id|nr|pid|patient|pasient|record_?id|study_?id|subject|participant|usubjid|subjid|case_?id|client|journal)"
    r"|(patient|pasient|subject|client|studie|participant)_?(id|nr|no|number|key)",
    re.I,
)
NAMES = re.compile(
    r"(^|_|\b)(name|navn|vorname|nachname|surname|fornavn|etternavn|email|e_?mail|epost|phone|telefon|mobil|telephone|"
    r"address|adresse|street|postcode|zip)(_|\b|$|\d)",
    re.I,
)
FREE_TEXT = re.compile(r"comment|note|merknad|kommentar|remark|free_?text|bemerkung", re.I)
SEX = re.compile(r"^(sex|gender|kj(ø|o)nn|geschlecht|k(ö|o)n)$", re.I)
SEX_CODES = {
    "f": "female", "female": "female", "k": "female", "kvinne": "female", "w": "female", "weiblich": "female",
    "m": "male", "male": "male", "mann": "male", "männlich": "male",
}  # fmt: skip
BIRTH = re.compile(r"birth|born|f(ø|o)dt|geb|dob", re.I)
ADMISSION = re.compile(r"admi|innskr|inntak|enrol|intake|opptak|aufnahme|rfstdt", re.I)
START = re.compile(r"^(treat\w*?|therap\w*?|behandling\w*?|tx|beh)?[ _.]?(start|begin|oppstart)", re.I)
DISCHARGE = re.compile(r"disch|utskr|avslut|end_?date|entlass", re.I)
OCCASION = re.compile(r"visit|occasion|tidspunkt|event|time_?point|wave|messzeit|^time$|^m(onth|åned)", re.I)
GROUP = re.compile(
    r"(^|[_ .]|\b)(site|centre|center|unit|clinic|pool.?inv|avdeling|enhet)(_?(id|no|nr|name|code|key))?($|[_ .])", re.I
)
SINCE = re.compile(r"^(?:rel_?)?(day|week|month)s?(?:_?(?:since|from|after|in)_.*)?$", re.I)
MONTHS = re.compile(r"(\d+)\s*_?(m|mo|month|mnd|maaned|måned)", re.I)
LEADING_MONTHS = re.compile(r"^m(?:onth)?_?(\d+)", re.I)
TIME = re.compile(r"time|month|måned|maaned|monat", re.I)
BASELINE = re.compile(r"^(pre|base|bl|baseline|t0|start|initial|0|screening)", re.I)
END = re.compile(r"^(post|end|discharge|utskr|avsl|slutt)", re.I)


@dataclass(frozen=True)
class People:
    """Columns by what they seem to be."""

    identity: tuple[str, ...]
    number: NationalNumber | None
    """Kind of national number that the identity is, by its check digits."""
    local_ref: str | None
    identifiers: tuple[str, ...]
    free_text: tuple[str, ...]
    sex: Column | None = None
    birth: Column | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    """admission_date, treatment_start_date, discharge_date, or '' for the date of a form → column."""
    occasion: Column | None = None
    groups: tuple[str, ...] = ()
    """Columns that may say which unit a row is from."""
    key: tuple[str, ...] = ()
    """Columns that name a row of the sample once."""
    since: tuple[str, str] | None = None
    """A column of time since the start, and its unit."""

    @property
    def columns(self) -> set[str]:
        """Every column that has found its place."""
        single = [self.local_ref, self.sex and self.sex.name, self.birth and self.birth.name]
        single.append(self.occasion.name if self.occasion else None)
        return {*self.identity, *self.identifiers, *self.free_text, *self.dates.values(), *(c for c in single if c)}


def find_people(
    columns: Sequence[Column],
    taken: set[str],
    frame: pl.DataFrame,
    marked: frozenset[str],
    system: SystemColumns = NO_SYSTEM,
) -> People:
    """Sort the columns that no questionnaire takes; `marked`: identifying by the file's own dictionary."""
    by_name = {column.name: column for column in columns}
    told = [by_name[name] for name in system.identity if by_name[name].n_filled == by_name[name].n_rows][:1]
    free = [column for column in columns if column.name not in taken and column.name not in system.columns]
    national = [c for c in free if NATIONAL.search(c.name)]
    patients = [c for c in free if PATIENT.search(c.name) and c.n_filled >= 0.9 * c.n_rows and c not in national]
    patients.sort(key=lambda column: -column.n_unique)
    identity = (told or national or patients)[:1]
    number = _national_kind(frame[identity[0].name]) if identity else None
    local = next(iter(told or patients), None)
    if number is not None and local in identity:
        local = None
    rest = [c for c in free if c not in identity and c is not local]
    birth = next((c for c in rest if BIRTH.search(c.name) and (c.date_format or _is_year(c))), None)
    rest = [c for c in rest if c is not birth and not c.name.endswith("_complete")]
    identifiers = [c.name for c in rest if c.name in marked or NAMES.search(c.name) or _holds_addresses(frame[c.name])]
    rest = [c for c in rest if c.name not in identifiers]
    text = [c.name for c in rest if FREE_TEXT.search(c.name)]
    rest = [c for c in rest if c.name not in text]
    event = by_name[system.occasion] if system.occasion else None
    occasion = event or next((c for c in rest if OCCASION.search(c.name) and c.codes and not c.date_format), None)
    dates = _dates([c for c in rest if not BIRTH.search(c.name)])
    if system.date is not None and by_name[system.date].n_filled:
        dates[""] = system.date
    groups = [c for c in rest if GROUP.search(c.name)]
    groups += [by_name[system.group]] if system.group else []
    who = tuple(c.name for c in identity)
    when = [c for c in (occasion.name if occasion else None, dates.get("")) if c is not None]
    return People(
        identity=who,
        number=number,
        local_ref=local.name if local else None,
        identifiers=tuple(identifiers),
        free_text=tuple(text),
        sex=next((c for c in rest if SEX.search(c.name) and c.n_unique <= 4), None),
        birth=birth,
        dates=dates,
        occasion=occasion,
        groups=tuple(c.name for c in groups if 1 < c.n_unique <= 60 and c.is_repeated),
        key=tuple(row_key(frame, who, system, when)),
        since=next((found for c in rest if (found := _since(c)) is not None), None),
    )


def _national_kind(values: pl.Series) -> NationalNumber | None:
    """The kind whose check digits nearly all values pass; None where there is none."""
    filled = values.drop_nulls().unique().head(2000)
    if not len(filled) or float(filled.str.len_chars().min() or 0) < SHORTEST_NATIONAL:  # type: ignore[arg-type]
        return None
    for kind in get_args(NationalNumber):
        valid = normalise(kind, filled)["is_valid"]
        if float(valid.mean() or 0) >= SHARE:  # type: ignore[arg-type]
            return cast("NationalNumber", kind)
    return None


def _since(column: Column) -> tuple[str, str] | None:
    match = SINCE.search(column.name)
    if match is None or not column.is_numeric:
        return None
    return column.name, f"{match.group(1).lower()}s"


def _is_year(column: Column) -> bool:
    return column.is_whole and column.minimum is not None and column.minimum > 1880


def _holds_addresses(values: pl.Series) -> bool:
    filled = values.drop_nulls().head(500)
    if not len(filled):
        return False
    return float(filled.str.contains(EMAIL_ADDRESS).mean() or 0) > 0.2  # type: ignore[arg-type]


def _dates(columns: Sequence[Column]) -> dict[str, str]:
    found: dict[str, str] = {}
    kinds = (("admission_date", ADMISSION), ("discharge_date", DISCHARGE), ("treatment_start_date", START))
    for column in columns:
        if column.date_format is None:
            continue
        kind = next((name for name, pattern in kinds if pattern.search(column.name) and name not in found), "")
        found.setdefault(kind, column.name)
    return found


def sex_codes(column: Column) -> dict[str, str]:
    """What the codes of a column of sex seem to mean; empty where only the unit can tell."""
    words = {text: column.labels.get(text, text).lower() for text in sorted({*column.codes, *column.labels})}
    known = {text: SEX_CODES[word] for text, word in words.items() if word in SEX_CODES}
    return known if set(column.codes) <= set(known) else {}


def months_of(label: str, column: str = "") -> float | None:
    """How many months a label speaks of (a bare number does in a column of time); None where it does not say."""
    plain = label.strip()
    if plain.isdigit() and TIME.search(column):
        return float(plain)
    if BASELINE.search(plain):
        return 0.0
    for pattern in (MONTHS, LEADING_MONTHS):
        match = pattern.search(plain)
        if match:
            return float(match.group(1))
    return None


def is_end(label: str) -> bool:
    """True for a label that speaks of the end of treatment."""
    return bool(END.search(label.strip()))
