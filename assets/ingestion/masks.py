"""Names of files, sheets and columns that must not be stored as they are, and what stands in their place.

What belongs here: names. What does not: texts in cells (`assets.ingestion.privacy`).
A mask is made with the network's key: the same name has the same mask in every delivery, and nobody can guess it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import PurePosixPath

import polars as pl

from assets.ingestion.context import Context
from assets.ingestion.landing import Delivery
from assets.ingestion.mapping import MappedDelivery
from assets.ingestion.named import columns_of
from assets.ingestion.source import LandedDelivery
from checks.common_words import COMMON_WORDS
from checks.findings import FILE_NAME_IDENTIFIER, empty_findings, found
from checks.keys import Pseudonymiser
from checks.leaks import NAME_LIKE, LeakScanner, scanner_for
from codebook.library import Library
from codebook.site import Mapping, Site

MASK_HEX = 8
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
WORD = re.compile(r"[A-Z]?[^\W\d_]+?(?=[A-Z]|[\W\d_]|$)")
_EXPORT = """
answers archive codebook consent csv data database daten definitions dictionary dta export file form forms instrument
instruments json labels ndjson odm ods parquet pasient pasienter patient patienten patients raw report sas sav session
sessions sheet skjema skjemaer spss stata survey table tsv txt utf visit visits xls xlsx xml zip
"""
EXPORT_WORDS = frozenset(_EXPORT.split())
"""Words in the names of files that any export may have."""
LISTED = re.compile(
    r"(; it (?:has|holds) |the header names |the columns |with rows \()([^;()]+?)(?= more than once|[;()]| hold |$)"
)
"""Names of files, sheets and columns in the sentence of an error."""
NAMELESS_NOTE = "a note about this file named a person and is not stored"


@dataclass
class Masks:
    """`files`: name → what is stored instead, for the files and sheets of one delivery that must not be named.

    `clean`: names known to hold no identifier; to judge them all at once costs as much as to judge one.
    """

    site: str
    scanner: LeakScanner
    pseudonyms: Pseudonymiser
    files: dict[str, str] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, landed: LandedDelivery, mapped: MappedDelivery, scanner: LeakScanner, context: Context) -> Masks:
        """Look at every name of a delivery that was read."""
        masks = cls(context.site.landing_name, scanner, context.pseudonyms)
        lexicon = lexicon_of(context.mapping, context.site) if context.site.parts else None
        names = {*landed.all_rows["source_file"].unique(), *landed.unused_files}
        names |= {text.partition(": ")[0] for text in (*landed.unmapped, *landed.notes)}
        told = {text.partition(": ")[2] for text in (*landed.unmapped, *landed.notes)}
        masks._judge({part for name in names for part in name.split("#", 1)} | told)
        for name in sorted(names):
            shown = masks.shown(name, lexicon)
            if shown != name:
                masks.files[name] = shown
        return masks

    def shown(self, name: str, lexicon: frozenset[str] | None = None) -> str:
        """A file's name, with its sheet behind a #, as it may be stored.

        With a `lexicon`, words that it does not hold are masked too: nobody can tell whether they are names.
        """
        file, mark, sheet = name.partition("#")
        if self._is_personal(file, lexicon):
            suffix = SUFFIX.search(file)
            file = self.name(file) + (suffix.group() if suffix and not self.scanner.leaks(suffix.group()[1:]) else "")
        if mark and self._is_personal(sheet, lexicon):
            sheet = self.name(sheet)
        return f"{file}{mark}{sheet}"

    def _is_personal(self, name: str, lexicon: frozenset[str] | None) -> bool:
        return self._leaks(name) or (lexicon is not None and bool(words_of(name) - lexicon))

    def _judge(self, names: Iterable[str]) -> None:
        unique = pl.Series(sorted(names), dtype=pl.String)
        kinds = self.scanner.judge(unique)
        self.clean |= set(unique.filter(kinds.is_null() | (kinds == NAME_LIKE)))

    def _leaks(self, name: str) -> bool:
        return name not in self.clean and self.scanner.leaks(name)

    def name(self, name: str) -> str:
        """The mask of any name."""
        return f"masked-{self.pseudonyms.id_of('row', 'name', self.site, name)[1 : 1 + MASK_HEX]}"

    def listed(self, names: str, lexicon: frozenset[str]) -> str:
        """Names of columns or sheets, joined by commas, as they may be told."""
        shown = (name if not self._is_personal(name, lexicon) else self.name(name) for name in names.split(", "))
        return ", ".join(shown)

    def in_table(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The table with masked names of files."""
        if not self.files or "source_file" not in frame.columns:
            return frame
        return frame.with_columns(pl.col("source_file").replace(self.files))

    def in_names(self, mapped: MappedDelivery) -> MappedDelivery:
        """The delivery's lists of what was not used, masked."""
        return replace(
            mapped,
            unmapped=tuple(sorted(self._told(text, is_note=False) for text in mapped.unmapped)),
            unused_files=tuple(sorted(self.files.get(name, name) for name in mapped.unused_files)),
            notes=tuple(sorted(self._told(text, is_note=True) for text in mapped.notes)),
        )

    def _told(self, text: str, is_note: bool) -> str:
        name, mark, rest = text.partition(": ")
        if rest and self._leaks(rest):
            rest = NAMELESS_NOTE if is_note else self.name(rest)
        return f"{self.files.get(name, name)}{mark}{rest}"

    def findings(self, told: Iterable[str]) -> pl.DataFrame:
        """One finding per masked file or sheet, and per masked column of `told` (file: column)."""
        frames = [empty_findings()]
        for shown in sorted(set(self.files.values())):
            line = pl.DataFrame({"source_file": [shown], "entity": [shown]})
            frames.append(found(line, FILE_NAME_IDENTIFIER, place=shown))
        for text in sorted(told):
            name, _, column = text.partition(": ")
            if column and self.scanner.leaks(column):
                file, mask = self.files.get(name, name), self.name(column)
                line = pl.DataFrame({"source_file": [file], "entity": [f"{file} {mask}"]})
                frames.append(found(line, FILE_NAME_IDENTIFIER, item=mask, place=f"column {mask} of {file}"))
        return pl.concat(frames)


