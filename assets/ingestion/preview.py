"""A look at what would come of a delivery: what maps, what does not, the first rows, the findings. Nothing is written.

What belongs here: gathering. What does not: reading (`assets.ingestion.examine`), words on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.ingestion.examine import examine
from assets.ingestion.landing import Delivery, LandingError, deliveries_of
from assets.ingestion.named import columns_of
from assets.ingestion.receipts import latest_receipts, read_receipts
from checks.gate import GateCheck
from checks.keys import Pseudonymiser
from codebook.instrument import item_column
from codebook.library import Library
from codebook.site import Site

FIRST_ROWS = 3
PEOPLE = ("patient", "episode")


@dataclass(frozen=True)
class FormCount:
    """Assessments of one form at one occasion, and how many of their items are answered."""

    instrument: str
    version: str
    rater: str
    occasion: str | None
    n_assessments: int
    n_answered: int
    n_items: int


@dataclass(frozen=True)
class FindingCount:
    """Findings of one rule: how many, and where the first stands."""

    rule: str
    severity: str
    n: int
    source_file: str
    source_row: int | None
    message: str


@dataclass(frozen=True)
class Preview:
    """What one delivery of one unit would become. `mapped`: source, column of the export, what it is used for."""

    site: str
    delivery: str
    n_files: int
    n_landed: int
    n_accepted: int
    n_quarantined: int
    n_unused: int
    mapped: tuple[tuple[str, str, str], ...]
    dropped: tuple[str, ...]
    unmapped: tuple[str, ...]
    unused_files: tuple[str, ...]
    notes: tuple[str, ...]
    forms: tuple[FormCount, ...]
    first_rows: dict[str, pl.DataFrame]
    findings: tuple[FindingCount, ...]
    checks: tuple[GateCheck, ...]

    @property
    def would_be_held(self) -> tuple[GateCheck, ...]:
        """The checks of the gate that do not pass."""
        return tuple(check for check in self.checks if not check.is_passed)


def preview(library: Library, site: Site, pseudonyms: Pseudonymiser, delivery: str | None = None) -> Preview:
    """Read the named delivery (default: the newest) as it would be read now.

    Raises:
        LandingError: there is no such delivery, or it cannot be read.
        DeliveryError: it cannot be read as declared.
    """
    chosen = _choose(library, site, delivery)
    latest = latest_receipts(read_receipts(library.folder.state, site.site)).values()
    earlier = sorted((r for r in latest if r.is_accepted and r.delivery < chosen.name), key=lambda r: r.delivery)
    examined = examine(library, site, chosen, pseudonyms, earlier)
    mapped = examined.mapped
    declared = site.mapping_for(chosen.name)
    return Preview(
        site=site.site,
        delivery=chosen.name,
        n_files=mapped.n_files,
        n_landed=mapped.n_landed,
        n_accepted=mapped.n_accepted,
        n_quarantined=mapped.n_quarantined,
        n_unused=mapped.n_rows_unused,
        mapped=tuple(
            (source.name, column, where)
            for source in declared.sources
            for column, where in columns_of(source, library).items()
        ),
        dropped=tuple(sorted({column for source in declared.sources for column in source.identifiers})),
        unmapped=tuple(mapped.unmapped),
        unused_files=tuple(mapped.unused_files),
        notes=tuple(mapped.notes),
        forms=tuple(_forms(mapped.tables, library)),
        first_rows=_first_rows(mapped.tables, library),
        findings=_findings(mapped.tables["finding"]),
        checks=examined.checks,
    )


def _choose(library: Library, site: Site, name: str | None) -> Delivery:
    deliveries = deliveries_of(library.folder.landing, site.landing_name)
    if not deliveries:
        raise LandingError(
            f"nothing lies in landing/{site.landing_name}; lay the sample into landing/{site.landing_name}/<date>/, "
            "like 2026-11-01"
        )
    if name is None:
        return deliveries[-1]
    for delivery in deliveries:
        if delivery.name == name:
            return delivery
    known = ", ".join(delivery.name for delivery in deliveries)
    raise LandingError(f"landing/{site.landing_name} holds no delivery '{name}'; it holds {known}")


def _forms(tables: dict[str, pl.DataFrame], library: Library) -> list[FormCount]:
    counts: list[FormCount] = []
    for key, instrument in sorted(library.instruments.items()):
        frame = tables[key]
        if not frame.height:
            continue
        items = [item_column(item) for item in range(1, instrument.n_items + 1)]
        answered = pl.sum_horizontal([pl.col(item).is_not_null() for item in items]) if items else pl.lit(0)
        grouped = (
            frame.with_columns(answered.alias("n_answered"))
            .group_by("version", "rater", "occasion")
            .agg(pl.len().alias("n"), pl.col("n_answered").sum())
            .sort("version", "rater", "occasion")
        )
        for version, rater, occasion, n, n_answered in grouped.iter_rows():
            n_items = len(instrument.version(version).items) or instrument.n_items
            counts.append(FormCount(key, version, rater, occasion, n, n_answered, n * n_items))
    return counts


def _first_rows(tables: dict[str, pl.DataFrame], library: Library) -> dict[str, pl.DataFrame]:
    """The first rows of each table as they would be stored, columns without any value left out."""
    first = {}
    for name in (*PEOPLE, *sorted(library.instruments)):
        frame = tables[name]
        if frame.height:
            filled = [column for column in frame.columns if frame[column].null_count() < frame.height]
            first[name] = frame.select(filled).sort("source_file", "source_row").head(FIRST_ROWS)
    return first


def _findings(findings: pl.DataFrame) -> tuple[FindingCount, ...]:
    grouped = (
        findings.sort("source_file", "source_row")
        .group_by("rule", "severity", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("source_file", "source_row", "message").first())
        .sort(["n", "rule"], descending=[True, False])
    )
    return tuple(
        FindingCount(rule, severity, n, str(file), row, message)
        for rule, severity, n, file, row, message in grouped.iter_rows()
    )
