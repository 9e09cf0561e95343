"""A synthetic network in a folder: declarations, deliveries with planted mistakes, and the truth about them.

What belongs here: the order of steps and the folder. What does not: patients, answers, mistakes and formats, each of
which has a module.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import polars as pl

from codebook.instrument import Instrument
from codebook.library import load_instruments
from codebook.network import NetworkFolder
from simulation.answers import fill_in
from simulation.counts import treated_of
from simulation.declines import Decline, decline, dropped
from simulation.defects import Defect, plant
from simulation.export import KINDS, DeliveryView, SiteExport, people_of, view
from simulation.intake import draw_intake
from simulation.population import Population, draw_population
from simulation.truth import truth_frame
from simulation.writers import excel, norwegian_csv, redcap, spss

TEMPLATES = Path(__file__).parent / "network"
MBT = "Mentalisation-based treatment"


class FolderNotEmpty(Exception):  # noqa: N818 (callers say it as a sentence)
    """The folder holds something already; a demo is never written over anything."""


@dataclass(frozen=True)
class DemoSummary:
    """What was written, for the message at the end. `n_assessments` counts filled-in forms, each once."""

    directory: Path
    n_patients: int
    sites: tuple[str, ...]
    n_deliveries: int
    n_assessments: int
    n_defects: int


def write_demo(
    directory: Path,
    patients: int = 155,
    sites: int = 4,
    seed: int = 1,
    on_progress: Callable[[str], None] | None = None,
) -> DemoSummary:
    """Write a synthetic network; the same patients, sites and seed give the same bytes.

    Raises:
        FolderNotEmpty: `directory` is not an empty or new folder.
        ValueError: no site, or fewer patients than sites.
    """
    _require_empty(directory)
    tell = on_progress or (lambda _message: None)
    instruments = load_instruments()
    tell(f"drawing {patients} patients")
    population = draw_population(patients, sites, seed)
    intake = draw_intake(population, seed)
    folder = NetworkFolder(directory)
    _write_declarations(folder, patients, sites, seed)
    truth: list[Defect] = []
    declines: list[Decline] = []
    n_assessments = n_deliveries = 0
    names = site_names(sites)
    for number, site in enumerate(names):
        tell(f"writing {site}")
        export, defects, declined = make_site(population, intake, number, site, seed, instruments)
        truth.extend(defects)
        declines.extend(declined)
        if (treated := treated_of(export)) is not None:
            treated.write_csv(directory / "counts" / f"{site}.csv")
        n_assessments += sum(form.n for form in export.forms.values())
        for delivery in range(len(export.deliveries)):
            seen = view(export, delivery)
            if seen.is_listed.any():
                _write_delivery(folder, export.kind, seen, instruments)
                n_deliveries += 1
    (directory / "truth").mkdir()
    truth_frame(Defect, truth).write_csv(directory / "truth" / "truth.csv")
    truth_frame(Decline, declines).write_csv(directory / "truth" / "quality.csv")
    return DemoSummary(directory, patients, names, n_deliveries, n_assessments, len(truth))


def site_names(sites: int) -> tuple[str, ...]:
    """north, south, east, west, then north_2 and so on."""
    return tuple(KINDS[i % 4] if i < 4 else f"{KINDS[i % 4]}_{i // 4 + 1}" for i in range(sites))


def make_site(
    population: Population,
    intake: pl.DataFrame,
    number: int,
    site: str,
    seed: int,
    instruments: dict[str, Instrument],
) -> tuple[SiteExport, list[Defect], list[Decline]]:
    """Everything that site `number` (from 0) holds, mistakes and declines planted, and the truth about them."""
    kind = KINDS[number % 4]
    rng = np.random.default_rng([seed, 2, number])
    members = np.flatnonzero(population.site == number)
    people = people_of(population, intake, members, kind, rng)
    export = SiteExport(site, kind, f"{MBT}, {_title(site)}", people, {})
    gaf_version = "gaf_global" if kind == "east" else "gaf_split"
    last = export.until(len(export.deliveries) - 1)
    export.forms = fill_in(population, members, last, instruments, gaf_version, rng)
    declines = decline(export, instruments, np.random.default_rng([seed, 3, number]))
    defects = plant(export, instruments, rng)
    return export, defects, declines + dropped(export)


def _title(site: str) -> str:
    return site.replace("_", " ").capitalize()


def _require_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FolderNotEmpty(f"{directory} is not empty; name a new folder for the demo network")


def _write_declarations(folder: NetworkFolder, patients: int, sites: int, seed: int) -> None:
    for path in (folder.sites, folder.schedules, folder.analyses, folder.root / "secrets", folder.root / "counts"):
        path.mkdir(parents=True)
    for name in ("network.yaml", *_analyses()):
        (folder.root / name).write_bytes((TEMPLATES / name).read_bytes())
    for number, site in enumerate(site_names(sites)):
        template = Template((TEMPLATES / "sites" / f"{KINDS[number % 4]}.yaml").read_text(encoding="utf-8"))
        text = template.substitute(site=site, name=_title(site))
        (folder.sites / f"{site}.yaml").write_text(text, encoding="utf-8")
    readme = Template((TEMPLATES / "README.txt").read_text(encoding="utf-8"))
    (folder.root / "README.txt").write_text(
        readme.substitute(patients=patients, sites=sites, seed=seed), encoding="utf-8"
    )
    key = f"demo-key-not-secret-{hashlib.sha256(f'concord demo {seed}'.encode()).hexdigest()}\n"
    handle = os.open(folder.root / "secrets" / "pseudonym.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key)


def _analyses() -> list[str]:
    return [f"analyses/{path.name}" for path in sorted((TEMPLATES / "analyses").glob("*.yaml"))]


def _write_delivery(folder: NetworkFolder, kind: str, seen: DeliveryView, instruments: dict[str, Instrument]) -> None:
    target = folder.landing / seen.site / seen.delivery
    target.mkdir(parents=True)
    match kind:
        case "north":
            norwegian_csv.write(target, seen, instruments)
        case "south":
            spss.write(target, seen)
        case "east":
            excel.write(target, seen)
        case _:
            redcap.write(target, seen, instruments)
