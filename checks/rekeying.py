"""From one key to the next: every id that is made with the new key is remembered beside what the old key made of it.

What belongs here: the two ids of one thing, and text that holds ids. What does not: files and folders
(`assets.ingestion.rotation`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from checks.identity import IdentityEvent, split_patient
from checks.keys import ID_HEX, LETTERS, SEPARATOR, Kind, Pseudonymiser

_LETTERS = "".join(sorted(LETTERS.values()))
ID_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z])(?:[{_LETTERS}][0-9a-f]{{{ID_HEX}}}|[df][0-9a-f]{{32}})(?![0-9A-Za-z])")
"""An id as the key makes it, or that of a finding or a due point, which SQL makes from other ids."""
MASK_IN_TEXT = re.compile(r"masked-[0-9a-f]{8}(?![0-9A-Za-z])")
"""A masked name (`assets.ingestion.masks`): the beginning of an id of its own."""
NAME_PREFIX = f"name{SEPARATOR}"


class Rekeying(Pseudonymiser):
    """Makes ids with a new key and knows what they were with the old one.

    Ids are made from ids: where a text holds a new id, the old key is given the old one in its place.
    """

    def __init__(self, old: Pseudonymiser, new_key: bytes) -> None:
        super().__init__(new_key)
        self._old = old
        self._before: dict[str, str] = {}
        self._masks: dict[str, str] = {}

    def _digests(self, kind: Kind, texts: Sequence[str]) -> list[str]:
        new = super()._digests(kind, texts)
        old = self._old._digests(kind, [self._as_before(text) for text in texts])
        self._before.update(zip(new, old, strict=True))
        for text, now, then in zip(texts, new, old, strict=True):
            if kind == "row" and text.startswith(NAME_PREFIX):
                self._masks[f"masked-{now[1:9]}"] = f"masked-{then[1:9]}"
        return new

    def _as_before(self, text: str) -> str:
        before = ID_IN_TEXT.sub(lambda found: self._before.get(found.group(), found.group()), text)
        return MASK_IN_TEXT.sub(lambda found: self._masks.get(found.group(), found.group()), before)

    def translation(self) -> dict[str, str]:
        """Old id → new id, of everything that was made so far."""
        return {old: new for new, old in self._before.items()} | {old: new for new, old in self._masks.items()}


def translated(text: str, ids: dict[str, str]) -> str:
    """`text` with every id that `ids` knows as the new one."""
    text = ID_IN_TEXT.sub(lambda found: ids.get(found.group(), found.group()), text)
    return MASK_IN_TEXT.sub(lambda found: ids.get(found.group(), found.group()), text)


def unknown_ids(texts: Iterable[str], ids: dict[str, str]) -> set[str]:
    """Ids of findings and due points in `texts` that the key did not make: SQL did, from other ids."""
    return {found for text in texts for found in ID_IN_TEXT.findall(text) if found[0] in "df" and found not in ids}


def split_patients(events: Iterable[IdentityEvent], ids: dict[str, str]) -> dict[str, str]:
    """Old id → new id of the patients that splits made."""
    made = {}
    for event in events:
        old = split_patient(event)
        if old is not None:
            courses = tuple(ids.get(course, course) for course in event.ids)
            new = split_patient(IdentityEvent(event.number, event.action, courses, event.reason, event.by, event.at))
            made[old] = new or old
    return made


def sql_ids(preimages: Iterable[tuple[str, str]], wanted: set[str], ids: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Old id and new id of those of `wanted` that SQL made from one of `preimages` (letter and text of old ids)."""
    for letter, text in preimages:
        old = sql_id(letter, text)
        if old in wanted:
            yield old, sql_id(letter, translated(text, ids))


def sql_id(letter: str, text: str) -> str:
    """The id that SQL gives a finding ('f') or a due point ('d'): letter || md5(text)."""
    return letter + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