def words_of(name: str) -> set[str]:
    """Words of three letters or more in a name, in small letters; KariNordmann2016 holds two."""
    return {word.lower() for word in WORD.findall(name) if len(word) > 2}


def lexicon_of(mapping: Mapping, site: Site) -> frozenset[str]:
    """Words that the declaration itself uses for files and sheets, and those that any export uses."""
    names = [site.site, site.landing_name, site.format.reader]
    names += [value for value in site.format.model_dump().values() if isinstance(value, str)]
    names += [text for source in mapping.sources for text in (source.name, source.file, source.sheet) if text]
    names += site.instruments_used()
    return frozenset({word for name in names for word in words_of(name)} | EXPORT_WORDS | COMMON_WORDS)


def nameless_reason(
    reason: str, people: Iterable[str], delivery: Delivery, library: Library, site: Site, pseudonyms: Pseudonymiser
) -> str:
    """Why a delivery could not be read, without a name in it.

    What could not be read cannot say whose names to look for: a file is named only in words of the declaration, which
    are the name or pattern that the declaration has for it.
    """
    mapping = site.mapping_for(delivery.name)
    scanner = scanner_for(
        people,
        patterns=library.network.privacy.identifier_patterns,
        common_words=library.network.privacy.common_words,
        as_of=delivery.date,
    )
    masks = Masks(site.landing_name, scanner, pseudonyms)
    columns = {c for source in mapping.sources for c in columns_of(source, library)}
    lexicon = lexicon_of(mapping, site) | {word for column in columns for word in words_of(column)}
    names = {path.relative_to(delivery.folder).as_posix() for path in delivery.files()}
    for name in sorted(names | {PurePosixPath(name).name for name in names}, key=len, reverse=True):
        shown = masks.shown(name, lexicon)
        if shown != name:
            declared = next((source.file for source in mapping.sources if fnmatch(name, source.file)), None)
            reason = reason.replace(name, f"{declared} ({shown})" if declared else shown)
    reason = LISTED.sub(lambda found: found.group(1) + masks.listed(found.group(2), lexicon), reason)
    pieces = re.split(r"([,;:'#?] ?)", reason)
    return "".join(masks.name(piece) if len(piece) > 2 and scanner.leaks(piece) else piece for piece in pieces)
