"""The tables of a secuTrial export, found under whatever name this version of secuTrial gives them, each as text.

What belongs here: names of tables and their reading. What does not: which tables are joined, and what is missing or
history (`secutrial`).

The same table is `cn` or `casenodes`, `baseline` or `mnpctu05baseline`, alone or with the project and time of the
export behind it; the table of forms names the long ones. Cells are tab text that calls itself `.xls`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from functools import cached_property

import polars as pl

from assets.ingestion.readers.archive import Archive
from assets.ingestion.readers.delimited import decode, split_text
from assets.ingestion.readers.protocol import ReadError
from assets.ingestion.readers.records import Dialect, Split
from codebook.formats import SecutrialFormat

LONG_NAMES = {
    "fs": "forms",
    "cn": "casenodes",
    "ctr": "centres",
    "is": "items",
    "qs": "questions",
    "qac": "queries",
    "vp": "visitplan",
    "vpfs": "visitplanforms",
    "cts": "comments",
    "atcn": "atcasenodes",
    "atcvp": "atcasevisitplans",
    "miv": "miv",
    "cl": "cl",
}
"""Tables that every project has: short name → long name."""

DESCRIBING = frozenset({"fs", "ctr", "is", "qs", "vp", "vpfs", "cl"})
"""Tables about the project, not about patients."""
SUBFORM_OF = "subformtablename"
FORM_TABLE = "formtablename"
_OPTIONS = "exportoptions"
_EXTENSIONS = (".xls", ".csv", ".txt", ".tsv", ".tab")


class Tables:
    """The tables of one opened export, read when they are asked for."""

    def __init__(self, archive: Archive, format: SecutrialFormat) -> None:
        self._archive = archive
        self._format = format
        self._read: dict[str, Split] = {}
        self.notes: set[str] = set()
        members = [name for name in archive.names if name.lower().endswith(_EXTENSIONS)]
        stems = {name: name.rpartition("/")[2].rpartition(".")[0] for name in members}
        tag = _tag(archive.names, stems.values())
        self._members = {_canonical(stem.removesuffix(tag)): name for name, stem in stems.items()}
        if len(self._members) < len(members):
            raise ReadError(f"{archive.relative}: holds a table twice; have the export sent as it was made")
        if "cn" not in self._members:
            raise ReadError(
                f"{archive.relative}: is no secuTrial export with structure: it has no table cn (casenodes); have it "
                "exported as CSV format for MS Excel with all tables"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tables as they stand in the archive, common ones in short."""
        return tuple(self._members)

    def split(self, name: str) -> Split:
        """One table, unreadable rows apart; none of an export's tables may be without a header."""
        if name not in self._read:
            member = self._members[name]
            place = f"{self._archive.relative}, table '{name}'"
            text, notes = decode(self._archive.read(member), self._format.encoding, place)
            self.notes.update(notes)
            self._read[name] = split_text(text, Dialect(self._format.delimiter), place)
        return self._read[name]

    def frame(self, name: str, *columns: str) -> pl.DataFrame:
        """One table, with `columns` even if this export has the table or them not."""
        frame = self.split(name).frame if name in self._members else pl.DataFrame()
        more = [pl.lit(None, pl.String).alias(column) for column in columns if column not in frame.columns]
        return frame.with_columns(more) if frame.width else frame.with_columns(more).clear()

    def find(self, sheet: str | None) -> str:
        """The table of this short or long name; without a sheet the only form.

        Raises:
            ReadError: no such table, or there is a choice.
        """
        relative = self._archive.relative
        if sheet is None:
            forms = [name for name in self.forms if self.split(name).frame.height]
            if len(forms) == 1:
                return forms[0]
            raise ReadError(
                f"{relative}: has {len(forms)} forms with rows ({', '.join(forms)}); name one as `sheet` in the site's "
                "declaration (--sheet of a draft)"
            )
        asked = sheet.strip().casefold()
        for name in self._members:
            known = {name, self.long_name(name), self._members[name].rpartition("/")[2].rpartition(".")[0]}
            if asked in {one.casefold() for one in known}:
                return name
        for name, long in self._long_names.items():
            if self._is_short(asked, long.casefold()):
                return name
        close = difflib.get_close_matches(asked, self._members, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else f"it has {', '.join(self.forms)}"
        raise ReadError(f"{relative}: has no table '{sheet.strip()}'; {hint}")

    @property
    def forms(self) -> tuple[str, ...]:
        """Tables with rows of patients that are forms, in the archive's order."""
        return tuple(name for name in self._members if name not in LONG_NAMES and not self.is_audit(name))

    def is_audit(self, name: str) -> bool:
        """Whether a table holds the earlier contents of another one; `ataer` may also be a form of that name."""
        return name.startswith("at") and name not in self._by_long_name.values()

    def long_name(self, name: str) -> str:
        """A table's name as the project's own tables call it."""
        return LONG_NAMES.get(name) or self._long_names.get(name, name)

    def by_long_name(self, long: str) -> str | None:
        """The table that has this long name."""
        return self._by_long_name.get(long.casefold())

    def _is_short(self, asked: str, long: str) -> bool:
        """Whether a short name is that of a table, where the export has only long ones."""
        prefix = _prefix(long, asked)
        return prefix is not None and all(
            _without_e(other.casefold()).startswith(prefix) for other in self._long_names.values()
        )

    @cached_property
    def _by_long_name(self) -> dict[str, str]:
        return {long.casefold(): name for name, long in self._long_names.items()}

    @cached_property
    def _long_names(self) -> dict[str, str]:
        """Table → long name, for the forms.

        Long names begin with `mnp` and the project (`mnpctu05ae`), those of repeated parts with an `e` before that.
        The prefix is the one under which most tables fit, since `ae` alone also ends `mnpctu05sae`.
        """
        longs = [name for name in self.frame("fs", FORM_TABLE)[FORM_TABLE].to_list() if name]
        stems = [name for name in self._members if name not in LONG_NAMES]
        prefixes = Counter(prefix for long in longs for stem in stems if (prefix := _prefix(long, stem)))
        prefix = prefixes.most_common(1)[0][0] if prefixes else ""
        found = {}
        for long in longs:
            short = next((stem for stem in stems if stem == long or (prefix and _prefix(long, stem) == prefix)), None)
            if short is not None:
                found[short] = long
        return found


def _without_e(name: str) -> str:
    return name[1:] if name.startswith("emnp") else name


def _prefix(long: str, stem: str) -> str | None:
    """What stands before a table's short name in its long one; None where the one does not end the other."""
    if long.startswith("emnp"):
        long, stem = long[1:], stem[1:] if stem.startswith("e") else ""
    return long[: -len(stem)] if stem and long.startswith("mnp") and long.endswith(stem) and long != stem else None


def _tag(names: Iterable[str], stems: Iterable[str]) -> str:
    """What this export writes behind every table's name, as behind its options' (`_CTU05_20190807-143146`)."""
    plain = [name.rpartition("/")[2].rpartition(".")[0] for name in names]
    tags = [name[len(_OPTIONS) :] for name in plain if name.casefold().startswith(_OPTIONS)]
    return tags[0] if tags and any(stem.endswith(tags[0]) for stem in stems) else ""


def _canonical(stem: str) -> str:
    short = {long: short for short, long in LONG_NAMES.items()}
    return short.get(stem.casefold(), stem)
