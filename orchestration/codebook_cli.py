"""`concord codebook`: the instruments, what is known of them, their cases, and forms for others.

What belongs here: arguments, help, errors and exit codes. What does not: any work.
Exit codes: 0 done; 1 a case fails, a page is stale, or a form's answers differ; 2 usage or declaration wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from orchestration.exits import FAILED, WRONG, stop

codebook_app = typer.Typer(
    help="The instruments: what is known of each, from where and how well; their worked cases; forms for others.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

NetworkOption = Annotated[
    Path | None,
    typer.Option("--network", "-n", envvar="CONCORD_NETWORK", help="Its own instruments are laid over Concord's."),
]
InstrumentOption = Annotated[
    list[str] | None, typer.Option("--instrument", metavar="KEY", help="Only this one (may be given several times).")
]


@contextmanager
def _errors() -> Iterator[None]:
    """Every expected error becomes one sentence on stderr and its exit code."""
    from codebook.declaration import DeclarationError

    try:
        yield
    except DeclarationError as error:
        stop(str(error), WRONG)


def _require_known(wanted: list[str], known: dict[str, object]) -> None:
    unknown = [key for key in wanted if key not in known]
    if unknown:
        stop(f"no instrument '{', '.join(unknown)}'; known: {', '.join(sorted(known))}", WRONG)


@codebook_app.command("list")
def list_instruments(network: NetworkOption = None) -> None:
    """One line per instrument: size, whose the item key is, and how many facts are known how well."""
    from orchestration.codebook_check import load_codebook
    from orchestration.codebook_view import print_list

    with _errors():
        print_list(load_codebook(network))


@codebook_app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As 'concord codebook list' names it.")],
    network: NetworkOption = None,
) -> None:
    """Everything that is known of one instrument: versions, scales, missing rules, cut-offs, norms, sources."""
    from assets.publishing.codebook.sheet import sheet
    from orchestration.codebook_check import load_codebook
    from orchestration.codebook_view import instrument_of, print_sheet

    with _errors():
        codebook = load_codebook(network)
    instrument = instrument_of(codebook, key)
    if instrument is None:
        stop(f"no instrument '{key}'; known: {', '.join(sorted(codebook.instruments))}", WRONG)
    print_sheet(sheet(instrument), len(codebook.cases.get(instrument.key, ())))


@codebook_app.command()
def check(
    cases: Annotated[Path | None, typer.Option(help="Cases instead of the built-in ones (JSON or YAML).")] = None,
    network: NetworkOption = None,
    instrument: InstrumentOption = None,
    sql: Annotated[bool, typer.Option(help="Score by the warehouse's SQL, too.")] = True,
    each: Annotated[bool, typer.Option("--each", help="Tell every case, not a line per instrument.")] = False,
) -> None:
    """Hold the reference scorer and the warehouse's SQL to worked cases: expected, got, pass or fail."""
    from assets.warehouse.score_cases import ScoringError
    from orchestration.codebook_check import check as run_check
    from orchestration.codebook_check import chosen_cases, load_codebook
    from orchestration.codebook_view import print_checked, print_without_cases

    wanted = instrument or []
    with _errors():
        codebook = load_codebook(network)
        _require_known(wanted, dict(codebook.instruments))
        chosen = chosen_cases(codebook, cases, wanted)
    if not chosen:
        stop(f"there is no case to check{f' in {cases}' if cases else ''}", WRONG)
    try:
        checked = run_check(chosen, codebook.instruments, sql)
    except ScoringError as error:
        stop(f"SQL could not score the cases: {error}", FAILED)
    print_checked(checked, sql, each or cases is not None)
    if cases is None:
        print_without_cases([key for key in wanted or codebook.instruments if not codebook.cases.get(key)])
    raise typer.Exit(0 if all(one.passed for one in checked) else FAILED)


@codebook_app.command()
def export(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; what is there is replaced.")],
    output_format: Annotated[
        str, typer.Option("--format", help="Any of csv,html,redcap,fhir.")
    ] = "csv,html,redcap,fhir",
    instrument: InstrumentOption = None,
    network: NetworkOption = None,
) -> None:
    """Write a data dictionary, a page to search, and forms that REDCap or a FHIR server imports.

    Item numbers stand in place of the wording.
    """
    from importlib.metadata import version

    from assets.publishing.codebook.export import UnknownFormatError
    from assets.publishing.codebook.export import export as write
    from assets.publishing.codebook.forms import without_items
    from orchestration.codebook_check import load_codebook

    with _errors():
        known = load_codebook(network).instruments
    wanted = instrument or list(known)
    _require_known(wanted, dict(known))
    chosen = {key: known[key] for key in known if key in wanted}
    formats = [name.strip() for name in output_format.split(",") if name.strip()]
    try:
        written = write(chosen, formats, output, version("concord"))
    except UnknownFormatError as error:
        stop(str(error), WRONG)
    for path in written:
        typer.echo(path)
    bare = without_items(chosen)
    if bare and {"redcap", "fhir"} & set(formats):
        typer.echo(f"No form of {', '.join(bare)}: the number of items is not known.")


@codebook_app.command()
def diff(
    redcap: Annotated[Path, typer.Option(metavar="FILE", help="A REDCap data dictionary (CSV).")],
    instrument: InstrumentOption = None,
    form: Annotated[str | None, typer.Option(help="Name of the form, where it resembles no instrument.")] = None,
    network: NetworkOption = None,
) -> None:
    """Say what a unit's forms have otherwise: missing items, other ranges, other names, extra fields.

    Exit code 1: the answers differ (items or ranges). Other names need a mapping only.
    """
    from assets.ingestion.readers.protocol import ReadError
    from assets.publishing.codebook.difference import NoFormError, compare_dictionary
    from orchestration.codebook_check import load_codebook
    from orchestration.codebook_view import print_comparisons

    if not redcap.is_file():
        stop(f"{redcap}: the file does not exist", WRONG)
    with _errors():
        known = load_codebook(network).instruments
    try:
        found, unknown = compare_dictionary(redcap, known, instrument or (), form)
    except (NoFormError, ReadError) as error:
        stop(str(error), WRONG)
    if not found:
        stop(f"{redcap.name}: no form resembles an instrument; name one with --instrument KEY --form NAME", WRONG)
    print_comparisons(found, unknown)
    raise typer.Exit(FAILED if any(comparison.changes_answers for comparison in found) else 0)


@codebook_app.command()
def docs(
    is_check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a page is stale.")] = False,
) -> None:
    """Write docs/instruments/ and docs/unverified.md of this checkout from the codebook."""
    from assets.publishing.codebook.docs import pages, stale, write
    from assets.warehouse.build import CHECKOUT
    from orchestration.codebook_check import load_codebook

    with _errors():
        codebook = load_codebook(None)
    wanted = pages(codebook.instruments, codebook.cases)
    folder = CHECKOUT / "docs"
    if not is_check:
        changed = write(folder, wanted)
        typer.echo(f"{len(wanted)} pages; {len(changed)} changed.")
        return
    problems = stale(folder, wanted)
    if problems:
        stop("\n".join([*problems, "run: concord codebook docs"]), FAILED)
    typer.echo(f"{len(wanted)} pages; all are fresh.")
