"""`concord codebook check`: which cases there are, and what both scorers make of them.

What belongs here: choosing cases and instruments, running reference scorer and SQL. What does not: printing
(`codebook_view`), judging (`codebook.cases`), scoring.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codebook.case import Case, CaseResult
from codebook.cases import load_cases, load_vectors, run_reference
from codebook.declaration import DeclarationError, Problem
from codebook.instrument import Instrument
from codebook.library import load_instruments, load_library

CASES_FOLDER = "cases"
"""Inside a network's `instruments/`: the cases of its own instruments, `<key>.yaml`."""

Outcome = Literal["pass", "fail", "n/a"]


@dataclass(frozen=True)
class Codebook:
    """The instruments that a command works with, and their cases by instrument (`formulas` belong to none)."""

    instruments: dict[str, Instrument]
    cases: dict[str, tuple[Case, ...]]


@dataclass(frozen=True)
class Checked:
    """One case and both scorers' results; `sql` is None where SQL does not score such a case, or was not asked."""

    case: Case
    reference: CaseResult
    sql: CaseResult | None

    @property
    def outcomes(self) -> tuple[Outcome, Outcome]:
        """Of the reference scorer and of SQL."""
        sql: Outcome = "n/a" if self.sql is None else "pass" if self.sql.passed else "fail"
        return ("pass" if self.reference.passed else "fail", sql)

    @property
    def passed(self) -> bool:
        """True where neither scorer failed."""
        return "fail" not in self.outcomes


def load_codebook(network: Path | None) -> Codebook:
    """Concord's instruments and cases, overlaid by a network's own.

    A network that declares an instrument itself (a licensed key, say) holds it to its own cases only.

    Raises:
        DeclarationError: with everything that is wrong in any file.
    """
    cases = load_cases()
    if network is None:
        return Codebook(load_instruments(), cases)
    library = load_library(network)
    folder = library.folder.instruments
    own = load_cases(folder / CASES_FOLDER)
    unknown = sorted(set(own) - set(library.instruments))
    if unknown:
        raise DeclarationError(
            [
                Problem(folder / CASES_FOLDER / f"{key}.yaml", 1, "instrument", f"no instrument '{key}'")
                for key in unknown
            ]
        )
    declared = {path.stem for path in folder.glob("*.yaml")}
    kept = {key: held for key, held in cases.items() if key not in declared}
    return Codebook(library.instruments, kept | own)


def chosen_cases(codebook: Codebook, file: Path | None, instruments: Iterable[str]) -> tuple[Case, ...]:
    """The cases to check: those of a file, else every one of the codebook; of the instruments named, else of all.

    Raises:
        DeclarationError: the file cannot be read, names something unknown, or two of its cases have one id.
    """
    wanted = set(instruments)
    if file is None:
        cases: Sequence[Case] = [case for held in codebook.cases.values() for case in held]
    else:
        cases = load_vectors(file, codebook.instruments)
        _require_known(file, cases, codebook.instruments)
    return tuple(case for case in cases if not wanted or case.instrument in wanted)


def _require_known(file: Path, cases: Sequence[Case], instruments: Mapping[str, Instrument]) -> None:
    problems: list[Problem] = []
    ids = [case.id for case in cases]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    problems += [Problem(file, None, name, "two cases have this id") for name in twice]
    for case in cases:
        if not case.is_form:
            continue
        if case.instrument not in instruments:
            problems.append(Problem(file, None, case.id, f"no instrument '{case.instrument}'"))
        elif case.version not in {version.key for version in instruments[case.instrument].versions}:
            problems.append(Problem(file, None, case.id, f"{case.instrument} has no version '{case.version}'"))
    if problems:
        raise DeclarationError(problems)


def check(cases: Sequence[Case], instruments: Mapping[str, Instrument], with_sql: bool = True) -> list[Checked]:
    """Both scorers' results, case by case.

    Args:
        cases: with distinct ids.
        instruments: by key; every case's own.
        with_sql: False leaves the build by SQL out, which takes most of the time.

    Raises:
        ScoringError: dbt could not build the scores.
    """
    from assets.warehouse.score_cases import run_sql

    by_sql = run_sql(cases, instruments) if with_sql else {}
    return [Checked(case, run_reference(case, instruments), by_sql.get(case.id)) for case in cases]
