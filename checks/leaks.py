"""The leak scan: names, national numbers, e-mail addresses and telephone numbers in texts that would be stored.

What belongs here: judging texts. What does not: which texts, and what becomes of them (`assets.ingestion.privacy`).
Every distinct text is judged once. Names are sought as whole words in small letters: a text is written as words between
single blanks, so that one automaton over " kari " and " kari nordmann " finds names and nothing inside a word.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from checks.common_words import COMMON_WORDS
from checks.national_numbers import is_valid
from codebook.site import NationalNumber

NAME, NATIONAL, EMAIL, TELEPHONE, PATTERN, NAME_LIKE = "name", "national", "email", "telephone", "pattern", "name_like"
HOLDS = {
    NAME: "names a person or holds an identifier of one",
    NATIONAL: "holds a national number",
    EMAIL: "holds an e-mail address",
    TELEPHONE: "holds a telephone number",
    PATTERN: "holds what the network declares as an identifier",
}
"""What a leaking text does, for its finding. NAME_LIKE is no leak: the word found is an everyday word too."""

SHORTEST_PART = 3
SHORTEST_WHOLE = 4
SHORTEST_NUMBER = 5
FEW_TEXTS = 10_000
SPELT = ("words", "joined")
LONGEST_NAME = 4
"""Longer values (a postal address, a remark) are sought whole, not word by word."""

EMAIL_ADDRESS = r"[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+"
_TELEPHONE = "|".join(
    (
        r"(^|[^\p{L}\p{N},.])(\+\d{2}[ ()\d/-]{6,}|00\d{2}[ -][ \d-]{6,})\d",
        r"(^|[^\d.,-])(\d{2} \d{2} \d{2} \d{2}|\d{3} \d{2} \d{3}|\(?\d{3}[ )-]{1,2}\d{3}[ -]\d{4})(\D|$)",
        r"(^|[^\d.,/-])0\d{2,4}[ /-](\d{5,8}|\d{3}( \d{2,4}){1,3})(\D|$)",
        r"(?i:\b(tlf|tel|telefon|telephone|phone|mobil|mobile|mob|handy|ring|ringe|call|fax|sms)\b)\D{0,15}"
        r"\d[\d -]{5,}\d",
    )
)
_ANY_NATIONAL = (
    r"(^|\D)\d{2}[ .]?\d{2}[ .]?\d{2}[ .-]?\d{3} ?\d{2}(\D|$)|(^|\D)(\d{2})?\d{6}[-+]\d{4}(\D|$)"
    r"|(^|[^\p{L}\p{N}])\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]($|[^\p{L}\p{N}])|(^|\D)756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(\D|$)"
)
_LONG_NUMBER = r"\d([ .:+\-A-FU-Y]?\d){6}"
_CANDIDATES: dict[NationalNumber, str] = {
    "norwegian": r"\d{2}[ .]?\d{2}[ .]?\d{2}[ .:-]{0,2}\d{3} ?\d{2}",
    "swedish": r"(?:1[89]|20)?\d{6}[ +-]?\d{4}",
    "danish": r"\d{6}[ -]?\d{4}",
    "finnish": r"\d{6}[-+A-FU-Ya-fu-y]\d{3}[0-9A-Ya-y]",
    "british_nhs": r"\d{3}[ -]?\d{3}[ -]?\d{4}",
    "dutch": r"\d{4}[. ]?\d{2}[. ]?\d{3}",
    "swiss": r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}",
}
_WORD = r"[^\p{L}\p{N}]+"


@dataclass(frozen=True)
class LeakScanner:
    """What to look for, made ready once per delivery. Needles are words between blanks."""

    needles: pl.Series
    common: pl.Series
    kinds: tuple[NationalNumber, ...]
    is_any_national: bool
    patterns: tuple[str, ...]
    as_of: dt.date

    def judge(self, texts: pl.Series) -> pl.Series:
        """Kind of leak per text (a key of HOLDS, or NAME_LIKE); null where nothing was found."""
        if not len(texts):
            return pl.Series("kind", [], dtype=pl.String)
        found = self._judge(texts.drop_nulls().unique())
        return pl.DataFrame({"text": texts}).join(found, on="text", how="left", maintain_order="left")["kind"]

    def leaks(self, text: str) -> bool:
        """Whether one text holds an identifier; an everyday word that is a name too is none."""
        kind = self.judge(pl.Series([text]))[0]
        return kind is not None and kind != NAME_LIKE

    def _judge(self, unique: pl.Series) -> pl.DataFrame:
        text = pl.col("text")
        frame = pl.DataFrame({"text": unique.cast(pl.String)}).with_columns(_as_words(text).alias("words"))
        national = text.str.contains(_ANY_NATIONAL) if self.is_any_national else pl.lit(False)
        own = [text.str.contains(pattern) for pattern in self.patterns]
        needles, common = self._sought_in(frame["words"])
        kind = (
            pl.when(text.str.contains(EMAIL_ADDRESS))
            .then(pl.lit(EMAIL))
            .when(national | text.is_in(self._national(unique).implode()))
            .then(pl.lit(NATIONAL))
            .when(_holds(pl.col("words"), needles))
            .then(pl.lit(NAME))
            .when(text.str.contains(_TELEPHONE))
            .then(pl.lit(TELEPHONE))
            .when(pl.any_horizontal(pl.lit(False), *own))
            .then(pl.lit(PATTERN))
            .when(_holds(pl.col("words"), common))
            .then(pl.lit(NAME_LIKE))
        )
        return frame.select("text", kind.alias("kind")).drop_nulls("kind")

    def _sought_in(self, words: pl.Series) -> list[pl.Series]:
        """Needles, and those that are everyday words; for few texts only those whose first word stands in one of them:
        to make an automaton of thousands takes longer than to seek."""
        if len(words) > FEW_TEXTS:
            return [needles["needle"] for needles in self._by_first_word]
        there = words.str.split(" ").explode().unique().implode()
        return [needles.filter(pl.col("first").is_in(there))["needle"] for needles in self._by_first_word]

    @cached_property
    def _by_first_word(self) -> list[pl.DataFrame]:
        return [
            needles.to_frame("needle").with_columns(pl.col("needle").str.extract(r"^ ([^ ]+)").alias("first"))
            for needles in (self.needles, self.common)
        ]

    def _national(self, unique: pl.Series) -> pl.Series:
        """The texts that hold a number of a declared kind with right check digits."""
        if not self.kinds:
            return unique.clear()
        shapes = {kind: re.compile(rf"(?<![0-9]){_CANDIDATES[kind]}(?![0-9])", re.ASCII) for kind in self.kinds}
        maybe = unique.filter(unique.str.contains(_LONG_NUMBER))
        holding = [
            any(
                is_valid(kind, number, self.as_of)
                for kind, shape in shapes.items()
                for number in {match.group() for match in shape.finditer(text)}
            )
            for text in maybe
        ]
        return maybe.filter(pl.Series(holding, dtype=pl.Boolean))


def scanner_for(
    people: Iterable[str],
    *,
    kinds: Iterable[NationalNumber] = (),
    is_any_national: bool = True,
    patterns: Mapping[str, str] | None = None,
    common_words: Iterable[str] = (),
    as_of: dt.date,
) -> LeakScanner:
    """Make a scanner.

    Args:
        people: values of the columns that say who somebody is.
        kinds: national numbers to look for by their check digits.
        is_any_national: look for anything in the form of a national number too.
        patterns: the network's own (name → regular expression).
        common_words: the network's own, beside the built-in ones.
        as_of: the day of the texts (`checks.national_numbers`).
    """
    everyday = pl.Series([*COMMON_WORDS, *(word.lower() for word in common_words)], dtype=pl.String).implode()
    written = pl.Series("text", sorted(set(people)), dtype=pl.String)
    forms = pl.DataFrame({"text": written}).select(
        ~pl.col("text").str.contains(r"\p{L}").alias("is_number"),
        pl.col("text").str.contains(r"[@\p{N}]").alias("is_no_name"),
        _words(pl.col("text")).alias("words"),
        _words(_joined(pl.col("text"))).alias("joined"),
    )
    n_words = pl.col("words").str.count_matches(r"[^ ]+")
    shortest = pl.when("is_number").then(SHORTEST_NUMBER).otherwise(SHORTEST_WHOLE)
    long = {name: pl.col(name).str.replace_all(" ", "", literal=True).str.len_chars() >= shortest for name in SPELT}
    is_whole = pl.col("is_no_name") | (n_words > LONGEST_NAME)
    is_only_word = is_whole & (n_words == 1) & long["words"]
    is_joined = pl.col("is_number") | (n_words > 1)
    split = forms.filter(~is_whole)["words"].str.split(" ").explode().unique()
    part = split.filter(split.str.len_chars() >= SHORTEST_PART)
    is_everyday = part.is_in(everyday)
    rare, common = part.filter(~is_everyday), part.filter(is_everyday)
    genitives = rare + "s"
    needles = [
        forms.filter(long["words"] & is_joined | is_only_word)["words"],
        forms.filter(long["joined"] & is_joined)["joined"],
        _alone(rare),
        _alone(genitives.filter(~genitives.is_in(everyday))),
    ]
    return LeakScanner(
        needles=pl.concat([needle.alias("needle") for needle in needles]).unique().sort(),
        common=_alone(common).sort(),
        kinds=tuple(dict.fromkeys(kinds)),
        is_any_national=is_any_national,
        patterns=tuple((patterns or {}).values()),
        as_of=as_of,
    )


def _alone(words: pl.Series) -> pl.Series:
    return words.to_frame("needle").select(pl.format(" {} ", "needle"))["needle"]


def _words(text: pl.Expr) -> pl.Expr:
    """The text in small letters, as words between single blanks, one blank at either end."""
    plain = text.str.normalize("NFC").str.to_lowercase().str.replace_all(_WORD, " ").str.strip_chars(" ")
    return pl.format(" {} ", plain)


def _joined(text: pl.Expr) -> pl.Expr:
    """Digits that were written in groups, in one; twice, since groups of one digit overlap."""
    once = text.str.replace_all(r"(\d)[ .:/\-](\d)", "${1}${2}")
    return once.str.replace_all(r"(\d)[ .:/\-](\d)", "${1}${2}")


def _as_words(text: pl.Expr) -> pl.Expr:
    """The words of a text as it stands, with its numbers joined, and with KariNordmann2016 taken apart."""
    apart = (
        text.str.normalize("NFC")
        .str.replace_all(r"(\p{Ll})(\p{Lu})", "${1} ${2}")
        .str.replace_all(r"(\p{L})(\p{N})", "${1} ${2}")
        .str.replace_all(r"(\p{N})(\p{L})", "${1} ${2}")
    )
    return pl.concat_str([_words(text), _words(_joined(text)), _words(apart)], separator="|")


def _holds(words: pl.Expr, needles: pl.Series) -> pl.Expr:
    return words.str.contains_any(needles.implode()) if len(needles) else pl.lit(False)
