"""The codebook on the screen: lists, sheets, check results and differences.

What belongs here: layout for a terminal. What does not: what is known (`codebook.facts`, `assets.publishing.codebook`).
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from orchestration.codebook_check import Checked, Codebook
from orchestration.tables import print_table

if TYPE_CHECKING:
    from assets.publishing.codebook.difference import Comparison
    from assets.publishing.codebook.sheet import Line, Sheet
    from codebook.instrument import Instrument

WIDEST = 110


def print_list(codebook: Codebook) -> None:
    """One line per instrument."""
    from codebook.facts import KEY_WORDS, status_counts

    rows = []
    for key, one in codebook.instruments.items():
        counts = status_counts(one)
        size = (one.n_items or None, len(one.versions), len(one.scale_keys), KEY_WORDS[one.key_access])
        facts = (counts["verified"], counts["one_paper"], counts["unverified"], len(one.conflicts))
        rows.append((key, one.name, *size, *facts, len(codebook.cases.get(key, ()))))
    print_table(
        (
            "key", "name", "items", "versions", "scales", "item key",
            "verified", "one paper", "unverified", "conflicts", "cases",
        ),
        rows,
    )  # fmt: skip


def print_sheet(sheet: Sheet, n_cases: int) -> None:
    """Everything about one instrument, wrapped to the terminal; sources are numbered and stand at the end."""
    width = min(shutil.get_terminal_size((WIDEST, 0)).columns, WIDEST)
    typer.echo(f"{sheet.name} ({sheet.key})")
    typer.echo(_wrapped(f"{sheet.summary} {n_cases} worked cases.", width, ""))
    widest = max(len(term) for term, _ in sheet.facts)
    typer.echo()
    for term, words in sheet.facts:
        typer.echo(_wrapped(words, width, f"{term.ljust(widest)}  "))
    for section in sheet.sections:
        typer.echo(f"\n{section.heading.upper()}")
        for line in section.lines:
            _print_line(line, width)
    for heading, said in (("WHERE SOURCES DISAGREE", sheet.conflicts), ("NOTES", sheet.notes)):
        if said:
            typer.echo(f"\n{heading}")
            for text in said:
                typer.echo(_wrapped(text, width, "  - "))
    if sheet.sources:
        typer.echo("\nSOURCES")
        for number, source in enumerate(sheet.sources, start=1):
            typer.echo(_wrapped(source, width, f"  {number:>2}  "))


def _print_line(line: Line, width: int) -> None:
    key = f" ({line.key})" if line.key else ""
    subject = f"{line.of}{key}: " if line.of else ""
    sources = f" [{', '.join(map(str, line.sources))}]" if line.sources else ""
    typer.echo(_wrapped(f"{subject}{line.text}. {line.status.capitalize()}{sources}.", width, "  "))
    if line.note:
        typer.echo(_wrapped(line.note, width, "    "))


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_checked(checked: Sequence[Checked], with_sql: bool, each: bool) -> None:
    """Every case or a line per instrument, then each failure in full, then the sum."""
    if each:
        head: tuple[str, ...] = ("case", "reference", "SQL", "expected", "got")
        rows: list[tuple[object, ...]] = [(one.case.id, *one.outcomes, *_told(one)) for one in checked]
    else:
        head = ("instrument", "cases", "reference passed", "SQL passed", "SQL n/a")
        rows = _tally(checked)
    left_out = {"SQL", "SQL passed", "SQL n/a"} if not with_sql else set()
    kept = [place for place, name in enumerate(head) if name not in left_out]
    print_table([head[place] for place in kept], [[row[place] for place in kept] for row in rows])
    failed = [one for one in checked if not one.passed]
    for one in failed:
        typer.echo(f"\nFAIL {one.case.id} ({one.case.instrument} {one.case.version})")
        for line in _failures(one):
            typer.echo(f"  {line}")
    by_sql = [one for one in checked if one.sql is not None]
    typer.echo(
        f"\n{len(checked)} cases: reference scorer {_passed(one.reference.passed for one in checked)}, SQL "
        + (f"{_passed(one.sql.passed for one in by_sql if one.sql)}" if with_sql else "not asked")
        + (f" (n/a: {len(checked) - len(by_sql)}, formulas, and forms to be refused)" if with_sql else "")
        + f". {'All pass.' if checked and not failed else f'{len(failed)} fail.'}"
    )


def _passed(results: Iterable[bool]) -> str:
    found = list(results)
    return f"{sum(found)} of {len(found)}"


def _tally(checked: Sequence[Checked]) -> list[tuple[object, ...]]:
    by_instrument: dict[str, list[Checked]] = {}
    for one in checked:
        by_instrument.setdefault(one.case.instrument, []).append(one)
    return [
        (
            instrument,
            len(held),
            sum(one.outcomes[0] == "pass" for one in held),
            sum(one.outcomes[1] == "pass" for one in held),
            sum(one.outcomes[1] == "n/a" for one in held),
        )
        for instrument, held in by_instrument.items()
    ]


def _told(one: Checked) -> tuple[str, str]:
    """Expected and got, by the names that the case expects; what SQL got otherwise is said behind it."""
    from assets.publishing.codebook.case_text import values_text

    expected = one.reference.expected
    got = values_text(_named(one.reference.got, expected))
    by_sql = values_text(_named(one.sql.got, expected)) if one.sql is not None else got
    return values_text(expected), got if by_sql == got else f"{got}; SQL: {by_sql}"


def _named(got: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """What was got under the names expected; where a form was refused or not, all of it."""
    named = {name: got[name] for name in expected if name in got}
    return named or dict(got)


def _failures(one: Checked) -> Iterable[str]:
    from assets.publishing.codebook.case_text import value_text

    for scorer, result in (("reference", one.reference), ("SQL", one.sql)):
        for name in result.differences if result is not None else ():
            assert result is not None
            got = value_text(result.got[name]) if name in result.got else "nothing"
            refused = next((f" ({result.got[key]})" for key in ("error", "refusal") if key in result.got), "")
            yield f"{name}: expected {value_text(result.expected[name])}, {scorer} got {got}{refused}"


def print_without_cases(keys: Sequence[str]) -> None:
    """Instruments that nothing was checked of."""
    if keys:
        typer.echo(f"No cases: {', '.join(keys)}. Nothing was checked of them.")


def print_comparisons(comparisons: Sequence[Comparison], unknown: Sequence[str]) -> None:
    """What each form has otherwise, and how a mapping names its items."""
    for found in comparisons:
        title = f"{found.form}: {found.instrument.name}, {found.version.label}"
        typer.echo(title if found.differences else f"{title}: as declared")
        for difference in found.differences:
            typer.echo(f"  {difference.kind}: {difference.text}")
        if found.pattern and any(difference.kind == "other name" for difference in found.differences):
            typer.echo(
                f"  to map it: instrument: {found.instrument.key}, version: {found.version.key}, "
                f'items: "{found.pattern}"'
            )
    if unknown:
        typer.echo(f"No instrument resembles these forms: {', '.join(unknown)}.")


def instrument_of(codebook: Codebook, key: str) -> Instrument | None:
    """The instrument with that key, or the only one whose key begins with it."""
    if key in codebook.instruments:
        return codebook.instruments[key]
    beginning = [one for name, one in codebook.instruments.items() if name.startswith(key)]
    return beginning[0] if len(beginning) == 1 else None
