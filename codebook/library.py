"""Every declaration that one network works with, read together and checked against each other.

What belongs here: finding the files, and the checks that need two declarations at once.
What does not: anything about data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from codebook.analysis import Analysis
from codebook.analysis_checks import check_analyses, sent_of
from codebook.analysis_files import load_analyses
from codebook.declaration import DeclarationError, DeclaredT, Location, Problem, line_of, load
from codebook.instrument import Instrument
from codebook.network import Network, NetworkFolder
from codebook.psychometrics import norm_ids, reliability_ids
from codebook.schedule import Schedule, succession
from codebook.site import Site
from codebook.site_checks import Known, check_site

BUILT_IN = Path(__file__).parent / "instruments"
BUILT_IN_SCHEDULES = Path(__file__).parent / "schedules"


@dataclass(frozen=True)
class Library:
    """A network's declarations; `instruments` are Concord's own, overlaid by the network's.

    `schedules` are the network's, and of Concord's own those that it names.
    """

    folder: NetworkFolder
    network: Network
    instruments: dict[str, Instrument]
    sites: dict[str, Site]
    schedules: dict[str, Schedule]
    analyses: dict[str, Analysis]

    def schedule_of(self, site: Site) -> Schedule | None:
        """The schedule that a site's episodes follow; None where the network has none."""
        name = site.schedule or self.network.default_schedule or next(iter(self.schedules), None)
        return self.schedules.get(name) if name else None

    def schedules_of(self, site: Site) -> tuple[Schedule, ...]:
        """What a site's episodes follow, each by the day on which it begins: a schedule and those that replace it."""
        named = self.schedule_of(site)
        return succession(self.schedules.values(), named.name) if named else ()

    def accepted_rules(self) -> frozenset[str]:
        """Names of missing rules and rescalings that may be used: verified ones, and those the network accepts."""
        return accepted_rules(self.instruments.values(), self.network.accepted_unverified)


def accepted_rules(instruments: Iterable[Instrument], accepted_unverified: Iterable[str]) -> frozenset[str]:
    """Names of the missing rules and rescalings that are not unverified, together with those accepted by name."""
    known = list(instruments)
    rules = [scale.missing_rule for instrument in known for scale in instrument.scales]
    rescalings = [version.rescaled_to for instrument in known for version in instrument.versions]
    sound = {rule.name for rule in (*rules, *rescalings) if rule and rule.status != "unverified"}
    return frozenset(sound | set(accepted_unverified))


def load_instruments(folder: Path = BUILT_IN) -> dict[str, Instrument]:
    """Instruments of one folder by key.

    Raises:
        DeclarationError: a file does not fit, or its name is not its key.
    """
    problems: list[Problem] = []
    instruments = _load_folder(folder, Instrument, lambda item: item.key, problems)
    if problems:
        raise DeclarationError(problems)
    return instruments


def load_library(root: Path) -> Library:
    """Read every declaration of the network in `root`.

    Raises:
        DeclarationError: with everything that is wrong in any file, not only the first.
    """
    folder = NetworkFolder(root)
    if not folder.declaration.is_file():
        raise DeclarationError(
            [Problem(folder.declaration, None, "", "not a network folder; make one with 'concord demo DIR'")]
        )
    problems: list[Problem] = []
    instruments = _load_folder(BUILT_IN, Instrument, lambda item: item.key, problems)
    instruments |= _load_folder(folder.instruments, Instrument, lambda item: item.key, problems)
    sites = _load_folder(folder.sites, Site, lambda item: item.site, problems)
    schedules = _load_folder(folder.schedules, Schedule, lambda item: item.name, problems)
    analyses = load_analyses(folder.analyses, problems)
    network: Network | None = None
    try:
        network = load(folder.declaration, Network)
    except DeclarationError as error:
        problems.extend(error.problems)
    if network is not None:
        units, clashes = _units(folder, sites)
        schedules = _with_built_in(schedules, network, sites, problems)
        library = Library(folder, network, instruments, units, schedules, analyses)
        problems.extend(clashes)
        problems.extend(_cross_check(library))
        if not problems:
            return library
    raise DeclarationError(problems)


def _with_built_in(
    own: dict[str, Schedule], network: Network, sites: dict[str, Site], problems: list[Problem]
) -> dict[str, Schedule]:
    """The network's schedules, and those of Concord's own that a site, the network or one of them names."""
    built_in = _load_folder(BUILT_IN_SCHEDULES, Schedule, lambda item: item.name, problems)
    named = {network.default_schedule, *(site.schedule for site in sites.values())}
    named |= {schedule.replaces for schedule in own.values()}
    return own | {name: schedule for name, schedule in built_in.items() if name in named and name not in own}


