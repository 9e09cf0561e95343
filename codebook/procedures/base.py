"""What every declared procedure shares.

What belongs here: name, title and the columns a procedure reads. What does not: any one kind of statistic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codebook.declaration import Declared
from codebook.instrument import Instrument
from codebook.panel import Name, Panel


class ProcedureBase(Declared):
    """A statistic other than one mixed model for each outcome. A subclass adds `kind`, a literal, and its settings."""

    name: Name
    title: str

    def columns(self) -> set[str]:
        """Panel columns that the declaration names (`months` included); what the panel lacks is refused."""
        return set()

    def problems(self, panel: Panel, instruments: Mapping[str, Instrument]) -> Iterator[str]:
        """What the declaration names and the codebook lacks, one sentence each."""
        yield from ()
