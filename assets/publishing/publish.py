"""Publishing: from the sealed warehouse to `published/{public,network,sites}`, one swap per audience.

What belongs here: which files an audience gets, and putting them in place. What does not: content (`public`,
`network`) or layout (`templates`). Pages hold no time of day: the same warehouse gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from assets.publishing import figures, formatting, network, public, words
from assets.publishing.delivery_report import reports
from assets.publishing.disclosure import Disclosure
from assets.publishing.local_refs import local_refs
from assets.publishing.sources import RunSummary, Warehouse
from assets.publishing.units import Unit, units
from assets.publishing.worklist import due_points, open_findings, worklist
from assets.publishing.worklist_files import write_worklist
from assets.spreadsheet import write_csv
from checks.identity import read_identities
from codebook.library import Library

__all__ = ["RunSummary", "publish"]

TEMPLATES = Path(__file__).parent / "templates"
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
        for audience, write in ((PUBLIC, _write_public), (NETWORK, _write_network), (SITES, _write_sites)):
            on_progress(f"publishing {audience}")
            fresh = published / f".{audience}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                write(sealed, library, run, fresh)
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
    import vl_convert

    from assets.publishing.codebook.export import page as codebook_page

    known = codebook_page(library.instruments, run.code_version, library.network.is_synthetic)
    (folder / "codebook.html").write_text(known, encoding="utf-8")
    rule = Disclosure(library.network.privacy.minimum_cell_count)
    content = public.content(warehouse, library, rule)
    (folder / "tables").mkdir()
    _write_table(folder / "tables" / "assessments", content.assessments)
    for part in content.parts:
        name = part.analysis.name
        _write_table(folder / "tables" / f"{name}_models", public.models_table(part))
        if part.figure is None:
            continue
        _write_table(folder / "tables" / f"{name}_trajectory", public.observed_table(part))
        (folder / "figures").mkdir(exist_ok=True)
        (folder / "figures" / f"{name}_trajectory.svg").write_text(part.figure.svg, encoding="utf-8")
        page = _render(
            "figure.html.j2",
            library,
            run,
            part=part,
            spec=_inside_script(part.figure.spec),
            bundle=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
            colours=figures.COLOURS,
        )
        (folder / "figures" / f"{name}_trajectory.html").write_text(page, encoding="utf-8")
    page = _render("public.html.j2", library, run, content=content, rule=rule)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _write_network(warehouse: Warehouse, library: Library, run: RunSummary, folder: Path) -> None:
    found = units(warehouse, library, run.today)
    frame = network.completeness(warehouse)
    details = network.details(warehouse, library, found)
    listed, tally = network.expectations(warehouse, found)
    page = _render(
        "network.html.j2",
        library,
        run,
        sentence=network.first_sentence(found),
        units=found,
        alphabetical={unit.site: place for place, unit in enumerate(sorted(found, key=lambda item: item.name))},
        details=details,
        maps=network.heat_maps(frame, library, found),
        occasions=words.occasions(library),
        expectations=listed,
        tally=tally,
        is_judged=any(any(counts.values()) for counts in tally.values()),
        profile_size=(network.PROFILE_WIDTH, network.PROFILE_HEIGHT),
        shades=range(network.SHADES + 1),
        years=sorted({d.delivery_date.year for unit in found for d in unit.deliveries if d.delivery_date}),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "tables").mkdir()
    _write_table(folder / "tables" / "units", _unit_table(found))
    columns = ["site_id", "instrument", "occasion", "n_expected", "n_received", "n_scorable"]
    _write_table(folder / "tables" / "completeness", frame.select([*columns, "n_items_expected", "n_items_answered"]))


def _write_sites(warehouse: Warehouse, library: Library, run: RunSummary, folder: Path) -> None:
    """A folder per unit with its worklist and a report on each of its deliveries: its own patients' numbers, no ids."""
    folder.chmod(OWNER_ONLY)
    due, findings = due_points(warehouse, run.today), open_findings(warehouse)
    known, dialect = read_identities(library.folder.state), library.network.csv
    deliveries = warehouse.table("quality.delivery", "site_id, delivery")
    for site in sorted({*library.sites, *(deliveries["site_id"] if deliveries.width else ())}):
        refs = local_refs(library.folder.lake, site, known)
        own = folder / site
        (own / "deliveries").mkdir(parents=True)
        write_worklist(worklist(due, findings, site, refs, library, run.today), own / "worklist", dialect)
        for report in reports(warehouse, library, site, refs, deliveries) if deliveries.width else ():
            page = _render("delivery.html.j2", library, run, report=report)
            (own / "deliveries" / f"{report.name}.html").write_text(page, encoding="utf-8")
            write_csv(report.listed, own / "deliveries" / f"{report.name}.csv", dialect)


def _unit_table(found: list[Unit]) -> pl.DataFrame:
    rows = [
        {
            "site_id": unit.site,
            "name": unit.name,
            "state": unit.state.word,
            "last_delivery": unit.last.name if unit.last else None,
            "data_through_date": unit.last_accepted.data_through if unit.last_accepted else None,
            "n_overdue": unit.n_overdue,
            "n_missed": unit.n_missed,
            "n_awaiting_delivery": unit.n_awaiting,
            "n_findings_open": unit.n_open,
            "n_findings_new": unit.n_new,
            "n_findings_closed": unit.n_closed,
        }
        for unit in found
    ]
    texts = dict.fromkeys(("site_id", "name", "state", "last_delivery"), pl.String())
    counts = ("n_overdue", "n_missed", "n_awaiting_delivery", "n_findings_open", "n_findings_new", "n_findings_closed")
    return pl.DataFrame(rows, schema=texts | {"data_through_date": pl.Date()} | dict.fromkeys(counts, pl.Int64()))


def _write_table(stem: Path, frame: pl.DataFrame) -> None:
    """CSV with a byte-order mark, which spreadsheets need for letters beyond ASCII, and Parquet."""
    safe = [pl.col(name).str.replace(r"^([=+\-@])", "'$1") for name, kind in frame.schema.items() if kind == pl.String]
    frame.with_columns(safe).write_csv(stem.with_suffix(".csv"), include_bom=True)
    frame.write_parquet(stem.with_suffix(".parquet"))


def _inside_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")


@cache
def environment() -> Any:
    """Jinja as every page uses it: escaping, strict about names, with the shared filters."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown: Mapping[str, Callable[..., str]] = {
        "count": formatting.count,
        "percent": formatting.percent,
        "share": formatting.share,
        "plural": formatting.plural,
        "day": formatting.date,
        "shortday": formatting.short_date,
        "gate": words.gate_words,
    }
    made.filters.update(shown)
    made.globals["STARS"] = formatting.STARS_MEAN
    return made


def _render(template: str, library: Library, run: RunSummary, **values: Any) -> str:
    as_of: dt.date | None = run.as_of
    text = (
        environment()
        .get_template(template)
        .render(network=library.network, run=run, as_of=as_of, today=run.today, **values)
    )
    return str(text)