def _units(folder: NetworkFolder, sites: dict[str, Site]) -> tuple[dict[str, Site], list[Problem]]:
    """Every declared site and the units inside their files, by key; and units that two declarations name."""
    units: dict[str, Site] = {}
    problems: list[Problem] = []
    for site in sites.values():
        path = folder.sites / f"{site.site}.yaml"
        if site.part_of is not None:
            problems.append(Problem(path, None, "part_of", "is set by Concord; declare 'parts' in the other site"))
        for unit in site.units():
            if unit.site in units or (unit is not site and unit.site in sites):
                problems.append(Problem(path, None, "parts", f"the unit '{unit.site}' is declared twice"))
            units[unit.site] = unit
    return units, problems


def _load_folder(
    folder: Path, model: type[DeclaredT], key_of: Callable[[DeclaredT], str], problems: list[Problem]
) -> dict[str, DeclaredT]:
    loaded: dict[str, DeclaredT] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            item = load(path, model)
        except DeclarationError as error:
            problems.extend(error.problems)
            continue
        if key_of(item) != path.stem:
            problems.append(Problem(path, 1, "", f"declares '{key_of(item)}'; name the file {key_of(item)}.yaml"))
        loaded[key_of(item)] = item
    return loaded


def _cross_check(library: Library) -> list[Problem]:
    return [
        *(problem for site in library.sites.values() if site.part_of is None for problem in _check_site(library, site)),
        *(problem for schedule in library.schedules.values() for problem in _check_schedule(library, schedule)),
        *(problem for analysis in library.analyses.values() for problem in _check_analysis(library, analysis)),
        *_check_network(library),
        *_check_analyses(library),
    ]


def _check_site(library: Library, site: Site) -> list[Problem]:
    path = library.folder.sites / f"{site.site}.yaml"
    return check_site(path, site, Known(library.instruments, library.schedules))


def _check_analysis(library: Library, analysis: Analysis) -> Iterator[Problem]:
    path = library.folder.analyses / f"{analysis.name}.yaml"
    for place, procedure in enumerate(analysis.procedures):
        for text in procedure.problems(analysis.panel, library.instruments):
            yield Problem(path, line_of(path, ("procedures", place)), procedure.name, text)


def _check_schedule(library: Library, schedule: Schedule) -> Iterator[Problem]:
    folder = library.folder.schedules
    path = folder / f"{schedule.name}.yaml"
    if not path.is_file():
        path = BUILT_IN_SCHEDULES / path.name
    where: Location
    for number, occasion in enumerate(schedule.occasions):
        for place, due in enumerate(occasion.due):
            where = ("occasions", number, "due", place, "instrument")
            known = library.instruments.get(due.instrument)
            if known is None:
                yield Problem(path, line_of(path, where), occasion.key, f"no instrument '{due.instrument}'")
            elif due.rater not in known.raters:
                raters = ", ".join(known.raters)
                text = f"{due.instrument} is not answered by '{due.rater}'; it is by {raters}"
                yield Problem(path, line_of(path, (*where[:-1], "rater")), occasion.key, text)
    if schedule.replaces is not None:
        wrong = _wrong_succession(library, schedule)
        if wrong is not None:
            yield Problem(path, line_of(path, ("replaces",)), "replaces", wrong)


def _check_analyses(library: Library) -> Iterator[Problem]:
    sent = sent_of(library.instruments, library.sites.values(), library.schedules)
    return check_analyses(library.folder.analyses, library.analyses, sent)


def _wrong_succession(library: Library, schedule: Schedule) -> str | None:
    replaced = library.schedules.get(schedule.replaces or "")
    if replaced is None:
        return f"'{schedule.replaces}' is not in schedules/"
    if replaced.valid_from >= schedule.valid_from:
        return f"'{replaced.name}' is valid from {replaced.valid_from}, which is not before {schedule.valid_from}"
    rivals = sorted(s.name for s in library.schedules.values() if s.replaces == replaced.name)
    if len(rivals) > 1:
        return f"'{replaced.name}' is replaced by {' and by '.join(rivals)}; only one can"
    return None


def _check_network(library: Library) -> Iterator[Problem]:
    path, network = library.folder.declaration, library.network
    instruments = library.instruments.values()
    rules = {s.missing_rule.name for i in instruments for s in i.scales if s.missing_rule}
    rescalings = {v.rescaled_to.name for i in instruments for v in i.versions if v.rescaled_to}
    numbers = {name for i in instruments for name in (*norm_ids(i), *reliability_ids(i))}
    for name in network.accepted_unverified:
        if name not in rules | rescalings | numbers:
            yield Problem(path, None, "accepted_unverified", f"no rule, norm or reliability is called '{name}'")
    if network.default_schedule and network.default_schedule not in library.schedules:
        yield Problem(path, None, "default_schedule", f"'{network.default_schedule}' is not in schedules/")
    for place, message in network.quality.waiver_problems(set(library.sites), set(library.instruments)):
        yield Problem(path, line_of(path, place), ".".join(map(str, place)), message)
