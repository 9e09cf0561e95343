"""Publishing: from the sealed warehouse to `published/{public,network,sites}`, one swap per audience.

What belongs here: which files an audience gets, and putting them in place. What does not: content (`public`,
`network`) or layout (`templates`). Pages hold no time of day: the same warehouse gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from assets.publishing import public
from assets.publishing.delivery_report import reports
from assets.publishing.disclosure import Disclosure
from assets.publishing.local_refs import local_refs
from assets.publishing.quality.network_pages import Picture, picture, write_network
from assets.publishing.quality.report_card import Cards
from assets.publishing.quality.wilson import FEWEST_OTHERS, SMALLEST
from assets.publishing.rendering import render, write_table
from assets.publishing.sources import RunSummary, Warehouse
from assets.publishing.statistics.files import write_analysis
from assets.publishing.units import units
from assets.publishing.worklist import due_points, open_findings, worklist
from assets.publishing.worklist_files import write_worklist
from assets.spreadsheet import write_csv
from checks.identity import read_identities
from codebook.library import Library

__all__ = ["RunSummary", "publish"]

PUBLIC, NETWORK, SITES = "public", "network", "sites"
OWNER_ONLY = 0o700


def _quiet(_: str) -> None:
    """Says nothing."""


def publish(
    warehouse: Path,
    library: Library,
    published: Path,
    run: RunSummary,
    on_progress: Callable[[str], None] = _quiet,
) -> list[Path]:
    """Write each audience's folder from the sealed file and put each in place at once.

    Args:
        warehouse: the sealed DuckDB file; opened read only.
        library: the declarations it was built with.
        published: folder that holds `public`, `network` and `sites`; each is replaced whole.
        run: the run's dates and code version.
        on_progress: is told one line per step.

    Returns:
        Every file written, sorted.

    Raises:
        duckdb.Error: the file is missing or is no warehouse; what was published before stays as it was.
    """
    published.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with Warehouse(warehouse) as sealed:
        seen = picture(sealed, library, run, units(sealed, library, run.today))

        def write_public(folder: Path) -> None:
            _write_public(sealed, library, run, folder)

        def write_coordinators(folder: Path) -> None:
            write_network(seen, library, run, folder)

        def write_sites(folder: Path) -> None:
            _write_sites(sealed, library, run, folder, seen)

        for audience, write in ((PUBLIC, write_public), (NETWORK, write_coordinators), (SITES, write_sites)):
            on_progress(f"publishing {audience}")
            fresh = published / f".{audience}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                write(fresh)
                _swap(fresh, published / audience)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            written += sorted(path for path in (published / audience).rglob("*") if path.is_file())
    return written


def _swap(fresh: Path, place: Path) -> None:
    """Put a finished folder in place of the old one; a reader meets one or the other, whole."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _write_public(warehouse: Warehouse, library: Library, run: RunSummary, folder: Path) -> None:
    from assets.publishing.codebook.export import page as codebook_page

    known = codebook_page(library.instruments, run.code_version, library.network.is_synthetic)
    (folder / "codebook.html").write_text(known, encoding="utf-8")
    rule = Disclosure(library.network.privacy.minimum_cell_count)
    content = public.content(warehouse, library, rule, run)
    (folder / "tables").mkdir()
    write_table(folder / "tables" / "assessments", content.assessments)
    for part in content.parts:
        write_analysis(part, library, run, folder)
    page = render("public.html.j2", library, run, content=content, rule=rule)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _write_sites(warehouse: Warehouse, library: Library, run: RunSummary, folder: Path, seen: Picture) -> None:
    """A folder per unit: its report card, its worklist, and a report on each of its deliveries.

    It holds the unit's own patients' numbers, no ids, and of the other units rounded medians only.
    """
    folder.chmod(OWNER_ONLY)
    due, findings = due_points(warehouse, run.today), open_findings(warehouse)
    known, dialect = read_identities(library.folder.state), library.network.csv
    deliveries = warehouse.table("quality.delivery", "site_id, delivery")
    cards = Cards(seen.frames, seen.judged, library)
    rows = {week.unit.site: (week, own.due, own.rules) for week, own in zip(seen.weeks, seen.details, strict=True)}
    for site in sorted({*library.sites, *(deliveries["site_id"] if deliveries.width else ())}):
        refs = local_refs(library.folder.lake, site, known)
        own = folder / site
        (own / "deliveries").mkdir(parents=True)
        write_worklist(worklist(due, findings, site, refs, library, run.today), own / "worklist", dialect)
        if site in rows:
            card = cards.card(*rows[site])
            text = render("quality/card.html.j2", library, run, card=card, smallest=SMALLEST, fewest=FEWEST_OTHERS)
            (own / "report.html").write_text(text, encoding="utf-8")
        for report in reports(warehouse, library, site, refs, deliveries) if deliveries.width else ():
            page = render("delivery.html.j2", library, run, report=report)
            (own / "deliveries" / f"{report.name}.html").write_text(page, encoding="utf-8")
            write_csv(report.listed, own / "deliveries" / f"{report.name}.csv", dialect)
